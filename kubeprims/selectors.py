"""Label and field selectors: the grammar, the meaning and the words of the API server.

A selector is parsed once at the edge; what comes out is immutable, so it is safe in any thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from kubeprims.errors import InvalidSelector

_LABEL_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_LABEL_NAME_PATTERN = re.compile(_LABEL_NAME)
_DNS_SUBDOMAIN_PATTERN = re.compile(_DNS_SUBDOMAIN)
_LABEL_BYTES_MAX = 63
_SUBDOMAIN_BYTES_MAX = 253

_TOKEN = re.compile(r"==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+")
_END = ""
_INT64 = re.compile(r"[+-]?[0-9]+")
_FIELD_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)
_LABEL_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_LABEL_NAME}')"
)
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'({_LABEL_NAME})?')"
)
_DNS_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_DNS_SUBDOMAIN}')"
)


def dns_subdomain_problems(value: str, *, unit: str = "bytes") -> list[str]:
    """Return what keeps ``value`` from being a DNS subdomain (RFC 1123), in upstream's words; empty if nothing.

    Args:
        value: The text.
        unit: What upstream counts its length in: of names it says ``characters``.
    """
    problems: list[str] = []
    if len(value.encode("utf-8", "surrogatepass")) > _SUBDOMAIN_BYTES_MAX:
        problems.append(f"must be no more than {_SUBDOMAIN_BYTES_MAX} {unit}")
    if not _DNS_SUBDOMAIN_PATTERN.fullmatch(value):
        problems.append(_DNS_SUBDOMAIN_RULE)
    return problems


def label_key_problems(key: str) -> list[str]:
    """Return what keeps ``key`` from being the key of a label or annotation; empty if nothing.

    Source:
        apimachinery pkg/api/validate/content/kube.go, ``IsLabelKey``.
    """
    problems: list[str] = []
    match key.split("/"):
        case [name]:
            pass
        case ["", name]:
            problems.append("prefix part must be non-empty")
        case [prefix, name]:
            problems.extend(f"prefix part {problem}" for problem in dns_subdomain_problems(prefix))
        case _:
            rule = f"a valid label key {_LABEL_NAME_RULE}"
            return [f"{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode("utf-8", "surrogatepass")) > _LABEL_BYTES_MAX:
        problems.append(f"name part must be no more than {_LABEL_BYTES_MAX} bytes")
    if not _LABEL_NAME_PATTERN.fullmatch(name):
        problems.append(f"name part {_LABEL_NAME_RULE}")
    return problems


def label_value_problems(value: str) -> list[str]:
    """Return what keeps ``value`` from being the value of a label; empty if nothing."""
    problems: list[str] = []
    if len(value.encode("utf-8", "surrogatepass")) > _LABEL_BYTES_MAX:
        problems.append(f"must be no more than {_LABEL_BYTES_MAX} bytes")
    if value and not _LABEL_NAME_PATTERN.fullmatch(value):
        problems.append(_LABEL_VALUE_RULE)
    return problems


class Operator(StrEnum):
    """What a label requirement asks of the key, spelled as upstream spells it in messages."""

    IN = "in"
    NOT_IN = "notin"
    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    GREATER_THAN = "gt"
    LESS_THAN = "lt"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"


_BINARY_OPERATORS: Mapping[str, Operator] = {
    "in": Operator.IN,
    "notin": Operator.NOT_IN,
    "=": Operator.EQUALS,
    "==": Operator.DOUBLE_EQUALS,
    "!=": Operator.NOT_EQUALS,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
}
_SYMBOLS: Mapping[Operator, str] = {operator: symbol for symbol, operator in _BINARY_OPERATORS.items()}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.

    Attributes:
        key: The label's key.
        operator: What is asked of it.
        values: The values named, sorted and without repeats; empty for ``exists`` and ``!``.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an object with these labels meets the condition."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN | Operator.EQUALS | Operator.DOUBLE_EQUALS:
                return value is not None and value in self.values
            case Operator.NOT_IN | Operator.NOT_EQUALS:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case _:
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        number, bound = _parse_int64(value), _parse_int64(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator is Operator.GREATER_THAN else number < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case _:
                return f"{self.key}{_SYMBOLS[self.operator]}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Conditions on labels, all of which must be met; without any, it selects everything.

    Attributes:
        requirements: The conditions, sorted by key.

    Source:
        apimachinery pkg/labels/selector.go, ``Parse``.
        Differs: upstream ends the text at a NUL character without a word; here it is an error.
    """

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """Return the selector that a text such as ``a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m,n>1`` spells.

        Raises:
            InvalidSelector: The text does not follow the grammar, or a key or value breaks the rules of labels; or it
                is no text, but a dictionary, say.
        """
        requirements = _LabelParser(_checked_text(text)).parse()
        return cls(tuple(sorted(requirements, key=lambda requirement: requirement.key)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an object with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def _checked_text(text: str) -> str:
    if not isinstance(cast("object", text), str):
        raise InvalidSelector(repr(text), "a selector is a text, such as app=web")
    return text


class _LabelParser:
    """Recursive descent over the tokens of one text; ``in`` and ``notin`` are words wherever a word may stand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: tuple[str, ...] = (*_TOKEN.findall(text), _END)
        self._position = 0

    def parse(self) -> Iterator[Requirement]:
        found = self._peek()
        if not (_is_word(found) or found in {"!", _END}):
            raise self._error(f"found '{found}', expected: !, identifier, or 'end of string'")
        while found != _END:
            yield self._requirement()
            found = self._next()
            if found == _END:
                return
            if found != ",":
                raise self._error(f"found '{found}', expected: ',' or 'end of string'")
            found = self._peek()
            if not _is_word(found) and found != "!":
                raise self._error(f"found '{found}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        key = self._next()
        negated = key == "!"
        if negated:
            key = self._next()
        if not _is_word(key):
            raise self._broken(f"found '{key}', expected: identifier")
        problems = label_key_problems(key)
        if problems:
            raise self._broken(f"<nil>: Invalid value: {_quoted(key)}: {'; '.join(problems)}")
        if negated:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self._peek() in {_END, ","}:
            return Requirement(key, Operator.EXISTS)
        operator = self._operator()
        values = self._value_set() if operator in {Operator.IN, Operator.NOT_IN} else {self._exact_value()}
        return self._checked(Requirement(key, operator, tuple(sorted(values))))

    def _operator(self) -> Operator:
        found = self._next()
        operator = _BINARY_OPERATORS.get(found)
        if operator is None:
            raise self._broken(f"found '{found}', expected: {', '.join(_BINARY_OPERATORS.values())}")
        return operator

    def _exact_value(self) -> str:
        if self._peek() in {_END, ","}:
            return ""
        found = self._next()
        if not _is_word(found):
            raise self._broken(f"found '{found}', expected: identifier")
        return found

    def _value_set(self) -> set[str]:
        found = self._next()
        if found != "(":
            raise self._broken(f"found '{found}' expected: '('")
        found = self._peek()
        if not (_is_word(found) or found in {",", ")"}):
            raise self._broken(f"found '{found}', expected: ',', ')' or identifier")
        values: set[str] = set()
        while True:
            # An empty place between commas or parentheses stands for the empty value.
            found = self._peek()
            if not (_is_word(found) or found in {",", ")"}):
                raise self._broken(f"found '{found}', expected: ',', or identifier")
            values.add(self._next() if _is_word(found) else "")
            found = self._next()
            if found == ")":
                return values
            if found != ",":
                raise self._broken(f"found '{found}', expected: ',' or ')'")

    def _checked(self, requirement: Requirement) -> Requirement:
        problems: list[str] = []
        if requirement.operator in {Operator.GREATER_THAN, Operator.LESS_THAN}:
            value = requirement.values[0]
            if _parse_int64(value) is None:
                rule = "for 'Gt', 'Lt' operators, the value must be an integer"
                problems.append(f"values[0]: Invalid value: {_quoted(value)}: {rule}")
        for position, value in enumerate(requirement.values):
            rules = label_value_problems(value)
            if rules:
                place = f"values[{position}][{requirement.key}]"
                problems.append(f"{place}: Invalid value: {_quoted(value)}: {'; '.join(rules)}")
        if problems:
            raise self._broken(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
        return requirement

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _next(self) -> str:
        found = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return found

    def _broken(self, detail: str) -> InvalidSelector:
        return self._error(f"unable to parse requirement: {detail}")

    def _error(self, detail: str) -> InvalidSelector:
        return InvalidSelector(self._text, detail)


def _is_word(found: str) -> bool:
    return found != _END and found[0] not in "=!(),<>"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _parse_int64(text: str) -> int | None:
    if not _INT64.fullmatch(text):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field: it has the value, or with ``negated`` it has not.

    An absent field has the empty value.
    """

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        value = re.sub(r"[\\,=]", r"\\\g<0>", self.value)
        return f"{self.field}{'!=' if self.negated else '='}{value}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on fields, all of which must be met; without any, it selects everything.

    Which fields there are is the server's affair, so any name parses.

    Attributes:
        requirements: The conditions, sorted by their texts.

    Source:
        apimachinery pkg/fields/selector.go, ``ParseSelector``.
    """

    requirements: tuple[FieldRequirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        r"""Return the selector that a text such as ``metadata.name=x,status.phase!=Running`` spells.

        In values, backslash, comma and equals sign are written ``\\``, ``\,`` and ``\=``.

        Raises:
            InvalidSelector: The text does not follow the grammar, or is no text.
        """
        terms = sorted(re.findall(r"(?:\\.|\\\Z|[^\\,])+", _checked_text(text), re.DOTALL))
        return cls(tuple(_field_requirement(text, term) for term in terms))

    def matches(self, getter: Callable[[str], str | None]) -> bool:
        """Return whether an object is selected of which ``getter`` tells the value of a field."""
        return all(
            ((getter(requirement.field) or "") == requirement.value) is not requirement.negated
            for requirement in self.requirements
        )

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def _field_requirement(text: str, term: str) -> FieldRequirement:
    match = _FIELD_TERM.fullmatch(term)
    if match is None:
        raise InvalidSelector(text, f"invalid selector: '{text}'; can't understand '{term}'")
    field, operator, value = match.groups()
    return FieldRequirement(field, _unescaped(text, value), negated=operator == "!=")


def _unescaped(text: str, value: str) -> str:
    rest = re.sub(r"\\[\\,=]", "", value)
    wrong = re.search(r"\\.?|=", rest, re.DOTALL)
    if wrong is None:
        return re.sub(r"\\([\\,=])", r"\1", value)
    if wrong[0] == "=":
        raise InvalidSelector(text, f"invalid field selector: unescaped character in value: {ord('=')}")
    raise InvalidSelector(text, f"invalid field selector: invalid escape sequence: {wrong[0]}")
