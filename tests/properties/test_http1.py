"""HTTP/1.1 against other people's parsers, and against itself cut differently.

Where another parser refuses what we accept, or reads it otherwise, the rule is named in the test; everything else that
we accept it must accept, and read as the same message that ends at the same byte. The reverse does not hold, on
purpose. Both oracles take, and we refuse:

* h11: a bare LF as the end of a line; folded header lines; equal Content-Lengths repeated; ``Content-Length: 3, 3``;
  Content-Length beside Transfer-Encoding; Transfer-Encoding in HTTP/1.0; any minor version; white space behind a chunk
  size; a size of seventeen to twenty digits; framing fields among the trailers; a Host that is no host; any target of
  printable characters;
* httptools: empty lines before a request; no Host, or several; ``gzip, chunked``; unknown expectations.
"""

from __future__ import annotations

from dataclasses import dataclass

import h11
import httptools
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kubeprims.errors import InvalidArgument
from kubeprims.http1 import (
    ChunkedDecoder,
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
    Request,
    ServerConnection,
    Signal,
)
from kubeprims.http1.chunked import encode_chunk, encode_last_chunk

Fields = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Message:
    method: str
    target: str
    version: str
    headers: Fields
    body: bytes
    trailers: Fields
    rest: bytes | None
    """What stands behind the message; None if the parser does not tell."""


# Three readers of one request.


def read_here(data: bytes) -> Message | None:
    """Return the first message, or None if there is none to the end; raises RemoteProtocolError."""
    connection = ServerConnection()
    connection.receive_data(data)
    request: Request | None = None
    body = b""
    while not isinstance(event := connection.next_event(), Signal):
        match event:
            case Request():
                request = event
            case Data():
                body += event.data
            case EndOfMessage():
                assert request is not None
                return Message(
                    method=request.method,
                    target=request.target,
                    version=request.http_version,
                    headers=list(request.headers),
                    body=body,
                    trailers=list(event.trailers),
                    rest=bytes(connection._received),
                )
    return None


def read_with_h11(data: bytes) -> Message | None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    request: h11.Request | None = None
    body = b""
    while True:
        match connection.next_event():
            case h11.Request() as request:
                pass
            case h11.Data(data=piece):
                body += piece
            case h11.EndOfMessage(headers=trailers):
                assert request is not None
                return Message(
                    method=request.method.decode(),
                    target=request.target.decode(),
                    version=request.http_version.decode(),
                    headers=decoded(request.headers),
                    body=body,
                    trailers=decoded(trailers),
                    rest=connection.trailing_data[0],
                )
            case _:
                return None


class HttptoolsReader:
    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.head_is_complete = False
        self.message: Message | None = None

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.trailers if self.head_is_complete else self.headers).append((name, value))

    def on_headers_complete(self) -> None:
        self.head_is_complete = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.message is None:
            self.message = Message(
                method=self.parser.get_method().decode(),
                target=self.target.decode("latin-1"),
                version=self.parser.get_http_version(),
                headers=decoded(self.headers),
                body=self.body,
                trailers=decoded(self.trailers),
                rest=None,
            )


def read_with_httptools(data: bytes) -> Message | None:
    reader = HttptoolsReader()
    try:
        reader.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        # What stands behind the first message is of no interest.
        if reader.message is None:
            raise
    return reader.message


def decoded(fields: object) -> Fields:
    assert isinstance(fields, list | tuple | h11._headers.Headers)
    return [(name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")) for name, value in fields]


# Requests, valid and mutated.

token_characters = "!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"
names = st.text(token_characters, min_size=1, max_size=8).map(lambda name: f"x{name}")
values = st.text([chr(code) for code in [9, *range(32, 127), *range(128, 256)]], max_size=12).map(
    lambda v: v.strip(" \t")
)
fields = st.lists(st.tuples(names, values), max_size=4)
methods = st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "M-SEARCH"])
targets = st.text("".join(map(chr, range(0x21, 0x7F))).replace("#", ""), max_size=12).map(lambda text: f"/{text}")
bodies = st.lists(st.binary(min_size=1, max_size=20), max_size=4)


