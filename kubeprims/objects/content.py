"""Decoding of whole objects by the fastest decoder that is installed."""

from __future__ import annotations

import functools
from collections.abc import Callable

from kubeprims.meta import JSONObject
from kubeprims.objects.strict_json import decode_object


def decode_content(raw: bytes) -> JSONObject:
    """Return the JSON object that ``raw`` holds; see :func:`kubeprims.objects.strict_json.decode_object`.

    Raises:
        DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
    """
    return _decoder()(raw)


@functools.cache
def _decoder() -> Callable[[bytes], JSONObject]:
    # Imported at the first use: importing msgspec takes as long as the rest of the package.
    try:
        from kubeprims.objects.msgspec_json import decode_object as fast_decode_object
    except ImportError:
        return decode_object
    return fast_decode_object
