"""YAML in and out, in one place: what comes in is what JSON can say.

PyYAML comes with the ``kubernetes`` package. It takes 20 ms to import and few need it, so that is done when it is used.

Everything here is pure, so it is safe in any thread.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue

if TYPE_CHECKING:
    import yaml

NODES_MAX = 1_000_000
"""How many values one text may hold; a few lines of aliases could stand for more than a machine can hold."""

DEPTH_MAX = 200
"""How deeply they may be nested."""

# PyYAML quotes what it cannot read, and that may be a part of a secret.
_QUOTED = re.compile(r"'[^']{2,}'")
_MERGE = "tag:yaml.org,2002:merge"
_SCALARS = (str, bool, int, float)


def load_document(content: bytes) -> object:
    """Return the one document of a text, in PyYAML's types: dates, and keys of any kind, are for the reader to judge.

    Raises:
        DecodeError: It is not YAML, or several documents; its content is not quoted.
    """
    import yaml

    with _reported():
        return cast("object", yaml.load(content, _loaders().any))  # noqa: S506 - a SafeLoader


def load_documents(content: bytes) -> list[JSONValue]:
    """Return the documents of a text as what JSON can say; an empty one is None.

    Keys that are no text become one, and times stay text, as in the tools written in Go.

    Raises:
        DecodeError: It is not YAML, says what JSON cannot, or more than can be held; its content is not quoted.
    """
    import yaml

    with _reported():
        loaded = cast("list[object]", list(yaml.load_all(content, _loaders().plain)))
    plain = _Plain()
    return [plain.value(document, 0) for document in loaded]


class _Loaders(NamedTuple):
    """What makes values of YAML: of any type that PyYAML knows, or of those of JSON, with no key twice."""

    any: type[yaml.SafeLoader]
    plain: type[yaml.SafeLoader]


@functools.cache
def _loaders() -> _Loaders:
    import yaml

    class Bounded(yaml.SafeLoader):
        """Bounds what merge keys add up to: PyYAML before 6.0.4 takes a key as often as it comes along."""

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            super().flatten_mapping(node)
            if len(node.value) > NODES_MAX:
                problem = f"found more than {NODES_MAX} merged keys"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)

    class Plain(Bounded):
        """Leaves times as they are written, and refuses a key that is there twice."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own table, which is looked up on the class
            first: [pair for pair in resolvers if pair[0] != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - PyYAML's own
            own = [key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key.value, str)]
            mapping = cast("dict[Hashable, object]", super().construct_mapping(node, deep))
            if len(set(own)) < len(own) or len(mapping) < len(own):
                raise yaml.constructor.ConstructorError(problem="found a key twice", problem_mark=node.start_mark)
            return mapping

    return _Loaders(Bounded, Plain)


def as_json(found: object) -> JSONValue:
    """Return a part of a document as what JSON can say.

    Raises:
        DecodeError: JSON cannot say it, or it is more than can be held.
    """
    return _Plain().value(found, 0)


@contextmanager
def _reported() -> Generator[None]:
    import yaml

    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = _QUOTED.sub("...", error.problem or error.context or "")
        raise DecodeError(f"is not YAML: {problem}{place}") from None
    except Exception as error:  # noqa: BLE001 - PyYAML's scalars raise whatever their conversion raised
        raise DecodeError(f"is not YAML: {type(error).__name__}") from None


def dump_document(value: JSONValue) -> str:
    """Return a value as block YAML with sorted keys, ending in a line break. What is not ASCII is escaped."""
    import yaml

    return yaml.safe_dump(value, default_flow_style=False, width=float("inf"))


class _Plain:
    """Turns what PyYAML gives into what JSON can say, and counts."""

    def __init__(self) -> None:
        self._nodes = 0

    def value(self, found: object, depth: int) -> JSONValue:
        self._nodes += 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise DecodeError(f"holds more than {NODES_MAX} values, or is nested deeper than {DEPTH_MAX}")
        match found:
            case None | str() | bool() | int() | float():
                return found
            case list():
                return [self.value(item, depth + 1) for item in cast("list[object]", found)]
            case dict():
                return self._mapping(cast("dict[object, object]", found), depth)
            case _:
                raise DecodeError(f"holds a {type(found).__name__}, which JSON cannot say")

    def _mapping(self, found: dict[object, object], depth: int) -> JSONObject:
        return {_key(key): self.value(item, depth + 1) for key, item in found.items()}


def _key(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, _SCALARS):
        return str(key)
    raise DecodeError("holds a key that is neither text nor a number")
