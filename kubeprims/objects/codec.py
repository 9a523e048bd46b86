"""One interface for reading what the API server sends, and the choice of who does it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kubeprims.meta import JSONObject
from kubeprims.objects.event import WatchEvent
from kubeprims.objects.list_stream import ListStream
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.stdlib_codec import StdlibCodec

__all__ = ["Codec", "ListStream", "StdlibCodec", "default_codec"]


class Codec(Protocol):
    """Reads lists, watches and objects, and writes objects. All codecs give the same; they differ in speed.

    What an object needs in order to be kept is in :mod:`kubeprims.objects.reading`.
    """

    def split_list(self, chunks: Iterable[bytes]) -> ListStream:
        """Return the items of a list while its bytes come in; see :class:`ListStream` for what that raises."""
        ...

    def split_event(self, line: bytes) -> WatchEvent:
        """Return the event that one line of a watch holds.

        Raises:
            DecodeError: It is not an event. An event whose object alone is wrong says so in ``malformed``.
        """
        ...

    def to_record(self, raw: bytes) -> ObjectRecord:
        """Return the record of one object's JSON.

        Raises:
            DecodeError: It is not an object, or its metadata breaks a rule.
        """
        ...

    def decode(self, raw: bytes) -> JSONObject:
        """Return the JSON object that ``raw`` holds.

        Raises:
            DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
        """
        ...

    def encode(self, obj: JSONObject) -> bytes:
        """Return ``obj`` as compact JSON.

        Raises:
            InvalidArgument: It holds what JSON cannot say.
        """
        ...


def default_codec(*, keep_managed_fields: bool = False) -> Codec:
    """Return the fastest codec that is installed: ``MsgspecCodec`` with the extra ``fast``, else ``StdlibCodec``."""
    try:
        from kubeprims.objects.msgspec_codec import MsgspecCodec
    except ImportError:
        return StdlibCodec(keep_managed_fields=keep_managed_fields)
    return MsgspecCodec(keep_managed_fields=keep_managed_fields)
