"""ReflectorMachine: watch-lists and what can go wrong with them, without a thread, a clock or a socket."""

from __future__ import annotations

import pytest

from kubeprims.errors import (
    BadRequest,
    ConnectError,
    ConnectionLost,
    Forbidden,
    InternalError,
    Invalid,
    KubeprimsError,
    MethodNotAllowed,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    StatusCause,
    TooManyRequests,
    Unauthorized,
    UnexpectedContent,
    WatchIdle,
    WatchListIncomplete,
)
from kubeprims.informer.effects import Effect, Follow, ListPage, Replace, Sleep, Watch, WatchList
from kubeprims.informer.failures import RetryBudget
from kubeprims.informer.machine import (
    WATCH_LISTS_INCOMPLETE_MAX,
    Phase,
    ReflectorMachine,
    ReflectorOptions,
    ResourceMemory,
)
from tests.informer.test_machine import EXPIRED, Constant
from tests.parity import case

NEWEST = WatchList(None, 300.0, 60.0)
SILENT = WatchIdle("silent")
BROKEN = InternalError("broken", code=500, reason="InternalError")


def machine(memory: ResourceMemory | None = None, **options: object) -> ReflectorMachine:
    return ReflectorMachine(ReflectorOptions(**options), rng=Constant(0.0), memory=memory)  # type: ignore[arg-type]


def streamed(of: ReflectorMachine, version: str = "10") -> Effect:
    """Play the end of a good watch-list."""
    assert of.on_initial_events_end(resource_version=version) == Replace(version)
    return of.on_replaced()


def following(version: str = "10", **options: object) -> ReflectorMachine:
    made = machine(**options)
    made.start()
    assert streamed(made, version) == Follow()
    return made


def resumed(version: str = "10") -> ReflectorMachine:
    """Return a machine whose watch was opened anew, at its last version."""
    made = following(version)
    assert made.on_watch_ended(None, lasted_s=60.0, now_s=60.0) == Watch(version, 300.0)
    return made


# -- starting ---------------------------------------------------------------------------------------------------------


@case("IN-9")
def test_a_fresh_start_asks_for_one_watch_list_and_goes_on_with_it() -> None:
    fresh = machine()
    assert fresh.start() == NEWEST
    assert streamed(fresh, "7") == Follow()
    assert (fresh.last_resource_version, fresh.phase) == ("7", Phase.WATCHING)


@case("IN-41")
def test_without_watch_lists_there_is_a_list_and_a_watch() -> None:
    listing = machine(watch_list=False)
    assert listing.start() == ListPage("0", 500)
    assert listing.on_page(resource_version="7", continue_token="") == Replace("7")
    assert listing.on_replaced() == Watch("7", 300.0)


@case("IN-37", otherwise="decision 6: no client says what it supports; an option and what was learnt of the server say")
@pytest.mark.parametrize(("watch_list", "has_watch_list"), [(True, True), (True, False), (False, True)])
def test_a_watch_list_is_asked_for_if_it_is_wanted_and_not_known_to_fail(
    *, watch_list: bool, has_watch_list: bool
) -> None:
    memory = ResourceMemory()
    memory.has_watch_list = has_watch_list
    first = machine(memory, watch_list=watch_list).start()
    assert first == (NEWEST if watch_list and has_watch_list else ListPage("0", 500))


@case("IN-39")
def test_the_version_does_not_move_before_the_end_marker() -> None:
    fresh = machine()
    fresh.start()
    assert fresh.last_resource_version == ""
    fresh.on_initial_events_end(resource_version="2")
    assert fresh.last_resource_version == ""
    fresh.on_replaced()
    assert fresh.last_resource_version == "2"


@case("IN-48")
def test_a_watch_list_that_ends_after_its_marker_is_followed_by_a_plain_watch() -> None:
    assert following("3").on_watch_ended(None, lasted_s=0.5, now_s=0.5) == Watch("3", 300.0)


@case("IN-49")
def test_a_version_that_expired_after_the_sync_is_reported_and_all_is_asked_for_again_at_that_version() -> None:
    expired = resumed("3")
    assert expired.on_watch_ended(EXPIRED, lasted_s=None, now_s=60.0) == Sleep(0.8, EXPIRED)
    assert expired.on_slept() == WatchList("3", 300.0, 60.0)
    assert expired.last_resource_version == "3"


# -- falling back -----------------------------------------------------------------------------------------------------


@case("IN-42", "IN-43")
@pytest.mark.parametrize(
    "error",
    [
        BadRequest("no", code=400),
        NotFound("no", code=404),
        MethodNotAllowed("no", code=405),
        Invalid("no", code=422, reason="Invalid"),
    ],
)
@pytest.mark.parametrize("lasted_s", [None, 0.1])
def test_a_server_that_does_not_know_watch_lists_is_asked_for_a_list_at_once_and_from_then_on(
    error: KubeprimsError, lasted_s: float | None
) -> None:
    refused = machine()
    refused.start()
    assert refused.on_watch_list_ended(error, lasted_s=lasted_s) == ListPage("0", 500)
    assert refused.memory.has_watch_list
    refused.on_page(resource_version="7", continue_token="")
    assert refused.on_replaced() == Watch("7", 300.0)
    assert not refused.memory.has_watch_list
    refused.on_watch_ended(EXPIRED, lasted_s=60.0, now_s=60.0)
    assert refused.on_slept() == ListPage("7", None)
    assert machine(refused.memory).start() == ListPage("0", 500)


