"""Objects from files: YAML and JSON, many in one file, lists, folders, and standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.yaml_text import load_documents

FILE_BYTES_MAX = 64 << 20
"""How long a file may be, in bytes."""

_STDIN = "standard input"
_SUFFIXES = frozenset({".json", ".yaml", ".yml"})


class Manifest(NamedTuple):
    """An object, and the file that it was read from, or ``standard input``."""

    source: str
    obj: JSONObject


def read_manifests(files: Sequence[str], *, recursive: bool = False, stdin: BinaryIO | None = None) -> list[Manifest]:
    """Return the objects of files, in their order; in a folder, that of the names.

    Args:
        files: Files, folders, of which the .json, .yaml and .yml files count, or ``-`` for standard input.
        recursive: Take folders within folders as well.
        stdin: Standard input; that of the process unless given.

    Raises:
        InvalidArgument: A file cannot be read, is neither YAML nor JSON, or holds what is no object; or there are none
            in all of them.
    """
    manifests = [
        Manifest(source, obj)
        for file in files
        for source, content in _contents(file, recursive=recursive, stdin=stdin)
        for obj in _objects(source, content)
    ]
    if not manifests:
        raise InvalidArgument(f"no objects in {', '.join(_STDIN if file == '-' else file for file in files)}")
    return manifests


def _contents(file: str, *, recursive: bool, stdin: BinaryIO | None) -> Iterator[tuple[str, bytes]]:
    if file == "-":
        if stdin is None and sys.stdin is None:  # closed by who started us
            raise InvalidArgument(f"{_STDIN} is closed")
        yield _STDIN, _read(_STDIN, stdin or sys.stdin.buffer)
        return
    path = Path(file)
    try:
        paths = [path] if not path.is_dir() else _manifests_in(path, recursive=recursive)
        for found in paths:
            with found.open("rb") as stream:
                yield str(found), _read(str(found), stream)
    except OSError as error:
        raise InvalidArgument(f"{error.filename or file}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise InvalidArgument(f"{file!r}: {error}") from error


def _manifests_in(folder: Path, *, recursive: bool) -> list[Path]:
    found = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(path for path in found if path.suffix in _SUFFIXES and path.is_file())


def _read(source: str, stream: BinaryIO) -> bytes:
    content = stream.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise InvalidArgument(f"{source} is longer than {FILE_BYTES_MAX} bytes")
    return content


def _objects(source: str, content: bytes) -> Iterator[JSONObject]:
    try:
        documents = load_documents(content)  # JSON is YAML, too
    except DecodeError as error:
        raise InvalidArgument(f"{source} {error.detail}") from error
    for document in documents:
        if document is not None:
            yield from _flattened(source, document)


def _flattened(source: str, document: JSONValue) -> Iterator[JSONObject]:
    if not isinstance(document, dict):
        raise InvalidArgument(f"{source} holds a document that is no object")
    items = document.get("items")
    if document.get("kind") == "List" and isinstance(items, list):
        for item in items:
            yield from _flattened(source, item)
        return
    metadata = document.get("metadata")
    if not (_is_text(document.get("apiVersion")) and _is_text(document.get("kind"))):
        raise InvalidArgument(f"{source} holds an object without apiVersion or kind")
    if not isinstance(metadata, dict) or not _is_text(metadata.get("name")):
        raise InvalidArgument(f"{source} holds a {document['kind']} without a name")
    yield document


def _is_text(value: JSONValue) -> bool:
    return isinstance(value, str) and value != ""
