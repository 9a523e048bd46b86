"""The reference decoder's answers, from msgspec where it has them."""

from __future__ import annotations

import msgspec

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects import strict_json

_DECODER = msgspec.json.Decoder()


def decode_object(raw: bytes) -> JSONObject:
    """Return the JSON object that ``raw`` holds; see :func:`kubeprims.objects.strict_json.decode_object`.

    What msgspec accepts, it decodes as the reference does; what it refuses is the reference's to judge, so that errors
    and the few texts that msgspec alone refuses are the same.

    Raises:
        DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
    """
    try:
        value: JSONValue = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return strict_json.decode_object(raw)
    return value if isinstance(value, dict) else strict_json.decode_object(raw)
