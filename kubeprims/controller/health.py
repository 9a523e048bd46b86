"""Named checks of how a process is, and what is said of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from kubeprims.errors import InvalidArgument

Check = Callable[[], str | None]
"""Returns None if all is well, else why not; what it raises says the same."""

PING = "ping"
"""The check that there is when there is no other."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What a set of checks came to.

    Attributes:
        is_ok: Whether all of them passed.
        text: What to answer.
    """

    is_ok: bool
    text: str


class HealthChecks:
    """Checks by name; more can come, and any can go, at any time.

    Attributes:
        name: What they are about: ``healthz``, ``readyz``.

    Concurrency:
        Every method may be called from any thread; a check may run on several at once.

    Source:
        controller-runtime pkg/healthz; apiserver pkg/server/healthz.
        Same: the texts; a path for each check; reasons are withheld, and logged.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._checks: Mapping[str, Check] = {}

    def add(self, name: str, check: Check) -> Callable[[], None]:
        """Add a check, and return what takes it away again.

        Raises:
            InvalidArgument: The name is empty or another's, or the check cannot be called.
        """
        if not name:
            raise InvalidArgument("the name of a check must not be empty")
        if not callable(check):
            raise InvalidArgument(f"the check {name} must be callable, not {check!r}")
        with self._lock:
            if name in self._checks:
                raise InvalidArgument(f"there is a check {name} already")
            self._checks = {**self._checks, name: check}
        return lambda: self._remove(name, check)

    def _remove(self, name: str, check: Check) -> None:
        with self._lock:
            if self._checks.get(name) is check:
                self._checks = {other: one for other, one in self._checks.items() if other != name}

    def one(self, name: str) -> Report | None:
        """Run one check; None if there is none of that name."""
        check = self._all().get(name)
        if check is None:
            return None
        is_ok = self._passes(name, check)
        return Report(is_ok, "ok" if is_ok else f"internal server error: {name}: reason withheld\n")

    def all(self, *, verbose: bool = False, excluded: Collection[str] = ()) -> Report:
        """Run all checks but the excluded ones."""
        lines: list[str] = []
        is_ok = True
        checks = self._all()
        for name, check in checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
            elif self._passes(name, check):
                lines.append(f"[+]{name} ok")
            else:
                is_ok = False
                lines.append(f"[-]{name} failed: reason withheld")
        unknown = sorted(set(excluded) - checks.keys())
        if unknown:
            lines.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(unknown)}")
        lines.append(f"{self.name} check {'passed' if is_ok else 'failed'}")
        return Report(is_ok, "ok" if is_ok and not verbose else "".join(f"{line}\n" for line in lines))

    def _all(self) -> Mapping[str, Check]:
        return self._checks or {PING: lambda: None}

    def _passes(self, name: str, check: Check) -> bool:
        try:
            reason = check()
        except Exception as error:  # noqa: BLE001 - foreign code: a check that raises has failed
            reason = f"{type(error).__name__}: {error}"
        if reason is not None:
            logger.warning("%s check %s failed: %s", self.name, name, reason)
        return reason is None
