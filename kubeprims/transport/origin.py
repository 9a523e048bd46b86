"""Where a setting came from, so that an error can say which one to mend; and the one way to read a file it names."""

from __future__ import annotations

import os
import stat
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

    A kubeconfig itself, which no field names, may be a pipe. All else may be read again while requests wait, and is a
    regular file.

    Raises:
        ConfigError: It cannot be read, is a pipe or a device, or is longer than :data:`FILE_BYTES_MAX`.
    """
    try:
        with open(path, "rb", opener=_open_at_once if field else None) as file:
            may_be_read = not field or stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(FILE_BYTES_MAX + 1) if may_be_read else b""
    except OSError as error:
        raise origin.error(field, f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise origin.error(field, f"not the name of a file: {path!r}") from None
    if not may_be_read:
        raise origin.error(field, f"{path} is not a regular file")
    if len(content) > FILE_BYTES_MAX:
        raise origin.error(field, f"{path} is longer than {FILE_BYTES_MAX} bytes")
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, without waiting for whoever should write to it if it is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
