"""Large answers, made small on their way. Pure.

Source:
    apiserver pkg/endpoints/handlers/responsewriters, ``negotiateContentEncoding`` and ``deferredResponseWriter``.
    Same: what counts is the size alone, for every verb but watches; a ``gzip`` with a parameter is none.
    Differs: an answer in pieces stays one, so it has no length.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

ABOVE_BYTES = 128 * 1024
"""An answer of no more bytes is sent as it is."""

_GZIP_BITS = 31
# Upstream's: the time that better compression takes is longer than the transfer that it saves.
_LEVEL = 1


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip, by its Accept-Encoding header."""
    return any(token.strip() == "gzip" for token in accept_encoding.split(","))


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces of a gzip stream of all the pieces; none of them is empty."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_BITS)
    for piece in pieces:
        if data := compressor.compress(piece):
            yield data
    yield compressor.flush()
