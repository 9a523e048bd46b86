"""Finding where JSON values end without decoding them, at any depth and without recursion.

This is the careful way, for what the fast ways do not recognise. It matches strings and brackets and leaves everything
else to whoever decodes the value. All positions are in characters of the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kubeprims.errors import DecodeError
from kubeprims.objects.strict_json import decode_text

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(r'[^\s,:"\[\]{}]+')
# A quote that begins no string stands alone in the last alternative: the text ends inside the string.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}"]', re.DOTALL)
_CLOSER = {"{": "}", "[": "]"}

DEPTH_MAX = 100_000
"""How deeply a value may be nested; an API server's own decoder ends at a tenth of that. More is an attack on whoever
looks for the end of such a value, and would do so for minutes."""


class Truncated(DecodeError):
    """The text ends inside a value: with more of it, there may be one."""


class Member(NamedTuple):
    """One member of an object: its key, and where the key begins, and the value begins and ends."""

    key: str
    start: int
    value: int
    end: int


def skip_space(text: str, pos: int) -> int:
    """Return where the white space at ``pos`` ends.

    Raises:
        Truncated: Nothing else follows.
    """
    match = _SPACE.match(text, pos)
    end = match.end() if match else pos
    if end == len(text):
        raise Truncated("the JSON ends in the middle")
    return end


def skip_value(text: str, pos: int) -> int:
    """Return where the value that begins at ``pos`` ends.

    Raises:
        Truncated: The text ends first. A number or a name at the very end may go on, so it counts as unfinished.
        DecodeError: No value begins there, its brackets do not match, or it is nested too deeply.
    """
    first = text[pos]
    if first in _CLOSER:
        return _skip_brackets(text, pos)
    match = (_STRING if first == '"' else _SCALAR).match(text, pos)
    if match is None:
        if first == '"':
            raise Truncated("the JSON ends inside a string")
        raise DecodeError(f"not JSON: no value at character {pos}")
    if first != '"' and match.end() == len(text):
        raise Truncated("the JSON ends in the middle")
    return match.end()


def _skip_brackets(text: str, pos: int) -> int:
    closers: list[str] = []
    for match in _TOKEN.finditer(text, pos):
        found = match[0]
        if found in _CLOSER:
            if len(closers) == DEPTH_MAX:
                raise DecodeError(f"not JSON that anybody reads: more than {DEPTH_MAX} levels deep")
            closers.append(_CLOSER[found])
        elif found == '"':
            raise Truncated("the JSON ends inside a string")
        elif found[0] != '"':
            if closers.pop() != found:
                raise DecodeError(f"not JSON: brackets do not match at character {match.start()}")
            if not closers:
                return match.end()
    raise Truncated("the JSON ends in the middle")


def read_key(text: str, pos: int) -> tuple[str, int]:
    """Return the key that begins at ``pos``, and where the value after its colon begins.

    Raises:
        Truncated: The text ends first.
        DecodeError: There is no key, or no colon.
    """
    if text[pos] != '"':
        raise DecodeError(f"not JSON: no key at character {pos}")
    end = skip_value(text, pos)
    colon = skip_space(text, end)
    if text[colon] != ":":
        raise DecodeError(f"not JSON: no colon at character {colon}")
    key = text[pos + 1 : end - 1]
    if "\\" in key:
        key = str(decode_text(text[pos:end]))
    return key, skip_space(text, colon + 1)


def members(text: str, pos: int) -> tuple[list[Member], int]:
    """Return the members of the object that begins at ``pos``, and where it ends.

    Raises:
        Truncated: The text ends first.
        DecodeError: There is no object.
    """
    if text[pos] != "{":
        raise DecodeError(f"not JSON: no object at character {pos}")
    found: list[Member] = []
    pos = skip_space(text, pos + 1)
    if text[pos] == "}":
        return found, pos + 1
    while True:
        key, value = read_key(text, pos)
        end = skip_value(text, value)
        found.append(Member(key, pos, value, end))
        pos = skip_space(text, end)
        if text[pos] == "}":
            return found, pos + 1
        if text[pos] != ",":
            raise DecodeError(f"not JSON: no comma at character {pos}")
        pos = skip_space(text, pos + 1)
