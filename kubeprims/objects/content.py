"""JSON of whole objects and of their parts, by the fastest implementation that is installed."""

from __future__ import annotations

import functools
from typing import Protocol

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects import stdlib_json


class _Implementation(Protocol):
    """What ``stdlib_json`` and ``msgspec_json`` both do, with the same results and the same errors."""

    def decode_object(self, raw: bytes) -> JSONObject: ...

    def decode_value(self, raw: bytes) -> JSONValue: ...

    def encode_object(self, obj: JSONObject) -> bytes: ...

    def encode_decoded(self, value: JSONValue) -> bytes: ...

    def split_members(self, raw: bytes) -> dict[str, bytes]: ...


def decode_content(raw: bytes) -> JSONObject:
    """Return the JSON object that ``raw`` holds; see :func:`kubeprims.objects.strict_json.decode_object`.

    Raises:
        DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
    """
    return _implementation().decode_object(raw)


def encode_content(obj: JSONObject) -> bytes:
    """Return ``obj`` as compact JSON; how a float is spelled is the implementation's.

    Raises:
        InvalidArgument: It holds what JSON cannot say: NaN, a lone surrogate, an object of another type, a cycle.
    """
    return _implementation().encode_object(obj)


def decode_part(raw: bytes) -> JSONValue:
    """Return the value that ``raw``, a part of an object, holds.

    Raises:
        DecodeError: It is not JSON, or nested too deeply for Python.
    """
    return _implementation().decode_value(raw)


def encode_part(value: JSONValue) -> bytes:
    """Return what :func:`decode_part` has returned as compact JSON, less what was taken out of it since."""
    return _implementation().encode_decoded(value)


def split_members(raw: bytes) -> dict[str, bytes]:
    """Return the members of an object, each as the JSON that it came as; of a repeated one the last.

    Members are not looked into further than it takes to find their ends, if even that.

    Raises:
        DecodeError: It is not UTF-8, not an object, or its brackets do not match.
    """
    return _implementation().split_members(raw)


@functools.cache
def _implementation() -> _Implementation:
    # Imported at the first use: importing msgspec takes as long as the rest of the package.
    try:
        from kubeprims.objects import msgspec_json
    except ImportError:
        return stdlib_json
    return msgspec_json
