"""LeaderElector: threads, callbacks and clocks around the machine, on the embedded API server."""

from __future__ import annotations

import asyncio
import logging
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError, LeaderCallbackError, LifecycleError, StopTimeout
from kubeprims.leaderelection.effects import Effect, Ended, EndReason, Instant
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.lock import ResourceLock
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.leaderelection.term import Term
from kubeprims.metrics import PrometheusMetrics
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.testing.apiserver.faults import (
    Answer,
    Drop,
    Match,
    Stall,
    garbage,
    html,
    server_error,
    too_many_requests,
)
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.leaderelection.electing import TIMEOUT_S, Heard, asked, running
from tests.leaderelection.locking import LEASES, a_lock, holder, put, rewrite
from tests.leaderelection.stepping import Constant
from tests.parity import case
from tests.waiting import eventually

ME, YOU = "me", "you"
UPDATES = Match(verb="update", resource="leases")
GETS = Match(verb="get", resource="leases")


class Recorder:
    """Takes events, as long as it is let."""

    def __init__(self, on_event: Callable[[], object] = lambda: None) -> None:
        self.notes: list[str] = []
        self._on_event = on_event

    def event(self, regarding: Unstructured, *, reason: str, note: str) -> None:
        self.notes.append(f"{regarding.kind} {reason} {note}")
        self._on_event()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def elector(lock: ResourceLock, heard: Heard, clock: VirtualClock, **options: object) -> LeaderElector:
    """Return one that tells everything to ``heard``, on a clock that stands still."""
    given: dict[str, object] = {
        "on_started_leading": heard.started,
        "on_stopped_leading": heard.stopped,
        "on_new_leader": heard.new_leader,
        "clock": clock,
        "rng": Constant(),
    }
    return LeaderElector(lock, **(given | options))  # type: ignore[arg-type]


def wait_for_requests(server: APIServer, *verbs: str) -> None:
    """Wait until the server was asked exactly this of the lock."""
    eventually(lambda: asked(server) == [*verbs], TIMEOUT_S, f"{verbs}: {asked(server)}")


def renew(heard: Heard, clock: VirtualClock, server: APIServer, number: int) -> None:
    """Have the time come for a renewal, and wait until it is done."""
    clock.advance(2.0)
    wait_for_requests(server, "get", "create", *["update"] * number)
    eventually(lambda: heard.terms[-1].remaining_s() == 10.0, TIMEOUT_S, "the answer to the renewal")


# -- callbacks --------------------------------------------------------------------------------------------------------


@case("LE-CB1", "LE-CB2", "LE-CB5", "LE-LSL6")
@pytest.mark.parametrize("kind", ["leases", "configmaps", "endpoints"])
def test_a_leader_works_until_it_is_stopped_and_says_so(
    kind: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    recorder = Recorder()
    candidate = elector(a_lock(kind, kubeprims_client, ME, recorder=recorder), heard, clock)
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        assert candidate.is_leading()
        assert heard.terms[0] is candidate.term
        candidate.stop()
        result = outcome.wait().result
    assert result is not None
    assert (result.has_led, result.reason, result.is_drained, result.is_released) == (
        True,
        EndReason.STOPPED,
        True,
        True,
    )
    assert not candidate.is_leading()
    assert sorted(heard.log) == sorted(["leader me", f"started {heard.terms[0].token}", "ended", "stopped", "leader "])
    assert heard.log.index("ended") < heard.log.index("stopped")
    object_kind = {"leases": "Lease", "configmaps": "ConfigMap", "endpoints": "Endpoints"}[kind]
    assert recorder.notes == [
        f"{object_kind} LeaderElection me became leader",
        f"{object_kind} LeaderElection me stopped leading",
    ]
    assert asked(kubeprims_apiserver) == ["get", "create", "get", "update"]


@case("LE-CB3", otherwise="D5: on_stopped_leading ends a term, and there was none; the result says never led.")
def test_one_who_never_led_is_not_told_to_have_stopped(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    put(kubeprims_apiserver, LEASES, LeaderElectionRecord(holder_identity=YOU, lease_duration_s=15))
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate) as [outcome]:
        heard.wait_for("leader you")
        candidate.stop()
        result = outcome.wait().result
    assert result is not None
    assert not result.has_led
    assert heard.log == ["leader you"]


@case("LE-A33", "LE-A34")
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_work_that_raises_ends_the_election_and_the_lock_is_released(
    error: type[BaseException],
    heard: Heard,
    clock: VirtualClock,
    kubeprims_client: Client,
    kubeprims_apiserver: APIServer,
) -> None:
    def fail(_term: Term) -> None:
        raise error("broken")

    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=fail, rejoin=True)
    with running(candidate) as [outcome]:
        raised = outcome.wait().error
    assert isinstance(raised, LeaderCallbackError)
    assert isinstance(raised.__cause__, error)
    assert str(raised).startswith("on_started_leading of the election default/web failed")
    assert holder(kubeprims_apiserver, LEASES) == ""
    assert "stopped" in heard.log


