"""Locks of two objects, for fleets that move from one kind of lock to another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubeprims.client.client import Client
from kubeprims.client.events import EventRecorder
from kubeprims.client.options import WatchOptions
from kubeprims.errors import AlreadyExists, ConfigError, Conflict, LifecycleError, NotFound, ServerError
from kubeprims.leaderelection.effects import EndReason
from kubeprims.leaderelection.lock import UNKNOWN_LEADER
from kubeprims.leaderelection.locks import ConfigMapLock, LeaseLock
from kubeprims.leaderelection.multi_lock import MultiLock
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Answer, Match
from tests.leaderelection.contending import Contender, contender
from tests.leaderelection.locking import (
    LEASES,
    ME,
    MULTI,
    NAME,
    NAMESPACE,
    OTHER,
    RESOURCES,
    a_lock,
    a_record,
    asked,
    holder,
    labels_of,
    put,
    rewrite,
    stored,
    version,
)
from tests.parity import case

EVERY_KIND = pytest.mark.parametrize("kind", MULTI)


def primary_of(kind: str) -> str:
    return RESOURCES[kind][0]


def plural_of(kind: str) -> str:
    return primary_of(kind).rpartition("/")[2]


def hold(
    server: APIServer, kind: str, primary: LeaderElectionRecord | None, secondary: LeaderElectionRecord | None
) -> None:
    put(server, primary_of(kind), primary)
    put(server, LEASES, secondary)


def both(server: APIServer, kind: str) -> tuple[str, str]:
    return holder(server, primary_of(kind)), holder(server, LEASES)


def after_a_duration(candidate: Contender) -> None:
    candidate.pass_s(15.0)
    candidate.again()


# -- acquiring --------------------------------------------------------------------------------------------------------


@case("LE-ML1")
@EVERY_KIND
def test_both_objects_are_made(kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    plural = plural_of(kind)
    assert asked(kubeprims_apiserver) == [f"get {plural}", f"create {plural}", "create leases"]
    assert candidate.leads
    assert candidate.leaders == [ME]
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@case(
    "LE-ML2",
    otherwise="QUIRK of 1.10, the secondary that is read again before it is written: it is made at once, which fails "
    "if it is there by then",
)
@EVERY_KIND
def test_a_missing_secondary_is_made(kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    put(kubeprims_apiserver, primary_of(kind), LeaderElectionRecord())
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    plural = plural_of(kind)
    assert asked(kubeprims_apiserver) == [f"get {plural}", "get leases", f"update {plural}", "create leases"]
    assert candidate.leads
    assert candidate.machine.lock.record.leader_transitions == 1
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@case("LE-ML3")
@EVERY_KIND
def test_two_objects_that_nobody_holds_are_both_written(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, LeaderElectionRecord(), None)
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    plural = plural_of(kind)
    assert asked(kubeprims_apiserver) == [f"get {plural}", "get leases", f"update {plural}", "update leases"]
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@case("LE-ML4", "LE-ML8")
@EVERY_KIND
def test_a_lock_of_an_older_candidate_is_taken_on_both_objects_once_it_has_expired(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    put(kubeprims_apiserver, primary_of(kind), a_record(OTHER))
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    assert not candidate.leads
    assert candidate.leaders == [OTHER]
    after_a_duration(candidate)
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@case("LE-ML5", "LE-ML10")
@EVERY_KIND
def test_a_lock_of_another_candidate_is_taken_on_both_objects_once_it_has_expired(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(OTHER), a_record(OTHER))
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    assert not candidate.leads
    assert both(kubeprims_apiserver, kind) == (OTHER, OTHER)
    after_a_duration(candidate)
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@case("LE-ML6", "LE-ML7", "LE-ML9")
@EVERY_KIND
@pytest.mark.parametrize(
    ("primary", "secondary"), [(OTHER, "third"), (ME, OTHER), (OTHER, ME), ("", OTHER), (UNKNOWN_LEADER, OTHER)]
)
def test_objects_that_name_different_holders_are_held_by_nobody_knows_until_that_has_expired(
    kind: str, primary: str, secondary: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(primary), a_record(secondary))
    candidate = contender(kind, kubeprims_client, identity_is_unique=True)
    candidate.begin()
    assert not candidate.leads
    assert candidate.leaders == [UNKNOWN_LEADER]
    assert both(kubeprims_apiserver, kind) == (primary, secondary)
    after_a_duration(candidate)
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@EVERY_KIND
@pytest.mark.parametrize("released", [0, 1])
def test_objects_that_do_not_agree_are_held_for_the_longer_of_their_durations(
    kind: str, released: int, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    # The lock was released, for one second, and then the newer kind of candidate took the Lease, or the older one the
    # other object.
    records = [a_record(OTHER, transitions=1), a_record(OTHER, transitions=1)]
    records[released] = replace(a_record("", after_s=1.0), lease_duration_s=1)
    hold(kubeprims_apiserver, kind, *records)
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    candidate.again_at(14.9)
    assert not candidate.leads
    candidate.again_at(20.0)
    assert candidate.leads


@EVERY_KIND
def test_a_candidate_that_knows_one_object_alone_keeps_the_others_out(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    # Somebody renews the Lease alone, or the older object alone: the pair is new each time.
    for resource in RESOURCES[kind]:
        hold(kubeprims_apiserver, kind, a_record("old"), a_record("new"))
        candidate = contender(kind, kubeprims_client)
        candidate.begin()
        name = holder(kubeprims_apiserver, resource)
        for second in range(1, 5):
            rewrite(kubeprims_client, resource, a_record(name, after_s=second))
            candidate.again_at(candidate.now_s + 10.0)
        assert not candidate.leads
        for each in RESOURCES[kind]:
            kubeprims_apiserver.delete(each, NAME, namespace=NAMESPACE)


# -- renewing ---------------------------------------------------------------------------------------------------------


@case("LE-ML11")
@EVERY_KIND
def test_a_lock_that_is_mine_on_both_is_renewed_on_both(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(transitions=2), a_record(transitions=2))
    candidate = contender(kind, kubeprims_client, identity_is_unique=True)
    candidate.begin()
    assert candidate.leads
    kubeprims_apiserver.requests.clear()
    candidate.renew(2)
    assert asked(kubeprims_apiserver) == [f"update {plural_of(kind)}", "update leases"] * 2
    assert candidate.leads
    assert candidate.machine.lock.record.leader_transitions == 2
    assert len(candidate.tokens) == 1


@case("LE-ML12")
@EVERY_KIND
def test_a_secondary_that_was_deleted_is_made_anew_while_the_term_goes_on(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    kubeprims_apiserver.delete(LEASES, NAME, namespace=NAMESPACE)
    candidate.again()
    assert candidate.leads
    assert len(candidate.tokens) == 1, "it is the same term"
    assert both(kubeprims_apiserver, kind) == (ME, ME)
    candidate.renew(2)
    assert candidate.leads
    assert candidate.machine.slow_renewals == 1


@case("LE-ML12")
@EVERY_KIND
def test_a_holder_whose_secondary_is_missing_makes_it_and_writes_the_primary_it_has_seen(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    put(kubeprims_apiserver, primary_of(kind), a_record(transitions=2))
    candidate = contender(kind, kubeprims_client, identity_is_unique=True)
    candidate.begin()
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)
    assert candidate.machine.lock.record.leader_transitions == 2
    assert candidate.tokens == [version(stored(kubeprims_apiserver, primary_of(kind)))]


@case("LE-ML13")
@EVERY_KIND
def test_a_secondary_that_somebody_writes_between_read_and_write_is_a_conflict_and_is_not_written_over(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    hold(kubeprims_apiserver, kind, a_record(""), a_record(""))
    lock = a_lock(kind, kubeprims_client)
    lock.get()
    rewrite(kubeprims_client, LEASES, a_record(OTHER, transitions=1))
    before = stored(kubeprims_apiserver, LEASES)
    for _ in range(2):
        with pytest.raises(Conflict):
            lock.update(a_record(transitions=1))
    assert stored(kubeprims_apiserver, LEASES) == before
    found = lock.get().record
    assert found is not None
    assert found.holder_identity == UNKNOWN_LEADER


@case("LE-ML13")
@EVERY_KIND
def test_a_leader_whose_secondary_somebody_has_taken_ends_its_term(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    rewrite(kubeprims_client, LEASES, a_record(OTHER, transitions=1))
    candidate.again()
    assert not candidate.leads
    assert candidate.machine.reason is EndReason.OTHER_HOLDER
    assert holder(kubeprims_apiserver, LEASES) == OTHER


@EVERY_KIND
def test_a_secondary_that_was_made_between_read_and_write_is_not_written_over(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    put(kubeprims_apiserver, primary_of(kind), LeaderElectionRecord())
    lock = a_lock(kind, kubeprims_client)
    lock.get()
    put(kubeprims_apiserver, LEASES, a_record(OTHER))
    with pytest.raises(AlreadyExists):
        lock.update(a_record(transitions=1))
    assert holder(kubeprims_apiserver, LEASES) == OTHER


@EVERY_KIND
def test_a_primary_that_somebody_else_has_made_is_a_failure_and_the_secondary_is_left_alone(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client)
    with pytest.raises(NotFound):
        lock.get()
    put(kubeprims_apiserver, primary_of(kind), a_record(OTHER))
    with pytest.raises(AlreadyExists):
        lock.create(a_record())
    assert kubeprims_apiserver.list(LEASES, namespace=NAMESPACE) == []


# -- failures between the two writes ----------------------------------------------------------------------------------


@EVERY_KIND
@pytest.mark.parametrize("verb", ["create", "update"])
def test_a_write_that_fails_half_way_is_completed_by_the_next_attempt(
    kind: str, verb: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    if verb == "update":
        hold(kubeprims_apiserver, kind, LeaderElectionRecord(), None)
    candidate = contender(kind, kubeprims_client)
    kubeprims_apiserver.faults.add(Answer(code=500), Match(verb=verb, resource=LEASES))
    candidate.begin()
    assert not candidate.leads
    for _ in range(20):
        if candidate.leads:
            break
        candidate.again()
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)


@EVERY_KIND
def test_what_is_known_after_a_write_that_failed_half_way_can_be_written_on(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record())
    kubeprims_apiserver.faults.add(Answer(code=500), Match(verb="update", resource=LEASES))
    with pytest.raises(ServerError):
        lock.update(a_record(after_s=1))
    lock.update(a_record(""))
    assert both(kubeprims_apiserver, kind) == ("", "")


@case("LE-A27")
@EVERY_KIND
def test_an_annotation_that_is_no_record_makes_the_pair_unreadable(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    put(kubeprims_apiserver, primary_of(kind), "garbage")
    put(kubeprims_apiserver, LEASES, a_record(OTHER))
    candidate = contender(kind, kubeprims_client)
    candidate.begin()
    assert candidate.machine.lock.is_unreadable
    assert not candidate.leads
    after_a_duration(candidate)
    assert candidate.leads
    assert both(kubeprims_apiserver, kind) == (ME, ME)


# -- the rest ---------------------------------------------------------------------------------------------------------


@EVERY_KIND
def test_the_version_names_both_records_and_the_token_is_the_primarys(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client)
    written = lock.create(a_record())
    assert written.token == version(stored(kubeprims_apiserver, primary_of(kind)))
    seen = lock.get()
    assert seen.version == written.version
    for resource in RESOURCES[kind]:
        rewrite(kubeprims_client, resource, a_record(after_s=9))
        again = lock.get()
        assert again.version != seen.version
        seen = again


@EVERY_KIND
def test_a_watch_shows_that_it_was_released_and_nothing_else(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record(OTHER))
    known, watched = lock.get(), lock.watched()
    assert watched is not None
    with watched.list_watch.watch(WatchOptions(resource_version="0")) as watch:
        changes = iter(watch)
        assert watched.observe(next(changes).object) == known
        rewrite(kubeprims_client, LEASES, a_record(OTHER, after_s=9))
        assert watched.observe(next(changes).object) == known
        rewrite(kubeprims_client, LEASES, a_record(""))
        released = watched.observe(next(changes).object)
    assert released.record is not None
    assert not released.record.holder_identity
    assert released.version != known.version


@EVERY_KIND
def test_an_update_before_anything_was_read_sends_nothing(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    with pytest.raises(LifecycleError, match="the lock default/web"):
        a_lock(kind, kubeprims_client).update(a_record())
    assert asked(kubeprims_apiserver) == []


@case("LE-LSL6")
@EVERY_KIND
def test_an_event_is_of_both_objects(kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        lock = a_lock(kind, kubeprims_client, recorder=recorder, labels={"app": "web"})
        lock.record_event("became leader")
        lock.create(a_record())
        lock.record_event("became leader")
    events = kubeprims_apiserver.list("events.k8s.io/v1/events", namespace=NAMESPACE)
    regarding = [event["regarding"] for event in events]
    assert sorted(str(one["kind"]) for one in regarding if isinstance(one, dict)) == sorted(
        ["Lease", "ConfigMap" if "configmaps" in kind else "Endpoints"]
    )
    assert {event["note"] for event in events} == {f"{ME} became leader"}
    for resource in RESOURCES[kind]:
        assert labels_of(stored(kubeprims_apiserver, resource)) == {"app": "web"}


@EVERY_KIND
def test_by_way_of_another_client_it_is_the_same_lock(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client, None)
    lock.create(a_record())
    with kubeprims_client.with_options() as client:
        other = lock.with_client(client)
        assert (other.identity, other.has_generated_identity) == (lock.identity, True)
        assert (lock.client, other.client) == (kubeprims_client, client)
        assert other.describe() == lock.describe() == "default/web"
        with pytest.raises(LifecycleError):
            other.update(a_record())
        assert other.get() == lock.get()


def test_both_objects_have_one_identity(kubeprims_client: Client) -> None:
    primary = ConfigMapLock(kubeprims_client, namespace=NAMESPACE, name=NAME, identity=ME)
    with pytest.raises(ConfigError, match="identity: must be the same for both objects, not 'web-0_8f2c' and 'web-1"):
        MultiLock(primary, LeaseLock(kubeprims_client, namespace=NAMESPACE, name=NAME, identity=OTHER))
    lock = MultiLock(primary, LeaseLock(kubeprims_client, namespace=NAMESPACE, name=NAME, identity=ME))
    assert not lock.has_generated_identity
    assert repr(lock).startswith("<MultiLock of <ConfigMapLock default/web of")
