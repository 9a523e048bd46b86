"""Watch streams: events out of bytes, ends, and being closed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client.watch import BATCH_EVENTS_MAX, WatchStream
from kubeprims.errors import ConnectionLost, DecodeError, InternalError, LifecycleError, ResourceExpired
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import StdlibCodec
from kubeprims.objects.event import WatchEvent, WatchEventType
from tests.client.fake import response
from tests.client.test_lines import pieces

URL = "http://127.0.0.1:1/api"


def line(event_type: str, obj: JSONObject) -> bytes:
    return json.dumps({"type": event_type, "object": obj}, separators=(",", ":")).encode() + b"\n"


def pod(name: str, version: int) -> JSONObject:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": str(version)},
    }


def added(number: int) -> bytes:
    return line("ADDED", pod(f"p{number}", number))


def bookmark(version: str) -> bytes:
    return line("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": version}})


EXPIRED: JSONObject = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"}


def stream(chunks: Iterable[bytes], *, line_bytes_max: int = 1 << 20) -> WatchStream:
    return WatchStream(response(chunks), StdlibCodec().split_event, line_bytes_max=line_bytes_max)


def events(watch: WatchStream) -> list[WatchEvent]:
    return [event for batch in watch.batches() for event in batch]


def outcome(watch: WatchStream) -> tuple[list[WatchEvent], str]:
    """Return all that came, and what ended it."""
    got: list[WatchEvent] = []
    try:
        for batch in watch.batches():
            assert 0 < len(batch) <= BATCH_EVENTS_MAX
            got += batch
    except (DecodeError, ConnectionLost) as error:
        return got, f"{type(error).__name__}: {error}"
    return got, ""


LINES = st.lists(
    st.sampled_from(
        [
            added(1),
            line("MODIFIED", pod("p1", 2)),
            line("DELETED", pod("p1", 3)),
            bookmark("4"),
            line("ERROR", EXPIRED),
            line("ADDED", {"metadata": {}}),
            b"\n",
            b" \r\n",
            b"garbage\n",
            line("RENAMED", pod("p1", 5)),
            line("ADDED", pod("n" * 300, 6)),
        ]
    ),
    max_size=8,
)


@given(LINES, st.lists(st.integers(min_value=0, max_value=2000)), st.sampled_from([b"", b'{"type', added(9)[:-1]]))
def test_any_chunking_gives_the_same_events_and_the_same_end(lines: list[bytes], cuts: list[int], tail: bytes) -> None:
    data = b"".join(lines) + tail
    whole = outcome(stream([data] if data else [], line_bytes_max=300))
    assert outcome(stream(pieces(data, cuts), line_bytes_max=300)) == whole
    by_line = outcome(stream([part for part in (*lines, tail) if part], line_bytes_max=300))
    assert by_line == whole


def test_each_read_gives_one_batch_of_what_it_completed() -> None:
    watch = stream([added(1) + added(2) + added(3)[:10], added(3)[10:], b"\n", added(4)])
    assert [[event.resource_version for event in batch] for batch in watch.batches()] == [["1", "2"], ["3"], ["4"]]


def test_a_batch_holds_no_more_than_its_limit() -> None:
    watch = stream([b"".join(added(number) for number in range(1, 2 * BATCH_EVENTS_MAX + 2))])
    assert [len(batch) for batch in watch.batches()] == [BATCH_EVENTS_MAX, BATCH_EVENTS_MAX, 1]


def test_an_error_event_is_an_event_among_the_batches() -> None:
    (event,) = events(stream([line("ERROR", EXPIRED)]))
    assert event.type is WatchEventType.ERROR
    assert event.status == EXPIRED


def test_what_is_not_an_event_is_told_with_its_url_after_the_events_before_it() -> None:
    got, end = outcome(stream([added(1) + b"<html>\n" + added(2)]))
    assert [event.resource_version for event in got] == ["1"]
    assert end.startswith(f"DecodeError: GET {URL}: ")


def test_an_unknown_type_of_event_is_told() -> None:
    _, end = outcome(stream([line("RENAMED", pod("a", 1))]))
    assert end.startswith("DecodeError")
    assert "unknown type" in end


def test_a_line_that_is_too_long_is_told_before_it_is_complete() -> None:
    def endless() -> Iterator[bytes]:
        yield added(1)
        while True:
            yield b"x" * 100

    got, end = outcome(stream(endless(), line_bytes_max=1000))
    assert [event.resource_version for event in got] == ["1"]
    assert end == f"DecodeError: GET {URL}: an event is longer than 1000 bytes"


def test_an_event_without_a_line_end_counts_if_the_answer_ended_well() -> None:
    assert [event.resource_version for event in events(stream([added(1), added(2)[:-1]]))] == ["1", "2"]


def test_an_answer_that_ends_inside_an_event_is_a_lost_connection() -> None:
    got, end = outcome(stream([added(1), added(2)[:-5]]))
    assert len(got) == 1
    assert end == f"ConnectionLost: GET {URL}: the watch ended inside an event"


def test_a_connection_lost_by_the_transport_is_told_after_the_events_before_it() -> None:
    def torn() -> Iterator[bytes]:
        yield added(1)
        raise ConnectionLost("reset", method="GET", url=URL)

    got, end = outcome(stream(torn()))
    assert len(got) == 1
    assert end == f"ConnectionLost: GET {URL}: reset"


def test_iterating_gives_changes_and_counts_bookmarks_as_versions() -> None:
    watch = stream([added(1), bookmark("7"), b"\n", line("DELETED", pod("p1", 8))])
    assert repr(watch) == f"<WatchStream {URL} at the start>"
    changes = iter(watch)
    first = next(changes)
    assert (first.type, first.object.key, watch.resource_version) == (WatchEventType.ADDED, "default/p1", "1")
    second = next(changes)
    assert (second.type, watch.resource_version) == (WatchEventType.DELETED, "8")
    assert list(changes) == []
    assert repr(watch) == f"<WatchStream {URL} at 8>"


def test_iterating_raises_what_an_error_event_says() -> None:
    watch = stream([added(1) + line("ERROR", EXPIRED) + added(2)])
    changes = iter(watch)
    assert next(changes).object.name == "p1"
    with pytest.raises(ResourceExpired, match="too old") as caught:
        next(changes)
    assert caught.value.url == URL


def test_an_error_event_that_says_nothing_is_still_an_error() -> None:
    with pytest.raises(InternalError):
        list(stream([line("ERROR", {})]))


def test_iterating_leaves_out_an_object_that_cannot_be_understood_and_logs_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    named: JSONObject = {"metadata": {"name": "odd", "labels": 7, "resourceVersion": "3"}}
    with caplog.at_level(logging.WARNING):
        got = [change.object.name for change in stream([line("ADDED", {}), line("ADDED", named), added(2)])]
    assert got == ["p2"]
    assert "an object is left out" in caplog.text
    assert "odd is left out" in caplog.text


def test_leaving_the_iteration_closes_the_watch() -> None:
    closed: list[bool] = []
    answer = response([added(1), added(2)])
    answer._close = lambda: closed.append(True)
    for _ in WatchStream(answer, StdlibCodec().split_event):
        break
    assert closed == [True]


def test_a_closed_watch_gives_nothing_more_not_even_what_is_there() -> None:
    with stream([added(1) + added(2), added(3)]) as watch:
        changes = iter(watch)
        next(changes)
        watch.close()
        assert list(changes) == []
    assert list(watch) == []
    batches = (watch := stream([added(1), added(2)[:-3]])).batches()
    next(batches)
    watch.close()
    assert list(batches) == []


def test_a_watch_without_a_deadline_of_its_own_does_not_expire() -> None:
    watch = stream([added(1)])
    watch.expire_in(0.0)
    assert len(events(watch)) == 1


def test_a_watch_whose_answer_was_taken_by_somebody_else_says_so() -> None:
    answer = response([added(1)])
    answer.chunks()
    with pytest.raises(LifecycleError):
        list(WatchStream(answer, StdlibCodec().split_event))
