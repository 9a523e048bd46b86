"""Pools that transports to the same server share."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable

from kubeprims.transport.pool import Pool

_lock = threading.Lock()
_pools: weakref.WeakValueDictionary[Hashable, Pool] = weakref.WeakValueDictionary()


def shared_pool(key: Hashable, make: Callable[[], Pool]) -> Pool:
    """Return the pool of a key, made if there is none, for one more holder, who lets go of it.

    Args:
        key: All that decides how a connection is made. Who a request is from is none of it, unless a certificate
            says so: tokens and identities travel with each request.
        make: Makes a pool with one holder.

    Raises:
        ConfigError: What ``make`` raises.

    Concurrency:
        Any number of threads at once; two that ask for the same key get the same pool.

    Source:
        client-go transport/cache.go, ``tlsTransportCache``.
    """
    with _lock:
        pool = _pools.get(key)
        if pool is None or not pool.hold():
            pool = _pools[key] = make()
        return pool
