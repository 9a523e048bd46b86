"""How the cache keeps an object: its bytes, behind a header of values that the cycle collector need not follow.

An exact tuple of exact strings and bytes is untracked at its first or second collection; an instance of any class of
ours stays tracked for ever, and a full collection pauses for all of them. So a record's key is a plain text, and who
reads it for others makes an :class:`~kubeprims.meta.ObjectKey` of it.

The bytes may be packed. Then the record says itself how they are read: a sixth value is the dictionary that they were
packed with, one for many records. :func:`raw_of` gives the bytes that they were; nothing else is ever packed.
"""

from __future__ import annotations

import zlib
from typing import Final

from kubeprims.errors import DecodeError

PlainRecord = tuple[str, str, str, tuple[str, ...], bytes]
"""Key, uid, resourceVersion, labels (``(k1, v1, k2, v2)``, sorted by key, interned) and the object's JSON."""

PackedRecord = tuple[str, str, str, tuple[str, ...], bytes, bytes]
"""The same with the JSON packed, and the dictionary that it was packed with."""

ObjectRecord = PlainRecord | PackedRecord

KEY: Final = 0
UID: Final = 1
RESOURCE_VERSION: Final = 2
LABELS: Final = 3
RAW: Final = 4

PACKED_WINDOW_BITS: Final = -15
"""Raw deflate: with neither head nor checksum, which are 6 bytes."""

_PLAIN_SIZE: Final = 5


def raw_of(record: ObjectRecord) -> bytes:
    """Return the object's JSON.

    Raises:
        DecodeError: The bytes are packed, and are not what was packed: the record was not made by a storage.
    """
    if len(record) == _PLAIN_SIZE:
        return record[RAW]
    packed, dictionary = record[RAW:]
    unpacker = zlib.decompressobj(PACKED_WINDOW_BITS, zdict=dictionary)
    try:
        raw = unpacker.decompress(packed)
    except zlib.error as error:
        raise DecodeError(f"the packed object {record[KEY]} cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise DecodeError(f"the packed object {record[KEY]} cannot be unpacked: it breaks off")
    return raw


def plain(record: ObjectRecord) -> PlainRecord:
    """Return the record with its JSON as it is read; the same one if that is so already.

    Raises:
        DecodeError: As for :func:`raw_of`.
    """
    if len(record) == _PLAIN_SIZE:
        return record
    return record[KEY], record[UID], record[RESOURCE_VERSION], record[LABELS], raw_of(record)


def labels_of(record: ObjectRecord) -> dict[str, str]:
    """Return the labels of a record, as a new dictionary."""
    flat = record[LABELS]
    return dict(zip(flat[::2], flat[1::2], strict=True))
