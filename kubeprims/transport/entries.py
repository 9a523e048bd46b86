"""Reads the fields of one entry of a kubeconfig, each as the type it must have."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONValue
from kubeprims.transport.origin import Origin
from kubeprims.yaml_text import as_json

_NAMES_OF_TYPES = {
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "str": "a string",
    "list": "a list",
    "dict": "a mapping",
}


def _is_mapping(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


class Entry:
    """The fields of one mapping, with the place that errors name.

    A field that is absent, or null, has the empty value of its type, as in Go.
    """

    __slots__ = ("_fields", "_prefix", "origin")

    def __init__(self, value: object, origin: Origin, *, prefix: str = "") -> None:
        """Take a decoded value.

        Args:
            value: What YAML gave; null counts as empty.
            origin: What errors name.
            prefix: The field that holds this mapping, such as ``exec``; empty for the entry itself.

        Raises:
            ConfigError: It is not a mapping.
        """
        self.origin = origin
        self._prefix = prefix
        if value is None:
            value = {}
        if not _is_mapping(value):
            raise origin.error(prefix, f"must be a mapping, not {_name_of_type(value)}")
        self._fields: Mapping[object, object] = value

    def _name(self, field: str) -> str:
        return f"{self._prefix}.{field}" if self._prefix else field

    def _wrong_type(self, field: str, wanted: str, value: object) -> Exception:
        hint = "; put it in quotes" if wanted == "a string" and isinstance(value, (int, float)) else ""
        return self.origin.error(self._name(field), f"must be {wanted}, not {_name_of_type(value)}{hint}")

    def text(self, field: str) -> str:
        """Return a string field.

        Raises:
            ConfigError: It is of another type.
        """
        value = self._fields.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong_type(field, "a string", value)
        return value

    def flag(self, field: str) -> bool:
        """Return a boolean field.

        Raises:
            ConfigError: It is of another type.
        """
        value = self._fields.get(field)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._wrong_type(field, "true or false", value)
        return value

    def path(self, field: str) -> str:
        """Return a file's path; a relative one starts at the folder of the kubeconfig that says it.

        Raises:
            ConfigError: It is not a string.
        """
        return resolve_path(self.text(field), self.origin)

    def data(self, field: str) -> bytes:
        """Return the bytes that a base64 field stands for.

        Raises:
            ConfigError: It is not a string, or not base64.
        """
        text = "".join(self.text(field).split())
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise self.origin.error(self._name(field), "is not base64") from None

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a list of strings.

        Raises:
            ConfigError: It is not that.
        """
        return tuple(self._as_text(field, value) for value in self._list(field))

    def _as_text(self, field: str, value: object) -> str:
        if not isinstance(value, str):
            raise self._wrong_type(field, "a list of strings", value)
        return value

    def text_lists(self, field: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return a mapping of strings to lists of strings.

        Raises:
            ConfigError: It is not that.
        """
        inner = self.mapping(field)
        return tuple((name, inner.texts(name)) for name in inner.names())

    def text_map(self, field: str) -> tuple[tuple[str, str], ...]:
        """Return a mapping of strings to strings.

        Raises:
            ConfigError: It is not that.
        """
        inner = self.mapping(field)
        return tuple((name, inner.text(name)) for name in inner.names())

    def mapping(self, field: str) -> Entry:
        """Return a field that is a mapping itself.

        Raises:
            ConfigError: It is not.
        """
        return Entry(self._fields.get(field), self.origin, prefix=self._name(field))

    def value(self, field: str) -> JSONValue:
        """Return a field of any type; None if it is absent.

        Raises:
            ConfigError: JSON cannot say it.
        """
        try:
            return as_json(self._fields.get(field))
        except DecodeError as error:
            raise self.origin.error(self._name(field), error.detail) from None

    def has(self, field: str) -> bool:
        """Whether the field is there and not null."""
        return self._fields.get(field) is not None

    def names(self) -> Iterator[str]:
        """Return the names of the fields.

        Raises:
            ConfigError: One of them is not a string.
        """
        for name in self._fields:
            if not isinstance(name, str):
                raise self.origin.error(self._prefix, f"a field's name must be a string, not {_name_of_type(name)}")
            yield name

    def entries(self, field: str) -> Iterator[Entry]:
        """Return the members of a list of mappings.

        Raises:
            ConfigError: It is not that.
        """
        for number, value in enumerate(self._list(field)):
            yield Entry(value, self.origin, prefix=self._name(f"{field}[{number}]"))

    def _list(self, field: str) -> list[object]:
        value = self._fields.get(field)
        if value is None:
            return []
        if not _is_list(value):
            raise self._wrong_type(field, "a list", value)
        return value

    def at(self, origin: Origin) -> Entry:
        """Return the same fields, named in errors by another place and without the prefix."""
        return Entry(self._fields, origin)


def _name_of_type(value: object) -> str:
    name = type(value).__name__
    return _NAMES_OF_TYPES.get(name, name)


def resolve_path(path: str, origin: Origin) -> str:
    """Return the path seen from the folder of the file that names it; an empty one stays empty."""
    return str(Path(origin.source).absolute().parent / path) if path else ""
