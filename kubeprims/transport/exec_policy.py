"""Which credential plugins may run, whatever a kubeconfig says."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from kubeprims.errors import ConfigError

EXEC_TIMEOUT_S = 180.0
"""How long a plugin may take unless told otherwise, in seconds: somebody may have to log in with a browser."""


@dataclass(frozen=True, slots=True)
class ExecPolicy:
    """Decides which programs may be run for credentials. Made by :meth:`allow_all` and its siblings.

    Attributes:
        allowed: The commands that may run; None: all of them.

    Source:
        client-go plugin/pkg/client/auth/exec/exec.go, ``ValidatePluginPolicy`` and ``checkAllowlistLocked``.
        Same: a name is looked up in ``PATH``, that of the list as that of the plugin, and the two paths must be equal.
    """

    allowed: tuple[str, ...] | None

    @classmethod
    def allow_all(cls) -> ExecPolicy:
        """Let any plugin run."""
        return cls(None)

    @classmethod
    def deny_all(cls) -> ExecPolicy:
        """Let no plugin run."""
        return cls(())

    @classmethod
    def allowlist(cls, *commands: str) -> ExecPolicy:
        """Let those plugins run that one of the commands stands for.

        Args:
            commands: Names, which are looked up in ``PATH``, and absolute paths.

        Raises:
            ConfigError: There is none, or one is empty, relative, or not in its shortest form.
        """
        if not commands:
            rule = "is empty: deny_all() lets no plugin run"
            raise ConfigError(rule, field="exec_policy")
        for command in commands:
            is_relative = os.sep in command and not command.startswith(os.sep)
            if not command or is_relative or os.path.normpath(command) != command:
                rule = f"holds {command!r}, which is neither a name nor a path in its shortest form"
                raise ConfigError(rule, field="exec_policy")
        return cls(commands)

    def permits(self, program: str) -> bool:
        """Whether the program of that path may run."""
        return self.allowed is None or program in (find_program(command) for command in self.allowed)


def find_program(command: str) -> str | None:
    """Return the absolute path of a program; None if there is none, or if it cannot be run.

    A bare name is looked for in ``PATH``; what only a relative entry of that leads to is not found.
    """
    if os.sep in command:
        path = os.path.normpath(os.path.abspath(command))  # noqa: PTH100 - resolve() would follow links, and lose the name
        return path if os.access(path, os.X_OK) and not os.path.isdir(path) else None  # noqa: PTH112 - as above
    found = shutil.which(command)
    return os.path.normpath(found) if found is not None and found.startswith(os.sep) else None
