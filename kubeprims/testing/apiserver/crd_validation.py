"""Which rules a CustomResourceDefinition breaks.

Pure.

Source:
    apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
    Differs: conversion by a webhook is refused, as are the groups that the server itself serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.built_in_schemas import custom_schema
from kubeprims.testing.apiserver.crd_schemas import schema_definition_problems
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at, texts_at
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS, NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, name_rules_broken, text_of
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.status import FieldProblem

_SCOPES = ("Cluster", "Namespaced")
_STRATEGIES = ("None", "Webhook")
_FIXED = (("spec", "group"), ("spec", "scope"), ("spec", "names", "plural"), ("spec", "names", "kind"))
_BUILT_IN_GROUPS = frozenset(kind.group for kind in BUILT_IN_KINDS)
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_TYPES = frozenset({"string", "boolean", "integer"})
_SELECTABLE_MAX = 8
_AT_ROOT_WITH_STATUS = frozenset(
    {
        "description",
        "type",
        "format",
        "title",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "multipleOf",
        "required",
        "items",
        "properties",
        "externalDocs",
        "example",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)


def definition_problems(crd: JSONObject) -> list[FieldProblem]:
    """Return which rules a definition, complete with its defaults, breaks."""
    return [
        *_own_name_problems(crd),
        *_group_problems(crd),
        *_scope_problems(crd),
        *_version_problems(crd),
        *_content_problems(crd),
        *_name_problems(crd),
        *_conversion_problems(crd),
    ]


def definition_update_problems(crd: JSONObject, existing: JSONObject) -> list[FieldProblem]:
    """Return which of the fields that must stay as they are have changed."""
    problems = [
        FieldProblem.invalid(".".join(path), text_at(crd, *path), "field is immutable")
        for path in _FIXED
        if text_at(crd, *path) != text_at(existing, *path)
    ]
    names = [text_at(version, "name") for version in mappings_at(crd, "spec", "versions")]
    for position, name in enumerate(texts_at(existing, "status", "storedVersions")):
        if name not in names:
            rule = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            problems.append(FieldProblem.invalid(f"status.storedVersions[{position}]", name, rule))
    return problems


def _own_name_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    name = text_of(metadata_of(crd), "name")
    group, plural = text_at(crd, "spec", "group"), text_at(crd, "spec", "names", "plural")
    if name != f"{plural}.{group}":
        yield FieldProblem.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _group_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    group = text_at(crd, "spec", "group")
    rules = dns_subdomain_problems(group)
    if not group:
        yield FieldProblem.required("spec.group", "")
    elif rules:
        yield FieldProblem.invalid("spec.group", group, ",".join(rules))
    elif "." not in group:
        yield FieldProblem.invalid("spec.group", group, "should be a domain with at least one dot")
    elif group in _BUILT_IN_GROUPS:
        yield FieldProblem.forbidden("spec.group", "the server itself serves this group")


def _scope_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    scope = text_at(crd, "spec", "scope")
    if not scope:
        yield FieldProblem.required("spec.scope", "")
    elif scope not in _SCOPES:
        yield FieldProblem.unsupported("spec.scope", scope, _SCOPES)
    if mapping_at(crd, "spec").get("preserveUnknownFields") is True:
        rule = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield FieldProblem.invalid("spec.preserveUnknownFields", value=True, rule=rule)


def _version_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    versions = mappings_at(crd, "spec", "versions")
    names = [text_at(version, "name") for version in versions]
    for position, name in enumerate(names):
        rules = ",".join(name_rules_broken(name, NameRule.DNS_1035_LABEL))
        if rules:
            yield FieldProblem.invalid(f"spec.versions[{position}].name", name, rules)
        if rules and position == 0:
            yield FieldProblem.invalid("spec.version", name, rules)
    if len(set(names)) != len(names):
        yield FieldProblem.invalid("spec.versions", _shown(versions), "must contain unique version names")
    stored = [text_at(version, "name") for version in versions if version.get("storage") is True]
    if len(stored) != 1:
        rule = "must have exactly one version marked as storage version"
        yield FieldProblem.invalid("spec.versions", _shown(versions), rule)
    first: list[JSONValue] = [*stored[:1]]
    for name in stored[1:]:
        if name not in first:
            yield FieldProblem.invalid("status.storedVersions", first, f"must have the storage version {name}")
    if not stored:
        yield FieldProblem.invalid("status.storedVersions", None, "must have at least one stored version")


def _shown(versions: Sequence[JSONObject]) -> JSONValue:
    """Return versions as upstream's messages show them: as its own types, most of whose fields stand elsewhere."""
    return [
        {
            "Name": text_at(version, "name"),
            "Served": version.get("served") is True,
            "Storage": version.get("storage") is True,
            "Deprecated": version.get("deprecated") is True,
            "DeprecationWarning": version.get("deprecationWarning"),
            "Schema": None,
            "Subresources": None,
            "AdditionalPrinterColumns": None,
            "SelectableFields": None,
        }
        for version in versions
    ]


