"""Reading a cache, by namespace and name."""

from __future__ import annotations

from typing import Protocol

from kubeprims.errors import InvalidArgument
from kubeprims.meta import ObjectKey, Selector
from kubeprims.objects.unstructured import Unstructured
from kubeprims.selectors import FieldSelector


class Reader(Protocol):
    """What a lister reads from."""

    def get(self, key: str) -> Unstructured | None:
        """Return the object of a key; None if there is none."""
        ...

    def list(
        self,
        namespace: str | None = None,
        label_selector: Selector | str | None = None,
        field_selector: FieldSelector | str | None = None,
    ) -> list[Unstructured]:
        """Return the objects of a namespace, or of all, that both selectors select."""
        ...


class Lister:
    """A read-only view of a cache, of all of it or of one namespace.

    Attributes:
        namespace: The namespace; empty is all.

    Concurrency:
        As the cache's.

    Source:
        client-go tools/cache/listers.go, ``GenericLister`` and ``GenericNamespaceLister``.
        Differs: what is absent is None, not an error.
    """

    __slots__ = ("_reader", "namespace")

    def __init__(self, reader: Reader, *, namespace: str | None = None) -> None:
        """Make a lister.

        Args:
            reader: The cache, an ``Indexer`` say.
            namespace: The namespace to read; None or empty is all.
        """
        self._reader = reader
        self.namespace = namespace or ""

    def in_namespace(self, namespace: str) -> Lister:
        """Return a lister of one namespace; of all if it is empty.

        Raises:
            InvalidArgument: This lister is bound to another namespace.
        """
        if self.namespace not in {"", namespace}:
            raise InvalidArgument(f"this lister reads namespace {self.namespace!r}, not {namespace!r}")
        return Lister(self._reader, namespace=namespace)

    def get(self, name: str) -> Unstructured | None:
        """Return the object of a name; None if there is none.

        A lister of all namespaces finds cluster-scoped objects only.

        Raises:
            InvalidArgument: The name is empty or holds a slash.
        """
        return self._reader.get(ObjectKey.make(self.namespace, name))

    def list(
        self,
        label_selector: Selector | str | None = None,
        *,
        field_selector: FieldSelector | str | None = None,
    ) -> list[Unstructured]:
        """Return the objects that both selectors select, in no particular order; decodes nothing.

        Args:
            label_selector: A selector or its text, such as ``app=web,tier in (front, back)``; None is all.
            field_selector: A selector or its text, of ``metadata.name`` and ``metadata.namespace``; None is all.

        Raises:
            InvalidSelector: A text does not parse, or the field selector names other fields.
        """
        return self._reader.list(self.namespace, label_selector, field_selector)
