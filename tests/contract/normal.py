"""Brings answers into a form that is the same for every run and every server.

What chance and time decide becomes a symbol, numbered by first appearance in the test: so it stays visible what equals
what, and which of two versions is the newer one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import cast

from kubeprims.meta import JSONObject, JSONValue

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
# Times of scripts lie in the years before; what a server writes is now.
_TIME = re.compile(r"\b20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ADDRESS = re.compile(r"\b127\.0\.0\.1:\d+\b")
_CLUSTER_IP = re.compile(r"\b10\.0\.0\.\d{1,3}\b")
_VERSION_IN_TEXT = re.compile(
    r"(?P<before>resourceVersion=|ResourceVersion in precondition: |ResourceVersion in object meta: |"
    r"in the precondition \(|in record \(|too large resource version: |current: |too old resource version: )"
    r"(?P<version>\d{1,18})(?P<after> \(\d+\))?"
)
# What Go's decoders say about a body, and its diffs, are in words of Go's types, and change with its releases.
_WORDS_OF_GO = re.compile(
    r"(?<=json parse error)(: .*)|(?<=continue key is not valid)(: .*)|"
    r"\n@@ -.*|(?<= cannot be handled as a )(?P<kept>\w+)(: .*)?|"
    r"(?<=json: cannot unmarshal).*|(?<=is registered for version )(?P<version>\S+) in scheme .*",
    re.DOTALL,
)
# An error about a patch shows the whole object, times and managers included.
_WHOLE_OBJECT = re.compile(
    r'(?<=Invalid value: ")\{(?:[^"\\]|\\.)*\\"(?:managedFields|resourceVersion)\\"(?:[^"\\]|\\.)*\}(?=")'
)
_GENERATED_LENGTH_MAX = 58
_ETAG = re.compile(r'^(W/)?"[0-9A-F]+"$')

_TEXT_MAX = 2000

HEADERS = ("content-type", "warning", "retry-after", "allow", "location", "vary", "etag", "cache-control")
"""The header fields that are compared."""


class Normaliser:
    """The symbols of one test."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._versions: dict[int, str] = {}
        self._list_versions: set[int] = set()
        self._prefixes: set[str] = set()
        self._is_sent = False

    def answer(self, status: int, headers: Mapping[str, str | list[str]], body: JSONValue) -> JSONObject:
        """Return an answer without chance in it; what is new in it gets its symbol."""
        kept: JSONObject = {name: cast("JSONValue", headers[name]) for name in HEADERS if name in headers}
        if isinstance(kept.get("etag"), str) and _ETAG.match(str(kept["etag"])):
            kept["etag"] = "<etag>"
        return {"status": status, "headers": self._value(kept), "body": self._value(body)}

    def sent(self, value: JSONValue) -> JSONValue:
        """Return what a script sends, with the symbols of what came in before."""
        metadata = value.get("metadata") if isinstance(value, dict) else None
        prefix = metadata.get("generateName") if isinstance(metadata, dict) else None
        if isinstance(prefix, str) and prefix:
            self._prefixes.add(prefix[:_GENERATED_LENGTH_MAX])
        self._is_sent = True  # a version that no server gave stays as it is written
        sent = self._value(value)
        self._is_sent = False
        return sent

    def event(self, event: JSONObject) -> JSONValue:
        """Return an event of a watch, likewise."""
        return self._value(event, at_least=event.get("type") == "BOOKMARK")

    def _symbol(self, sort: str, value: str) -> str:
        known = self._symbols.get((sort, value))
        if known is None:
            self._counts[sort] = self._counts.get(sort, 0) + 1
            known = self._symbols[sort, value] = f"<{sort} {self._counts[sort]}>"
        return known

    def _value(self, value: JSONValue, *, at_least: bool = False) -> JSONValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item, at_least=at_least) for item in value]
        if not isinstance(value, dict):
            return value
        is_list = "items" in value or (value.get("kind") == "Table" and "rows" in value)
        return {
            self.text(key): self._member(key, member, at_least=at_least or (is_list and key == "metadata"))
            for key, member in value.items()
        }

    def _member(self, key: str, value: JSONValue, *, at_least: bool) -> JSONValue:
        by_key: Mapping[str, Callable[[str], str]] = {
            "resourceVersion": self._at_least if at_least else self._version,
            "continue": lambda token: self._symbol("continue", token),
        }
        if isinstance(value, str) and value and key in by_key:
            return by_key[key](value)
        if key in {"nodePort", "healthCheckNodePort"} and value:
            return "<nodePort>"
        if key == "managedFields" and isinstance(value, list):
            # A server sorts them by their times, which are whole seconds: whether two writes share one is chance.
            return sorted((self._value(entry) for entry in value), key=lambda entry: json.dumps(entry, sort_keys=True))
        return self._value(value, at_least=at_least)

    def _version(self, text: str) -> str:
        if not text.isdecimal() or text == "0":
            return text
        number = int(text)
        if number not in self._versions and self._is_sent:
            return text
        if number not in self._versions:
            newer = min((known for known in self._versions if known > number), default=None)
            name = f"rv {len(self._versions) + 1}"
            self._versions[number] = f"<{name}>" if newer is None else f"<{name}, before {self._versions[newer][1:-1]}>"
        return self._versions[number]

    def _at_least(self, text: str) -> str:
        """Return the newest version known that is not newer: other writers of a real server may have come between."""
        if not text.isdecimal() or text == "0":
            return text
        self._list_versions.add(int(text))
        older = max((known for known in self._versions if known <= int(text)), default=None)
        return "<rv>" if older is None else f"<rv, not before {self._versions[older][1:-1]}>"

    def text(self, text: str) -> str:
        """Return a text with symbols for what is known, and for what is recognised."""
        if len(text) > _TEXT_MAX:
            return f"<{len(text)} characters>"
        text = _WHOLE_OBJECT.sub("<the object>", text)
        text = _UUID.sub(lambda match: self._symbol("uid", match[0]), text)
        text = _TIME.sub(lambda match: "<microtime>" if match[1] else "<time>", text)
        text = _ADDRESS.sub("<address>", text)
        text = _CLUSTER_IP.sub(lambda match: self._symbol("clusterIP", match[0]), text)
        text = _VERSION_IN_TEXT.sub(self._known_version, text)
        text = _WORDS_OF_GO.sub(lambda match: match["kept"] or match["version"] or "", text)
        for prefix in self._prefixes:
            generated = rf"{re.escape(prefix)}[a-z0-9]{{5}}(?![a-z0-9])"
            text = re.sub(generated, lambda match: self._symbol("generated", match[0]), text)
        for (sort, value), symbol in self._symbols.items():
            if sort == "continue":
                text = text.replace(value, symbol)
        return text

    def _known_version(self, match: re.Match[str]) -> str:
        version = int(match["version"])
        if match["before"] == "current: ":
            return match["before"] + "<rv>"
        of_list = "<rv of a list>" if version in self._list_versions else match["version"]
        symbol = self._versions.get(version, of_list)
        return match["before"] + symbol + (" (<rv>)" if match["after"] else "")
