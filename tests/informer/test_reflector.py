"""Reflector: the driver, on a server that is a script and a sink that remembers."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import pytest

from kubeprims.backoff import BackoffPolicy
from kubeprims.cache.indexer import Indexer
from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Forbidden,
    KubeprimsError,
    ResourceExpired,
    ServerTimeout,
    TooManyRequests,
)
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.reflector import Reflector
from kubeprims.informer.status import ReflectorState
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, RAW, ObjectRecord
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel
from tests.parity import case

Answer = TypeVar("Answer")
EXPIRED = ResourceExpired("too old", code=410, reason="Expired")


def record(name: str, version: int, raw: str = "{}") -> ObjectRecord:
    """Return a record with bytes of its own, as each answer of a server has them."""
    return (ObjectKey(f"default/{name}"), f"uid of {name}", str(version), (), bytes(bytearray(raw.encode())))


def event(kind: WatchEventType, what: ObjectRecord, version: int) -> WatchEvent:
    return WatchEvent(kind, what, str(version))


class Page:
    """One page of a list; an exception among its items is raised there."""

    def __init__(self, *items: ObjectRecord | MalformedObject | Exception, version: str = "1", token: str = "") -> None:
        self.resource_version = version
        self.continue_token = token
        self._items = items

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            yield item


class Events:
    """An open watch: batches, then its end; it takes as long as it is told to."""

    def __init__(
        self, *batches: Sequence[WatchEvent], error: KubeprimsError | None = None, lasts_s: float = 0.0
    ) -> None:
        self._batches = batches
        self._error = error
        self._lasts_s = lasts_s
        self.clock: VirtualClock | None = None
        self.is_closed = False
        self.expires_in_s: float | None = None

    def expire_in(self, timeout_s: float, /) -> None:
        self.expires_in_s = timeout_s

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        yield from self._batches
        assert self.clock is not None
        self.clock.advance(self._lasts_s)
        if self._error is not None:
            raise self._error


class Script:
    """A lister and watcher that answers as it was told, and cancels the reflector once nothing is left to say."""

    def __init__(self, *answers: Page | Events | KubeprimsError, opening_takes_s: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.cancel = Cancel()
        self.sink = Sink()
        self.asked: list[ListOptions | WatchOptions] = []
        self._answers = list(answers)
        self._opening_takes_s = opening_takes_s

    def list(self, options: ListOptions, *, cancel: Cancel) -> AbstractContextManager[Page]:
        answer = self._next(options)
        assert isinstance(answer, Page)
        return _opened(answer)

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> AbstractContextManager[Events]:
        answer = self._next(options)
        assert isinstance(answer, Events)
        answer.clock = self.clock
        return _opened(answer)

    def _next(self, options: ListOptions | WatchOptions) -> Page | Events:
        self.before(options)
        if not self._answers:
            self.cancel.set()
            raise Cancelled("the script has ended")
        self.asked.append(options)
        self.clock.advance(self._opening_takes_s)
        answer = self._answers.pop(0)
        if isinstance(answer, KubeprimsError):
            raise answer
        return answer

    def before(self, options: ListOptions | WatchOptions) -> None:
        """Look around before a question is answered."""

    def while_waiting(self) -> None:
        """Look around while the reflector waits."""

    @property
    def questions(self) -> Sequence[str]:
        """What was asked, in words."""
        return [_in_words(options) for options in self.asked]


def _in_words(options: ListOptions | WatchOptions) -> str:
    if isinstance(options, ListOptions):
        return "probe" if options.limit == 1 else f"list {options.resource_version}"
    return f"{'watch-list' if options.send_initial_events else 'watch'} {options.resource_version}"


@contextmanager
def _opened(answer: Answer) -> Iterator[Answer]:
    try:
        yield answer
    finally:
        if isinstance(answer, Events):
            answer.is_closed = True


class Sink:
    """What a reflector stored: the objects, and how each list looked when it came."""

    def __init__(self) -> None:
        self.indexer = Indexer()
        self.lists: list[list[ObjectRecord]] = []
        self.malformed: list[list[str]] = []
        self.versions_seen: list[str] = []
        self.reflector: Reflector | None = None
        self.distrusts: list[bool] = []
        self.seen = ""

    def take(self, item: ObjectRecord | MalformedObject, /) -> ObjectRecord | MalformedObject | None:
        return item if isinstance(item, MalformedObject) else self.indexer.stored(item)

    def list_begins(self, *, trusts_versions: bool) -> str:
        self.distrusts.append(not trusts_versions)
        return self.seen

    def replace(
        self, records: Sequence[ObjectRecord], resource_version: str, malformed: Sequence[MalformedObject], /
    ) -> None:
        self.lists.append([*records])
        self.malformed.append([str(item.key) for item in malformed])
        self.indexer.replace(records, resource_version)

    def apply(self, events: Sequence[WatchEvent], /) -> None:
        assert self.reflector is not None
        self.versions_seen.append(self.reflector.status.resource_version)
        for each in events:
            if each.record is not None and each.type is WatchEventType.DELETED:
                self.indexer.delete(each.record[KEY], each.record)
            elif each.record is not None:
                self.indexer.put(each.record)

    def state(self) -> dict[str, str]:
        return {obj.name: obj.resource_version for obj in self.indexer.list()}


class Played:
    """A reflector that has played a script to its end."""

    def __init__(self, script: Script, options: ReflectorOptions | None = None) -> None:
        self.script = script
        self.sink = script.sink
        self.errors: list[tuple[KubeprimsError, float]] = []
        self.reflector = Reflector(
            script,
            self.sink,
            name="v1/pods",
            options=options or ReflectorOptions(watch_list=False),
            clock=NoWaiting(script),
            rng=NoJitter(),
            on_error=lambda error, delay_s: self.errors.append((error, delay_s)),
        )
        self.sink.reflector = self.reflector
        self.reflector.run(script.cancel)


class NoJitter:
    def random(self) -> float:
        return 0.0


class NoWaiting:
    """The script's clock, but each wait moves it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.monotonic = script.clock.monotonic
        self.wall = script.clock.wall

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        assert timeout_s is not None
        self._script.while_waiting()
        self._script.clock.advance(timeout_s)
        return False


