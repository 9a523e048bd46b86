from __future__ import annotations

import json
import re

import pytest

from kubeprims.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    StatusError,
)
from kubeprims.meta import JSONObject, JSONValue
from tests.testing.apiserver.backends import CRDS, MERGE_PATCH, WIDGET, WIDGETS, Server, events, failure, part
from tests.testing.apiserver.given_objects import GIVEN, pod

CM = "v1/configmaps"
PODS = "v1/pods"
POD = pod()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def widgets() -> Server:
    server = Server()
    server.create(CRDS, WIDGETS)
    return server


def test_a_created_object_gets_what_the_server_gives(server: Server) -> None:
    created = server.create(
        CM,
        {
            "metadata": {
                "name": "a",
                "uid": "mine",
                "generation": 7,
                "creationTimestamp": "2001-01-01T00:00:00Z",
                "deletionTimestamp": "2001-01-01T00:00:00Z",
                "selfLink": "x",
                "labels": {"l": "m"},
                "annotations": None,
                "managedFields": [{"manager": "me"}],
            },
            "data": {"k": "v"},
        },
    )
    uid = part(created, "metadata", "uid")
    assert created == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {
            "name": "a",
            "namespace": "default",
            "uid": uid,
            "resourceVersion": "5",
            "generation": 7,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"l": "m"},
            "managedFields": [
                {
                    "manager": "kubeprims.testing",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": "2026-01-01T00:00:00Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {
                        "f:data": {".": {}, "f:k": {}},
                        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
                    },
                }
            ],
        },
        "data": {"k": "v"},
    }
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", str(uid))
    assert server.get(CM, "a") == created
    assert server.backend.revision == 5


