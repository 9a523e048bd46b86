"""ElectionMachine: every decision, without a thread, a clock or a socket."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import (
    Create,
    Ended,
    EndReason,
    EndTerm,
    ExtendTerm,
    Get,
    Instant,
    NewLeader,
    Notice,
    Phase,
    Report,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.leaderelection.machine import ElectionMachine
from kubeprims.leaderelection.record import LeaderElectionRecord
from tests.leaderelection.stepping import EPOCH, Candidate, MemoryLock, blanked, held_by
from tests.parity import case


def leader(lock: MemoryLock | None = None, **settings: object) -> Candidate:
    """Return a candidate that has just become the leader."""
    candidate = Candidate(lock or MemoryLock(), **settings)  # type: ignore[arg-type]
    candidate.win()
    return candidate


def follower(lock: MemoryLock, **settings: object) -> Candidate:
    """Return a candidate that has seen who leads."""
    candidate = Candidate(lock, **settings)  # type: ignore[arg-type]
    candidate.start()
    candidate.answer()
    return candidate


def written(lock: MemoryLock) -> LeaderElectionRecord:
    assert lock.record is not None
    return lock.record


def ends(candidate: Candidate) -> list[EndReason]:
    return [effect.reason for effect in candidate.told if isinstance(effect, EndTerm)]


# -- contending -------------------------------------------------------------------------------------------------------


@case("LE-ACQ1")
def test_a_lock_that_is_not_there_is_created() -> None:
    candidate = leader()
    assert candidate.requests == ["get", "create"]
    assert candidate.told == [NewLeader("me"), StartTerm("1", 10.0)]
    assert written(candidate.lock).leader_transitions == 0


@case("LE-ACQ2", "LE-ACQ3")
def test_an_object_that_nobody_holds_is_updated() -> None:
    lock = MemoryLock()
    lock.write(LeaderElectionRecord())
    candidate = leader(lock)
    assert candidate.requests == ["get", "update"]
    assert (written(lock).holder_identity, written(lock).leader_transitions) == ("me", 1)


@case("LE-ACQ4")
def test_a_lock_of_somebody_who_does_not_renew_is_taken_over_when_its_time_is_over() -> None:
    candidate = Candidate(held_by("you", duration_s=3), lease_duration_s=3, renew_deadline_s=2, retry_period_s=1.5)
    candidate.start()
    assert candidate.answer() == [NewLeader("you"), Wait(1.5)]
    candidate.waited()
    assert candidate.answer() == [Wait(3.0)]
    candidate.waited()
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert candidate.now_s == 3.0
    assert written(candidate.lock).leader_transitions == 1
    assert candidate.requests == ["get", "get", "get", "update"]


@case("LE-ACQ5")
def test_a_lock_that_was_seen_to_be_abandoned_is_taken_at_the_next_look() -> None:
    candidate = follower(held_by("you"))
    candidate.pass_s(100.0)
    candidate.waited()
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert candidate.requests == ["get", "get", "update"]


@case("LE-ACQ6")
def test_a_lock_that_was_released_is_had_at_once() -> None:
    candidate = follower(held_by("you"))
    blanked(candidate.lock)
    candidate.waited()
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert candidate.now_s == 2.0


@case("LE-ACQ7")
def test_a_lock_that_somebody_holds_is_left_alone() -> None:
    candidate = follower(held_by("you"))
    assert candidate.requests == ["get"]
    assert candidate.told == [NewLeader("you")]
    assert not candidate.leads


@case("LE-ACQ8")
def test_one_who_finds_itself_holding_goes_on_if_nobody_else_can_have_its_identity() -> None:
    lock = held_by("me", transitions=4)
    before = written(lock)
    candidate = Candidate(lock, identity_is_unique=True)
    candidate.win()
    assert candidate.requests == ["get", "update"]
    assert written(lock) == replace(before, renew_time=EPOCH)


@case("LE-A31")
def test_one_who_finds_itself_holding_waits_the_lease_out_if_an_earlier_process_may_live() -> None:
    candidate = follower(held_by("me"))
    while candidate.now_s < 15.0:
        assert not candidate.leads
        candidate.waited()
        candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert candidate.requests[-1] == "update"
    assert candidate.told[:1] == [NewLeader("me")]


@case("LE-ACQ9")
def test_a_lock_that_somebody_else_creates_first_is_a_failed_attempt() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    held_by("you", candidate.lock)
    assert candidate.answer() == [Wait(2.0)]
    candidate.waited()
    assert candidate.answer() == [NewLeader("you"), Wait(4.0)]


@case("LE-ACQ10")
def test_a_take_over_that_conflicts_is_a_failed_attempt() -> None:
    candidate = follower(held_by("you"))
    candidate.pass_s(15.0)
    candidate.waited()
    candidate.answer()
    held_by("you", candidate.lock)
    assert candidate.answer() == [Wait(17.0)]
    assert candidate.machine.lock.holder == "you"
    candidate.waited()
    candidate.answer()
    assert candidate.machine.lock.expires_at_s == 17.0 + 15.0, "counted from the sight of the new record"


@case("LE-ACQ11")
def test_a_read_that_fails_does_not_start_the_time_anew() -> None:
    candidate = follower(held_by("you", duration_s=3), lease_duration_s=3, renew_deadline_s=2, retry_period_s=1)
    candidate.waited()
    candidate.fail()
    candidate.waited()
    candidate.fail()
    assert candidate.now_s == 2.0
    candidate.waited()
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert candidate.now_s == 3.0


@case("LE-ACQ12")
def test_one_who_renews_is_never_taken_over() -> None:
    candidate = follower(held_by("you"))
    while candidate.now_s < 150.0:
        held_by("you", candidate.lock)
        candidate.waited()
        candidate.answer()
    assert set(candidate.requests) == {"get"}


@case("LE-ACQ13")
def test_the_records_duration_counts_not_the_candidates_own() -> None:
    candidate = follower(held_by("you", duration_s=30), lease_duration_s=12)
    while not candidate.leads:
        if candidate.request is None:
            candidate.waited()
        candidate.answer()
    assert candidate.now_s == 30.0


@case("LE-ACQ14")
def test_attempts_are_spread_over_one_to_two_point_two_periods() -> None:
    config = ElectionConfig()
    machine = ElectionMachine("me", config, rng=random.Random(1))
    machine.start(Instant(0.0, EPOCH))
    delays = []
    now_s = 0.0
    for _ in range(1000):
        [wait] = machine.on_get_failed(Instant(now_s, EPOCH))
        assert isinstance(wait, Wait)
        delays.append(wait.until_s - now_s)
        now_s = wait.until_s
        assert isinstance(machine.on_waited(Instant(now_s, EPOCH))[0], Get)
    assert all(2.0 <= delay < 4.4 + 1e-9 for delay in delays)
    assert 3.1 < sum(delays) / 1000 < 3.3


@case("LE-ACQ15", "LE-REL8")
def test_one_who_waits_stops_at_once_and_writes_nothing() -> None:
    candidate = follower(held_by("you"))
    assert candidate.stop() == [Ended(has_led=False, reason=None, is_drained=True, is_released=False)]
    assert candidate.requests == ["get"]


def test_one_who_reads_stops_at_once_and_what_is_read_later_changes_nothing() -> None:
    candidate = Candidate(held_by("you"))
    candidate.start()
    assert isinstance(candidate.stop()[-1], Ended)
    assert candidate.machine.on_got(held_by("me").observation, candidate.now) == ()  # type: ignore[arg-type]
    assert candidate.machine.on_get_failed(candidate.now) == ()
    assert candidate.machine.on_not_found(candidate.now) == ()
    assert candidate.machine.on_write_failed(WriteFailure.UNKNOWN, candidate.now) == ()
    assert candidate.machine.on_written("1", "1", candidate.now) == ()
    assert candidate.machine.on_waited(candidate.now) == ()
    assert candidate.stop() == []


@case("LE-REN7")
def test_one_who_is_stopped_before_it_starts_does_nothing() -> None:
    candidate = Candidate(MemoryLock())
    assert candidate.stop() == []
    assert candidate.start() == [Ended(has_led=False, reason=None, is_drained=True, is_released=False)]
    assert candidate.requests == []


@case("LE-CB4")
def test_each_change_of_the_holder_is_told_once() -> None:
    candidate = follower(held_by("A"))
    for holder in ("A", "B", "B"):
        held_by(holder, candidate.lock)
        candidate.waited()
        candidate.answer()
    blanked(candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.told == [NewLeader("A"), NewLeader("B"), NewLeader("")]


@case("LE-A26")
@pytest.mark.parametrize(("duration_s", "expected_s"), [(0, 15.0), (-5, 15.0), (2_000_000_000, 3600.0), (17, 17.0)])
def test_absurd_durations_count_as_ones_own_or_as_the_most_there_is(duration_s: int, expected_s: float) -> None:
    candidate = follower(held_by("you", duration_s=duration_s))
    assert candidate.machine.lock.expires_at_s == expected_s


@case("LE-A27")
def test_an_unreadable_lock_counts_as_held_for_ones_own_duration_and_is_then_taken() -> None:
    lock = MemoryLock()
    lock.write(None)
    candidate = follower(lock)
    assert candidate.told == [Report(Notice.UNREADABLE_LOCK)]
    while not candidate.leads:
        if candidate.request is None:
            candidate.waited()
        candidate.answer()
    assert candidate.now_s == 15.0
    assert candidate.told[-2:] == [NewLeader("me"), StartTerm("2", 25.0)]


@case("LE-A20")
def test_a_lock_that_may_not_be_created_is_asked_for_again_and_again() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    for _ in range(5):
        candidate.answer()
        assert isinstance(candidate.request, Create)
        candidate.fail(WriteFailure.REFUSED)
        candidate.waited()
    assert not candidate.leads


@case("LE-A12")
def test_a_server_that_is_always_too_slow_never_makes_a_leader() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer(takes_s=0.0)
    candidate.answer(takes_s=11.0)
    assert candidate.told == [NewLeader("me"), Report(Notice.SLOW_SERVER)]
    for _ in range(10):
        candidate.waited()
        candidate.answer(takes_s=11.0)
        candidate.answer(takes_s=11.0)
        assert not any(isinstance(effect, StartTerm) for effect in candidate.told)
    assert candidate.told == [NewLeader("me"), Report(Notice.SLOW_SERVER)]


@case("LE-A10", "LE-A32")
def test_a_write_whose_answer_was_lost_is_recognised_and_opens_a_term_only_by_another_one() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    candidate.lose_answer()
    assert not candidate.leads
    candidate.waited()
    candidate.answer()
    assert isinstance(candidate.request, Update)
    candidate.answer()
    assert candidate.leads
    assert candidate.told[-1] == StartTerm("2", candidate.now_s + 10.0)
    assert Report(Notice.DUPLICATE_IDENTITY) not in candidate.told


def test_a_write_that_changes_nothing_opens_no_term() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    record = candidate.request.record  # type: ignore[union-attr]
    candidate.lock.write(record)
    candidate.fail(WriteFailure.UNKNOWN)
    candidate.waited()
    candidate.answer()
    # As a ConfigMap has it: the same second, so the same record.
    candidate.request = None
    assert candidate.take(candidate.machine.on_written(candidate.lock.version, "1", candidate.now)) == [Wait(4.0)]
    assert not candidate.leads


# -- leading ----------------------------------------------------------------------------------------------------------


@case("LE-REN1", "LE-REN3")
def test_renewals_are_one_request_each_and_change_one_time() -> None:
    candidate = leader()
    before = written(candidate.lock)
    candidate.renew(2)
    assert candidate.requests == ["get", "create", "update", "update"]
    after = written(candidate.lock)
    assert after.renew_time is not None
    assert before.renew_time is not None
    assert after.renew_time > before.renew_time
    assert replace(after, renew_time=before.renew_time) == before


@case("LE-REN2")
def test_a_renewal_that_conflicts_is_read_for_and_written_again() -> None:
    candidate = leader()
    candidate.renew()
    candidate.waited()
    candidate.fail(WriteFailure.CONFLICT)
    candidate.answer()
    candidate.answer()
    candidate.renew()
    assert candidate.requests == ["get", "create", "update", "update", "get", "update", "update"]
    assert candidate.machine.slow_renewals == 1


@case("LE-REN4")
def test_a_lease_that_ran_out_is_read_before_it_is_written() -> None:
    candidate = leader(rejoin=True)
    candidate.pass_s(20.0)
    candidate.waited()
    candidate.returned()
    while not candidate.leads:
        candidate.answer() if candidate.request is not None else candidate.waited()
    assert candidate.requests[2:] == ["get", "update", "get", "update"], "to release, and to lead anew"


@case("LE-REN5", "LE-A16")
def test_a_leader_whose_writes_fail_stops_at_the_deadline_however_well_it_reads() -> None:
    candidate = leader()
    while candidate.machine.phase is Phase.LEADING:
        if candidate.request is None:
            candidate.waited()
        elif isinstance(candidate.request, Get):
            candidate.answer()
        else:
            candidate.fail(WriteFailure.REFUSED)
    assert candidate.now_s == 10.0
    assert ends(candidate) == [EndReason.DEADLINE]
    assert not candidate.leads
    attempts = candidate.requests[2:].count("get")
    assert attempts in {4, 5}, "at 2, 4, 6 and 8 s"
    assert candidate.request is None, "none in flight after the deadline"


@case("LE-REN6")
def test_no_request_is_waited_for_beyond_the_deadline() -> None:
    candidate = leader()
    while candidate.machine.phase is Phase.LEADING:
        if candidate.request is None:
            candidate.waited()
        assert candidate.request is not None or candidate.machine.phase is not Phase.LEADING
        if candidate.request is not None:
            assert candidate.request.give_up_at_s <= 10.0
            candidate.now_s = candidate.request.give_up_at_s
            candidate.fail(WriteFailure.UNKNOWN)
    assert candidate.now_s == 10.0
    assert ends(candidate) == [EndReason.DEADLINE]


def test_a_term_ends_even_if_the_driver_says_nothing_of_a_request() -> None:
    candidate = leader()
    candidate.waited()
    candidate.now_s = 10.0
    assert candidate.take(candidate.machine.on_waited(candidate.now)) == [EndTerm(EndReason.DEADLINE)]
    candidate.answer()
    assert not candidate.leads, "what was over stays over"


@case("LE-A11")
def test_a_term_is_counted_from_when_the_write_was_sent() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    candidate.answer(takes_s=4.0)
    assert candidate.leads_until_s == 10.0
    candidate.waited()
    assert candidate.now_s == 6.0
    assert candidate.answer(takes_s=3.9) == [ExtendTerm(16.0), Wait(11.9)]


@case("LE-A11")
def test_an_answer_after_the_deadline_extends_nothing() -> None:
    candidate = leader()
    candidate.waited()
    assert candidate.answer(takes_s=8.0) == [EndTerm(EndReason.DEADLINE), Wait(40.0)]
    assert not candidate.leads


def test_a_renewal_that_nobody_can_see_extends_nothing() -> None:
    candidate = leader()
    candidate.waited()
    version = candidate.machine.lock.observation.version  # type: ignore[union-attr]
    candidate.request = None
    assert candidate.take(candidate.machine.on_written(version, "1", candidate.now)) == [Wait(4.0)]
    assert candidate.leads_until_s == 10.0


@case("LE-A13")
def test_a_leader_lives_with_one_who_writes_labels_all_the_time() -> None:
    candidate = leader()
    for _ in range(15):
        candidate.waited()
        candidate.lock.revision += 1
        candidate.answer()
        candidate.answer()
        assert candidate.answer()[:1] == [ExtendTerm(candidate.now_s + 10.0)]
    assert ends(candidate) == []
    assert candidate.machine.slow_renewals == 15


def test_one_who_writes_labels_does_not_keep_a_dead_leader_alive() -> None:
    candidate = follower(held_by("you"))
    while not candidate.leads:
        candidate.lock.revision += 1
        if candidate.request is None:
            candidate.waited()
        candidate.answer()
        if candidate.request is not None:
            candidate.answer()
        assert candidate.now_s <= 15.0
    assert candidate.now_s == 15.0


@case("LE-A17", "LE-A15")
@pytest.mark.parametrize("failure", [WriteFailure.REFUSED, WriteFailure.UNKNOWN])
def test_one_failed_write_costs_one_read(failure: WriteFailure) -> None:
    candidate = leader()
    candidate.waited()
    candidate.fail(failure)
    candidate.answer()
    candidate.answer()
    assert candidate.leads_until_s == 12.0
    assert ends(candidate) == []


@case("LE-A32")
def test_a_renewal_whose_answer_was_lost_is_recognised() -> None:
    candidate = leader()
    candidate.waited()
    candidate.lose_answer()
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert ends(candidate) == []


@case("LE-A21", "LE-A19", "LE-A22")
def test_a_leader_that_sees_another_holder_stops_at_once_and_says_who_leads() -> None:
    candidate = leader()
    held_by("you", candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.answer() == [NewLeader("you"), EndTerm(EndReason.OTHER_HOLDER), Wait(32.0)]
    assert candidate.now_s == 2.0
    assert not candidate.leads


@case("LE-A22")
def test_a_holder_that_comes_and_goes_between_two_renewals_ends_the_term_and_the_next_one_is_another() -> None:
    candidate = leader(rejoin=True)
    held_by("you", candidate.lock, transitions=1)
    blanked(candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.answer() == [NewLeader(""), EndTerm(EndReason.OTHER_HOLDER), Wait(32.0)]
    candidate.returned()
    candidate.waited()
    candidate.answer()
    candidate.answer()
    starts = [effect.token for effect in candidate.told if isinstance(effect, StartTerm)]
    assert starts == ["1", "4"]
    assert written(candidate.lock).leader_transitions == 2


@case("LE-A18")
def test_a_lock_that_is_deleted_ends_the_term_and_the_next_token_is_larger() -> None:
    candidate = leader(rejoin=True)
    candidate.lock.delete()
    candidate.waited()
    candidate.answer()
    assert candidate.answer() == [NewLeader(""), EndTerm(EndReason.LOCK_GONE), Wait(32.0)]
    candidate.returned()
    candidate.waited()
    candidate.answer()
    candidate.answer()
    tokens = [int(effect.token) for effect in candidate.told if isinstance(effect, StartTerm)]
    assert tokens == [1, 3]


@case("LE-A20")
def test_a_leader_whose_namespace_goes_stops_and_is_refused_a_new_lock() -> None:
    candidate = leader(rejoin=True)
    candidate.lock.delete()
    candidate.waited()
    candidate.answer()
    candidate.answer()
    candidate.returned()
    candidate.waited()
    candidate.answer()
    candidate.fail(WriteFailure.REFUSED)
    assert not candidate.leads
    assert candidate.wait is not None


@case("LE-A30")
def test_somebody_else_with_the_same_identity_ends_the_term_and_is_told_of() -> None:
    candidate = leader()
    held_by("me", candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.answer() == [
        Report(Notice.DUPLICATE_IDENTITY),
        EndTerm(EndReason.DUPLICATE_IDENTITY),
        Wait(32.0),
    ]
    assert candidate.now_s == 2.0, "within one period"


@case("LE-A30")
def test_a_follower_that_sees_its_own_name_renewed_by_another_says_so() -> None:
    candidate = follower(held_by("me"), identity_is_unique=False)
    assert Report(Notice.DUPLICATE_IDENTITY) not in candidate.told
    held_by("me", candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.told == [NewLeader("me"), Report(Notice.DUPLICATE_IDENTITY)]
    assert not candidate.leads


@case("LE-A30")
def test_one_who_has_met_a_namesake_does_not_take_over_at_once_however_unique_it_was_said_to_be() -> None:
    candidate = leader(identity_is_unique=True, rejoin=True)
    held_by("me", candidate.lock)
    candidate.waited()
    candidate.answer()
    candidate.answer()
    candidate.returned()
    candidate.waited()
    assert isinstance(candidate.answer()[-1], Wait)
    assert not candidate.leads


@case("LE-A4", "LE-A6", "LE-A3")
def test_one_who_was_away_beyond_the_deadline_does_not_lead_any_more_and_claims_nothing() -> None:
    candidate = leader()
    candidate.pass_s(30.0)
    assert not candidate.leads
    assert candidate.waited() == [EndTerm(EndReason.DEADLINE), Wait(60.0)]
    assert candidate.requests == ["get", "create"]


@case("LE-A5")
def test_one_who_was_away_while_nobody_else_came_leads_anew_with_another_token() -> None:
    candidate = leader(rejoin=True)
    candidate.pass_s(30.0)
    candidate.waited()
    candidate.returned()
    while not candidate.leads:
        if candidate.request is None:
            candidate.waited()
        candidate.answer()
    tokens = [int(effect.token) for effect in candidate.told if isinstance(effect, StartTerm)]
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 2


# -- stopping and releasing -------------------------------------------------------------------------------------------


@case("LE-REL1", "LE-REL2", "LE-REL3")
def test_a_leader_that_is_stopped_drains_reads_and_releases() -> None:
    candidate = leader()
    candidate.renew()
    assert candidate.stop() == [EndTerm(EndReason.STOPPED), Wait(4.0)]
    assert candidate.leads, "the work ends under the lock"
    assert isinstance(candidate.returned()[-1], Get)
    candidate.answer()
    candidate.answer()
    assert candidate.requests[-2:] == ["get", "update"]
    assert candidate.told[-2:] == [
        NewLeader(""),
        Ended(has_led=True, reason=EndReason.STOPPED, is_drained=True, is_released=True),
    ]
    now = candidate.now.wall
    assert written(candidate.lock) == LeaderElectionRecord(lease_duration_s=1, acquire_time=now, renew_time=now)


def test_a_leader_renews_while_its_work_ends() -> None:
    candidate = leader()
    candidate.stop()
    candidate.renew(8)
    assert candidate.now_s == 16.0
    assert candidate.leads
    candidate.returned()
    candidate.answer()
    candidate.answer()
    assert candidate.ended is not None
    assert candidate.ended.is_released


def test_a_lock_that_is_lost_while_the_work_ends_is_not_renewed_and_not_released() -> None:
    candidate = leader()
    candidate.stop()
    held_by("you", candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.answer() == [NewLeader("you"), EndTerm(EndReason.OTHER_HOLDER), Wait(30.0)]
    assert not candidate.leads
    assert candidate.returned() == [
        Ended(has_led=True, reason=EndReason.OTHER_HOLDER, is_drained=True, is_released=False)
    ]


def test_a_term_is_lost_at_its_deadline_also_while_its_work_ends() -> None:
    candidate = leader()
    candidate.stop()
    while candidate.now_s < 10.0:
        candidate.waited() if candidate.request is None else candidate.fail()
    assert candidate.told[-1] == EndTerm(EndReason.DEADLINE), "the work must not go on until the end of the drain"
    assert candidate.wait == Wait(30.0)
    candidate.returned()
    candidate.answer()
    candidate.answer()
    assert candidate.ended == Ended(has_led=True, reason=EndReason.DEADLINE, is_drained=True, is_released=True)


@case("LE-REL4")
def test_a_release_that_conflicts_is_tried_again() -> None:
    candidate = leader()
    candidate.stop()
    candidate.returned()
    candidate.answer()
    candidate.fail(WriteFailure.CONFLICT)
    candidate.answer()
    candidate.answer()
    assert candidate.ended is not None
    assert candidate.ended.is_released


@case("LE-A14", "LE-REL10")
@pytest.mark.parametrize("failure", WriteFailure)
def test_a_release_gives_up_in_time(failure: WriteFailure) -> None:
    candidate = leader(chance=0.5)
    candidate.stop()
    candidate.returned()
    while candidate.ended is None:
        if candidate.request is None:
            candidate.waited()
        elif isinstance(candidate.request, Get):
            candidate.answer()
        else:
            candidate.fail(failure)
    assert candidate.now_s == 10.0
    assert len(candidate.requests) < 100
    assert not candidate.ended.is_released


@case("LE-REL10")
def test_a_release_gives_up_in_time_if_the_server_hangs() -> None:
    candidate = leader()
    candidate.stop()
    candidate.returned()
    while candidate.ended is None:
        if candidate.request is None:
            candidate.waited()
            continue
        candidate.now_s = candidate.request.give_up_at_s
        candidate.fail(WriteFailure.UNKNOWN)
    assert candidate.now_s == 10.0


def test_a_release_whose_answer_was_lost_is_recognised() -> None:
    candidate = leader()
    candidate.stop()
    candidate.returned()
    candidate.answer()
    candidate.lose_answer()
    while candidate.ended is None:
        candidate.answer() if candidate.request is not None else candidate.waited()
    assert candidate.ended.is_released


@case("LE-REL5", "LE-REL6")
@pytest.mark.parametrize("reads", [False, True])
def test_one_who_is_stopped_during_a_request_releases_after_it(reads: bool) -> None:  # noqa: FBT001 - a parameter
    candidate = leader()
    candidate.waited()
    if reads:
        candidate.fail(WriteFailure.CONFLICT)
    assert candidate.stop() == [EndTerm(EndReason.STOPPED)]
    candidate.returned()
    candidate.fail(WriteFailure.UNKNOWN)
    while candidate.ended is None:
        candidate.answer() if candidate.request is not None else candidate.waited()
    assert candidate.ended.is_released


@case("LE-A24")
def test_a_renewal_that_lands_before_the_release_does_not_keep_the_lock() -> None:
    candidate = leader()
    candidate.waited()
    candidate.stop()
    candidate.returned()
    assert isinstance(candidate.answer()[-1], Get), "the renewal is done; now the release reads"
    candidate.answer()
    candidate.answer()
    assert candidate.ended is not None
    assert candidate.ended.is_released
    assert written(candidate.lock).holder_identity == ""


def test_one_who_is_stopped_while_its_winning_write_is_under_way_never_leads_and_gives_the_lock_back() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    assert candidate.stop() == []
    while candidate.ended is None:
        candidate.answer() if candidate.request is not None else candidate.waited()
    assert candidate.ended == Ended(has_led=False, reason=None, is_drained=True, is_released=True)
    assert written(candidate.lock).holder_identity == ""
    assert not any(isinstance(effect, StartTerm) for effect in candidate.told)


def test_one_who_is_stopped_without_knowing_whether_it_has_won_looks() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    candidate.lose_answer()
    candidate.stop()
    while candidate.ended is None:
        candidate.answer() if candidate.request is not None else candidate.waited()
    assert candidate.ended.is_released


@case("LE-REL7")
def test_a_lock_that_is_gone_is_not_made_again_to_release_it() -> None:
    candidate = leader()
    candidate.stop()
    candidate.lock.delete()
    candidate.returned()
    candidate.answer()
    assert candidate.ended is not None
    assert not candidate.ended.is_released
    assert candidate.requests.count("create") == 1


@case("LE-A23")
def test_one_who_comes_back_after_a_take_over_leaves_the_lock_to_its_successor() -> None:
    candidate = leader()
    candidate.pass_s(30.0)
    candidate.waited()
    lock = held_by("you", candidate.lock)
    before = written(lock)
    candidate.returned()
    candidate.answer()
    assert candidate.ended is not None
    assert not candidate.ended.is_released
    assert written(lock) == before


@case("LE-A23", "LE-A30")
def test_a_lock_in_ones_name_that_another_wrote_is_not_released() -> None:
    candidate = leader()
    candidate.stop()
    held_by("me", candidate.lock)
    candidate.returned()
    candidate.answer()
    assert candidate.ended is not None
    assert not candidate.ended.is_released


@case("LE-REL9")
def test_nothing_is_written_at_the_end_if_releasing_is_off() -> None:
    candidate = leader(release_on_cancel=False)
    candidate.stop()
    assert candidate.returned() == [Ended(has_led=True, reason=EndReason.STOPPED, is_drained=True, is_released=False)]
    assert candidate.requests == ["get", "create"]


@case("LE-A25", "LE-A35")
def test_a_lock_is_not_released_over_work_that_goes_on() -> None:
    candidate = leader(drain_timeout_s=3.0)
    candidate.stop()
    candidate.renew()
    candidate.waited()
    assert candidate.told[-2:] == [
        Report(Notice.NOT_DRAINED),
        Ended(has_led=True, reason=EndReason.STOPPED, is_drained=False, is_released=False),
    ]
    assert written(candidate.lock).holder_identity == "me"


def test_nobody_contends_again_while_its_work_goes_on() -> None:
    candidate = leader(drain_timeout_s=3.0, rejoin=True)
    held_by("you", candidate.lock)
    candidate.waited()
    candidate.answer()
    candidate.answer()
    candidate.waited()
    assert candidate.ended == Ended(has_led=True, reason=EndReason.OTHER_HOLDER, is_drained=False, is_released=False)


@case("LE-A36", "LE-A33")
@pytest.mark.parametrize("has_failed", [False, True])
def test_work_that_returns_or_fails_ends_the_term_and_everything(has_failed: bool) -> None:  # noqa: FBT001
    candidate = leader(rejoin=True)
    reason = EndReason.WORK_FAILED if has_failed else EndReason.WORK_RETURNED
    assert candidate.returned(has_failed=has_failed)[0] == EndTerm(reason)
    candidate.answer()
    candidate.answer()
    assert candidate.ended == Ended(has_led=True, reason=reason, is_drained=True, is_released=True)


@case("LE-A36")
def test_work_that_returns_may_leave_the_leader_in_office() -> None:
    candidate = leader(keep_leading=True)
    assert candidate.returned() == []
    candidate.renew(5)
    assert candidate.leads
    assert candidate.stop()[0] == EndTerm(EndReason.STOPPED)
    assert isinstance(candidate.request, Get), "there is nothing to wait for"


def test_one_who_steps_down_lets_others_have_a_turn() -> None:
    candidate = leader(rejoin=True)
    assert candidate.step_down()[0] == EndTerm(EndReason.STEPPED_DOWN)
    candidate.returned()
    candidate.answer()
    assert candidate.answer() == [NewLeader(""), Wait(4.0)]
    assert written(candidate.lock).holder_identity == ""
    assert candidate.step_down() == [], "nothing happens to one who does not lead"


def test_one_who_steps_down_after_its_deadline_has_lost_its_term() -> None:
    candidate = leader()
    candidate.pass_s(10.0)
    candidate.step_down()
    assert candidate.told[-1] == EndTerm(EndReason.DEADLINE)


@case("LE-CB6")
def test_one_who_has_lost_ends_unless_told_to_contend_anew() -> None:
    candidate = leader()
    held_by("you", candidate.lock)
    candidate.waited()
    candidate.answer()
    candidate.answer()
    assert isinstance(candidate.returned()[-1], Ended)


# -- a watch ----------------------------------------------------------------------------------------------------------


def test_a_release_that_a_watch_shows_is_looked_at_at_once() -> None:
    candidate = follower(held_by("you"))
    candidate.pass_s(0.1)
    blanked(candidate.lock)
    assert isinstance(candidate.see()[-1], Get)
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    assert candidate.now_s == 0.1


def test_a_watch_that_shows_a_living_leader_saves_reads_and_never_brings_a_take_over_nearer() -> None:
    candidate = follower(held_by("you"))
    for _ in range(20):
        candidate.pass_s(1.5)
        held_by("you", candidate.lock)
        assert candidate.see() == [Wait(candidate.now_s + 2.0)]
        assert candidate.see() == []
    assert candidate.requests == ["get"]
    assert candidate.machine.lock.expires_at_s == candidate.now_s + 15.0


def test_a_leader_that_a_watch_shows_another_holder_looks_at_once() -> None:
    candidate = leader()
    candidate.pass_s(0.5)
    held_by("you", candidate.lock)
    assert isinstance(candidate.see()[-1], Get)
    assert candidate.answer()[1:2] == [EndTerm(EndReason.OTHER_HOLDER)]


def test_a_lock_that_a_watch_shows_to_be_gone_is_created() -> None:
    candidate = follower(held_by("you"))
    candidate.lock.delete()
    assert isinstance(candidate.see()[-1], Get)
    candidate.answer()
    assert isinstance(candidate.request, Create)


def test_a_watch_that_shows_ones_own_write_before_its_answer_takes_nothing_from_it() -> None:
    candidate = follower(held_by("you"))
    blanked(candidate.lock)
    candidate.see()
    candidate.answer()
    candidate.lock.write(candidate.request.record)  # type: ignore[union-attr]
    assert candidate.see() == [NewLeader("me")]
    candidate.request = None
    candidate.take(candidate.machine.on_written(candidate.lock.version, "9", candidate.now))
    assert candidate.leads
    assert Report(Notice.DUPLICATE_IDENTITY) not in candidate.told


def test_what_a_watch_shows_while_a_request_is_under_way_asks_for_nothing_more() -> None:
    candidate = Candidate(held_by("you"))
    candidate.start()
    assert candidate.see() == [NewLeader("you")]
    candidate.stop()
    assert candidate.see() == []


def test_a_write_that_a_watch_shows_before_its_answer_comes_opens_a_term_all_the_same() -> None:
    candidate = Candidate(MemoryLock())
    candidate.start()
    candidate.answer()
    request = candidate.request
    assert isinstance(request, Create)
    candidate.lock.write(request.record)
    assert candidate.see() == [NewLeader("me")]
    candidate.request = None
    candidate.take(candidate.machine.on_written(candidate.lock.version, "1", candidate.now))
    assert candidate.leads


def test_a_renewal_that_a_watch_shows_before_its_answer_comes_extends_the_term() -> None:
    candidate = leader()
    candidate.waited()
    request = candidate.request
    assert isinstance(request, Update)
    candidate.lock.write(request.record)
    assert candidate.see() == []
    candidate.request = None
    extended = candidate.take(candidate.machine.on_written(candidate.lock.version, "2", candidate.now))
    assert extended[0] == ExtendTerm(candidate.now_s + 10.0)


def test_a_leader_does_not_look_because_of_its_own_renewals_that_a_watch_shows_late() -> None:
    candidate = leader()
    shown = candidate.lock.observation
    candidate.renew()
    candidate.pass_s(0.1)
    assert candidate.take(candidate.machine.on_seen(shown, candidate.now)) == []


def test_a_watch_that_shows_what_is_long_over_makes_a_leader_look_four_times_a_period_at_most() -> None:
    candidate = follower(held_by("you"))
    old = [held_by("you", candidate.lock).observation for _ in range(20)]
    candidate.lock.delete()
    candidate.pass_s(1.5)
    candidate.waited()
    candidate.answer()
    candidate.answer()
    assert candidate.leads
    candidate.requests.clear()
    for observation in old:
        candidate.pass_s(0.1)
        candidate.take(candidate.machine.on_seen(observation, candidate.now))
        if candidate.wait is not None and candidate.wait.until_s <= candidate.now_s:
            candidate.waited()
        while candidate.request is not None:
            candidate.answer()
    assert candidate.requests == ["get", "update"] * 4


# -- coordinated ------------------------------------------------------------------------------------------------------


def given_to(identity: str, lock: MemoryLock | None = None, *, preferred: str = "") -> MemoryLock:
    """Return a lock as the server gives it to somebody in a coordinated election."""
    lock = held_by(identity, lock, duration_s=5)
    lock.write(replace(written(lock), strategy="OldestEmulationVersion", preferred_holder=preferred))
    return lock


@case("LE-CO1")
def test_coordinated_a_lock_of_another_is_left_alone_even_once_it_is_over() -> None:
    candidate = follower(given_to("you"), coordinated=True)
    candidate.pass_s(100.0)
    candidate.waited()
    candidate.answer()
    assert candidate.requests == ["get", "get"]
    assert not candidate.leads


@case("LE-CO2", "LE-CO6")
def test_coordinated_one_who_is_given_the_lock_leads() -> None:
    lock = given_to("me")
    before = written(lock)
    candidate = leader(lock, coordinated=True)
    assert candidate.requests == ["get", "update"]
    candidate.renew()
    assert replace(written(lock), renew_time=before.renew_time, lease_duration_s=5) == before


@case("LE-CO3")
def test_coordinated_no_lock_is_created() -> None:
    candidate = follower(MemoryLock(), coordinated=True)
    assert candidate.requests == ["get"]
    assert candidate.wait == Wait(2.0)


@case("LE-CO4")
def test_coordinated_a_lock_that_is_over_is_not_taken_even_by_its_holder() -> None:
    candidate = Candidate(given_to("me"), coordinated=True)
    candidate.start()
    candidate.fail()
    candidate.waited()
    candidate.answer()
    candidate.fail(WriteFailure.REFUSED)
    candidate.pass_s(10.0)
    candidate.waited()
    assert candidate.answer() == [Wait(candidate.now_s + 2.0)]


@case("LE-CO5")
def test_coordinated_a_leader_makes_room_for_a_preferred_one() -> None:
    candidate = leader(given_to("me"), coordinated=True)
    candidate.lock.write(replace(written(candidate.lock), preferred_holder="you"))
    candidate.waited()
    candidate.answer()
    assert candidate.answer()[0] == EndTerm(EndReason.PREFERRED_HOLDER)
    assert candidate.now_s == 2.0
    candidate.returned()
    candidate.answer()
    candidate.answer()
    assert candidate.ended is not None
    assert candidate.ended.is_released
    assert written(candidate.lock).strategy == "OldestEmulationVersion"


@case("LE-CO5")
def test_coordinated_one_who_holds_the_lock_for_another_writes_nothing() -> None:
    candidate = follower(given_to("me", preferred="you"), coordinated=True)
    assert candidate.requests == ["get"]


def test_coordinated_a_lock_that_was_given_anew_is_another_term() -> None:
    candidate = leader(given_to("me"), coordinated=True, rejoin=True)
    given_to("you", candidate.lock)
    given_to("me", candidate.lock)
    candidate.waited()
    candidate.answer()
    assert candidate.answer()[0] == EndTerm(EndReason.OTHER_HOLDER)


def test_how_the_server_picks_a_leader_stays_in_the_lock_of_a_plain_election() -> None:
    candidate = follower(given_to("you"))
    while not candidate.leads:
        candidate.answer() if candidate.request is not None else candidate.waited()
    assert written(candidate.lock).strategy == "OldestEmulationVersion"
