from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest

from kubeprims.errors import Conflict, Forbidden, Invalid, MethodNotAllowed, NotFound, StatusCause
from kubeprims.meta import JSONObject
from kubeprims.selectors import LabelSelector
from kubeprims.testing.apiserver.queries import DeleteOptions, ListQuery
from tests.testing.apiserver.backends import CRDS, WIDGET, WIDGETS, Server, events, failure, load, part

CM = "v1/configmaps"
NS = "v1/namespaces"
PODS = "v1/pods"


@pytest.fixture
def server() -> Server:
    return Server()


def _is_gone(server: Server, resource: str, name: str) -> bool:
    try:
        server.get(resource, name)
    except NotFound:
        return True
    return False


def _pod(server: Server, *, node: str = "n1", spec: JSONObject | None = None, phase: str = "") -> None:
    server.put_in(PODS, {"metadata": {"name": "p"}, "spec": {"nodeName": node, **(spec or {})}})
    if phase:
        server.patch(PODS, "p", {"status": {"phase": phase}}, subresource="status")


def test_a_deletion_answers_with_a_status(server: Server) -> None:
    created = server.create(CM, {"metadata": {"name": "a"}})
    watch = server.watch(CM, resource_version="5")
    assert server.delete(CM, "a") == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": part(created, "metadata", "uid")},
    }
    assert events(watch) == [("DELETED", "a", "6")]
    with pytest.raises(NotFound):
        server.delete(CM, "a")


def test_some_kinds_answer_with_the_object(server: Server) -> None:
    server.create("v1/serviceaccounts", {"metadata": {"name": "a"}})
    assert part(server.delete("v1/serviceaccounts", "a"), "metadata", "resourceVersion") == "6"


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"uid": "zz"},
            (
                'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (zz) does not match '
                "the UID "
                "in record (UID). The object might have been deleted and then recreated"
            ),
        ),
        (
            {"resource_version": "1"},
            (
                'Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition (1) does not '
                "match the ResourceVersion in record (5). The object might have been modified"
            ),
        ),
    ],
)
def test_a_deletion_can_have_preconditions(server: Server, options: JSONObject, message: str) -> None:
    created = server.create(CM, {"metadata": {"name": "a"}})
    uid = str(part(created, "metadata", "uid"))
    with pytest.raises(Conflict) as caught:
        server.delete(CM, "a", **options)
    assert failure(caught)["message"] == message.replace("UID)", f"{uid})")
    server.delete(CM, "a", uid=uid, resource_version="5")


def test_finalizers_keep_an_object_until_the_last_one_goes(server: Server) -> None:
    server.create(CM, {"metadata": {"name": "a", "finalizers": ["a.b/c", "a.b/d"]}})
    watch = server.watch(CM, resource_version="5")
    marked = server.delete(CM, "a")
    assert part(marked, "metadata", "deletionTimestamp") == "2026-01-01T00:00:00Z"
    assert part(marked, "metadata", "deletionGracePeriodSeconds") == 0
    assert server.delete(CM, "a") == marked, "it is only begun once"
    with pytest.raises(Invalid) as caught:
        server.patch(CM, "a", {"metadata": {"finalizers": ["a.b/c", "a.b/d", "a.b/e"]}})
    assert caught.value.causes[0].message == (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
        '[]string{"a.b/e"}'
    )
    kept = server.patch(CM, "a", {"metadata": {"finalizers": ["a.b/d"], "deletionTimestamp": None}})
    assert part(kept, "metadata", "deletionTimestamp") == "2026-01-01T00:00:00Z"
    last = server.patch(CM, "a", {"metadata": {"finalizers": None}})
    assert part(last, "metadata", "resourceVersion") == "7", "the answer shows the state that was there"
    assert part(last, "metadata", "finalizers") is None
    assert _is_gone(server, CM, "a")
    assert events(watch) == [("MODIFIED", "a", "6"), ("MODIFIED", "a", "7"), ("DELETED", "a", "8")]


@pytest.mark.parametrize(("policy", "finalizer"), [("Orphan", "orphan"), ("Foreground", "foregroundDeletion")])
def test_a_propagation_policy_leaves_the_object_to_a_garbage_collector(
    server: Server, policy: str, finalizer: str
) -> None:
    server.create(CM, {"metadata": {"name": "a", "generation": 7}})
    marked = server.delete(CM, "a", propagation_policy=policy)
    assert part(marked, "metadata", "finalizers") == [finalizer]
    assert part(marked, "metadata", "generation") == 8
    again = server.delete(CM, "a", propagation_policy=policy)
    assert again == marked
    server.delete(CM, "a", propagation_policy="Background")
    assert _is_gone(server, CM, "a")


