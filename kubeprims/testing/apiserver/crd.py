"""CustomResourceDefinitions: what is served because of them.

Objects of custom kinds are kept with whatever structure they have: they are neither validated against the schema of
their definition, nor defaulted or pruned by it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.built_in_schemas import custom_schema
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS, Kind, NameRule, Subresource
from kubeprims.testing.apiserver.metadata import metadata_of, name_rules_broken, text_of, timestamp
from kubeprims.testing.apiserver.status import FieldProblem

_SCOPES = ("Cluster", "Namespaced")
_FIXED = (("spec", "group"), ("spec", "scope"), ("spec", "names", "plural"), ("spec", "names", "kind"))
_BUILT_IN_GROUPS = frozenset(kind.group for kind in BUILT_IN_KINDS)


def with_defaults(crd: JSONObject) -> JSONObject:
    """Return a definition with the names, the conversion and the list of versions that follow from the rest."""
    spec, names = _mapping(crd, "spec"), _mapping(crd, "spec", "names")
    kind = _text(crd, "spec", "names", "kind")
    if kind:
        derived: JSONObject = {"singular": kind.lower(), "listKind": f"{kind}List"}
        names = derived | {key: value for key, value in names.items() if value}
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": names}}


def with_conditions(crd: JSONObject, now: datetime.datetime) -> JSONObject:
    """Return a definition with the status of one that is served: here that is so at once."""
    status, spec = _mapping(crd, "status"), _mapping(crd, "spec")
    if status.get("conditions"):
        conditions: JSONValue = status["conditions"]
    else:
        conditions = [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
        ]
    stored = status.get("storedVersions")
    versions = list(stored) if isinstance(stored, list) else []
    versions.extend(name for name in _storage_versions(crd) if name not in versions)
    first: JSONObject = {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": versions}
    return {**crd, "status": first}


def _condition(name: str, reason: str, message: str, now: datetime.datetime) -> JSONObject:
    when = timestamp(now)
    return {"type": name, "status": "True", "lastTransitionTime": when, "reason": reason, "message": message}


def definition_problems(crd: JSONObject) -> list[FieldProblem]:
    """Return which rules a definition breaks."""
    return [
        *_own_name_problems(crd),
        *_group_problems(crd),
        *_scope_problems(crd),
        *_version_problems(crd),
        *_name_problems(crd),
    ]


def _own_name_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    name = text_of(metadata_of(crd), "name")
    group, plural = _text(crd, "spec", "group"), _text(crd, "spec", "names", "plural")
    if name != f"{plural}.{group}":
        yield FieldProblem.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _name_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    for key in ("plural", "singular", "kind", "listKind"):
        value = _text(crd, "spec", "names", key)
        if not value:
            yield FieldProblem.required(f"spec.names.{key}", "")
        else:
            for rule in name_rules_broken(value.lower(), NameRule.DNS_1035_LABEL):
                yield FieldProblem.invalid(f"spec.names.{key}", value, rule)


def _group_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    group = _text(crd, "spec", "group")
    if not group:
        yield FieldProblem.required("spec.group", "")
        return
    for rule in dns_subdomain_problems(group):
        yield FieldProblem.invalid("spec.group", group, rule)
    if "." not in group:
        yield FieldProblem.invalid("spec.group", group, "should be a domain with at least one dot")
    if group in _BUILT_IN_GROUPS:
        yield FieldProblem.forbidden("spec.group", "the server itself serves this group")


def _scope_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    scope = _text(crd, "spec", "scope")
    if not scope:
        yield FieldProblem.required("spec.scope", "")
    elif scope not in _SCOPES:
        yield FieldProblem.unsupported("spec.scope", scope, _SCOPES)
    strategy = _text(crd, "spec", "conversion", "strategy")
    if strategy != "None":
        yield FieldProblem.unsupported("spec.conversion.strategy", strategy, ("None",))


def _version_problems(crd: JSONObject) -> Iterator[FieldProblem]:
    names: list[str] = []
    for position, version in enumerate(_versions(crd)):
        field, name = f"spec.versions[{position}]", _text(version, "name")
        for rule in name_rules_broken(name, NameRule.DNS_1035_LABEL):
            yield FieldProblem.invalid(f"{field}.name", name, rule)
        if name in names:
            yield FieldProblem.invalid(f"{field}.name", name, "must be unique")
        names.append(name)
        if not _mapping(version, "schema", "openAPIV3Schema"):
            yield FieldProblem.required(f"{field}.schema.openAPIV3Schema", "schemas are required")
    if len(_storage_versions(crd)) != 1:
        rule = "must have exactly one version marked as storage version"
        yield FieldProblem.invalid("spec.versions", [*names], rule)


def definition_update_problems(crd: JSONObject, existing: JSONObject) -> list[FieldProblem]:
    """Return which of the fields that must stay as they are have changed."""
    return [
        FieldProblem.invalid(".".join(path), _text(crd, *path), "field is immutable")
        for path in _FIXED
        if _text(crd, *path) != _text(existing, *path)
    ]


def kinds_of(crd: JSONObject) -> tuple[Kind, ...]:
    """Return what is served because of a definition that was checked: one kind for each served version."""
    group, plural = _text(crd, "spec", "group"), _text(crd, "spec", "names", "plural")
    kind = _text(crd, "spec", "names", "kind")
    names = _mapping(crd, "spec", "names")
    return tuple(
        Kind(
            group=group,
            version=_text(version, "name"),
            resource=plural,
            kind=kind,
            singular=_text(names, "singular"),
            list_kind=_text(names, "listKind"),
            namespaced=_text(crd, "spec", "scope") == "Namespaced",
            short_names=_texts(names, "shortNames"),
            categories=_texts(names, "categories"),
            subresources=(Subresource("status", kind),) if "status" in _mapping(version, "subresources") else (),
            custom=True,
            has_generation=True,
            unconditional_update=False,
            schema=custom_schema(_mapping(version, "schema", "openAPIV3Schema")),
        )
        for version in _versions(crd)
        if version.get("served") is True
    )


def _versions(crd: JSONObject) -> Sequence[JSONObject]:
    versions = _mapping(crd, "spec").get("versions")
    return [version for version in versions if isinstance(version, dict)] if isinstance(versions, list) else ()


def _storage_versions(crd: JSONObject) -> Sequence[str]:
    return [_text(version, "name") for version in _versions(crd) if version.get("storage") is True]


def _mapping(obj: JSONObject, *path: str) -> JSONObject:
    for key in path:
        value = obj.get(key)
        obj = value if isinstance(value, dict) else {}
    return obj


def _text(obj: JSONObject, *path: str) -> str:
    value = _mapping(obj, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def _texts(obj: JSONObject, key: str) -> tuple[str, ...]:
    values = obj.get(key)
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
