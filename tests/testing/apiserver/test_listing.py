from __future__ import annotations

import base64
import json

import pytest

from kubeprims.errors import BadRequest, ResourceExpired, ServerTimeout, StatusError
from kubeprims.meta import JSONObject
from kubeprims.selectors import FieldSelector, LabelSelector
from kubeprims.testing.apiserver.listing import ContinueToken, Listing
from kubeprims.testing.apiserver.queries import ListQuery
from tests.testing.apiserver.backends import CRDS, WIDGET, WIDGETS, Server, failure, load, part

CM = "v1/configmaps"


@pytest.fixture
def server() -> Server:
    server = Server()
    for name in ("a", "b", "c", "d", "e"):
        server.create(CM, {"metadata": {"name": name, "labels": {"name": name}}})
    server.create(CM, {"metadata": {"name": "a"}}, "kube-system")
    return server


def _list(server: Server, namespace: str = "default", **query: object) -> Listing:
    return server.backend.list(server.kind(CM), namespace, ListQuery(**query))  # type: ignore[arg-type] # by name


def _names(listing: Listing) -> list[object]:
    items = load(listing.body())["items"]
    assert isinstance(items, list)
    return [part(item, "metadata", "name") for item in items if isinstance(item, dict)]


def test_a_list_has_the_shape_of_upstream(server: Server) -> None:
    listing = _list(server, "kube-system")
    uid = part(server.get(CM, "a", "kube-system"), "metadata", "uid")
    assert listing.body().decode() == (
        '{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"10"},"items":[{"metadata":{"name":"a",'
        f'"namespace":"kube-system","uid":"{uid}","resourceVersion":"10","creationTimestamp":"2026-01-01T00:00:00Z"}}'
        "}]}\n"
    )
    assert listing.resource_version == "10"
    assert len(listing) == 1


def test_a_list_of_custom_objects_has_its_metadata_last(server: Server) -> None:
    server.create(CRDS, WIDGETS)
    server.create("example.com/v1/widgets", WIDGET)
    body = load(server.backend.list(server.kind("example.com/v1beta1/widgets"), "").body())
    assert list(body) == ["apiVersion", "items", "kind", "metadata"]
    assert body["metadata"] == {"continue": "", "resourceVersion": "12"}
    items = body["items"]
    assert isinstance(items, list)
    assert part(items[0], "apiVersion") == "example.com/v1beta1"  # type: ignore[arg-type] # an object


def test_an_empty_list_is_not_null(server: Server) -> None:
    listing = _list(server, "nowhere")
    assert load(listing.body())["items"] == []
    assert listing.content_length == len(listing.body())


def test_a_long_list_comes_in_chunks_that_make_one_body() -> None:
    server = Server()
    big = {"data": {"x": "y" * 200_000}}
    server.backend.create_many(server.kind(CM), [{"metadata": {"name": f"c{n}"}, **big} for n in range(10)])
    listing = _list(server)
    chunks = list(listing.chunks())
    assert 3 < len(chunks) < 7
    assert sum(map(len, chunks)) == listing.content_length
    assert len(_names(listing)) == 10


def test_all_namespaces_are_listed_by_key(server: Server) -> None:
    assert _names(_list(server, "")) == ["a", "b", "c", "d", "e", "a"]


def test_pages_show_the_version_of_the_first_one(server: Server) -> None:
    first = _list(server, limit=2)
    assert _names(first) == ["a", "b"]
    metadata = load(first.body())["metadata"]
    assert metadata == {"resourceVersion": "10", "continue": first.continue_token, "remainingItemCount": 3}
    server.delete(CM, "c")
    server.create(CM, {"metadata": {"name": "bb"}})
    server.update(CM, "d", {"metadata": {"name": "d"}, "data": {"new": "1"}})
    second = _list(server, limit=2, continue_token=first.continue_token)
    assert _names(second) == ["c", "d"]
    assert second.resource_version == "10"
    assert b"new" not in second.body()
    assert load(second.body())["metadata"] == {
        "resourceVersion": "10",
        "continue": second.continue_token,
        "remainingItemCount": 1,
    }
    last = _list(server, limit=2, continue_token=second.continue_token, resource_version="0")
    assert _names(last) == ["e"]
    assert last.continue_token == ""
    assert _names(_list(server)) == ["a", "b", "bb", "d", "e"]


