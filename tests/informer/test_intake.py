from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.informer.intake import Intake
from kubeprims.meta import JSONObject
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.projection import Projection
from kubeprims.objects.record import LABELS, RESOURCE_VERSION, UID, ObjectRecord
from kubeprims.objects.storage import PlainStorage
from kubeprims.objects.unstructured import Unstructured
from tests.cache.records import make_record
from tests.parity import case

WEB = make_record("prod/web", 7, uid="u", labels={"app": "web"}, spec={"secret": "s", "nodeName": "n1"})


def drop_secret(obj: JSONObject) -> JSONObject:
    spec = obj["spec"]
    assert isinstance(spec, dict)
    spec.pop("secret", None)
    return obj


def kept(item: ObjectRecord | MalformedObject | None) -> Unstructured:
    assert item is not None
    assert not isinstance(item, MalformedObject), item.detail
    return Unstructured(item)


def refused(item: ObjectRecord | MalformedObject | None) -> MalformedObject:
    assert isinstance(item, MalformedObject)
    return item


def test_nothing_asked_for_costs_nothing() -> None:
    intake = Intake(storage=PlainStorage(), projection=Projection())
    assert intake.is_passive
    assert intake(WEB) is WEB


@case("IN-149")
def test_what_a_transform_returns_is_kept() -> None:
    calls: list[JSONObject] = []

    def transform(obj: JSONObject) -> JSONObject:
        calls.append(obj)
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        return {"metadata": {**metadata, "labels": {"tier": "front"}}, "seen": True}

    found = kept(Intake(transform=transform)(WEB))
    assert dict(found) == {
        "metadata": {"name": "web", "namespace": "prod", "resourceVersion": "7", "labels": {"tier": "front"}},
        "seen": True,
    }
    assert found.record[:LABELS] == WEB[:LABELS]
    assert found.labels == {"tier": "front"}
    assert len(calls) == 1


def test_uid_and_version_stay_the_servers() -> None:
    def forge(obj: JSONObject) -> JSONObject:
        return {"metadata": {"name": "web", "namespace": "prod", "uid": "other", "resourceVersion": "99"}}

    found = kept(Intake(transform=forge)(WEB))
    assert (found.uid, found.resource_version) == (WEB[UID], WEB[RESOURCE_VERSION])


def test_a_transform_gets_a_dictionary_of_its_own() -> None:
    before = bytes(WEB[4])
    kept(Intake(transform=drop_secret)(WEB))
    assert WEB[4] == before


@pytest.mark.parametrize(
    ("transform", "detail"),
    [
        (lambda _: None, "returned NoneType, not a dictionary"),
        (lambda _: [1], "returned list, not a dictionary"),
        (lambda obj: obj["nothing"], "raised KeyError: 'nothing'"),
        (lambda obj: {**obj, "metadata": {"name": "web"}}, "another key, 'web'"),
        (lambda _: {}, "there is no metadata"),
        (lambda _: {"metadata": {}}, "metadata.name is empty"),
        (lambda obj: {**obj, "at": object()}, "not representable as JSON"),
        (lambda obj: {**obj, "at": float("nan")}, "not representable as JSON"),
        (lambda obj: {**obj, "at": {1, 2}}, "not representable as JSON"),
        (lambda obj: {**obj, "metadata": {"name": "web", "namespace": "prod", "labels": {"a": 1}}}, "not a string"),
    ],
)
@case("IN-117")
def test_a_transform_that_fails_costs_the_object_and_says_why(
    transform: Callable[[JSONObject], JSONObject], detail: str
) -> None:
    bad = refused(Intake(transform=transform)(WEB))
    assert detail in bad.detail
    assert (bad.key, bad.resource_version) == ("prod/web", "7")
    assert WEB[4].startswith(bad.raw)


def test_a_transform_that_raises_what_has_no_text_costs_the_object_alone() -> None:
    class Textless(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    def explode(obj: JSONObject) -> JSONObject:
        raise Textless

    assert refused(Intake(transform=explode)(WEB)).detail == "the transform raised Textless, whose text cannot be had"


def test_what_is_not_json_never_reaches_the_transform() -> None:
    broken: ObjectRecord = ("a", "", "1", (), b'{"metadata":{"name":"a"},"spec":nonsense}')
    bad = refused(Intake(transform=lambda obj: obj)(broken))
    assert "not JSON" in bad.detail


def test_projections_come_after_the_transform() -> None:
    def add(obj: JSONObject) -> JSONObject:
        return {**obj, "status": {"phase": "Made", "more": 1}}

    found = kept(Intake(transform=add, projection=Projection(keep=("status.phase",)))(WEB))
    assert found["status"] == {"phase": "Made"}
    assert "spec" not in found


def test_a_projection_of_what_is_not_json_costs_the_object() -> None:
    broken: ObjectRecord = ("a", "", "1", (), b'{"metadata":{"name":"a"},"spec":{"a":nonsense}}')
    bad = refused(Intake(projection=Projection(strip=("spec.b",)))(broken))
    assert "not JSON" in bad.detail
    deep: ObjectRecord = ("a", "", "1", (), b'{"metadata":{"name":"a"},"spec":%s}' % (b"[" * 9000 + b"]" * 9000))
    assert "too deep" in refused(Intake(projection=Projection(strip=("spec.b",)))(deep)).detail


def test_objects_of_other_shards_are_neither_taken_nor_transformed() -> None:
    other = make_record("prod/other", 9, uid="x")
    seen: list[object] = []

    def note(obj: JSONObject) -> JSONObject:
        seen.append(obj)
        return obj

    intake = Intake(covers=lambda record: record[UID] == "u", transform=note)
    assert not intake.is_passive
    assert intake(other) is None
    assert seen == []
    assert kept(intake(WEB)) == Unstructured(WEB)


def test_a_transform_is_checked_where_it_is_given() -> None:
    with pytest.raises(InvalidArgument, match="transform must be callable, not 7"):
        Intake(transform=7)  # type: ignore[arg-type]
