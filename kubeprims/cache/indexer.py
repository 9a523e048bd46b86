"""A store that also finds objects by what an index function says of them."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.cache.index import (
    NAMESPACE_INDEX,
    IndexErrors,
    IndexFunc,
    IndexValue,
    composite_index,
    evaluate_all,
    field_index,
    label_index,
    owner_index,
)
from kubeprims.cache.store import Store
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured

__all__ = [
    "NAMESPACE_INDEX",
    "IndexErrors",
    "IndexFunc",
    "IndexValue",
    "Indexer",
    "composite_index",
    "field_index",
    "label_index",
    "owner_index",
]


class Indexer(Store):
    """Objects by key and by index.

    An index function gets a view of an object and returns the values under which it is found. It runs once for each new
    version of an object, on the thread that writes, outside the lock. If it raises, the object is kept, is missing from
    that index alone until its next version, and :attr:`index_errors` says so.

    Concurrency:
        As :class:`Store`: objects and indices change together.

    Source:
        client-go tools/cache/index.go, ``Indexer``.
        Same: unknown and duplicate names are errors, values of an unknown index are empty, keys come sorted.
        Differs: an index function that fails costs its own index; the namespace index is built in.
    """

    def __init__(self, indexers: Mapping[str, IndexFunc] | None = None) -> None:
        """Make an empty indexer.

        Args:
            indexers: Index functions by name; more can be added at any time.

        Raises:
            InvalidArgument: A name is taken, or a function is not callable.
        """
        super().__init__()
        self.add_indexers(indexers or {})

    def add_indexers(self, indexers: Mapping[str, IndexFunc], *, may_be_there: bool = False) -> None:
        """Add index functions, and find all that is stored by them once this returns; all or none.

        Args:
            indexers: Index functions by name.
            may_be_there: Leave an index that is there as it is, if it has the same function: an equal one, or one that
                the same lines of the program made with equal values around them.

        Raises:
            InvalidArgument: A name is taken, or a function is not callable.
        """
        with self._lock:
            wanted = self._indices.unknown(indexers) if may_be_there else indexers
            self._writes += 1  # writes that are being decided must ask these functions, too
            added = self._indices.register(wanted)
            records = [*self._records.items()]
        try:
            for key, record in records:
                entries = evaluate_all(added.values(), record)
                with self._lock:
                    if self._records.get(key) is record:  # otherwise a later write has placed it
                        for index, entry in zip(added.values(), entries, strict=True):
                            index.place(key, entry)
        except BaseException:  # interrupted, for index functions cannot raise through
            with self._lock:
                self._writes += 1
                self._indices.unregister(added)
            raise
        with self._lock:
            self._indices.publish(added)

    def by_index(self, name: str, value: IndexValue) -> list[Unstructured]:
        """Return the objects that an index has under a value, in no particular order.

        Raises:
            UnknownIndex: There is no index of that name.
        """
        with self._lock:
            found = [self._records[key] for key in self._indices.get(name).keys(value)]
        return [Unstructured(record) for record in found]

    def index_keys(self, name: str, value: IndexValue) -> list[ObjectKey]:
        """Return the keys of the objects that an index has under a value, sorted.

        Raises:
            UnknownIndex: There is no index of that name.
        """
        with self._lock:
            keys = sorted(self._indices.get(name).keys(value))
        return [ObjectKey(key) for key in keys]

    def index_values(self, name: str) -> list[IndexValue]:
        """Return the values of an index, sorted; nothing if there is no index of that name."""
        with self._lock:
            index = self._indices.find(name)
            values = [] if index is None else [*index.values()]
        return sorted(values, key=lambda value: (value,) if isinstance(value, str) else value)

    @property
    def index_names(self) -> list[str]:
        """The names of all indices, the built-in ``namespace`` first."""
        with self._lock:
            return self._indices.names()

    @property
    def index_errors(self) -> dict[str, IndexErrors]:
        """How index functions have failed, by the name of the index, for each that ever has."""
        with self._lock:
            return self._indices.errors()