def test_pages_go_on_across_namespaces(server: Server) -> None:
    first = _list(server, "", limit=5)
    assert _names(_list(server, "", limit=5, continue_token=first.continue_token)) == ["a"]


def test_a_limit_that_is_not_reached_ends_the_list(server: Server) -> None:
    assert _list(server, limit=5).continue_token == ""
    assert _list(server, limit=4).continue_token != ""


def test_selected_pages_do_not_count_what_remains(server: Server) -> None:
    listing = _list(server, limit=1, label_selector=LabelSelector.parse("name in (b,d)"))
    assert _names(listing) == ["b"]
    assert "remainingItemCount" not in json.dumps(load(listing.body())["metadata"])
    following = _list(
        server,
        limit=1,
        label_selector=LabelSelector.parse("name in (b,d)"),
        continue_token=listing.continue_token,
    )
    assert _names(following) == ["d"]
    # Something follows, and nobody looks whether it is selected.
    last = _list(
        server,
        limit=1,
        label_selector=LabelSelector.parse("name in (b,d)"),
        continue_token=following.continue_token,
    )
    assert (_names(last), last.continue_token) == ([], "")


def test_version_zero_ignores_the_limit(server: Server) -> None:
    assert len(_list(server, limit=2, resource_version="0")) == 5


def test_the_version_and_its_match_choose_the_snapshot(server: Server) -> None:
    assert _names(_list(server, resource_version="6", resource_version_match="Exact")) == ["a", "b"]
    assert _names(_list(server, resource_version="6", limit=5)) == ["a", "b"]
    assert _names(_list(server, resource_version="6")) == ["a", "b", "c", "d", "e"]
    newest = _list(server, resource_version="6", resource_version_match="NotOlderThan", limit=2)
    assert _names(newest) == ["a", "b"]
    assert newest.resource_version == "10"


def test_a_version_from_the_future_is_waited_for_and_then_refused(server: Server) -> None:
    with pytest.raises(ServerTimeout) as caught:
        _list(server, resource_version="99")
    assert failure(caught) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Timeout: Too large resource version: 99, current: 10",
        "reason": "Timeout",
        "details": {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
        "code": 504,
    }
    assert server.clock.now_s == 1003
    with pytest.raises(ServerTimeout):
        _list(server, continue_token=ContinueToken(99, "/a").encode())


def test_a_compacted_version_is_expired(server: Server) -> None:
    page = _list(server, limit=2)
    server.create(CM, {"metadata": {"name": "f"}})
    server.backend.compact()
    with pytest.raises(ResourceExpired) as caught:
        _list(server, resource_version="10", resource_version_match="Exact")
    assert failure(caught)["message"] == "The resourceVersion for the provided list is too old."
    with pytest.raises(ResourceExpired) as caught:
        _list(server, limit=2, continue_token=page.continue_token)
    status = failure(caught)
    assert status["reason"] == "Expired"
    assert str(status["message"]).startswith("The provided continue parameter is too old to display a consistent list")
    metadata = status["metadata"]
    assert isinstance(metadata, dict)
    rest = _list(server, limit=9, continue_token=metadata["continue"])
    assert _names(rest) == ["c", "d", "e", "f"]
    assert rest.resource_version == "11"
    assert _names(_list(server, resource_version="11", resource_version_match="Exact"))[-1] == "f"


def test_a_list_survives_a_restart_that_watches_do_not(server: Server) -> None:
    page = _list(server, limit=2)
    server.create(CM, {"metadata": {"name": "f"}})
    server.backend.drop_history()
    assert _names(_list(server, limit=9, continue_token=page.continue_token)) == ["c", "d", "e"]


