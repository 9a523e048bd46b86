"""Which of some versions is the older one, where that is known."""

from __future__ import annotations

from collections.abc import Iterable

from kubeprims.meta import compare_resource_versions


def is_older(version: str, other: str) -> bool:
    """Return whether a version is known to be older than another."""
    order = compare_resource_versions(version, other)
    return order is not None and order < 0


def oldest(versions: Iterable[str]) -> str:
    """Return the oldest of some versions; an empty one, which is older than all, and for none of them."""
    found: str | None = None
    for version in versions:
        if found is None or not version or (found and is_older(version, found)):
            found = version
    return found or ""


def newest(versions: Iterable[str]) -> str:
    """Return the newest of some versions; an empty one, which is older than all, for none of them."""
    found = ""
    for version in versions:
        if not found or is_older(found, version):
            found = version
    return found
