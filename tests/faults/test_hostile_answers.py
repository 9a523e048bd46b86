"""Whatever a server says, a caller gets an answer or one named error: in time, and in bounded memory."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeprims.client.client import Client
from kubeprims.client.resource import Resource
from kubeprims.errors import (
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    KubeprimsError,
    NotFound,
    ProtocolError,
    TransportError,
)
from kubeprims.objects.event import WatchEvent
from tests.faults.hostile import (
    EVENTS,
    LIST,
    POD,
    STATUS,
    WATCH,
    Hostile,
    chunked,
    hostile_server,
    outcome,
    sized,
    text,
    watched,
    zipped,
)

MEMORY_BYTES_MAX = 64 << 20
ANSWERS = {
    "a list with a length": ("list", sized(text(LIST))),
    "a list in chunks": ("list", chunked(*(text(LIST)[at : at + 60] for at in range(0, len(text(LIST)), 60)))),
    "a zipped list": ("list", sized(zipped(LIST), headers="Content-Encoding: gzip\r\n")),
    "a zipped list in chunks": (
        "list",
        chunked(zipped(LIST)[:50], zipped(LIST)[50:], headers="Content-Encoding: gzip\r\n"),
    ),
    "an object": ("get", sized(text(POD), headers='Warning: 299 - "old"\r\nRetry-After: 1\r\n')),
    "a failure": ("get", sized(text(STATUS), status="404 Not Found")),
}
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def hostile() -> Iterator[tuple[Hostile, Client]]:
    with hostile_server() as made:
        yield made


def is_whole(result: object) -> bool:
    return isinstance(result, NotFound) or not isinstance(result, KubeprimsError)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_cut_at_any_byte_is_one_named_error(name: str, hostile: tuple[Hostile, Client]) -> None:
    script, client = hostile
    verb, answer = ANSWERS[name]
    script.answer = answer
    whole = outcome(client, verb)
    assert is_whole(whole)
    for end in range(len(answer)):
        script.answer = answer[:end]
        result = outcome(client, verb)
        # The head of a failure is a failure, whatever becomes of its words.
        is_named = isinstance(result, TransportError | DecodeError) or (
            isinstance(result, NotFound) and b"\r\n\r\n" in script.answer
        )
        assert is_named, (end, result)
        assert not isinstance(result, DeadlineExceeded)


def follow(pods: Resource, got: list[WatchEvent]) -> None:
    with pods.watch(resource_version="1", timeout_s=5) as watch:
        for batch in watch.batches():
            got.extend(batch)


def test_a_watch_that_is_cut_at_any_byte_gives_the_events_before_the_cut(hostile: tuple[Hostile, Client]) -> None:
    script, client = hostile
    pods = client.resource("v1/pods", "default")
    for end in range(len(WATCH)):
        script.answer = WATCH[:end]
        got: list[WatchEvent] = []
        with pytest.raises(TransportError):
            follow(pods, got)
        complete = WATCH[:end].count(b"\n\r\n")
        assert len(got) <= complete
        assert [event.type for event in got] == [event["type"] for event in EVENTS[: len(got)]]
    script.answer = WATCH
    whole = watched(client)
    assert isinstance(whole, list)
    assert len(whole) == len(EVENTS)


@pytest.mark.parametrize("name", ["a list in chunks", "a zipped list", "a failure"])
def test_a_server_that_falls_silent_anywhere_holds_nobody_past_the_deadline(name: str) -> None:
    verb, answer = ANSWERS[name]
    with hostile_server() as (script, client):
        script.stalls = True
        pods = client.resource("v1/pods", "default")
        for end in range(0, len(answer), len(answer) // 7):
            script.answer = answer[:end]
            with pytest.raises(DeadlineExceeded):
                pods.list(timeout_s=0.05) if verb == "list" else pods.get("web-0", timeout_s=0.05)


@given(st.data())
@FUZZ
def test_an_answer_with_any_damage_is_an_answer_or_one_named_error(
    hostile: tuple[Hostile, Client], data: st.DataObject
) -> None:
    script, client = hostile
    verb, answer = data.draw(st.sampled_from([*ANSWERS.values(), ("watch", WATCH)]))
    damaged = bytearray(answer)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        kind = data.draw(st.sampled_from(["insert", "delete", "replace", "repeat"]))
        some = data.draw(st.binary(min_size=1, max_size=8))
        if kind == "insert":
            damaged[at:at] = some
        elif kind == "delete":
            del damaged[at : at + len(some)]
        elif kind == "replace":
            damaged[at : at + len(some)] = some
        else:
            damaged[at:at] = damaged[max(0, at - 40) : at]
    script.answer = bytes(damaged)
    outcome(client, verb)


@given(
    status=st.integers(0, 9999) | st.just(204) | st.just(304) | st.just(101) | st.just(100),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["Content-Length", "Transfer-Encoding", "Content-Encoding", "Content-Type", "Connection", "Retry-After"]
            )
            | st.text("abc-: \t", min_size=1, max_size=5),
            st.sampled_from(["0", "5", "-1", "1e9", "chunked", "gzip", "chunked, chunked", "close", "identity", ""])
            | st.text(st.characters(max_codepoint=255), max_size=20),
        ),
        max_size=6,
    ),
    body=st.binary(max_size=100) | st.just(text(POD)) | st.just(text(STATUS)) | st.just(zipped(POD)),
)
@FUZZ
def test_any_status_with_any_headers_is_an_answer_or_one_named_error(
    hostile: tuple[Hostile, Client], status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    script, client = hostile
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    script.answer = b"HTTP/1.1 %d X\r\n%b\r\n%b" % (status, fields, body)
    outcome(client, "get")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le", "latin-1"])
def test_an_object_in_another_encoding_is_one_named_error(encoding: str, hostile: tuple[Hostile, Client]) -> None:
    script, client = hostile
    content = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"w\u00e9b"}}'.encode(encoding)
    script.answer = sized(content)
    assert isinstance(outcome(client, "get"), KubeprimsError)
    script.answer = chunked(b'{"type":"ADDED","object":' + content + b"}\n")
    result = watched(client)
    if isinstance(result, list):
        assert [event.malformed is not None for event in result] == [True]


def test_a_watch_glued_or_split_anywhere_gives_the_same_events(hostile: tuple[Hostile, Client]) -> None:
    script, client = hostile
    lines = b"".join(text(event) + b"\n" for event in EVENTS)
    for size in (1, 2, 7, 100, len(lines)):
        script.answer = chunked(*(lines[at : at + size] for at in range(0, len(lines), size)))
        result = watched(client)
        assert isinstance(result, list)
        assert [event.type for event in result] == [event["type"] for event in EVENTS]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"type":"ADDED","object":' + b'{"a":' * 50_000,
        b'{"type":"ADDED","object":{"metadata":{"name":' + b"9" * 10_000 + b"}}}",
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":1e999}}}',
        b'{"type":["ADDED"],"object":null}',
        b'{"type":"ADDED"}',
        b"null",
        b'"ADDED"',
        b"\xff\xfe\x00",
        b'{"type":"ADDED","object":{},"type":"DELETED"}',
    ],
)
def test_an_odd_line_in_a_watch_is_a_malformed_object_or_one_named_error(
    line: bytes, hostile: tuple[Hostile, Client]
) -> None:
    script, client = hostile
    script.answer = chunked(line + b"\n")
    result = watched(client)
    if isinstance(result, list):
        assert all(event.malformed is not None or event.record is not None for event in result)
    else:
        assert isinstance(result, DecodeError)


ENDLESS = {
    "a head": (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
    "a header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 1000),
    "a status line": (b"HTTP/1.1 200 ", b"a" * 1000),
    "provisional answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
    "a chunk's line": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 1000),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
    "a line of a watch": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b'{"type":"' + b"a" * 1000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_refused_in_bounded_memory(name: str, hostile: tuple[Hostile, Client]) -> None:
    script, client = hostile
    start, more = ENDLESS[name]
    script.answer = start + b"".join(itertools.repeat(more, (16 << 20) // len(more)))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = watched(client)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(result, ProtocolError | DecodeError | ConnectionLost), result
    assert peak - before < MEMORY_BYTES_MAX
