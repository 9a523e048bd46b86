from __future__ import annotations

from types import ModuleType

import pytest

from kubeprims.errors import DecodeError, InvalidArgument, InvalidFieldPath
from kubeprims.meta import JSONObject
from kubeprims.objects import content, msgspec_json, stdlib_json
from kubeprims.objects.projection import Projection, Projector
from kubeprims.objects.strict_json import decode_object, encode_object

POD: JSONObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "namespace": "prod",
        "uid": "u",
        "resourceVersion": "7",
        "labels": {"app": "web"},
        "annotations": {"a.b/c": "long", "short": "s"},
        "finalizers": ["x/y"],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
    },
    "spec": {"nodeName": "n1", "containers": [{"name": "a", "image": "i", "env": [{"name": "E"}]}, {"name": "b"}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready"}]},
}


@pytest.fixture(params=[stdlib_json, msgspec_json], ids=["stdlib", "msgspec"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: ModuleType = request.param
    monkeypatch.setattr(content, "_implementation", lambda: module)
    return module


def project(obj: JSONObject, *, keep: tuple[str, ...] = (), strip: tuple[str, ...] = ()) -> JSONObject:
    return decode_object(Projector(Projection(keep, strip)).project(encode_object(obj)))


def without(obj: JSONObject, member: str, *names: str) -> JSONObject:
    part = obj[member]
    assert isinstance(part, dict)
    return {**obj, member: {name: value for name, value in part.items() if name not in names}}


def test_nothing_named_changes_nothing() -> None:
    assert not Projection()
    assert project(POD) == POD


def test_what_is_stripped_is_gone_and_the_rest_is_as_it_was() -> None:
    assert project(POD, strip=("status",)) == {name: POD[name] for name in POD if name != "status"}
    assert project(POD, strip=("status.conditions",)) == without(POD, "status", "conditions")
    assert project(POD, strip=("metadata.annotations", "metadata.finalizers")) == without(
        POD, "metadata", "annotations", "finalizers"
    )
    left = project(POD, strip=("metadata.annotations[a.b/c]", "spec.containers[*].env", "spec.absent.deeper"))
    assert left["metadata"] == {**without(POD, "metadata", "annotations")["metadata"], "annotations": {"short": "s"}}  # type: ignore[dict-item]
    assert left["spec"] == {"nodeName": "n1", "containers": [{"name": "a", "image": "i"}, {"name": "b"}]}


def test_the_rest_keeps_its_bytes() -> None:
    raw = b'{"kind":"Pod","metadata":{"name":"a"},"spec":{"x": 1.50 },"status":{"a":1,"b":2}}'
    left = Projector(Projection(strip=("status.a",))).project(raw)
    assert left == b'{"kind":"Pod","metadata":{"name":"a"},"spec":{"x": 1.50 },"status":{"b":2}}'


def test_what_is_kept_stays_beside_type_and_metadata() -> None:
    left = project(POD, keep=("spec.nodeName", "spec.containers[*].image", "status.phase"))
    assert left == {
        **without(POD, "metadata", "annotations"),
        "spec": {"nodeName": "n1", "containers": [{"image": "i"}, {}]},
        "status": {"phase": "Running"},
    }


def test_a_path_into_what_is_not_there_keeps_nothing_of_it() -> None:
    obj: JSONObject = {"metadata": {"name": "a"}, "spec": "text", "list": [1, {"a": 1, "b": 2}], "data": {"x": 1}}
    left = project(obj, keep=("spec.nodeName", "list.a", "data.y.z", "more"))
    assert left == {"metadata": {"name": "a"}, "list": [{"a": 1}], "data": {}}


def test_annotations_stay_as_far_as_they_are_named() -> None:
    metadata = POD["metadata"]
    assert isinstance(metadata, dict)
    assert project(POD, keep=("metadata",))["metadata"] == metadata
    assert project(POD, keep=("metadata.annotations",))["metadata"] == metadata
    assert project(POD, keep=("metadata.annotations[short]", "spec"))["metadata"] == {
        **metadata,
        "annotations": {"short": "s"},
    }
    bare: JSONObject = {"metadata": {"name": "a", "annotations": None}}
    assert project(bare, keep=("metadata.annotations[short]",)) == {"metadata": {"name": "a"}}


def test_the_longer_of_two_paths_adds_nothing_to_the_shorter() -> None:
    assert project(POD, keep=("spec", "spec.nodeName"))["spec"] == POD["spec"]
    assert "status" not in project(POD, strip=("status.phase", "status"))


def test_what_is_kept_can_be_stripped_further() -> None:
    left = project(POD, keep=("spec",), strip=("spec.containers.env", "metadata.finalizers"))
    assert left == {
        **{
            name: value
            for name, value in without(POD, "metadata", "annotations", "finalizers").items()
            if name != "status"
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "a", "image": "i"}, {"name": "b"}]},
    }


@pytest.mark.parametrize(
    "path",
    [
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.resourceVersion",
        "metadata.labels[app]",
        "kind",
        "apiVersion",
    ],
)
def test_what_the_cache_itself_reads_cannot_be_stripped(path: str) -> None:
    with pytest.raises(InvalidFieldPath, match="cannot be stripped"):
        Projection(strip=(path,))


def test_paths_are_checked_where_they_are_given() -> None:
    with pytest.raises(InvalidFieldPath, match="a name is empty"):
        Projection(keep=("spec.",))
    with pytest.raises(InvalidArgument, match="a tuple of texts"):
        Projection(strip="status")  # type: ignore[arg-type]


def test_integers_stay_exact_and_repeated_members_count_once() -> None:
    raw = b'{"metadata":{"name":"a"},"n":{"x":1,"big":123456789012345678901234567890},"spec":1,"spec":{"a":1}}'
    left = Projector(Projection(strip=("n.x", "spec.b"))).project(raw)
    assert left == b'{"metadata":{"name":"a"},"n":{"big":123456789012345678901234567890},"spec":{"a":1}}'


def test_what_is_not_json_is_found_where_it_is_looked_into() -> None:
    raw = b'{"metadata":{"name":"a"},"spec":{"a":nonsense},"status":{"b":1}}'
    projector = Projector(Projection(strip=("status.b",)))
    assert projector.project(raw) == b'{"metadata":{"name":"a"},"spec":{"a":nonsense},"status":{}}'
    with pytest.raises(DecodeError):
        Projector(Projection(strip=("spec.b",))).project(raw)
    with pytest.raises(DecodeError, match="match"):
        projector.project(b'{"metadata":{"name":"a"},"spec":{]}')
