"""How the cache keeps an object: its bytes, behind a header of values that the cycle collector need not follow.

An exact tuple of exact strings and bytes is untracked at its first or second collection; an instance of any class of
ours stays tracked for ever, and a full collection pauses for all of them. So a record's key is a plain text, and who
reads it for others makes an :class:`~kubeprims.meta.ObjectKey` of it.
"""

from __future__ import annotations

from typing import Final

ObjectRecord = tuple[str, str, str, tuple[str, ...], bytes]
"""Key, uid, resourceVersion, labels (``(k1, v1, k2, v2)``, sorted by key, interned) and the object's JSON."""

KEY: Final = 0
UID: Final = 1
RESOURCE_VERSION: Final = 2
LABELS: Final = 3
RAW: Final = 4


def labels_of(record: ObjectRecord) -> dict[str, str]:
    """Return the labels of a record, as a new dictionary."""
    flat = record[LABELS]
    return dict(zip(flat[::2], flat[1::2], strict=True))
