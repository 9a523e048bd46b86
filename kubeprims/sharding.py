"""Shards: parts of a resource, told apart by a hash of what never changes in an object.

The hash and the selector are the API server's, so both sides agree on which object is whose. Everything here is pure
and immutable, so it is safe in any thread.

Source:
    apimachinery pkg/sharding and apiserver pkg/sharding, alpha since 1.36 (KEP-5866).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from kubeprims.errors import InvalidArgument

HASH_END: Final = 1 << 64
"""Every hash is less."""

HashRange = tuple[int, int]
"""Hashes from the first number up to, but without, the second."""

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


class ShardKey(StrEnum):
    """What of an object is hashed."""

    UID = "uid"
    NAMESPACE = "namespace"

    @property
    def path(self) -> str:
        """The field, as the server's selectors spell it."""
        return f"object.metadata.{self.value}"


def hash_of(text: str) -> int:
    """Return the 64-bit FNV-1a hash of a text's UTF-8."""
    value = _FNV_OFFSET
    for byte in text.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * _FNV_PRIME & (HASH_END - 1)
    return value


class Shard:
    """One part of a resource, such as the first of two halves.

    The parts ``Shard(0, 2)`` and ``Shard(1, 2)`` have no object in common, and together they have all. An object stays
    in its part for as long as it lives; one that is deleted and made again has another uid, so perhaps another part.

    By namespace, the objects of a namespace are in one part, whatever their resource: for what belongs together.
    Cluster-scoped objects, namespaces among them, are in no namespace, and so all in the same part. The hashes of names
    that differ in their last letters only, such as ``team-1`` and ``team-2``, lie close together: such namespaces are
    mostly in the same part, whereas uids spread evenly.

    Attributes:
        by: What is hashed.
        ranges: The hashes that are in it.
    """

    __slots__ = ("by", "ranges")

    def __init__(self, index: int, count: int, *, by: ShardKey | str = ShardKey.UID) -> None:
        """Make part number ``index``, from 0 on, of ``count`` parts of about the same size.

        Raises:
            InvalidArgument: There is no such part, or nothing of that name to hash.
        """
        if count < 1 or not 0 <= index < count:
            raise InvalidArgument(f"of {count!r} shards there is no number {index!r}: they count from 0")
        self.by = _key(by)
        self.ranges: tuple[HashRange, ...] = ((index * HASH_END // count, (index + 1) * HASH_END // count),)

    @classmethod
    def of_ranges(cls, ranges: Iterable[HashRange], *, by: ShardKey | str = ShardKey.UID) -> Shard:
        """Make a part of ranges of hashes, for parts of different sizes, or to move objects between parts.

        Raises:
            InvalidArgument: There is no range, one is empty or reaches beyond 64 bits, or there is nothing of that name
                to hash.
        """
        shard = cls(0, 1, by=by)
        shard.ranges = tuple(ranges)
        if not shard.ranges:
            raise InvalidArgument("a shard has at least one range of hashes")
        for start, end in shard.ranges:
            if not 0 <= start < end <= HASH_END:
                raise InvalidArgument(f"a range of hashes is within 0 and 2**64 and not empty, unlike {start}, {end}")
        return shard

    @property
    def selector(self) -> str:
        """What the server is asked with (``shardSelector``), and shows in the list's ``shardInfo`` if it heeds it."""
        return " || ".join(f"shardRange({self.by.path}, '{_hex(start)}', '{_hex(end)}')" for start, end in self.ranges)

    def covers(self, *, uid: str, namespace: str) -> bool:
        """Return whether an object is in this part."""
        value = hash_of(uid if self.by is ShardKey.UID else namespace)
        return any(start <= value < end for start, end in self.ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shard) and (self.by, self.ranges) == (other.by, other.ranges)

    def __hash__(self) -> int:
        return hash((self.by, self.ranges))

    def __repr__(self) -> str:
        return f"<Shard {self}>"

    def __str__(self) -> str:
        return f"{', '.join(f'{_hex(start)}-{_hex(end)}' for start, end in self.ranges)} of {self.by.value}"


def _key(by: ShardKey | str) -> ShardKey:
    try:
        return ShardKey(by)
    except ValueError:
        raise InvalidArgument(f"objects are sharded by uid or by namespace, not by {by!r}") from None


def _hex(value: int) -> str:
    return f"0x{value:016x}"
