"""What the objects of a kind look like: schemas, parsed from OpenAPI v3 as the API server and its definitions write it.

Pure. A schema is parsed from its top, and each of its properties when it is first asked for: objects use few of the
fields that there are, and the definitions of some kinds contain themselves.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from kubeprims.meta import JSONObject, JSONValue

REFERENCE_PREFIX = "#/components/schemas/"
"""What stands before the name of a definition in a ``$ref``."""

METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
"""The name under which the metadata of objects is defined."""

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
# OpenAPI says of these, as of empty structures, only that they are objects; yet anything may be in them.
_OPEN = frozenset(
    {"io.k8s.apimachinery.pkg.runtime.RawExtension", "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"},
)


_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "int-or-string"
_RULES = frozenset(
    {
        "pattern",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
    }
)


class Absent(enum.Enum):
    """What stands for a default that there is not; ``None`` is a default like any other."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRules:
    """What a value must be like besides its type, as JSON Schema names it; None is no rule.

    Attributes:
        pattern: An expression that is found in a text.
        minimum: The smallest number.
        maximum: The largest number.
        exclusive_minimum: The smallest number itself is too small.
        exclusive_maximum: The largest number itself is too large.
        multiple_of: What a number is a multiple of.
        length_min: The fewest characters of a text.
        length_max: The most characters of a text.
        items_min: The fewest items of a list.
        items_max: The most items of a list.
        properties_min: The fewest members of an object.
        properties_max: The most members of an object.
        all_of: What all hold.
        any_of: Of which at least one holds.
        one_of: Of which exactly one holds.
        not_: What does not hold.
    """

    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    length_min: int | None = None
    length_max: int | None = None
    items_min: int | None = None
    items_max: int | None = None
    properties_min: int | None = None
    properties_max: int | None = None
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    not_: Schema | None = None


NO_RULES = ValueRules()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schema:
    """What one value looks like.

    Attributes:
        type: ``object``, ``array``, ``string``, ``integer``, ``number`` or ``boolean``; empty where anything goes.
        format: What kind of text or number it is, such as ``date-time``; ``quantity`` for amounts of resources.
        properties: The members of an object that are known by name.
        additional: What the other members of an object look like; None if there are to be none.
        items: What the items of a list look like.
        required: The members that an object must have.
        list_type: ``atomic``, ``set``, ``map`` or empty.
        list_map_keys: The members by which the items of a list of type ``map`` are told apart.
        map_type: ``granular``, ``atomic`` or empty.
        patch_strategies: Of ``merge``, ``replace`` and ``retainKeys``, what a strategic merge patch does here.
        patch_merge_key: The member by which such a patch finds the item of a list that it changes.
        default: What stands in for a value that is not given, or ``ABSENT``.
        enum: The values that there may be; empty if it is not said.
        nullable: The value may be null.
        preserve_unknown: Members that are not known by name are kept.
        int_or_string: The value is a whole number or a text.
        embedded_resource: The value is an object with a kind, a version and metadata of its own.
        rules: What else holds of the value.
        description: What it is, in prose; empty for built-in kinds.
    """

    type: str = ""
    format: str = ""
    properties: Mapping[str, Schema] = field(default_factory=dict[str, "Schema"], repr=False)
    additional: Schema | None = field(default=None, repr=False)
    items: Schema | None = field(default=None, repr=False)
    required: tuple[str, ...] = ()
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    patch_strategies: frozenset[str] = frozenset()
    patch_merge_key: str = ""
    default: JSONValue | Absent = ABSENT
    enum: tuple[JSONValue, ...] = ()
    nullable: bool = False
    preserve_unknown: bool = False
    int_or_string: bool = False
    embedded_resource: bool = False
    rules: ValueRules = field(default=NO_RULES, repr=False)
    description: str = field(default="", repr=False)

    def member(self, name: str) -> Schema | None:
        """Return the schema of an object's member, or None if such a member is not known."""
        return self.properties.get(name, self.additional)


ANYTHING = Schema(preserve_unknown=True)
"""The schema of a value that may be anything."""


_NOTHING_SAID = Schema()