def test_names_are_made_from_generate_name(server: Server) -> None:
    names = {str(part(server.create(CM, {"metadata": {"generateName": "a-"}}), "metadata", "name")) for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch("a-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)
    long = server.create(CM, {"metadata": {"generateName": "b" * 100}})
    assert len(str(part(long, "metadata", "name"))) == 63


class _SameChance:
    def random(self) -> float:
        return 0.5


def test_a_generated_name_that_is_always_taken_is_a_conflict(server: Server) -> None:
    server.backend._writer._rng = _SameChance()
    server.create(CM, {"metadata": {"generateName": "a-"}})
    with pytest.raises(AlreadyExists):
        server.create(CM, {"metadata": {"generateName": "a-"}})


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            '{"metadata":{"name":"a","resourceVersion":"5"}}',
            InternalError,
            "resourceVersion should not be set on objects to be created",
        ),
        (
            '{"metadata":{"name":"a","namespace":"other"}}',
            BadRequest,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ('{"metadata":{}}', Invalid, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName'),
        ("{}", Invalid, 'ConfigMap "" is invalid: metadata.name: Required value'),
        (
            '{"apiVersion":"apps/v1","metadata":{"name":"a"}}',
            BadRequest,
            "the API version in the data (apps/v1) does not match the expected API version (v1)",
        ),
        (
            '{"kind":"Pod","metadata":{"name":"a"}}',
            BadRequest,
            'Pod in version "v1" cannot be handled as a ConfigMap',
        ),
        (
            '{"metadata":5}',
            BadRequest,
            (
                'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into '
                "Go struct "
                "field ConfigMap.metadata of type v1.ObjectMeta"
            ),
        ),
        (
            '{"metadata":{"name":5}}',
            BadRequest,
            (
                'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into '
                "Go struct "
                "field ObjectMeta.metadata.name of type string"
            ),
        ),
        ("{", BadRequest, "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind"),
        ("[" * 300 + "]" * 300, BadRequest, "the object provided is unrecognized"),
    ],
)
def test_what_cannot_be_created_is_refused_as_upstream_does(
    server: Server, body: str, error: type[StatusError], message: str
) -> None:
    with pytest.raises(error) as caught:
        server.backend.create(server.kind(CM), "default", body.encode())
    assert caught.value.message.startswith(message)
    failure(caught)


@pytest.mark.parametrize(
    "metadata",
    [
        {"generation": "x"},
        {"generation": True},
        {"labels": []},
        {"labels": {"a": 1}},
        {"annotations": {"a": None}},
        {"finalizers": "x"},
        {"finalizers": [1]},
        {"ownerReferences": {}},
        {"ownerReferences": ["x"]},
        {"ownerReferences": [{"uid": 5}]},
    ],
)
def test_metadata_of_the_wrong_type_is_a_bad_request(server: Server, metadata: JSONObject) -> None:
    with pytest.raises(BadRequest, match="json: cannot unmarshal"):
        server.create(CM, {"metadata": {"name": "a", **metadata}})


@pytest.mark.parametrize(
    ("metadata", "fields"),
    [
        ({"name": "X_"}, ["metadata.name"]),
        ({"name": "a" * 254}, ["metadata.name"]),
        ({"name": "a", "generateName": "A_"}, ["metadata.generateName"]),
        ({"name": "a", "generateName": "a-"}, []),
        ({"name": "a", "labels": {"a b": "c"}}, ["metadata.labels"]),
        ({"name": "a", "labels": {"a": "c d"}}, ["metadata.labels"]),
        ({"name": "a", "annotations": {"a b": "c d"}}, ["metadata.annotations"]),
        ({"name": "a", "annotations": {"UPPER.example.com/x": "y"}}, []),
        ({"name": "a", "annotations": {"a": "b" * 262_144}}, ["metadata.annotations"]),
        ({"name": "a", "finalizers": ["bad"]}, ["metadata.finalizers[0]"]),
        ({"name": "a", "finalizers": ["orphan", "a.b/c d"]}, ["metadata.finalizers"]),
        (
            {"name": "a", "ownerReferences": [{"kind": "K", "name": "n"}]},
            ["metadata.ownerReferences[0].apiVersion", "metadata.ownerReferences[0].uid"],
        ),
        (
            {"name": "A", "labels": {"-": "-"}},
            ["metadata.name", "metadata.labels", "metadata.labels"],
        ),
    ],
)
def test_every_rule_that_metadata_breaks_becomes_a_cause(
    server: Server, metadata: JSONObject, fields: list[str]
) -> None:
    try:
        server.create(CM, {"metadata": metadata})
    except Invalid as error:
        causes = [cause.field for cause in error.causes]
    else:
        causes = []
    assert causes == fields


@pytest.mark.parametrize(
    ("resource", "name", "problem"),
    [
        ("v1/namespaces", "a.b", "must not contain dots"),
        ("v1/namespaces", "A", "a lowercase RFC 1123 label must consist of"),
        ("v1/namespaces", "a" * 64, "must be no more than 63 characters"),
        ("v1/services", "a.b", "must not contain dots"),
        ("rbac.authorization.k8s.io/v1/roles", "a/b", "may not contain '/'"),
        ("rbac.authorization.k8s.io/v1/roles", "..", "may not be '..'"),
    ],
)
def test_kinds_have_rules_of_their_own_for_names(server: Server, resource: str, name: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        server.create(resource, {"metadata": {"name": name}})
    assert caught.value.causes[0].field == "metadata.name"
    assert problem in caught.value.causes[0].message


def test_a_role_may_have_almost_any_name(server: Server) -> None:
    server.create("rbac.authorization.k8s.io/v1/roles", {"metadata": {"name": "System:Odd Name"}})
    server.create("v1/services", {"metadata": {"name": "1-a"}, "spec": {"ports": [{"port": 80}]}})


def test_a_namespace_has_to_be_there(server: Server) -> None:
    with pytest.raises(NotFound) as caught:
        server.create(CM, {"metadata": {"name": "a"}}, "nope")
    assert failure(caught)["message"] == 'namespaces "nope" not found'
    assert len(server.backend.list(server.kind(CM), "nope")) == 0


def test_a_namespace_can_be_made_on_the_way() -> None:
    server = Server(auto_create_namespaces=True)
    server.create(CM, {"metadata": {"name": "a"}}, "fresh")
    assert server.get("v1/namespaces", "fresh")["status"] == {"phase": "Active"}


def test_a_namespace_starts_with_its_label_its_finalizer_and_its_phase(server: Server) -> None:
    created = server.create("v1/namespaces", {"metadata": {"name": "n", "namespace": "odd", "labels": {"a": "b"}}})
    assert part(created, "metadata", "labels") == {"a": "b", "kubernetes.io/metadata.name": "n"}
    assert part(created, "metadata", "namespace") is None
    assert created["spec"] == {"finalizers": ["kubernetes"]}
    assert created["status"] == {"phase": "Active"}
    own = server.create("v1/namespaces", {"metadata": {"name": "o"}, "spec": {"finalizers": ["a.b/c", "kubernetes"]}})
    assert own["spec"] == {"finalizers": ["a.b/c", "kubernetes"]}


def test_the_first_namespaces_are_there(server: Server) -> None:
    names = [item.key for item in server.backend.list(server.kind("v1/namespaces"), "").items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]


def test_an_object_is_created_once(server: Server) -> None:
    server.create(CM, {"metadata": {"name": "a"}})
    server.create(CM, {"metadata": {"name": "a"}}, "kube-system")
    with pytest.raises(AlreadyExists) as caught:
        server.create(CM, {"metadata": {"name": "a"}})
    assert failure(caught)["message"] == 'configmaps "a" already exists'


@pytest.mark.parametrize(
    ("containers", "quality"),
    [
        ([{}], "BestEffort"),
        ([{"resources": {"requests": {"cpu": "1"}}}], "Burstable"),
        ([{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}], "Guaranteed"),
        (
            [{"resources": {"limits": {"cpu": "2", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}}],
            "Burstable",
        ),
        ([{"resources": {"limits": {"cpu": "1", "memory": "1"}}}, {}], "Burstable"),
        ([{"resources": {"limits": {"nvidia.com/gpu": "1"}}}], "BestEffort"),
    ],
)
def test_a_pod_starts_pending(server: Server, containers: list[JSONObject], quality: str) -> None:
    named: list[JSONValue] = [{"name": f"c{number}", "image": "i", **more} for number, more in enumerate(containers)]
    pod = server.create(
        PODS, {"metadata": {"name": "p"}, "spec": {"containers": named}, "status": {"phase": "Running"}}
    )
    assert pod["status"] == {"phase": "Pending", "qosClass": quality}
    assert part(pod, "metadata", "generation") == 1


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        ("apps/v1/deployments", {}),
        ("v1/persistentvolumeclaims", {"phase": "Pending"}),
        ("coordination.k8s.io/v1/leases", None),
    ],
)
def test_a_status_is_written_through_its_subresource_if_there_is_one(
    server: Server, resource: str, status: object
) -> None:
    of_case = {"apps/v1/deployments": "deployment", "v1/persistentvolumeclaims": "claim"}.get(resource, "lease")
    created = server.create(resource, {**GIVEN[of_case][1], "metadata": {"name": "x"}, "status": {"given": "yes"}})
    assert created.get("status") == status


def test_a_node_is_registered_with_its_status(server: Server) -> None:
    created = server.create("v1/nodes", {"metadata": {"name": "x"}, "status": {"phase": "Running"}})
    assert part(created, "status", "phase") == "Running"


def test_an_update_replaces_the_object(server: Server) -> None:
    created = server.create(
        CM, {"metadata": {"name": "a", "labels": {"l": "m"}, "generateName": "a-"}, "data": {"a": "b"}}
    )
    updated = server.update(CM, "a", {"metadata": {"name": "a"}, "data": {"c": "d"}})
    assert updated["data"] == {"c": "d"}
    metadata = updated["metadata"]
    assert isinstance(metadata, dict)
    metadata.pop("managedFields")
    assert metadata == {
        "name": "a",
        "namespace": "default",
        "uid": part(created, "metadata", "uid"),
        "resourceVersion": "6",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }


def test_an_update_tells_a_number_from_a_truth(widgets: Server) -> None:
    versions = []
    widgets.create("example.com/v1/widgets", WIDGET)
    for value in (1, True):
        widget: JSONObject = {**WIDGET, "spec": {"a": value}}
        versions.append(part(widgets.patch("example.com/v1/widgets", "w", widget), "metadata", "resourceVersion"))
    assert versions[0] != versions[1]


def test_an_update_that_changes_nothing_keeps_the_version(server: Server) -> None:
    created = server.create(CM, {"metadata": {"name": "a"}, "data": {"a": "1", "b": "2"}})
    again = server.update(CM, "a", {"data": {"b": "2", "a": "1"}, "metadata": {"name": "a", "labels": {}}})
    assert part(again, "metadata", "resourceVersion") == part(created, "metadata", "resourceVersion")
    assert server.backend.revision == 5


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"name": "b"}, BadRequest, "the name of the object (b) does not match the name on the URL (a)"),
        (
            {},
            BadRequest,
            "the name of the object (a based on URL) was undeterminable: name must be provided",
        ),
        (
            {"name": "a", "namespace": "q"},
            BadRequest,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {"name": "a", "resourceVersion": "1"},
            Conflict,
            (
                'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply '
                "your changes "
                "to the latest version and try again"
            ),
        ),
        ({"name": "a", "resourceVersion": "x"}, InternalError, 'strconv.ParseUint: parsing "x": invalid syntax'),
        (
            {"name": "a", "uid": "zzz"},
            Conflict,
            (
                'Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: '
                "/registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                "precondition: zzz, UID in object meta: "
            ),
        ),
        ({"name": "a", "labels": {"-": ""}}, Invalid, 'ConfigMap "a" is invalid: metadata.labels'),
    ],
)
def test_an_update_that_does_not_fit_is_refused_as_upstream_does(
    server: Server, metadata: JSONObject, error: type[StatusError], message: str
) -> None:
    server.create(CM, {"metadata": {"name": "a"}})
    with pytest.raises(error) as caught:
        server.update(CM, "a", {"metadata": metadata})
    assert caught.value.message.startswith(message)
    assert server.backend.revision == 5