def play(*answers: Page | Events | KubeprimsError, opening_takes_s: float = 0.0) -> Played:
    return Played(Script(*answers, opening_takes_s=opening_takes_s))


def test_a_relist_keeps_the_bytes_of_what_did_not_change() -> None:
    first = record("same", 1), record("changed", 2)
    played = play(
        Page(*first, version="2"),
        Events(error=EXPIRED),
        Page(record("same", 1), record("changed", 3, '{"new":1}'), version="3"),
        Events(lasts_s=300.0),
    )
    again = {what[KEY].name: what for what in played.sink.lists[1]}
    assert again["same"][RAW] is first[0][RAW]
    assert again["changed"][RAW] == b'{"new":1}'
    assert played.sink.state() == {"same": "1", "changed": "3"}


class Seeing(Script):
    """Others read an object by itself, at some version, while the reflector waits."""

    def while_waiting(self) -> None:
        self.sink.seen = "9"


TOO_NEW = ServerTimeout("Too large resource version: 9, current: 8", code=504, reason="Timeout")


def test_a_list_is_asked_to_be_no_older_than_what_the_copy_has_of_any_object() -> None:
    """A replica that lags would take back what others have read of a newer one."""
    watch = Events(error=EXPIRED)
    played = Played(Seeing(Page(version="5"), watch, Page(version="10"), Events(lasts_s=300.0)))
    assert played.script.questions[:4] == ["list 0", "watch 5", "list 9", "watch 10"]
    played = Played(Seeing(Page(version="5"), watch, TOO_NEW, Page(version="3"), Events(lasts_s=300.0)))
    assert played.script.questions[:5] == ["list 0", "watch 5", "list 9", "list None", "watch 3"]


def test_a_list_from_a_server_that_knows_nothing_of_the_last_version_is_of_other_states_perhaps() -> None:
    """It was restored from a backup while nobody watched, and may give the same versions to other objects."""
    watch = Events(error=EXPIRED)
    played = play(Page(version="9"), watch, TOO_NEW, ConnectError("refused"), Page(version="9"))
    assert played.script.questions == ["list 0", "watch 9", "list 9", "list None", "list None"]
    assert played.sink.distrusts == [False, False, True, True]
    played = play(Page(version="9"), watch, EXPIRED, Page(version="10"), watch, Page(version="10"))
    assert not any(played.sink.distrusts), "who has let go of a version was past it"


class TrackedRecord(tuple):  # type: ignore[type-arg]
    """A record that the collector knows of, so that it can be counted."""

    __slots__ = ()


class BrokenPage(Page):
    """A page that breaks after some items; it makes them when they are asked for, so that it holds none itself."""

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        for number in range(100):
            yield TrackedRecord(record(str(number), 1))
        raise DecodeError("truncated")


