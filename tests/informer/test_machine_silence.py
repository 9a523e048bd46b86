"""ReflectorMachine: silence, versions that go back, and delays, without a thread, a clock or a socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeprims.backoff import BackoffPolicy
from kubeprims.errors import (
    BadRequest,
    ConnectError,
    ConnectionLost,
    Forbidden,
    KubeprimsError,
    ResourceVersionRewound,
    TooManyRequests,
)
from kubeprims.informer.effects import Effect, ListPage, Probe, Sleep, Watch
from kubeprims.informer.failures import RestartCause
from kubeprims.informer.machine import (
    IDLE_S,
    PROBE_AFTER_S,
    Phase,
    ReflectorMachine,
    ReflectorOptions,
)
from tests.informer.test_machine import EXPIRED, Constant
from tests.informer.test_machine_watch_list import NEWEST, SILENT, following, machine, resumed, streamed

# -- silence ----------------------------------------------------------------------------------------------------------


def test_a_watch_may_be_silent_until_the_server_should_have_ended_it() -> None:
    quiet = resumed()
    assert quiet.idle_s == 305.0
    quiet.on_events(count=1, resource_version="11", bookmarks=1)
    assert quiet.idle_s == 305.0


def test_once_two_bookmarks_came_it_may_be_silent_for_little_more_than_a_minute() -> None:
    lively = resumed()
    for version in ("11", "12"):
        lively.on_events(count=1, resource_version=version, bookmarks=1)
    assert lively.idle_s == IDLE_S
    other = machine(lively.memory)
    other.start()
    assert other.idle_s == IDLE_S


def test_a_silent_watch_that_had_brought_something_is_opened_again_at_once() -> None:
    dead = resumed()
    dead.on_events(count=1, resource_version="11", bookmarks=1)
    assert dead.on_watch_ended(SILENT, lasted_s=100.0, now_s=160.0) == Watch("11", 300.0)
    assert dead.restarts[RestartCause.IDLE] == 1


def test_one_that_had_brought_nothing_has_the_server_asked_for_its_version_first() -> None:
    dead = resumed("11")
    dead.memory.bookmarks = 5
    assert dead.on_watch_ended(SILENT, lasted_s=75.0, now_s=160.0) == Probe()
    assert dead.memory.bookmarks == 0
    assert dead.on_probed(resource_version="11") == Watch("11", 300.0)
    assert dead.on_watch_ended(None, lasted_s=PROBE_AFTER_S - 1, now_s=500.0) == Watch("11", 300.0)


def test_watches_that_end_quietly_add_up_to_a_question() -> None:
    quiet = resumed("11")
    for _ in range(5):
        assert quiet.on_watch_ended(None, lasted_s=50.0, now_s=0.0) == Watch("11", 300.0)
    assert quiet.on_watch_ended(None, lasted_s=50.0, now_s=0.0) == Probe()
    assert quiet.on_probed(resource_version="12") == Watch("11", 300.0)
    assert quiet.on_watch_ended(None, lasted_s=50.0, now_s=0.0) == Watch("11", 300.0)


def test_the_quiet_is_over_once_everything_was_read_anew() -> None:
    quiet = resumed("11")
    quiet.on_watch_ended(None, lasted_s=290.0, now_s=0.0)
    quiet.on_watch_ended(EXPIRED, lasted_s=None, now_s=0.0)
    quiet.on_slept()
    streamed(quiet, "12")
    assert quiet.on_watch_ended(None, lasted_s=290.0, now_s=0.0) == Watch("12", 300.0)
    assert quiet.on_watch_ended(None, lasted_s=290.0, now_s=0.0) == Watch("12", 300.0)


def test_a_question_that_is_refused_is_not_asked_again_at_once() -> None:
    quiet = resumed("11")
    assert quiet.on_watch_ended(None, lasted_s=400.0, now_s=0.0) == Probe()
    quiet.on_probe_failed(Forbidden("no", code=403))
    assert quiet.on_watch_ended(None, lasted_s=50.0, now_s=0.0) == Watch("11", 300.0)


def test_an_event_ends_the_quiet() -> None:
    chatty = resumed("11")
    for _ in range(20):
        chatty.on_watch_ended(None, lasted_s=200.0, now_s=0.0)
        chatty.on_events(count=1, resource_version="12")
        assert chatty.on_watch_ended(None, lasted_s=200.0, now_s=0.0) == Watch("12", 300.0)


# -- versions that go back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ConnectError("refused"), ConnectionLost("closed before an answer")])
def test_after_a_refused_connection_the_version_of_the_server_is_looked_at_before_the_watch(
    error: KubeprimsError,
) -> None:
    down = resumed("11")
    assert down.on_watch_ended(error, lasted_s=None, now_s=60.0) == Sleep(0.8, error)
    assert down.on_slept() == Probe()
    assert down.on_probe_failed(error) == Sleep(1.6, error)
    assert down.on_slept() == Probe()
    assert down.on_probed(resource_version="11") == Watch("11", 300.0)
    busy = TooManyRequests("busy", code=429)
    down.on_watch_ended(busy, lasted_s=None, now_s=63.0)
    assert down.on_slept() == Watch("11", 300.0)


def test_a_server_that_went_back_is_reported_and_everything_asked_for_without_a_version() -> None:
    restored = resumed("100")
    restored.on_watch_ended(ConnectError("refused"), lasted_s=None, now_s=60.0)
    restored.on_slept()
    sleep = restored.on_probed(resource_version="99")
    assert isinstance(sleep, Sleep)
    assert isinstance(sleep.error, ResourceVersionRewound)
    assert str(sleep.error) == (
        "the server went back from version 100 to 99, as after a restore: everything is listed anew"
    )
    assert restored.restarts[RestartCause.REWOUND] == 1
    assert restored.on_slept() == NEWEST
    streamed(restored, "101")
    assert restored.last_resource_version == "101"


def test_a_server_that_went_back_behind_what_was_asked_for_again_has_gone_back() -> None:
    """The watch had not come so far: its own version is one that the restored server has."""
    for seen, has_gone_back in (("103", True), ("100", False), ("99", False), ("", False), ("opaque", False)):
        restored = resumed("100")
        restored.on_watch_ended(ConnectError("refused"), lasted_s=None, now_s=60.0)
        restored.on_slept()
        assert isinstance(restored.on_probed(resource_version="101", seen=seen), Sleep) == has_gone_back


@pytest.mark.parametrize(("seen", "then"), [("103", Probe()), ("100", Watch("100", 300.0)), ("", Watch("100", 300.0))])
def test_a_watch_that_ends_short_of_what_was_asked_for_again_is_reason_to_look(seen: str, then: Effect) -> None:
    """A restored server can feed a watch whose version it has, while the cache takes its events for old ones."""
    lagging = resumed("100")
    assert lagging.on_watch_ended(None, lasted_s=30.0, now_s=30.0, seen=seen) == then


def test_so_it_is_where_there_are_only_lists() -> None:
    restored = machine(watch_list=False)
    restored.start()
    restored.on_page(resource_version="100", continue_token="")
    restored.on_replaced()
    restored.on_watch_ended(ConnectError("refused"), lasted_s=None, now_s=0.0)
    restored.on_slept()
    restored.on_probed(resource_version="9")
    assert restored.on_slept() == ListPage(None, 500)


@pytest.mark.parametrize("version", ["", "0", "abc", "11", "12"])
def test_versions_that_are_equal_newer_or_in_no_order_say_nothing(version: str) -> None:
    down = resumed("11")
    down.on_watch_ended(ConnectError("refused"), lasted_s=None, now_s=60.0)
    down.on_slept()
    assert down.on_probed(resource_version=version) == Watch("11", 300.0)


@pytest.mark.parametrize("error", [Forbidden("no", code=403), BadRequest("no", code=400)])
def test_who_may_not_ask_for_the_version_watches_without_it(error: KubeprimsError) -> None:
    blind = resumed("11")
    blind.on_watch_ended(ConnectError("refused"), lasted_s=None, now_s=60.0)
    blind.on_slept()
    assert blind.on_probe_failed(error) == Watch("11", 300.0)


# -- delays -----------------------------------------------------------------------------------------------------------


def test_delays_start_over_after_a_healthy_time_only() -> None:
    policy = BackoffPolicy(base_s=1.0, jitter=0.0, healthy_after_s=120.0)
    slow = ReflectorMachine(ReflectorOptions(backoff=policy), rng=Constant(0.0))
    slow.start()
    now_s, delays = 0.0, []
    for _ in range(3):  # each try takes for ever to fail, which is no sign of health
        now_s += 200.0
        sleep = slow.on_watch_list_ended(ConnectError("timed out"), lasted_s=None)
        assert isinstance(sleep, Sleep)
        delays.append(sleep.delay_s)
        slow.on_slept()
    streamed(slow)
    now_s += 200.0
    slow.on_events(count=1, resource_version="11")
    healthy = slow.on_watch_ended(EXPIRED, lasted_s=200.0, now_s=now_s)
    assert isinstance(healthy, Sleep)
    assert [*delays, healthy.delay_s] == [1.0, 2.0, 4.0, 1.0]


def test_a_silent_watch_is_no_sign_of_health_either() -> None:
    policy = BackoffPolicy(base_s=1.0, jitter=0.0, healthy_after_s=120.0)
    dead = ReflectorMachine(ReflectorOptions(backoff=policy), rng=Constant(0.0))
    dead.start()
    streamed(dead)
    refused, now_s = ConnectError("refused"), 0.0
    assert isinstance(dead.on_watch_ended(None, lasted_s=60.0, now_s=now_s), Watch)
    dead.on_watch_ended(refused, lasted_s=None, now_s=now_s)
    dead.on_slept()
    dead.on_probed(resource_version="10")
    now_s += 305.0
    assert dead.on_watch_ended(SILENT, lasted_s=305.0, now_s=now_s) == Probe()
    assert dead.on_probe_failed(refused) == Sleep(2.0, refused)


def growing(times: int, fail: Callable[[ReflectorMachine, float], None]) -> list[float]:
    """Return the delays after failures 200 s apart, each of which ``fail`` leads to."""
    policy = BackoffPolicy(base_s=1.0, jitter=0.0, healthy_after_s=120.0)
    failing = ReflectorMachine(ReflectorOptions(backoff=policy), rng=Constant(0.0))
    failing.start()
    streamed(failing)
    now_s, delays = 0.0, []
    failing.on_watch_ended(None, lasted_s=60.0, now_s=now_s)
    for _ in range(times):
        now_s += 200.0
        fail(failing, now_s)
        sleep = failing.on_watch_ended(TooManyRequests("busy", code=429), lasted_s=None, now_s=now_s)
        assert isinstance(sleep, Sleep)
        delays.append(sleep.delay_s)
        failing.on_slept()
    return delays


def test_neither_a_watch_that_took_long_to_be_refused_nor_one_that_went_silent_was_healthy() -> None:
    def go_silent(failing: ReflectorMachine, now_s: float) -> None:
        assert failing.on_watch_ended(SILENT, lasted_s=200.0, now_s=now_s) == Probe()
        assert isinstance(failing.on_probed(resource_version="10"), Watch)

    def live(failing: ReflectorMachine, now_s: float) -> None:
        assert isinstance(failing.on_watch_ended(None, lasted_s=200.0, now_s=now_s), Watch | Probe)
        if failing.phase is Phase.PROBING:
            failing.on_probed(resource_version="10")

    assert growing(3, lambda failing, now_s: None) == [1.0, 2.0, 4.0]
    assert growing(3, go_silent) == [1.0, 2.0, 4.0]
    assert growing(3, live)[1:] == [1.0, 1.0]


def test_restarts_are_counted_by_their_causes() -> None:
    counted = following()
    counted.on_watch_ended(None, lasted_s=60.0, now_s=0.0)
    counted.on_watch_ended(ConnectionLost("reset"), lasted_s=60.0, now_s=0.0)
    counted.on_watch_ended(TooManyRequests("busy", code=429), lasted_s=None, now_s=0.0)
    counted.on_slept()
    counted.on_watch_ended(KubeprimsError("what"), lasted_s=5.0, now_s=0.0)
    counted.on_slept()
    counted.on_watch_list_ended(BadRequest("no", code=400), lasted_s=None)
    assert counted.restarts == {
        RestartCause.ENDED: 1,
        RestartCause.CONNECTION_LOST: 1,
        RestartCause.THROTTLED: 1,
        RestartCause.OTHER: 1,
        RestartCause.REFUSED: 1,
    }
