"""Answers in the form that the client asked for."""

from __future__ import annotations

import json

import pytest

from kubeprims.errors import NotAcceptable
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.accept import Form, Representation
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, PODS, Kind
from kubeprims.testing.apiserver.shapes import ShapedWatch, Shaper
from tests.testing.apiserver.backends import SteppingClock, load, part

CONFIG_MAPS = BUILT_IN_BY_NAME["", "v1", "configmaps"]
DEPLOYMENTS = BUILT_IN_BY_NAME["apps", "v1", "deployments"]
WIDGETS = Kind(group="example.com", resource="widgets", kind="Widget", custom=True)
TABLE, METADATA, METADATA_LIST = map(Representation, (Form.TABLE, Form.METADATA, Form.METADATA_LIST))


def shaper(representation: Representation, *, kind: Kind = CONFIG_MAPS, include: str = "Metadata") -> Shaper:
    return Shaper(kind, representation, include_object=include, clock=SteppingClock())


def config_map(name: str) -> JSONObject:
    metadata: JSONObject = {"name": name, "resourceVersion": "5", "creationTimestamp": "2025-12-31T00:00:00Z"}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"k": "v"}}


def encoded(obj: JSONObject) -> bytes:
    return json.dumps(obj).encode()


def listing(*names: str) -> bytes:
    items: list[JSONValue] = [{k: v for k, v in config_map(name).items() if k != "kind"} for name in names]
    return encoded({"kind": "ConfigMapList", "metadata": {"resourceVersion": "9", "continue": ""}, "items": items})


@pytest.mark.parametrize(
    ("kind", "go_type"),
    [
        (PODS, "*core.Pod"),
        (DEPLOYMENTS, "*apps.Deployment"),
        (WIDGETS, "*unstructured.Unstructured"),
    ],
)
def test_metadata_of_one_is_not_that_of_many(kind: Kind, go_type: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        shaper(METADATA, kind=kind).check(is_list=True)
    assert caught.value.message == (
        f"you requested PartialObjectMetadata, but the requested object is a list ({go_type}List)"
    )
    with pytest.raises(NotAcceptable) as caught:
        shaper(METADATA_LIST, kind=kind).check(is_list=False)
    assert caught.value.message == (
        f"you requested PartialObjectMetadataList, but the requested object is not a list ({go_type})"
    )


@pytest.mark.parametrize(
    ("representation", "is_list"), [(METADATA, False), (METADATA_LIST, True), (TABLE, True), (TABLE, False)]
)
def test_forms_that_fit_pass(representation: Representation, *, is_list: bool) -> None:
    shaper(representation).check(is_list=is_list)


def test_metadata_of_an_object_is_shown_without_the_rest() -> None:
    shaped = load(shaper(METADATA).object(encoded(config_map("a"))))
    assert shaped == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": config_map("a")["metadata"],
    }


def test_a_status_stays_as_it_is() -> None:
    status = encoded({"kind": "Status", "apiVersion": "v1", "status": "Failure"})
    assert shaper(METADATA).object(status) is status
    assert shaper(TABLE).object(status) is status


def test_a_table_of_one_object_has_its_version_and_its_row() -> None:
    shaped = load(shaper(TABLE).object(encoded(config_map("a"))))
    assert (shaped["kind"], shaped["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert shaped["metadata"] == {"resourceVersion": "5"}
    rows = shaped["rows"]
    assert isinstance(rows, list)
    assert [part(row, "cells") for row in rows if isinstance(row, dict)] == [["a", 1, "24h"]]


def test_a_table_without_columns_has_rows_all_the_same() -> None:
    shaped = load(shaper(TABLE).object(encoded(config_map("a")), with_columns=False))
    assert not shaped.get("columnDefinitions")
    assert shaped["rows"]


def test_a_list_of_metadata_leaves_out_what_the_list_leaves_empty() -> None:
    shaped = load(shaper(METADATA_LIST).list(listing("a", "b")))
    assert (shaped["kind"], shaped["metadata"]) == ("PartialObjectMetadataList", {"resourceVersion": "9"})
    items = shaped["items"]
    assert isinstance(items, list)
    assert [part(item, "metadata", "name") for item in items if isinstance(item, dict)] == ["a", "b"]
    assert all("data" not in item for item in items if isinstance(item, dict))


def test_a_list_is_one_table_whose_objects_say_what_they_are() -> None:
    shaped = load(shaper(TABLE, include="Object").list(listing("a", "b")))
    assert shaped["metadata"] == {"resourceVersion": "9"}
    rows = shaped["rows"]
    assert isinstance(rows, list)
    shown = [(part(row, "object", "kind"), part(row, "object", "data")) for row in rows if isinstance(row, dict)]
    assert shown == [("ConfigMap", {"k": "v"})] * 2


class Events:
    """A watch that has some events, and then none for a while, and then ends."""

    def __init__(self, *batches: list[bytes] | None) -> None:
        self.batches = [*batches]
        self.is_closed = False

    def next_batch(self, timeout_s: float | None) -> list[bytes] | None:
        assert timeout_s == 3.0
        return self.batches.pop(0)

    def close(self) -> None:
        self.is_closed = True


def event(kind: str, obj: JSONObject) -> bytes:
    return encoded({"type": kind, "object": obj}) + b"\n"


def test_only_the_first_table_of_a_watch_says_its_columns() -> None:
    error = event("ERROR", {"kind": "Status", "code": 410})
    first, second = event("ADDED", config_map("a")), event("MODIFIED", config_map("b"))
    source = Events([error, first], [], [second], None)
    watch = ShapedWatch(source, shaper(TABLE))
    lines = watch.next_batch(3.0)
    assert lines is not None
    assert lines[0] == error
    added = load(lines[1])
    assert added["type"] == "ADDED"
    assert part(added, "object", "columnDefinitions")
    assert lines[1].endswith(b"}\n")
    assert watch.next_batch(3.0) == []
    [line] = watch.next_batch(3.0) or []
    modified = load(line)
    assert modified["type"] == "MODIFIED"
    assert not part(modified, "object", "columnDefinitions")
    assert watch.next_batch(3.0) is None
    watch.close()
    assert source.is_closed
