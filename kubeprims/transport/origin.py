"""Where a setting came from, so that an error can say which one to mend; and the one way to read a file it names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kubeprims.errors import ConfigError

FILE_BYTES_MAX = 16 << 20
"""No kubeconfig, certificate or token is longer, in bytes."""


class Origin(NamedTuple):
    """Where a group of settings was read: a file and one of its entries; both empty for values from code."""

    source: str = ""
    entry: str = ""

    def error(self, field: str, rule: str) -> ConfigError:
        """Return the error for a field that breaks a rule."""
        return ConfigError(rule, source=self.source, entry=self.entry, field=field)


FROM_CODE = Origin()


def read_file(path: str, *, origin: Origin, field: str) -> bytes:
    """Return the content of a file that a setting names.

    Raises:
        ConfigError: It cannot be read, or is longer than :data:`FILE_BYTES_MAX`.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise origin.error(field, f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise origin.error(field, f"not the name of a file: {path!r}") from None
    if len(content) > FILE_BYTES_MAX:
        raise origin.error(field, f"{path} is longer than {FILE_BYTES_MAX} bytes")
    return content