class _Properties(Mapping[str, Schema]):
    """The properties of a schema, each parsed when it is first asked for.

    Concurrency:
        Safe in any thread: two may parse the same property, and the first result stays.
    """

    __slots__ = ("_parse", "_parsed", "_raw")

    def __init__(self, raw: JSONObject, parse: Callable[[JSONValue], Schema]) -> None:
        self._raw = raw
        self._parse = parse
        self._parsed: dict[str, Schema] = {}

    def __getitem__(self, name: str) -> Schema:
        found = self._parsed.get(name)
        if found is None:
            found = self._parsed.setdefault(name, self._parse(self._raw[name]))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Definitions:
    """Named schemas that refer to each other.

    Concurrency:
        Safe in any thread.
    """

    def __init__(self, raw: Mapping[str, JSONValue]) -> None:
        """Keep the definitions, to be parsed when they are asked for.

        Args:
            raw: Each schema by its name, in the form of OpenAPI v3.
        """
        self._raw = raw
        self._parsed: dict[str, Schema] = {}

    def schema(self, name: str) -> Schema:
        """Return a schema by its name; one that is not defined may be anything."""
        found = self._parsed.get(name)
        if found is None:
            found = self._parsed.setdefault(name, self._defined(name))
        return found

    def _defined(self, name: str) -> Schema:
        schema = self.parse(self._raw.get(name))
        if name == _QUANTITY:
            return dataclasses.replace(schema, format="quantity", rules=NO_RULES)
        return dataclasses.replace(schema, preserve_unknown=True) if name in _OPEN else schema

    def parse(self, raw: JSONValue) -> Schema:
        """Return the schema that JSON describes; what is not understood in it is no rule."""
        if not isinstance(raw, dict):
            return ANYTHING
        base = self._referred(raw)
        type_, properties, additional = _text(raw, "type"), self._members(raw), raw.get("additionalProperties")
        is_anything = not (type_ or properties or base.type or base.properties)
        return Schema(
            type=type_ or base.type,
            format=_text(raw, "format") or base.format,
            properties=_Properties(properties, self.parse) if properties is not None else base.properties,
            additional=self.parse(additional) if additional not in (None, False) else base.additional,
            items=self.parse(raw["items"]) if "items" in raw else base.items,
            required=_texts(raw, "required") or base.required,
            list_type=_text(raw, "x-kubernetes-list-type") or base.list_type,
            list_map_keys=_texts(raw, "x-kubernetes-list-map-keys") or base.list_map_keys,
            map_type=_text(raw, "x-kubernetes-map-type") or base.map_type,
            patch_strategies=_strategies(raw) or base.patch_strategies,
            patch_merge_key=_text(raw, "x-kubernetes-patch-merge-key") or base.patch_merge_key,
            default=base.default if raw.get("default") is None else raw["default"],
            enum=tuple(_list(raw, "enum")) or base.enum,
            nullable=_flag(raw, "nullable") or base.nullable,
            preserve_unknown=_flag(raw, "x-kubernetes-preserve-unknown-fields") or is_anything or base.preserve_unknown,
            int_or_string=_flag(raw, "x-kubernetes-int-or-string")
            or _INT_OR_STRING in (_text(raw, "format"), base.format),
            embedded_resource=_flag(raw, _EMBEDDED),
            rules=self._rules(raw),
            description=_text(raw, "description"),
        )

    def _members(self, raw: JSONObject) -> JSONObject | None:
        """Return the properties of a schema; an object of its own kind has those of every such object."""
        properties = raw.get("properties")
        members = properties if isinstance(properties, dict) else None
        if not _flag(raw, _EMBEDDED):
            return members
        members = members or {}
        metadata, common = members.get("metadata"), self._raw.get(METADATA, {})
        known = common.get("properties") if isinstance(common, dict) else None
        said = metadata.get("properties") if isinstance(metadata, dict) else None
        whole: JSONObject = {
            **(known if isinstance(known, dict) else {}),
            **(said if isinstance(said, dict) else {}),
        }
        return {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            **members,
            "metadata": {"type": "object", "properties": whole},
        }

    def _referred(self, raw: JSONObject) -> Schema:
        """Return what a schema refers to and then says more about: by itself, or as the one part of ``allOf``."""
        parts = _list(raw, "allOf")
        first = parts[0] if len(parts) == 1 else raw
        reference = first.get("$ref") if isinstance(first, dict) else None
        if not isinstance(reference, str) or not reference.startswith(REFERENCE_PREFIX):
            return _NOTHING_SAID
        return self.schema(reference.removeprefix(REFERENCE_PREFIX))

    def _rules(self, raw: JSONObject) -> ValueRules:
        if _RULES.isdisjoint(raw):
            return NO_RULES
        return ValueRules(
            pattern=_text(raw, "pattern") or None,
            minimum=_number(raw, "minimum"),
            maximum=_number(raw, "maximum"),
            exclusive_minimum=_flag(raw, "exclusiveMinimum"),
            exclusive_maximum=_flag(raw, "exclusiveMaximum"),
            multiple_of=_number(raw, "multipleOf"),
            length_min=_count(raw, "minLength"),
            length_max=_count(raw, "maxLength"),
            items_min=_count(raw, "minItems"),
            items_max=_count(raw, "maxItems"),
            properties_min=_count(raw, "minProperties"),
            properties_max=_count(raw, "maxProperties"),
            all_of=self._parts(raw, "allOf"),
            any_of=self._parts(raw, "anyOf"),
            one_of=self._parts(raw, "oneOf"),
            not_=self.parse(raw["not"]) if isinstance(raw.get("not"), dict) else None,
        )

    def _parts(self, raw: JSONObject, key: str) -> tuple[Schema, ...]:
        parts = _list(raw, key)
        return tuple(self.parse(part) for part in parts if isinstance(part, dict) and "$ref" not in part)


def parse_schema(raw: JSONValue) -> Schema:
    """Return the schema that JSON describes, which refers to no other."""
    return Definitions({}).parse(raw)


def _flag(raw: JSONObject, key: str) -> bool:
    return raw.get(key) is True


def _text(raw: JSONObject, key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _list(raw: JSONObject, key: str) -> list[JSONValue]:
    value = raw.get(key)
    return value if isinstance(value, list) else []


def _texts(raw: JSONObject, key: str) -> tuple[str, ...]:
    return tuple(item for item in _list(raw, key) if isinstance(item, str))


def _strategies(raw: JSONObject) -> frozenset[str]:
    return frozenset(name for name in _text(raw, "x-kubernetes-patch-strategy").split(",") if name)


def _number(raw: JSONObject, key: str) -> float | None:
    value = raw.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(raw: JSONObject, key: str) -> int | None:
    value = _number(raw, key)
    return int(value) if value is not None else None
