"""HTTP/1.1 against other people's parsers, and against itself cut differently.

What we accept, h11 and httptools must accept too, and read as the same message that ends at the same byte; where
httptools refuses it nevertheless, ``STRICTER_THERE`` has the rule. What they accept and we refuse on purpose is in
``STRICTER_HERE``.
"""

from __future__ import annotations

from collections.abc import Callable
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


# Where one of us is stricter, on purpose.

PUT = b"PUT / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"

# The request, whether h11 takes it, whether httptools does. Some are refused by all three: they are here to stay.
STRICTER_HERE = {
    "line ends: LF": (b"GET / HTTP/1.1\nHost: a\n\n", True, False),
    "line ends: one LF": (b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", True, False),
    "line ends: CR in a value": (PUT + b"X: a\rb\r\n\r\n", False, False),
    "line ends: an empty line first": (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", False, True),
    "header: folded": (PUT + b"X: a\r\n b\r\n\r\n", True, False),
    "header: space before the colon": (PUT + b"X : a\r\n\r\n", False, False),
    "header: control character": (PUT + b"X: \x01\r\n\r\n", True, False),
    "request line: two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", False, True),
    "version: other minor number": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", True, False),
    "version: 0.9": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", True, True),
    "version: 2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", True, True),
    "target: no slash": (b"GET path HTTP/1.1\r\nHost: a\r\n\r\n", True, False),
    "target: asterisk": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", True, True),
    "target: fragment": (b"GET /# HTTP/1.1\r\nHost: a\r\n\r\n", True, True),
    "target: not ASCII": (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", False, False),
    "target: another host": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", True, True),
    "host: none": (b"GET / HTTP/1.1\r\n\r\n", False, True),
    "host: two": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", False, True),
    "host: more than a host": (b"GET / HTTP/1.1\r\nHost: a@b/c\r\n\r\n", True, True),
    "host: empty": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", True, True),
    "length: two that agree": (PUT + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", True, False),
    "length: a list that agrees": (PUT + b"Content-Length: 1, 1\r\n\r\na", True, False),
    "length: sign": (PUT + b"Content-Length: +1\r\n\r\na", False, False),
    "length: nineteen digits": (PUT + b"Content-Length: 0000000000000000001\r\n\r\na", True, True),
    "length: beside a coding": (
        PUT + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        True,
        False,
    ),
    "coding: in HTTP/1.0": (b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True, True),
    "coding: another before": (PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", False, True),
    "coding: twice": (PUT + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", False, False),
    "chunk: space behind the size": (CHUNKED + b"1 \r\na\r\n0\r\n\r\n", True, False),
    "chunk: space before an extension": (CHUNKED + b"1 ;x\r\na\r\n0\r\n\r\n", False, False),
    "chunk: seventeen digits": (CHUNKED + b"00000000000000001\r\na\r\n0\r\n\r\n", True, True),
    "chunk: wrong end": (CHUNKED + b"1\r\naXX0\r\n\r\n", False, False),
    "chunk: LF behind the size": (CHUNKED + b"1\na\r\n0\r\n\r\n", False, False),
    "trailers: a length": (CHUNKED + b"0\r\nContent-Length: 1\r\n\r\n", True, False),
    "an unknown expectation": (PUT + b"Expect: x\r\n\r\n", True, True),
}

# httptools knows a fixed list of methods, and reads the grammar of chunk extensions. We hand on any token, and drop
# extensions once they are known to hold no line end. Neither moves the end of a message.
STRICTER_THERE = {
    "method": (b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", "Invalid method encountered"),
    "method that begins like a known one": (b"GET0 / HTTP/1.1\r\nHost: a\r\n\r\n", "Expected space after method"),
    "extension": (CHUNKED + b"1;\xff\r\na\r\n0\r\n\r\n", "Invalid character in chunk extensions"),
}


@pytest.mark.parametrize("name", STRICTER_HERE)
def test_what_is_refused_here_on_purpose(name: str) -> None:
    data, h11_takes_it, httptools_takes_it = STRICTER_HERE[name]
    with pytest.raises(RemoteProtocolError):
        read_here(data)
    assert is_taken(read_with_h11, data) is h11_takes_it
    assert is_taken(read_with_httptools, data) is httptools_takes_it


def is_taken(read: Callable[[bytes], Message | None], data: bytes) -> bool:
    try:
        return read(data) is not None
    except (h11.RemoteProtocolError, httptools.HttpParserError):
        return False


@pytest.mark.parametrize("name", STRICTER_THERE)
def test_what_is_refused_by_httptools_alone(name: str) -> None:
    data, refusal = STRICTER_THERE[name]
    assert read_here(data) == read_with_h11(data)
    with pytest.raises(httptools.HttpParserError, match=refusal):
        read_with_httptools(data)


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


# What smuggling is made of: bytes that end lines too early or too late, and lines that frame.
splices = st.sampled_from([
    b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"1", b"a", b"f", b"+", b"-", b"_", b"0x",
    b"\xff", b"\x7f", b"\x0b", b"\r\n ", b"\r\n\r\n", b"0\r\n\r\n", b'"', b"HTTP/1.0", b"http://a:80", b"chunked",
])  # fmt: skip
lines = st.sampled_from([
    b"Content-Length: 3", b"Content-Length: 0", b"content-length:3", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity", b"Transfer-encoding:\tchunked", b"Host: b", b"Connection: close",
    b"Expect: 100-continue", b"Connection: upgrade", b"Upgrade: x", b"Trailer: x", b"0", b"3", b"", b"GET / HTTP/1.1",
]).map(lambda line: line + b"\r\n")  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(requests()) + draw(st.sampled_from([b"", b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        at_line = data.find(b"\r\n", start)
        match draw(st.sampled_from(["anywhere", "near a line end", "a line"])):
            case "near a line end" if at_line >= 0:
                start = at_line + draw(st.integers(0, 2))
                data = data[:start] + draw(splices) + data[start + draw(st.integers(0, 2)) :]
            case "a line" if at_line >= 0:
                data = data[: at_line + 2] + draw(lines) + data[at_line + 2 :]
            case _:
                data = data[:start] + draw(splices) + data[start + draw(st.integers(0, 2)) :]
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
    known = any(refusal.startswith(rule) for _, rule in STRICTER_THERE.values())
    assert known or theirs == without_rest(message), refusal


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
    signal = connection.next_event()
    assert isinstance(signal, Signal)
    return events, body, signal.name


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
