"""Strategic merge patches."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.schema import Schema, parse_schema
from kubeprims.testing.apiserver.strategic import StrategicPatchFailed, find_misfit, strategic_merge_patch

SCHEMA: Schema = parse_schema(
    {
        "type": "object",
        "properties": {
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"type": "string"}, "v": {"type": "string"}}},
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "name",
            },
            "names": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
            "plain": {"type": "array", "items": {"type": "string"}},
            "choice": {"type": "object", "x-kubernetes-patch-strategy": "retainKeys"},
        },
    }
)
BASE: JSONObject = {
    "map": {"a": "1", "b": "2"},
    "items": [{"name": "x", "v": "1"}, {"name": "y", "v": "2"}],
    "names": ["p", "q"],
    "plain": ["p", "q"],
    "choice": {"one": {}, "type": "one"},
}


@pytest.mark.parametrize(
    ("patch", "name", "expected"),
    [
        ({"map": {"a": None, "c": "3"}}, "map", {"b": "2", "c": "3"}),
        ({"map": {"$patch": "replace", "c": "3"}}, "map", {"c": "3"}),
        ({"map": {"$patch": "delete"}}, "map", {}),
        ({"items": [{"name": "y", "v": "9"}]}, "items", [{"name": "x", "v": "1"}, {"name": "y", "v": "9"}]),
        ({"items": [{"name": "x", "$patch": "delete"}]}, "items", [{"name": "y", "v": "2"}]),
        ({"items": [{"$patch": "replace"}, {"name": "z"}]}, "items", [{"name": "z"}]),
        ({"items": [{"name": "z"}]}, "items", [{"name": "z"}, {"name": "x", "v": "1"}, {"name": "y", "v": "2"}]),
        ({"names": ["r", "p"]}, "names", ["r", "p", "q"]),
        ({"$deleteFromPrimitiveList/names": ["p"]}, "names", ["q"]),
        ({"plain": ["r"]}, "plain", ["r"]),
        ({"choice": {"$retainKeys": ["two", "type"], "two": {}, "type": "two"}}, "choice", {"two": {}, "type": "two"}),
        (
            {"$setElementOrder/items": [{"name": "y"}, {"name": "x"}]},
            "items",
            [{"name": "y", "v": "2"}, {"name": "x", "v": "1"}],
        ),
        (
            {"$setElementOrder/items": [{"name": "z"}, {"name": "x"}], "items": [{"name": "z"}]},
            "items",
            [{"name": "z"}, {"name": "x", "v": "1"}, {"name": "y", "v": "2"}],
        ),
    ],
)
def test_a_patch_does_what_its_directives_say(patch: JSONObject, name: str, expected: object) -> None:
    before = str(BASE)
    assert strategic_merge_patch(BASE, patch, SCHEMA)[name] == expected
    assert str(BASE) == before


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ({"$patch": "fly"}, "unknown patch type: fly in map"),
        ({"items": [{"v": "1"}]}, "does not contain declared merge key: name"),
        ({"items": [{"name": "x", "$patch": "fly"}]}, "unknown patch type: fly"),
        ({"items": [{"$patch": "merge"}]}, "merging lists cannot yet be specified"),
        ({"items": [{"name": "x"}], "$setElementOrder/items": [{"name": "y"}]}, "doesn't match"),
        ({"choice": {"$retainKeys": "x"}}, "invalid patch format of retainKeys"),
        ({"choice": {"$retainKeys": ["x"], "y": 1}}, "is not retained"),
        ({"$deleteFromPrimitiveList/names": "p"}, "invalid patch format"),
    ],
)
def test_a_malformed_patch_is_told(patch: JSONObject, problem: str) -> None:
    with pytest.raises(StrategicPatchFailed, match=problem):
        strategic_merge_patch(BASE, patch, SCHEMA)


def test_what_is_new_comes_without_what_it_would_delete() -> None:
    assert strategic_merge_patch({}, {"new": {"a": None, "b": {"c": None}}}, SCHEMA) == {"new": {"b": {}}}
    assert strategic_merge_patch({}, {"plain": {"a": 1}}, SCHEMA) == {"plain": {"a": 1}}


@pytest.mark.parametrize(
    ("value", "misfit"),
    [
        (BASE, ""),
        ({"plain": {"a": "b"}}, "cannot restore slice from map"),
        ({"map": "x"}, "cannot restore map from string"),
        ({"map": True}, "cannot restore map from bool"),
        ({"items": [["a"]]}, "cannot restore map from slice"),
        ({"items": 1.5}, "cannot restore slice from float64"),
        ({"items": 1}, "cannot restore slice from int64"),
        ({"items": None}, ""),
    ],
)
def test_a_misfit_is_named_in_upstreams_words(value: JSONObject, misfit: str) -> None:
    assert find_misfit(value, SCHEMA) == misfit


def listed(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "v": value} for name, value in values.items()]


_names = st.sampled_from("abc")
_objects = st.fixed_dictionaries(
    {},
    optional={
        "map": st.dictionaries(_names, _names),
        "items": st.dictionaries(_names, _names).map(listed),
        "names": st.lists(_names, unique=True),
        "plain": st.lists(_names),
    },
)


@given(_objects, _objects)
def test_a_patch_is_there_afterwards_and_again_changes_nothing(base: JSONObject, patch: JSONObject) -> None:
    assert strategic_merge_patch(base, base, SCHEMA) == base
    patched = strategic_merge_patch(base, patch, SCHEMA)
    assert strategic_merge_patch(patched, patch, SCHEMA) == patched


@given(
    st.dictionaries(
        st.sampled_from(["map", "items", "$patch", "$retainKeys", "$setElementOrder/items"]),
        st.recursive(
            st.none() | st.text(max_size=2) | st.integers(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_names, inner),
        ),
    )
)
def test_any_patch_is_applied_or_refused(patch: JSONObject) -> None:
    with contextlib.suppress(StrategicPatchFailed):
        strategic_merge_patch(BASE, patch, SCHEMA)
