"""JSON of objects and of their parts with nothing but the standard library: the reference."""

from __future__ import annotations

from kubeprims.objects import scan
from kubeprims.objects.strict_json import (
    DECODER,
    decode_object,
    decode_value,
    encode_decoded,
    encode_object,
    utf8,
)

__all__ = ["decode_object", "decode_value", "encode_decoded", "encode_object", "split_members"]


def split_members(raw: bytes) -> dict[str, bytes]:
    """Return the members of an object, each as the JSON that it came as; of a repeated one the last.

    Members are not looked into further than it takes to find their ends, if even that.

    Raises:
        DecodeError: It is not UTF-8, not an object, or its brackets do not match.
    """
    text = utf8(raw)
    try:
        return _quick_members(text)
    except (ValueError, RecursionError):
        pass  # white space, escapes in keys, or what is not JSON: brackets decide
    found, _ = scan.members(text, scan.skip_space(text, 0))
    return {member.key: text[member.value : member.end].encode() for member in found}


def _quick_members(text: str) -> dict[str, bytes]:
    """Return the members of an object without white space between them; decoding finds ends faster than brackets do.

    Raises:
        ValueError: It is anything else.
        RecursionError: It is nested too deeply.
    """
    if text[:2] == "{}":
        return {}
    members: dict[str, bytes] = {}
    end = 0
    while text[end : end + 2] == ('{"' if not end else ',"'):
        key, colon = DECODER.raw_decode(text, end + 1)
        if text[colon : colon + 1] != ":" or "\\" in text[end:colon]:
            break
        _, end = DECODER.raw_decode(text, colon + 1)
        members[key] = text[colon + 1 : end].encode()
    if text[end:] != "}":
        raise ValueError
    return members
