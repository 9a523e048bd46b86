"""What a source knows of the cache: what its queue infers deletions from."""

from __future__ import annotations

from collections.abc import Iterable

from kubeprims.cache.indexer import Indexer
from kubeprims.objects.record import KEY, ObjectRecord


class KnownInNamespace:
    """The objects of one namespace: those that a list of it can omit."""

    def __init__(self, indexer: Indexer, namespace: str) -> None:
        """Make a view of the cache."""
        self._indexer = indexer
        self._namespace = namespace

    def keys(self) -> Iterable[str]:
        """Return the keys of the namespace's objects."""
        return [record[KEY] for record in self._indexer.records(self._namespace)]

    def record(self, key: str) -> ObjectRecord | None:
        """Return the object of a key; None if there is none."""
        return self._indexer.record(key)
