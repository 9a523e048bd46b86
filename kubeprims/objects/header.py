"""What a record says of its object besides the bytes, read out of decoded metadata."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import cast

from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONValue, ObjectKey

Header = tuple[str, str, str, tuple[str, ...]]
"""Key, uid, resourceVersion and labels, as in a record."""

HEADER_FIELDS = frozenset({"name", "namespace", "uid", "resourceVersion", "labels"})
"""The members of ``metadata`` that :func:`read_header` looks at."""


class HeaderError(Exception):
    """The metadata breaks a rule; never leaves this package.

    Attributes:
        detail: Which rule.
        key: The object's key, if that is all right.
        resource_version: The object's version, if that is all right; else empty.
    """

    def __init__(self, detail: str, *, key: ObjectKey | None = None, resource_version: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.key = key
        self.resource_version = resource_version


def read_header(metadata: Mapping[str, JSONValue]) -> Header:
    """Return the header of an object with this metadata; null counts as absent, as in the API server.

    Raises:
        HeaderError: There is no usable name, or a field is not of its type.
    """
    key: ObjectKey | None = None
    resource_version = ""
    try:
        resource_version = _string(metadata, "resourceVersion")
        key = ObjectKey.make(_string(metadata, "namespace"), _string(metadata, "name"))
        return str(key), _string(metadata, "uid"), resource_version, flat_labels(_labels(metadata))
    except InvalidArgument:
        detail = "metadata.name is empty, or the name or the namespace holds a slash"
        raise HeaderError(detail, resource_version=resource_version) from None
    except HeaderError as error:
        raise HeaderError(error.detail, key=key, resource_version=resource_version) from None


def flat_labels(labels: dict[str, str] | None) -> tuple[str, ...]:
    """Return labels as ``(k1, v1, k2, v2)``, sorted by key and interned: most objects share most of them."""
    return tuple([intern(text) for key in sorted(labels) for text in (key, labels[key])]) if labels else ()


def _labels(metadata: Mapping[str, JSONValue]) -> dict[str, str] | None:
    labels = metadata.get("labels")
    if labels is None:
        return None
    if not isinstance(labels, dict):
        raise HeaderError("metadata.labels is not an object")
    if not all(isinstance(value, str) for value in labels.values()):
        raise HeaderError("metadata.labels holds what is not a string")
    return cast("dict[str, str]", labels)


def _string(metadata: Mapping[str, JSONValue], field: str) -> str:
    value = metadata.get(field)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise HeaderError(f"metadata.{field} is not a string")
