from __future__ import annotations

import copy
import pickle

import pytest

from kubeprims.errors import ContentUnavailable, DecodeError, InvalidArgument
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.codec import StdlibCodec
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured

RAW = (
    b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"prod","uid":"u","resourceVersion":"7",'
    b'"generation":3,"deletionTimestamp":"2026-11-23T21:00:00Z","labels":{"app":"web"},'
    b'"annotations":{"a":"1","b":2}},"spec":{"x":[1]}}'
)


def view(raw: bytes = RAW) -> Unstructured:
    return Unstructured(StdlibCodec().to_record(raw))


def tombstone(raw: bytes | None = None) -> DeletedFinalStateUnknown:
    return DeletedFinalStateUnknown(ObjectKey("prod/web"), None if raw is None else StdlibCodec().to_record(raw))


def test_a_view_has_the_attributes_of_its_object() -> None:
    obj = view()
    assert (obj.key, obj.name, obj.namespace) == ("prod/web", "web", "prod")
    assert (obj.uid, obj.resource_version, obj.generation) == ("u", "7", 3)
    assert (obj.kind, obj.api_version) == ("Pod", "v1")
    assert obj.labels == {"app": "web"}
    assert obj.annotations == {"a": "1"}
    assert obj.deletion_timestamp == "2026-11-23T21:00:00Z"
    assert not obj.is_stale
    assert obj.record[0] == obj.key


def test_absent_fields_are_empty() -> None:
    obj = view(b'{"metadata":{"name":"a"}}')
    assert (obj.namespace, obj.uid, obj.resource_version, obj.kind, obj.api_version) == ("", "", "", "", "")
    assert (obj.labels, obj.annotations, obj.generation, obj.deletion_timestamp) == ({}, {}, 0, None)
    odd = view(b'{"metadata":{"name":"a","annotations":[],"generation":"1","deletionTimestamp":1},"kind":1}')
    assert (odd.annotations, odd.generation, odd.deletion_timestamp, odd.kind) == ({}, 0, None, "")


def test_a_view_is_a_mapping_of_the_content() -> None:
    obj = view()
    assert obj["spec"] == {"x": [1]}
    assert list(obj) == ["kind", "apiVersion", "metadata", "spec"]
    assert len(obj) == 4
    assert "status" not in obj
    assert obj.get("status") is None
    with pytest.raises(KeyError):
        obj["status"]


def test_a_view_decodes_once_and_keeps_that_to_itself() -> None:
    first, second = view(), view()
    spec = first["spec"]
    assert first["spec"] is spec
    assert isinstance(spec, dict)
    spec["x"] = "changed"
    assert second["spec"] == first.to_dict()["spec"] == {"x": [1]}
    assert first.to_bytes() == RAW
    labels = first.labels
    labels["app"] = "changed"
    assert first.labels == {"app": "web"}


def test_header_attributes_decode_nothing() -> None:
    obj = Unstructured((ObjectKey("a"), "u", "7", ("k", "v"), b"not JSON"))
    assert (obj.name, obj.namespace, obj.uid, obj.resource_version, obj.labels) == ("a", "", "u", "7", {"k": "v"})
    assert obj
    assert repr(obj) == "<Unstructured a resourceVersion=7>"
    with pytest.raises(DecodeError):
        obj["spec"]


def test_views_are_equal_by_content() -> None:
    assert view() == view()
    assert view() == view(RAW.replace(b'{"kind":"Pod","apiVersion":"v1",', b'{"apiVersion":"v1", "kind":"Pod",'))
    assert view() != view(RAW.replace(b'"7"', b'"8"'))
    assert view() == view().to_dict()
    assert view() != {}
    assert view() != "prod/web"
    with pytest.raises(TypeError, match="unhashable"):
        hash(view())


def test_a_view_can_be_copied_and_pickled() -> None:
    obj = view()
    spec = obj["spec"]
    assert isinstance(spec, dict)
    spec["x"] = "changed"
    for other in (copy.copy(obj), copy.deepcopy(obj), pickle.loads(pickle.dumps(obj))):  # noqa: S301 - our own bytes
        assert type(other) is Unstructured
        assert other == view()
        assert other["spec"] == {"x": [1]}


def test_the_text_of_a_view_shows_no_content() -> None:
    assert repr(view()) == "<Unstructured Pod prod/web resourceVersion=7>"
    widget = view(b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","labels":{"password":"x"}}}')
    assert repr(widget) == "<Unstructured Widget w resourceVersion=>"


def test_a_view_is_made_from_a_dictionary() -> None:
    content: JSONObject = {"kind": "Pod", "metadata": {"name": "a", "managedFields": [], "labels": {"b": "c"}}}
    obj = Unstructured.from_dict(content)
    assert obj == content
    assert (obj.name, obj.labels) == ("a", {"b": "c"})
    content["kind"] = "Other"
    assert obj.kind == "Pod"


@pytest.mark.parametrize("content", [{}, {"metadata": {}}, {"metadata": {"name": "a/b"}}, {"metadata": {"name": 1}}])
def test_a_dictionary_that_is_not_an_object_is_refused(content: JSONObject) -> None:
    with pytest.raises(InvalidArgument, match="not a Kubernetes object"):
        Unstructured.from_dict(content)


def test_a_tombstone_with_a_last_state_has_its_attributes() -> None:
    gone = tombstone(RAW)
    assert (gone.key, gone.name, gone.namespace, gone.is_stale) == ("prod/web", "web", "prod", True)
    assert gone["spec"] == {"x": [1]}
    assert gone == view()
    assert repr(gone) == "<DeletedFinalStateUnknown Pod prod/web resourceVersion=7>"


def test_a_tombstone_without_a_state_knows_its_key_only() -> None:
    gone = tombstone()
    assert (gone.key, gone.name, gone.namespace, gone.is_stale) == ("prod/web", "web", "prod", True)
    assert gone
    assert repr(gone) == "<DeletedFinalStateUnknown prod/web content unknown>"
    for attribute in (
        "record",
        "uid",
        "resource_version",
        "labels",
        "annotations",
        "generation",
        "kind",
        "api_version",
    ):
        with pytest.raises(ContentUnavailable, match="prod/web"):
            getattr(gone, attribute)
    for read in (gone.to_dict, gone.to_bytes, gone.__len__, gone.__iter__):
        with pytest.raises(ContentUnavailable):
            read()


def test_tombstones_without_a_state_are_equal_by_key() -> None:
    assert tombstone() == tombstone()
    assert tombstone() != DeletedFinalStateUnknown(ObjectKey("prod/other"), None)
    assert tombstone() != tombstone(RAW)
    assert view() != tombstone()
    assert tombstone() != {}


@pytest.mark.parametrize("raw", [None, RAW])
def test_a_tombstone_can_be_copied_and_pickled(raw: bytes | None) -> None:
    gone = tombstone(raw)
    for other in (copy.copy(gone), copy.deepcopy(gone), pickle.loads(pickle.dumps(gone))):  # noqa: S301 - our own bytes
        assert type(other) is DeletedFinalStateUnknown
        assert other == gone
