"""Which controllers of a program run: what ``--controllers`` says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kubeprims.errors import ConfigError

ALL = "*"


def select_controllers(
    controllers: str | Iterable[str], known: Collection[str], *, off_by_default: Collection[str] = ()
) -> frozenset[str]:
    """Return the names of the controllers that are to run.

    Each item is a name, which switches that one on; a name with a minus before it, which switches it off; or ``*``, for
    all that are on by default. What mentions a name first counts.

    Args:
        controllers: The items, or one text with commas between them.
        known: The names that there are.
        off_by_default: Those of them that ``*`` leaves off.

    Raises:
        ConfigError: An item names none of them.

    Source:
        k8s.io/controller-manager app/helper.go, ``IsControllerEnabled``.
    """
    if isinstance(controllers, str):
        controllers = controllers.split(",")
    items = [item.strip() for item in controllers]
    items = [item for item in items if item]
    unknown = sorted({name for item in items if item != ALL and (name := item.removeprefix("-")) not in known})
    if unknown:
        names = ", ".join(sorted(known))
        raise ConfigError(f"no such controller: {', '.join(unknown)}; there are: {names}", field="controllers")
    return frozenset(name for name in known if _is_on(name, items, off_by_default))


def _is_on(name: str, items: Iterable[str], off_by_default: Collection[str]) -> bool:
    for item in items:
        if item == name:
            return True
        if item == f"-{name}":
            return False
    return ALL in items and name not in off_by_default
