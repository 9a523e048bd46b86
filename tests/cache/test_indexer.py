from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import CellType, FunctionType

import pytest

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaFIFO, DeltaType
from kubeprims.cache.index import IndexFunc, IndexValue, composite_index, field_index, label_index
from kubeprims.cache.indexer import Indexer
from kubeprims.errors import InvalidArgument, UnknownIndex
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured
from tests.cache.records import make_record
from tests.parity import case


def users(obj: Unstructured) -> Iterable[str]:
    """Index by the names that the label ``users`` holds, joined by dots."""
    return [name for name in obj.labels.get("users", "").split(".") if name]


def index_of(indexer: Indexer, name: str) -> dict[IndexValue, list[str]]:
    return {value: [str(key) for key in indexer.index_keys(name, value)] for value in indexer.index_values(name)}


@case("IN-152")
def test_the_last_object_of_a_value_takes_the_value_with_it() -> None:
    indexer = Indexer({"users": users})
    indexer.put(make_record("one", 1, labels={"users": "bert"}))
    indexer.delete(ObjectKey("one"))
    assert indexer.index_keys("users", "bert") == []
    assert indexer.index_values("users") == []


@case("IN-153")
def test_a_value_stays_while_it_has_an_object() -> None:
    indexer = Indexer({"users": users})
    indexer.put(make_record("one", 1, labels={"users": "bert"}))
    indexer.put(make_record("two", 1, labels={"users": "bert"}))
    indexer.delete(ObjectKey("one"))
    assert index_of(indexer, "users") == {"bert": ["two"]}


@case("IN-154")
def test_each_value_has_exactly_its_keys_after_every_step() -> None:
    indexer = Indexer({"users": users})
    steps = [
        ("one", "ernie.bert", {"bert": ["one"], "ernie": ["one"]}),
        ("two", "bert.oscar", {"bert": ["one", "two"], "ernie": ["one"], "oscar": ["two"]}),
        ("one", "bert", {"bert": ["one", "two"], "oscar": ["two"]}),
        ("one", "elmo", {"bert": ["two"], "elmo": ["one"], "oscar": ["two"]}),
        ("two", None, {"elmo": ["one"]}),
        ("one", "", {}),
        ("one", "ernie", {"ernie": ["one"]}),
    ]
    for version, (key, names, expected) in enumerate(steps, start=1):
        if names is None:
            indexer.delete(ObjectKey(key))
        else:
            indexer.put(make_record(key, version, labels={"users": names}))
        assert index_of(indexer, "users") == expected


@case("IN-155")
def test_values_are_sorted_and_distinct_and_those_of_an_unknown_index_none() -> None:
    indexer = Indexer({"users": users})
    indexer.put(make_record("one", 1, labels={"users": "oscar.bert"}))
    indexer.put(make_record("two", 1, labels={"users": "bert.elmo.bert"}))
    assert indexer.index_values("users") == ["bert", "elmo", "oscar"]
    assert indexer.index_values("unknown") == []


@case("IN-156")
def test_an_update_moves_an_object_between_users() -> None:
    indexer = Indexer({"users": users})
    for key, names in (("one", "ernie.bert"), ("two", "bert.oscar"), ("tre", "ernie.elmo")):
        indexer.put(make_record(key, 1, labels={"users": names}))

    def names_of(user: str) -> set[str]:
        return {obj.name for obj in indexer.by_index("users", user)}

    expected = {"ernie": {"one", "tre"}, "bert": {"one", "two"}, "elmo": {"tre"}, "oscar": {"two"}, "elmo1": set()}
    assert {user: names_of(user) for user in expected} == expected
    indexer.put(make_record("two", 2, labels={"users": "ernie.oscar"}))
    assert names_of("ernie") == {"one", "two", "tre"}
    assert names_of("bert") == {"one"}


@case("IN-157")
def test_looking_into_an_unknown_index_is_an_error_that_names_the_known_ones() -> None:
    indexer = Indexer({"users": users})
    for look in (indexer.by_index, indexer.index_keys):
        with pytest.raises(UnknownIndex, match="no index named 'node'; there are namespace, users"):
            look("node", "x")