def test_the_policy_can_change_while_the_object_waits(server: Server) -> None:
    server.create(CM, {"metadata": {"name": "a"}})
    server.delete(CM, "a", propagation_policy="Orphan")
    changed = server.delete(CM, "a", propagation_policy="Foreground")
    assert part(changed, "metadata", "finalizers") == ["foregroundDeletion"]


@pytest.mark.parametrize(
    ("node", "spec", "phase", "asked", "grace"),
    [
        ("n1", {}, "", None, 30),
        ("n1", {"terminationGracePeriodSeconds": 5}, "", None, 5),
        ("n1", {}, "Running", 7, 7),
        ("n1", {}, "Running", -1, 1),
    ],
)
def test_a_pod_on_a_node_gets_its_grace_period(
    server: Server, node: str, spec: JSONObject, phase: str, asked: int | None, grace: int
) -> None:
    _pod(server, node=node, spec=spec, phase=phase)
    pod = server.delete(PODS, "p", grace_period_s=asked)
    assert part(pod, "metadata", "deletionGracePeriodSeconds") == grace
    assert part(pod, "metadata", "deletionTimestamp") == f"2026-01-01T00:00:{grace:02}Z"
    assert part(pod, "metadata", "generation") == 2


@pytest.mark.parametrize(
    ("node", "phase", "asked"),
    [("", "", None), ("", "", 40), ("n1", "Succeeded", None), ("n1", "Failed", 9), ("n1", "", 0)],
)
def test_a_pod_that_does_not_run_goes_at_once(server: Server, node: str, phase: str, asked: int | None) -> None:
    _pod(server, node=node, phase=phase)
    watch = server.watch(PODS, resource_version=str(server.backend.revision))
    last = server.delete(PODS, "p", grace_period_s=asked)
    assert last["kind"] == "Pod"
    assert part(last, "metadata", "deletionGracePeriodSeconds") == 0
    assert _is_gone(server, PODS, "p")
    assert [event[0] for event in events(watch)] == ["MODIFIED", "DELETED"]


def test_a_grace_period_can_only_be_shortened(server: Server) -> None:
    _pod(server)
    first = server.delete(PODS, "p")
    assert server.delete(PODS, "p") == first
    assert server.delete(PODS, "p", grace_period_s=40) == first
    server.clock.now_s += 5
    shorter = server.delete(PODS, "p", grace_period_s=10)
    assert part(shorter, "metadata", "deletionTimestamp") == "2026-01-01T00:00:10Z"
    assert part(shorter, "metadata", "generation") == 2
    server.delete(PODS, "p", grace_period_s=0)
    assert _is_gone(server, PODS, "p")


def test_a_pod_that_waits_for_its_node_outlives_its_finalizers(server: Server) -> None:
    _pod(server)
    server.patch(PODS, "p", {"metadata": {"finalizers": ["a.b/c"]}})
    server.delete(PODS, "p")
    server.patch(PODS, "p", {"metadata": {"finalizers": None}})
    assert not _is_gone(server, PODS, "p")


def test_a_pod_with_finalizers_waits_for_them(server: Server) -> None:
    _pod(server)
    server.patch(PODS, "p", {"metadata": {"finalizers": ["a.b/c"]}})
    server.delete(PODS, "p", grace_period_s=0)
    assert not _is_gone(server, PODS, "p")
    server.patch(PODS, "p", {"metadata": {"finalizers": None}})
    assert _is_gone(server, PODS, "p")


def test_a_collection_is_deleted_by_selector(server: Server) -> None:
    for name in ("a", "b", "c"):
        server.create(CM, {"metadata": {"name": name, "labels": {"keep": "yes" if name == "b" else "no"}}})
    server.create(CM, {"metadata": {"name": "a", "labels": {"keep": "no"}}}, "kube-system")
    answer = server.backend.delete_collection(
        server.kind(CM), "default", ListQuery(label_selector=LabelSelector.parse("keep=no")), DeleteOptions()
    )
    assert answer.code == 200
    body = load(answer.body)
    assert body["kind"] == "ConfigMapList"
    items = body["items"]
    assert isinstance(items, list)
    assert len(items) == 2
    left = [item.key for item in server.backend.list(server.kind(CM), "").items]
    assert left == ["default/b", "kube-system/a"]
    server.backend.delete_collection(server.kind(CM), "default")
    assert _is_gone(server, CM, "b")


def test_namespaces_are_not_deleted_as_a_collection(server: Server) -> None:
    with pytest.raises(MethodNotAllowed):
        server.backend.delete_collection(server.kind(NS), "")


