"""Indices: which keys have which values, and what makes values of an object.

Pure bookkeeping without a lock; :class:`~kubeprims.cache.store.Store` owns it. Index functions are user code, so they
run in :meth:`Indices.evaluate` alone, which changes nothing and is called outside the store's write section.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import FunctionType
from typing import NamedTuple, cast

from kubeprims.errors import InvalidArgument, UnknownIndex
from kubeprims.errors.foreign import text_of
from kubeprims.meta import ObjectKey
from kubeprims.objects.field_path import parse_field_path, texts_at
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.unstructured import Unstructured

IndexValue = str | tuple[str, ...]
"""What an object is found under: a text, or several texts together, in which no separator can be mistaken."""

IndexFunc = Callable[[Unstructured], Iterable[IndexValue]]
"""Returns the values under which an object is found; it gets a view of its own and must not call the store's writes."""


class OnlyReads:
    """An index function that changes nothing in the view that it gets, so that several can share one, and its decoding.

    Those that this module makes are such; what users write is not taken at its word.
    """

    __slots__ = ("function",)

    def __init__(self, function: IndexFunc) -> None:
        self.function = function

    def __call__(self, obj: Unstructured) -> Iterable[IndexValue]:
        """Return the values under which an object is found."""
        return self.function(obj)

    def __eq__(self, other: object) -> bool:
        return is_same_function(self.function, other.function) if isinstance(other, OnlyReads) else NotImplemented

    def __hash__(self) -> int:
        return hash(getattr(self.function, "__code__", self.function))


_COMPOSITE_MIN = 2

