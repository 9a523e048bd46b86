"""Locks by the names of the flags."""

from __future__ import annotations

import pytest

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError
from kubeprims.leaderelection.locks import ConfigMapLock, EndpointsLock, LeaseLock
from kubeprims.leaderelection.multi_lock import MultiLock
from kubeprims.leaderelection.resource_lock import RESOURCE_LOCKS, resource_lock
from tests.leaderelection.locking import NAME, NAMESPACE
from tests.parity import case


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("leases", LeaseLock),
        ("configmaps", ConfigMapLock),
        ("endpoints", EndpointsLock),
        ("configmapsleases", MultiLock),
        ("endpointsleases", MultiLock),
    ],
)
def test_every_kind_that_the_flags_ever_had_is_there(kind: str, expected: type, kubeprims_client: Client) -> None:
    lock = resource_lock(kind, kubeprims_client, namespace=NAMESPACE, name=NAME)
    assert type(lock) is expected
    assert kind in RESOURCE_LOCKS
    assert lock.has_generated_identity
    assert lock.identity
    other = resource_lock(kind, kubeprims_client, namespace=NAMESPACE, name=NAME)
    assert lock.identity != other.identity


@case("LE-CFG9")
@pytest.mark.parametrize("kind", ["", "lease", "Leases", "configmapleases", "leases "])
def test_an_unknown_kind_is_named_with_those_that_there_are(kind: str, kubeprims_client: Client) -> None:
    with pytest.raises(ConfigError) as caught:
        resource_lock(kind, kubeprims_client, namespace=NAMESPACE, name=NAME)
    known = "leases, configmaps, endpoints, configmapsleases, endpointsleases"
    assert str(caught.value) == f"resource_lock: must be one of {known}, not {kind!r}"


def test_an_identity_that_names_nobody_is_refused_for_every_kind(kubeprims_client: Client) -> None:
    for kind in RESOURCE_LOCKS:
        with pytest.raises(ConfigError, match="identity"):
            resource_lock(kind, kubeprims_client, namespace=NAMESPACE, name=NAME, identity="")
