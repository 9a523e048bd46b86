"""The form that objects of built-in kinds have once upstream has read them: what its structures hold, and no more.

Go drops what its structures do not know and what is null, leaves out what is empty where a field says so, fills in
what a field says is always there, and writes amounts and times in one way.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import functools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import json_type
from kubeprims.testing.apiserver.go_types import GoField, structure_of, structures
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.quantities import QUANTITY_RULE, Quantity, parse_amount, parse_quantity
from kubeprims.testing.apiserver.status import bad_request, quoted

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# Upstream reads what it writes, and writes all six digits.
_MICROSECONDS = re.compile(r"\.\d{6}\D")
_TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_TIME_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_NULL_WHEN_ZERO = frozenset({"time", "micro-time", "json", "bytes"})
_ZEROS: Mapping[str, JSONValue] = {
    "str": "",
    "int32": 0,
    "int64": 0,
    "bool": False,
    "quantity": "0",
    "amount": "0",
    "int-or-string": 0,
}
# Lists that only get their default if they are absent; an empty one is refused later.
_KEPT_EMPTY = frozenset({("autoscaling2.HPAScalingRules", "policies")})
_LIMITS = {"int32": 1 << 31, "int64": 1 << 63}
_GO_NAMES = {"str": "string", "autoscaling2": "v2", "int-or-string": "intstr.IntOrString"}


class _Plan(NamedTuple):
    """How a structure is read.

    Attributes:
        fields: Its fields by name, those of embedded structures among them.
        filled: What stands in for a field that is absent.
    """

    fields: Mapping[str, GoField]
    filled: Mapping[str, JSONValue]


# Where a value stands, for what is said of a wrong one: the place above, the structure, the name of the field. The
# first is (None, the kind, ""): a chain is cheap to build, and only a wrong value is ever described.
_Place = tuple["_Place | None", "str | Kind", str]


def canonical(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return an object in its canonical form, with its own metadata left as it is.

    What is returned may share parts with ``obj`` and with other objects: nobody may change more than its top.

    Raises:
        BadRequest: A value is of another type than its field.
    """
    name = structure_of(kind.api_version, kind.kind)
    if name is None:
        return obj
    metadata = obj["metadata"]
    rest = {key: value for key, value in obj.items() if key != "metadata"}
    found = _structure(name, rest, (None, kind, ""))
    return {"metadata": metadata, **{key: value for key, value in found.items() if key != "metadata"}}


def zero(kind: Kind, field: str) -> JSONValue:
    """Return what a field at the top of an object holds when nothing was put there."""
    name = structure_of(kind.api_version, kind.kind)
    return None if name is None else _plan(name).filled.get(field)


@functools.cache
def _plan(name: str) -> _Plan:
    fields: dict[str, GoField] = {}
    for field in structures()[name]:
        fields.update({field.name: field} if field.name else _plan(field.type).fields)
    filled = {key: _zero(field.type, pointer=field.pointer) for key, field in fields.items() if _is_filled(field)}
    return _Plan(fields, filled)


def _is_filled(field: GoField) -> bool:
    if field.omit_zero:
        return False
    if field.pointer or field.type.startswith(("[]", "{}")) or field.type in {"str", "int32", "int64", "bool", "bytes"}:
        return not field.omit_empty
    return True  # Go has no empty structure


def _zero(code: str, *, pointer: bool = False) -> JSONValue:
    if pointer or code in _NULL_WHEN_ZERO or code.startswith(("[]", "{}")):
        return None
    return _ZEROS[code] if code in _ZEROS else dict(_plan(code).filled)


def _structure(name: str, value: JSONObject, place: _Place) -> JSONObject:
    fields, filled = _plan(name)
    found: JSONObject = {}
    for key, member in value.items():
        field = fields.get(key)
        if field is None:
            if key in {"kind", "apiVersion"} and "metadata" in fields:
                found[key] = member
        elif member is not None:
            read = _value(field.type, member, (place, name, key))
            if not _is_left_out(field, read) or (name, key) in _KEPT_EMPTY:
                found[key] = read
    for key, zero_value in filled.items():
        if key not in found:
            found[key] = zero_value
    return found


def _is_left_out(field: GoField, value: JSONValue) -> bool:
    if field.pointer or value or not (field.omit_empty or field.omit_zero):
        return field.omit_zero and not field.pointer and value == _zero(field.type)
    return field.type in {"str", "int32", "int64", "bool", "bytes"} or field.type.startswith(("[]", "{}"))


