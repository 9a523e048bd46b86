"""The shard selectors of lists and watches, read as upstream reads them: as an expression in CEL. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from kubeprims.sharding import HASH_END, HashRange, Shard, ShardKey
from kubeprims.testing.apiserver.status import plain_failure

_TOKEN = re.compile(
    r"""\s*(?:([A-Za-z_]\w*)|("[^"\n]*"|'[^'\n]*')|([0-9]\w*)|(\|\||&&|[<>=!]=|[-+*/%<>!?:.,()\[\]{}]))"""
)
_HEX = frozenset("0123456789abcdef")
_HEX_DIGITS = 16
_OR, _RANGE = "_||_", "shardRange"
_OPERATORS = frozenset({"&&", "<", ">", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%"})
_KEYS = {key.path: key for key in ShardKey}


class _Kind(IntEnum):
    """Kinds of expressions, by upstream's numbers, which its messages show."""

    CALL = 1
    IDENT = 3
    LITERAL = 5
    SELECT = 7


@dataclass(frozen=True, slots=True)
class _Expression:
    """A call and its arguments, a field and what it is of, a name, or a literal."""

    kind: _Kind
    value: str | int
    arguments: Sequence[_Expression] = ()


class _WrongSelector(Exception):
    """What is wrong with a selector; never leaves this module."""


def parse_shard_selector(text: str) -> Shard:
    """Return the shard that a selector selects.

    Raises:
        InternalError: It is not a selector; upstream answers so.

    Source:
        apiserver pkg/sharding/parser.go, ``Parse``.
        Differs: of CEL, what cannot be in a selector has errors of fewer words.
    """
    try:
        return _parse(text)
    except _WrongSelector as error:
        raise plain_failure(f"invalid shard selector: {error}") from None
    except RecursionError:
        raise plain_failure(
            "invalid shard selector: CEL parse error: expression recursion limit exceeded: 250"
        ) from None


def _parse(text: str) -> Shard:
    if not text.strip():
        raise _WrongSelector("empty shard selector is not allowed; omit the parameter for unfiltered lists")
    found = [_range(call) for call in _calls(_Parser(text).parse())]
    first = found[0][0]
    for path, _ in found:
        if path != first:
            raise _WrongSelector(f'all shard ranges must use the same field, got "{first}" and "{path}"')
    return Shard.of_ranges((hashes for _, hashes in found), by=_KEYS[first])


class _Parser:
    """Reads the part of CEL that can make sense here: calls, fields, literals, and operators between them."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise _syntax(text[position:].strip()[0])
            self._tokens.append(match[0].strip())
            position = match.end()

    def parse(self) -> _Expression:
        expression = self._expression()
        if self._tokens:
            raise _syntax(self._tokens[0])
        return expression

    def _expression(self) -> _Expression:
        left = self._operand()
        while self._tokens and (self._tokens[0] == "||" or self._tokens[0] in _OPERATORS):
            operator = self._tokens.pop(0)
            left = _Expression(_Kind.CALL, f"_{operator}_", (left, self._operand()))
        return left

    def _operand(self) -> _Expression:
        first = self._take()
        if first == "(":
            inner = self._expression()
            self._expect(")")
            return inner
        if first[0] in "\"'":
            return _Expression(_Kind.LITERAL, first[1:-1])
        if first.isdecimal():
            return _Expression(_Kind.LITERAL, int(first))
        if not first.isidentifier():
            raise _syntax(first)
        return self._path(first)

    def _path(self, name: str) -> _Expression:
        if self._tokens[:1] == ["("]:
            return _Expression(_Kind.CALL, name, self._arguments())
        found = _Expression(_Kind.IDENT, name)
        while self._tokens[:1] == ["."]:
            self._take()
            field = self._take()
            if not field.isidentifier():
                raise _syntax(field)
            found = _Expression(_Kind.SELECT, field, (found,))
        return found

    def _arguments(self) -> Sequence[_Expression]:
        self._expect("(")
        arguments: list[_Expression] = []
        while self._tokens[:1] != [")"]:
            if arguments:
                self._expect(",")
            arguments.append(self._expression())
        self._expect(")")
        return arguments

    def _take(self) -> str:
        if not self._tokens:
            raise _syntax("<EOF>")
        return self._tokens.pop(0)

    def _expect(self, token: str) -> None:
        found = self._take()
        if found != token:
            raise _syntax(found)


def _syntax(found: str) -> _WrongSelector:
    return _WrongSelector(f"CEL parse error: Syntax error: unexpected '{found}'")


def _calls(expression: _Expression) -> list[_Expression]:
    """Return the ranges that are joined by ``||``."""
    if expression.kind is not _Kind.CALL:
        expected = "expected shardRange() call or || operator"
        raise _WrongSelector(f"unexpected expression kind {expression.kind.value}; {expected}")
    if expression.value == _OR:
        return [call for side in expression.arguments for call in _calls(side)]
    if expression.value != _RANGE:
        raise _WrongSelector(f'unsupported function "{expression.value}"; only shardRange() and || are allowed')
    return [expression]


def _range(call: _Expression) -> tuple[str, HashRange]:
    count = len(call.arguments)
    if count != 3:  # noqa: PLR2004 - a field and two bounds
        raise _WrongSelector(f"shardRange() requires exactly 3 arguments, got {count}")
    field, start, end = call.arguments
    path = _field_path(field)
    if path not in _KEYS:
        supported = "object.metadata.uid, object.metadata.namespace"
        raise _WrongSelector(f'unsupported field path "{path}"; supported: {supported}')
    first, last = _bound(start, "hexStart"), _bound(end, "hexEnd")
    if first >= last:
        raise _WrongSelector(f"shard range start {start.value} must be less than end {end.value}")
    return path, (first, last)


def _field_path(expression: _Expression) -> str:
    if expression.kind is _Kind.IDENT:
        return str(expression.value)
    if expression.kind is _Kind.SELECT:
        return f"{_field_path(expression.arguments[0])}.{expression.value}"
    problem = f"expected field path (e.g. object.metadata.uid), got expression kind {expression.kind.value}"
    raise _WrongSelector(f"shardRange() first argument: {problem}")


def _bound(expression: _Expression, name: str) -> int:
    if expression.kind is not _Kind.LITERAL:
        problem = f"got expression kind {expression.kind.value}"
        raise _WrongSelector(f"{name} must be a string literal (e.g. '0xff'), {problem}")
    text = expression.value
    if not isinstance(text, str):
        raise _WrongSelector(f"{name} must be a string literal, got int64")
    digits = text.removeprefix("0x")
    if digits == text:
        raise _WrongSelector(f"{name} must have '0x' prefix, got \"{text}\"")
    if not digits:
        raise _WrongSelector(f"{name}: hex value is required after '0x'")
    if len(digits) > _HEX_DIGITS + 1:
        problem = f"hex value too long ({len(digits)} chars, max {_HEX_DIGITS + 1})"
        raise _WrongSelector(f'{name}: {problem}: "{digits}"')
    wrong = next((character for character in digits if character not in _HEX), "")
    if wrong:
        raise _WrongSelector(f'{name}: invalid hex character "{wrong}" in "{text}"')
    if len(digits) > _HEX_DIGITS and int(digits, 16) != HASH_END:
        raise _WrongSelector(f"{name}: 17-digit hex value must be '0x{HASH_END:x}' (2^64), got \"{text}\"")
    if len(digits) < _HEX_DIGITS:
        padded = f'(did you mean "0x{digits.zfill(_HEX_DIGITS)}"?)'
        raise _WrongSelector(f'{name} must be a 0x-prefixed 16-digit hex value, got "{text}" {padded}')
    return int(digits, 16)