@case("IN-42", otherwise="decision 6: what says nothing about watch-lists backs off and asks for one again")
@pytest.mark.parametrize(
    "error",
    [
        TooManyRequests("busy", code=429),
        InternalError("broken", code=500),
        ServiceUnavailable("starting", code=503),
        Unauthorized("who", code=401),
        Forbidden("no", code=403),
        ConnectError("refused"),
        UnexpectedContent("HTML", code=200, content_type="text/html"),
    ],
)
def test_a_failure_that_says_nothing_about_watch_lists_is_answered_by_another_one(error: KubeprimsError) -> None:
    failing = machine()
    failing.start()
    for delay_s in (0.8, 1.6, 3.2, 6.4):
        assert failing.on_watch_list_ended(error, lasted_s=None) == Sleep(delay_s, error)
        assert failing.on_slept() == NEWEST
    assert streamed(failing) == Follow()
    assert failing.memory.has_watch_list


@case("IN-46")
def test_a_watch_list_that_is_put_off_twice_is_asked_for_again_as_it_was() -> None:
    busy = TooManyRequests("busy", code=429, retry_after_s=2.0)
    put_off = machine()
    asked = [put_off.start()]
    for _ in range(2):
        sleep = put_off.on_watch_list_ended(busy, lasted_s=None)
        assert isinstance(sleep, Sleep)
        assert sleep.delay_s == 2.0
        asked.append(put_off.on_slept())
    assert asked == [NEWEST] * 3
    assert streamed(put_off) == Follow()


@case("IN-51")
@pytest.mark.parametrize("error", [None, ConnectionLost("cut")])
def test_after_three_streams_without_an_end_there_are_lists_with_a_backoff_and_for_good(
    error: KubeprimsError | None,
) -> None:
    cut = machine()
    assert cut.start() == NEWEST
    delays = []
    for count in range(WATCH_LISTS_INCOMPLETE_MAX):
        sleep = cut.on_watch_list_ended(error, lasted_s=5.0, events=2)
        assert isinstance(sleep, Sleep)
        delays.append(sleep.delay_s)
        expected = NEWEST if count < WATCH_LISTS_INCOMPLETE_MAX - 1 else ListPage("0", 500)
        assert cut.on_slept() == expected
    assert delays == [0.8, 1.6, 3.2]
    assert cut.on_list_failed(BROKEN) == Sleep(6.4, BROKEN)
    assert cut.on_slept() == ListPage("0", 500)
    cut.on_page(resource_version="7", continue_token="")
    cut.on_replaced()
    assert not cut.memory.has_watch_list


def test_a_stream_that_comes_to_its_end_ends_the_count_of_those_that_did_not() -> None:
    flaky = machine()
    flaky.start()
    for _ in range(3):
        for _ in range(WATCH_LISTS_INCOMPLETE_MAX - 1):
            flaky.on_watch_list_ended(None, lasted_s=5.0)
            assert isinstance(flaky.on_slept(), WatchList)
        streamed(flaky)
        flaky.on_watch_ended(EXPIRED, lasted_s=60.0, now_s=0.0)
        flaky.on_slept()
    assert flaky.memory.has_watch_list


@case(
    "IN-38", otherwise="decision 6: a marker that does not come is no warning every 10 s but a deadline and a fallback"
)
@pytest.mark.parametrize(
    ("events", "last_event_s", "text"),
    [
        (0, None, "the watch-list ended after 60 s without an event: no bookmark said that it was complete"),
        (7, 2.0, "the watch-list ended after 60 s and 7 events, the last of them 2 s before: "),
    ],
)
def test_a_marker_that_is_held_back_beyond_the_deadline_says_what_came_and_leads_to_lists(
    events: int, last_event_s: float | None, text: str
) -> None:
    held = machine()
    held.start()
    sleep = held.on_watch_list_ended(SILENT, lasted_s=60.0, events=events, last_event_s=last_event_s)
    assert isinstance(sleep, Sleep)
    assert isinstance(sleep.error, WatchListIncomplete)
    assert str(sleep.error).startswith(text)
    assert held.on_slept() == ListPage("0", 500)


def test_a_resource_that_is_not_there_says_nothing_about_watch_lists() -> None:
    absent = NotFound("no such resource", code=404)
    waiting = machine()
    waiting.start()
    for _ in range(5):
        assert waiting.on_watch_list_ended(absent, lasted_s=None) == ListPage("0", 500)
        assert isinstance(waiting.on_list_failed(absent), Sleep)
        assert waiting.on_slept() == NEWEST
    assert waiting.memory.has_watch_list


