"""Objects in protobuf, as Go's typed clients (``kubectl create namespace`` among them) send them: read, never written.

Such clients accept JSON as an answer, but send protobuf to kinds that are built in, and do not try again in JSON when
it is refused. The messages are those of ``go_types``.

Source:
    apimachinery pkg/runtime/serializer/protobuf: the envelope; pkg/apis/meta/v1/generated.proto and its like: fields.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.go_types import GoField, structure_of, structures
from kubeprims.testing.apiserver.status import bad_request, unsupported_media_type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

_NUMBERS = frozenset({"int32", "int64"})
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def decode_object(body: bytes) -> JSONObject:
    """Return the object in a request's body.

    Raises:
        UnsupportedMediaType: It is of a kind that is not built in.
        BadRequest: It is damaged, or holds a field that is not known.
    """
    api_version, kind, content = _open(body)
    message = structure_of(api_version, kind)
    if message is None:
        raise unsupported_media_type(f"protobuf of {api_version} {kind} is not supported: use application/json")
    return {"apiVersion": api_version, "kind": kind, **_message(message, content)}


def decode_type(body: bytes) -> JSONObject:
    """Return nothing but the version and the kind of the object in a request's body.

    Raises:
        BadRequest: It is damaged.
    """
    api_version, kind, _ = _open(body)
    return {"apiVersion": api_version, "kind": kind}


def _open(body: bytes) -> tuple[str, str, bytes]:
    if not body.startswith(_MAGIC):
        raise _damaged("it does not begin with k8s")
    envelope = dict(_records(body[len(_MAGIC) :]))
    names = {number: _text(value) for number, value in _records(_raw(envelope.get(1, b"")))}
    return names.get(1, ""), names.get(2, ""), _raw(envelope.get(2, b""))


@functools.cache
def _messages() -> Mapping[str, Mapping[int, GoField]]:
    return {name: {field.number: field for field in fields} for name, fields in structures().items()}


def _message(message: str, data: bytes) -> JSONObject:
    # No message holds itself, so this is as deep as the table is.
    fields = _messages()[message]
    obj: JSONObject = {}
    for number, value in _records(data):
        field = fields.get(number)
        if field is None:
            raise bad_request(f"protobuf field {number} of {message} is not known: use application/json")
        if field.type.startswith("[]"):
            items = cast("list[JSONValue]", obj.setdefault(field.name, []))
            items.extend(_items(field.type[2:], value))
        elif field.type.startswith("{}"):
            entries = cast("JSONObject", obj.setdefault(field.name, {}))
            entry = dict(_records(_raw(value)))
            entries[_text(entry.get(1, b""))] = _value(field.type[2:], entry.get(2, b""))
        elif not field.name:
            obj.update(cast("JSONObject", _value(field.type, value)))
        else:
            decoded = _value(field.type, value)
            left_out = not field.pointer and (field.omit_empty or field.omit_zero)
            if decoded is not None and not (left_out and decoded in ("", 0)):
                obj[field.name] = decoded
    return obj


def _items(code: str, value: int | bytes) -> Iterator[JSONValue]:
    if code not in _NUMBERS or isinstance(value, int):
        yield _value(code, value)
        return
    position = 0  # numbers may come packed
    while position < len(value):
        number, position = _varint(value, position)
        yield _signed(number)


def _value(code: str, value: int | bytes) -> JSONValue:
    decode = _SCALARS.get(code)
    if decode is not None:
        return decode(value)
    return _message(code, _raw(value))


def _records(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each field's number and value: a number, or bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _BYTES:
            size, position = _varint(data, position)
        if size is None:
            raise _damaged(f"it holds wire type {wire}")
        if position + size > len(data):
            raise _damaged("it ends inside a field")
        yield number, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 64:  # noqa: PLR2004 - bits
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7
    raise _damaged("a number does not end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _raw(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _damaged("a number stands where bytes should")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _raw(value).decode()
    except UnicodeDecodeError:
        raise _damaged("a text is not UTF-8") from None


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise _damaged("bytes stand where a number should")
    return _signed(value)


def _quantity(value: int | bytes) -> str:
    return _text(dict(_records(_raw(value))).get(1, b""))


def _int_or_string(value: int | bytes) -> JSONValue:
    fields = dict(_records(_raw(value)))
    return _text(fields.get(3, b"")) if fields.get(1, 0) else _number(fields.get(2, 0))


def _json(value: int | bytes) -> JSONValue:
    raw = _raw(dict(_records(_raw(value))).get(1, b""))
    if not raw:
        return None
    try:
        return cast("JSONValue", json.loads(raw))
    except (ValueError, RecursionError):
        raise _damaged("an embedded object is not JSON") from None


def _time(value: int | bytes, *, timespec: str = "seconds") -> str | None:
    fields = dict(_records(_raw(value)))
    if not fields:
        return None
    seconds, nanoseconds = _number(fields.get(1, 0)), _number(fields.get(2, 0))
    try:
        moment = _EPOCH + datetime.timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError:
        raise _damaged("a time lies outside of the calendar") from None
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


_SCALARS: Mapping[str, Callable[[int | bytes], JSONValue]] = {
    "str": _text,
    "bytes": lambda value: base64.b64encode(_raw(value)).decode(),
    "int32": _number,
    "int64": _number,
    "bool": lambda value: bool(_number(value)),
    "quantity": _quantity,
    "int-or-string": _int_or_string,
    "json": _json,
    "time": _time,
    "micro-time": functools.partial(_time, timespec="microseconds"),
}


def _damaged(detail: str) -> BadRequest:
    return bad_request(f"the body is not protobuf of the API: {detail}")