def test_objects_are_found_under_several_values_together() -> None:
    indexer = Indexer({"place": composite_index(users, lambda obj: [obj.namespace]), "users": users})
    indexer.put(make_record("x/one", 1, labels={"users": "bert.ernie"}))
    indexer.put(make_record("y/one", 1, labels={"users": "bert"}))
    assert [obj.key for obj in indexer.by_index("place", ("bert", "y"))] == ["y/one"]
    assert indexer.index_keys("place", ("ernie", "x")) == ["x/one"]
    assert indexer.index_keys("place", ("ernie", "y")) == []
    assert indexer.index_keys("place", "ernie") == []
    assert indexer.index_keys("namespace", ("x",)) == []
    assert indexer.index_values("place") == [("bert", "x"), ("bert", "y"), ("ernie", "x")]
    indexer.put(make_record("x/one", 2, labels={"users": "ernie"}))
    assert indexer.index_values("place") == [("bert", "y"), ("ernie", "x")]
    assert indexer.index_values("users") == ["bert", "ernie"]


def test_no_separator_joins_two_pairs_of_values_into_one() -> None:
    pairs = {"a": ("x,y", "z"), "b": ("x", "y,z"), "c": ("", "x/y,z"), "d": ("x\0y", "z")}
    indexer = Indexer({"pair": lambda obj: [pairs[obj.name]]})
    for name in pairs:
        indexer.put(make_record(name, 1))
    assert {name: indexer.index_keys("pair", pair) for name, pair in pairs.items()} == {name: [name] for name in pairs}


def test_the_namespace_index_is_always_there() -> None:
    indexer = Indexer()
    for key in ("one/a", "one/b", "two/a", "node"):
        indexer.put(make_record(key, 1))
    assert index_of(indexer, "namespace") == {"": ["node"], "one": ["one/a", "one/b"], "two": ["two/a"]}
    assert [obj.key for obj in indexer.by_index("namespace", "two")] == ["two/a"]
    indexer.replace([make_record("one/a", 1)], "2")
    assert index_of(indexer, "namespace") == {"one": ["one/a"]}
    assert indexer.index_names == ["namespace"]


def test_an_index_that_is_added_later_has_all_that_is_stored() -> None:
    indexer = Indexer()
    indexer.put(make_record("one", 1, labels={"users": "bert"}))
    indexer.add_indexers({"users": users})
    assert index_of(indexer, "users") == {"bert": ["one"]}
    assert indexer.index_names == ["namespace", "users"]


@pytest.mark.parametrize("name", ["users", "namespace"])
def test_a_duplicate_name_is_an_error(name: str) -> None:
    indexer = Indexer({"users": users})
    with pytest.raises(InvalidArgument, match="already"):
        indexer.add_indexers({name: users})


def test_an_index_function_that_raises_costs_its_own_index_and_nothing_else() -> None:
    def fragile(obj: Unstructured) -> Iterable[str]:
        if obj.labels.get("users") == "oscar":
            raise ValueError("no oscars")
        return ["ok"]

    indexer = Indexer({"fragile": fragile, "users": users})
    assert indexer.index_errors == {}
    indexer.put(make_record("one", 1, labels={"users": "oscar"}))
    indexer.put(make_record("two", 1, labels={"users": "bert"}))
    assert indexer.get("one") is not None
    assert index_of(indexer, "fragile") == {"ok": ["two"]}
    assert index_of(indexer, "users") == {"bert": ["two"], "oscar": ["one"]}
    errors = indexer.index_errors["fragile"]
    assert (errors.count, errors.keys, errors.last_error) == (1, ("one",), "ValueError: no oscars")
    indexer.put(make_record("one", 2, labels={"users": "elmo"}))
    assert index_of(indexer, "fragile") == {"ok": ["one", "two"]}
    errors = indexer.index_errors["fragile"]
    assert (errors.count, errors.keys) == (1, ())


def test_an_index_function_may_read_the_indexer() -> None:
    indexer = Indexer()
    indexer.put(make_record("one", 1))
    indexer.add_indexers({"others": lambda obj: [str(len(indexer.list()))]})
    indexer.put(make_record("two", 1))
    assert index_of(indexer, "others") == {"1": ["one", "two"]}


