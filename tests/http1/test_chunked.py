from __future__ import annotations

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.http1 import ChunkedDecoder, Limits, LocalProtocolError, RemoteProtocolError
from kubeprims.http1.chunked import encode_chunk, encode_last_chunk

BODY = b'5\r\nhello\r\n1;x="\xe9;"\r\n,\r\n00a\r\n0123456789\r\n0\r\nX-Sum: 1\r\nx-sum:\t2\r\n\r\n'.replace(
    b"1 ;", b"1;"
)


def feed_in_pieces(decoder: ChunkedDecoder, data: bytes, size: int) -> bytes:
    return b"".join(decoder.feed(data[position : position + size]) for position in range(0, len(data), size))


def refusal(data: bytes, limits: Limits | None = None) -> RemoteProtocolError:
    """Feed the data at once and byte by byte, and return the error, which is the same."""
    errors: list[RemoteProtocolError] = []
    for size in (len(data), 1):
        decoder = ChunkedDecoder(limits)
        with pytest.raises(RemoteProtocolError) as caught:
            feed_in_pieces(decoder, data, size)
        errors.append(caught.value)
        with pytest.raises(LocalProtocolError):
            decoder.feed(b"\r\n0\r\n\r\n")
        assert not decoder.finished
    assert (errors[0].detail, errors[0].status_code) == (errors[1].detail, errors[1].status_code)
    return errors[0]


def test_a_body_is_the_same_however_it_is_cut() -> None:
    for size in range(1, len(BODY) + 1):
        decoder = ChunkedDecoder()
        assert feed_in_pieces(decoder, BODY, size) == b"hello,0123456789"
        assert decoder.finished
        assert decoder.trailers == (("x-sum", "1"), ("x-sum", "2"))
        assert decoder.unused == b""


def test_payload_is_handed_on_before_its_chunk_is_complete() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(b"5\r\nhe") == b"he"
    assert decoder.feed(b"llo") == b"llo"
    assert decoder.feed(b"") == b""
    assert decoder.feed(b"\r\n2\r\n!!\r\n0\r\n\r") == b"!!"
    assert not decoder.finished
    assert decoder.feed(b"\nHTTP/1.1 200 OK") == b""
    assert decoder.finished
    assert decoder.unused == b"HTTP/1.1 200 OK"


def test_nothing_is_fed_behind_the_end() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\n\r\n")
    with pytest.raises(LocalProtocolError):
        decoder.feed(b"x")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"+3",
        b"-3",
        b"0x3",
        b"1_0",
        b" 3",
        b"3 ",
        b"3 ;x",
        b"g",
        b"\xb3",
        b"1" * 17,
        b";x",
        b"3;\0",
        b"3;x\ry",
        b"3\n",
    ],
)
def test_a_size_is_hexadecimal_digits_and_nothing_else(line: bytes) -> None:
    error = refusal(line + b"\r\nabc\r\n0\r\n\r\n")
    assert error.status_code == 400
    assert "sixteen hexadecimal digits" in error.detail


def test_a_size_may_have_sixteen_digits() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(b"ffffffffffffffff\r\nabc") == b"abc"


@pytest.mark.parametrize("behind", [b"X", b"XX\r\n", b"\n", b"\rX", b"0\r\n"])
def test_a_chunk_ends_where_its_size_says(behind: bytes) -> None:
    assert "does not end" in refusal(b"3\r\nabc" + behind).detail


def test_a_chunk_line_is_bounded() -> None:
    limits = Limits(chunk_line_bytes_max=20)
    # Two line ends, a digit, a semicolon and fourteen more make twenty.
    assert ChunkedDecoder(limits).feed(b"1;" + b"x" * 14 + b"\r\na") == b"a"
    assert refusal(b"1;" + b"x" * 15 + b"\r\na", limits).detail == "a chunk line is longer than 20 bytes"
    assert refusal(b"1;" + b"x" * 1000, limits).detail == "a chunk line is longer than 20 bytes"


def test_extensions_are_bounded_over_the_whole_body() -> None:
    limits = Limits(chunk_extension_bytes_max=10)
    chunk = b"1;abcd\r\nx\r\n"
    assert ChunkedDecoder(limits).feed(chunk * 2) == b"xx"
    assert refusal(chunk * 3, limits).detail == "more than 10 bytes of chunk extensions"


def test_a_body_over_the_limit_is_refused_when_it_is_announced() -> None:
    limits = Limits(body_bytes_max=4)
    assert ChunkedDecoder(limits).feed(b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n") == b"abcd"
    error = refusal(b"3\r\nabc\r\n2\r\n", limits)
    assert error.status_code == 413


def test_trailers_are_bounded() -> None:
    # The line end of the last chunk line counts.
    limits = Limits(trailer_bytes_max=12, header_count_max=2)
    decoder = ChunkedDecoder(limits)
    decoder.feed(b"0\r\nabc: d\r\n\r\n")
    assert decoder.trailers == (("abc", "d"),)
    assert refusal(b"0\r\nabc: de\r\n\r\n", limits).status_code == 431
    assert refusal(b"0\r\na: b\r\nc: d\r\ne: f\r\n\r\n", Limits(header_count_max=2)).status_code == 431


@pytest.mark.parametrize(
    "trailer", [b"a b: c", b"a : b", b" a: b", b"a", b"a: \0", b"a: b\n", b"Content-Length: 3", b"HOST: x"]
)
def test_trailers_are_as_strict_as_heads_and_may_not_frame_or_route(trailer: bytes) -> None:
    assert refusal(b"0\r\n" + trailer + b"\r\n\r\n").status_code == 400


def test_the_decoder_holds_no_payload() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"100000\r\n")
    for _ in range(16):
        assert decoder.feed(b"x" * 65536) == b"x" * 65536
        assert decoder._fragment in {b"", b"\r\n"}
    assert decoder.feed(b"\r\n0\r\n\r\n") == b""
    assert decoder.finished


def test_what_is_written_is_read_back() -> None:
    decoder = ChunkedDecoder()
    data = encode_chunk(b"a" * 300) + encode_chunk(b"b") + encode_last_chunk([("X-Sum", "1")])
    assert decoder.feed(data) == b"a" * 300 + b"b"
    assert decoder.trailers == (("x-sum", "1"),)
    assert encode_chunk(b"a" * 300).startswith(b"12c\r\n")


def test_an_empty_chunk_would_end_the_body() -> None:
    with pytest.raises(AssertionError):
        encode_chunk(b"")


def test_a_trailer_that_frames_is_not_written() -> None:
    with pytest.raises(InvalidArgument):
        encode_last_chunk([("transfer-encoding", "chunked")])
    with pytest.raises(InvalidArgument):
        encode_last_chunk([("x", "a\r\nb")])