def test_a_namespace_stays_until_it_is_finalized(server: Server) -> None:
    server.create(NS, {"metadata": {"name": "n"}})
    server.create(CM, {"metadata": {"name": "a"}}, "n")
    marked = server.delete(NS, "n")
    assert marked["status"] == {"phase": "Terminating"}
    assert part(marked, "metadata", "deletionTimestamp") == "2026-01-01T00:00:00Z"
    assert server.delete(NS, "n") == marked
    kept = server.update(NS, "n", {"metadata": {"name": "n"}, "spec": {"finalizers": []}})
    assert kept["spec"] == {"finalizers": ["kubernetes"]}, "only `finalize` takes it away"
    done = server.update(NS, "n", {"metadata": {"name": "n"}, "spec": {"finalizers": []}}, subresource="finalize")
    assert done["spec"] == {}
    assert _is_gone(server, NS, "n")


def test_a_namespace_with_finalizers_of_its_own_waits_for_those_too(server: Server) -> None:
    server.create(NS, {"metadata": {"name": "n", "finalizers": ["a.b/c"]}})
    server.delete(NS, "n")
    server.update(NS, "n", {"metadata": {"name": "n", "finalizers": ["a.b/c"]}}, subresource="finalize")
    assert not _is_gone(server, NS, "n")
    server.patch(NS, "n", {"metadata": {"finalizers": None}})
    assert _is_gone(server, NS, "n")


def test_a_finalized_namespace_goes_when_it_is_deleted_again(server: Server) -> None:
    server.create(NS, {"metadata": {"name": "n"}})
    finalized = server.update(NS, "n", {"metadata": {"name": "n"}}, subresource="finalize")
    assert finalized["spec"] == {}
    server.delete(NS, "n")
    assert not _is_gone(server, NS, "n")
    server.delete(NS, "n")
    assert _is_gone(server, NS, "n")


def test_a_namespace_can_be_emptied_at_once() -> None:
    server = Server(empty_namespaces_at_once=True)
    server.create(NS, {"metadata": {"name": "n"}})
    server.create(CM, {"metadata": {"name": "a", "finalizers": ["a.b/c"]}}, "n")
    server.create(CM, {"metadata": {"name": "a"}}, "default")
    server.create(CRDS, WIDGETS)
    server.create("example.com/v1/widgets", WIDGET, "n")
    watch = server.watch(CM, "n", resource_version=str(server.backend.revision))
    server.delete(NS, "n")
    assert _is_gone(server, NS, "n")
    assert [event[:2] for event in events(watch)] == [("DELETED", "a")]
    assert len(server.backend.list(server.kind(CM), "")) == 1
    assert len(server.backend.list(server.kind("example.com/v1/widgets"), "")) == 0


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_may_not_go(server: Server, name: str) -> None:
    with pytest.raises(Forbidden) as caught:
        server.delete(NS, name)
    assert failure(caught)["message"] == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


def test_a_definition_brings_its_kinds(server: Server) -> None:
    created = server.create(CRDS, WIDGETS)
    assert part(created, "spec", "names") == {
        "plural": "widgets",
        "singular": "widget",
        "shortNames": ["wd"],
        "categories": ["all"],
        "kind": "Widget",
        "listKind": "WidgetList",
    }
    assert part(created, "spec", "conversion") == {"strategy": "None"}
    status = created["status"]
    assert isinstance(status, dict)
    assert status["storedVersions"] == ["v1"]
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    assert [(part(item, "type"), part(item, "status")) for item in conditions if isinstance(item, dict)] == [
        ("NamesAccepted", "True"),
        ("Established", "True"),
    ]
    kind = server.kind("example.com/v1/widgets")
    assert (kind.kind, kind.singular, kind.list_kind) == ("Widget", "widget", "WidgetList")
    assert (kind.short_names, kind.categories, kind.namespaced) == (("wd",), ("all",), True)
    assert kind.has_status
    assert not server.kind("example.com/v1beta1/widgets").has_status
    assert kind in server.backend.kinds()
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        server.kind("example.com/v1alpha1/widgets")


def test_a_definition_that_changes_changes_what_is_served(server: Server) -> None:
    created = server.create(CRDS, WIDGETS)
    widget = server.create("example.com/v1/widgets", WIDGET)
    changed = copy.deepcopy(created)
    spec = changed["spec"]
    assert isinstance(spec, dict)
    versions = spec["versions"]
    assert isinstance(versions, list)
    for version in versions:
        assert isinstance(version, dict)
        version["served"] = version["name"] == "v1alpha1"
        version["storage"] = version["name"] == "v1alpha1"
    updated = server.update(CRDS, "widgets.example.com", changed)
    assert part(updated, "status", "storedVersions") == ["v1", "v1alpha1"]
    assert part(updated, "metadata", "generation") == 2
    with pytest.raises(NotFound):
        server.kind("example.com/v1/widgets")
    now = server.get("example.com/v1alpha1/widgets", "w")
    assert now["apiVersion"] == "example.com/v1alpha1"
    assert now["metadata"] == widget["metadata"]


