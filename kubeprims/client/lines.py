"""Cuts a stream of bytes into lines. Pure."""

from __future__ import annotations


class LineSplitter:
    """Takes bytes as they come, and gives the lines that are complete.

    Each byte is looked at a bounded number of times, however the lines are cut into pieces or glued together.

    Attributes:
        is_too_long: Whether a line passed the limit. What came before it was given; nothing comes after it.
    """

    __slots__ = ("_line_bytes_max", "_tail", "is_too_long")

    def __init__(self, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._tail = bytearray()
        self.is_too_long = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines, without their ends, that ``chunk`` completes."""
        if self.is_too_long:
            return []
        lines: list[bytes] = []
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:  # which is several times as fast as split() is
            lines.append(chunk[start:end])
            start = end + 1
        rest = chunk[start:]
        if lines and self._tail:
            self._tail += lines[0]
            lines[0] = bytes(self._tail)
            self._tail.clear()
        self._tail += rest
        limit = self._line_bytes_max
        if lines and max(map(len, lines)) > limit:
            self.is_too_long = True
            return lines[: next(index for index, line in enumerate(lines) if len(line) > limit)]
        self.is_too_long = len(self._tail) > limit
        return lines

    def finish(self) -> bytes:
        """Return what came after the end of the last line."""
        rest = bytes(self._tail)
        self._tail.clear()
        return rest
