"""Objects without what nobody reads: ``keep`` names what stays, ``strip`` what goes.

Of each object only the members that a path leads into are decoded and written again; the others are kept as they came,
or dropped, unread. Key, uid, version and labels of a record never change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from kubeprims.errors import InvalidArgument, InvalidFieldPath
from kubeprims.meta import JSONValue
from kubeprims.objects.content import decode_part, encode_part, split_members
from kubeprims.objects.field_path import FieldPath, parse_field_path
from kubeprims.objects.header import HEADER_FIELDS

_Tree = dict[str, "_Tree"]
"""Names and what is named inside them; an empty tree is all that is there."""

_ALL: _Tree = {}
_METADATA = ("metadata",)
_ANNOTATIONS = ("metadata", "annotations")
_MUST_STAY = (("apiVersion",), ("kind",), *(("metadata", name) for name in sorted(HEADER_FIELDS)))


@dataclass(frozen=True, slots=True)
class Projection:
    """What is left of each object.

    Attributes:
        keep: What stays, as field paths. ``apiVersion``, ``kind`` and ``metadata`` always stay, the latter without
            its annotations unless a path names them. Nothing named keeps everything.
        strip: What goes of that.

    Raises:
        InvalidFieldPath: A path breaks the grammar of :mod:`kubeprims.objects.field_path`, or ``strip`` names what the
            cache itself reads: type, name, namespace, uid, resourceVersion, labels.
        InvalidArgument: A single text was given for several paths.
    """

    keep: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _parsed(self.keep)
        for text, path in zip(self.strip, _parsed(self.strip), strict=True):
            if path == _METADATA or any(path[: len(fixed)] == fixed for fixed in _MUST_STAY):
                raise InvalidFieldPath(text, "the cache itself reads it, so it cannot be stripped")

    def __bool__(self) -> bool:
        """Return whether anything goes."""
        return bool(self.keep or self.strip)


class Projector:
    """Does what a projection says. Holds nothing that changes, so it serves any number of threads."""

    __slots__ = ("_annotations", "_keep", "_strip")

    def __init__(self, projection: Projection) -> None:
        keep, strip = _parsed(projection.keep), _parsed(projection.strip)
        annotations = [path for path in keep if path[:2] == _ANNOTATIONS]
        if keep and not annotations and _METADATA not in keep:
            strip.append(_ANNOTATIONS)
        named = [path for path in keep if path[:1] != _METADATA]
        self._keep: _Tree | None = _tree([*named, ("apiVersion",), ("kind",), _METADATA]) if keep else None
        named_annotations = _ALL if _METADATA in keep else _tree(annotations)
        self._annotations = named_annotations.get("metadata", _ALL).get("annotations", _ALL)
        self._strip = _tree(strip)

    def project(self, raw: bytes) -> bytes:
        """Return what is left of an object's JSON.

        Raises:
            DecodeError: A part that has to be decoded is not JSON, or brackets do not match.
        """
        left = [
            encode_part(name) + b":" + part
            for name, member in split_members(raw).items()
            if (part := self._part(name, member)) is not None
        ]
        return b"{" + b",".join(left) + b"}"

    def _part(self, name: str, member: bytes) -> bytes | None:
        """Return what is left of a member; None if nothing is."""
        keep = _ALL if self._keep is None else self._keep.get(name)
        strip = self._strip.get(name)
        if keep is None or strip == _ALL:
            return None
        annotations = self._annotations if name == "metadata" else _ALL
        if not (keep or strip or annotations):
            return member
        value = decode_part(member)
        if keep and not _cut_down(value, keep):
            return None
        if annotations and isinstance(value, dict) and not _cut_down(value.get("annotations"), annotations):
            value.pop("annotations", None)
        if strip:
            _take_out(value, strip)
        return encode_part(value)


def _parsed(texts: object) -> list[FieldPath]:
    if not isinstance(texts, tuple | list):
        raise InvalidArgument(f"field paths are a tuple of texts, not {texts!r}")
    return [parse_field_path(text) for text in cast("Iterable[object]", texts)]


def _tree(paths: Iterable[FieldPath]) -> _Tree:
    """Return paths as a tree; a path that another one begins with stands for both."""
    tree: _Tree = {}
    for path in sorted(paths, key=len, reverse=True):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = {}
    return tree


def _cut_down(value: JSONValue, tree: _Tree) -> bool:
    """Take out of ``value`` what a tree does not name; return whether the tree could lead into it at all."""
    if not tree:
        return True
    if isinstance(value, dict):
        for name in [*value]:
            if name not in tree or not _cut_down(value[name], tree[name]):
                del value[name]
        return True
    if isinstance(value, list):
        value[:] = [item for item in value if _cut_down(item, tree)]
        return True
    return False


def _take_out(value: JSONValue, tree: _Tree) -> None:
    """Take out of ``value`` what a tree names."""
    if isinstance(value, list):
        for item in value:
            _take_out(item, tree)
    elif isinstance(value, dict):
        for name in tree.keys() & value.keys():
            if tree[name]:
                _take_out(value[name], tree[name])
            else:
                del value[name]
