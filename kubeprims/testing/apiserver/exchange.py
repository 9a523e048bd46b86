"""Requests and responses on one connection: reads, has them answered, writes, and lets faults happen on the way."""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from kubeprims.clock import Clock
from kubeprims.errors import InternalError, RequestEntityTooLarge, StatusError
from kubeprims.http1 import (
    CONNECTION_CLOSED,
    NEED_DATA,
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
    Request,
    ServerConnection,
)
from kubeprims.testing.apiserver.access_log import AccessLog, LoggedRequest, Transfer
from kubeprims.testing.apiserver.compression import ABOVE_BYTES, accepts_gzip, compressed
from kubeprims.testing.apiserver.faults import (
    REASONS,
    Answer,
    Delay,
    Drop,
    Fault,
    FaultPoint,
    Faults,
    RequestFacts,
    Stall,
    Truncate,
)
from kubeprims.testing.apiserver.listener import Listener
from kubeprims.testing.apiserver.status import render_status
from kubeprims.testing.apiserver.tls import PeerCertificate
from kubeprims.testing.apiserver.watch_stream import EventSource, WatchStream
from kubeprims.testing.apiserver.wire import Wire, WireClosed
from kubeprims.threads import Deadline

BODY_BYTES_MAX = 3 * 1024 * 1024
"""The largest body of a request, as upstream has it."""

_LIMITS = Limits(body_bytes_max=BODY_BYTES_MAX)

logger = logging.getLogger(__name__)


class Call(NamedTuple):
    """A request, read to its end.

    Attributes:
        request: Its head.
        body: Its body; empty if it has none.
        certificate: What the client has shown in the handshake, if anything.
    """

    request: Request
    body: bytes
    certificate: PeerCertificate | None = None

    @property
    def user_agent(self) -> str:
        """What the client calls itself."""
        return self.request.headers.get("user-agent") or ""


class Reply(NamedTuple):
    """What is answered.

    Attributes:
        code: The HTTP status.
        body: In one piece, or in pieces of which each becomes a chunk.
        content_type: Of the body.
        headers: More header fields.
        user: Who asked; empty if that was not found out.
        impersonated_user: Whom the user wanted to be taken for, if anybody.
        watch: What to follow instead of a body.
    """

    code: int
    body: bytes | Iterator[bytes]
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    user: str = ""
    impersonated_user: str = ""
    watch: EventSource | None = None


class Application(Protocol):
    """What answers requests."""

    def facts(self, call: Call) -> RequestFacts:
        """Return what a request is, for faults and the log; never raises."""
        ...

    def reply(self, call: Call) -> Reply:
        """Carry a request out; raises StatusError."""
        ...


class Server(NamedTuple):
    """What all connections of a server share."""

    application: Application
    faults: Faults
    log: AccessLog
    clock: Clock
    idle_timeout_s: float


