"""Locks of one object each, against the embedded API server: what they send, keep, and leave alone."""

from __future__ import annotations

import contextlib

import pytest

from kubeprims.client.client import Client
from kubeprims.client.events import EventRecorder
from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import (
    AlreadyExists,
    Cancelled,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    DecodeError,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    NotFound,
    ServerError,
    UnexpectedContent,
)
from kubeprims.leaderelection.lock import UNKNOWN_LEADER
from kubeprims.leaderelection.locks import ConfigMapLock, EndpointsLock, LeaseLock, ObjectLock
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Answer, Drop, FaultPoint, Match, Stall
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.leaderelection.locking import (
    ANNOTATED,
    LEASES,
    ME,
    NAME,
    NAMESPACE,
    OTHER,
    RESOURCES,
    SINGLE,
    a_lock,
    a_record,
    annotation,
    asked,
    holder,
    labels_of,
    put,
    rewrite,
    stored,
    version,
)
from tests.parity import case

TIMEOUT_S = 20.0
EVERY_KIND = pytest.mark.parametrize("kind", SINGLE)
EVERY_ANNOTATED_KIND = pytest.mark.parametrize("kind", ANNOTATED)


# -- the verbs --------------------------------------------------------------------------------------------------------


@case("LE-LSL1")
@EVERY_KIND
def test_a_lock_that_is_not_there_is_not_found(kind: str, kubeprims_client: Client) -> None:
    with pytest.raises(NotFound):
        a_lock(kind, kubeprims_client).get()


@case("LE-LSL2")
@EVERY_KIND
def test_what_was_created_is_read_back_with_the_same_version(kind: str, kubeprims_client: Client) -> None:
    record = a_record(after_s=2, transitions=3)
    written = a_lock(kind, kubeprims_client).create(record)
    found = a_lock(kind, kubeprims_client).get()
    expected = record if kind == "leases" else _to_the_second(record)
    assert found.record == expected
    assert found.version == written.version


def _to_the_second(record: LeaderElectionRecord) -> LeaderElectionRecord:
    acquire_time, renew_time = record.acquire_time, record.renew_time
    assert acquire_time is not None
    assert renew_time is not None
    return LeaderElectionRecord(
        holder_identity=record.holder_identity,
        lease_duration_s=record.lease_duration_s,
        acquire_time=acquire_time.replace(microsecond=0),
        renew_time=renew_time.replace(microsecond=0),
        leader_transitions=record.leader_transitions,
    )


@case("LE-LSL3")
@EVERY_KIND
def test_a_lock_is_created_once(kind: str, kubeprims_client: Client) -> None:
    a_lock(kind, kubeprims_client).create(a_record())
    with pytest.raises(AlreadyExists):
        a_lock(kind, kubeprims_client, OTHER).create(a_record(OTHER))