def test_an_update_with_the_newest_version_goes_through(server: Server) -> None:
    created = server.create(CM, {"metadata": {"name": "a"}})
    server.update(CM, "a", {**created, "data": {"a": "b"}})
    with pytest.raises(Conflict):
        server.update(CM, "a", {**created, "data": {"a": "c"}})


def test_an_update_of_nothing_creates_it_only_for_some_kinds(server: Server) -> None:
    with pytest.raises(NotFound):
        server.update(CM, "a", {"metadata": {"name": "a"}})
    kind = server.kind("coordination.k8s.io/v1/leases")
    with pytest.raises(Conflict, match=r"UID in precondition: u, UID in object meta: $"):
        server.update("coordination.k8s.io/v1/leases", "l", {"metadata": {"name": "l", "uid": "u"}})
    body = json.dumps({"metadata": {"name": "l", "resourceVersion": "3"}}).encode()
    assert server.backend.update(kind, "default", "l", body).code == 201
    with pytest.raises(Invalid) as caught:
        server.update("coordination.k8s.io/v1/leases", "l", {"metadata": {"name": "l"}})
    assert caught.value.message == (
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for '
        "an update"
    )


def test_the_generation_counts_what_is_asked_of_an_object(widgets: Server) -> None:
    deploy = "apps/v1/deployments"
    widgets.create(deploy, {"metadata": {"name": "d"}, **GIVEN["deployment"][1]})

    def generation(obj: JSONObject) -> object:
        return part(obj, "metadata", "generation")

    assert generation(widgets.patch(deploy, "d", {"metadata": {"labels": {"a": "b"}}})) == 1
    assert generation(widgets.patch(deploy, "d", {"spec": {"replicas": 2}})) == 2
    assert generation(widgets.patch(deploy, "d", {"status": {"replicas": 2}}, subresource="status")) == 2
    assert generation(widgets.patch(deploy, "d", {"metadata": {"generation": 99}})) == 2
    widget = "example.com/v1/widgets"
    widgets.create(widget, {**WIDGET, "zz": 1, "status": {"dropped": True}})
    assert "status" not in widgets.get(widget, "w")
    assert generation(widgets.patch(widget, "w", {"zz": 2})) == 2
    assert generation(widgets.patch(widget, "w", {"status": {"x": 1}})) == 2
    assert generation(widgets.patch("example.com/v1beta1/widgets", "w", {"status": {"x": 1}})) == 3


