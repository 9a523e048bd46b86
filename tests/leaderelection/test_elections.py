"""Elections over locks of every kind on the embedded server: what is asked of it, and what becomes of the lock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubeprims.client.client import Client
from kubeprims.leaderelection.lock import ResourceLock
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.leaderelection.resource_lock import resource_lock
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Match, server_error
from tests.leaderelection.electing import Election
from tests.leaderelection.locking import RESOURCES, SINGLE
from tests.parity import case

ME, YOU = "me", "you"
SHORT = {"lease_duration_s": 3.0, "renew_deadline_s": 2.0, "retry_period_s": 0.5}


def a_lock(kind: str, client: Client, identity: str = ME) -> ResourceLock:
    return resource_lock(kind, client, namespace="default", name="web", identity=identity)


@pytest.fixture(params=SINGLE)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def lock(kind: str, kubeprims_client: Client) -> ResourceLock:
    return a_lock(kind, kubeprims_client)


def held_by(kind: str, client: Client, holder: str, *, duration_s: int = 15, **fields: object) -> ResourceLock:
    """Have somebody hold the lock; return it as theirs."""
    theirs = a_lock(kind, client, YOU)
    record = LeaderElectionRecord(holder_identity=holder, lease_duration_s=duration_s)
    theirs.create(replace(record, **fields))  # type: ignore[arg-type]
    return theirs


def record(lock: ResourceLock, client: Client) -> LeaderElectionRecord:
    found = lock.with_client(client).get().record
    assert found is not None
    return found


@case("LE-ACQ1")
def test_a_lock_that_is_not_there_is_created(
    lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).attempt()
    assert election.requests == ["get", "create"]
    assert election.leads
    assert election.leaders == [ME]
    assert record(lock, kubeprims_client).leader_transitions == 0


@case("LE-ACQ2")
def test_an_object_without_a_record_is_updated(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    kubeprims_apiserver.create(RESOURCES[kind][0], {"metadata": {"name": "web"}}, namespace="default")
    election = Election(lock, kubeprims_apiserver).attempt()
    assert election.requests == ["get", "update"]
    assert election.leads
    assert record(lock, kubeprims_client).leader_transitions == 1


@case("LE-ACQ3")
def test_an_empty_record_is_updated(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, "", duration_s=1)
    election = Election(lock, kubeprims_apiserver).attempt()
    assert election.requests == ["get", "update"]
    assert record(lock, kubeprims_client).leader_transitions == 1


@case("LE-ACQ4", "LE-ACQ5")
def test_an_abandoned_lock_is_taken_when_its_time_is_over(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, YOU, duration_s=3)
    election = Election(lock, kubeprims_apiserver, lease_duration_s=12).attempt()
    assert not election.leads
    election.wait_s(2.9)
    assert not election.leads
    election.wait_s(0.1)
    assert election.leads
    assert election.requests == ["get", "get", "get", "update"]
    assert record(lock, kubeprims_client).leader_transitions == 1


@case("LE-ACQ6")
def test_a_released_lock_is_taken_at_the_next_look(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    theirs = held_by(kind, kubeprims_client, YOU)
    election = Election(lock, kubeprims_apiserver).attempt()
    theirs.update(LeaderElectionRecord(lease_duration_s=1, leader_transitions=5))
    election.wait_s(2.0)
    assert election.leads
    assert election.leaders == [YOU, "", ME]
    assert record(lock, kubeprims_client).leader_transitions == 6


@case("LE-ACQ7")
def test_a_lock_that_is_held_is_read_and_left_alone(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, YOU)
    election = Election(lock, kubeprims_apiserver).attempt()
    assert election.requests == ["get"]
    assert election.leaders == [YOU]
    assert not election.leads


@case("LE-ACQ8")
def test_a_lock_of_ones_own_is_renewed(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, ME, leader_transitions=4)
    election = Election(lock, kubeprims_apiserver, identity_is_unique=True).attempt()
    assert election.leads
    assert election.requests == ["get", "update"]
    assert record(lock, kubeprims_client).leader_transitions == 4


@case("LE-ACQ9")
def test_a_creation_that_comes_too_late_is_a_failed_attempt(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).step()
    held_by(kind, kubeprims_client, YOU)
    election.attempt()
    assert not election.leads
    assert election.wait_s(2.0).leaders == [YOU]


@case("LE-ACQ10")
def test_an_update_that_comes_too_late_is_a_failed_attempt(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    theirs = held_by(kind, kubeprims_client, "", duration_s=1)
    election = Election(lock, kubeprims_apiserver).step()
    theirs.update(LeaderElectionRecord(holder_identity=YOU, lease_duration_s=15))
    election.attempt()
    assert not election.leads
    assert election.machine.lock.holder == ""
    assert election.wait_s(2.0).leaders == [YOU]


@case("LE-ACQ11")
@pytest.mark.parametrize("code", [500, 403, 504])
def test_a_read_that_fails_is_a_failed_attempt_and_no_time_starts_anew(
    code: int, kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, YOU, duration_s=3)
    election = Election(lock, kubeprims_apiserver, **SHORT).attempt()
    kubeprims_apiserver.faults.add(server_error(code), Match(verb="get"), count=4)
    election.wait_s(2.9)
    assert not election.leads
    election.wait_s(0.1)
    assert election.leads


@case("LE-ACQ12")
def test_a_lock_that_is_renewed_is_never_taken(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    theirs = held_by(kind, kubeprims_client, YOU, duration_s=3)
    election = Election(lock, kubeprims_apiserver, **SHORT).attempt()
    for _ in range(15):
        theirs.update(
            LeaderElectionRecord(
                holder_identity=YOU, lease_duration_s=3, acquire_time=election.now.wall, renew_time=election.now.wall
            )
        )
        election.wait_s(2.0)
    assert not election.leads
    assert election.leaders == [YOU]


@case("LE-ACQ13")
def test_the_duration_in_the_lock_counts(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, YOU, duration_s=30)
    election = Election(lock, kubeprims_apiserver, lease_duration_s=10, renew_deadline_s=8).attempt()
    assert not election.wait_s(29.9).leads
    assert election.wait_s(0.1).leads


@case("LE-ACQ15")
def test_one_who_waits_and_is_stopped_writes_nothing(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    held_by(kind, kubeprims_client, YOU)
    election = Election(lock, kubeprims_apiserver).attempt().stop()
    assert election.ended is not None
    assert not election.ended.has_led
    assert election.requests == ["get"]


@case("LE-REN1", "LE-REN2", "LE-REN3")
def test_renewals_take_one_request_each_and_three_after_a_conflict(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).attempt()
    before = record(lock, kubeprims_client)
    election.wait_s(2.0)
    change = {"metadata": {"labels": {"touched": "yes"}}}
    kubeprims_apiserver.patch(RESOURCES[kind][0], "web", change, namespace="default")
    election.wait_s(2.0)
    election.wait_s(2.0)
    expected = ["get", "create", "get", "update", "update", "get", "update", "update"]  # the test's own get
    assert election.requests == expected
    assert election.machine.slow_renewals == 1
    assert election.leads
    after = record(lock, kubeprims_client)
    assert before.renew_time is not None
    assert after.renew_time is not None
    assert after.renew_time > before.renew_time
    assert replace(after, renew_time=None) == replace(before, renew_time=None)


@case("LE-REL1", "LE-REL2", "LE-REL3")
def test_a_release_reads_and_blanks_the_lock(
    lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).attempt().stop().attempt()
    assert election.requests == ["get", "create", "get", "update"]
    assert election.ended is not None
    assert election.ended.is_released
    assert election.leaders == [ME, ""]
    after = record(lock, kubeprims_client)
    assert (after.holder_identity, after.lease_duration_s, after.leader_transitions) == ("", 1, 0)
    assert after.acquire_time == after.renew_time
    other = Election(a_lock_like(lock, kubeprims_client), kubeprims_apiserver).attempt()
    assert other.leads, "anybody takes it at once"


def a_lock_like(lock: ResourceLock, client: Client) -> ResourceLock:
    kinds = {"LeaseLock": "leases", "ConfigMapLock": "configmaps", "EndpointsLock": "endpoints"}
    return a_lock(kinds[type(lock).__name__], client, YOU)


@case("LE-REL4")
def test_a_release_that_meets_another_write_is_tried_again(
    kind: str, lock: ResourceLock, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).attempt().stop().step()
    change = {"metadata": {"labels": {"touched": "yes"}}}
    kubeprims_apiserver.patch(RESOURCES[kind][0], "web", change, namespace="default")
    election.attempt().wait_s(1.0)
    assert election.requests == ["get", "create", "get", "update", "get", "update"]
    assert election.ended is not None
    assert election.ended.is_released


@case("LE-REL7")
def test_a_lock_that_is_gone_is_not_made_again_to_be_released(
    kind: str, lock: ResourceLock, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).attempt()
    kubeprims_apiserver.delete(RESOURCES[kind][0], "web", namespace="default")
    election.stop().attempt()
    assert election.ended is not None
    assert not election.ended.is_released
    assert election.requests == ["get", "create", "get"]


@case("LE-REL8", "LE-A23")
def test_a_lock_that_another_holds_is_not_released(
    kind: str, lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver).attempt()
    theirs = a_lock(kind, kubeprims_client, YOU)
    theirs.get()
    theirs.update(LeaderElectionRecord(holder_identity=YOU, lease_duration_s=15, leader_transitions=1))
    election.stop().attempt()
    assert election.ended is not None
    assert not election.ended.is_released
    assert record(lock, kubeprims_client).holder_identity == YOU


@case("LE-REL9")
def test_a_lock_is_left_to_run_out_if_releasing_is_off(
    lock: ResourceLock, kubeprims_client: Client, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver, release_on_cancel=False).attempt().stop()
    assert election.requests == ["get", "create"]
    successor = Election(a_lock_like(lock, kubeprims_client), kubeprims_apiserver).attempt()
    assert not successor.wait_s(14.9).leads
    assert successor.wait_s(0.1).leads


@case("LE-A18")
def test_a_lock_that_was_deleted_makes_another_term_with_a_larger_token(
    kind: str, lock: ResourceLock, kubeprims_apiserver: APIServer
) -> None:
    election = Election(lock, kubeprims_apiserver, rejoin=True).attempt()
    kubeprims_apiserver.delete(RESOURCES[kind][0], "web", namespace="default")
    election.wait_s(2.0)
    assert not election.leads
    election.machine.on_work_returned(election.now)
    election.due().attempt()
    assert [int(token) for token in election.tokens] == sorted({int(token) for token in election.tokens})
