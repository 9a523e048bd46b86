from __future__ import annotations

import pytest

from kubeprims.http1.bodies import (
    BodyReader,
    BodyWriter,
    ChunkedWriter,
    LengthReader,
    LengthWriter,
    UntilCloseWriter,
)
from kubeprims.http1.errors import LocalProtocolError


def test_a_declared_length_is_read_and_not_a_byte_more() -> None:
    reader: BodyReader = LengthReader(5)
    assert reader.feed(b"abc") == b"abc"
    assert not reader.finished
    assert reader.unused == b""
    assert reader.feed(b"defg") == b"de"
    assert reader.finished
    assert reader.unused == b"fg"
    assert reader.trailers == ()


def test_no_body_is_a_body_of_length_0() -> None:
    assert LengthReader(0).finished


def test_a_declared_length_is_written_and_not_a_byte_more_or_less() -> None:
    writer: BodyWriter = LengthWriter(5)
    assert writer.send(b"abc") == b"abc"
    with pytest.raises(LocalProtocolError, match="2 bytes of body less"):
        writer.end(())
    with pytest.raises(LocalProtocolError, match="1 bytes of body more"):
        writer.send(b"def")
    assert writer.send(b"de") == b"de"
    with pytest.raises(LocalProtocolError, match="trailers"):
        writer.end([("a", "b")])
    assert writer.end(()) == b""


def test_each_piece_is_a_chunk() -> None:
    writer: BodyWriter = ChunkedWriter()
    assert writer.send(b"abc") == b"3\r\nabc\r\n"
    assert writer.end([("A", "b")]) == b"0\r\nA: b\r\n\r\n"


def test_a_body_that_ends_with_the_connection_is_written_as_it_is() -> None:
    writer: BodyWriter = UntilCloseWriter()
    assert writer.send(b"abc") == b"abc"
    with pytest.raises(LocalProtocolError, match="trailers"):
        writer.end([("a", "b")])
    assert writer.end(()) == b""