def _value(code: str, value: JSONValue, place: _Place) -> JSONValue:
    if code == "str" and isinstance(value, str):  # most values are
        return value
    if value is None:
        return _zero(code)
    if code.startswith("[]"):
        if not isinstance(value, list):
            raise _wrong(code, value, place)
        return [_value(code[2:], item, place) for item in value]
    read = _SCALARS.get(code)
    if read is not None:
        return read(code, value, place)
    if not isinstance(value, dict):
        raise _wrong(code, value, place)
    if code.startswith("{}"):
        below = "amount" if code == "{}quantity" else code[2:]
        return {key: _value(below, item, place) for key, item in sorted(value.items())}
    return _structure(code, value, place)


def _text(code: str, value: JSONValue, place: _Place) -> JSONValue:
    if not isinstance(value, str):
        raise _wrong(code, value, place)
    return value


def _number(code: str, value: JSONValue, place: _Place) -> JSONValue:
    if not isinstance(value, int) or isinstance(value, bool) or not -_LIMITS[code] <= value < _LIMITS[code]:
        raise _wrong(code, value, place)
    return value


def _flag(code: str, value: JSONValue, place: _Place) -> JSONValue:
    if not isinstance(value, bool):
        raise _wrong(code, value, place)
    return value


def _quantity(_code: str, value: JSONValue, place: _Place) -> JSONValue:
    return _read_quantity(value, place, parse_quantity)


def _amount(_code: str, value: JSONValue, place: _Place) -> JSONValue:
    return _read_quantity(value, place, parse_amount)


def _read_quantity(value: JSONValue, place: _Place, parse: Callable[[str], Quantity]) -> JSONValue:
    if isinstance(value, bool | list | dict):
        raise _refused(place, QUANTITY_RULE)
    try:
        return parse(str(value).strip()).text
    except ValueError as error:
        raise _refused(place, str(error)) from None


def _int_or_string(_code: str, value: JSONValue, place: _Place) -> JSONValue:
    if isinstance(value, str):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong("int32", value, place)
    return value


def _json(_code: str, value: JSONValue, _place: _Place) -> JSONValue:
    return value


def _bytes(code: str, value: JSONValue, place: _Place) -> JSONValue:
    if not isinstance(value, str):
        raise _wrong(code, value, place)
    text = value.replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _refused(place, f"illegal base64 data at input byte {_first_wrong(text)}") from None
    return text


def _first_wrong(text: str) -> int:
    match = re.match(r"[A-Za-z0-9+/]*", text)
    end = match.end() if match is not None else 0
    # An incomplete group is reported where it begins to lack characters.
    return end if end < len(text) and text[end] != "=" else end - end % 4


def _time(code: str, value: JSONValue, place: _Place) -> JSONValue:
    if not isinstance(value, str):
        raise _wrong(code, value, place)
    moment = _moment(value)
    if code == "micro-time" and _MICROSECONDS.search(value) is None:
        moment = None
    if moment is None:
        layout = _TIME_LAYOUT if code == "time" else _MICRO_TIME_LAYOUT
        text = f'parsing time {quoted(value)} as "{layout}": cannot parse {quoted(value)} as "2006"'
        raise _refused(place, text)
    return moment.isoformat(timespec="seconds" if code == "time" else "microseconds") + "Z"


def _moment(text: str) -> datetime.datetime | None:
    if _TIME.fullmatch(text) is None:
        return None
    try:
        # Python takes six digits at most; upstream renders no finer ones.
        moment = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


_SCALARS: Mapping[str, Callable[[str, JSONValue, _Place], JSONValue]] = {
    "str": _text,
    "int32": _number,
    "int64": _number,
    "bool": _flag,
    "bytes": _bytes,
    "quantity": _quantity,
    "amount": _amount,
    "int-or-string": _int_or_string,
    "json": _json,
    "time": _time,
    "micro-time": _time,
}


def _wrong(code: str, value: JSONValue, place: _Place) -> BadRequest:
    given = json_type(value)
    if given == "number":
        given = f"number {quoted(value)}" if code in _LIMITS else given
    assert isinstance(place[1], str), "only the first place is the object itself"
    structure, path = place[1].rpartition(".")[2], ""
    step = place
    while step[0] is not None:
        path = f".{step[2]}{path}"
        step = step[0]
    return _refused(
        place, f"json: cannot unmarshal {given} into Go struct field {structure}{path} of type {_go_name(code)}"
    )


def _go_name(code: str) -> str:
    if code.startswith("[]"):
        return f"[]{_go_name(code[2:])}"
    if code.startswith("{}"):
        return f"map[string]{_go_name(code[2:])}"
    if code == "bytes":
        return "[]uint8"
    package, dot, name = code.rpartition(".")
    return f"{_GO_NAMES.get(package, 'v1')}.{name}" if dot else _GO_NAMES.get(code, code)


def _refused(place: _Place, problem: str) -> BadRequest:
    while place[0] is not None:
        place = place[0]
    kind = place[1]
    assert isinstance(kind, Kind), "the first place is the object itself"
    return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {problem}')
