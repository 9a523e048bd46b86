"""The object that the cache hands out: a private, read-only view of shared bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

from kubeprims.errors import ContentUnavailable, DecodeError, InvalidArgument
from kubeprims.meta import JSONObject, JSONValue, ObjectKey
from kubeprims.objects.content import decode_content
from kubeprims.objects.models import build_model
from kubeprims.objects.record import KEY, RAW, RESOURCE_VERSION, UID, ObjectRecord, labels_of, plain, raw_of
from kubeprims.objects.stdlib_codec import StdlibCodec
from kubeprims.objects.strict_json import encode_object

Model = TypeVar("Model")

_KIND = re.compile(rb'\{(?:"apiVersion":"[^"\\]*",)?"kind":"([A-Za-z0-9]{1,63})"')


class Unstructured(Mapping[str, JSONValue]):
    """A Kubernetes object as its JSON says it: no field is unknown, none is lost.

    Key, name, namespace, uid, resourceVersion and labels are read without decoding. Everything else decodes the object
    at the first use, once per view. What comes out of a view (``obj["spec"]``) is plain dictionaries and lists that
    belong to that view alone: changing them changes nobody else's object, nor what :meth:`to_dict` and :meth:`to_bytes`
    give. To make a changed object, start from :meth:`to_dict`.

    Two views are equal if their content is; so they have no hash: use :attr:`key` or :attr:`uid` in sets and as
    dictionary keys. A view is always true: ``if obj`` decodes nothing. Copying and pickling carry the bytes, not what
    was decoded.

    Concurrency:
        The bytes never change and may be shared by any number of threads. Two threads that read one view for the first
        time at once may both decode it; one result is kept.
    """

    __slots__ = ("_content", "_record")
    __hash__ = None  # type: ignore[assignment]  # equal by content, which may hold lists: as for dict

    def __init__(self, record: ObjectRecord) -> None:
        self._record: ObjectRecord | None = record
        self._content: JSONObject | None = None

    @staticmethod
    def from_dict(obj: JSONObject) -> Unstructured:
        """Return a view of an object given as a dictionary, which is copied; managedFields are kept.

        Raises:
            InvalidArgument: JSON cannot say it, or its metadata breaks a rule: no name, a label that is not a string.
        """
        try:
            return Unstructured(StdlibCodec(keep_managed_fields=True).to_record(encode_object(obj)))
        except DecodeError as error:
            raise InvalidArgument(f"not a Kubernetes object: {error.detail}") from error

    @property
    def record(self) -> ObjectRecord:
        """The record that this is a view of."""
        if self._record is None:
            raise ContentUnavailable(f"the last state of {self.key} is not known, only that it was deleted")
        return self._record

    @property
    def key(self) -> ObjectKey:
        """``namespace/name``, or ``name`` for a cluster-scoped object."""
        return ObjectKey(self.record[KEY])

    @property
    def name(self) -> str:
        """The name."""
        return self.key.name

    @property
    def namespace(self) -> str:
        """The namespace; empty for a cluster-scoped object."""
        return self.key.namespace

    @property
    def uid(self) -> str:
        """The uid; empty if the server gave none."""
        return self.record[UID]

    @property
    def resource_version(self) -> str:
        """The version; empty if the server gave none."""
        return self.record[RESOURCE_VERSION]

    @property
    def labels(self) -> dict[str, str]:
        """The labels, as a new dictionary."""
        return labels_of(self.record)

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations, as a new dictionary; those that are not strings are left out. Decodes."""
        annotations = self._metadata().get("annotations")
        if not isinstance(annotations, dict):
            return {}
        return {key: value for key, value in annotations.items() if isinstance(value, str)}

    @property
    def generation(self) -> int:
        """How often the desired state was changed; 0 if the kind does not count. Decodes."""
        generation = self._metadata().get("generation")
        return generation if isinstance(generation, int) else 0

    @property
    def deletion_timestamp(self) -> str | None:
        """When deletion was asked for, in RFC 3339, of an object that waits for its finalizers. Decodes."""
        return _text(self._metadata().get("deletionTimestamp")) or None

    @property
    def kind(self) -> str:
        """The kind; empty if the object does not say. Decodes."""
        return _text(self._load().get("kind"))

    @property
    def api_version(self) -> str:
        """``group/version``, or ``version`` for the core group; empty if the object does not say. Decodes."""
        return _text(self._load().get("apiVersion"))

    @property
    def is_stale(self) -> bool:
        """Whether the object may have changed between this state and its deletion."""
        return False

    def to_dict(self) -> JSONObject:
        """Return the content as a new dictionary, the caller's to change.

        Raises:
            DecodeError: The server sent content that is not JSON.
            ContentUnavailable: This is a tombstone without content.
        """
        return decode_content(raw_of(self.record))

    def to_bytes(self) -> bytes:
        """Return the object's JSON, as the server sent it but for managedFields.

        Raises:
            ContentUnavailable: This is a tombstone without content.
        """
        return raw_of(self.record)

    def as_model(self, model: type[Model]) -> Model:
        """Return the object as a model class of the installed ``kubernetes`` package, such as ``V1Pod``.

        Models drop the fields that their release does not know: read with them, but write what comes from
        :meth:`to_dict`.

        Raises:
            InvalidArgument: ``model`` is not such a class.
            DecodeError: The content is not JSON, or does not fit the model.
            ContentUnavailable: This is a tombstone without content.
        """
        return build_model(self.to_dict(), model)

    def __getitem__(self, name: str) -> JSONValue:
        return self._load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Unstructured):
            if self._record is None or other._record is None:
                return self._record is other._record and self.key == other.key
            return self._record[RAW:] == other._record[RAW:] or self._load() == other._load()
        if isinstance(other, Mapping):
            return self._record is not None and self._load() == dict(cast("Mapping[object, object]", other))
        return NotImplemented

    def __copy__(self) -> Unstructured:
        return type(self)(self.record)

    def __deepcopy__(self, memo: dict[int, object]) -> Unstructured:
        return self.__copy__()

    def __reduce__(self) -> tuple[type[Unstructured], tuple[object, ...]]:
        return type(self), (plain(self.record),)

    def __repr__(self) -> str:
        if self._record is None:
            return f"<{type(self).__name__} {self.key} content unknown>"
        kind = _KIND.match(raw_of(self._record))
        shown = f" {kind[1].decode()}" if kind else ""
        return f"<{type(self).__name__}{shown} {self.key} resourceVersion={self.resource_version}>"

    def _load(self) -> JSONObject:
        content = self._content
        if content is None:
            content = self._content = decode_content(raw_of(self.record))
        return content

    def _metadata(self) -> JSONObject:
        metadata = self._load().get("metadata")
        return metadata if isinstance(metadata, dict) else {}


class DeletedFinalStateUnknown(Unstructured):
    """A tombstone: the object was deleted during a gap in the watch, so this is its last known state, if any is.

    :attr:`key`, :attr:`name` and :attr:`namespace` always work. Everything else raises ``ContentUnavailable`` when no
    state was known.

    Source:
        client-go tools/cache/delta_fifo.go, ``DeletedFinalStateUnknown``.
        Differs: it has the attributes of the object instead of wrapping it.
    """

    __slots__ = ("_key",)

    def __init__(self, key: ObjectKey, record: ObjectRecord | None) -> None:
        self._key = key
        self._record = record
        self._content = None

    @property
    def key(self) -> ObjectKey:
        """The key of the deleted object."""
        return self._key

    @property
    def is_stale(self) -> bool:
        """True: the object may have changed between this state and its deletion."""
        return True

    def __copy__(self) -> DeletedFinalStateUnknown:
        return DeletedFinalStateUnknown(self._key, self._record)

    def __reduce__(self) -> tuple[type[Unstructured], tuple[object, ...]]:
        return DeletedFinalStateUnknown, (self._key, None if self._record is None else plain(self._record))


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else ""