def test_a_write_while_an_index_is_being_filled_is_in_it() -> None:
    """The new function runs outside the lock, so that here it is where the other writes happen."""
    indexer = Indexer()
    for name in "abc":
        indexer.put(make_record(name, 1))
    done: list[bool] = []

    def version(obj: Unstructured) -> Iterable[str]:
        if not done:
            done.append(True)
            indexer.put(make_record("a", 2))
            indexer.delete(ObjectKey("b"))
            indexer.put(make_record("d", 2))
            with pytest.raises(UnknownIndex):
                indexer.by_index("version", "2")
            with pytest.raises(InvalidArgument):
                indexer.add_indexers({"version": users})
        return [obj.resource_version]

    indexer.add_indexers({"version": version})
    assert index_of(indexer, "version") == {"1": ["c"], "2": ["a", "d"]}


def test_a_batch_that_an_added_index_overtakes_is_in_the_index() -> None:
    indexer = Indexer()

    def slow(obj: Unstructured) -> Iterable[str]:
        if "late" not in indexer.index_names:
            indexer.add_indexers({"late": lambda obj: [obj.name]})
        return [obj.name]

    indexer.add_indexers({"slow": slow})
    record = make_record("a", 1)
    delta = Delta(DeltaType.ADDED, record[0], record)
    indexer.apply(Batch(((delta,),), is_in_initial_list=False, resource_version="1"))
    assert index_of(indexer, "late") == index_of(indexer, "slow") == {"a": ["a"]}


def test_an_interrupted_addition_leaves_no_index_behind() -> None:
    indexer = Indexer()
    indexer.put(make_record("one", 1))

    def interrupted(obj: Unstructured) -> Iterable[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexer.add_indexers({"users": interrupted})
    indexer.add_indexers({"users": users})
    assert indexer.index_names == ["namespace", "users"]


def test_an_unchanged_object_is_not_asked_again() -> None:
    asked: list[str] = []

    def function(obj: Unstructured) -> Iterable[str]:
        asked.append(obj.name)
        return [obj.name]

    indexer = Indexer({"name": function})
    indexer.put(make_record("one", 1, uid="u"))
    indexer.replace([make_record("one", 1, uid="u"), make_record("two", 1, uid="v")], "2")
    fifo = DeltaFIFO(indexer)
    fifo.resync()
    resynced = fifo.pop_batch()
    assert resynced is not None
    assert all(change.new is change.old for change in indexer.apply(resynced))
    assert asked == ["one", "two"]
    assert index_of(indexer, "name") == {"one": ["one"], "two": ["two"]}


def made(values: list[str]) -> IndexFunc:
    return lambda obj: values


def before_its_values() -> IndexFunc:
    function = made([])
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__, {}, closure=(CellType(),))


def by_size(obj: Unstructured, size: int = 1) -> list[str]:
    return [obj.name[:size]]


SAME = {
    "itself": (by_size, by_size),
    "the same lines": (made(["a"]), made(["a"])),
    "fields": (field_index("spec.a"), field_index("spec.a")),
    "labels": (label_index("a"), label_index("a")),
    "several": (
        composite_index(label_index("a"), field_index("spec.a")),
        composite_index(label_index("a"), field_index("spec.a")),
    ),
}
OTHERS = {
    "other lines": (lambda obj: ["a"], lambda obj: ["a"]),
    "other values": (made(["a"]), made(["b"])),
    "other fields": (field_index("spec.a"), field_index("spec.b")),
    "a field and a label": (field_index("a"), label_index("a")),
    "in another order": (
        composite_index(label_index("a"), label_index("b")),
        composite_index(label_index("b"), label_index("a")),
    ),
    "a value that is not there yet": (before_its_values(), before_its_values()),
    "no function": (by_size, partial(by_size)),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_an_index_may_be_there_with_the_same_function(one: IndexFunc, other: IndexFunc) -> None:
    indexer = Indexer({"a": one})
    indexer.add_indexers({"a": other, "b": other}, may_be_there=True)
    assert indexer.index_names == ["namespace", "a", "b"]
    with pytest.raises(InvalidArgument):
        indexer.add_indexers({"a": one})


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_an_index_may_not_be_there_with_another_function(one: IndexFunc, other: IndexFunc) -> None:
    indexer = Indexer({"a": one})
    with pytest.raises(InvalidArgument, match="there is an index named 'a' already, with another function"):
        indexer.add_indexers({"b": other, "a": other}, may_be_there=True)
    assert indexer.index_names == ["namespace", "a"]