def _token(**parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("!!", ""),
        ("abc", ""),
        (_token(), "server does not recognize this encoded version "),
        (base64.urlsafe_b64encode(b"[1]").decode(), "server does not recognize this encoded version "),
        (_token(v="v0"), "server does not recognize this encoded version v0"),
        (
            _token(v="meta.k8s.io/v1", rv=0, start="a"),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (
            _token(v="meta.k8s.io/v1", rv=-2, start="a"),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (_token(v="meta.k8s.io/v1", rv=5), "encoded start key empty (version meta.k8s.io/v1)"),
        (_token(v="meta.k8s.io/v1", rv=5, start="../a"), "../a"),
    ],
)
def test_a_token_that_is_none_is_a_bad_request(server: Server, token: str, problem: str) -> None:
    with pytest.raises(BadRequest) as caught:
        _list(server, continue_token=token)
    assert caught.value.message.startswith(f"invalid continue token: continue key is not valid: {problem}")


def test_tokens_look_like_those_of_upstream(server: Server) -> None:
    token = _list(server, limit=2).continue_token
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert text == b'{"v":"meta.k8s.io/v1","rv":10,"start":"/b\\u0000"}'
    token = _list(server, "", limit=2).continue_token
    assert ContinueToken.decode(token) == (10, "default/b\0")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"continue_token": ContinueToken(5, "/a").encode(), "resource_version": "5"},
            "specifying resource version is not allowed when using continue",
        ),
        (
            {"resource_version": "x"},
            (
                'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": '
                "invalid "
                "syntax"
            ),
        ),
        (
            {"field_selector": FieldSelector.parse("spec.x=y")},
            '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
    ],
)
def test_a_query_that_makes_no_sense_is_a_bad_request(server: Server, query: JSONObject, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        _list(server, **query)
    assert caught.value.message == message


def test_a_query_is_checked_whoever_made_it(server: Server) -> None:
    with pytest.raises(StatusError, match="is forbidden unless resourceVersion is provided"):
        _list(server, resource_version_match="Exact")


@pytest.mark.parametrize(
    ("resource", "obj", "selector", "selected"),
    [
        ("v1/pods", {"spec": {"nodeName": "n"}}, "spec.nodeName=n", True),
        ("v1/pods", {"spec": {"nodeName": "n"}}, "spec.nodeName=m", False),
        ("v1/pods", {"spec": {}}, "spec.nodeName=,status.phase=Pending", True),
        ("v1/pods", {"spec": {}}, "status.phase!=Running", True),
        ("v1/pods", {"spec": {"hostNetwork": True}}, "spec.hostNetwork=true", True),
        ("v1/pods", {}, "metadata.name=x,metadata.namespace=default", True),
        ("v1/pods", {}, "metadata.namespace!=default", False),
        ("v1/secrets", {"type": "Opaque"}, "type=Opaque", True),
        ("v1/replicationcontrollers", {}, "status.replicas=0", True),
        ("v1/events", {"involvedObject": {"name": "p"}, "source": {"component": "k"}}, "source=k", True),
        ("events.k8s.io/v1/events", {"regarding": {"name": "p"}}, "regarding.name=p", True),
        (
            "events.k8s.io/v1/events",
            {"reportingController": "k", "reason": "R"},
            "reportingController=k,reason=R",
            True,
        ),
    ],
)
def test_field_selectors_know_the_fields_of_their_kinds(
    resource: str, obj: JSONObject, selector: str, *, selected: bool
) -> None:
    server = Server()
    server.put_in(resource, {"metadata": {"name": "x"}, **obj})
    listing = server.backend.list(
        server.kind(resource), "default", ListQuery(field_selector=FieldSelector.parse(selector))
    )
    assert len(listing) == selected


@pytest.mark.parametrize("resource", ["v1/pods", "v1/nodes", "v1/events", "example.com/v1/widgets"])
def test_an_unknown_field_is_named(server: Server, resource: str) -> None:
    server.create(CRDS, WIDGETS)
    query = ListQuery(field_selector=FieldSelector.parse("spec.x=y"))
    with pytest.raises(BadRequest, match=r"field label not supported: spec\.x$"):
        server.backend.list(server.kind(resource), "", query)


def test_events_are_one_set_of_objects_under_two_names() -> None:
    server = Server()
    server.create(
        "v1/events",
        {"metadata": {"name": "e"}, "involvedObject": {"name": "p"}, "message": "m", "count": 3, "type": "Normal"},
    )
    new = server.get("events.k8s.io/v1/events", "e")
    assert new["kind"] == "Event"
    assert new["apiVersion"] == "events.k8s.io/v1"
    assert (new["regarding"], new["note"], new["deprecatedCount"]) == ({"name": "p"}, "m", 3)
    assert "message" not in new
    server.patch("events.k8s.io/v1/events", "e", {"note": "changed"})
    old = server.get("v1/events", "e")
    assert (old["message"], old["involvedObject"]) == ("changed", {"name": "p"})
