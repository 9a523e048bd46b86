"""Reflector: how it reads watch-lists, what types it lets in, and how long it waits for a word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import BadRequest, ConnectError, ConnectionLost, Forbidden, ResourceVersionRewound, WatchIdle
from kubeprims.informer.expected_type import ExpectedType
from kubeprims.informer.failures import RestartCause
from kubeprims.informer.initial_events import InitialEvents
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.status import ReflectorState
from kubeprims.meta import GroupVersionKind, JSONObject, ObjectKey
from kubeprims.objects.codec import Codec, StdlibCodec
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.msgspec_codec import MsgspecCodec
from kubeprims.objects.record import KEY, ObjectRecord
from tests.informer.test_reflector import EXPIRED, TOO_NEW, Events, Page, Played, Script, Seeing, event, record
from tests.parity import case

ADDED, MODIFIED, DELETED = WatchEventType.ADDED, WatchEventType.MODIFIED, WatchEventType.DELETED
LISTING = ReflectorOptions(watch_list=False)


def added(name: str, version: int) -> WatchEvent:
    return event(ADDED, record(name, version), version)


def bookmark(version: int, *, ends: bool = False) -> WatchEvent:
    return WatchEvent(WatchEventType.BOOKMARK, None, str(version), initial_events_end=ends)


def status(code: int, reason: str, retry_after_s: int = 0) -> WatchEvent:
    content: JSONObject = {"kind": "Status", "code": code, "reason": reason, "message": "no"}
    if retry_after_s:
        content["details"] = {"retryAfterSeconds": retry_after_s}
    return WatchEvent(WatchEventType.ERROR, None, "", status=content)


def play(*answers: Page | Events | Exception, options: ReflectorOptions | None = None) -> Played:
    return Played(Script(*answers), options or ReflectorOptions())  # type: ignore[arg-type]


# -- gathering --------------------------------------------------------------------------------------------------------


@case("IN-44")
def test_what_comes_before_the_end_marker_is_one_list_and_what_comes_after_it_is_live() -> None:
    stream = Events([added("p1", 1)], [added("p2", 2), bookmark(2, ends=True), added("p3", 3)], [bookmark(4)])
    played = play(stream)
    assert played.script.questions == ["watch-list None"]
    assert [[each[KEY].name for each in listed] for listed in played.sink.lists] == [["p1", "p2"]]  # type: ignore[attr-defined]
    assert played.sink.state() == {"p1": "1", "p2": "2", "p3": "3"}
    status_ = played.reflector.status
    assert (status_.watch_lists, status_.lists, status_.listed) == (1, 0, 2)
    assert status_.resource_version == "4"


@case("IN-9")
def test_a_watch_list_is_asked_for_with_what_the_server_needs_for_it() -> None:
    (asked,) = play(Events()).script.asked
    assert isinstance(asked, WatchOptions)
    assert dict(asked.query()) == {
        "watch": "true",
        "resourceVersionMatch": "NotOlderThan",
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "300",
    }


@case("IN-45")
def test_the_last_state_before_the_end_marker_counts() -> None:
    stream = Events(
        [
            added("p1", 1),
            added("p2", 2),
            event(MODIFIED, record("p1", 3), 3),
            added("p3", 4),
            event(DELETED, record("p3", 5), 5),
            bookmark(5, ends=True),
        ]
    )
    assert play(stream).sink.state() == {"p1": "3", "p2": "2"}


@case("IN-40")
@pytest.mark.parametrize("error", [None, ConnectionLost("cut")])
def test_a_stream_that_ends_without_its_marker_shows_nothing(error: ConnectionLost | None) -> None:
    played = play(Events([added("p1", 1)], error=error))
    assert played.script.questions == ["watch-list None"]
    assert (played.sink.lists, played.sink.state()) == ([], {})
    assert played.reflector.status.last_error is played.errors[-1][0]


@case("IN-47")
def test_another_stream_starts_from_nothing() -> None:
    played = play(Events([added("p1", 1), added("gone", 2)]), Events([added("p1", 1), bookmark(3, ends=True)]))
    assert played.script.questions == ["watch-list None", "watch-list None"]
    assert played.sink.state() == {"p1": "1"}


@case("IN-50")
def test_a_bookmark_without_the_mark_ends_nothing() -> None:
    played = play(Events([added("p1", 1), bookmark(2)]))
    assert played.sink.lists == []


@case("IN-50")
@pytest.mark.parametrize("codec", [StdlibCodec(), MsgspecCodec()])
@pytest.mark.parametrize(("value", "ends"), [('"true"', True), ('"false"', False), ('"True"', False), ("true", False)])
def test_only_the_exact_word_is_the_mark(codec: Codec, value: str, *, ends: bool) -> None:
    metadata = f'{{"resourceVersion":"2","annotations":{{"k8s.io/initial-events-end":{value}}}}}'
    line = f'{{"type":"BOOKMARK","object":{{"kind":"Pod","apiVersion":"v1","metadata":{metadata}}}}}'
    assert codec.split_event(line.encode()).initial_events_end is ends


@case("IN-48")
def test_a_stream_that_ended_after_its_marker_is_followed_by_a_watch_from_its_version() -> None:
    played = play(Events([bookmark(3, ends=True)], lasts_s=60.0), Events(lasts_s=60.0))
    assert played.script.questions == ["watch-list None", "watch 3"]


@case("IN-49")
def test_an_expired_version_after_the_sync_is_reported_and_leaves_the_copy_until_everything_is_in_anew() -> None:
    kept: list[dict[str, str]] = []

    class Observed(Script):
        def while_waiting(self) -> None:
            kept.append(self.sink.state())

    first = Events([added("p1", 1), added("p3", 3), bookmark(3, ends=True)], lasts_s=60.0)
    played = Played(Observed(first, EXPIRED, Events([added("p4", 4), bookmark(4, ends=True)])), ReflectorOptions())
    assert kept[0] == {"p1": "1", "p3": "3"}
    assert played.errors[0] == (EXPIRED, 0.8)
    assert played.script.questions == ["watch-list None", "watch 3", "watch-list 3"]
    assert played.sink.state() == {"p4": "4"}


@case("IN-42", "IN-43")
def test_a_refused_watch_list_is_no_failure_but_a_list() -> None:
    refused = BadRequest("sendInitialEvents is forbidden", code=400)
    played = play(refused, Page(record("p1", 1), record("p2", 2), version="2"), Events(lasts_s=60.0))
    assert played.script.questions == ["watch-list None", "list 0", "watch 2"]
    assert played.sink.state() == {"p1": "1", "p2": "2"}
    assert played.errors == []


@case("IN-51")
def test_three_streams_without_an_end_lead_to_lists_which_others_of_the_resource_start_with() -> None:
    silent = [Events([added("p1", 1)], lasts_s=5.0) for _ in range(3)]
    played = play(*silent, Page(record("p1", 1), version="2"), Events(lasts_s=60.0))
    assert played.script.questions == [*["watch-list None"] * 3, "list 0", "watch 2"]
    assert [delay_s for _, delay_s in played.errors] == [0.8, 1.6, 3.2]


def test_a_marker_that_does_not_come_in_time_is_not_waited_for() -> None:
    class Endless(Events):
        def batches(self) -> Iterator[Sequence[WatchEvent]]:
            number = 0
            assert self.clock is not None
            while True:
                number += 1
                yield [added("busy", number)]
                self.clock.advance(1.0)

    played = play(Endless(), Page(version="9"), Events(lasts_s=60.0))
    assert played.script.questions == ["watch-list None", "list 0", "watch 9"]
    assert str(played.errors[0][0]).startswith("the watch-list ended after 60 s and 61 events, the last of them 0 s")


def test_an_error_event_ends_a_watch_list_and_its_wish_for_a_pause_is_granted() -> None:
    busy = Events([added("p1", 1), status(429, "TooManyRequests", retry_after_s=7), bookmark(2, ends=True)])
    played = play(busy, Events([added("p2", 2), bookmark(3, ends=True), status(503, "ServiceUnavailable", 9)]))
    assert [delay_s for _, delay_s in played.errors] == [7.0, 9.0]
    assert played.script.questions == ["watch-list None", "watch-list None"]
    assert played.sink.state() == {"p2": "2"}


def test_a_malformed_object_of_a_watch_list_costs_itself_and_a_later_good_one_mends_it() -> None:
    bad = MalformedObject("no labels", b"{}", ObjectKey("default/bad"), "1")
    mended = MalformedObject("no labels", b"{}", ObjectKey("default/p2"), "1")
    nameless = MalformedObject("no name", b"{}", None, "1")
    events = [WatchEvent(ADDED, None, "1", malformed=each) for each in (bad, mended, nameless)]
    played = play(Events([*events, added("p1", 1), added("p2", 2), bookmark(3, ends=True)]))
    assert played.sink.state() == {"p1": "1", "p2": "2"}
    assert played.sink.malformed == [["default/bad"]]
    assert played.reflector.status.malformed == 3


def test_gathered_objects_are_held_once_and_handed_over() -> None:
    gathered = InitialEvents(lambda item: item)
    gathered.feed([added("p1", 1), event(DELETED, record("never", 1), 1), status(500, "x")], now_s=5.0)
    assert gathered.feed([], now_s=6.0) is None
    assert (gathered.last_s, gathered.is_complete, gathered.count) == (5.0, False, 3)
    assert gathered.feed([bookmark(2, ends=True), added("p2", 3)], now_s=7.0) == [added("p2", 3)]
    assert [each[KEY] for each in gathered.take_objects()[0]] == ["default/p1"]
    assert gathered.take_objects() == ([], [])


def test_what_is_none_of_ours_is_left_out_and_a_state_that_is_not_any_more_goes() -> None:
    gathered = InitialEvents(lambda item: None if item[2] == "2" else item)
    gathered.feed([added("p1", 1), added("p2", 2), event(MODIFIED, record("p1", 2), 2)], now_s=0.0)
    assert gathered.take_objects() == ([], [])


# -- types ------------------------------------------------------------------------------------------------------------


def typed(name: str, version: int, api_version: str = "v1", kind: str = "Pod", *, late: bool = False) -> ObjectRecord:
    content = {"kind": kind, "apiVersion": api_version}
    if late:
        content = {"apiVersion": api_version, "kind": kind}
    raw = json.dumps({**content, "metadata": {"name": name}}, separators=(",", ":"))
    return record(name, version, raw)


@case("IN-34")
def test_a_type_is_named_as_far_as_it_is_known() -> None:
    learnt = ExpectedType()
    assert str(learnt) == "<unspecified>"
    assert learnt.accepts(record("a", 1))
    assert str(learnt) == "<unspecified>"
    assert learnt.accepts(typed("a", 1))
    assert str(learnt) == "v1 Pod"
    assert str(ExpectedType(GroupVersionKind("apps", "v1", "Deployment"))) == "apps/v1 Deployment"


@case("IN-35", otherwise="decision 6: there are no typed objects; what was not given is learnt from the first object")
def test_a_type_that_is_given_stays_and_one_that_was_learnt_is_forgotten() -> None:
    given, learnt = ExpectedType(GroupVersionKind("", "v1", "Pod")), ExpectedType()
    for expected in (given, learnt):
        assert expected.accepts(typed("a", 1))
        assert not expected.accepts(typed("a", 1, kind="Service"))
        expected.forget()
    assert not given.accepts(typed("a", 1, kind="Service"))
    assert learnt.accepts(typed("a", 1, kind="Service"))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("odd", ['{ "kind": "%s", "apiVersion": "v1" }', '{"apiVersion":"v1","x":{},"kind":"%s"}'])
def test_a_type_is_seen_however_the_object_begins(odd: str, *, late: bool) -> None:
    expected = ExpectedType()
    assert expected.accepts(typed("a", 1, late=late))
    assert expected.accepts(record("a", 1, odd % "Pod"))
    assert not expected.accepts(record("a", 1, odd % "Service"))
    assert not expected.accepts(typed("a", 1, kind="Service", late=not late))
    for untold in ("{}", '{"kind":7,"apiVersion":"v1"}', '{"kind":"","apiVersion":"v1"}', "garbage"):
        assert expected.accepts(record("a", 1, untold))


@case("IN-7")
def test_an_object_of_another_kind_is_rejected_and_moves_no_version() -> None:
    live = Events(
        [event(ADDED, typed("rejected", 99, kind="Service"), 99)],
        [event(DELETED, typed("foo", 50), 50)],
        [event(MODIFIED, typed("bar", 55), 55), event(ADDED, typed("rejected", 98, kind="Service"), 98)],
        [event(ADDED, typed("baz", 32), 32)],
        lasts_s=5.0,
    )
    played = play(Page(typed("foo", 1), typed("bar", 2), version="10"), live, options=LISTING)
    assert played.sink.state() == {"bar": "55", "baz": "32"}
    assert played.reflector.status.resource_version == "32"
    assert played.sink.versions_seen == ["10", "50", "55"]
    assert [str(error) for error, _ in played.errors] == [
        "v1/pods: an object is skipped: default/rejected is a v1 Service, not a v1 Pod"
    ] * 2


def test_an_object_of_another_kind_is_left_out_of_lists_and_watch_lists() -> None:
    wrong = typed("rejected", 2, kind="Service")
    listed = play(Page(typed("a", 1), wrong, version="5"), options=LISTING)
    streamed = play(Events([event(ADDED, typed("a", 1), 1), event(ADDED, wrong, 2), bookmark(5, ends=True)]))
    for played in (listed, streamed):
        assert played.sink.state() == {"a": "1"}
        assert played.sink.malformed == [[]]
        assert played.reflector.status.malformed == 1


def test_a_resource_that_comes_back_as_another_kind_is_learnt_anew() -> None:
    played = play(
        Events([event(ADDED, typed("a", 1), 1), bookmark(5, ends=True)], error=EXPIRED),
        Events([event(ADDED, typed("a", 9, kind="Cod"), 9), bookmark(9, ends=True)]),
    )
    assert played.sink.state() == {"a": "9"}


# -- silence ----------------------------------------------------------------------------------------------------------


def test_a_watch_is_told_how_long_it_may_be_silent() -> None:
    class Told(Events):
        def __init__(self, *batches: list[WatchEvent]) -> None:
            super().__init__(*batches)
            self.told: list[float] = []

        def expire_in(self, timeout_s: float, /) -> None:
            self.told.append(timeout_s)

    stream = Told([added("a", 1)], [bookmark(2, ends=True)], [bookmark(3)], [bookmark(4)])
    play(stream)
    assert stream.told == [20.0, 20.0, 305.0, 305.0, 75.0]


def test_silence_is_counted_and_the_server_asked_for_its_version() -> None:
    silent = WatchIdle("silent")
    played = play(
        Events([bookmark(5, ends=True)], error=silent, lasts_s=305.0),
        Events(error=silent, lasts_s=305.0),
        Page(record("one", 1), version="5"),
        Events(lasts_s=60.0),
    )
    assert played.script.questions == ["watch-list None", "watch 5", "probe", "watch 5"]
    assert [options.resource_version for options in played.script.asked if isinstance(options, ListOptions)] == [None]
    status_ = played.reflector.status
    assert (status_.restarts[RestartCause.IDLE], status_.probes, status_.lists) == (2, 1, 0)
    assert played.errors == [(silent, 0.0), (silent, 0.0)]


def test_a_version_that_went_back_is_reported_and_everything_read_anew() -> None:
    played = play(
        Events([added("old", 9), bookmark(90, ends=True)], lasts_s=60.0),
        ConnectError("refused"),
        Page(version="40"),
        Events([added("restored", 3), bookmark(41, ends=True)]),
    )
    assert played.script.questions == ["watch-list None", "watch 90", "probe", "watch-list None"]
    assert [type(error) for error, _ in played.errors[:2]] == [ConnectError, ResourceVersionRewound]
    assert played.sink.state() == {"restored": "3"}
    assert played.sink.distrusts == [False, True], "what has the same version now may be another state"
    assert played.reflector.status.resource_version == "41"


def test_a_watch_list_from_a_server_that_knows_nothing_of_the_last_version_is_of_other_states_perhaps() -> None:
    first = Events([bookmark(9, ends=True)], error=EXPIRED)
    played = play(first, TOO_NEW, Events([bookmark(8, ends=True)], error=EXPIRED), Events([bookmark(9, ends=True)]))
    assert played.script.questions[:4] == ["watch-list None", "watch-list 9", "watch-list None", "watch-list 8"]
    assert played.sink.distrusts[:4] == [False, False, True, False]


def test_a_version_that_went_back_behind_what_was_asked_for_again_is_noticed_once_and_for_all() -> None:
    class Refetched(Script):
        def while_waiting(self) -> None:
            assert self.sink.reflector is not None
            status = self.sink.reflector.status
            if status.lists + status.watch_lists == 1:
                status.refetched_version = "95"  # by another thread, in the meantime

    first = Events([added("old", 9), bookmark(90, ends=True)], lasts_s=60.0)
    refused, page = ConnectError("refused"), Page(version="92")
    anew = Events([added("restored", 3), bookmark(93, ends=True)], lasts_s=60.0)
    played = Played(Refetched(first, refused, page, anew, refused, page, Events()), ReflectorOptions())
    questions = ["watch-list None", "watch 90", "probe", "watch-list None", "watch 93", "probe"]
    assert played.script.questions[:6] == questions
    assert played.sink.state() == {"restored": "3"}
    assert played.reflector.status.refetched_version == ""


def test_a_probe_that_is_refused_is_reported_and_the_watch_goes_on() -> None:
    denied = Forbidden("no", code=403)
    stream = Events([bookmark(90, ends=True)], lasts_s=60.0)
    played = play(stream, ConnectError("refused"), denied, Events(lasts_s=60.0))
    assert played.script.questions == ["watch-list None", "watch 90", "probe", "watch 90"]
    assert played.errors[1] == (denied, 0.0)


def test_a_reflector_that_follows_its_watch_list_is_watching() -> None:
    states: list[ReflectorState] = []

    class Observed(Events):
        def expire_in(self, timeout_s: float, /) -> None:
            states.append(script.sink.reflector.status.state)  # type: ignore[union-attr]

    script = Script(Observed([bookmark(5, ends=True)]))
    Played(script, ReflectorOptions())
    assert states == [ReflectorState.LISTING, ReflectorState.WATCHING]


def test_a_watch_list_is_asked_to_be_no_older_than_what_the_copy_has_of_any_object() -> None:
    watch = Events([bookmark(5, ends=True)], error=EXPIRED)
    played = Played(Seeing(watch, Events([bookmark(10, ends=True)], lasts_s=300.0)), ReflectorOptions())
    assert played.script.questions[:2] == ["watch-list None", "watch-list 9"]
