"""Bodies in every framing, cut in every way."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.transport.body import EMPTY_MEMBERS_MAX, PIECE_BYTES_MAX, Read, Truncated, frame, gunzip
from kubeprims.transport.message import Headers


def reads(parts: Sequence[bytes]) -> Read:
    stream = itertools.chain(parts, itertools.repeat(b""))
    return lambda: next(stream)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [*sorted({place % (len(data) + 1) for place in places} - {0}), len(data)]
    return [part for part in (data[a:b] for a, b in zip([0, *ends], ends, strict=False)) if part]


def fields(*items: tuple[str, str]) -> Headers:
    return Headers(items)


CHUNKED = fields(("Transfer-Encoding", "Chunked"))
CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=6)


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    cuts=CUTS,
    framing=st.sampled_from(["sized", "chunked", "end"]),
    packed=st.booleans(),
)
def test_a_body_comes_out_as_it_went_in_however_it_is_framed_and_cut(
    payloads: list[bytes], cuts: list[int], framing: str, *, packed: bool
) -> None:
    parts = [gzip.compress(payload) for payload in payloads] if packed else payloads
    raw = b"".join(parts)
    headers = fields(*((("Content-Encoding", "gzip"),) if packed else ()))
    if framing == "sized":
        headers, wire = headers.with_added("Content-Length", str(len(raw))), raw
    elif framing == "chunked":
        headers, wire = headers.with_added("Transfer-Encoding", "chunked"), b"".join(map(chunk, parts)) + b"0\r\n\r\n"
    else:
        wire = raw
    body = frame(headers, read=reads(cut(wire, cuts)), has_body=True, unpack=True)
    got = list(body.parts())
    assert b"".join(got) == b"".join(payloads)
    assert b"" not in got
    assert body.is_reusable == (framing != "end")


@given(cuts=CUTS, missing=st.integers(min_value=1, max_value=200), packed=st.booleans(), in_chunks=st.booleans())
def test_a_body_that_ends_too_soon_is_never_taken_for_whole(
    cuts: list[int], missing: int, *, packed: bool, in_chunks: bool
) -> None:
    raw = gzip.compress(bytes(range(200))) if packed else bytes(range(200))
    wire = chunk(raw) + b"0\r\n\r\n" if in_chunks else raw
    headers = CHUNKED if in_chunks else fields(("Content-Length", str(len(raw))))
    if packed:
        headers = headers.with_added("Content-Encoding", "gzip")
    body = frame(headers, read=reads(cut(wire[: -min(missing, len(wire))], cuts)), has_body=True, unpack=True)
    with pytest.raises(Truncated):
        list(body.parts())
    assert not body.is_reusable


def test_a_gzipped_body_without_framing_must_be_whole() -> None:
    packed = gzip.compress(b"x" * 100)
    body = frame(fields(("Content-Encoding", "x-gzip")), read=reads([packed[:-1]]), has_body=True, unpack=True)
    with pytest.raises(Truncated, match="inside a gzipped body"):
        list(body.parts())


def test_what_one_read_gives_is_one_part() -> None:
    parts = [chunk(b"a") + chunk(b"b"), chunk(b"c")[:3], chunk(b"c")[3:] + chunk(b"d"), b"0\r\n\r\n"]
    body = frame(CHUNKED, read=reads(parts), has_body=True, unpack=True)
    assert list(body.parts()) == [b"ab", b"cd"]


def test_bytes_behind_the_body_forbid_to_use_the_connection_again() -> None:
    body = frame(CHUNKED, read=reads([b"0\r\n\r\nHTTP/1.1 200"]), has_body=True, unpack=True)
    assert list(body.parts()) == []
    assert not body.is_reusable
    body = frame(fields(("Content-Length", "2")), read=reads([b"okHTTP"]), has_body=True, unpack=True)
    assert list(body.parts()) == [b"ok"]
    assert not body.is_reusable


def test_an_answer_without_a_body_is_not_read() -> None:
    def read() -> bytes:
        raise AssertionError

    for headers, has_body in ((fields(("Content-Length", "5")), False), (fields(("Content-Length", "00")), True)):
        body = frame(headers, read=read, has_body=has_body, unpack=True)
        assert body.is_empty
        assert list(body.parts()) == []
        assert body.is_reusable


@pytest.mark.parametrize(
    "items",
    [
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "3")],
        [("Content-Length", "3"), ("Content-Length", "4")],
        [("Content-Length", "3, 4")],
        [("Content-Length", "-3")],
        [("Content-Length", "+3")],
        [("Content-Length", "x")],
        [("Content-Length", "")],
        [("Content-Length", "³")],
        [("Content-Length", "9" * 19)],
        [("Content-Encoding", "br")],
        [("Content-Encoding", "gzip, gzip")],
    ],
)
def test_a_head_that_leaves_the_end_of_the_body_in_doubt_is_refused(items: list[tuple[str, str]]) -> None:
    with pytest.raises(RemoteProtocolError):
        frame(fields(*items), read=reads([]), has_body=True, unpack=True)


def test_repeated_equal_lengths_are_one_and_an_encoding_that_was_not_ours_to_ask_is_left() -> None:
    headers = fields(("Content-Length", "2, 2"), ("Content-Length", "2"), ("Content-Encoding", "br"))
    assert list(frame(headers, read=reads([b"ok"]), has_body=True, unpack=False).parts()) == [b"ok"]


def test_what_is_not_gzip_is_named() -> None:
    with pytest.raises(RemoteProtocolError, match="not gzip"):
        list(gunzip(iter([b"plain text"])))
    with pytest.raises(RemoteProtocolError, match="not gzip"):
        list(gunzip(iter([gzip.compress(b"x"), b"trailing"])))
    assert list(gunzip(iter([]))) == []


def test_gzip_members_that_hold_nothing_are_bounded_in_number() -> None:
    empty = gzip.compress(b"")
    assert b"".join(gunzip(iter([(empty * EMPTY_MEMBERS_MAX + gzip.compress(b"x")) * 3]))) == b"xxx"
    with pytest.raises(RemoteProtocolError, match="hold nothing"):
        list(gunzip(iter([empty * (EMPTY_MEMBERS_MAX + 1)])))


def test_a_gzip_bomb_comes_in_pieces_of_bounded_size() -> None:
    packed = gzip.compress(bytes(64 << 20), compresslevel=9)

    def parts() -> Iterator[bytes]:
        yield packed[:-9]
        yield packed[-9:]

    tracemalloc.start()
    sizes = [len(piece) for piece in gunzip(parts())]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= PIECE_BYTES_MAX
    assert peak_bytes < 8 * PIECE_BYTES_MAX


def test_output_beyond_a_piece_does_not_wait_for_the_next_read() -> None:
    packer = zlib.compressobj(wbits=31)
    flushed = packer.compress(bytes(5 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    asked: list[int] = []

    def parts() -> Iterator[bytes]:
        yield flushed
        asked.append(1)
        yield packer.flush()

    size = 0
    for piece in gunzip(parts()):
        size += len(piece)
        assert not asked
    assert size == 5 << 20


def test_output_that_fills_a_piece_to_the_last_byte_is_not_lost() -> None:
    for size in (PIECE_BYTES_MAX, 2 * PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1):
        packed = gzip.compress(bytes(size))
        assert sum(map(len, gunzip(iter([packed[:-1], packed[-1:]])))) == size
        assert sum(map(len, gunzip(iter([packed])))) == size
