"""JSON as the Kubernetes API speaks it: the reference that every faster way of reading must agree with.

Stricter than Python's ``json`` where that goes beyond the standard, or lets through what cannot be written again:
NaN and the infinities (spelled out, or through a number too large for a float), bytes that are not UTF-8, a byte order
mark, and escapes of lone surrogates are refused. Integers of more than 64 bits stay exact, up to Python's limit of
4,300 digits. Of a repeated member the last counts.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn, cast

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import JSONObject, JSONValue

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        message = "a number is out of range"
        raise ValueError(message)
    return value


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
"""The standard decoder without NaN and infinities. Lone surrogates are looked for by :func:`check_surrogates`."""

# The check for cycles costs a third of the time; a cycle ends in a RecursionError instead.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def check_surrogates(text: str, value: JSONValue) -> None:
    """Refuse ``value``, decoded from ``text``, if it holds half of a surrogate pair.

    Raises:
        ValueError: It does, and could not be written as UTF-8 again.
    """
    # A single character is found ten times faster than two, and what holds backslashes mostly has them in one place.
    first = text.find("\\")
    if first >= 0:
        escaped = text[first : text.rfind("\\") + 3]
        if ("\\ud" in escaped or "\\uD" in escaped) and _SURROGATE_ESCAPE.search(text, first):
            _ENCODER.encode(value).encode()


def decode_text(text: str) -> JSONValue:
    """Return the value of a JSON text.

    Raises:
        DecodeError: It is not JSON, or nested too deeply for Python.
    """
    try:
        value = cast("JSONValue", DECODER.decode(text))
        check_surrogates(text, value)
    except RecursionError as error:
        raise DecodeError("the JSON is nested too deeply", raw=_first_bytes(text)) from error
    except ValueError as error:
        raise DecodeError(_reason(error), raw=_first_bytes(text)) from error
    return value


def decode_object(raw: bytes) -> JSONObject:
    """Return the JSON object that ``raw`` holds.

    Raises:
        DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
    """
    value = decode_text(utf8(raw))
    if not isinstance(value, dict):
        raise DecodeError("the JSON is not an object", raw=raw)
    return value


def decode_value(raw: bytes) -> JSONValue:
    """Return the value that ``raw`` holds.

    Raises:
        DecodeError: It is not UTF-8, not JSON, or nested too deeply for Python.
    """
    return decode_text(utf8(raw))


def utf8(raw: bytes) -> str:
    """Return ``raw`` as text.

    Raises:
        DecodeError: It is not UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8 at byte {error.start}", raw=raw) from error


def encode_object(obj: JSONObject) -> bytes:
    """Return ``obj`` as compact JSON.

    Raises:
        InvalidArgument: It holds what JSON cannot say: NaN, a lone surrogate, an object of another type, a cycle.
    """
    try:
        return _ENCODER.encode(obj).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"not representable as JSON: {error}") from error


def encode_decoded(value: JSONValue) -> bytes:
    """Return what a decoder has returned as compact JSON."""
    return _ENCODER.encode(value).encode()


def _reason(error: ValueError) -> str:
    # The texts of these errors name positions and rules; the document itself hangs on their attributes only.
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos}"
    if isinstance(error, UnicodeEncodeError):
        return "not JSON: half of a surrogate pair"
    return f"not JSON: {error}"


def _first_bytes(text: str) -> bytes:
    return text[:256].encode(errors="backslashreplace")
