"""What candidates make of locks of every kind: acquiring, renewing and releasing, over real sockets."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kubeprims.client.client import Client
from kubeprims.leaderelection.effects import EndReason, Phase
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Answer, Drop, FaultPoint, Match
from tests.leaderelection.contending import Contender, contender
from tests.leaderelection.locking import (
    ME,
    NAME,
    NAMESPACE,
    OTHER,
    RESOURCES,
    a_lock,
    a_record,
    asked,
    holder,
    put,
    rewrite,
    stored,
    version,
)
from tests.parity import case

EVERY_KIND = pytest.mark.parametrize("kind", RESOURCES)


def hold(server: APIServer, kind: str, record: LeaderElectionRecord | None) -> None:
    """Have every object of a lock hold a record."""
    for resource in RESOURCES[kind]:
        put(server, resource, record)


def renew(client: Client, kind: str, record: LeaderElectionRecord) -> None:
    """Have every object of a lock changed by its holder."""
    for resource in RESOURCES[kind]:
        rewrite(client, resource, record)


def holders(server: APIServer, kind: str) -> set[str]:
    return {holder(server, resource) for resource in RESOURCES[kind]}


def each(kind: str, *verbs: str) -> list[str]:
    """Return the requests that verbs on every object of a lock make."""
    plurals = [resource.rpartition("/")[2] for resource in RESOURCES[kind]]
    return [f"{verb} {plural}" for verb in verbs for plural in plurals]


def transitions(candidate: Contender) -> int:
    return candidate.machine.lock.record.leader_transitions


# -- acquiring --------------------------------------------------------------------------------------------------------


@case("LE-ACQ1")
@EVERY_KIND
def test_a_lock_that_is_not_there_is_made(kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    first = each(kind, "get")[0]
    assert asked(kubeprims_apiserver) == [first, *each(kind, "create")]
    assert candidate.leads
    assert candidate.leaders == [ME]
    assert transitions(candidate) == 0
    assert candidate.tokens == [version(stored(kubeprims_apiserver, RESOURCES[kind][0]))]
    assert holders(kubeprims_apiserver, kind) == {ME}


@case("LE-ACQ2", "LE-ACQ3", "LE-ACQ6")
@EVERY_KIND
@pytest.mark.parametrize("record", [None, LeaderElectionRecord(), a_record("")], ids=["none", "empty", "released"])
def test_a_lock_that_nobody_holds_is_taken(
    kind: str, record: LeaderElectionRecord | None, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    if record == LeaderElectionRecord() and "leases" in kind:
        record = None  # the API takes no Lease with a duration of zero
    hold(kubeprims_apiserver, kind, record)
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    assert asked(kubeprims_apiserver) == each(kind, "get", "update")
    assert candidate.leads
    assert transitions(candidate) == 1
    assert holders(kubeprims_apiserver, kind) == {ME}


@case("LE-ACQ4", "LE-ACQ5", "LE-ACQ7")
@EVERY_KIND
def test_a_lock_that_somebody_holds_is_taken_a_duration_after_it_was_seen(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(OTHER))
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    assert asked(kubeprims_apiserver) == each(kind, "get")
    assert not candidate.leads
    assert candidate.leaders == [OTHER]
    candidate.wait = None
    candidate.pass_s(15.0)
    candidate.take(candidate.machine.on_waited(candidate.now))
    candidate.attempt()
    assert asked(kubeprims_apiserver) == each(kind, "get", "get", "update")
    assert candidate.leads
    assert candidate.leaders == [OTHER, ME]
    assert transitions(candidate) == 1


@case("LE-ACQ8")
@EVERY_KIND
def test_a_lock_that_is_held_in_an_identity_that_is_mine_alone_is_renewed(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(ME, transitions=3))
    candidate = contender(kind, kubeprims_client, identity_is_unique=True)
    candidate.begin()
    assert asked(kubeprims_apiserver) == each(kind, "get", "update")
    assert candidate.leads
    assert transitions(candidate) == 3


@case("LE-ACQ9")
@EVERY_KIND
def test_a_lock_that_somebody_else_makes_first_is_theirs(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    mine, theirs = contender(kind, kubeprims_client), contender(kind, kubeprims_client, OTHER)
    for candidate in (mine, theirs):
        candidate.start()
        candidate.answer()
    theirs.answer()
    mine.answer()
    assert theirs.leads
    assert not mine.leads
    mine.again()
    assert mine.leaders == [OTHER]
    assert holders(kubeprims_apiserver, kind) == {OTHER}
    theirs.renew(3)
    assert theirs.leads


@case("LE-ACQ10")
@EVERY_KIND
def test_a_take_over_that_comes_second_is_none(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(""))
    mine, theirs = contender(kind, kubeprims_client), contender(kind, kubeprims_client, OTHER)
    for candidate in (mine, theirs):
        candidate.start()
        candidate.answer()
    theirs.answer()
    mine.answer()
    assert (mine.leads, theirs.leads) == (False, True)
    assert mine.leaders == []
    assert holders(kubeprims_apiserver, kind) == {OTHER}
    mine.again()
    assert mine.leaders == [OTHER]


@case("LE-ACQ11")
@EVERY_KIND
def test_a_read_that_fails_starts_no_timer_anew(
    kind: str, kubeprims_apiserver: APIServer, impatient_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(OTHER))
    candidate = contender(kind, impatient_client)
    candidate.begin()
    since_s = candidate.machine.lock.changed_at_s
    for answer in (Answer(code=500), Answer(code=403), Drop(point=FaultPoint.BEFORE_HEAD)):
        fault = kubeprims_apiserver.faults.add(answer, Match(verb="get"), count=None)
        candidate.again()
        fault.exhaust()
        assert candidate.machine.lock.changed_at_s == since_s
    candidate.again()
    assert candidate.machine.lock.changed_at_s == since_s
    assert not candidate.leads


@case("LE-ACQ12")
@EVERY_KIND
def test_a_lock_that_is_renewed_is_never_taken(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    mine, theirs = contender(kind, kubeprims_client), contender(kind, kubeprims_client, OTHER)
    theirs.begin()
    mine.begin()
    for moment in range(10, 160, 10):
        theirs.again_at(float(moment))
        mine.again_at(float(moment))
        assert theirs.leads
        assert not mine.leads
    assert holders(kubeprims_apiserver, kind) == {OTHER}


@case("LE-ACQ13")
@EVERY_KIND
def test_the_duration_that_counts_is_the_records(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    record = a_record(OTHER)
    long = LeaderElectionRecord(
        holder_identity=OTHER, lease_duration_s=30, acquire_time=record.acquire_time, renew_time=record.renew_time
    )
    hold(kubeprims_apiserver, kind, long)
    candidate = contender(kind, kubeprims_client, lease_duration_s=10.0, renew_deadline_s=8.0)
    candidate.begin()
    candidate.again_at(29.9)
    assert not candidate.leads
    candidate.again_at(35.0)
    assert candidate.leads


# -- renewing ---------------------------------------------------------------------------------------------------------


@case("LE-REN1", "LE-REN3")
@EVERY_KIND
def test_a_renewal_is_one_write_of_each_object(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    first = candidate.machine.lock.record
    kubeprims_apiserver.requests.clear()
    candidate.renew(3)
    assert asked(kubeprims_apiserver) == each(kind, "update") * 3
    last = candidate.machine.lock.record
    assert last.acquire_time == first.acquire_time
    assert last.leader_transitions == first.leader_transitions
    assert last.renew_time is not None
    assert first.renew_time is not None
    assert last.renew_time > first.renew_time


@case("LE-A13")
@EVERY_KIND
def test_a_leader_beside_somebody_who_keeps_writing_labels_goes_on_leading(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    renewals = 0
    while candidate.now_s < 30.0:
        renewals += 1
        for resource in RESOURCES[kind]:
            label: JSONObject = {"metadata": {"labels": {"at": str(renewals)}}}
            kubeprims_client.resource(resource, NAMESPACE).patch(NAME, label)
        kubeprims_apiserver.requests.clear()
        candidate.again()
        assert asked(kubeprims_apiserver) == [*each(kind, "update")[:1], *each(kind, "get", "update")]
        assert candidate.leads
    assert candidate.machine.slow_renewals == renewals
    assert len(candidate.tokens) == 1


# -- releasing --------------------------------------------------------------------------------------------------------


def stopped(candidate: Contender, server: APIServer) -> Sequence[str]:
    """Stop a leader whose work ends at once; return what was requested."""
    server.requests.clear()
    candidate.stop()
    candidate.returned()
    candidate.attempt()
    return asked(server)


@case("LE-REL1", "LE-REL2", "LE-REL3")
@EVERY_KIND
def test_a_lock_is_read_and_given_back(kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    hold(kubeprims_apiserver, kind, None)
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    candidate.pass_s(1.0)
    requests = stopped(candidate, kubeprims_apiserver)
    assert requests[-2 * len(RESOURCES[kind]) :] == each(kind, "get", "update")
    assert candidate.ended is not None
    assert candidate.ended.is_released
    released = a_lock(kind, kubeprims_client).get().record
    assert released is not None
    assert (released.holder_identity, released.lease_duration_s, released.leader_transitions) == ("", 1, 1)
    assert released.acquire_time == released.renew_time == candidate.now.wall
    assert candidate.leaders[-1] == ""
    assert holders(kubeprims_apiserver, kind) == {""}
    successor = contender(kind, kubeprims_client, OTHER)
    successor.begin()
    assert successor.leads
    assert int(successor.tokens[0]) > int(candidate.tokens[0])


@case("LE-REL4")
@EVERY_KIND
def test_a_release_that_conflicts_is_tried_again(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    kubeprims_apiserver.faults.add(Answer(code=409, reason="Conflict"), Match(verb="update"))
    stopped(candidate, kubeprims_apiserver)
    while candidate.ended is None:
        candidate.again()
    assert candidate.ended.is_released
    assert holders(kubeprims_apiserver, kind) == {""}


@case("LE-REL7")
@EVERY_KIND
def test_a_lock_that_is_gone_is_not_made_anew_to_be_released(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    for resource in RESOURCES[kind]:
        kubeprims_apiserver.delete(resource, NAME, namespace=NAMESPACE)
    requests = stopped(candidate, kubeprims_apiserver)
    while candidate.ended is None:
        candidate.again()
    assert not candidate.ended.is_released
    assert not any(request.startswith("create") for request in requests)
    for resource in RESOURCES[kind]:
        assert len(kubeprims_apiserver.list(resource, namespace=NAMESPACE)) == 0


@case("LE-REL8")
@EVERY_KIND
def test_a_lock_that_somebody_else_holds_by_now_is_left_alone(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    renew(kubeprims_client, kind, a_record(OTHER, transitions=1))
    before = [stored(kubeprims_apiserver, resource) for resource in RESOURCES[kind]]
    stopped(candidate, kubeprims_apiserver)
    while candidate.ended is None:
        candidate.again()
    assert not candidate.ended.is_released
    assert [stored(kubeprims_apiserver, resource) for resource in RESOURCES[kind]] == before


@EVERY_KIND
def test_a_leader_that_finds_the_lock_gone_ends_its_term(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    for resource in RESOURCES[kind]:
        kubeprims_apiserver.delete(resource, NAME, namespace=NAMESPACE)
    candidate.again()
    assert candidate.machine.phase is Phase.DRAINING
    assert candidate.machine.reason is EndReason.LOCK_GONE
    assert not candidate.leads
