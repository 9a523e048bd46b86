"""Shard selectors: what the server takes, and its words for what it does not."""

from __future__ import annotations

import json

import pytest

from kubeprims.errors import InternalError
from kubeprims.sharding import Shard
from kubeprims.testing.apiserver.queries import ListQuery, WatchQuery
from kubeprims.testing.apiserver.shard_selectors import parse_shard_selector
from tests.testing.apiserver.backends import Server

FIRST = "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')"
SECOND = "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')"
HALVES = (Shard(0, 2), Shard(1, 2))


@pytest.mark.parametrize(
    "text",
    [
        FIRST,
        f"  ({FIRST})\n",
        FIRST.replace(" ", ""),
        FIRST.replace("'", '"'),
        "shardRange( object . metadata.uid ,'0x0000000000000000','0x8000000000000000')",
    ],
)
def test_a_range_is_read_however_it_is_spaced(text: str) -> None:
    assert parse_shard_selector(text) == Shard(0, 2)


def test_ranges_are_joined_and_keep_their_order() -> None:
    assert parse_shard_selector(f"{SECOND} || {FIRST}").selector == f"{SECOND} || {FIRST}"


# The texts without "CEL" are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  ", "empty shard selector is not allowed; omit the parameter for unfiltered lists"),
        ("object.metadata.uid", "unexpected expression kind 7; expected shardRange() call or || operator"),
        ("x", "unexpected expression kind 3; expected shardRange() call or || operator"),
        ("'x'", "unexpected expression kind 5; expected shardRange() call or || operator"),
        (f"{FIRST} && {SECOND}", 'unsupported function "_&&_"; only shardRange() and || are allowed'),
        ("object.metadata.uid > '0x0'", 'unsupported function "_>_"; only shardRange() and || are allowed'),
        ("other(1)", 'unsupported function "other"; only shardRange() and || are allowed'),
        ("shardRange()", "shardRange() requires exactly 3 arguments, got 0"),
        (FIRST.replace("uid", "name"), 'unsupported field path "object.metadata.name"; supported: object.metadata.uid'),
        (
            "shardRange('a', '0x0', '0x1')",
            "shardRange() first argument: expected field path (e.g. object.metadata.uid)",
        ),
        ("shardRange(object.metadata.uid, 0, 8)", "hexStart must be a string literal, got int64"),
        ("shardRange(object.metadata.uid, hex(0), '8')", "hexStart must be a string literal (e.g. '0xff'), got"),
        (FIRST.replace("0x8", "8"), "hexEnd must have '0x' prefix, got \"8000000000000000\""),
        (FIRST.replace("0x0000000000000000", "0x"), "hexStart: hex value is required after '0x'"),
        (FIRST.replace("0x8", "0x100"), "hexEnd: hex value too long (18 chars, max 17)"),
        (FIRST.replace("0x8", "0xg"), 'hexEnd: invalid hex character "g" in "0xg000000000000000"'),
        (FIRST.replace("0x8", "0x20"), "hexEnd: 17-digit hex value must be '0x10000000000000000' (2^64), got"),
        (FIRST.replace("0x8000000000000000", "0x8"), '(did you mean "0x0000000000000008"?)'),
        (FIRST.replace("0x8000000000000000", "0x" + "0" * 16), "shard range start 0x0000000000000000 must be less"),
        (f"{FIRST} || {SECOND.replace('uid', 'namespace')}", "all shard ranges must use the same field, got"),
        (f"{FIRST} ||", "CEL parse error"),
        (f"{FIRST} {SECOND}", "CEL parse error"),
        (f"{FIRST} || \\", "CEL parse error"),
        ("shardRange(object.'x', 'a', 'b')", "CEL parse error"),
        ("(shardRange(object.metadata.uid, 'a' 'b')", "CEL parse error"),
        ("|| x", "CEL parse error"),
        ("(" * 5000, "CEL parse error"),
    ],
)
def test_what_is_no_selector_is_refused_as_upstream_does(text: str, problem: str) -> None:
    with pytest.raises(InternalError) as caught:
        parse_shard_selector(text)
    assert caught.value.message.startswith("invalid shard selector: ")
    assert problem in caught.value.message
    assert (caught.value.code, caught.value.reason) == (500, "")


def filled(*, sharded: bool) -> Server:
    server = Server(sharded_list_and_watch=sharded)
    for number in range(40):
        server.create("v1/configmaps", {"metadata": {"name": f"cm-{number}"}})
    return server


def listed(server: Server, **query: object) -> dict[str, object]:
    listing = server.backend.list(server.kind("v1/configmaps"), "", ListQuery(**query))  # type: ignore[arg-type]
    found: dict[str, object] = json.loads(listing.body())
    return found


def names(answer: dict[str, object]) -> set[str]:
    items = answer["items"]
    assert isinstance(items, list)
    return {item["metadata"]["name"] for item in items}


def test_two_halves_are_the_whole_and_say_what_they_are() -> None:
    server = filled(sharded=True)
    halves = [listed(server, shard_selector=shard.selector) for shard in HALVES]
    assert names(halves[0]) | names(halves[1]) == {f"cm-{number}" for number in range(40)}
    assert not names(halves[0]) & names(halves[1])
    assert all(names(half) for half in halves)
    for shard, half in zip(HALVES, halves, strict=True):
        assert half["metadata"] == {"resourceVersion": "44", "shardInfo": {"selector": shard.selector}}


def test_without_the_gate_the_selector_is_not_even_looked_at() -> None:
    server = filled(sharded=False)
    everything = listed(server, shard_selector="nonsense")
    assert (len(names(everything)), everything["metadata"]) == (40, {"resourceVersion": "44"})


def test_pages_of_a_shard_do_not_count_what_is_left() -> None:
    page = listed(filled(sharded=True), shard_selector=HALVES[0].selector, limit=3)
    metadata = page["metadata"]
    assert isinstance(metadata, dict)
    assert (len(names(page)), sorted(metadata)) == (3, ["continue", "resourceVersion", "shardInfo"])


def test_a_watch_shows_what_happens_in_its_shard_only() -> None:
    server = filled(sharded=True)
    kind = server.kind("v1/configmaps")
    watches = [
        server.backend.watch(kind, "", WatchQuery(resource_version="44", shard_selector=s.selector)) for s in HALVES
    ]
    for name in ("cm-1", "cm-2", "cm-3", "cm-4"):
        server.backend.delete(kind, "default", name)
    seen = [[json.loads(line)["object"]["metadata"] for line in watch.next_batch(0) or ()] for watch in watches]
    assert sorted(metadata["name"] for half in seen for metadata in half) == ["cm-1", "cm-2", "cm-3", "cm-4"]
    for shard, half in zip(HALVES, seen, strict=True):
        assert all(shard.covers(uid=metadata["uid"], namespace="default") for metadata in half)
    for watch in watches:
        watch.close()