def encoded(fields: Fields) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    head = f"{draw(methods)} {draw(targets)} HTTP/1.{draw(st.sampled_from('1110'))}\r\nHost: a:80\r\n".encode("latin-1")
    head += encoded(draw(fields))
    pieces = draw(bodies)
    framing = draw(st.sampled_from(["length", "chunked"]))
    if framing == "length" or b"HTTP/1.0" in head:
        declared = f"Content-Length: {sum(map(len, pieces))}\r\n".encode() if pieces or draw(st.booleans()) else b""
        return head + declared + b"\r\n" + b"".join(pieces)
    extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"']))
    chunks = b"".join(encode_chunk(piece).replace(b"\r\n", extension + b"\r\n", 1) for piece in pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + encode_last_chunk(draw(fields))


# What smuggling is made of.
splices = st.sampled_from([
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"1", b"a", b"f", b"+", b"-", b"_", b"0x",
    b"\xff", b"\x7f", b"\x0b", b"\r\n ", b"\r\n\r\n", b"0\r\n\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Host: b\r\n", b"Connection: close\r\n",
    b"Expect: 100-continue\r\n", b"Upgrade: x\r\nConnection: upgrade\r\n", b"HTTP/1.0", b"http://a:80", b"chunked",
])  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(requests()) + draw(st.sampled_from([b"", b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        # The interesting places are where lines meet.
        if draw(st.booleans()):
            start = max(0, data.find(b"\r\n", start) + draw(st.integers(0, 2)))
        cut = draw(st.integers(0, 2))
        data = data[:start] + draw(splices | st.just(b"")) + data[start + cut :]
    return data


# Agreement.


@given(requests())
def test_all_parsers_agree_on_valid_requests(data: bytes) -> None:
    message = read_here(data)
    assert message is not None
    assert message.rest == b""
    assert read_with_h11(data) == message
    assert read_with_httptools(data) == without_rest(message)


def without_rest(message: Message) -> Message:
    return Message(**{**vars(message), "rest": None})


@given(mutated())
@example(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n")
def test_h11_reads_whatever_is_accepted_as_the_same_message(data: bytes) -> None:
    try:
        message = read_here(data)
    except RemoteProtocolError:
        return
    assert read_with_h11(data) == message


@given(mutated())
def test_httptools_reads_whatever_is_accepted_as_the_same_message(data: bytes) -> None:
    try:
        message = read_here(data)
    except RemoteProtocolError:
        return
    assume(message is not None)
    assert message is not None
    refusal = ""
    theirs = None
    try:
        theirs = read_with_httptools(data)
    except httptools.HttpParserError as error:
        refusal = str(error)
    assert theirs == without_rest(message) or is_refused_by_httptools_alone(message, data, refusal), refusal


def is_refused_by_httptools_alone(message: Message, data: bytes, error: str) -> bool:
    """Tell whether httptools refuses the message for a rule of its own, which frames no message differently."""
    return (
        # It knows a fixed list of methods.
        "method" in error
        # It reads the grammar of chunk extensions, which we drop unread once they are known to hold no line end.
        or (b";" in data and "chunk" in error)
    )


# The same however it is cut.


def outcome(data: bytes, size: int, limits: Limits) -> tuple[list[object], bytes, str]:
    """Feed the data in pieces and return the events other than Data, the body, and how it ended."""
    connection = ServerConnection(limits)
    events: list[object] = []
    body = b""
    for position in range(0, len(data), size):
        connection.receive_data(data[position : position + size])
        try:
            while not isinstance(event := connection.next_event(), Signal):
                if isinstance(event, Data):
                    body += event.data
                else:
                    events.append(event)
        except RemoteProtocolError as error:
            return events, body, f"{error.status_code} {error}"
    return events, body, connection.next_event().name  # type: ignore[union-attr]  # only signals are left


SMALL = Limits(
    head_bytes_max=150,
    header_count_max=6,
    body_bytes_max=60,
    chunk_line_bytes_max=20,
    chunk_extension_bytes_max=30,
    trailer_bytes_max=40,
)


@given(mutated(), st.integers(2, 40), st.sampled_from([Limits(), SMALL]))
def test_events_are_the_same_however_the_bytes_are_cut(data: bytes, size: int, limits: Limits) -> None:
    events, body, end = outcome(data, len(data) or 1, limits)
    for other in (1, size):
        other_events, other_body, other_end = outcome(data, other, limits)
        assert (other_events, other_end) == (events, end)
        # Payload that came in one piece with a fault is not handed on; in two pieces it is.
        assert other_body == body or (end[0].isdigit() and other_body.startswith(body))


@pytest.mark.parametrize("limits", [Limits(), SMALL])
def test_one_cut_at_every_byte_changes_nothing(limits: Limits) -> None:
    data = (
        b'PUT http://a/x?y HTTP/1.1\r\nHost: a\r\nX:\ty z\r\nTransfer-Encoding: chunked\r\n\r\n3;a="b"\r\nabc\r\n0a\r\n'
        b"0123456789\r\n0\r\nX-Sum: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    whole = outcome(data, len(data), limits)
    assert whole[1:] == (b"abc0123456789", "PAUSED")
    for cut in range(1, len(data)):
        connection = ServerConnection(limits)
        events: list[object] = []
        body = b""
        for piece in (data[:cut], data[cut:]):
            connection.receive_data(piece)
            while not isinstance(event := connection.next_event(), Signal):
                if isinstance(event, Data):
                    body += event.data
                else:
                    events.append(event)
        assert (events, body) == whole[:2]
        connection.start_response(204, [])
        connection.end_response()
        connection.start_next_cycle()
        assert isinstance(connection.next_event(), Request)


# Whatever comes, one error class and bounded memory.


def held_bytes(connection: ServerConnection) -> int:
    reader = connection._body_reader
    held = len(connection._received) + len(connection._head_reader._block)
    if isinstance(reader, ChunkedDecoder):
        held += len(reader._fragment) + len(reader._trailer_reader._block)
    return held


@given(st.lists(mutated() | st.binary(max_size=300) | splices, max_size=6), st.integers(1, 64))
def test_garbage_raises_one_class_of_error_and_is_not_hoarded(pieces: list[bytes], size: int) -> None:
    connection = ServerConnection(SMALL)
    fault = feed_and_serve(connection, b"".join(pieces), size)
    if fault is not None:
        assert fault.status_code in {400, 413, 417, 431, 501, 505}
        assert len(fault.raw) <= 256
        assert connection.must_close
        assert connection.start_response(fault.status_code, [], has_body=False).endswith(b"connection: close\r\n\r\n")


def feed_and_serve(connection: ServerConnection, data: bytes, size: int) -> RemoteProtocolError | None:
    bound = SMALL.head_bytes_max + SMALL.chunk_line_bytes_max + SMALL.trailer_bytes_max + size
    try:
        for position in range(0, len(data), size):
            connection.receive_data(data[position : position + size])
            serve(connection)
            assert held_bytes(connection) <= bound
            if connection.must_close:
                return None
        connection.receive_eof()
        serve(connection)
    except RemoteProtocolError as error:
        return error
    return None


def serve(connection: ServerConnection) -> None:
    while True:
        event = connection.next_event()
        if event is Signal.PAUSED:
            connection.start_response(403, [], has_body=False)
            connection.end_response()
            if connection.must_close:
                return
            connection.start_next_cycle()
        elif isinstance(event, Signal):
            return


# Chunks alone, and what we write.


@given(bodies, fields, st.integers(1, 30), st.binary(max_size=5))
def test_a_chunked_body_survives_any_cut(pieces: list[bytes], trailers: Fields, size: int, rest: bytes) -> None:
    data = b"".join(map(encode_chunk, pieces)) + encode_last_chunk(trailers)
    decoder = ChunkedDecoder()
    payload = b""
    for position in range(0, len(data), size):
        payload += decoder.feed(data[position : position + size] + (rest if position + size >= len(data) else b""))
    assert decoder.finished
    assert payload == b"".join(pieces)
    assert list(decoder.trailers) == [(name.lower(), value) for name, value in trailers]
    assert decoder.unused == rest


@given(
    st.sampled_from(["GET", "HEAD"]),
    st.integers(200, 599),
    st.lists(st.tuples(names, values | st.text(max_size=6)), max_size=4),
    bodies,
    st.sampled_from(["chunked", "length", "none"]),
)
def test_h11_reads_every_response_as_it_was_meant(
    method: str, status: int, headers: Fields, pieces: list[bytes], framing: str
) -> None:
    connection = ServerConnection()
    connection.receive_data(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    while not isinstance(connection.next_event(), Signal):
        pass
    without_body = method == "HEAD" or status in {204, 304}
    pieces = [] if without_body or framing == "none" else pieces
    length = [("content-length", str(sum(map(len, pieces))))] if framing == "length" and not without_body else []
    try:
        written = connection.start_response(status, [*headers, *length], has_body=framing != "none")
    except InvalidArgument:
        assert any(not value.isprintable() or not value.isascii() for _, value in headers)
        return
    written += b"".join(map(connection.send_data, pieces)) + connection.end_response()

    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(written)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    assert head.status_code == status
    assert decoded(head.headers)[: len(headers)] == [(name.lower(), value.strip(" \t")) for name, value in headers]
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body == b"".join(pieces)
    assert client.trailing_data == (b"", False)
