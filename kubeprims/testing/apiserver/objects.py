"""The objects of the server, as the writers see them: decoded, checked for being there, written back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.encoding import decode_tail, encode_tail
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.status import not_found
from kubeprims.testing.apiserver.storage import Storage, Table
from kubeprims.testing.apiserver.views import View, field_value


class Answer(NamedTuple):
    """What goes back to the client.

    Attributes:
        code: The HTTP status code.
        body: The JSON text.
        warnings: What the client is to be warned of.
    """

    code: int
    body: bytes
    warnings: tuple[str, ...] = ()


class Objects:
    """The objects of all kinds.

    Concurrency:
        Callers that read and then write hold ``storage.condition`` over both.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._views: dict[Kind, View] = {}

    def view(self, kind: Kind) -> View:
        """Return how a kind is shown."""
        view = self._views.get(kind)
        if view is None or view.kind is not kind:
            view = self._views[kind] = View(kind)
        return view

    def table(self, kind: Kind) -> Table:
        """Return where the objects of a kind are kept."""
        return self.storage.table(kind.storage_resource)

    def find(self, kind: Kind, namespace: str, name: str) -> StoredObject | None:
        """Return an object, if it is there."""
        return self.table(kind).objects.get(key_of(kind, namespace, name))

    def get(self, kind: Kind, namespace: str, name: str) -> StoredObject:
        """Return an object.

        Raises:
            NotFound: It is not there.
        """
        stored = self.find(kind, namespace, name)
        if stored is None:
            raise not_found(kind, name)
        return stored

    def put(self, kind: Kind, namespace: str, obj: JSONObject) -> StoredObject:
        """Store an object, new or changed, and return its new state."""
        return self.storage.write(self.table(kind), state_of(kind, namespace, obj))

    def remove(self, kind: Kind, namespace: str, stored: StoredObject) -> StoredObject:
        """Remove an object, and return its last state under the version of the removal."""
        final = state_of(kind, namespace, decode_tail(stored.tail))
        return self.storage.write(self.table(kind), final, deleted=True)


def key_of(kind: Kind, namespace: str, name: str) -> str:
    """Return the key under which an object is kept."""
    return f"{namespace}/{name}" if kind.namespaced else name


def state_of(kind: Kind, namespace: str, obj: JSONObject) -> Callable[[int], StoredObject]:
    """Return what makes the state of an object for a given revision.

    The object itself gets the revision, so it is the caller's to give away.
    """
    metadata = metadata_of(obj)
    labels = metadata.get("labels")
    key = key_of(kind, namespace, text_of(metadata, "name"))
    flat_labels = tuple((name, str(value)) for name, value in labels.items()) if isinstance(labels, dict) else ()
    fields = tuple(field_value(obj, field) for field in kind.stored_fields)

    def render(revision: int) -> StoredObject:
        if revision:
            metadata["resourceVersion"] = str(revision)
        else:
            metadata.pop("resourceVersion", None)  # not stored yet, and perhaps never
        return StoredObject(key, revision, text_of(metadata, "uid"), encode_tail(obj, kind), flat_labels, fields)

    return render
