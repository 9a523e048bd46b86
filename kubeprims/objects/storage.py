"""How the cache keeps an object's bytes: as they are, or packed.

A packed record says itself how it is read: behind its packed bytes stands the dictionary that they were packed with,
shared by all records that were. So nothing needs to be looked up, a dictionary may be succeeded by a better one at any
time, and a record outlives its cache. Key, uid, version and labels are never packed.
"""

from __future__ import annotations

from typing import Protocol

from kubeprims.objects.record import ObjectRecord


class Storage(Protocol):
    """How records are kept. One storage serves one cache."""

    def pack(self, record: ObjectRecord) -> ObjectRecord:
        """Return the record as the cache shall keep it; whoever reads it sees what it was."""
        ...


class PlainStorage:
    """Keeps bytes as they came."""

    __slots__ = ()

    def pack(self, record: ObjectRecord) -> ObjectRecord:
        """Return the record itself."""
        return record
