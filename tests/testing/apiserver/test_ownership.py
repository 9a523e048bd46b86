"""What writes of each kind of request record about owners, in the objects themselves."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import Conflict
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import built_in_schema, custom_schema
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, CUSTOM_RESOURCE_DEFINITIONS, Kind, Subresource
from kubeprims.testing.apiserver.ownership import Writing, put_owners, without_times
from tests.testing.apiserver.backends import part

WIDGETS = Kind(
    group="example.com",
    resource="widgets",
    kind="Widget",
    custom=True,
    subresources=(Subresource("status", "Widget"),),
)
DEPLOYMENTS = BUILT_IN_BY_NAME["apps", "v1", "deployments"]
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
ANYTHING: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def writing(manager: str, *, kind: Kind = WIDGETS, subresource: str = "", time: str = EARLY) -> Writing:
    schema = custom_schema(ANYTHING) if kind.custom else built_in_schema(kind.gvk)
    assert schema is not None
    return Writing(kind=kind, schema=schema, subresource=subresource, manager=manager, time=time)


def widget(owners: JSONValue = None, **fields: JSONValue) -> JSONObject:
    metadata: JSONObject = {"name": "w"}
    if owners is not None:
        metadata["managedFields"] = owners
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, **fields}


def created(manager: str, **fields: JSONValue) -> JSONObject:
    obj = widget(**fields)
    writing(manager).create(obj)
    return obj


def changed(obj: JSONObject, **fields: JSONValue) -> JSONObject:
    return {**copy.deepcopy(obj), **fields}


def recorded(obj: JSONObject) -> list[Mapping[str, JSONValue]]:
    entries = part(obj, "metadata", "managedFields")
    if entries is None:
        return []
    assert isinstance(entries, list)
    assert all(isinstance(entry, dict) for entry in entries)
    return entries


def fields(obj: JSONObject) -> dict[object, JSONValue]:
    return {entry["manager"]: entry["fieldsV1"] for entry in recorded(obj)}


def test_who_creates_an_object_owns_what_it_gave() -> None:
    obj = created("a", spec={"size": 1})
    assert recorded(obj) == [
        {
            "manager": "a",
            "operation": "Update",
            "apiVersion": "example.com/v1",
            "time": EARLY,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {".": {}, "f:size": {}}},
        }
    ]


def test_the_status_is_not_owned_by_who_creates_an_object_whose_status_is_apart() -> None:
    assert fields(created("a", spec={"size": 1}, status={"phase": "x"})) == {"a": {"f:spec": {".": {}, "f:size": {}}}}


def test_defaults_of_a_built_in_kind_are_owned_and_what_is_always_there_is_not() -> None:
    obj: JSONObject = {"metadata": {"name": "d"}, "spec": {"replicas": 1, "strategy": {}}, "status": {}}
    writing("a", kind=DEPLOYMENTS).create(obj)
    assert fields(obj) == {"a": {"f:spec": {"f:replicas": {}}}}


def test_a_definition_is_owned_from_its_names_on() -> None:
    obj: JSONObject = {"metadata": {"name": "c"}, "spec": {"group": "example.com", "names": {"plural": "widgets"}}}
    writing("a", kind=CUSTOM_RESOURCE_DEFINITIONS).create(obj)
    assert fields(obj) == {"a": {"f:spec": {"f:group": {}, "f:names": {"f:plural": {}}}}}


def test_who_updates_an_object_owns_what_changed() -> None:
    before = created("a", spec={"size": 1, "colour": "red"})
    after = changed(before, spec={"size": 2, "colour": "red"})
    writing("b", time=LATE).update(after, before, None)
    assert fields(after) == {"a": {"f:spec": {".": {}, "f:colour": {}}}, "b": {"f:spec": {"f:size": {}}}}


def test_a_write_of_the_status_is_recorded_apart() -> None:
    before = created("a", spec={"size": 1})
    after = changed(before, status={"phase": "x"})
    writing("a", subresource="status").update(after, before, None)
    assert [(entry.get("subresource"), entry["fieldsV1"]) for entry in recorded(after)] == [
        (None, {"f:spec": {".": {}, "f:size": {}}}),
        ("status", {"f:status": {".": {}, "f:phase": {}}}),
    ]


@pytest.mark.parametrize("given_owners", [[], [{}]])
def test_a_client_can_have_all_owners_forgotten(given_owners: JSONValue) -> None:
    before = created("a", spec={"size": 1})
    after = changed(before, spec={"size": 2})
    writing("b").update(after, before, given_owners)
    assert recorded(after) == []


def test_a_client_cannot_have_owners_forgotten_through_a_subresource() -> None:
    before = created("a", spec={"size": 1})
    after = changed(before, status={"phase": "x"})
    writing("b", subresource="status").update(after, before, [])
    assert fields(after).keys() == {"a", "b"}


def test_a_client_can_correct_owners_and_one_who_gives_nonsense_changes_nothing() -> None:
    before = created("a", spec={"size": 1})
    corrected: JSONValue = [{**recorded(before)[0], "manager": "other"}]
    after = changed(before)
    writing("b").update(after, before, corrected)
    assert fields(after).keys() == {"other"}
    nonsense = changed(before)
    writing("b").update(nonsense, before, [{"operation": "Guess", "manager": "x"}])
    assert recorded(nonsense) == recorded(before)


def test_an_object_that_was_never_tracked_is_not_tracked_by_an_update() -> None:
    after = widget(spec={"size": 2})
    writing("b").update(after, widget(spec={"size": 1}), None)
    assert recorded(after) == []


def test_an_object_whose_owners_cannot_be_read_is_owned_anew() -> None:
    before = widget([{"operation": "Guess"}], spec={"size": 1})
    after = changed(before, spec={"size": 2})
    writing("b").update(after, before, None)
    assert fields(after) == {"b": {"f:spec": {"f:size": {}}}}


def test_what_is_not_of_its_type_is_left_for_validation_to_refuse() -> None:
    item: JSONObject = {"type": "object", "properties": {"name": {"type": "string"}}}
    keyed: JSONObject = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    schema = custom_schema({"type": "object", "properties": {"parts": keyed}})
    before = widget(parts=[{"name": "x"}])
    by_first = Writing(kind=WIDGETS, schema=schema, subresource="", manager="a", time=EARLY)
    by_first.create(before)
    after = changed(before, parts=[{"size": 1}])
    by_second = Writing(kind=WIDGETS, schema=schema, subresource="", manager="b", time=EARLY)
    by_second.update(after, before, None)
    assert recorded(after) == recorded(before)


def test_a_scale_to_nothing_is_given_by_nobody() -> None:
    before: JSONObject = {"metadata": {"name": "d"}, "spec": {"replicas": 3, "paused": True}}
    writing("a", kind=DEPLOYMENTS).create(before)
    after = changed(before, spec={"replicas": 0, "paused": True})
    writing("b", kind=DEPLOYMENTS, subresource="scale").update(after, before, None)
    assert fields(after) == {"a": {"f:spec": {"f:paused": {}}}}
    more = changed(before, spec={"replicas": 5, "paused": True})
    writing("b", kind=DEPLOYMENTS, subresource="scale").update(more, before, None)
    assert fields(more)["b"] == {"f:spec": {"f:replicas": {}}}


def test_who_applies_first_creates_the_object() -> None:
    result = writing("a").apply(widget(spec={"size": 1}), None, force=False)
    assert result["spec"] == {"size": 1}
    assert [(entry["operation"], entry["fieldsV1"]) for entry in recorded(result)] == [
        ("Apply", {"f:spec": {".": {}, "f:size": {}}})
    ]


def test_what_was_there_before_the_first_apply_has_an_owner_then() -> None:
    result = writing("a").apply(widget(spec={"size": 1}), widget(spec={"size": 1, "colour": "red"}), force=False)
    assert fields(result).keys() == {"a", "before-first-apply"}
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using example\.com/v1'):
        writing("a").apply(widget(spec={"size": 2}), widget(spec={"size": 1}), force=False)


def test_putting_no_owners_takes_away_those_that_there_are() -> None:
    obj = created("a", spec={})
    put_owners(obj, None)
    assert obj["metadata"] == {"name": "w"}
    put_owners(obj, [{"manager": "x"}])
    assert part(obj, "metadata", "managedFields") == [{"manager": "x"}]


def test_times_alone_are_left_out_where_changes_are_looked_for() -> None:
    early, late = created("a", spec={"size": 1}), widget(spec={"size": 1})
    writing("a", time=LATE).create(late)
    assert early != late
    assert without_times(early) == without_times(late)
    assert recorded(early)[0]["time"] == EARLY, "it is left alone"
    assert without_times(widget()) == widget()
    assert without_times(widget(["x"])) == widget(["x"])


_values = st.recursive(
    st.integers(0, 2) | st.sampled_from("ab"),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, min_size=1, max_size=3),
    max_leaves=6,
)
_specs = st.dictionaries(st.sampled_from("abc"), _values, min_size=1)


@given(_specs, _specs)
def test_who_applies_the_same_again_changes_nothing(before: JSONObject, config: JSONObject) -> None:
    once = writing("n").apply(widget(spec=config), created("m", spec=before), force=True)
    twice = writing("n", time=LATE).apply(widget(spec=config), once, force=False)
    assert without_times(twice) == without_times(once)
    assert twice == once


@given(_specs)
def test_an_update_that_repeats_an_object_changes_no_record(spec: JSONObject) -> None:
    before = created("m", spec=spec)
    after = copy.deepcopy(before)
    writing("n", time=LATE).update(after, before, part(before, "metadata", "managedFields"))  # type: ignore[arg-type] # JSON
    assert after == before
