"""Lines out of bytes, however they are cut."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client.lines import LineSplitter

lines_of_text = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b" ")), max_size=12)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def split(chunks: list[bytes], limit: int) -> tuple[list[bytes], bool]:
    splitter = LineSplitter(limit)
    lines: list[bytes] = []
    for chunk in chunks:
        lines += splitter.feed(chunk)
        if splitter.is_too_long:
            return lines, True
    rest = splitter.finish()
    return [*lines, rest] if rest else lines, False


@given(lines_of_text, st.lists(st.integers(min_value=0, max_value=200)), st.sampled_from([b"", b"tail"]))
def test_any_cut_gives_the_lines_that_were_sent(lines: list[bytes], cuts: list[int], tail: bytes) -> None:
    data = b"".join(line + b"\n" for line in lines) + tail
    expected = [*lines, tail] if tail else lines
    assert split(pieces(data, cuts), 1000) == (expected, False)


@given(lines_of_text, st.lists(st.integers(min_value=0, max_value=200)), st.integers(min_value=0, max_value=12))
def test_any_cut_gives_the_lines_before_the_one_that_is_too_long(
    lines: list[bytes], cuts: list[int], limit: int
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    index = next((index for index, line in enumerate(lines) if len(line) > limit), None)
    expected = (lines, False) if index is None else (lines[:index], True)
    assert split(pieces(data, cuts), limit) == expected


def test_nothing_comes_after_a_line_that_is_too_long() -> None:
    splitter = LineSplitter(3)
    assert splitter.feed(b"ab\nabcd") == [b"ab"]
    assert splitter.is_too_long
    assert splitter.feed(b"\nab\n") == []


def test_the_time_grows_with_the_bytes_and_not_with_the_lines_in_a_chunk_or_the_chunks_of_a_line() -> None:
    def seconds(chunks: list[bytes]) -> float:
        start_s = time.process_time()
        splitter = LineSplitter(1 << 30)
        for chunk in chunks:
            splitter.feed(chunk)
        return time.process_time() - start_s

    # Eight times the bytes may take eight times as long, and noise; quadratic growth would be sixty-four times.
    for make in (lambda size: [b"x" * 7 + b"\n"] * size, lambda size: [b"x" * 64] * size, lambda size: [b"y\n" * size]):
        small = min(seconds(make(20_000)) for _ in range(2))
        large = min(seconds(make(160_000)) for _ in range(2))
        assert large < 30 * small + 0.1
