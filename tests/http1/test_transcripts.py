from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from kubeprims.errors import KubeprimsError
from kubeprims.http1 import (
    Data,
    EndOfMessage,
    Event,
    Limits,
    RemoteProtocolError,
    Request,
    ServerConnection,
    Signal,
)
from tests.transcripts.runner import check_transcript, transcripts


class Session:
    """Carries out the commands of a transcript on a server's end of a connection; each answers with one line.

    ============================  ==============================================================
    limits NAME=NUMBER ...        begin again with these limits
    reset                         begin again with the default ones
    fresh TEXT                    begin again and receive
    receive TEXT                  bytes from the client, with Python's escapes; then the events
    eof                           the client's end of stream; then the events
    next                          the events
    inform STATUS [NAME=VALUE]    write an interim response
    start STATUS [NAME=VALUE]     write a head; ``empty`` among the words means has_body=False
    send TEXT                     write a piece of the body
    end [NAME=VALUE]              end the response, with trailers
    cycle                         start the next cycle
    switch [NAME=VALUE]           write a 101, then the bytes behind the request
    state                         what the driver decides by
    ============================  ==============================================================
    """

    def __init__(self) -> None:
        self._connection = ServerConnection()
        self._commands: dict[str, Callable[[str], str]] = {
            "limits": self._limits,
            "reset": self._limits,
            "fresh": self._fresh,
            "receive": self._receive,
            "eof": self._eof,
            "next": self._next,
            "inform": self._inform,
            "start": self._start,
            "send": lambda rest: _escape(self._connection.send_data(_unescape(rest))),
            "end": lambda rest: _escape(self._connection.end_response(_pairs(rest))),
            "cycle": self._cycle,
            "switch": self._switch,
            "state": self._state,
        }

    def execute(self, line: str) -> Iterable[str]:
        command, _, rest = line.partition(" ")
        try:
            return [self._commands[command](rest)]
        except KubeprimsError as error:
            return [f"{type(error).__name__}: {error}"]

    def _limits(self, rest: str) -> str:
        self._connection = ServerConnection(Limits(**{name: int(value) for name, value in _pairs(rest)}))
        return "ok"

    def _fresh(self, rest: str) -> str:
        self._connection = ServerConnection()
        return self._receive(rest)

    def _receive(self, rest: str) -> str:
        self._connection.receive_data(_unescape(rest))
        return self._next()

    def _eof(self, rest: str) -> str:
        self._connection.receive_eof()
        return self._next()

    def _next(self, rest: str = "") -> str:
        seen: list[str] = []
        try:
            while True:
                event = self._connection.next_event()
                seen.append(_describe(event))
                if isinstance(event, Signal):
                    break
        except RemoteProtocolError as error:
            seen.append(f"RemoteProtocolError {error.status_code}: {error}")
        return "; ".join(seen)

    def _inform(self, rest: str) -> str:
        status, *words = rest.split(" ")
        return _escape(self._connection.send_informational(int(status), _pairs(" ".join(words))))

    def _start(self, rest: str) -> str:
        status, *words = rest.split(" ")
        fields = _pairs(" ".join(word for word in words if word != "empty"))
        return _escape(self._connection.start_response(int(status), fields, has_body="empty" not in words))

    def _cycle(self, rest: str) -> str:
        self._connection.start_next_cycle()
        return "ok"

    def _switch(self, rest: str) -> str:
        head = self._connection.switching_protocols(_pairs(rest))
        return f"{_escape(head)}; trailing {_escape(self._connection.take_trailing_data())}"

    def _state(self, rest: str) -> str:
        connection = self._connection
        flags = {
            "must_close": connection.must_close,
            "client_awaits_continue": connection.client_awaits_continue,
            "request_is_complete": connection.request_is_complete,
            "response_has_started": connection.response_has_started,
        }
        return ", ".join(name for name, value in flags.items() if value) or "-"


def _pairs(text: str) -> list[tuple[str, str]]:
    words = text.encode("latin-1").decode("unicode_escape").split(" ")
    return [(name, value) for name, _, value in (word.partition("=") for word in words if word)]


def _unescape(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def _escape(data: bytes) -> str:
    return repr(data)[2:-1] or "(nothing)"


def _describe(event: Event) -> str:
    match event:
        case Request():
            expects = " expects-continue" if event.expects_continue else ""
            length = "chunked" if event.content_length is None else f"length={event.content_length}"
            return (
                f"Request {event.method} {event.form} path={event.path} query={event.query} "
                f"authority={event.authority} {event.http_version} {length}{expects} {_fields(event.headers)}".rstrip()
            )
        case Data():
            return f"Data {_escape(event.data)}"
        case EndOfMessage():
            return f"EndOfMessage {_fields(event.trailers)}".rstrip()
        case _:
            return event.name


def _fields(fields: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields)


@pytest.mark.parametrize("path", transcripts("http1"), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    check_transcript(path, Session().execute)