def test_a_page_that_breaks_is_let_go_of_before_the_wait_for_the_next_try() -> None:
    kept: list[int] = []

    class Counting(Script):
        def while_waiting(self) -> None:
            gc.collect()
            kept.append(sum(type(found) is TrackedRecord for found in gc.get_objects()))

    played = Played(Counting(BrokenPage(), Forbidden("no", code=403)))
    assert played.sink.lists == []
    assert kept[0] <= 1  # the traceback of the last error holds the last item


@pytest.mark.parametrize("error", [ConnectError("no answer"), Cancelled("by somebody else")])
def test_a_watch_that_cannot_be_opened_backs_off_however_long_that_took(error: KubeprimsError) -> None:
    played = play(Page(version="5"), error, error, error, opening_takes_s=10.0)
    assert [delay_s for _, delay_s in played.errors] == [0.8, 1.6, 3.2]
    assert played.script.questions == ["list 0", "watch 5", "probe", "probe"]


@case("IN-1")
def test_an_error_event_ends_the_watch_and_what_came_before_it_is_stored() -> None:
    status: JSONObject = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    watch = Events(
        [event(WatchEventType.ADDED, record("a", 6), 6), WatchEvent(WatchEventType.ERROR, None, "", status=status)],
        [event(WatchEventType.ADDED, record("never", 7), 7)],
    )
    played = play(Page(version="5"), watch, Page(record("a", 6), version="9"), Events(lasts_s=300.0))
    assert watch.is_closed
    assert played.script.questions == ["list 0", "watch 5", "list 6", "watch 9"]
    assert played.sink.state() == {"a": "6"}


def test_an_error_event_that_is_no_status_is_an_error_all_the_same() -> None:
    nothing = WatchEvent(WatchEventType.ERROR, None, "")
    played = play(Page(version="5"), Events([nothing]))
    assert played.script.questions == ["list 0", "watch 5"]
    assert [delay_s for _, delay_s in played.errors] == [0.8]


def test_the_version_never_runs_ahead_of_what_is_stored() -> None:
    played = play(
        Page(version="5"),
        Events([event(WatchEventType.ADDED, record("a", 6), 6)], [event(WatchEventType.MODIFIED, record("a", 7), 7)]),
    )
    assert played.sink.versions_seen == ["5", "6"]
    assert played.reflector.status.resource_version == "7"


@case("IN-10")
def test_a_list_that_fails_is_reported_as_it_is_and_leaves_the_copy_alone() -> None:
    error = Forbidden("no", code=403)
    played = play(Page(record("a", 1)), Events(error=EXPIRED), error)
    assert played.errors[-1][0] is error
    assert played.sink.state() == {"a": "1"}
    assert played.reflector.status.last_error is error


@case("IN-11")
def test_a_watch_that_is_refused_is_reported_as_it_is_and_leaves_the_list() -> None:
    error = Forbidden("no", code=403)
    played = play(Page(record("a", 1)), error)
    assert played.errors == [(error, 0.8)]
    assert played.sink.state() == {"a": "1"}


@case("IN-12")
def test_after_each_list_the_copy_is_what_the_server_had() -> None:
    states: list[dict[str, str]] = []

    class Observed(Script):
        def before(self, options: ListOptions | WatchOptions) -> None:
            if isinstance(options, WatchOptions):
                states.append(self.sink.state())

    Played(
        Observed(
            Page(record("a", 1), version="1"),
            Events([event(WatchEventType.ADDED, record("b", 2), 2)], error=DecodeError("garbage")),
            Forbidden("no", code=403),
            Page(record("a", 1), record("b", 2), record("c", 3), version="3"),
            EXPIRED,
            Page(version="4"),
            Events(lasts_s=300.0),
        )
    )
    assert states == [{"a": "1"}, {"a": "1", "b": "2", "c": "3"}, {}, {}]


@case("IN-4", "IN-5")
def test_a_reflector_that_is_cancelled_before_it_runs_asks_for_nothing() -> None:
    script = Script(Page())
    script.cancel.set()
    played = Played(script)
    assert played.script.asked == []
    assert played.reflector.status.state is ReflectorState.STOPPED


def test_a_malformed_item_is_named_if_it_can_be_and_costs_itself_alone() -> None:
    named = MalformedObject("no labels", b"{}", ObjectKey("default/bad"), "7")
    nameless = MalformedObject("no name", b"{}", None, "")
    played = play(Page(named, record("a", 1), nameless))
    assert played.sink.malformed == [["default/bad"]]
    assert [str(error).partition(": {")[0] for error, _ in played.errors] == [
        "v1/pods: default/bad is skipped: no labels",
        "v1/pods: an object is skipped: no name",
    ]
    assert (played.reflector.status.malformed, played.reflector.status.listed) == (2, 3)


