"""How the cache keeps an object's bytes: as they are, or packed to a fraction.

What is packed is read like anything else: the views of :class:`~kubeprims.objects.unstructured.Unstructured` unpack
when their content is read for the first time. Key, uid, version and labels are never packed, so finding and selecting
objects costs the same.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from kubeprims.errors import InvalidArgument
from kubeprims.objects.record import PACKED_WINDOW_BITS, RAW, ObjectRecord

# Sizes and times of 600 objects of each of seven kinds (benchmarks/codecs/kinds.py): level 6 takes twice the time of
# level 3 for a tenth less. A dictionary of 8 KiB is one pod, or four of the smaller objects, which resemble each other
# less; more of it costs time for each object and saves next to nothing.
_LEVEL = 3
_DICTIONARY_BYTES_MAX = 8 * 1024
_SAMPLED = (1, 16, 32, 64)
_MEMORY_LEVEL = 8
# What a packed record costs beside its bytes: one more reference.
_OVERHEAD_BYTES = 8


class Storage(Protocol):
    """How the records of one cache are kept."""

    def pack(self, record: ObjectRecord) -> ObjectRecord:
        """Return the record as the cache shall keep it; may be called by several threads at once.

        It may be of any form that ``record.raw_of`` reads. A record that is packed already comes back as it is.
        """
        ...


class PlainStorage:
    """Keeps bytes as they came. Costs nothing."""

    __slots__ = ()

    def pack(self, record: ObjectRecord) -> ObjectRecord:
        """Return the record itself."""
        return record


class CompactStorage:
    """Keeps bytes deflated against a dictionary of this cache's own first objects, which the others resemble.

    A pod of 5.4 KB comes down to 0.77 KB, a Secret of random bytes to no less than two thirds. Packing costs about
    55 us, and reading 17 us more than with plain bytes.

    The first object is the dictionary to begin with; after 64 it is made anew, once, of objects further apart, for a
    list brings its objects by name, and neighbours are more alike than the rest. Records keep the dictionary that they
    were packed with, so there are two at most. What does not become smaller stays as it is.

    Concurrency:
        Any number of threads. If several bring first objects at once, the dictionary may be made of other samples.
    """

    __slots__ = ("_dictionary", "_samples", "_seen")

    def __init__(self) -> None:
        self._dictionary = b""
        self._samples: tuple[bytes, ...] = ()
        self._seen = 0

    def pack(self, record: ObjectRecord) -> ObjectRecord:
        """Return the record with its bytes packed."""
        if len(record) > RAW + 1:
            return record
        raw = record[RAW]
        if self._seen < _SAMPLED[-1]:
            self._learn(raw)
        dictionary = self._dictionary
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, PACKED_WINDOW_BITS, _MEMORY_LEVEL, zdict=dictionary)
        packed = packer.compress(raw) + packer.flush()
        if len(packed) + _OVERHEAD_BYTES >= len(raw):
            return record
        # A copy, for zlib's output was cut down from a larger piece of memory, whose rest would be lost between others.
        return (*record[:RAW], bytes(memoryview(packed)), dictionary)

    def _learn(self, raw: bytes) -> None:
        self._seen += 1
        if self._seen not in _SAMPLED:
            return
        self._samples = (*self._samples, raw[:_DICTIONARY_BYTES_MAX])
        if not self._dictionary:
            self._dictionary = self._samples[0]
        elif self._seen == _SAMPLED[-1]:
            self._dictionary = _dictionary(self._samples)
            self._samples = ()


def storage_of(storage: Storage | str) -> Storage:
    """Return a new storage by its name, ``plain`` or ``compact``; any other storage is returned as it is.

    Raises:
        InvalidArgument: There is none of that name, or it is no storage.
    """
    if storage == "plain":
        return PlainStorage()
    if storage == "compact":
        return CompactStorage()
    if isinstance(storage, str) or not callable(getattr(storage, "pack", None)):
        raise InvalidArgument(f"a storage is plain, compact, or has the method pack, not {storage!r}")
    return storage


def _dictionary(samples: tuple[bytes, ...]) -> bytes:
    """Return as many of the samples as fit, at least the last one."""
    chosen = samples[-1]
    for sample in reversed(samples[:-1]):
        if len(chosen) + len(sample) <= _DICTIONARY_BYTES_MAX:
            chosen = sample + chosen
    return chosen
