"""The verbs: what each sends, and what it makes of the answer."""

from __future__ import annotations

import json
import logging

import pytest

from kubeprims.client.options import (
    ALL_NAMESPACES,
    FieldValidation,
    NamespaceOption,
    PatchType,
    Preconditions,
    PropagationPolicy,
    ResourceVersionMatch,
    WatchOptions,
)
from kubeprims.client.resource import Resource
from kubeprims.errors import (
    InvalidArgument,
    InvalidSelector,
    ResourceExpired,
    UnexpectedContent,
    UnsupportedMediaType,
)
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel
from kubeprims.transport.message import Request, Response
from tests.client.fake import FakeServer, response

POD: JSONObject = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "a", "namespace": "default", "resourceVersion": "5"},
}
PATH = "/api/v1/namespaces/default/pods"


class World:
    """A server that answers any read or write of one object with it, and pages with a list."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.server = FakeServer(self.answer)
        self.pods = self.resource()

    def resource(self, namespace: NamespaceOption = None, *, name: str = "v1/pods") -> Resource:
        return self.server.client().resource(name, namespace)

    def answer(self, request: Request) -> Response:
        query = dict(request.query)
        if "watch" in query:
            event = {"type": "ADDED", "object": POD}
            return response(json.dumps(event).encode() + b"\n", request=request)
        if request.path.endswith("/a") or request.method in {"POST", "PUT", "PATCH"} or "/a/" in request.path:
            return response(POD, request=request)
        start, limit = int(query.get("continue", "0")), int(query.get("limit", "1000"))
        end = min(start + limit, self.count)
        items: list[JSONValue] = [{"metadata": {"name": f"p{number}"}} for number in range(start, end)]
        metadata: JSONObject = {"resourceVersion": "9", **({"continue": str(end)} if end < self.count else {})}
        return response({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}, request=request)

    @property
    def sent(self) -> tuple[str, str]:
        return self.server.last.method, self.server.last.target

    @property
    def body(self) -> JSONValue:
        body: JSONValue = json.loads(self.server.last.body or b"null")
        return body


def test_get_reads_an_object_or_its_subresource() -> None:
    world = World()
    pod = world.pods.get("a")
    assert isinstance(pod, Unstructured)
    assert pod == POD
    assert world.sent == ("GET", f"{PATH}/a")
    world.pods.get("a", subresource="status")
    assert world.sent == ("GET", f"{PATH}/a/status")


def test_list_takes_all_pages() -> None:
    world = World(count=1200)
    pods = world.pods.list(label_selector="app=web", field_selector="spec.nodeName=n")
    assert len(pods) == 1200
    assert pods[0].kind == "Pod"
    assert pods.resource_version == "9"
    selectors = "labelSelector=app%3Dweb&fieldSelector=spec.nodeName%3Dn"
    assert world.server.targets == [
        f"{PATH}?limit=500&{selectors}",
        f"{PATH}?limit=500&continue=500&{selectors}",
        f"{PATH}?limit=500&continue=1000&{selectors}",
    ]


def test_list_with_a_limit_or_a_token_takes_that_page_alone() -> None:
    world = World()
    page = world.pods.list(limit=2, resource_version="8", resource_version_match=ResourceVersionMatch.EXACT)
    assert (len(page), page.continue_token) == (2, "2")
    assert world.sent == ("GET", f"{PATH}?resourceVersion=8&resourceVersionMatch=Exact&limit=2")
    rest = world.pods.list(continue_token=page.continue_token)
    assert [pod.name for pod in rest] == ["p2"]
    assert len(world.server.requests) == 2


def test_iterate_goes_through_all_pages_one_at_a_time() -> None:
    world = World(count=5)
    objects = world.pods.iterate(page_size=2, label_selector="a", field_selector="b=c")
    assert world.server.requests == []
    assert [next(objects).name for _ in range(3)] == ["p0", "p1", "p2"]
    assert len(world.server.requests) == 2
    assert [pod.name for pod in objects] == ["p3", "p4"]
    assert [len(page) for page in world.pods.list_pages(page_size=3)] == [3, 2]


def test_iterate_logs_what_it_leaves_out(caplog: pytest.LogCaptureFixture) -> None:
    document: JSONObject = {"kind": "PodList", "items": [7, {"metadata": {"name": "b", "labels": 1}}, POD]}
    pods = FakeServer(lambda request: response(document)).client().resource("v1/pods")
    with caplog.at_level(logging.WARNING):
        assert [pod.name for pod in pods.iterate()] == ["a"]
    assert "list of v1/pods: an object is left out: not an object" in caplog.text
    assert "list of v1/pods: b is left out" in caplog.text


def test_watch_asks_for_events_and_lasts_a_little_longer_than_the_server_was_told() -> None:
    world = World()
    cancel = Cancel()
    with world.pods.watch(resource_version="9", timeout_s=60, label_selector="a", cancel=cancel) as watch:
        (change,) = watch
    assert change.object == POD
    assert world.sent == (
        "GET",
        f"{PATH}?watch=true&resourceVersion=9&allowWatchBookmarks=true&timeoutSeconds=60&labelSelector=a",
    )
    assert 85 < world.server.last.deadline.remaining_s() <= 90
    assert world.server.last.cancel is cancel
    with world.resource(ALL_NAMESPACES).open_watch(WatchOptions(allow_bookmarks=False, timeout_s=1)) as watch:
        assert len(list(watch)) == 1
    assert world.sent == ("GET", "/api/v1/pods?watch=true&timeoutSeconds=1")


def test_create_posts_to_the_namespace_that_the_object_says() -> None:
    world = World()
    made = world.pods.create({"metadata": {"generateName": "a-", "namespace": "prod"}})
    assert made == POD
    assert world.sent == ("POST", "/api/v1/namespaces/prod/pods?fieldManager=kubeprims")
    assert world.body == {"metadata": {"generateName": "a-", "namespace": "prod"}}
    assert world.server.last.headers.get("Content-Type") == "application/json"
    world.pods.create(
        POD, dry_run=True, field_manager="me", field_validation=FieldValidation.STRICT, timeout_s=5, cancel=Cancel()
    )
    assert world.sent == ("POST", f"{PATH}?dryRun=All&fieldManager=me&fieldValidation=Strict")
    assert world.server.last.deadline.remaining_s() <= 5


def test_create_of_a_subresource_posts_below_the_object() -> None:
    world = World()
    world.pods.create({"kind": "Eviction", "metadata": {"name": "a"}}, subresource="eviction")
    assert world.sent == ("POST", f"{PATH}/a/eviction?fieldManager=kubeprims")
    world.pods.create({"kind": "TokenRequest", "spec": {}}, subresource="token", name="a")
    assert world.sent == ("POST", f"{PATH}/a/token?fieldManager=kubeprims")
    with pytest.raises(InvalidArgument, match="a name may not be empty"):
        world.pods.create({"kind": "TokenRequest"}, subresource="token")
    with pytest.raises(InvalidArgument, match="for subresources"):
        world.pods.create(POD, name="a")


def test_update_puts_the_object_or_its_subresource() -> None:
    world = World()
    world.pods.update(Unstructured.from_dict(POD))
    assert world.sent == ("PUT", f"{PATH}/a?fieldManager=kubeprims")
    assert world.body == POD
    world.pods.update(POD, subresource="status", dry_run=True)
    assert world.sent == ("PUT", f"{PATH}/a/status?dryRun=All&fieldManager=kubeprims")
    with pytest.raises(InvalidArgument, match="a name may not be empty"):
        world.pods.update({"metadata": {"generateName": "x"}})


@pytest.mark.parametrize("patch_type", list(PatchType))
def test_patch_says_its_type(patch_type: PatchType) -> None:
    world = World()
    body: JSONObject = {"metadata": {"labels": {"a": "b"}}}
    spelled_out: PatchType = patch_type.value  # type: ignore[assignment]  # what people will write
    for given in (patch_type, spelled_out):
        world.pods.patch("a", [body] if patch_type is PatchType.JSON else body, given)
    assert world.sent == ("PATCH", f"{PATH}/a?fieldManager=kubeprims")
    assert world.server.last.headers.get("Content-Type") == patch_type.value
    assert world.body == ([body] if patch_type is PatchType.JSON else body)


def test_a_patch_is_a_merge_patch_unless_told_otherwise_and_only_an_apply_can_force() -> None:
    world = World()
    world.pods.patch("a", {"spec": {}}, subresource="status")
    assert world.server.last.headers.get("Content-Type") == "application/merge-patch+json"
    assert world.sent[1].startswith(f"{PATH}/a/status?")
    with pytest.raises(InvalidArgument, match="force"):
        world.pods.patch("a", {}, force=True)


def test_apply_patches_with_the_field_manager_and_force() -> None:
    world = World()
    world.pods.apply(POD)
    assert world.sent == ("PATCH", f"{PATH}/a?fieldManager=kubeprims")
    assert world.server.last.headers.get("Content-Type") == "application/apply-patch+yaml"
    assert world.body == POD
    world.pods.apply(POD, field_manager="me", force=True, subresource="status")
    assert world.sent == ("PATCH", f"{PATH}/a/status?fieldManager=me&force=true")
    with pytest.raises(InvalidArgument, match="a name may not be empty"):
        world.pods.apply({"kind": "Pod"})


def test_scale_patches_the_subresource_alone() -> None:
    world = World()
    world.pods.scale("a", 3, dry_run=True, field_manager="me", field_validation=FieldValidation.WARN)
    assert world.sent == ("PATCH", f"{PATH}/a/scale?dryRun=All&fieldManager=me&fieldValidation=Warn")
    assert world.server.last.headers.get("Content-Type") == "application/merge-patch+json"
    assert world.body == {"spec": {"replicas": 3}}
    with pytest.raises(InvalidArgument, match="replicas is 0 or more"):
        world.pods.scale("a", -1)


@pytest.mark.parametrize(("patch_type", "says"), [(PatchType.STRATEGIC, True), (PatchType.MERGE, False)])
def test_a_strategic_patch_that_is_refused_says_what_to_use_instead(patch_type: PatchType, *, says: bool) -> None:
    refusal: JSONObject = {"kind": "Status", "status": "Failure", "code": 415, "message": "unknown format"}
    widgets = FakeServer(lambda request: response(refusal, status=415)).client().resource("example.com/v1/widgets", "x")
    with pytest.raises(UnsupportedMediaType, match="unknown format") as caught:
        widgets.patch("a", {}, patch_type)
    assert ("custom resources take PatchType.MERGE, PatchType.JSON or apply instead" in str(caught.value)) is says


TABLE: JSONObject = {
    "kind": "Table",
    "metadata": {"resourceVersion": "9"},
    "columnDefinitions": [{"name": "Name", "type": "string", "format": "name"}],
    "rows": [{"cells": ["a"], "object": {"metadata": {"name": "a"}}}],
}


def test_tables_are_asked_for_page_by_page_or_of_one_object() -> None:
    def answer(request: Request) -> Response:
        more: JSONObject = {} if "continue" in dict(request.query) else {"continue": "on"}
        return response({**TABLE, "metadata": {"resourceVersion": "9", **more}}, request=request)

    server = FakeServer(answer)
    pods = server.client().resource("v1/pods")
    assert [len(page) for page in pods.table_pages(page_size=1, label_selector="a=b")] == [1, 1]
    assert server.targets == [f"{PATH}?limit=1&labelSelector=a%3Db", f"{PATH}?limit=1&continue=on&labelSelector=a%3Db"]
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io"
    assert server.last.headers.get("Accept") == f"{accept},application/json"
    whole = pods.table(field_selector="c=d")
    assert [row.name for row in whole.rows] == ["a", "a"]
    assert server.targets[2:] == [
        f"{PATH}?limit=500&fieldSelector=c%3Dd",
        f"{PATH}?limit=500&continue=on&fieldSelector=c%3Dd",
    ]
    assert [row.name for row in pods.table("a").rows] == ["a"]
    assert server.last.target == f"{PATH}/a"


def test_plain_objects_are_a_table_of_names_and_ages() -> None:
    table = World().pods.table()
    assert [column.name for column in table.columns] == ["Name", "Age"]
    assert [row.name for row in table.rows] == ["p0", "p1", "p2"]


def test_an_expired_list_of_any_form_goes_on_where_that_is_allowed() -> None:
    expired: JSONObject = {
        "kind": "Status",
        "status": "Failure",
        "code": 410,
        "reason": "Expired",
        "metadata": {"continue": "02"},
    }
    world = World(count=4)
    fresh = world.answer

    def answer(request: Request) -> Response:
        if len(world.server.requests) == 2:
            return response(expired, status=410, request=request)
        return fresh(request)

    world.server._answerer = answer
    assert [pod.name for pod in world.pods.iterate(page_size=2, allow_inconsistent=True)] == ["p0", "p1", "p2", "p3"]
    world.server.requests.clear()
    assert sum(len(page) for page in world.pods.list_pages(page_size=2, allow_inconsistent=True)) == 4
    world.server.requests.clear()
    assert sum(len(page) for page in world.pods.table_pages(page_size=2, allow_inconsistent=True)) == 4
    world.server.requests.clear()
    with pytest.raises(ResourceExpired):
        list(world.pods.iterate(page_size=2))


def test_delete_says_what_must_hold_and_what_becomes_of_the_rest() -> None:
    world = World()
    assert world.pods.delete("a") == POD
    assert world.sent == ("DELETE", f"{PATH}/a")
    assert world.body == {"kind": "DeleteOptions", "apiVersion": "v1"}
    world.pods.delete(
        "a",
        preconditions=Preconditions(uid="u", resource_version="5"),
        grace_period_s=0,
        propagation_policy=PropagationPolicy.ORPHAN,
        dry_run=True,
    )
    assert world.body == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan",
        "dryRun": ["All"],
    }


def test_delete_collection_returns_what_was_deleted() -> None:
    world = World()
    gone = world.pods.delete_collection(label_selector="a=b", field_selector="c=d", grace_period_s=1, dry_run=True)
    assert [pod.name for pod in gone] == ["p0", "p1", "p2"]
    assert world.sent == ("DELETE", f"{PATH}?labelSelector=a%3Db&fieldSelector=c%3Dd")
    assert world.body == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 1,
        "dryRun": ["All"],
    }
    with pytest.raises(InvalidArgument, match="say which one"):
        world.resource(ALL_NAMESPACES).delete_collection()


def test_what_is_wrong_in_a_call_is_refused_before_anything_is_sent() -> None:
    world = World()
    pods = world.pods
    for call in (
        lambda: pods.get("../nodes"),
        lambda: pods.get("a", timeout_s=0),
        lambda: pods.list(limit=0),
        lambda: pods.list(timeout_s=-1),
        lambda: pods.list_pages(page_size=0),
        lambda: pods.watch(timeout_s=-1),
        lambda: pods.delete("a", grace_period_s=-1),
        lambda: pods.create({"metadata": {"namespace": "../kube-system"}}),
        lambda: pods.patch("a", {"x": float("inf")}),
        lambda: pods.patch("a", {}, "text/plain"),  # type: ignore[arg-type]
        lambda: pods.update(POD, field_manager="\n"),
        lambda: world.resource("prod").create(POD),
    ):
        with pytest.raises(InvalidArgument):
            call()
    with pytest.raises(InvalidSelector):
        pods.list(label_selector="((")
    assert world.server.requests == []


def test_a_sign_in_page_instead_of_a_watch_is_told() -> None:
    page = response(b"<html>", headers=[("Content-Type", "text/html")])
    with pytest.raises(UnexpectedContent):
        FakeServer(lambda request: page).client().resource("v1/pods").watch()


def test_a_resource_says_what_it_is() -> None:
    world = World()
    assert repr(world.pods) == "<Resource v1/pods>"
    assert repr(world.resource("prod")) == "<Resource v1/pods in prod>"
    assert repr(world.resource(ALL_NAMESPACES)) == "<Resource v1/pods in all namespaces>"
    assert world.pods.namespace is None
    assert world.pods.namespaced
    assert world.pods.within("x").namespace == "x"
    assert str(world.pods.gvr) == "v1/pods"
    assert not world.resource(name="v1/nodes").namespaced