def test_an_opened_watch_is_a_sign_of_life() -> None:
    played = play(Page(version="5"), Events(lasts_s=300.0))
    assert played.reflector.status.last_contact_s == 1_000.0


@case("IN-8")
def test_a_fresh_start_by_lists_asks_for_a_page_at_version_zero_then_for_a_watch_with_bookmarks_that_ends() -> None:
    listed, watched = play(Page(version="7"), Events(lasts_s=300.0)).script.asked
    assert dict(listed.query()) == {"resourceVersion": "0", "limit": "500"}
    assert dict(watched.query()) == {
        "watch": "true",
        "resourceVersion": "7",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "300",
    }


@case("IN-27")
def test_a_token_that_expires_between_pages_costs_one_whole_list_at_the_version_that_was_asked_for() -> None:
    first = [record(name, 1) for name in "abcd"]
    everything = [record(name, 2) for name in "abcdefgh"]
    script = Script(
        Page(record("old", 1), version="10"),
        Events(error=EXPIRED),
        Page(*first, version="11", token="C1"),
        EXPIRED,
        Page(*everything, version="12"),
        Events(lasts_s=300.0),
    )
    played = Played(script, ReflectorOptions(watch_list=False, page_size=4))
    lists = [options for options in played.script.asked if isinstance(options, ListOptions)]
    assert [(asked.resource_version, asked.limit, asked.continue_token) for asked in lists] == [
        ("0", 4, ""),
        ("10", 4, ""),
        (None, 4, "C1"),
        ("10", None, ""),
    ]
    assert [len(listed) for listed in played.sink.lists] == [1, 8]
    assert played.sink.state() == dict.fromkeys("abcdefgh", "2")
    assert len(played.errors) == 1  # that of the watch: nothing is waited for between pages


@case("IN-22")
def test_the_pages_of_a_list_are_stored_as_one_list() -> None:
    names = iter("abcdefghij")
    pages = [
        Page(*(record(next(names), version) for version in range(size)), version="10", token=token)
        for size, token in ((4, "C1"), (4, "C2"), (2, ""))
    ]
    played = play(*pages)
    assert [len(stored) for stored in played.sink.lists] == [10]
    assert [options.continue_token for options in played.script.asked if isinstance(options, ListOptions)] == [
        "",
        "C1",
        "C2",
    ]
    assert played.reflector.status.lists == 1


def test_a_watch_that_fails_and_goes_on_at_once_is_reported() -> None:
    lost = ConnectionLost("reset")
    played = play(Page(version="5"), Events(error=lost, lasts_s=5.0))
    assert played.errors == [(lost, 0.0)]
    assert played.script.questions == ["list 0", "watch 5"]


BUSY = TooManyRequests("slow down", code=429, reason="TooManyRequests")


@case("IN-16")
def test_a_429_at_the_opening_and_one_in_the_stream_back_off_once_each() -> None:
    status: JSONObject = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "slow down"}
    told = Events([WatchEvent(WatchEventType.ERROR, None, "", status=status)])
    played = play(Page(version="5"), BUSY, told, Events(lasts_s=300.0))
    assert [(type(error), delay_s) for error, delay_s in played.errors] == [
        (TooManyRequests, 0.8),
        (TooManyRequests, 1.6),
    ]
    assert played.script.questions == ["list 0", "watch 5", "watch 5", "watch 5"]


@case("IN-17")
def test_a_watch_that_is_put_off_four_times_is_asked_for_a_fifth_and_nothing_is_listed() -> None:
    played = play(Page(version="5"), BUSY, BUSY, BUSY, BUSY, Events(lasts_s=300.0))
    assert played.script.questions == ["list 0", *["watch 5"] * 5]


@case("IN-15")
def test_the_delays_are_those_that_were_asked_for() -> None:
    policy = BackoffPolicy(base_s=0.01, factor=2.0, jitter=0.0, cap_s=0.1)
    refused = [ConnectError("refused")] * 5
    script = Script(Page(version="5"), *refused, Page(version="5"), Events(lasts_s=300.0))
    played = Played(script, ReflectorOptions(watch_list=False, backoff=policy))
    assert [delay_s for _, delay_s in played.errors] == [0.01, 0.02, 0.04, 0.08, 0.1]
    assert played.script.questions == ["list 0", "watch 5", *["probe"] * 5, "watch 5"]
