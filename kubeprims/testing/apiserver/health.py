"""What the server says of its health: always that it is well. Pure.

Source:
    apiserver pkg/server/healthz: the words, and that any method asks. The checks are those upstream has of what is here
    as well; of the hooks that run after its start there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

_SHARED = ("ping", "log")
_CHECKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "healthz": (*_SHARED, "etcd"),
        "livez": (*_SHARED, "etcd"),
        "readyz": (*_SHARED, "etcd", "etcd-readiness", "informer-sync", "shutdown"),
    }
)


def answer(path: str, parameters: Sequence[tuple[str, str]]) -> bytes | None:
    """Return the answer to a question about health, or None if a path asks none.

    Args:
        path: Decoded, as it came.
        parameters: Of the query: ``verbose`` lists the checks, each ``exclude`` leaves one out.
    """
    name, _, check = path.removeprefix("/").partition("/")
    checks = _CHECKS.get(name)
    if checks is None:
        return None
    if check:
        return b"ok" if check in checks else None
    if path.endswith("/"):
        return None
    if not any(parameter == "verbose" for parameter, _ in parameters):
        return b"ok"
    excluded = [value for parameter, value in parameters if parameter == "exclude"]
    lines = [f"[+]{check} excluded: ok" if check in excluded else f"[+]{check} ok" for check in checks]
    unknown = sorted({value for value in excluded if value not in checks})
    if unknown:
        quoted = ", ".join(f'"{value}"' for value in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    return "\n".join([*lines, f"{name} check passed", ""]).encode()
