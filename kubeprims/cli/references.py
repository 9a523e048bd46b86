"""Which resources and objects the words of a command mean: ``pods``, ``pods web-0 web-1``, ``pod/web-0 deploy/web``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionResource


class Reference(NamedTuple):
    """What one word means.

    Attributes:
        resource: The resource, by one of its names.
        name: The object's name; empty for all of them.
    """

    resource: str
    name: str = ""


def parse_references(words: Sequence[str]) -> list[Reference]:
    """Return what the words mean.

    ``TYPE``, ``TYPE,TYPE``, ``TYPE NAME...`` and ``TYPE/NAME...`` are understood. A type may be written with its
    version, as in ``v1/pods`` and ``apps/v1/deployments``.

    Raises:
        InvalidArgument: They are of another form.
    """
    first, rest = words[0], words[1:]
    if _names_object(first):
        return [_object_of(word) for word in words]
    resources = first.split(",")
    if not all(resources):
        raise InvalidArgument(f"a type is missing in {first!r}")
    for word in rest:
        if not word or _names_object(word):
            raise InvalidArgument(f"write TYPE NAME... or TYPE/NAME..., not both: {word!r}")
    return [Reference(resource, name) for resource in resources for name in (rest or [""])]


def _names_object(word: str) -> bool:
    return "/" in word and not _is_versioned(word)


def _is_versioned(word: str) -> bool:
    try:
        GroupVersionResource.parse(word)
    except InvalidArgument:
        return False
    return True


def _object_of(word: str) -> Reference:
    resource, slash, name = word.rpartition("/")
    if not (resource and slash and name) or ("/" in resource and not _is_versioned(resource)):
        raise InvalidArgument(f"an object is written as TYPE/NAME, such as pod/web-0, not {word!r}")
    return Reference(resource, name)
