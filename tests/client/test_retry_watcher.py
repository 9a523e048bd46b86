"""Following a resource across watches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.client.options import WatchOptions
from kubeprims.client.retry_watcher import OpenWatch, RetryWatcher, RetryWatchMachine
from kubeprims.client.until import until
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Forbidden,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    NotFound,
    ResourceExpired,
    ServerTimeout,
    TooManyRequests,
    Unauthorized,
    UnexpectedContent,
)
from kubeprims.meta import JSONObject
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Drop, DropWatch, Match, WatchError, server_error
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport.test_retry import Impatient

WAIT_S = 30.0


def changed(version: int, kind: WatchEventType = WatchEventType.MODIFIED) -> WatchEvent:
    raw = b'{"metadata":{"name":"a","resourceVersion":"%d"}}' % version
    return WatchEvent(kind, ("a", "u", str(version), (), raw), str(version))


def bookmark(version: int) -> WatchEvent:
    return WatchEvent(WatchEventType.BOOKMARK, None, str(version))


def refusal(code: int, **more: object) -> WatchEvent:
    status: JSONObject = {"kind": "Status", "status": "Failure", "message": "m", "code": code, **more}  # type: ignore[dict-item]
    return WatchEvent(WatchEventType.ERROR, None, "", status=status)


@dataclass
class Played:
    """One watch: what it brings, and what it ends with."""

    events: Sequence[WatchEvent] = ()
    error: KubeprimsError | None = None
    fails_to_open: bool = False

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        for event in self.events:
            yield [event]
        if self.error is not None:
            raise self.error


@dataclass
class Script:
    """Plays watches in order; the last one blocks until it is cancelled."""

    watches: list[Played]
    starts: list[str | None] = field(default_factory=list["str | None"])
    left: int = 0

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> AbstractContextManager[OpenWatch]:
        self.starts.append(options.resource_version)
        assert options.allow_bookmarks
        assert not options.send_initial_events
        assert options.resource_version_match is None
        if not self.watches:
            cancel.set()
            raise Cancelled("cancelled")
        played = self.watches.pop(0)
        if played.fails_to_open:
            assert played.error is not None
            raise played.error
        return self._open(played)

    @contextmanager
    def _open(self, played: Played) -> Generator[OpenWatch]:
        try:
            yield played
        finally:
            self.left += 1


def refused(error: KubeprimsError) -> Played:
    return Played(error=error, fails_to_open=True)


def follow(script: Script, version: str = "1") -> list[str]:
    watcher = RetryWatcher(script, version, clock=Impatient())
    return [event.object.resource_version for event in watcher]


@case("IN-179")
@pytest.mark.parametrize("version", ["", "0"])
def test_a_version_that_no_watch_can_go_on_from_is_refused(version: str) -> None:
    with pytest.raises(InvalidArgument):
        RetryWatcher(Script([]), version)


def test_a_time_out_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgument):
        RetryWatcher(Script([]), "1", timeout_s=0)


@case("IN-180")
@pytest.mark.parametrize(
    "error",
    [
        ConnectError("refused"),
        ConnectionLost("cut"),
        ServerTimeout("later", code=504),
        TooManyRequests("slow", code=429),
    ],
)
def test_a_watch_that_cannot_be_opened_is_opened_again(error: KubeprimsError) -> None:
    script = Script([refused(error), Played([changed(2)])])
    assert follow(script) == ["2"]
    assert script.starts == ["1", "1", "2"]


@case("IN-180", otherwise="QUIRK of upstream: an expired version is asked for again for ever; here it is raised")
def test_a_version_that_has_expired_when_a_watch_is_opened_is_raised() -> None:
    script = Script([refused(ResourceExpired("too old", code=410))])
    with pytest.raises(ResourceExpired):
        follow(script)
    assert script.starts == ["1"]


@case("IN-181")
def test_a_version_that_expires_inside_a_watch_is_raised_after_the_events_before_it() -> None:
    script = Script([Played([changed(6), refusal(410, reason="Expired")])])
    got: list[str] = []
    with pytest.raises(ResourceExpired):
        got.extend(event.object.resource_version for event in RetryWatcher(script, "5"))
    watcher = RetryWatcher(Script([Played([changed(6), refusal(410, reason="Gone")])]), "5")
    events = iter(watcher)
    assert next(events).object.resource_version == "6"
    with pytest.raises(ResourceExpired):
        next(events)
    assert script.starts == ["5"]


@case("IN-182")
@pytest.mark.parametrize(
    "error",
    [
        Forbidden("no", code=403),
        Unauthorized("who", code=401),
        NotFound("what", code=404),
        UnexpectedContent("HTML", code=200, content_type="text/html"),
    ],
)
def test_a_refusal_for_good_is_raised(error: KubeprimsError) -> None:
    script = Script([refused(error)])
    with pytest.raises(type(error)):
        follow(script)
    assert script.starts == ["1"]


@case("IN-183")
@pytest.mark.parametrize(
    "end",
    [
        Played([changed(6), refusal(504, reason="Timeout")]),
        Played([changed(6), refusal(500, reason="InternalError")]),
        Played([changed(6), refusal(666)]),
        Played([changed(6), WatchEvent(WatchEventType.ERROR, None, "", status={})]),
        Played([changed(6), refusal(403, reason="Forbidden")]),
        Played([changed(6), refusal(429, reason="TooManyRequests")]),
        Played([changed(6)], ConnectionLost("cut")),
        Played([changed(6)], TooManyRequests("slow", code=429)),
        Played([changed(6)]),
    ],
)
def test_a_watch_that_breaks_is_gone_on_with(end: Played) -> None:
    script = Script([end, Played([changed(7)])])
    assert follow(script, "5") == ["6", "7"]
    assert script.starts == ["5", "6", "7"]
    assert script.left == 2


@case("IN-184")
def test_watches_that_end_after_each_event_bring_each_once_and_in_order() -> None:
    script = Script([Played([changed(version)]) for version in (5, 6, 7, 11)])
    assert follow(script, "2") == ["5", "6", "7", "11"]
    assert script.starts == ["2", "5", "6", "7", "11"]


def test_a_refusal_inside_a_watch_says_nothing_of_the_next_which_may_be_refused_for_good() -> None:
    script = Script([Played([changed(6), refusal(401)]), refused(Unauthorized("who", code=401))])
    with pytest.raises(Unauthorized, match="who"):
        follow(script, "5")
    assert script.starts == ["5", "6"]


def test_an_error_event_is_waited_out_as_long_as_it_says() -> None:
    clock = Impatient()
    script = Script([Played([refusal(500, details={"retryAfterSeconds": 9})]), Played([changed(2)])])
    assert [event.object.resource_version for event in RetryWatcher(script, "1", clock=clock)] == ["2"]
    assert clock.waits_s[0] == pytest.approx(9)


def test_bookmarks_move_the_version_and_are_not_handed_on() -> None:
    script = Script([Played([bookmark(9)]), Played([changed(12, WatchEventType.DELETED)])])
    assert follow(script) == ["12"]
    assert script.starts == ["1", "9", "12"]


def test_watches_are_a_second_apart_and_longer_if_the_server_says_so() -> None:
    clock = Impatient()
    slow = ServerTimeout("later", code=504, retry_after_s=7)
    very_slow = ServerTimeout("never", code=504, retry_after_s=1e6)
    script = Script([Played(), refused(slow), refused(very_slow), Played()])
    assert list(RetryWatcher(script, "1", clock=clock)) == []
    assert clock.waits_s == pytest.approx([1, 7, 300, 1])


def test_the_second_between_two_watches_is_counted_from_the_opening_of_the_first() -> None:
    machine = RetryWatchMachine("1")
    delays = [machine.on_end(None, was_open=True, lasted_s=lasted_s) for lasted_s in (0.0, 0.25, 1.0, 300.0)]
    assert delays == [1.0, 0.75, 0.0, 0.0]


@pytest.mark.parametrize(
    "event",
    [
        WatchEvent(WatchEventType.ADDED, None, "7", malformed=MalformedObject("no name", b"{}", None, "7")),
        WatchEvent(WatchEventType.ADDED, ("a", "", "", (), b"{}"), ""),
        WatchEvent(WatchEventType.BOOKMARK, None, ""),
    ],
)
def test_an_event_that_cannot_be_placed_ends_it(event: WatchEvent) -> None:
    with pytest.raises(DecodeError, match="cannot be followed"):
        follow(Script([Played([event])]))


@case("IN-185")
def test_closing_ends_it_with_events_unread() -> None:
    watcher = RetryWatcher(Script([Played([changed(2), changed(3)])]), "1")
    with watcher:
        events = iter(watcher)
        assert next(events).object.resource_version == "2"
        watcher.close()
    assert list(events) == []
    assert watcher.resource_version == "2"
    with pytest.raises(LifecycleError):
        iter(watcher)


def test_closing_ends_a_pause() -> None:
    clock = Impatient()
    watcher = RetryWatcher(Script([Played()]), "1", clock=clock)
    watcher.close()
    assert list(watcher) == []
    assert "RetryWatcher of" in repr(watcher)


@given(st.lists(st.sampled_from(["event", "bookmark", "cut", "end", "500"]), max_size=30))
def test_whatever_breaks_each_event_comes_once(steps: list[str]) -> None:
    watches: list[Played] = []
    events: list[WatchEvent] = []
    expected: list[str] = []
    version = 1
    for step in steps:
        if step in {"event", "bookmark"}:
            version += 1
            events.append(changed(version) if step == "event" else bookmark(version))
            if step == "event":
                expected.append(str(version))
            continue
        error = ConnectionLost("cut") if step == "cut" else None
        watches.append(Played([*events, refusal(500)] if step == "500" else list(events), error))
        events = []
    assert follow(Script([*watches, Played(events)])) == expected


# On the wire.


def test_a_resource_is_followed_through_cuts_and_failures() -> None:
    maps = Match(resource="v1/configmaps", verb="watch")
    with APIServer() as server, Transport(TransportConfig(server=server.url)) as transport, Client(transport) as client:
        resource = client.resource("v1/configmaps", "default")
        first = resource.create({"metadata": {"name": "m"}})
        for fault in (server_error(500), Drop(), DropWatch(), WatchError(code=500, reason="InternalError")):
            server.faults.add(fault, maps)
        got: list[str] = []
        threads = ThreadGroup("test")
        with RetryWatcher(ListWatch(resource), first.resource_version, clock=Impatient()) as watcher:

            def run() -> None:
                got.append(until(watcher, lambda event: event.object["data"] == {"k": "3"}).object.resource_version)

            threads.spawn(run, name="until")
            versions = [resource.patch("m", {"data": {"k": str(n)}}).resource_version for n in range(1, 4)]
            assert threads.join(Deadline.after(WAIT_S)) == ()
        assert got == versions[-1:]


@case("IN-180", otherwise="QUIRK of upstream: an expired version is asked for again for ever; here it is raised")
def test_a_server_that_has_forgotten_the_version_is_asked_once() -> None:
    with APIServer() as server, Transport(TransportConfig(server=server.url)) as transport, Client(transport) as client:
        resource = client.resource("v1/configmaps", "default")
        old = resource.create({"metadata": {"name": "m"}}).resource_version
        resource.patch("m", {"data": {"k": "1"}})
        server.compact()
        with RetryWatcher(ListWatch(resource), old, clock=Impatient()) as watcher, pytest.raises(ResourceExpired):
            list(watcher)
        assert [request.verb for request in server.requests].count("watch") == 1
