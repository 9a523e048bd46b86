"""The reference implementation's answers, from msgspec where it has them."""

from __future__ import annotations

import msgspec

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects import stdlib_json

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REFUSED = (msgspec.MsgspecError, UnicodeError, RecursionError)
_NOT_ENCODED = (*_REFUSED, TypeError, ValueError, OverflowError)


def decode_object(raw: bytes) -> JSONObject:
    """Return the JSON object that ``raw`` holds; see :func:`kubeprims.objects.strict_json.decode_object`.

    What msgspec accepts, it decodes as the reference does; what it refuses is the reference's to judge, so that errors
    and the few texts that msgspec alone refuses are the same.

    Raises:
        DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
    """
    try:
        value: JSONValue = _DECODER.decode(raw)
    except _REFUSED:
        return stdlib_json.decode_object(raw)
    return value if isinstance(value, dict) else stdlib_json.decode_object(raw)


def decode_value(raw: bytes) -> JSONValue:
    """Return the value that ``raw`` holds.

    Raises:
        DecodeError: It is not UTF-8, not JSON, or nested too deeply for Python.
    """
    try:
        value: JSONValue = _DECODER.decode(raw)
    except _REFUSED:
        return stdlib_json.decode_value(raw)
    return value


def encode_object(obj: JSONObject) -> bytes:
    """Return ``obj`` as compact JSON; see :func:`kubeprims.objects.strict_json.encode_object`.

    msgspec writes more than JSON has (dates, sets, NaN as null), so what it wrote must read as what was given; whatever
    does not is the reference's to judge.

    Raises:
        InvalidArgument: It holds what JSON cannot say.
    """
    try:
        raw = _ENCODER.encode(obj)
        if _DECODER.decode(raw) == obj:
            return raw
    except _NOT_ENCODED:
        pass
    return stdlib_json.encode_object(obj)


def encode_decoded(value: JSONValue) -> bytes:
    """Return what a decoder has returned as compact JSON."""
    try:
        return _ENCODER.encode(value)
    except _NOT_ENCODED:  # integers of more than 64 bits
        return stdlib_json.encode_decoded(value)


def split_members(raw: bytes) -> dict[str, bytes]:
    """Return the members of an object as they came; see :func:`kubeprims.objects.stdlib_json.split_members`.

    Raises:
        DecodeError: It is not UTF-8, not an object, or its brackets do not match.
    """
    try:
        found = _MEMBERS.decode(raw)
        if not raw.isascii():
            raw.decode()  # msgspec does not look into the strings that it passes over
    except _REFUSED:
        return stdlib_json.split_members(raw)
    return {name: bytes(value) for name, value in found.items()}