class ResponseWriter:
    """Writes one response; a fault may befall it at a byte."""

    def __init__(self, wire: Wire, http: ServerConnection, listener: Listener, fault: Fault | None) -> None:
        self._wire = wire
        self._http = http
        self._listener = listener
        self._head = b""
        self.transfer = Transfer()
        self._fault: Fault | None = None
        self._point = FaultPoint.BEFORE_HEAD
        self._left = 0
        if fault is not None and isinstance(fault.action, (Drop, Truncate, Stall)):
            self._fault = fault
            self._point = fault.action.point
            self._left = fault.action.after_bytes

    def befall(self, fault: Fault) -> None:
        """Carry out a fault that concerns the connection; returns when a stall was released.

        Raises:
            WireClosed: The connection is to be closed.
        """
        if isinstance(fault.action, (Drop, Truncate)):
            self._cut(reset=isinstance(fault.action, Drop))
        with self._listener.cut_on_hang_up(self._wire):
            fault.wait_for_release(self._wire.cancel)
        if self._wire.cancel.is_set:
            raise WireClosed

    def _cut(self, *, reset: bool) -> None:
        if reset:
            self._wire.cut(reset=True)
        else:
            self._wire.linger()
        raise WireClosed

    def drop(self) -> None:
        """Reset the connection; raises WireClosed."""
        self._cut(reset=True)

    def start(self, code: int, headers: list[tuple[str, str]], *, flush: bool) -> None:
        """Write the head; it is sent with the first piece of the body unless ``flush``."""
        self._head = self._http.start_response(code, headers)
        self._reach(FaultPoint.BEFORE_HEAD)
        if flush or self._fault is not None:
            head, self._head = self._head, b""
            self._send(head, FaultPoint.IN_HEAD)
            self._reach(FaultPoint.IN_BODY)

    def write(self, pieces: list[bytes]) -> None:
        """Write pieces of the body, each a chunk if the body is chunked, in one send."""
        send_data = self._http.send_data
        self._flush(b"".join([send_data(piece) for piece in pieces]))

    def end(self, last: bytes = b"") -> None:
        """Write what may be left of the body, and its end."""
        self._flush(self._http.send_data(last) + self._http.end_response())

    def _flush(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._send(data, FaultPoint.IN_BODY)

    def _send(self, data: bytes, point: FaultPoint) -> None:
        if self._fault is not None and point is self._point:
            if len(data) < self._left:
                self._left -= len(data)
            else:
                data = self._send_to_the_fault(data)
        if data:
            self._send_all(data)

    def _send_all(self, data: bytes) -> None:
        self._wire.send(data)
        self.transfer.sent_bytes += len(data)

    def _send_to_the_fault(self, data: bytes) -> bytes:
        """Send what comes before the fault, have it happen, and return what comes behind it."""
        assert self._fault is not None
        fault, self._fault = self._fault, None
        if self._left:
            self._send_all(data[: self._left])
        self.befall(fault)
        return data[self._left :]

    def _reach(self, point: FaultPoint) -> None:
        if self._fault is not None and point is self._point and self._left == 0:
            self._send_to_the_fault(b"")


class Conversation:
    """All exchanges on one connection.

    Concurrency:
        Belongs to the connection's thread.
    """

    def __init__(self, wire: Wire, listener: Listener, server: Server) -> None:
        self._wire = wire
        self._listener = listener
        self._server = server
        self._http = ServerConnection(_LIMITS)

    def run(self) -> None:
        """Answer requests until the connection ends.

        Raises:
            WireClosed: The connection broke or was cut.
        """
        while True:
            try:
                call = self._read()
            except RemoteProtocolError as error:
                self._refuse(error)
                return
            if call is None:
                return
            self._answer(call)
            if self._http.must_close:
                self._wire.linger()
                return
            self._http.start_next_cycle()

    def _read(self) -> Call | None:
        deadline = Deadline.after(self._server.idle_timeout_s, clock=self._server.clock)
        request: Request | None = None
        body: list[bytes] = []
        while True:
            event = self._http.next_event()
            if event is NEED_DATA:
                self._receive(deadline)
            elif event is CONNECTION_CLOSED:
                return None
            elif isinstance(event, Request):
                request = event
                if self._http.client_awaits_continue:
                    self._wire.send(self._http.send_informational(100))
            elif isinstance(event, Data):
                body.append(event.data)
            else:
                assert isinstance(event, EndOfMessage)  # PAUSED only comes behind it
                assert request is not None  # its head came before
                return Call(request, b"".join(body), self._wire.certificate)

    def _receive(self, deadline: Deadline) -> None:
        data = self._wire.receive(timeout_s=deadline.remaining_s())
        if data:
            self._http.receive_data(data)
        else:
            self._http.receive_eof()

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Answer bytes that are no request, and have the connection closed."""
        if error.status_code == 413:  # noqa: PLR2004 - the one that is about the API rather than HTTP
            message = f"Request entity too large: limit is {BODY_BYTES_MAX}"
            reply = error_reply(RequestEntityTooLarge(message, code=413, reason="RequestEntityTooLarge"))
        else:
            text = f"{error.status_code} Bad Request: {error.detail}"
            reply = Reply(error.status_code, text.encode(), "text/plain; charset=utf-8")
        assert isinstance(reply.body, bytes)
        writer = ResponseWriter(self._wire, self._http, self._listener, None)
        writer.start(reply.code, self._headers(reply), flush=False)
        writer.end(reply.body)
        self._wire.linger()

    def _answer(self, call: Call) -> None:
        begun_s = self._server.clock.monotonic()
        facts = self._server.application.facts(call)
        fault = self._server.faults.take(facts)
        writer = ResponseWriter(self._wire, self._http, self._listener, fault)
        try:
            reply = None
            if fault is not None:
                try:
                    reply = self._fail_early(fault, writer)
                except WireClosed:
                    self._log(call, facts, Reply(0, b""), writer.transfer)
                    raise
            if reply is None:
                reply = self._carry_out(call)
            self._log(call, facts, reply, writer.transfer)
            self._write(call, facts, reply, writer, fault)
        finally:
            writer.transfer.duration_s = self._server.clock.monotonic() - begun_s

    def _fail_early(self, fault: Fault, writer: ResponseWriter) -> Reply | None:
        """Have happen what happens before the request is carried out; return what is answered instead, if anything."""
        action = fault.action
        if isinstance(action, Delay):
            with self._listener.cut_on_hang_up(self._wire):
                self._wire.cancel.wait(action.delay_s, clock=self._server.clock)
            if self._wire.cancel.is_set:
                raise WireClosed
        elif isinstance(action, Answer):
            return fault_reply(action)
        elif isinstance(action, (Drop, Truncate, Stall)) and action.point is FaultPoint.BEFORE_HANDLING:
            writer.befall(fault)
        return None

    def _carry_out(self, call: Call) -> Reply:
        try:
            return _compressed(self._server.application.reply(call), call)
        except StatusError as error:
            return error_reply(error)
        except Exception as error:  # our own bug: the client must not wait for an answer for ever
            logger.exception("a request failed inside the server", extra={"path": call.request.path})
            message = f"Internal error occurred: {type(error).__name__}"
            return error_reply(InternalError(message, code=500, reason="InternalError"))

    def _log(self, call: Call, facts: RequestFacts, reply: Reply, transfer: Transfer) -> None:
        request = call.request
        self._server.log.add(
            LoggedRequest(
                method=request.method,
                path=request.path,
                query=request.query,
                verb=facts.verb,
                user=reply.user,
                status=reply.code,
                user_agent=call.user_agent,
                at_s=self._server.clock.monotonic(),
                impersonated_user=reply.impersonated_user,
                request_bytes=len(call.body),
                transfer=transfer,
            )
        )

    def _write(
        self, call: Call, facts: RequestFacts, reply: Reply, writer: ResponseWriter, fault: Fault | None
    ) -> None:
        if reply.watch is not None:
            self._write_watch(facts, reply, writer, reply.watch, fault)
            return
        body = reply.body
        writer.start(reply.code, self._headers(reply), flush=False)
        if call.request.method == "HEAD":
            writer.end()
        elif isinstance(body, bytes):
            writer.end(body)
        else:
            for piece in body:
                writer.write([piece])
            writer.end()

    def _write_watch(
        self, facts: RequestFacts, reply: Reply, writer: ResponseWriter, watch: EventSource, fault: Fault | None
    ) -> None:
        stream = WatchStream(watch, writer, self._wire, facts=facts, fault=fault)
        with contextlib.closing(watch), self._listener.cut_on_hang_up(self._wire), self._server.faults.noted(stream):
            writer.start(reply.code, self._headers(reply), flush=True)
            stream.run()

    def _headers(self, reply: Reply) -> list[tuple[str, str]]:
        has_own = any(name == "cache-control" for name, _ in reply.headers)
        headers = [
            *(() if has_own else (("cache-control", "no-cache, private"),)),
            ("content-type", reply.content_type),
            ("date", _http_date(self._server.clock.wall())),
            *reply.headers,
        ]
        if isinstance(reply.body, bytes) and reply.watch is None:
            headers.append(("content-length", str(len(reply.body))))
        return headers


def _compressed(reply: Reply, call: Call) -> Reply:
    """Return an answer as the client takes it: compressed if it is large; one in pieces is."""
    body = reply.body
    is_large = not isinstance(body, bytes) or len(body) > ABOVE_BYTES
    is_json = reply.content_type.startswith("application/json")
    if reply.watch is not None or not is_large or not is_json:
        return reply
    if not accepts_gzip(call.request.headers.get("accept-encoding") or ""):
        return reply
    smaller = b"".join(compressed([body])) if isinstance(body, bytes) else compressed(body)
    headers = (("content-encoding", "gzip"), ("vary", "Accept-Encoding"))
    return reply._replace(body=smaller, headers=(*reply.headers, *headers))


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _http_date(at: datetime.datetime) -> str:
    # Not strftime: its names of days and months follow the locale.
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year} {at:%H:%M:%S} GMT"


def error_reply(error: StatusError) -> Reply:
    """Return the answer for a failure."""
    headers = () if error.retry_after_s is None else (("retry-after", f"{error.retry_after_s:.0f}"),)
    return Reply(error.code, render_status(error), headers=headers)


def fault_reply(answer: Answer) -> Reply:
    """Return the answer that a fault asks for."""
    reason = answer.reason or REASONS.get(answer.code, "")
    reply = error_reply(
        StatusError(answer.message, code=answer.code, reason=reason, retry_after_s=answer.retry_after_s)
    )
    if answer.body is None:
        return reply
    return reply._replace(body=answer.body, content_type=answer.content_type)