@case("LE-LSL4")
@EVERY_KIND
def test_an_update_of_what_was_never_read_is_refused_and_sends_nothing(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    put(kubeprims_apiserver, RESOURCES[kind][0], None)
    with pytest.raises(LifecycleError, match="the lock default/web is read or created before it is updated"):
        a_lock(kind, kubeprims_client).update(a_record())
    assert asked(kubeprims_apiserver) == []


@case("LE-LSL5")
@EVERY_KIND
def test_a_lock_is_described_by_namespace_and_name(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client)
    assert lock.describe() == "default/web"
    assert repr(lock).endswith(f"Lock default/web of {ME}>")


@case("LE-LSL10")
@EVERY_KIND
def test_the_answer_to_a_write_is_what_the_next_write_is_compared_with(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    lock = a_lock(kind, kubeprims_client)
    tokens = [lock.create(a_record()).token]
    assert tokens == [version(stored(kubeprims_apiserver, resource))]
    for after_s in (1, 2, 3):
        tokens.append(lock.update(a_record(after_s=after_s)).token)
        assert tokens[-1] == version(stored(kubeprims_apiserver, resource))
    assert len(set(tokens)) == 4
    plural = resource.rpartition("/")[2]
    assert asked(kubeprims_apiserver) == [f"create {plural}"] + [f"update {plural}"] * 3, "one request a renewal"


@EVERY_KIND
def test_a_write_that_changes_nothing_makes_no_new_version(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client)
    assert lock.create(a_record()) == lock.update(a_record())


@EVERY_KIND
def test_no_verb_is_needed_but_get_create_and_update(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client, labels={"app": "web"})
    with pytest.raises(NotFound):
        lock.get()
    lock.create(a_record())
    lock.update(a_record(after_s=1))
    lock.get()
    lock.update(a_record(""))
    verbs = [request.partition(" ")[0] for request in asked(kubeprims_apiserver)]
    assert verbs == ["get", "create", "update", "get", "update"]
    assert {request.query for request in kubeprims_apiserver.requests} <= {"", "fieldManager=kubeprims"}


# -- compare and swap -------------------------------------------------------------------------------------------------


@case("LE-A45")
@EVERY_KIND
def test_a_write_on_a_stale_state_fails_and_loses_nothing(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    put(kubeprims_apiserver, resource, None)
    lock = a_lock(kind, kubeprims_client)
    lock.get()
    rewrite(kubeprims_client, resource, a_record(OTHER, transitions=1))
    before = stored(kubeprims_apiserver, resource)
    for _ in range(2):  # the state that is known stays known: a second write fails in the same way
        with pytest.raises(Conflict):
            lock.update(a_record(transitions=1))
    assert stored(kubeprims_apiserver, resource) == before
    observation = lock.get()
    assert observation.record is not None
    assert observation.record.holder_identity == OTHER
    lock.update(a_record(transitions=2))
    assert holder(kubeprims_apiserver, resource) == ME


@EVERY_KIND
def test_a_write_that_failed_leaves_what_is_known_so_that_the_lock_can_still_be_released(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    # k/k#95939: upstream once forgot the object after a failed update, and then could not release.
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record())
    kubeprims_apiserver.faults.add(Answer(code=500), Match(verb="update"))
    with pytest.raises(ServerError):
        lock.update(a_record(after_s=1))
    kubeprims_apiserver.faults.add(Answer(code=403), Match(verb="get"))
    with pytest.raises(KubeprimsError):
        lock.get()
    lock.update(a_record(""))
    assert holder(kubeprims_apiserver, RESOURCES[kind][0]) == ""


@EVERY_KIND
def test_a_write_does_not_bring_back_what_was_deleted(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record())
    kubeprims_apiserver.delete(resource, NAME, namespace=NAMESPACE)
    with pytest.raises((Conflict, NotFound)):
        lock.update(a_record(after_s=1))
    assert kubeprims_apiserver.list(resource, namespace=NAMESPACE, label_selector="") == []


@EVERY_KIND
def test_a_write_does_not_touch_what_was_deleted_and_made_anew(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record())
    kubeprims_apiserver.delete(resource, NAME, namespace=NAMESPACE)
    put(kubeprims_apiserver, resource, a_record(OTHER))
    with pytest.raises(Conflict):
        lock.update(a_record(after_s=1))
    assert holder(kubeprims_apiserver, resource) == OTHER


@EVERY_KIND
def test_an_answer_that_comes_after_the_next_request_began_is_not_written_on(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    put(kubeprims_apiserver, resource, a_record())
    lock = a_lock(kind, kubeprims_client)
    lock.get()
    # A read is held up, and given up by the election; it shows the other holder's record when nobody asks any more.
    stall = kubeprims_apiserver.faults.add(Stall(), Match(verb="get"))
    threads = ThreadGroup("late")
    threads.spawn(lambda: _drop(lock.get()), name="get")
    assert stall.wait_for_hits()
    kubeprims_apiserver.faults.add(Answer(code=503), Match(verb="get"))
    with pytest.raises(ServerError):
        lock.get(timeout_s=TIMEOUT_S)
    rewrite(kubeprims_client, resource, a_record(OTHER, transitions=1))
    stall.release()
    assert threads.join(Deadline.after(TIMEOUT_S)) == ()
    with pytest.raises(Conflict):
        lock.update(a_record(after_s=1))
    assert holder(kubeprims_apiserver, resource) == OTHER


@EVERY_KIND
def test_of_writes_at_the_same_time_none_is_lost(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    put(kubeprims_apiserver, RESOURCES[kind][0], None)
    accepted: list[str] = []

    def count(identity: str) -> None:
        lock = a_lock(kind, kubeprims_client, identity)
        for _ in range(25):
            found = lock.get(timeout_s=TIMEOUT_S).record
            assert found is not None
            with contextlib.suppress(Conflict):
                record = a_record(identity, transitions=found.leader_transitions + 1)
                accepted.append(lock.update(record, timeout_s=TIMEOUT_S).token)

    threads = ThreadGroup("candidates")
    for number in range(4):
        threads.spawn(lambda identity=f"web-{number}": count(identity), name=f"candidate {number}")  # type: ignore[misc]
    assert threads.join(Deadline.after(TIMEOUT_S)) == ()
    record = a_lock(kind, kubeprims_client).get().record
    assert record is not None
    assert record.leader_transitions == len(accepted) == len(set(accepted)) > 0


def _drop(_: object) -> None:
    """Take a result that nobody wants."""


# -- what else the object has -----------------------------------------------------------------------------------------


@case("LE-REC9")
@EVERY_KIND
def test_whatever_else_the_object_has_survives_every_write(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    metadata: JSONObject = {
        "name": NAME,
        "labels": {"team": "a"},
        "annotations": {"note": "kept"},
        "finalizers": ["example.com/kept"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "u-1"}],
    }
    more: dict[str, JSONObject] = {
        "leases": {"spec": {"strategy": "example.com/kept"}},
        "configmaps": {"data": {"a": "b"}, "binaryData": {"c": "AAE="}},
        "endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "protocol": "TCP"}]}]},
    }
    before = kubeprims_apiserver.create(resource, {"metadata": metadata, **more[kind]}, namespace=NAMESPACE)
    lock = a_lock(kind, kubeprims_client)
    found = lock.get().record
    assert found is not None
    strategy = found.strategy
    lock.update(_with_strategy(a_record(transitions=1), strategy))
    lock.update(_with_strategy(a_record(after_s=1, transitions=1), strategy))
    after = stored(kubeprims_apiserver, resource)
    assert _rest(after) == _rest(before)
    assert holder(kubeprims_apiserver, resource) == ME


def _with_strategy(record: LeaderElectionRecord, strategy: str) -> LeaderElectionRecord:
    return LeaderElectionRecord(
        holder_identity=record.holder_identity,
        lease_duration_s=record.lease_duration_s,
        acquire_time=record.acquire_time,
        renew_time=record.renew_time,
        leader_transitions=record.leader_transitions,
        strategy=strategy,
    )


def _rest(obj: JSONObject) -> JSONObject:
    """Return an object without what a write of the record changes."""
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    changes = {"resourceVersion", "managedFields", "annotations", "generation"}
    annotations = metadata.get("annotations")
    assert isinstance(annotations, dict)
    spec = obj.get("spec", {})
    assert isinstance(spec, dict)
    return {
        **{name: value for name, value in obj.items() if name not in {"metadata", "spec"}},
        "metadata": {name: value for name, value in metadata.items() if name not in changes},
        "annotations": {"note": annotations["note"]},
        "strategy": spec.get("strategy"),
    }


def test_fields_of_a_lease_that_a_later_version_brings_are_sent_back(kubeprims_client: Client) -> None:
    # The embedded server drops what it does not know, as the real one does: so look at what is made of it.
    kind = LeaseLock(kubeprims_client, namespace=NAMESPACE, name=NAME).lock_object.kind
    changed = kind.changed({"metadata": {"name": NAME}, "spec": {"quorum": [1, {"a": None}]}}, a_record(), {})
    spec = changed["spec"]
    assert isinstance(spec, dict)
    assert spec["quorum"] == [1, {"a": None}]


@case("LE-LSL7")
@EVERY_KIND
def test_labels_are_set_on_an_object_that_has_none(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    put(kubeprims_apiserver, resource, None)
    lock = a_lock(kind, kubeprims_client, labels={"app": "web"})
    lock.get()
    lock.update(a_record())
    assert labels_of(stored(kubeprims_apiserver, resource)) == {"app": "web"}


@EVERY_KIND
def test_labels_are_set_when_the_object_is_made(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    a_lock(kind, kubeprims_client, labels={"app": "web"}).create(a_record())
    assert labels_of(stored(kubeprims_apiserver, RESOURCES[kind][0])) == {"app": "web"}


@case("LE-LSL8")
@EVERY_KIND
def test_labels_of_the_object_are_kept_if_none_are_configured(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    kubeprims_apiserver.create(resource, {"metadata": {"name": NAME, "labels": {"team": "a"}}}, namespace=NAMESPACE)
    lock = a_lock(kind, kubeprims_client)
    lock.get()
    lock.update(a_record())
    assert labels_of(stored(kubeprims_apiserver, resource)) == {"team": "a"}


@case("LE-LSL9")
@EVERY_KIND
def test_a_configured_label_is_restored_and_those_of_others_are_kept(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    lock = a_lock(kind, kubeprims_client, labels={"app": "web"})
    lock.create(a_record())
    kubeprims_client.resource(resource, NAMESPACE).patch(NAME, {"metadata": {"labels": {"app": "theirs", "team": "a"}}})
    lock.get()
    lock.update(a_record(after_s=1))
    assert labels_of(stored(kubeprims_apiserver, resource)) == {"app": "web", "team": "a"}


@EVERY_KIND
def test_a_label_that_somebody_adds_does_not_change_the_record_seen(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client)
    written = lock.create(a_record())
    patch: JSONObject = {"metadata": {"labels": {"team": "a"}}}
    kubeprims_client.resource(RESOURCES[kind][0], NAMESPACE).patch(NAME, patch)
    assert lock.get().version == written.version


# -- what others have written -----------------------------------------------------------------------------------------


@case("LE-A27")
@EVERY_ANNOTATED_KIND
@pytest.mark.parametrize(
    "text",
    ["", "web-0 leads", '{"holderIdentity":"web-', "[1]", '{"holderIdentity":"' + "x" * 250_000 + '"}'],
    ids=["empty", "garbage", "truncated", "array", "huge"],
)
def test_an_annotation_that_is_no_record_is_seen_as_such_and_can_be_written_over(
    kind: str, text: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    resource = RESOURCES[kind][0]
    put(kubeprims_apiserver, resource, text)
    lock = a_lock(kind, kubeprims_client)
    assert lock.get().record is None
    lock.update(a_record(transitions=1))
    assert holder(kubeprims_apiserver, resource) == ME


@case("LE-A26")
@EVERY_ANNOTATED_KIND
def test_a_record_of_the_old_python_client_is_readable(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    old = (
        '{"holderIdentity": "old", "leaseDurationSeconds": "17", "acquireTime": "2026-07-24 07:08:07.123456", '
        '"renewTime": "2026-07-24 07:08:09.654321"}'
    )
    put(kubeprims_apiserver, RESOURCES[kind][0], old)
    record = a_lock(kind, kubeprims_client).get().record
    assert record is not None
    assert (record.holder_identity, record.lease_duration_s) == ("old", 17)


# -- answers that are none --------------------------------------------------------------------------------------------

HTML = Answer(code=502, body=b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
ODD_ANSWERS = [
    HTML,
    Answer(code=200, body=b"<html>log in</html>", content_type="text/html"),
    Answer(code=200, body=b"not json"),
    Answer(code=200, body=b"[]"),
    Answer(code=200, body=b""),
    Answer(code=200, body=b"{}"),
    Answer(code=200, body=b'{"kind":"Status","status":"Success"}'),
    Answer(code=200, body=b'{"metadata":{"name":"web","namespace":"default"}}'),
    Answer(code=200, body=b'{"metadata":{"name":"other","namespace":"default","resourceVersion":"3"}}'),
    Answer(code=503, body=b""),
    Drop(point=FaultPoint.BEFORE_HEAD),
]
KNOWN_ONCE = {"get": False, "create": False, "update": True}


@case("LE-A28")
@EVERY_KIND
@pytest.mark.parametrize("verb", ["get", "create", "update"])
def test_what_is_no_answer_is_an_error_of_the_client_and_the_next_request_works(
    kind: str, verb: str, kubeprims_apiserver: APIServer, impatient_client: Client
) -> None:
    for answer in ODD_ANSWERS:
        lock = a_lock(kind, impatient_client)
        if verb != "create":
            lock.create(a_record())
            lock.get()
        fault = kubeprims_apiserver.faults.add(answer, Match(verb=verb), count=None)
        with pytest.raises(KubeprimsError) as caught:
            _request(lock, verb)
        fault.exhaust()
        assert not isinstance(caught.value, LifecycleError)
        if not isinstance(answer, Drop):  # that one was carried out
            _request(lock, verb)
        kubeprims_apiserver.delete(RESOURCES[kind][0], NAME, namespace=NAMESPACE)


@case("LE-A28")
@EVERY_KIND
@pytest.mark.parametrize("verb", ["create", "update"])
def test_an_answer_that_does_not_say_what_was_written_is_none(
    kind: str, verb: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client)
    if verb == "update":
        lock.create(a_record())
    body = b'{"metadata":{"name":"web","namespace":"default","resourceVersion":"3"}}'
    kubeprims_apiserver.faults.add(Answer(code=200, body=body), Match(verb=verb))
    with pytest.raises(DecodeError, match="as it was asked for, or written"):
        _request(lock, verb)


def _request(lock: object, verb: str) -> None:
    assert isinstance(lock, ObjectLock)
    if verb == "get":
        lock.get(timeout_s=TIMEOUT_S)
    elif verb == "create":
        lock.create(a_record(), timeout_s=TIMEOUT_S)
    else:
        lock.update(a_record(after_s=1), timeout_s=TIMEOUT_S)


def test_html_in_place_of_a_lease_is_named_as_such(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    kubeprims_apiserver.faults.add(HTML, count=None)
    with pytest.raises((UnexpectedContent, ServerError)):
        a_lock("leases", kubeprims_client).get(timeout_s=TIMEOUT_S)


@EVERY_KIND
@pytest.mark.parametrize("verb", ["get", "create", "update"])
def test_every_request_ends_by_its_time_out_and_when_it_is_cancelled(
    kind: str, verb: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client)
    put(kubeprims_apiserver, RESOURCES[kind][0], a_record())
    lock.get()
    kubeprims_apiserver.faults.add(Stall(), count=None)
    cancel = Cancel()
    cancel.set()
    call = {
        "get": lambda **limits: _drop(lock.get(**limits)),
        "create": lambda **limits: _drop(lock.create(a_record(), **limits)),
        "update": lambda **limits: _drop(lock.update(a_record(), **limits)),
    }[verb]
    with pytest.raises(DeadlineExceeded):
        call(timeout_s=0.05)
    with pytest.raises(Cancelled):
        call(cancel=cancel)


# -- events, watching, other clients ----------------------------------------------------------------------------------


@case("LE-LSL6")
@EVERY_KIND
def test_an_event_says_who_and_what_of_the_lock_object(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        lock = a_lock(kind, kubeprims_client, recorder=recorder)
        lock.record_event("became leader")  # there is no object yet
        lock.create(a_record())
        lock.record_event("became leader")
    (event,) = kubeprims_apiserver.list("events.k8s.io/v1/events", namespace=NAMESPACE)
    assert (event["type"], event["reason"], event["note"]) == ("Normal", "LeaderElection", f"{ME} became leader")
    obj = stored(kubeprims_apiserver, RESOURCES[kind][0])
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    assert event["regarding"] == {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "namespace": NAMESPACE,
        "name": NAME,
        "uid": metadata["uid"],
    }


@EVERY_KIND
def test_without_a_recorder_events_go_nowhere(kind: str, kubeprims_client: Client) -> None:
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record())
    lock.record_event("became leader")


@EVERY_KIND
def test_the_lock_object_alone_is_watched(kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    resource = RESOURCES[kind][0]
    lock = a_lock(kind, kubeprims_client)
    lock.create(a_record())
    kubeprims_apiserver.create(resource, {"metadata": {"name": "another"}}, namespace=NAMESPACE)
    watched = lock.watched()
    assert watched is not None
    with watched.list_watch.list(ListOptions()) as page:
        assert len(list(page)) == 1
    with watched.list_watch.watch(WatchOptions(resource_version="0")) as watch:
        changes = iter(watch)
        assert watched.observe(next(changes).object) == lock.get()
        rewrite(kubeprims_client, resource, a_record(OTHER))
        record = watched.observe(next(changes).object).record
        assert record is not None
        assert record.holder_identity == OTHER


@EVERY_KIND
def test_a_lock_by_way_of_another_client_is_the_same_and_knows_nothing(
    kind: str, kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    lock = a_lock(kind, kubeprims_client, None, labels={"app": "web"})
    lock.create(a_record())
    with kubeprims_client.with_options(user_agent_suffix="leader-election") as client:
        other = lock.with_client(client)
        assert type(other) is type(lock)
        assert (lock.client, other.client) == (kubeprims_client, client)
        assert (other.identity, other.has_generated_identity) == (lock.identity, True)
        with pytest.raises(LifecycleError):
            other.update(a_record())
        other.get()
        other.update(a_record(after_s=1))
    agents = [request.user_agent.endswith("/leader-election") for request in kubeprims_apiserver.requests]
    assert agents == [False, True, True]
    assert labels_of(stored(kubeprims_apiserver, RESOURCES[kind][0])) == {"app": "web"}


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", [LeaseLock, ConfigMapLock, EndpointsLock])
def test_what_cannot_be_a_lock_is_refused_when_it_is_made(lock: type[ObjectLock], kubeprims_client: Client) -> None:
    for namespace, name in (("", NAME), (NAMESPACE, ""), ("a/b", NAME), (NAMESPACE, "a/b"), ("..", NAME)):
        with pytest.raises(InvalidArgument, match="of a lock may not be empty"):
            lock(kubeprims_client, namespace=namespace, name=name)
    for identity in ("", UNKNOWN_LEADER, 4711):
        with pytest.raises(ConfigError, match="identity: must name one candidate and no other"):
            lock(kubeprims_client, namespace=NAMESPACE, name=NAME, identity=identity)  # type: ignore[arg-type]


def test_identities_are_made_up_of_the_machines_name_and_what_nobody_else_has(kubeprims_client: Client) -> None:
    first, second = (LeaseLock(kubeprims_client, namespace=NAMESPACE, name=NAME) for _ in range(2))
    assert first.has_generated_identity
    assert first.identity != second.identity
    host, _, unique = first.identity.rpartition("_")
    assert host
    assert len(unique) == 36
    given = LeaseLock(kubeprims_client, namespace=NAMESPACE, name=NAME, identity="a")
    assert not given.has_generated_identity


def test_the_annotation_of_a_config_map_is_upstreams(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    a_lock("configmaps", kubeprims_client).create(a_record(after_s=2, transitions=3))
    assert annotation(stored(kubeprims_apiserver, "v1/configmaps")) == (
        '{"holderIdentity":"web-0_8f2c","leaseDurationSeconds":15,"acquireTime":"2026-07-24T07:08:07Z",'
        '"renewTime":"2026-07-24T07:08:09Z","leaderTransitions":3}'
    )


def test_the_spec_of_a_lease_is_upstreams(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    a_lock("leases", kubeprims_client).create(a_record(after_s=2, transitions=3))
    assert stored(kubeprims_apiserver, LEASES)["spec"] == {
        "holderIdentity": "web-0_8f2c",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-07-24T07:08:07.123456Z",
        "renewTime": "2026-07-24T07:08:09.123456Z",
        "leaseTransitions": 3,
    }