def _content_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    """Yield what is wrong with what versions say.

    What all of them say alike, upstream takes as said once, and speaks of it in another place.
    """
    versions = mappings_at(crd, "spec", "versions")
    schemas = [mapping_at(version, "schema", "openAPIV3Schema") for version in versions]
    for position, (version, raw) in enumerate(zip(versions, schemas, strict=True)):
        own = f"spec.versions[{position}]"
        if version.get("deprecationWarning") is not None and version.get("deprecated") is not True:
            warning, rule = text_at(version, "deprecationWarning"), "can only be set for deprecated versions"
            yield FieldProblem.invalid(f"{own}.deprecationWarning", warning, rule)
        if not isinstance(mapping_at(version, "schema").get("openAPIV3Schema"), dict):
            yield FieldProblem.required(f"{own}.schema.openAPIV3Schema", "")
            continue
        schema = custom_schema(raw)
        for keyword, common, check in (
            ("schema", "spec.validation", _schema_problems),
            ("subresources", "spec.subresources", _subresource_problems),
            ("additionalPrinterColumns", "spec.additionalPrinterColumns", _column_problems),
            ("selectableFields", "spec.selectableFields", _selectable_problems),
        ):
            is_common = _is_same_in_all(versions, keyword)
            if not is_common or position == 0:
                yield from check(version, schema, common if is_common else f"{own}.{keyword}")


def _is_same_in_all(versions: Sequence[JSONObject], keyword: str) -> bool:
    return len({json.dumps(version.get(keyword), sort_keys=True) for version in versions}) == 1


def _schema_problems(version: JSONObject, schema: Schema, path: str) -> Iterator[FieldProblem]:
    raw, path = mapping_at(version, "schema", "openAPIV3Schema"), f"{path}.openAPIV3Schema"
    if "status" in mapping_at(version, "subresources"):
        others = [key for key, value in raw.items() if key not in _AT_ROOT_WITH_STATUS and value]
        if others:
            rule = f"{', '.join(others)} cannot be used at the root of the schema if the status subresource is enabled"
            yield FieldProblem.invalid(path, "", rule)
    yield from schema_definition_problems(raw, schema, path)


def _subresource_problems(version: JSONObject, _: Schema, path: str) -> Iterator[FieldProblem]:
    subresources = mapping_at(version, "subresources")
    if "scale" not in subresources:
        return
    for key, roots in (("specReplicasPath", ("spec",)), ("statusReplicasPath", ("status",))):
        value, place = text_at(subresources, "scale", key), f"{path}.scale.{key}"
        if not value:
            yield FieldProblem.required(place, "")
        else:
            yield from _replica_path_problems(value, roots, place)
    selector = text_at(subresources, "scale", "labelSelectorPath")
    if selector:
        yield from _replica_path_problems(selector, ("spec", "status"), f"{path}.scale.labelSelectorPath")


def _replica_path_problems(value: str, roots: tuple[str, ...], place: str) -> Iterator[FieldProblem]:
    if not value.startswith("."):
        yield FieldProblem.invalid(place, value, "must be a simple json path starting with .")
    elif not value.startswith(tuple(f".{root}." for root in roots)):
        where = " or ".join(f".{root}" for root in roots)
        either = "either " if len(roots) > 1 else ""
        yield FieldProblem.invalid(place, value, f"should be a json path under {either}{where}")


