"""The server's end of one HTTP/1.1 connection: bytes in, events out, and back.

Theory of operation
===================

Three things have a state, and each call moves at most one of the first two.

**The request**, moved by what the client sends:

=========  ====================================  ==========================================================
state      ``next_event`` gives                  leaves it on
=========  ====================================  ==========================================================
HEAD       NEED_DATA, Request                    a whole head: BODY; end of stream before its first byte: CLOSED
BODY       NEED_DATA, Data, EndOfMessage         the end of the body: COMPLETE
COMPLETE   PAUSED                                ``start_next_cycle``: HEAD; ``switching_protocols``: SWITCHED
SWITCHED   PAUSED; see ``take_trailing_data``    nothing
CLOSED     CONNECTION_CLOSED                     nothing
FAILED     raises the RemoteProtocolError again  nothing
=========  ====================================  ==========================================================

A RemoteProtocolError, and an end of stream inside a request, lead to FAILED from HEAD and from BODY.

**The response**, moved by what we send:

=========  ======================================  ========================================================
state      allows                                  leaves it on
=========  ======================================  ========================================================
IDLE       ``send_informational``                  ``start_response``: BODY; ``switching_protocols``: DONE
BODY       ``send_data``                           ``end_response``: DONE
DONE       ``start_next_cycle``                    ``start_next_cycle``: IDLE
=========  ======================================  ========================================================

A response may start while the request is still in BODY, and end before it; it may also start in FAILED, with the
status that the error carries, and in HEAD, to tell a client that is too slow (408) or one too many (503).

**Whether the connection lasts** (``must_close``): it only ever goes from False to True. It does so on HTTP/1.0, on
``close`` in a Connection header of either side, on any fault of the client, on a response that starts before there is
a request or while the client still waits for status 100 (nobody can tell whether it will send the body), and on a
response that has to end with the connection. Whenever it is True as a response starts, the head says
``connection: close``.

``start_next_cycle`` couples the two: it needs COMPLETE and DONE, and ``must_close`` False. So bytes of a pipelined
request are never looked at before the response to the one before it is written in full.

What the caller owes
====================

1. Call ``next_event`` until it gives NEED_DATA; only then read, and hand over what came with ``receive_data``, or
   ``receive_eof`` at the end of the stream. Then memory is bounded by one head plus one read.
2. On RemoteProtocolError answer with its ``status_code`` if no response has started, then close.
3. Read, or deliberately give up on, the rest of the body after ``end_response``: until EndOfMessage there is no next
   cycle.
4. Close the connection when ``must_close`` is True and the response is done, or when a response cannot be completed.
5. Limit the time: this machine has none.

Not done: CONNECT beyond parsing (answer it with an error), HTTP/2, and the Date header (the machine has no clock).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from http import HTTPStatus

from kubeprims.errors import InvalidArgument
from kubeprims.http1.bodies import BodyReader, BodyWriter, ChunkedWriter, LengthReader, LengthWriter, UntilCloseWriter
from kubeprims.http1.chunked import ChunkedDecoder
from kubeprims.http1.errors import LocalProtocolError, RemoteProtocolError
from kubeprims.http1.events import CONNECTION_CLOSED, NEED_DATA, PAUSED, Data, EndOfMessage, Event, Request
from kubeprims.http1.headers import comma_tokens, encode_head, parse_content_length
from kubeprims.http1.heads import BlockReader, parse_request_head
from kubeprims.http1.limits import Limits

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class _RequestState(Enum):
    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()
    SWITCHED = auto()
    CLOSED = auto()
    FAILED = auto()


class _ResponseState(Enum):
    IDLE = auto()
    BODY = auto()
    DONE = auto()


class ServerConnection:
    """One connection with a client, for as many requests as it lasts.

    Concurrency:
        Not thread-safe: one thread, or one lock, per connection.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._received = bytearray()
        self._peer_has_ended = False
        self._fault: RemoteProtocolError | None = None
        self._must_close = False
        self._start_cycle()

    def _start_cycle(self) -> None:
        self._request_state = _RequestState.HEAD
        self._response_state = _ResponseState.IDLE
        self._request: Request | None = None
        self._head_reader = BlockReader(self._limits.head_bytes_max, name="head")
        self._body_reader: BodyReader = LengthReader(0)
        self._body_writer: BodyWriter = LengthWriter(0)
        self._client_awaits_continue = False

    # What the driver decides by.

    @property
    def must_close(self) -> bool:
        """Whether the connection has to be closed after the response; never goes back to False."""
        return self._must_close

    @property
    def client_awaits_continue(self) -> bool:
        """Whether the client holds its body back until ``send_informational(100)`` or a final response."""
        return self._client_awaits_continue

    @property
    def request_is_complete(self) -> bool:
        """Whether the request has been handed out to its EndOfMessage."""
        return self._request_state in {_RequestState.COMPLETE, _RequestState.SWITCHED}

    @property
    def response_has_started(self) -> bool:
        """Whether it is too late for another status."""
        return self._response_state is not _ResponseState.IDLE

    # Bytes in, events out.

    def receive_data(self, data: bytes) -> None:
        """Take in what was read from the client; call :meth:`next_event` next.

        Raises:
            LocalProtocolError: After ``receive_eof``.
        """
        if self._peer_has_ended:
            raise LocalProtocolError("bytes received after the end of the stream")
        self._received += data

    def receive_eof(self) -> None:
        """Take in that the client ended its stream; call :meth:`next_event` next."""
        self._peer_has_ended = True

    def next_event(self) -> Event:
        """Return the next event, or a :class:`Signal` that says why there is none.

        Raises:
            RemoteProtocolError: The client broke the protocol, passed a limit, or went away inside a request. Answer
                with ``status_code`` if no response has started, and close. Raised again by further calls.
        """
        if self._fault is not None:
            raise self._fault
        try:
            match self._request_state:
                case _RequestState.HEAD:
                    return self._next_head()
                case _RequestState.BODY:
                    return self._next_body_event()
                case _RequestState.CLOSED:
                    return CONNECTION_CLOSED
                case _:
                    return PAUSED
        except RemoteProtocolError as fault:
            self._fault = fault
            self._request_state = _RequestState.FAILED
            self._must_close = True
            raise

    def _take_received(self) -> bytes:
        data = bytes(self._received)
        self._received.clear()
        return data

    def _next_head(self) -> Event:
        lines = self._head_reader.feed(self._take_received())
        if lines is None:
            if not self._peer_has_ended:
                return NEED_DATA
            if self._head_reader.is_empty:
                self._request_state = _RequestState.CLOSED
                return CONNECTION_CLOSED
            raise RemoteProtocolError("the client went away inside a head")
        self._received += self._head_reader.unused
        self._request = request = parse_request_head(lines, self._limits)
        self._request_state = _RequestState.BODY
        if request.content_length is None:
            self._body_reader = ChunkedDecoder(self._limits)
        else:
            self._body_reader = LengthReader(request.content_length)
        self._client_awaits_continue = request.expects_continue
        # RFC 9112, section 9.3. Keep-alive in HTTP/1.0 is an extension that proxies got wrong: not offered.
        if request.http_version == "1.0" or "close" in request.headers.tokens("connection"):
            self._must_close = True
        return request

    def _next_body_event(self) -> Event:
        reader = self._body_reader
        payload = b"" if reader.finished else self._feed_body(reader)
        if payload:
            return Data(payload)
        if reader.finished:
            self._request_state = _RequestState.COMPLETE
            return EndOfMessage(reader.trailers)
        if self._peer_has_ended:
            raise RemoteProtocolError("the client went away inside a body")
        return NEED_DATA

    def _feed_body(self, reader: BodyReader) -> bytes:
        if not self._received:
            return b""
        # RFC 9110, section 10.1.1: a client need not wait for ever; one that has begun to send waits no longer.
        self._client_awaits_continue = False
        payload = reader.feed(self._take_received())
        self._received += reader.unused
        return payload

    # The response.

    def send_informational(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> bytes:
        """Return the bytes of an interim response: 100 lets the client send its body, 103 gives early hints.

        Raises:
            LocalProtocolError: No request was read, it is HTTP/1.0, or its response has started.
            InvalidArgument: Not a status from 100 to 199 other than 101, or a header that cannot be written.
        """
        if not 100 <= status <= 199 or status == HTTPStatus.SWITCHING_PROTOCOLS:  # noqa: PLR2004 - the 1xx class
            raise InvalidArgument(f"{status} is not the status of an interim response")
        if self._response_state is not _ResponseState.IDLE or self._request is None:
            raise LocalProtocolError("an interim response stands between a request and its response")
        if self._request.http_version == "1.0":
            raise LocalProtocolError("HTTP/1.0 knows no interim responses")
        head = encode_head(_status_line(status), headers)
        if status == HTTPStatus.CONTINUE:
            self._client_awaits_continue = False
        return head

    def start_response(self, status: int, headers: Iterable[tuple[str, str]], *, has_body: bool = True) -> bytes:
        """Return the bytes of a response's head.

        The body ends as the headers say: with a Content-Length, after that many bytes; without one it is chunked, or
        ends with the connection if the client speaks HTTP/1.0. Responses to HEAD, and those with status 204 and 304,
        have no body whatever ``has_body`` says. ``connection: close`` is added when it applies.

        Args:
            status: From 200 to 599.
            headers: Written in this order and spelling. Transfer-Encoding is not among them: it is this method's.
            has_body: False for an empty body; ``content-length: 0`` is then added where one is due.

        Raises:
            LocalProtocolError: A response has started already, or the headers contradict the body or the request.
            InvalidArgument: A status out of range, or a header that cannot be written; nothing has changed then.
        """
        if self._response_state is not _ResponseState.IDLE:
            raise LocalProtocolError("the response has started already")
        if not 200 <= status <= 599:  # noqa: PLR2004 - the classes of final responses
            raise InvalidArgument(f"{status} is not the status of a final response")
        if self._method == "CONNECT" and status <= 299:  # noqa: PLR2004 - a success would begin a tunnel
            raise LocalProtocolError("CONNECT cannot be granted")
        fields = list(headers)
        must_close = self._must_close or self._request is None or self._client_awaits_continue
        writer = self._frame_response(status, fields, has_body=has_body)
        must_close = must_close or isinstance(writer, UntilCloseWriter)
        if "close" in comma_tokens(value for name, value in fields if name.lower() == "connection"):
            must_close = True
        elif must_close:
            fields.append(("connection", "close"))
        head = encode_head(_status_line(status), fields)
        self._must_close = must_close
        self._client_awaits_continue = False
        self._body_writer = writer
        self._response_state = _ResponseState.BODY
        return head

    @property
    def _method(self) -> str:
        return "" if self._request is None else self._request.method

    def _frame_response(self, status: int, fields: list[tuple[str, str]], *, has_body: bool) -> BodyWriter:
        """Choose how the body ends and complete the fields with it: RFC 9112, section 6.3, as far as responses go."""
        if any(name.lower() == "transfer-encoding" for name, _ in fields):
            raise LocalProtocolError("Transfer-Encoding is chosen by the connection")
        content_length = _declared_length(fields)
        # Step 1: these have no body. To HEAD, and in 304, a length tells that of the body which GET would bring.
        if status == HTTPStatus.NO_CONTENT and content_length is not None:
            raise LocalProtocolError("a 204 has no Content-Length (RFC 9110, section 8.6)")
        if self._method == "HEAD" or status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            return LengthWriter(0)
        # Step 6: the length as declared, or that of an empty body.
        if not has_body:
            if content_length:
                raise LocalProtocolError(f"Content-Length is {content_length}, but there is no body")
            if content_length is None:
                fields.append(("content-length", "0"))
            return LengthWriter(0)
        if content_length is not None:
            return LengthWriter(content_length)
        # Step 4: chunked, for those who know it. Step 8: until the connection ends.
        if self._request is not None and self._request.http_version == "1.0":
            return UntilCloseWriter()
        fields.append(("transfer-encoding", "chunked"))
        return ChunkedWriter()

    def send_data(self, data: bytes) -> bytes:
        """Return the bytes for a piece of the response's body; none for an empty piece.

        Raises:
            LocalProtocolError: No response is being written, or more comes than its head declares.
        """
        if self._response_state is not _ResponseState.BODY:
            raise LocalProtocolError("no response is being written")
        return self._body_writer.send(data) if data else b""

    def end_response(self, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
        """Return the bytes that end the response; then see :attr:`must_close` and :meth:`start_next_cycle`.

        Raises:
            LocalProtocolError: No response is being written, its body is shorter than declared (close the connection:
                the client must not take it for complete), or trailers without a chunked body.
            InvalidArgument: A trailer field that cannot be written.
        """
        if self._response_state is not _ResponseState.BODY:
            raise LocalProtocolError("no response is being written")
        end = self._body_writer.end(trailers)
        self._response_state = _ResponseState.DONE
        return end

    def start_next_cycle(self) -> None:
        """Turn to the next request; what the client sent ahead of time is parsed now.

        Raises:
            LocalProtocolError: The response is not done, the request not read to its end, or ``must_close`` is True.
        """
        if self._response_state is not _ResponseState.DONE:
            raise LocalProtocolError("the response is not done")
        if self._must_close:
            raise LocalProtocolError("the connection must be closed")
        if self._request_state is not _RequestState.COMPLETE:
            raise LocalProtocolError("the request has not been read to its end")
        self._start_cycle()

    # Another protocol on the same connection.

    def switching_protocols(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """Return the head of a 101 response and give the connection away; see :meth:`take_trailing_data`.

        Who relays another server's 101 writes that one instead of the bytes returned here.

        Raises:
            LocalProtocolError: The request did not ask for it, has not been read to its end, or was answered.
            InvalidArgument: A header that cannot be written.
        """
        if self._response_state is not _ResponseState.IDLE:
            raise LocalProtocolError("the response has started already")
        if self._request is None or self._request_state is not _RequestState.COMPLETE:
            raise LocalProtocolError("the request has not been read to its end")
        asked = "upgrade" in self._request.headers.tokens("connection") and self._request.headers.get("upgrade")
        if not asked or self._request.http_version == "1.0":
            raise LocalProtocolError("the request did not ask for another protocol")
        head = encode_head(_status_line(HTTPStatus.SWITCHING_PROTOCOLS), headers)
        self._must_close = True
        self._response_state = _ResponseState.DONE
        self._request_state = _RequestState.SWITCHED
        return head

    def take_trailing_data(self) -> bytes:
        """Return, once, the bytes that the client sent behind its request: the first of the new protocol.

        Raises:
            LocalProtocolError: Before ``switching_protocols``: the bytes are still HTTP.
        """
        if self._request_state is not _RequestState.SWITCHED:
            raise LocalProtocolError("the connection was not given to another protocol")
        return self._take_received()


def _status_line(status: int) -> str:
    # RFC 9112, section 4: the reason may be empty, the space before it may not.
    return f"HTTP/1.1 {int(status)} {_REASONS.get(status, '')}"


def _declared_length(fields: Iterable[tuple[str, str]]) -> int | None:
    try:
        return parse_content_length([value for name, value in fields if name.lower() == "content-length"])
    except RemoteProtocolError as error:
        raise InvalidArgument(error.detail) from None
