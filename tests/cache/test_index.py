from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import pytest

from kubeprims.cache.index import (
    Index,
    IndexEntry,
    IndexFunc,
    Indices,
    OnlyReads,
    composite_index,
    field_index,
    label_index,
    owner_index,
)
from kubeprims.errors import InvalidArgument, InvalidFieldPath, UnknownIndex
from kubeprims.meta import JSONObject, JSONValue, ObjectKey
from kubeprims.objects.unstructured import Unstructured
from tests.cache.records import make_record

A, B = ObjectKey("a"), ObjectKey("b")


def nothing(obj: Unstructured) -> Iterable[str]:
    return ()


def returning(values: object) -> IndexFunc:
    return cast("IndexFunc", lambda obj: values)


def entry_of(function: IndexFunc) -> IndexEntry:
    return Index(function).evaluate(Unstructured(make_record("a", 1)))


def test_an_index_forgets_a_value_with_its_last_key() -> None:
    index = Index(nothing)
    index.place(A, IndexEntry(("x", "y")))
    index.place(B, IndexEntry(("y",)))
    index.drop(A)
    assert list(index.values()) == ["y"]
    index.drop(B)
    index.drop(B)
    assert list(index.values()) == []


def test_placing_a_key_again_moves_it() -> None:
    index = Index(nothing)
    index.place(A, IndexEntry(("x", "y")))
    index.place(A, IndexEntry(("y", "z")))
    index.place(A, IndexEntry(("y", "z")))
    assert {value: list(index.keys(value)) for value in index.values()} == {"y": [A], "z": [A]}
    index.place(A, IndexEntry(()))
    assert list(index.values()) == []
    assert list(index.keys("y")) == []


def test_values_are_distinct_and_in_order() -> None:
    assert entry_of(returning(["b", "a", "b"])) == IndexEntry(("b", "a"))
    assert entry_of(returning(value for value in "ba")) == IndexEntry(("b", "a"))


class Textless(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_index_function_that_raises_or_returns_nonsense_is_an_error_of_its_entry() -> None:
    def raising(obj: Unstructured) -> Iterable[str]:
        raise KeyError("spec")

    def raising_late(obj: Unstructured) -> Iterable[str]:
        yield "a"
        raise KeyError("spec")

    def raising_without_text(obj: Unstructured) -> Iterable[str]:
        raise Textless

    assert entry_of(raising) == entry_of(raising_late) == IndexEntry((), "KeyError: 'spec'")
    assert entry_of(raising_without_text) == IndexEntry((), "Textless, whose text cannot be had")
    for nonsense in ("text", None, [1], [None], [()], [("a", 1)], [["a"]]):
        entry = entry_of(returning(nonsense))
        assert entry.values == ()
        assert entry.error.startswith("TypeError: ")


def test_a_failed_key_is_marked_until_it_succeeds_or_goes() -> None:
    index = Index(nothing)
    index.place(A, IndexEntry(("x",)))
    index.place(A, IndexEntry((), "E: 1"))
    index.place(B, IndexEntry((), "E: 2"))
    assert list(index.values()) == []
    assert (index.errors.count, index.errors.keys, index.errors.last_error) == (2, (A, B), "E: 2")
    index.place(A, IndexEntry(()))
    assert index.errors.keys == (B,)
    index.drop(B)
    assert (index.errors.count, index.errors.keys, index.errors.last_error) == (2, (), "E: 2")


def test_an_unpublished_index_is_kept_up_to_date_but_not_found() -> None:
    indices = Indices()
    assert not indices
    indices.register({"version": lambda obj: [obj.resource_version]})
    assert indices
    record = make_record("a", 7)
    indices.place(A, indices.evaluate(record))
    assert indices.find("version") is None
    assert indices.names() == ["namespace"]
    assert indices.errors() == {}
    with pytest.raises(UnknownIndex, match="there is no index named 'version'; there are namespace"):
        indices.get("version")
    indices.publish(["version"])
    assert list(indices.get("version").keys("7")) == [A]
    indices.unregister(["version"])
    assert not indices
    assert indices.find("version") is None


@pytest.mark.parametrize("name", ["one", "namespace"])
def test_a_taken_name_adds_nothing(name: str) -> None:
    indices = Indices()
    indices.register({"one": nothing})
    with pytest.raises(InvalidArgument, match=f"index named '{name}' already"):
        indices.register({"two": nothing, name: nothing})
    indices.publish(["one", "two"])
    assert indices.names() == ["namespace", "one"]


def test_an_index_function_must_be_callable() -> None:
    with pytest.raises(InvalidArgument, match="must be callable"):
        Indices().register({"one": cast("IndexFunc", "spec.nodeName")})


def test_a_label_index_has_the_value_of_the_label_if_there_is_one() -> None:
    function = label_index("app")
    assert list(function(Unstructured(make_record("a", labels={"app": "web"})))) == ["web"]
    assert list(function(Unstructured(make_record("a", labels={"app": ""})))) == [""]
    assert list(function(Unstructured(make_record("a", labels={"tier": "web"})))) == []


FIELDS: JSONObject = {
    "nodeName": "node-1",
    "replicas": 3,
    "ratio": 0.5,
    "paused": False,
    "ready": True,
    "nothing": None,
    "containers": [{"image": "a"}, {"image": "b", "ports": [{"port": 80}, {"port": 443}]}, {}, "odd"],
    "names": ["x", "y", None],
    "nested": {"deeper": {"field": "deep"}},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("spec.nodeName", ["node-1"]),
        ("spec.replicas", ["3"]),
        ("spec.ratio", ["0.5"]),
        ("spec.paused", ["false"]),
        ("spec.ready", ["true"]),
        ("spec.nothing", []),
        ("spec.nothing.more", []),
        ("spec.nodeName.more", []),
        ("spec.missing", []),
        ("missing", []),
        ("spec.nested", []),
        ("spec.nested.deeper.field", ["deep"]),
        ("spec.containers.image", ["a", "b"]),
        ("spec.containers.ports.port", ["80", "443"]),
        ("spec.names", ["x", "y"]),
        ("metadata.name", ["a"]),
        ("spec.containers[*].ports[*].port", ["80", "443"]),
        ("spec[nodeName]", ["node-1"]),
    ],
)
def test_a_field_index_has_the_scalars_at_its_path(path: str, expected: list[str]) -> None:
    assert list(field_index(path)(Unstructured(make_record("a", spec=FIELDS)))) == expected