@case("IN-26", "IN-28")
@pytest.mark.parametrize(
    "error",
    [EXPIRED, ServerTimeout("no", code=504, causes=[StatusCause("", "ResourceVersionTooLarge", "")], retry_after_s=1)],
)
def test_a_version_that_the_server_does_not_have_is_given_up_at_once_and_once(error: KubeprimsError) -> None:
    old = resumed("20")
    old.on_watch_ended(EXPIRED, lasted_s=None, now_s=60.0)
    assert old.on_slept() == WatchList("20", 300.0, 60.0)
    assert old.on_watch_list_ended(error, lasted_s=None) == NEWEST
    assert sum(old.restarts.values()) == 3
    assert isinstance(old.on_watch_list_ended(error, lasted_s=None), Sleep)
    assert old.on_slept() == NEWEST
    assert streamed(old, "40") == Follow()
    old.on_watch_ended(EXPIRED, lasted_s=5.0, now_s=70.0)
    assert old.on_slept() == WatchList("40", 300.0, 60.0)


def test_a_list_in_place_of_a_later_watch_list_is_followed_by_a_watch() -> None:
    refused = following("3")
    refused.on_watch_ended(EXPIRED, lasted_s=60.0, now_s=60.0)
    refused.on_slept()
    refused.on_watch_list_ended(BadRequest("no more", code=400), lasted_s=None)
    refused.on_page(resource_version="7", continue_token="")
    assert refused.on_replaced() == Watch("7", 300.0)


def test_a_deadline_of_ones_own_is_kept() -> None:
    assert machine(watch_list_timeout_s=5.0).start() == WatchList(None, 300.0, 5.0)


# -- errors inside a stream -------------------------------------------------------------------------------------------


def retries(budget: RetryBudget, times: list[float], error: KubeprimsError = BROKEN) -> list[bool]:
    return [budget.allows(error, now_s=now_s) for now_s in times]


@case("IN-18")
def test_without_a_budget_an_internal_error_in_the_stream_is_never_resumed() -> None:
    assert retries(RetryBudget(0.0), [0.0, 1.0, 100.0]) == [False] * 3
    unforgiving = following("10", internal_error_budget_s=0.0)
    assert unforgiving.on_watch_ended(BROKEN, lasted_s=5.0, now_s=5.0) == Sleep(0.8, BROKEN)
    assert isinstance(unforgiving.on_slept(), WatchList)


@case("IN-19")
def test_internal_errors_every_second_are_resumed_31_times_with_a_budget_of_30_s() -> None:
    allowed = retries(RetryBudget(30.0), [float(second) for second in range(60)])
    assert allowed == [True] * 31 + [False] * 29


@case("IN-20")
def test_a_minute_without_one_opens_a_new_window() -> None:
    budget = RetryBudget(30.0)
    times = [float(second) for second in range(9)]
    times += [times[-1] + 60.0 + second for second in range(40)]
    allowed = retries(budget, times)
    assert allowed.index(False) == 40


@case("IN-168")
def test_the_window_is_that_of_internal_errors_alone() -> None:
    assert retries(RetryBudget(0.0), [0.0]) == [False]
    assert retries(RetryBudget(1.0), [0.0, 1.0, 2.0]) == [True, True, False]
    other = TooManyRequests("busy", code=429)
    assert retries(RetryBudget(0.0), [0.0, 5.0], other) == [True, True]
    mixed = RetryBudget(1.0)
    assert mixed.allows(BROKEN, now_s=0.0)
    assert mixed.allows(other, now_s=30.0)
    assert mixed.allows(BROKEN, now_s=1.0)
    assert not mixed.allows(BROKEN, now_s=2.0)


def test_a_budget_that_is_used_up_leads_to_everything_anew() -> None:
    broken = following("10", internal_error_budget_s=30.0)
    now_s, slept = 0.0, []
    for _ in range(4):
        now_s += 10.0
        assert isinstance(broken.on_watch_ended(BROKEN, lasted_s=10.0, now_s=now_s), Sleep)
        slept.append(broken.on_slept())
    assert slept == [*[Watch("10", 300.0)] * 4]
    broken.on_watch_ended(BROKEN, lasted_s=10.0, now_s=now_s + 10.0)
    assert broken.on_slept() == WatchList("10", 300.0, 60.0)


def test_an_internal_error_at_the_opening_says_nothing_about_the_version() -> None:
    down = resumed("10")
    for second in range(100):
        assert isinstance(down.on_watch_ended(BROKEN, lasted_s=None, now_s=60.0 + second), Sleep)
        assert isinstance(down.on_slept(), Watch)


@case("IN-32")
def test_an_object_that_the_server_cannot_read_leads_to_everything_anew() -> None:
    corrupt = InternalError("data from the storage is not transformable", code=500, reason="StorageReadError")
    stuck = resumed("10")
    assert stuck.on_watch_ended(corrupt, lasted_s=5.0, now_s=65.0) == Sleep(0.8, corrupt)
    assert stuck.on_slept() == WatchList("10", 300.0, 60.0)
