"""Locks of every kind on a real kube-apiserver, by a user who may do no more than is needed."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator
from itertools import repeat

import pytest

from kubeprims.client.client import Client
from kubeprims.client.options import ListOptions
from kubeprims.errors import AlreadyExists, Conflict, Forbidden, NotFound
from kubeprims.meta import JSONObject
from tests.leaderelection.contending import Contender
from tests.leaderelection.locking import (
    ANNOTATED,
    LEASES,
    ME,
    MULTI,
    NAME,
    NAMESPACE,
    OTHER,
    RESOURCES,
    SINGLE,
    a_lock,
    a_record,
    rewrite,
    saying,
)
from tests.parity import case
from tests.real.cluster import RealCluster
from tests.waiting import eventually

ROLES = "rbac.authorization.k8s.io/v1/roles"
BINDINGS = "rbac.authorization.k8s.io/v1/rolebindings"
LOCKED = sorted({name for names in RESOURCES.values() for name in names})
TIMEOUT_S = 30.0
RBAC = {"apiGroup": "rbac.authorization.k8s.io"}
RULES: list[JSONObject] = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    {"apiGroups": [""], "resources": ["configmaps", "endpoints"], "verbs": ["get", "create", "update"]},
]


@pytest.fixture
def admin(real_cluster: RealCluster, tmp_path: pathlib.Path) -> Iterator[Client]:
    path = tmp_path / "admin"
    path.write_text(json.dumps(real_cluster.kubeconfig()))
    with Client.from_config(path) as client:
        yield client
        for resource in LOCKED:
            with contextlib.suppress(NotFound):
                client.resource(resource, NAMESPACE).delete(NAME)


@pytest.fixture
def client(real_cluster: RealCluster, admin: Client, tmp_path: pathlib.Path) -> Iterator[Client]:
    """Somebody who may get, create and update locks, and nothing else; the rights stay for the tests to come."""
    binding: JSONObject = {
        "metadata": {"name": NAME},
        "roleRef": {**RBAC, "kind": "Role", "name": NAME},
        "subjects": [{**RBAC, "kind": "User", "name": "bob"}],
    }
    with contextlib.suppress(AlreadyExists):
        admin.resource(ROLES, NAMESPACE).create({"metadata": {"name": NAME}, "rules": [*RULES]})
        admin.resource(BINDINGS, NAMESPACE).create(binding)
    path = tmp_path / "bob"
    path.write_text(json.dumps(real_cluster.kubeconfig("bob")))
    with Client.from_config(path) as made:
        eventually(lambda: all(map(may_get, repeat(made), LOCKED)), TIMEOUT_S, "the server has heard of bob's rights")
        yield made


def may_get(client: Client, resource: str) -> bool:
    try:
        client.resource(resource, NAMESPACE).get(NAME)
    except NotFound:
        return True
    except Forbidden:
        return False
    return True


@case("LE-LSL1", "LE-LSL2", "LE-LSL3", "LE-LSL10", "LE-A45")
@pytest.mark.parametrize("kind", RESOURCES)
def test_two_candidates_take_a_lock_from_each_other(kind: str, client: Client) -> None:
    mine, theirs = a_lock(kind, client), a_lock(kind, client, OTHER)
    with pytest.raises(NotFound):
        mine.get()
    written = mine.create(a_record())
    with pytest.raises(AlreadyExists):
        theirs.create(a_record(OTHER))
    seen = theirs.get()
    assert seen.version == written.version
    assert seen.record is not None
    assert seen.record.holder_identity == ME
    renewed = mine.update(a_record(after_s=1))
    assert int(renewed.token) > int(written.token)
    with pytest.raises(Conflict):
        theirs.update(a_record(OTHER, transitions=1))
    assert theirs.get().version == renewed.version
    taken = theirs.update(a_record(OTHER, after_s=2, transitions=1))
    with pytest.raises(Conflict):
        mine.update(a_record(after_s=3))
    found = mine.get()
    assert found.version == taken.version
    assert found.record is not None
    assert found.record.holder_identity == OTHER


@case("LE-LSL7", "LE-LSL9", "LE-REC9")
@pytest.mark.parametrize("kind", SINGLE)
def test_what_else_the_object_has_stays(kind: str, admin: Client, client: Client) -> None:
    resource = admin.resource(RESOURCES[kind][0], NAMESPACE)
    more: dict[str, JSONObject] = {
        "leases": {"spec": {"leaseDurationSeconds": 7}},
        "configmaps": {"data": {"a": "b"}, "binaryData": {"c": "AAE="}},
        "endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "protocol": "TCP"}]}]},
    }
    owner: JSONObject = {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "u-1"}
    metadata: JSONObject = {
        "name": NAME,
        "labels": {"team": "a", "app": "theirs"},
        "annotations": {"note": "kept"},
        "ownerReferences": [owner],
    }
    resource.create({"metadata": metadata, **more[kind]})
    lock = a_lock(kind, client, labels={"app": "web"})
    lock.get()
    lock.update(a_record(transitions=1))
    after = resource.get(NAME).to_dict()
    kept = after["metadata"]
    assert isinstance(kept, dict)
    assert kept["labels"] == {"team": "a", "app": "web"}
    assert kept["ownerReferences"] == [owner]
    annotations = kept["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["note"] == "kept"
    for name in ("data", "binaryData", "subsets"):
        assert after.get(name) == more[kind].get(name)


@pytest.mark.parametrize("kind", SINGLE)
def test_a_write_does_not_bring_back_what_was_deleted(kind: str, admin: Client, client: Client) -> None:
    resource = admin.resource(RESOURCES[kind][0], NAMESPACE)
    lock = a_lock(kind, client)
    lock.create(a_record())
    resource.delete(NAME)
    with pytest.raises(NotFound if kind == "configmaps" else Conflict):
        lock.update(a_record(after_s=1))
    with pytest.raises(NotFound):
        resource.get(NAME)


@pytest.mark.parametrize("kind", SINGLE)
def test_watching_takes_more_rights_than_polling(kind: str, admin: Client, client: Client) -> None:
    lock = a_lock(kind, client)
    lock.create(a_record())
    watched = lock.watched()
    assert watched is not None
    with pytest.raises(Forbidden), watched.list_watch.list(ListOptions()) as page:
        list(page)
    theirs = a_lock(kind, admin).watched()
    assert theirs is not None
    with theirs.list_watch.list(ListOptions()) as page:
        assert len(list(page)) == 1


@case("LE-A26", "LE-A27")
@pytest.mark.parametrize("kind", ANNOTATED)
def test_what_others_have_written_into_an_annotation_is_lived_with(kind: str, admin: Client, client: Client) -> None:
    resource = RESOURCES[kind][0]
    lock = a_lock(kind, client)
    admin.resource(resource, NAMESPACE).create(saying(resource, "web-0 leads"))
    assert lock.get().record is None
    rewrite(admin, resource, '{"holderIdentity":"old","leaseDurationSeconds":"2000000000"}')
    record = lock.get().record
    assert record is not None
    assert (record.holder_identity, record.lease_duration_s) == ("old", 2_000_000_000)
    lock.update(a_record(transitions=1))
    record = lock.get().record
    assert record is not None
    assert record.holder_identity == ME


@case("LE-ML12", "LE-ML13")
@pytest.mark.parametrize("kind", MULTI)
def test_a_secondary_that_was_deleted_is_made_anew_and_one_that_was_changed_is_left_alone(
    kind: str, admin: Client, client: Client
) -> None:
    leases = admin.resource(LEASES, NAMESPACE)
    lock = a_lock(kind, client)
    lock.create(a_record())
    leases.delete(NAME)
    with pytest.raises(Conflict):
        lock.update(a_record(after_s=1))
    seen = lock.get().record
    assert seen is not None
    assert seen.holder_identity == ME
    lock.update(a_record(after_s=2))
    assert leases.get(NAME).to_dict()["spec"] == saying(LEASES, a_record(after_s=2))["spec"]
    foreign = rewrite(admin, LEASES, a_record(OTHER, transitions=1))
    with pytest.raises(Conflict):
        lock.update(a_record(after_s=3))
    assert leases.get(NAME).resource_version == foreign.resource_version


@case("LE-ACQ1", "LE-ACQ4", "LE-REN1", "LE-REL1", "LE-A18")
@pytest.mark.parametrize("kind", RESOURCES)
def test_candidates_take_turns(kind: str, admin: Client, client: Client) -> None:
    first, second = Contender(a_lock(kind, client)), Contender(a_lock(kind, client, OTHER))
    first.begin()
    assert first.leads
    first.renew(3)
    second.begin()
    assert second.leaders == [ME]
    # The first is not heard of any more.
    second.again_at(20.0)
    assert second.leads
    assert second.leaders == [ME, OTHER]
    second.renew(2)
    first.pass_s(15.0)
    first.again()
    assert not first.leads
    # The second gives the lock back, and the next one has it at once.
    second.stop()
    second.returned()
    second.attempt()
    assert second.ended is not None
    assert second.ended.is_released
    third = Contender(a_lock(kind, client, "third"))
    third.begin()
    assert third.leads
    # Deleted, it is another term, with a larger token.
    for resource in RESOURCES[kind]:
        admin.resource(resource, NAMESPACE).delete(NAME)
    third.again()
    assert not third.leads
    fourth = Contender(a_lock(kind, client, "fourth"))
    fourth.begin()
    tokens = [int(candidate.tokens[0]) for candidate in (first, second, third, fourth)]
    assert tokens == sorted(set(tokens))
