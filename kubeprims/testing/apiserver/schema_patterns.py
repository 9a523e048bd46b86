"""The regular expressions of schemas: Go's, in which nothing looks ahead, said in Python's terms.

Pure.

Source:
    Go regexp/syntax: what is an expression there. A few rare things of it (classes of Unicode, quoting) are refused.
"""

from __future__ import annotations

import functools
import re

_LENGTH_MAX = 4096
_TOKEN = re.compile(
    r"(?P<posix>\[:\^?[a-z]+:\])|(?P<escape>\\.)|(?P<group>\(\?(?:P<|[a-zA-Z-]*[:)]|.?))|(?P<other>.)", re.DOTALL
)
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_ESCAPES = frozenset("\\.+*?()|[]{}^$-/\"'`~!@#%&=:;<>, _dDwWsSbBAzafnrtvx01234567")
_TEXT_ESCAPES = frozenset("123456789")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return an expression of Go's, to be searched for.

    Raises:
        ValueError: It is not one, or uses what is not supported here; the text says what.
    """
    return _compiled(pattern)


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _LENGTH_MAX:
        message = f"an expression has at most {_LENGTH_MAX} characters"
        raise ValueError(message)
    parts: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        parts.append(_translated(token.lastgroup or "", text, in_class=in_class))
        if token.lastgroup == "other" and text in "[]":
            # A bracket directly after the opening one is a member of the class.
            is_member = in_class and (text == "[" or "".join(parts[:-1]).endswith(("[", "[^")))
            in_class = in_class if is_member else text == "["
    try:
        return re.compile("".join(parts), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"error parsing regexp: {_problem(error, pattern)}"
        raise ValueError(message) from error


def _problem(error: Exception, pattern: str) -> str:
    """Return what is wrong with a pattern, in Go's words where they are known."""
    text = str(error)
    if text.startswith("missing ), unterminated"):
        return f"missing closing ): `{pattern}`"
    if text.startswith("unbalanced parenthesis"):
        return f"unexpected ): `{pattern}`"
    return text


def _translated(kind: str, text: str, *, in_class: bool) -> str:
    match kind:
        case "posix" if in_class:
            return _posix_class(text)
        case "escape":
            return _escape(text, in_class=in_class)
        case "group" if not in_class:
            return _group(text)
        case "other" if text == "$" and not in_class:
            return r"\Z"  # Python's own also matches before a last line end
        case "other" if text in "[&~|" and in_class:
            return "\\" + text  # Python keeps some of these for sets of its own
        case _:
            return text


def _posix_class(text: str) -> str:
    members = _POSIX.get(text[2:-2])
    if members is None:
        message = f"error parsing regexp: invalid character class range: `{text}`"
        raise ValueError(message)
    return members


def _escape(text: str, *, in_class: bool) -> str:
    letter = text[1]
    if letter == "z" and not in_class:
        return r"\Z"
    if letter not in _ESCAPES or letter in _TEXT_ESCAPES:
        message = f"error parsing regexp: invalid escape sequence: `{text}`"
        raise ValueError(message)
    return text


def _group(text: str) -> str:
    if text.startswith(("(?P<", "(?:")) or re.fullmatch(r"\(\?[ims]+[:)]", text):
        return text
    message = f"error parsing regexp: invalid or unsupported Perl syntax: `{text}`"
    raise ValueError(message)