def test_a_definition_goes_with_its_objects_and_their_watches(server: Server) -> None:
    server.create(CRDS, WIDGETS)
    server.create("example.com/v1/widgets", WIDGET)
    kind = server.kind("example.com/v1/widgets")
    watch = server.backend.watch(kind, "")
    server.delete(CRDS, "widgets.example.com")
    for told in (b"ADDED", b"DELETED"):
        (line,) = watch.next_batch(None) or []
        assert line.startswith(b'{"type":"%b"' % told)
    assert watch.next_batch(None) is None
    assert _is_gone(server, CRDS, "widgets.example.com")
    with pytest.raises(NotFound):
        server.kind("example.com/v1/widgets")
    server.create(CRDS, WIDGETS)
    assert len(server.backend.list(kind, "")) == 0
    assert _is_gone(server, "example.com/v1/widgets", "w")


def test_a_definition_that_serves_nothing_can_go(server: Server) -> None:
    unserved = copy.deepcopy(WIDGETS)
    for version in unserved["spec"]["versions"]:  # type: ignore[index,union-attr,call-overload] # as written above
        version["served"] = False  # type: ignore[index,call-overload]
    server.create(CRDS, unserved)
    server.delete(CRDS, "widgets.example.com")
    assert _is_gone(server, CRDS, "widgets.example.com")


def _with(path: str, value: object) -> JSONObject:
    crd = copy.deepcopy(WIDGETS)
    target: object = crd
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        target = target[step]  # type: ignore[index] # the paths are those of the object
    target[last] = value  # type: ignore[index]
    return crd


@pytest.mark.parametrize(
    ("path", "value", "fields"),
    [
        ("metadata.name", "bad", ["metadata.name"]),
        ("spec.group", "", ["metadata.name", "spec.group"]),
        ("spec.group", "A.b", ["metadata.name", "spec.group"]),
        ("spec.group", "nodots", ["metadata.name", "spec.group"]),
        ("spec.group", "coordination.k8s.io", ["metadata.name", "spec.group"]),
        ("spec.scope", "", ["spec.scope"]),
        ("spec.scope", "Foo", ["spec.scope"]),
        ("spec.names.kind", "", ["spec.names.singular", "spec.names.kind", "spec.names.listKind"]),
        ("spec.names.singular", "a_b", ["spec.names.singular"]),
        ("spec.conversion", {"strategy": "Wish"}, ["spec.conversion.strategy"]),
        ("spec.versions", [], ["spec.versions", "status.storedVersions"]),
        ("spec.versions", "odd", ["spec.versions", "status.storedVersions"]),
        ("spec.versions.0.name", "V1", ["spec.versions[0].name", "spec.version"]),
        ("spec.versions.0.name", "v1beta1", ["spec.versions"]),
        ("spec.versions.0.schema", {}, ["spec.versions[0].schema.openAPIV3Schema"]),
        ("spec.versions.1.storage", True, ["spec.versions", "status.storedVersions"]),
        ("spec.names.shortNames", "odd", []),
        ("status", {"storedVersions": ["v1"]}, []),
    ],
)
def test_a_definition_is_checked(server: Server, path: str, value: object, fields: list[str]) -> None:
    causes: Sequence[StatusCause] = ()
    try:
        server.create(CRDS, _with(path, value))
    except Invalid as error:
        causes = error.causes
    assert [cause.field for cause in causes] == fields


@pytest.mark.parametrize(("path", "field"), [("spec.scope", "spec.scope"), ("spec.names.kind", "spec.names.kind")])
def test_some_of_a_definition_stays_as_it_is(server: Server, path: str, field: str) -> None:
    created = server.create(CRDS, WIDGETS)
    changed = _with(path, "Cluster")
    changed["metadata"] = created["metadata"]
    with pytest.raises(Invalid) as caught:
        server.update(CRDS, "widgets.example.com", changed)
    assert [(cause.field, cause.message) for cause in caught.value.causes] == [
        (field, 'Invalid value: "Cluster": field is immutable')
    ]


def test_cluster_scoped_custom_objects_have_no_namespace(server: Server) -> None:
    server.create(CRDS, _with("spec.scope", "Cluster"))
    created = server.create("example.com/v1/widgets", {**WIDGET, "metadata": {"name": "w", "namespace": "odd"}})
    assert part(created, "metadata", "namespace") is None
    server.delete("example.com/v1/widgets", "w")
    assert _is_gone(server, "example.com/v1/widgets", "w")
