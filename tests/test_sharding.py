"""Shards: the server's hash, its selectors, and that parts are parts."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import InvalidArgument
from kubeprims.sharding import HASH_END, HashRange, Shard, hash_of

# By Go's hash/fnv, New64a.
HASHES = {
    "": 0xCBF29CE484222325,
    "a": 0xAF63DC4C8601EC8C,
    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee": 0x93754B7248A00EB9,
    "kube-system": 0xDF65C7BC1D82B35E,
    "ü": 0x0AC20A07B71807EA,
}


@pytest.mark.parametrize(("text", "value"), HASHES.items())
def test_the_hash_is_the_one_that_the_server_takes(text: str, value: int) -> None:
    assert hash_of(text) == value


@pytest.mark.parametrize(
    ("shard", "selector"),
    [
        (Shard(0, 2), "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')"),
        (Shard(1, 2), "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')"),
        (
            Shard(2, 4, by="namespace"),
            "shardRange(object.metadata.namespace, '0x8000000000000000', '0xc000000000000000')",
        ),
        (
            Shard.of_ranges([(0, 0xFF), (0xABC, HASH_END)]),
            (
                "shardRange(object.metadata.uid, '0x0000000000000000', '0x00000000000000ff') || "
                "shardRange(object.metadata.uid, '0x0000000000000abc', '0x10000000000000000')"
            ),
        ),
    ],
)
def test_a_shard_spells_the_servers_selector(shard: Shard, selector: str) -> None:
    assert shard.selector == selector


@given(count=st.integers(1, 50), by=st.sampled_from(["uid", "namespace"]), number=st.integers(0, 2**128 - 1))
def test_each_object_is_in_one_part_of_any_number_of_parts(count: int, by: str, number: int) -> None:
    uid = str(uuid.UUID(int=number))
    parts = [Shard(index, count, by=by) for index in range(count)]
    assert [part.covers(uid=uid, namespace=uid) for part in parts].count(True) == 1


def test_a_range_has_its_first_hash_and_not_its_last() -> None:
    value = hash_of("a")
    assert Shard.of_ranges([(value, value + 1)]).covers(uid="a", namespace="")
    assert not Shard.of_ranges([(value + 1, HASH_END), (0, value)]).covers(uid="a", namespace="")


def test_what_is_hashed_is_what_was_asked_for() -> None:
    of_a = [(hash_of("a"), hash_of("a") + 1)]
    assert Shard.of_ranges(of_a, by="namespace").covers(uid="b", namespace="a")
    assert not Shard.of_ranges(of_a, by="namespace").covers(uid="a", namespace="b")


def test_shards_are_values() -> None:
    assert Shard(0, 2) == Shard.of_ranges([(0, HASH_END // 2)])
    assert len({Shard(0, 2), Shard(0, 2), Shard(1, 2), Shard(0, 2, by="namespace")}) == 3
    assert repr(Shard(1, 2, by="namespace")) == "<Shard 0x8000000000000000-0x10000000000000000 of namespace>"


@pytest.mark.parametrize(("index", "count", "by"), [(0, 0, "uid"), (2, 2, "uid"), (-1, 2, "uid"), (0, 2, "name")])
def test_a_part_that_is_not_there_is_refused(index: int, count: int, by: str) -> None:
    with pytest.raises(InvalidArgument):
        Shard(index, count, by=by)


@pytest.mark.parametrize("ranges", [[], [(5, 5)], [(6, 5)], [(-1, 5)], [(0, HASH_END + 1)], [(0, 1), (2, 2)]])
def test_ranges_of_no_hashes_are_refused(ranges: Sequence[HashRange]) -> None:
    with pytest.raises(InvalidArgument):
        Shard.of_ranges(ranges)