def test_work_that_hears_from_its_term_that_it_is_over_has_not_failed(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    def work(term: Term) -> None:
        heard.started(term)
        term.check()

    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=work, rejoin=True)
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        kubeprims_apiserver.delete(LEASES, "web", namespace="default")
        clock.advance(2.0)
        heard.wait_for("stopped")
        eventually(lambda: clock.next_due_s() is not None, TIMEOUT_S)
        clock.advance(5.0)
        heard.wait_for("started", 2)
        candidate.stop()
        ended = outcome.wait()
    assert ended.error is None
    assert ended.result == Ended(has_led=True, reason=EndReason.STOPPED, is_drained=True, is_released=True)


def test_work_that_its_term_is_too_short_for_gives_it_back(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(
        a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=lambda term: term.check(60.0)
    )
    assert candidate.run() == Ended(has_led=True, reason=EndReason.STEPPED_DOWN, is_drained=True, is_released=True)
    assert holder(kubeprims_apiserver, LEASES) == ""


@case("LE-A36")
def test_work_that_returns_ends_the_election_and_the_lock_is_released(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=lambda _: None)
    with running(candidate) as [outcome]:
        result = outcome.wait().result
    assert result is not None
    assert result.reason is EndReason.WORK_RETURNED
    assert holder(kubeprims_apiserver, LEASES) == ""


@case("LE-A36")
def test_work_that_returns_may_leave_the_leader_in_office(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(
        a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=lambda _: None, keep_leading=True
    )
    with running(candidate):
        eventually(candidate.is_leading, TIMEOUT_S, "a term")
        clock.advance(2.0)
        wait_for_requests(kubeprims_apiserver, "get", "create", "update")
        assert candidate.is_leading()


@case("LE-A25", "LE-A35")
def test_work_that_does_not_end_is_waited_for_in_vain_and_its_lock_is_not_released(
    heard: Heard,
    clock: VirtualClock,
    kubeprims_client: Client,
    kubeprims_apiserver: APIServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    enough, began = Cancel(), Cancel()

    def work(_term: Term) -> None:
        began.set()
        enough.wait()

    candidate = elector(
        a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=work, drain_timeout_s=1.0
    )
    with running(candidate) as [outcome]:
        assert began.wait(TIMEOUT_S)
        candidate.stop()
        eventually(lambda: heard.log, TIMEOUT_S)
        while not outcome.done.is_set():
            clock.advance(1.0)
            outcome.done.wait(0.05)
        raised = outcome.error
        enough.set()
    assert isinstance(raised, StopTimeout)
    assert "term" in raised.running[0]
    assert holder(kubeprims_apiserver, LEASES) == ME
    assert "the work has not ended in time; the lock is not released" in caplog.text
    assert "stopped" in heard.log


@case("LE-A37")
@pytest.mark.parametrize("who", ["on_new_leader", "on_event"])
def test_a_listener_that_hangs_does_not_hold_renewals_up(
    who: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    enough = Cancel()
    recorder = Recorder(enough.wait if who == "on_event" else lambda: None)
    candidate = elector(
        a_lock("leases", kubeprims_client, ME, recorder=recorder),
        heard,
        clock,
        on_new_leader=(lambda _: enough.wait()) if who == "on_new_leader" else None,
    )
    with running(candidate):
        heard.wait_for("started")
        for number in range(1, 4):
            renew(heard, clock, kubeprims_apiserver, number)
        assert candidate.is_leading()
        enough.set()


@case("LE-A37")
@pytest.mark.parametrize("callback", ["on_new_leader", "on_stopped_leading"])
def test_a_listener_that_raises_does_not_disturb_the_election_and_is_raised_in_the_end(
    callback: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("broken")

    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, **{callback: fail})
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        assert clock.wait_for_waiters()
        clock.advance(2.0)
        wait_for_requests(kubeprims_apiserver, "get", "create", "update")
        assert candidate.is_leading()
        candidate.stop()
        raised = outcome.wait().error
    assert isinstance(raised, LeaderCallbackError)
    assert raised.callback == callback
    assert isinstance(raised.__cause__, ValueError)
    assert holder(kubeprims_apiserver, LEASES) == ""


@case("LE-A41")
def test_it_may_be_stopped_from_a_callback_and_as_often_as_one_likes(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client
) -> None:
    def work(term: Term) -> None:
        candidate.stop()
        candidate.stop()
        term.stopped.wait()

    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, on_started_leading=work)
    with running(candidate) as [outcome]:
        result = outcome.wait().result
        candidate.stop()
    assert result is not None
    assert result.is_released
    assert candidate.stop() is None  # type: ignore[func-returns-value]


# -- losing -----------------------------------------------------------------------------------------------------------


@case("LE-REN6", "LE-REL10")
def test_a_server_that_hangs_does_not_keep_a_term_from_ending_in_time(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        term = heard.terms[0]
        fault = kubeprims_apiserver.faults.add(Stall(), count=None)
        assert clock.wait_for_waiters()
        clock.advance(2.0)
        assert fault.wait_for_hits()
        clock.advance(7.9)
        assert term.is_leading()
        clock.advance(0.1)
        assert not term.is_leading(), "by the clock, whoever has noticed"
        heard.wait_for("ended")
        while not outcome.done.is_set():
            clock.advance(5.0)
            outcome.done.wait(0.05)
        kubeprims_apiserver.faults.clear()
        fault.release()
        result = outcome.result
    assert result is not None
    assert (result.reason, result.is_released) == (EndReason.DEADLINE, False)


@case("LE-A21", "LE-A22", "LE-CB6")
def test_a_leader_that_sees_another_holder_ends_its_work_and_contends_anew(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, rejoin=True)
    with running(candidate):
        heard.wait_for("started")
        rewrite(kubeprims_client, LEASES, LeaderElectionRecord(holder_identity=YOU, lease_duration_s=15))
        assert clock.wait_for_waiters()
        clock.advance(2.0)
        heard.wait_for("stopped")
        heard.wait_for("leader you")
        assert not candidate.is_leading()
        assert heard.terms[0].lost.is_set
        rewrite(kubeprims_client, LEASES, LeaderElectionRecord(lease_duration_s=1))

        def started_again() -> bool:
            clock.advance(1.0)
            return len(heard.terms) == 2

        eventually(started_again, TIMEOUT_S, "another term")
        assert int(heard.terms[1].token) > int(heard.terms[0].token)
        assert candidate.is_leading()
        assert not heard.terms[0].is_leading()


@case("LE-A28", "LE-A29", "LE-A15")
@pytest.mark.parametrize(
    "action",
    [
        server_error(500),
        server_error(503),
        server_error(504),
        too_many_requests(None),
        garbage(),
        html(502),
        Answer(code=500, body=b""),
        Answer(code=200, body=b""),
        Drop(),
    ],
    ids=repr,
)
def test_whatever_a_server_answers_costs_an_attempt_and_no_more(
    action: object, heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate):
        heard.wait_for("started")
        kubeprims_apiserver.faults.add(action, UPDATES)  # type: ignore[arg-type]
        assert clock.wait_for_waiters()
        clock.advance(2.0)
        wait_for_requests(kubeprims_apiserver, "get", "create", "update", "get", "update")
        eventually(lambda: heard.terms[0].remaining_s() == 10.0, TIMEOUT_S, "a renewal")
        assert candidate.last_error is not None
        assert candidate.is_leading()


@case("LE-A16")
def test_a_leader_that_may_not_write_any_more_stops_by_the_deadline(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        fault = kubeprims_apiserver.faults.add(server_error(403), UPDATES, count=None)
        began_s = clock.monotonic()
        while not heard.terms[0].lost.is_set:
            assert clock.monotonic() < began_s + 15.0, "reads extend nothing"
            clock.advance(0.25)
            heard.terms[0].lost.wait(0.02)
        assert fault.hits
        assert not candidate.is_leading()
        heard.wait_for("ended")
        while not outcome.done.is_set():
            clock.advance(5.0)
            outcome.done.wait(0.05)


# -- standing by ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["leases", "configmaps", "configmapsleases", "endpointsleases"])
def test_a_release_is_seen_at_once_by_one_who_watches(
    kind: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    other = Heard()
    first = elector(a_lock(kind, kubeprims_client, ME), heard, clock)
    second = elector(a_lock(kind, kubeprims_client, YOU), other, clock)
    with running(first) as [outcome]:
        heard.wait_for("started")
        with running(second):
            other.wait_for("leader me")
            eventually(lambda: kubeprims_apiserver.faults.open_watches, TIMEOUT_S, "a watch")
            first.stop()
            outcome.wait()
            other.wait_for("started")  # the clock stands still: no poll was due


@case("LE-CFG10")
def test_one_who_may_not_watch_polls_and_says_so_once(
    heard: Heard,
    clock: VirtualClock,
    kubeprims_client: Client,
    kubeprims_apiserver: APIServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(kubeprims_apiserver, LEASES, LeaderElectionRecord(holder_identity=YOU, lease_duration_s=15))
    kubeprims_apiserver.faults.add(server_error(403), Match(verb="list"), count=None)
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate):
        heard.wait_for("leader you")
        eventually(lambda: "it is polled" in caplog.text, TIMEOUT_S)
        for number in range(2, 5):
            eventually(lambda number=number: advanced(clock) and len(asked(kubeprims_apiserver)) >= number, TIMEOUT_S)  # type: ignore[misc]
    assert caplog.text.count("it is polled") == 1
    assert all(entry.user_agent.endswith("/leader-election") for entry in kubeprims_apiserver.requests)
    assert candidate.config.request_timeout_s == 5.0


def advanced(clock: VirtualClock) -> bool:
    clock.advance(0.5)
    return True


@case("CM-46")
def test_an_election_asks_by_a_client_of_its_own(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate):
        heard.wait_for("started")
        assert {request.user_agent.rpartition("/")[2] for request in kubeprims_apiserver.requests} == {
            "leader-election"
        }
        assert kubeprims_apiserver.connections >= 1
    kubeprims_client.resource("v1/configmaps", "default").list()
    assert not kubeprims_apiserver.requests[-1].user_agent.endswith("leader-election")


def test_a_leader_does_not_watch_and_makes_one_request_a_renewal(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate):
        heard.wait_for("started")
        for number in range(1, 6):
            renew(heard, clock, kubeprims_apiserver, number)
        assert len(list(kubeprims_apiserver.requests)) == 7, "nothing else was asked"


def test_one_who_steps_down_gives_the_lock_to_another(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    other = Heard()
    first = elector(a_lock("leases", kubeprims_client, ME), heard, clock, rejoin=True)
    second = elector(a_lock("leases", kubeprims_client, YOU), other, clock)
    with running(first):
        heard.wait_for("started")
        with running(second):
            other.wait_for("leader me")
            eventually(lambda: kubeprims_apiserver.faults.open_watches, TIMEOUT_S, "a watch")
            first.step_down()
            other.wait_for("started")
            heard.wait_for("stopped")
            assert holder(kubeprims_apiserver, LEASES) == YOU


# -- health and figures -----------------------------------------------------------------------------------------------


@case("LE-HZ2", "LE-HZ4", "LE-HZ5")
def test_a_leader_that_has_not_renewed_for_long_is_ill(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(
        a_lock("leases", kubeprims_client, ME), heard, clock, lease_duration_s=60.0, renew_deadline_s=40.0
    )
    assert candidate.check() is None
    block = threading.Event()

    def stuck(_now: Instant) -> tuple[Effect, ...]:
        block.wait(TIMEOUT_S)
        return ()

    with running(candidate):
        heard.wait_for("started")
        assert candidate.check() is None
        candidate._report(stuck)
        eventually(lambda: not candidate._inbox, TIMEOUT_S)
        clock.advance(61.0)
        assert candidate.check(tolerance_s=20.0) is None
        clock.advance(3600.0)
        assert candidate.check(tolerance_s=20.0) == "the election default/web has not renewed its lease for 3661 s"
        block.set()
    assert candidate.check() is None


@case("LE-HZ3")
def test_one_who_does_not_lead_is_well(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    put(kubeprims_apiserver, LEASES, LeaderElectionRecord(holder_identity=YOU, lease_duration_s=15))
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate):
        heard.wait_for("leader you")
        assert candidate.leader == YOU
        clock.advance(0.1)
        assert candidate.check(tolerance_s=0.0) is None


@case("LE-MET1", "LE-CFG1", "CM-63")
def test_figures_say_who_leads_and_never_stay_at_one(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)

    def figure(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"name": "web", **labels})

    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock, name="web", metrics=metrics)
    assert figure("leader_election_master_status") == 0
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        assert figure("leader_election_master_status") == 1
        assert figure("kubeprims_leader_election_bound_seconds") == 10.0
        kubeprims_apiserver.faults.add(server_error(500), UPDATES)
        assert clock.wait_for_waiters()
        clock.advance(2.0)
        eventually(lambda: figure("leader_election_slowpath_total") == 1, TIMEOUT_S)
        eventually(lambda: figure("kubeprims_leader_election_renew_seconds_count") == 1, TIMEOUT_S)
        candidate.stop()
        outcome.wait()
    assert figure("leader_election_master_status") == 0
    assert figure("kubeprims_leader_election_terms_ended_total", reason="stopped") == 1
    assert figure("kubeprims_leader_election_bound_seconds") is None
    metrics.close()


# -- life -------------------------------------------------------------------------------------------------------------


def test_it_runs_once(heard: Heard, clock: VirtualClock, kubeprims_client: Client) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    stop = Cancel()
    stop.set()
    result = candidate.run(stop)
    assert not result.has_led
    with pytest.raises(LifecycleError, match="runs once"):
        candidate.run()


@case("LE-REN7")
def test_one_who_is_stopped_before_it_runs_asks_for_nothing(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    stop = threading.Event()
    stop.set()
    candidate.stop()
    candidate.run(stop)
    assert "update" not in asked(kubeprims_apiserver)


@case("LE-A38")
def test_a_forked_child_does_not_lead_and_does_not_run(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    fresh = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    with running(candidate):
        heard.wait_for("started")
        before = len(list(kubeprims_apiserver.requests))
        child = os.fork()
        if child == 0:
            try:
                fresh.run()
            except LifecycleError:
                os._exit(1 if candidate.is_leading() else 0)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert candidate.is_leading()
        assert len(list(kubeprims_apiserver.requests)) == before


@case("LE-A38")
@pytest.mark.parametrize("kind", ["leases", "configmapsleases"])
def test_a_name_that_was_made_up_before_a_fork_is_not_unique_after_it(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client, None)
    child = os.fork()
    if child == 0:
        candidate = LeaderElector(lock, on_started_leading=lambda _: None)
        os._exit(1 if lock.has_generated_identity or candidate.config.identity_is_unique else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "its siblings have the same name"
    assert LeaderElector(lock, on_started_leading=lambda _: None).config.identity_is_unique


@pytest.mark.parametrize("kind", ["leases", "configmapsleases"])
def test_two_electors_do_not_run_with_one_lock_at_a_time(
    kind: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client, None)
    with running(elector(lock, heard, clock)):
        heard.wait_for("started")
        with pytest.raises(LifecycleError, match="the lock default/web has an elector that runs"):
            elector(lock, heard, clock).run()
    with running(elector(lock, heard, clock)):
        heard.wait_for("started", 2)


async def never_awaited(*_: object) -> None:
    """Do nothing: nobody here would run it."""


@case("LE-CFG6", "LE-CFG7", "LE-CFG11")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("on_started_leading", None),
        ("on_started_leading", never_awaited),
        ("on_stopped_leading", "x"),
        ("on_stopped_leading", never_awaited),
        ("on_new_leader", "x"),
        ("lock", None),
    ],
)
def test_what_is_missing_or_cannot_be_called_is_refused(
    field: str, value: object, heard: Heard, clock: VirtualClock, kubeprims_client: Client
) -> None:
    lock = a_lock("leases", kubeprims_client, ME)
    with pytest.raises(ConfigError, match=field):
        elector(None if field == "lock" else lock, heard, clock, **({} if field == "lock" else {field: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["configmaps", "endpoints", "configmapsleases"])
def test_a_lock_of_whole_seconds_needs_room_for_one(
    kind: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client
) -> None:
    times = {"lease_duration_s": 3.0, "renew_deadline_s": 1.5, "retry_period_s": 0.5}
    with pytest.raises(ConfigError, match="renew_deadline_s: must be more than a second above"):
        elector(a_lock(kind, kubeprims_client, ME), heard, clock, **times)
    elector(a_lock("leases", kubeprims_client, ME), heard, clock, **times)


@pytest.mark.parametrize("kind", ["configmaps", "leases", "configmapsleases"])
def test_the_server_gives_leases_away_and_no_other_lock(
    kind: str, heard: Heard, clock: VirtualClock, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client, ME)
    if kind == "leases":
        assert elector(lock, heard, clock, coordinated=True).config.coordinated
        return
    with pytest.raises(ConfigError, match="coordinated: needs a LeaseLock"):
        elector(lock, heard, clock, coordinated=True)


def test_its_own_bug_ends_it_and_is_raised(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)
    assert repr(candidate) == "<LeaderElector me of default/web new>"
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        candidate._on_thread_error(ZeroDivisionError())
        raised = outcome.wait().error
    assert isinstance(raised, ZeroDivisionError)
    assert not candidate.is_leading()
    heard.wait_for("ended")


@case("LE-REN8")
def test_it_can_be_asked_how_it_is_while_it_renews_all_the_time(
    heard: Heard, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = LeaderElector(
        a_lock("leases", kubeprims_client, ME),
        on_started_leading=heard.started,
        lease_duration_s=60.0,
        renew_deadline_s=40.0,
        retry_period_s=0.005,
    )
    enough = Cancel()
    answers: set[str | None] = set()

    def hammer() -> None:
        while not enough.wait(0.001):  # as often as it renews, and the interpreter is left to that
            answers.add(candidate.check())

    group = ThreadGroup("probes")
    with running(candidate) as [outcome]:
        heard.wait_for("started")
        for number in range(3):
            group.spawn(hammer, name=f"probe {number}")
        eventually(lambda: asked(kubeprims_apiserver).count("update") > 10, TIMEOUT_S, "renewals")
        candidate.stop()
        outcome.wait()
        enough.set()
        assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert outcome.error is None
    assert answers == {None}


@case("LE-A7", otherwise="D6: there is no asyncio elector; a term that a blocked loop asks is over by the clock.")
def test_a_blocked_event_loop_finds_the_term_over_when_it_asks(clock: VirtualClock) -> None:
    term = Term("7", clock.monotonic() + 10.0, clock=clock)

    async def work() -> tuple[bool, bool]:
        before = term.is_leading()
        clock.advance(11.0)  # what the loop does not notice, as it is held up
        await asyncio.sleep(0)
        return before, term.is_leading()

    assert asyncio.run(work()) == (True, False)


FORGETFUL = """
import sys, threading
import kubeprims as kp
client = kp.Client.from_config()
leads = threading.Event()
def work(term):
    leads.set()
    term.stopped.wait()
elector = kp.LeaderElector(kp.LeaseLock(client, namespace="default", name="web"), on_started_leading=work)
threading.Thread(target=elector.run, daemon=True).start()
assert leads.wait(20)
"""


@case("LE-A40")
def test_a_program_that_ends_without_a_word_has_the_lock_released(
    kubeprims_apiserver: APIServer, kubeprims_kubeconfig: pathlib.Path
) -> None:
    assert kubeprims_kubeconfig.exists()
    subprocess.run([sys.executable, "-c", FORGETFUL], check=True, timeout=3 * TIMEOUT_S)
    assert holder(kubeprims_apiserver, LEASES) == ""
    before = len(asked(kubeprims_apiserver))
    assert asked(kubeprims_apiserver)[-2:] == ["get", "update"]
    assert len(asked(kubeprims_apiserver)) == before


@case("LE-A39")
def test_an_exception_in_the_thread_that_runs_it_ends_the_work_first(
    heard: Heard, clock: VirtualClock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    candidate = elector(a_lock("leases", kubeprims_client, ME), heard, clock)

    def interrupt(_now: Instant) -> tuple[Effect, ...]:
        raise SystemExit(0)  # as a signal handler may

    with running(candidate) as [outcome]:
        heard.wait_for("started")
        candidate._report(interrupt)
        assert isinstance(outcome.wait().error, SystemExit)
    assert heard.log.count("ended") == 1
    assert holder(kubeprims_apiserver, LEASES) == ""


@case("LE-CFG2", "LE-CFG11")
def test_an_empty_identity_is_refused(kubeprims_client: Client) -> None:
    with pytest.raises(ConfigError, match="identity"):
        a_lock("leases", kubeprims_client, "")