NAMESPACE_INDEX = "namespace"
"""The index that is always there; it costs no decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexErrors:
    """How an index function has failed.

    Attributes:
        count: How often it raised, or returned something that is not an iterable of values, in all.
        keys: The keys of the stored objects that are missing from the index because of it.
        last_error: The last failure, as text.
    """

    count: int
    keys: tuple[ObjectKey, ...]
    last_error: str


class IndexEntry(NamedTuple):
    """What an index function says of one object: its distinct values, or why there are none (``error``)."""

    values: tuple[IndexValue, ...]
    error: str = ""


def is_same_function(one: object, other: object) -> bool:
    """Return whether two functions are known to do the same.

    They are equal, or were made by the same lines of the program with equal values around them: a ``lambda`` is a new
    function each time it is passed.
    """
    if one == other:
        return True
    if not isinstance(one, FunctionType) or not isinstance(other, FunctionType) or one.__code__ is not other.__code__:
        return False
    try:
        return _surroundings(one) == _surroundings(other)
    except ValueError:  # a variable that has no value yet, or values that cannot be compared
        return False


def _surroundings(function: FunctionType) -> tuple[object, ...]:
    """Return the values that a function depends on besides its arguments and the globals of its module."""
    return function.__defaults__, function.__kwdefaults__, [cell.cell_contents for cell in function.__closure__ or ()]


class Index:
    """The values of one index function, and the keys of each.

    Keys are plain texts in dicts without values, not in sets: that keeps their order, and the cycle collector does not
    track a dict of plain texts.
    """

    __slots__ = (
        "_error_by_key",
        "_error_count",
        "_function",
        "_keys_by_value",
        "_last_error",
        "_values_by_key",
        "given",
        "only_reads",
    )

    def __init__(self, function: IndexFunc) -> None:
        self.given = function
        self.only_reads = isinstance(function, OnlyReads)
        self._function = function.function if isinstance(function, OnlyReads) else function
        self._keys_by_value: dict[IndexValue, dict[str, None]] = {}
        self._values_by_key: dict[str, tuple[IndexValue, ...]] = {}
        self._error_by_key: dict[str, str] = {}
        self._error_count = 0
        self._last_error = ""

    def evaluate(self, obj: Unstructured) -> IndexEntry:
        """Return the entry of an object; calls user code and changes nothing."""
        try:
            return IndexEntry(tuple(dict.fromkeys(map(_checked_value, _checked_values(self._function(obj))))))
        except Exception as error:  # noqa: BLE001 - user code: a bad index function costs its index, not the informer
            return IndexEntry((), text_of(error))

    def place(self, key: str, entry: IndexEntry) -> None:
        """Put a key under the values of its entry, and under no others."""
        if entry.error:
            self.drop(key)
            self._error_by_key[key] = entry.error
            self._error_count += 1
            self._last_error = entry.error
        elif self._error_by_key or self._values_by_key.get(key, ()) != entry.values:
            self.drop(key)
            if entry.values:
                self._values_by_key[key] = entry.values
            for value in entry.values:
                self._keys_by_value.setdefault(value, {})[key] = None

    def drop(self, key: str) -> None:
        """Forget a key, and each value that it was the last one of."""
        for value in self._values_by_key.pop(key, ()):
            keys = self._keys_by_value[value]
            del keys[key]
            if not keys:  # client-go k/k#84959: empty sets of short-lived values pile up
                del self._keys_by_value[value]
        self._error_by_key.pop(key, None)

    def keys(self, value: IndexValue) -> Iterable[str]:
        """Return the keys under a value."""
        return self._keys_by_value.get(value, ())

    def values(self) -> Iterable[IndexValue]:
        """Return the values that have a key."""
        return self._keys_by_value

    @property
    def errors(self) -> IndexErrors:
        """How the index function has failed."""
        return IndexErrors(
            count=self._error_count, keys=tuple(map(ObjectKey, self._error_by_key)), last_error=self._last_error
        )


class NamespaceIndex:
    """The keys of each namespace, known from the keys themselves."""

    __slots__ = ("_keys_by_namespace",)

    def __init__(self) -> None:
        self._keys_by_namespace: dict[str, dict[str, None]] = {}

    def add(self, key: str) -> None:
        """Put a key under its namespace."""
        namespace = key.rpartition("/")[0]
        self._keys_by_namespace.setdefault(namespace, {})[key] = None

    def drop(self, key: str) -> None:
        """Forget a key, and its namespace if it was the last one of it."""
        namespace = key.rpartition("/")[0]
        keys = self._keys_by_namespace[namespace]
        del keys[key]
        if not keys:
            del self._keys_by_namespace[namespace]

    def keys(self, value: IndexValue) -> Iterable[str]:
        """Return the keys in a namespace."""
        return self._keys_by_namespace.get(value, ()) if isinstance(value, str) else ()

    def values(self) -> Iterable[IndexValue]:
        """Return the namespaces that have a key; the empty one for cluster-scoped objects."""
        return self._keys_by_namespace


class Indices:
    """All indices of one store.

    An index that is being filled is kept up to date like any other, but is not found by name before it is published.

    Concurrency:
        The store's lock guards every method but :meth:`evaluate`, which works on what it finds when it is called: the
        mapping of indices is replaced, never changed.
    """

    __slots__ = ("_indices", "_unpublished", "by_namespace")

    def __init__(self) -> None:
        self.by_namespace = NamespaceIndex()
        self._indices: Mapping[str, Index] = {}
        self._unpublished: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._indices)

    def evaluate(self, record: ObjectRecord) -> tuple[IndexEntry, ...]:
        """Return what each index function says of an object; calls user code and changes nothing."""
        return evaluate_all(self._indices.values(), record)

    def place(self, key: str, entries: Iterable[IndexEntry]) -> None:
        """Put a key into every index, by what :meth:`evaluate` returned for the same indices."""
        for index, entry in zip(self._indices.values(), entries, strict=True):
            index.place(key, entry)

    def drop(self, key: str) -> None:
        """Forget a key in every index; its namespace stays."""
        for index in self._indices.values():
            index.drop(key)

    def unknown(self, functions: Mapping[str, IndexFunc]) -> dict[str, IndexFunc]:
        """Return the functions that are no index yet.

        Raises:
            InvalidArgument: A name is taken by another function.
        """
        known = {name: self._indices[name].given for name in functions if name in self._indices}
        for name, given in known.items():
            if not is_same_function(given, functions[name]):
                raise InvalidArgument(f"there is an index named {name!r} already, with another function")
        return {name: function for name, function in functions.items() if name not in known}

    def register(self, functions: Mapping[str, IndexFunc]) -> Mapping[str, Index]:
        """Add empty, unpublished indices; all or none.

        Raises:
            InvalidArgument: A name is taken, or a function is not callable.
        """
        for name, function in functions.items():
            if name in self._indices or name == NAMESPACE_INDEX:
                raise InvalidArgument(f"there is an index named {name!r} already")
            if not callable(function):
                raise InvalidArgument(f"the index function of {name!r} must be callable, not {function!r}")
        added = {name: Index(function) for name, function in functions.items()}
        self._indices = {**self._indices, **added}
        self._unpublished |= added.keys()
        return added

    def publish(self, names: Iterable[str]) -> None:
        """Let indices be found by name."""
        self._unpublished = self._unpublished.difference(names)

    def unregister(self, names: Iterable[str]) -> None:
        """Forget indices that were not published."""
        names = frozenset(names)
        self._unpublished -= names
        self._indices = {name: index for name, index in self._indices.items() if name not in names}

    def find(self, name: str) -> Index | NamespaceIndex | None:
        """Return a published index; None if there is none of that name."""
        if name == NAMESPACE_INDEX:
            return self.by_namespace
        return None if name in self._unpublished else self._indices.get(name)

    def get(self, name: str) -> Index | NamespaceIndex:
        """Return a published index.

        Raises:
            UnknownIndex: There is none of that name.
        """
        index = self.find(name)
        if index is None:
            raise UnknownIndex(f"there is no index named {name!r}; there are {', '.join(sorted(self.names()))}")
        return index

    def names(self) -> list[str]:
        """Return the names of the published indices."""
        return [NAMESPACE_INDEX, *(name for name in self._indices if name not in self._unpublished)]

    def errors(self) -> dict[str, IndexErrors]:
        """Return how index functions have failed, for each that ever has."""
        errors = {name: index.errors for name, index in self._indices.items() if name not in self._unpublished}
        return {name: of_index for name, of_index in errors.items() if of_index.count}


def evaluate_all(indices: Iterable[Index], record: ObjectRecord) -> tuple[IndexEntry, ...]:
    """Return the entries of an object in indices, in their order; calls user code and changes nothing."""
    shared = Unstructured(record)
    return tuple(index.evaluate(shared if index.only_reads else Unstructured(record)) for index in indices)


def label_index(label: str) -> IndexFunc:
    """Return an index function for the value of a label; objects without it are not in the index. Decodes nothing."""

    def values(obj: Unstructured) -> Iterable[str]:
        value = obj.labels.get(label)
        return () if value is None else (value,)

    return OnlyReads(values)


def field_index(path: str) -> IndexFunc:
    """Return an index function for the field at a path such as ``spec.nodeName``; decodes each object that changes.

    A list on the way, or at the end, stands for each of its items: ``spec.containers[*].image`` gives every image.
    Numbers and booleans become their JSON text. A field that is missing or null, or is an object, has no value.

    Args:
        path: A field path, whose grammar is that of :mod:`kubeprims.objects.field_path`.

    Raises:
        InvalidFieldPath: The path breaks the grammar.
    """
    first, *rest = parse_field_path(path)
    inside = tuple(rest)

    def values(obj: Unstructured) -> Iterator[str]:
        return texts_at(obj.get(first), inside)

    return OnlyReads(values)


def owner_index() -> IndexFunc:
    """Return an index function for the uid of the object's controller: what a controller finds its objects by.

    At most one of an object's owners is its controller; what has none is not in the index. Decodes each object that
    changes. For all owners: ``field_index("metadata.ownerReferences[*].uid")``.

    Source:
        apimachinery pkg/apis/meta/v1/controller_ref.go, ``GetControllerOf``.
    """

    def values(obj: Unstructured) -> Iterator[str]:
        metadata = obj.get("metadata")
        owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
        for owner in owners if isinstance(owners, list) else ():
            if isinstance(owner, dict) and owner.get("controller") is True:
                yield from texts_at(owner.get("uid"), ())

    return OnlyReads(values)


def composite_index(*functions: IndexFunc) -> IndexFunc:
    """Return an index function for the values of several, together: each combination of one value of each.

    An object is found under ``("web", "node-7")``, say; it is not in the index if one of the functions has no value.

    Args:
        functions: At least two index functions that give texts.

    Raises:
        InvalidArgument: There are fewer, or one is not callable.
    """
    if len(functions) < _COMPOSITE_MIN or not all(map(callable, functions)):
        raise InvalidArgument(f"a composite index is made of at least two index functions, not {functions!r}")

    def values(obj: Unstructured) -> Iterator[tuple[str, ...]]:
        # Parts that are not texts are found out where the values are checked.
        return cast("Iterator[tuple[str, ...]]", product(*(_checked_values(function(obj)) for function in functions)))

    return OnlyReads(values) if all(isinstance(function, OnlyReads) for function in functions) else values


def _checked_values(values: Iterable[IndexValue]) -> Iterable[IndexValue]:
    if isinstance(values, str):  # iterable too, letter by letter: surely not what was meant
        raise TypeError(f"an index function returns an iterable of values, not the text {values[:64]!r}")
    return values


def _checked_value(value: object) -> IndexValue:
    if isinstance(value, str):
        return sys.intern(str(value))  # few distinct values, many objects: one text for all of them
    if isinstance(value, tuple) and value and all(isinstance(part, str) for part in cast("tuple[object, ...]", value)):
        return tuple(sys.intern(str(part)) for part in cast("tuple[str, ...]", value))
    raise TypeError(f"the values of an index are texts, or tuples of texts; one is {value!r:.64}")
