"""What happens to an object between the server and the cache: once for each version of it, before anybody sees it.

In this order:

1. **shard**: an object that belongs to another shard is not taken.
2. **transform**: a function of the user's gets the object as a dictionary and returns what to keep instead.
3. **keep**, then **strip**: named fields stay, named fields go.
4. **storage**: the bytes are packed, if asked for.

managedFields are cut out before all of this, by the codec, unless they are asked for. What the cache has in the same
version already never comes here: the pipeline asks it first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.errors.foreign import text_of
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.codec import default_codec
from kubeprims.objects.content import decode_content, encode_content
from kubeprims.objects.event import RAW_BYTES_MAX, MalformedObject
from kubeprims.objects.projection import Projection, Projector
from kubeprims.objects.record import KEY, LABELS, RAW, RESOURCE_VERSION, UID, ObjectRecord, raw_of
from kubeprims.objects.storage import PlainStorage, Storage

Transform = Callable[[JSONObject], JSONObject]
"""Gets a dictionary of its own and returns what the cache shall hold: the same one, changed, or another one."""

Covers = Callable[[ObjectRecord], bool]
"""Whether an object belongs to this informer's shard."""


class Intake:
    """Turns what the server sent into what the cache keeps.

    A transform must leave name and namespace as they are. uid and version stay the server's whatever it returns; labels
    are what it leaves. If it raises, or returns anything but an object of that key, the object is malformed: the cache
    keeps its last good state, and it is reported like an object that cannot be decoded. So is one that a storage of the
    user's own cannot keep.

    Args:
        covers: Whether an object is this informer's; None takes all.
        transform: Called once for each version of an object, on the informer's thread.
        projection: What to keep and to strip after that.
        storage: How bytes are kept.

    Concurrency:
        Holds nothing that changes but for its storage, which sees to itself: any thread may call it. The transform is
        called by as many threads at once as call.

    Attributes:
        is_passive: Whether every object would be kept as it is, so that nobody need call.
    """

    __slots__ = ("_codec", "_covers", "_projector", "_storage", "_transform", "is_passive")

    def __init__(
        self,
        *,
        covers: Covers | None = None,
        transform: Transform | None = None,
        projection: Projection | None = None,
        storage: Storage | None = None,
    ) -> None:
        if transform is not None and not callable(transform):
            raise InvalidArgument(f"transform must be callable, not {transform!r}")
        self._codec = default_codec(keep_managed_fields=True)  # the transform decides what is in its result
        self._covers = covers
        self._transform = transform
        self._projector = Projector(projection) if projection else None
        self._storage = None if isinstance(storage, PlainStorage) else storage
        self.is_passive = not (covers or transform or self._projector or self._storage)

    def __call__(self, record: ObjectRecord) -> ObjectRecord | MalformedObject | None:
        """Return what to keep of an object that is new to the cache, or is there in another version.

        None if it is not this informer's; what is wrong if nothing can be made of it.
        """
        if self._covers is not None and not self._covers(record):
            return None
        item = self._convert(record)
        if self._storage is None or isinstance(item, MalformedObject):
            return item
        try:
            return self._storage.pack(item)
        except Exception as error:  # noqa: BLE001 - it may be user code: as a bad transform
            return _malformed(item, f"the storage raised {text_of(error)}")

    def _convert(self, record: ObjectRecord) -> ObjectRecord | MalformedObject:
        if self._transform is not None:
            item = self._transformed(record, self._transform)
            if isinstance(item, MalformedObject):
                return item
            record = item
        if self._projector is None:
            return record
        try:
            return (*record[:RAW], self._projector.project(raw_of(record)))
        except DecodeError as error:
            return _malformed(record, error.detail)
        except RecursionError:
            return _malformed(record, "the JSON is nested too deeply")

    def _transformed(self, record: ObjectRecord, transform: Transform) -> ObjectRecord | MalformedObject:
        try:
            obj = decode_content(raw_of(record))
        except DecodeError as error:
            return _malformed(record, error.detail)
        try:
            result = cast("object", transform(obj))  # whatever it promises
        except Exception as error:  # noqa: BLE001 - user code: a bad transform costs the object, not the informer
            return _malformed(record, f"the transform raised {text_of(error)}")
        if not isinstance(result, dict):
            return _malformed(record, f"the transform returned {type(result).__name__}, not a dictionary")
        try:
            made = self._codec.to_record(encode_content(cast("JSONObject", result)))
        except (DecodeError, InvalidArgument) as error:
            return _malformed(record, f"what the transform returned cannot be kept: {error}")
        if made[KEY] != record[KEY]:
            return _malformed(record, f"the transform returned an object of another key, {made[KEY]!r}")
        return record[KEY], record[UID], record[RESOURCE_VERSION], made[LABELS], raw_of(made)


def _malformed(record: ObjectRecord, detail: str) -> MalformedObject:
    return MalformedObject(detail, raw_of(record)[:RAW_BYTES_MAX], ObjectKey(record[KEY]), record[RESOURCE_VERSION])