def _column_problems(version: JSONObject, _: Schema, path: str) -> Iterator[FieldProblem]:
    for position, column in enumerate(mappings_at(version, "additionalPrinterColumns")):
        place = f"{path}[{position}]"
        type_, form, json_path = text_at(column, "type"), text_at(column, "format"), text_at(column, "jsonPath")
        if not text_at(column, "name"):
            yield FieldProblem.required(f"{place}.name", "")
        types = f"must be one of {','.join(_COLUMN_TYPES)}"
        if not type_:
            yield FieldProblem.required(f"{place}.type", types)
        elif type_ not in _COLUMN_TYPES:
            yield FieldProblem.invalid(f"{place}.type", type_, types)
        if form and form not in _COLUMN_FORMATS:
            yield FieldProblem.invalid(f"{place}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
        if not json_path:
            yield FieldProblem.required(f"{place}.JSONPath", "")
        elif not json_path.startswith("."):
            yield FieldProblem.invalid(f"{place}.JSONPath", json_path, "must be a simple json path starting with .")


def _selectable_problems(version: JSONObject, schema: Schema, path: str) -> Iterator[FieldProblem]:
    seen: set[str] = set()
    for position, field in enumerate(mappings_at(version, "selectableFields")):
        place, json_path = f"{path}[{position}].jsonPath", text_at(field, "jsonPath")
        found = _field_at(schema, json_path)
        if not json_path:
            yield FieldProblem.required(place, "")
        elif found is None:
            yield FieldProblem.invalid(place, json_path, "is an invalid path: does not refer to a valid field")
        elif found.type not in _SELECTABLE_TYPES:
            rule = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            yield FieldProblem.invalid(place, json_path, rule)
        elif json_path in seen:
            yield FieldProblem(place, "FieldValueDuplicate", f'Duplicate value: "{json_path}"')
        seen.add(json_path)
    if len(seen) > _SELECTABLE_MAX:
        text = f"Too many: {len(seen)}: must have at most {_SELECTABLE_MAX} items"
        yield FieldProblem(path, "FieldValueTooMany", text)


def _field_at(schema: Schema, json_path: str) -> Schema | None:
    """Return the schema of the field at a path of names; None if there is none, or if it is that of metadata."""
    first, *steps = json_path.split(".")
    if first or not steps or steps[0] == "metadata":
        return None
    found: Schema | None = schema
    for step in steps:
        found = found.properties.get(step) if found is not None else None
    return found


def _name_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    names = mapping_at(crd, "spec", "names")
    for key in ("plural", "singular", "kind", "listKind"):
        value, place = text_at(names, key), f"spec.names.{key}"
        mixed = "may have mixed case, but should otherwise match: " if key in {"kind", "listKind"} else ""
        checked = value.lower() if mixed else value
        rules = ",".join(name_rules_broken(checked, NameRule.DNS_1035_LABEL))
        if not value:
            yield FieldProblem.required(place, "")
        elif rules:
            yield FieldProblem.invalid(place, value, mixed + rules)
    for key in ("shortNames", "categories"):
        for position, value in enumerate(texts_at(names, key)):
            rules = ",".join(name_rules_broken(value, NameRule.DNS_1035_LABEL))
            if rules:
                yield FieldProblem.invalid(f"spec.names.{key}[{position}]", value, rules)
    kind, list_kind = text_at(names, "kind"), text_at(names, "listKind")
    if kind and kind == list_kind:
        yield FieldProblem.invalid("spec.names.listKind", list_kind, "kind and listKind may not be the same")


def _conversion_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    conversion, path = mapping_at(crd, "spec", "conversion"), "spec.conversion"
    strategy, webhook = text_at(conversion, "strategy"), mapping_at(conversion, "webhook")
    match strategy:
        case "None":
            rule = "should not be set when strategy is not set to Webhook"
            for key, name in (
                ("clientConfig", "webhookClientConfig"),
                ("conversionReviewVersions", "conversionReviewVersions"),
            ):
                if webhook.get(key):
                    yield FieldProblem.forbidden(f"{path}.{name}", rule)
        case "Webhook":
            if not webhook.get("clientConfig"):
                yield FieldProblem.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
            if not webhook.get("conversionReviewVersions"):
                yield FieldProblem.required(f"{path}.conversionReviewVersions", "")
            if webhook.get("clientConfig") and webhook.get("conversionReviewVersions"):
                rule = "conversion by a webhook is not supported by this server"
                yield FieldProblem.forbidden(f"{path}.strategy", rule)
        case "":
            yield FieldProblem.required(f"{path}.strategy", "")
        case _:
            yield FieldProblem.unsupported(f"{path}.strategy", strategy, _STRATEGIES)