def test_a_status_update_changes_the_status_alone(widgets: Server) -> None:
    owner: JSONObject = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    created = widgets.create(PODS, {"metadata": {"name": "p", "ownerReferences": [owner]}, **POD})
    updated = widgets.update(
        PODS,
        "p",
        {"metadata": {"name": "p", "labels": {"x": "y"}}, **pod(priority=2), "status": {"phase": "Running"}},
        subresource="status",
    )
    assert updated["spec"] == created["spec"]
    assert updated["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert part(updated, "metadata", "labels") == {"x": "y"}
    assert part(updated, "metadata", "ownerReferences") == [owner]
    kept = widgets.update(PODS, "p", {"metadata": {"name": "p"}, **POD, "status": {"phase": "Failed"}})
    assert kept["status"] == updated["status"]
    widgets.create(PODS, {"metadata": {"name": "q"}, **POD})
    emptied = widgets.update(PODS, "q", {"metadata": {"name": "q"}, **POD}, subresource="status")
    assert emptied["status"] == {"qosClass": "BestEffort"}


def test_a_subresource_of_nothing_is_not_found(server: Server) -> None:
    for update in (
        lambda: server.update(PODS, "p", {"metadata": {"name": "p"}}, subresource="status"),
        lambda: server.patch(PODS, "p", {}, subresource="status"),
        lambda: server.update(CM, "p", {"metadata": {"name": "p"}}, subresource="status"),
    ):
        with pytest.raises(NotFound):
            update()


def test_a_subresource_supports_its_own_verbs(server: Server) -> None:
    with pytest.raises(MethodNotAllowed):
        server.patch("v1/namespaces", "default", {}, subresource="finalize")
    with pytest.raises(MethodNotAllowed):
        server.backend.get(server.kind(PODS), "default", "p", subresource="binding")
    with pytest.raises(MethodNotAllowed):
        server.backend.create(server.kind(PODS), "default", b"{}", name="p", subresource="status")
    server.create(PODS, {"metadata": {"name": "p"}, **POD})
    found = json.loads(server.backend.get(server.kind(PODS), "default", "p", subresource="status"))
    assert found["status"]["phase"] == "Pending"


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("patch", "error", "message"),
    [
        (
            {"metadata": {"resourceVersion": "1"}},
            Conflict,
            'Operation cannot be fulfilled on configmaps "a": the object has been modified',
        ),
        (
            {"metadata": {"name": "zz"}},
            BadRequest,
            "the name of the object (zz) does not match the name on the URL (a)",
        ),
        ({"metadata": {"namespace": "zz"}}, BadRequest, "the namespace of the provided object does not match"),
        (
            {"metadata": {"uid": "zz"}},
            Invalid,
            'ConfigMap "a" is invalid: metadata.uid: Invalid value: "zz": field is immutable',
        ),
        ({"kind": "Node"}, BadRequest, 'Node in version "v1" cannot be handled as a ConfigMap'),
        ({"apiVersion": "v9"}, Invalid, ' "" is invalid: patch: Invalid value: '),
        ({"metadata": {"labels": 5}}, Invalid, ' "" is invalid: patch: Invalid value: '),
        ([{"op": "replace", "path": "", "value": 5}], Invalid, ' "" is invalid: patch: Invalid value: 5'),
        (
            [{"op": "remove", "path": "/nope"}],
            Invalid,
            "the server rejected our request due to an error in our request",
        ),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(
    server: Server, patch: object, error: type[StatusError], message: str
) -> None:
    server.create(CM, {"metadata": {"name": "a"}})
    with pytest.raises(error) as caught:
        server.patch(CM, "a", patch)
    assert caught.value.message.startswith(message)
    assert server.backend.revision == 5


def test_a_patch_changes_what_it_names(server: Server) -> None:
    server.create(CM, {"metadata": {"name": "a", "labels": {"l": "m"}}, "data": {"a": "1", "b": "2"}})
    merged = server.patch(CM, "a", {"data": {"a": None, "c": "3"}, "metadata": {"creationTimestamp": None}})
    assert merged["data"] == {"b": "2", "c": "3"}
    assert part(merged, "metadata", "creationTimestamp") == "2026-01-01T00:00:00Z"
    patched = server.patch(CM, "a", [{"op": "replace", "path": "/metadata/labels/l", "value": "n"}])
    assert part(patched, "metadata", "labels") == {"l": "n"}
    empty = server.patch(CM, "a", {})
    assert empty == patched
    with pytest.raises(NotFound):
        server.patch(CM, "nope", {})


def test_objects_nested_beyond_measure_are_refused(widgets: Server) -> None:
    kind = widgets.kind("example.com/v1/widgets")
    widgets.create("example.com/v1/widgets", {**WIDGET, "spec": {}})
    deep = b'{"spec":' + b'{"a":' * 199 + b"1" + b"}" * 199 + b"}"
    widgets.backend.patch(kind, "default", "w", deep, content_type=MERGE_PATCH)
    too_deep = b'{"spec":{"a":' + deep + b"}}"
    with pytest.raises(BadRequest, match="invalid JSON patch"):
        widgets.backend.patch(kind, "default", "w", too_deep, content_type=MERGE_PATCH)
    with pytest.raises(BadRequest, match="exceeded max depth"):
        widgets.backend.update(kind, "default", "w", too_deep)
    with pytest.raises(Invalid, match="patch: Forbidden: the result exceeds the maximum depth"):
        widgets.patch("example.com/v1/widgets", "w", [{"op": "copy", "from": "/spec", "path": "/spec/a/a/a/b"}])


def test_what_was_created_in_bulk_has_no_owners_before_somebody_applies(server: Server) -> None:
    server.backend.create_many(server.kind(CM), [{"metadata": {"name": "a"}, "data": {"a": "b"}}])
    updated = server.update(CM, "a", {"metadata": {"name": "a"}, "data": {"a": "c"}})
    assert "managedFields" not in str(updated)


def test_bulk_creation_is_one_step_and_keeps_the_status(server: Server) -> None:
    watch = server.watch(PODS, resource_version="4")
    pods: list[JSONObject] = [
        {"metadata": {"name": "b"}, "status": {"phase": "Running"}, "spec": {"nodeName": "n"}},
        {"metadata": {"name": "a", "namespace": "kube-system"}},
        {"metadata": {"generateName": "c-"}},
    ]
    assert server.backend.create_many(server.kind(PODS), pods) == 3
    assert [event[0] for event in events(watch)] == ["ADDED"] * 3
    assert server.get(PODS, "b")["status"] == {"phase": "Running"}
    assert part(server.get(PODS, "a", "kube-system"), "status", "phase") == "Pending"
    assert part(server.get(PODS, "b"), "metadata", "generation") == 1
    assert server.backend.revision == 7
    assert pods[0] == {"metadata": {"name": "b"}, "status": {"phase": "Running"}, "spec": {"nodeName": "n"}}


@pytest.mark.parametrize(
    ("second", "error"),
    [
        ({"metadata": {"name": "a"}}, AlreadyExists),
        ({"metadata": {"name": "there"}}, AlreadyExists),
        ({"metadata": {"name": "X"}}, Invalid),
        ({"metadata": {"name": "b", "namespace": "nope"}}, NotFound),
        ({"metadata": 5}, BadRequest),
    ],
)
def test_bulk_creation_is_all_or_nothing(server: Server, second: JSONObject, error: type[StatusError]) -> None:
    server.create(CM, {"metadata": {"name": "there"}})
    with pytest.raises(error):
        server.backend.create_many(server.kind(CM), [{"metadata": {"name": "a"}}, second])
    assert [item.key for item in server.backend.list(server.kind(CM), "").items] == ["default/there"]


def test_bulk_creation_makes_namespaces_if_it_may() -> None:
    server = Server(auto_create_namespaces=True)
    objects: list[JSONObject] = [{"metadata": {"name": "a", "namespace": f"n{number % 2}"}} for number in range(1)]
    server.backend.create_many(server.kind(CM), objects)
    assert server.get("v1/namespaces", "n0")


def test_a_read_waits_for_a_version_from_the_future(server: Server) -> None:
    server.create(CM, {"metadata": {"name": "a"}})
    kind = server.kind(CM)
    assert server.backend.get(kind, "default", "a", resource_version="5")
    with pytest.raises(StatusError, match="Too large resource version: 6, current: 5"):
        server.backend.get(kind, "default", "a", resource_version="6")
    with pytest.raises(InternalError, match='resourceVersion: Invalid value: "x"'):
        server.backend.get(kind, "default", "a", resource_version="x")
    with pytest.raises(NotFound) as caught:
        server.backend.get(kind, "default", "b")
    assert failure(caught)["message"] == 'configmaps "b" not found'


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        (
            {"metadata": {"name": "w2"}},
            BadRequest,
            "the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing",
        ),
        (
            {"kind": "Widget", "metadata": {"name": "w2"}},
            BadRequest,
            "the object provided is unrecognized (must be of type Widget): Object 'apiVersion' is missing",
        ),
        (
            {**WIDGET, "apiVersion": "example.com/v1beta1"},
            BadRequest,
            (
                "the API version in the data (example.com/v1beta1) does not match the expected API version "
                "(example.com/v1)"
            ),
        ),
        (
            {**WIDGET, "kind": "Wodget"},
            Invalid,
            'Wodget.example.com "w" is invalid: kind: Invalid value: "Wodget": must be Widget',
        ),
        ({**WIDGET, "kind": "Wodget", "metadata": 5}, Invalid, 'Wodget.example.com "" is invalid: kind'),
    ],
)
def test_custom_objects_have_to_name_their_kind_and_version(
    widgets: Server, obj: JSONObject, error: type[StatusError], message: str
) -> None:
    with pytest.raises(error) as caught:
        widgets.create("example.com/v1/widgets", obj)
    assert caught.value.message.startswith(message)


def test_nothing_new_comes_into_a_namespace_that_is_going(server: Server) -> None:
    server.create("v1/namespaces", {"metadata": {"name": "n", "annotations": {"deletionTimestamp": "no"}}})
    server.create(CM, {"metadata": {"name": "a"}}, "n")
    server.delete("v1/namespaces", "n")
    with pytest.raises(Forbidden) as caught:
        server.create(CM, {"metadata": {"name": "b"}}, "n")
    status = failure(caught)
    assert status["message"] == (
        'configmaps "b" is forbidden: unable to create new content in namespace n because it is being terminated'
    )
    assert status["details"] == {
        "name": "b",
        "kind": "configmaps",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace n is being terminated",
                "field": "metadata.namespace",
            }
        ],
    }
    server.update(CM, "a", {"metadata": {"name": "a"}, "data": {"still": "possible"}}, "n")


def test_a_pod_with_gates_says_why_nobody_schedules_it(server: Server) -> None:
    gates: list[JSONValue] = [{"name": "example.com/gate"}]
    pod = server.create(
        PODS,
        {
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "i"}], "schedulingGates": gates},
        },
    )
    assert part(pod, "status", "conditions") == [
        {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": part(pod, "metadata", "creationTimestamp"),
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    ]
