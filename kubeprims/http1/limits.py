"""How much a peer may make us hold or do."""

from __future__ import annotations

from dataclasses import dataclass

from kubeprims.errors import ConfigError

# A chunk line is at least the line end before it, sixteen digits, and the line end behind it.
_CHUNK_LINE_BYTES_MIN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one connection; what passes one is a :class:`~kubeprims.http1.errors.RemoteProtocolError`.

    Attributes:
        head_bytes_max: A request line with its headers, the empty line included; above it, status 431.
        header_count_max: Header lines in a head, and in a trailer section; above it, status 431.
        body_bytes_max: The payload of one message; above it, status 413. None means no bound: payload is handed on as
            it comes and never kept, so whoever collects it sets the bound.
        chunk_line_bytes_max: One chunk-size line with its extensions and line ends.
        chunk_extension_bytes_max: All chunk extensions of one message together.
        trailer_bytes_max: The trailer section of one message; above it, status 431.
    """

    head_bytes_max: int = 64 * 1024
    header_count_max: int = 128
    body_bytes_max: int | None = None
    chunk_line_bytes_max: int = 1024
    chunk_extension_bytes_max: int = 16 * 1024
    trailer_bytes_max: int = 16 * 1024

    def __post_init__(self) -> None:
        """Check the bounds together.

        Raises:
            ConfigError: A bound is too low to let any message through.
        """
        for field, lowest in (
            ("head_bytes_max", 1),
            ("header_count_max", 1),
            ("chunk_line_bytes_max", _CHUNK_LINE_BYTES_MIN),
            ("chunk_extension_bytes_max", 0),
            ("trailer_bytes_max", len(b"\r\n\r\n")),
        ):
            if getattr(self, field) < lowest:
                raise ConfigError(f"must be at least {lowest}", source="Limits", field=field)
        if self.body_bytes_max is not None and self.body_bytes_max < 0:
            raise ConfigError("must be at least 0, or None", source="Limits", field="body_bytes_max")
