"""Who owns which fields, as a pure machine: writes go in, objects and owners come out."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kubeprims.errors import Conflict
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.field_sets import NO_FIELDS, FieldSet, Path, with_parents
from kubeprims.testing.apiserver.managed_fields import (
    APPLY,
    UPDATE,
    MalformedManagedFields,
    Owner,
    Ownership,
    Ownerships,
    Write,
    applied,
    is_reset,
    read_managed_fields,
    updated,
    write_managed_fields,
)
from kubeprims.testing.apiserver.schema import Schema, parse_schema
from kubeprims.testing.apiserver.typed_values import NotOfType, fields_of

SCHEMA: Schema = parse_schema(
    {
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "colour": {"type": "string"},
                    "parts": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
                        },
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                    },
                    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                    "order": {"type": "array", "items": {"type": "integer"}},
                },
            },
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        },
    }
)
SIZE: Path = ("f:spec", "f:size")
COLOUR: Path = ("f:spec", "f:colour")
PHASE: Path = ("f:status", "f:phase")
BASE: JSONObject = {"spec": {}}
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def owner(manager: str, operation: str = UPDATE, api_version: str = "example.com/v1", subresource: str = "") -> Owner:
    return Owner(manager, operation, api_version, subresource)


def write(who: Owner, time: str = EARLY, *ignored: Path) -> Write:
    return Write(owner=who, time=time, schema=SCHEMA, ignored=ignored)


def owned(owners: Ownerships) -> dict[str, FieldSet]:
    return {item.owner.manager: item.fields for item in owners}


def spec(**fields: JSONValue) -> JSONObject:
    return {"spec": dict(fields)}


# Updates.


def test_who_writes_owns_what_it_changed_and_not_what_it_repeated() -> None:
    first = updated(write(owner("a")), BASE, spec(size=1, colour="red"), ())
    second = updated(write(owner("b"), LATE), spec(size=1, colour="red"), spec(size=2, colour="red"), first)
    assert owned(second) == {"a": {COLOUR}, "b": {SIZE}}
    assert [item.time for item in second] == [EARLY, LATE]


def test_a_write_that_changes_nothing_leaves_owners_and_their_times_alone() -> None:
    first = updated(write(owner("a")), BASE, spec(size=1), ())
    assert updated(write(owner("a"), LATE), spec(size=1), spec(size=1), first) == first
    assert updated(write(owner("b"), LATE), spec(size=1), spec(size=1), first) == first


def test_who_is_left_with_nothing_is_forgotten() -> None:
    first = updated(write(owner("a")), BASE, spec(size=1), ())
    assert owned(updated(write(owner("b")), spec(size=1), spec(size=2), first)) == {"b": {SIZE}}
    assert updated(write(owner("b")), spec(size=1), BASE, first) == ()


def test_nobody_owns_names_and_what_the_server_counts() -> None:
    new: JSONObject = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "labels": {"x": "y"}}}
    owners = updated(write(owner("a")), {}, new, ())
    assert owned(owners) == {"a": {("f:metadata", "f:labels"), ("f:metadata", "f:labels", "f:x")}}


def test_what_a_subresource_cannot_change_is_not_owned_through_it() -> None:
    new: JSONObject = {**spec(size=1), "status": {"phase": "Ready"}}
    status_owner = owner("a", subresource="status")
    assert owned(updated(write(status_owner, EARLY, ("f:spec",)), {}, new, ())) == {"a": {("f:status",), PHASE}}


def test_one_manager_owns_apart_by_version_operation_and_subresource() -> None:
    owners = (
        *updated(write(owner("a")), BASE, spec(size=1), ()),
        *updated(write(owner("a", api_version="example.com/v2")), BASE, spec(colour="red"), ()),
    )
    left = updated(write(owner("a", subresource="status")), spec(size=1), spec(size=2), owners)
    assert [(item.owner, item.fields) for item in left] == [
        (owner("a", api_version="example.com/v2"), frozenset({COLOUR})),
        (owner("a", subresource="status"), frozenset({SIZE})),
    ]


def test_the_oldest_of_too_many_updaters_become_one() -> None:
    owners: Ownerships = ()
    old: JSONObject = {"metadata": {"labels": {"base": ""}}}
    for number in range(12):
        labels: JSONObject = {"base": "", **{f"l{count}": "" for count in range(number + 1)}}
        new: JSONObject = {"metadata": {"labels": labels}}
        owners = updated(write(owner(f"m{number}"), f"2026-01-{number + 1:02}T00:00:00Z"), old, new, owners)
        old = new
    found = owned(owners)
    assert len(found) == 10
    assert found["ancient-changes"] == {("f:metadata", "f:labels", f"f:l{number}") for number in range(3)}
    assert {"m3", "m11"} <= found.keys()


# Applies.


def test_who_applies_owns_what_it_gives_also_if_it_was_there() -> None:
    first = updated(write(owner("a")), BASE, spec(size=1), ())
    result, owners = applied(write(owner("b", APPLY)), spec(size=1), spec(size=1), first, force=False)
    assert result == spec(size=1)
    assert [(item.owner.manager, SIZE in item.fields) for item in owners] == [("a", True), ("b", True)]


def test_an_apply_that_would_change_what_others_own_names_each_of_them() -> None:
    first = updated(write(owner("a")), BASE, spec(size=1), ())
    both = updated(write(owner("b", subresource="status")), spec(size=1), spec(size=1, colour="red"), first)
    with pytest.raises(Conflict) as caught:
        applied(write(owner("c", APPLY)), spec(size=1, colour="red"), spec(size=2, colour="blue"), both, force=False)
    assert caught.value.message.splitlines() == [
        'Apply failed with 2 conflicts: conflicts with "a" using example.com/v1:',
        "- .spec.size",
        'conflicts with "b" with subresource "status" using example.com/v1:',
        "- .spec.colour",
    ]
    assert [(cause.field, cause.message) for cause in caught.value.causes] == [
        (".spec.size", 'conflict with "a" using example.com/v1'),
        (".spec.colour", 'conflict with "b" with subresource "status" using example.com/v1'),
    ]


def test_a_single_conflict_is_told_in_one_line_and_an_applier_without_its_version() -> None:
    _, first = applied(write(owner("a", APPLY)), {}, spec(size=1), (), force=False)
    with pytest.raises(Conflict) as caught:
        applied(write(owner("b", APPLY)), spec(size=1), spec(size=2), first, force=False)
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "a": .spec.size'


def test_a_forced_apply_takes_over_what_it_changes() -> None:
    first = updated(write(owner("a")), BASE, spec(size=1, colour="red"), ())
    result, owners = applied(write(owner("b", APPLY)), spec(size=1, colour="red"), spec(size=2), first, force=True)
    assert result == spec(size=2, colour="red")
    assert SIZE not in owned(owners)["a"]
    assert COLOUR in owned(owners)["a"]
    assert SIZE in owned(owners)["b"]


def test_what_an_applier_gives_no_more_goes_unless_somebody_else_owns_it() -> None:
    live, owners = applied(write(owner("a", APPLY)), {}, spec(size=1, colour="red"), (), force=False)
    live, owners = applied(write(owner("b", APPLY)), live, spec(colour="red"), owners, force=False)
    live, owners = applied(write(owner("a", APPLY)), live, spec(), owners, force=False)
    assert live == spec(colour="red")
    assert COLOUR not in owned(owners).get("a", NO_FIELDS)
    assert COLOUR in owned(owners)["b"]


def test_an_applier_that_gives_nothing_more_owns_nothing_more() -> None:
    live, owners = applied(write(owner("a", APPLY)), {}, spec(size=1), (), force=False)
    live, owners = applied(write(owner("a", APPLY)), live, {}, owners, force=False)
    assert owners == ()


def test_an_applier_is_the_same_in_every_version() -> None:
    live, owners = applied(write(owner("a", APPLY)), {}, spec(size=1, colour="red"), (), force=False)
    newer = owner("a", APPLY, "example.com/v2")
    live, owners = applied(write(newer), live, spec(size=1), owners, force=False)
    assert live == spec(size=1)
    assert [item.owner for item in owners] == [newer]
    assert owner("a", APPLY).is_same(newer)
    assert not owner("a").is_same(owner("a", api_version="example.com/v2"))


def test_the_items_of_a_list_have_owners_of_their_own() -> None:
    live, owners = applied(write(owner("a", APPLY)), {}, spec(parts=[{"name": "x", "n": 1}]), (), force=False)
    live, owners = applied(write(owner("b", APPLY)), live, spec(parts=[{"name": "y"}]), owners, force=False)
    live, owners = applied(write(owner("a", APPLY)), live, spec(tags=["t"]), owners, force=False)
    assert live == spec(parts=[{"name": "y"}], tags=["t"])


def test_an_item_without_its_key_can_not_be_applied() -> None:
    with pytest.raises(NotOfType, match='omits key field "name"'):
        applied(write(owner("a", APPLY)), {}, spec(parts=[{"n": 1}]), (), force=False)


# The form that is stored.


def test_entries_are_in_the_order_of_operation_time_and_name() -> None:
    fields = frozenset({SIZE})
    given_owners = [
        Ownership(owner("b"), fields, EARLY),
        Ownership(owner("a"), fields, LATE),
        Ownership(owner("z", APPLY), fields, LATE),
        Ownership(owner("a", subresource="status"), fields, EARLY),
    ]
    entries = write_managed_fields(given_owners)
    assert [
        (entry["operation"], entry["manager"], entry.get("subresource")) for entry in entries if isinstance(entry, dict)
    ] == [("Apply", "z", None), ("Update", "a", "status"), ("Update", "b", None), ("Update", "a", None)]


def test_an_entry_says_all_that_a_server_writes() -> None:
    ownership = Ownership(owner("a", subresource="status"), frozenset({SIZE}), EARLY)
    assert write_managed_fields([ownership]) == [
        {
            "manager": "a",
            "operation": "Update",
            "apiVersion": "example.com/v1",
            "time": EARLY,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:size": {}}},
            "subresource": "status",
        }
    ]
    untimed = write_managed_fields([Ownership(owner("a"), frozenset({SIZE}))])
    assert isinstance(untimed[0], dict)
    assert "time" not in untimed[0]


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_nothing_recorded_is_nobody(value: JSONValue) -> None:
    assert read_managed_fields(value) == ()


@pytest.mark.parametrize(
    "entry",
    [
        "x",
        {},
        {"operation": "Guess"},
        {"operation": "Update", "fieldsV1": "x"},
        {"operation": "Update", "fieldsV1": {"spec": {}}},
    ],
)
def test_what_is_no_entry_is_not_read(entry: JSONValue) -> None:
    with pytest.raises(MalformedManagedFields):
        read_managed_fields([entry])


def test_what_an_entry_does_not_say_is_empty() -> None:
    assert read_managed_fields([{"operation": "Update", "manager": 1}]) == (
        Ownership(Owner("", UPDATE, ""), frozenset()),
    )


@pytest.mark.parametrize(
    ("value", "resets"),
    [
        ([], True),
        ([{}], True),
        ([{"manager": "", "fieldsV1": {}}], True),
        ([{"manager": "a"}], False),
        ([{}, {}], False),
        (["x"], False),
        (None, False),
    ],
)
def test_owners_are_forgotten_only_if_all_are_asked_to_be(value: JSONValue, *, resets: bool) -> None:
    assert is_reset(value) is resets


# Properties.

_names = st.sampled_from("abc")
_managers = st.sampled_from(["m", "n", "o"])
_objects = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({"labels": st.dictionaries(_names, _names, min_size=1)}),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "size": st.integers(0, 2),
                "colour": _names,
                "parts": st.lists(
                    st.fixed_dictionaries({"name": _names}, optional={"n": st.integers(0, 2)}),
                    unique_by=lambda item: item["name"],
                    min_size=1,
                ),
                "tags": st.lists(_names, unique=True, min_size=1),
                "order": st.lists(st.integers(0, 2), min_size=1),
            },
        ),
        "status": st.fixed_dictionaries({"phase": _names}),
    },
)
_paths = st.lists(_names.map(lambda name: f"f:{name}"), min_size=1, max_size=3).map(tuple)
_ownerships = st.lists(
    st.builds(
        Ownership,
        st.builds(
            Owner,
            _managers,
            st.sampled_from([APPLY, UPDATE]),
            st.sampled_from(["v1", "v2"]),
            st.sampled_from(["", "status"]),
        ),
        st.frozensets(_paths, min_size=1, max_size=4),
        st.sampled_from(["", EARLY, LATE]),
    ),
    unique_by=lambda item: item.owner,
    max_size=6,
)


@given(_ownerships)
def test_what_is_recorded_is_read_back(ownerships: list[Ownership]) -> None:
    entries = write_managed_fields(ownerships)
    found = read_managed_fields(entries)
    assert {*found} == {*ownerships}
    assert write_managed_fields(found) == entries


@given(_objects, _objects)
def test_applying_twice_is_applying_once(live: JSONObject, config: JSONObject) -> None:
    owners = updated(write(owner("m")), {}, live, ())
    once, owners_once = applied(write(owner("n", APPLY)), live, config, owners, force=True)
    twice, owners_twice = applied(write(owner("n", APPLY), LATE), once, config, owners_once, force=False)
    assert twice == once
    assert {*owners_twice} == {*owners_once}


@given(_objects, _objects)
def test_writes_leave_what_they_are_given_alone(live: JSONObject, config: JSONObject) -> None:
    before = copy.deepcopy((live, config))
    owners = updated(write(owner("m")), {}, live, ())
    applied(write(owner("n", APPLY)), live, config, owners, force=True)
    assert (live, config) == before


class Writers(RuleBasedStateMachine):
    """Some managers write one object in every way that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.live: JSONObject = {}
        self.owners: Ownerships = ()
        self.configs: dict[str, JSONObject] = {}

    @rule(manager=_managers, new=_objects)
    def update(self, manager: str, new: JSONObject) -> None:
        self.owners = updated(write(owner(manager)), self.live, new, self.owners)
        self.live = new

    @rule(manager=_managers, config=_objects)
    def force(self, manager: str, config: JSONObject) -> None:
        self.live, self.owners = applied(write(owner(manager, APPLY)), self.live, config, self.owners, force=True)
        self._check_given(manager, config)

    @rule(manager=_managers, config=_objects)
    def apply(self, manager: str, config: JSONObject) -> None:
        others = tuple(item for item in self.owners if item.owner != owner(manager, APPLY))
        try:
            live, self.owners = applied(write(owner(manager, APPLY)), self.live, config, self.owners, force=False)
        except Conflict:
            return
        for item in others:
            # What nobody else was asked about, nobody else has lost.
            kept = next((now.fields for now in self.owners if now.owner == item.owner), NO_FIELDS)
            assert item.fields & fields_of(live, SCHEMA) <= with_parents(kept) | fields_of(config, SCHEMA)
        self.live = live
        self._check_given(manager, config)

    def _check_given(self, manager: str, config: JSONObject) -> None:
        wanted = fields_of(config, SCHEMA)
        assert wanted <= with_parents(fields_of(self.live, SCHEMA))
        mine = next((item.fields for item in self.owners if item.owner == owner(manager, APPLY)), NO_FIELDS)
        assert mine <= wanted
        assert wanted - mine <= {("f:metadata",)}

    @invariant()
    def each_owner_is_recorded_once_with_something(self) -> None:
        assert len({item.owner for item in self.owners}) == len(self.owners)
        assert all(item.fields for item in self.owners)

    @invariant()
    def what_is_recorded_survives_its_form(self) -> None:
        assert {*read_managed_fields(write_managed_fields(self.owners))} == {*self.owners}


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