@pytest.mark.parametrize("path", ["", ".", "spec.", ".spec", "spec..name", "spec.containers[0]"])
def test_a_field_path_follows_the_grammar(path: str) -> None:
    with pytest.raises(InvalidFieldPath):
        field_index(path)


def test_a_composite_index_has_every_combination_of_values() -> None:
    obj = Unstructured(make_record("a", labels={"app": "web"}, spec=FIELDS))
    both = composite_index(label_index("app"), field_index("spec.names"))
    assert list(both(obj)) == [("web", "x"), ("web", "y")]
    assert list(composite_index(label_index("app"), label_index("none"))(obj)) == []
    three = composite_index(field_index("spec.ratio"), label_index("app"), field_index("spec.nodeName"))
    assert list(three(obj)) == [("0.5", "web", "node-1")]


def test_what_a_composite_index_is_made_of_is_checked() -> None:
    for functions in ((), (label_index("app"),), (label_index("app"), "spec.nodeName")):
        with pytest.raises(InvalidArgument, match="at least two index functions"):
            composite_index(*cast("tuple[IndexFunc, ...]", functions))
    nested = composite_index(label_index("app"), composite_index(label_index("app"), label_index("app")))
    letters = composite_index(label_index("app"), returning("web"))
    for function in (nested, letters):
        entry = Index(function).evaluate(Unstructured(make_record("a", labels={"app": "web"})))
        assert entry.error.startswith("TypeError: ")


def test_index_functions_of_ours_share_one_view_and_no_other_does() -> None:
    seen: list[Unstructured] = []

    def note(obj: Unstructured) -> Iterable[str]:
        seen.append(obj)
        return ()

    indices = Indices()
    indices.register(
        {
            "ours": OnlyReads(note),
            "theirs": note,
            "ours too": composite_index(OnlyReads(note), field_index("spec")),
            "mixed": composite_index(note, label_index("app")),
        }
    )
    indices.evaluate(make_record("a", 1))
    ours, theirs, ours_too, mixed = seen
    assert ours is ours_too
    assert len({id(view) for view in (ours, theirs, mixed)}) == 3
    for function in (label_index("app"), field_index("spec.nodeName"), owner_index()):
        assert isinstance(function, OnlyReads)
        assert list(function(Unstructured(make_record("a")))) == []


def owned(*owners: JSONValue) -> Unstructured:
    return Unstructured.from_dict({"metadata": {"name": "a", "ownerReferences": [*owners]}})


def test_an_owner_index_has_the_uid_of_the_controller() -> None:
    index = owner_index()
    assert list(index(owned({"uid": "u1"}, {"uid": "u2", "controller": True}, {"uid": "u3", "controller": False}))) == [
        "u2"
    ]
    assert list(index(owned({"uid": "u1"}))) == []
    assert list(index(owned("odd", {"controller": True}))) == []
    assert list(index(Unstructured(make_record("a")))) == []


def test_equal_values_of_many_objects_are_one_text() -> None:
    first, second = (entry_of(returning([f"node-{number}"])) for number in (1, 1))
    assert first.values[0] is second.values[0]
