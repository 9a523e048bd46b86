"""Locks by the names that the flags of Kubernetes' components have for them."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError
from kubeprims.leaderelection.lock import Recorder, ResourceLock, make_identity
from kubeprims.leaderelection.locks import ConfigMapLock, EndpointsLock, LeaseLock, ObjectLock
from kubeprims.leaderelection.multi_lock import MultiLock

_SINGLE: Mapping[str, type[ObjectLock]] = {
    "leases": LeaseLock,
    "configmaps": ConfigMapLock,
    "endpoints": EndpointsLock,
}
_MULTI: Mapping[str, type[ObjectLock]] = {"configmapsleases": ConfigMapLock, "endpointsleases": EndpointsLock}

RESOURCE_LOCKS = (*_SINGLE, *_MULTI)
"""The kinds of locks: the first one is the one to choose."""


def resource_lock(  # noqa: PLR0913 - options, all by keyword
    kind: str,
    client: Client,
    *,
    namespace: str,
    name: str,
    identity: str | None = None,
    labels: Mapping[str, str] | None = None,
    recorder: Recorder | None = None,
) -> ResourceLock:
    """Return a lock of a kind, as ``--leader-elect-resource-lock`` names it; nothing is sent.

    Args:
        kind: ``leases``; or, beside older candidates, ``configmaps``, ``endpoints``, ``configmapsleases`` or
            ``endpointsleases``. A fleet moves from ``configmaps`` to ``configmapsleases`` and, once every member has
            done so, to ``leases``; leaving out the middle elects two leaders.
        client: The server. An elector derives one of its own from it.
        namespace: Where the lock is.
        name: What it is called.
        identity: What this candidate writes as the holder; no two candidates may have the same. None has one made up,
            of the machine's name and a random part.
        labels: Labels that the object, or both, are given with every write; others are kept. None leaves all alone.
        recorder: Takes the events of the lock.

    Raises:
        ConfigError: There is no such kind, or the identity is empty or stands for nobody.
        InvalidArgument: The namespace or the name cannot be one.

    Source:
        client-go tools/leaderelection/resourcelock/interface.go, ``New``, which has ``leases`` alone today; v0.23.0 has
        all five.
        Differs: labels are for every kind.
    """
    if kind in _SINGLE:
        return _SINGLE[kind](
            client, namespace=namespace, name=name, identity=identity, labels=labels, recorder=recorder
        )
    if kind not in _MULTI:
        raise ConfigError(f"must be one of {', '.join(RESOURCE_LOCKS)}, not {kind!r}", field="resource_lock")
    has_generated_identity = identity is None
    identity = make_identity() if identity is None else identity
    primary, secondary = (
        made(client, namespace=namespace, name=name, identity=identity, labels=labels, recorder=recorder)
        for made in (_MULTI[kind], LeaseLock)
    )
    return MultiLock(primary, secondary, has_generated_identity=has_generated_identity)
