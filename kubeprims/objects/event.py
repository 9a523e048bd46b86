"""What a codec makes of one line of a watch, and of an object that it cannot keep."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.record import ObjectRecord

RAW_BYTES_MAX = 256


class WatchEventType(StrEnum):
    """What a watch says about an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


class MalformedObject(NamedTuple):
    """An object that cannot be kept: it costs itself, never the list or the watch that brought it.

    Attributes:
        detail: What is wrong, without quoting the content.
        raw: The first 256 bytes of the object.
        key: Its key, if that much could be read.
        resource_version: Its version, if that much could be read; else empty.
    """

    detail: str
    raw: bytes
    key: ObjectKey | None
    resource_version: str


class WatchEvent(NamedTuple):
    """One event of a watch.

    Attributes:
        type: What happened.
        record: The object, of ADDED, MODIFIED and DELETED, unless it is malformed.
        resource_version: The version that the event brings; empty if it brings none (ERROR, some malformed objects).
        initial_events_end: True for the BOOKMARK that ends the initial events of a watch-list.
        status: The ``Status`` object of an ERROR.
        malformed: What is wrong with the object, if it could not be read.
    """

    type: WatchEventType
    record: ObjectRecord | None
    resource_version: str
    initial_events_end: bool = False
    status: JSONObject | None = None
    malformed: MalformedObject | None = None
