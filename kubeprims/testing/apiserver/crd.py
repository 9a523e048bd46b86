"""CustomResourceDefinitions: what is served because of them.

All versions of a definition have the same objects: what is kept names no version, and each shows it under its own.
"""

from __future__ import annotations

import datetime
import re

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import custom_schema
from kubeprims.testing.apiserver.crd_schemas import unknown_formats
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at, texts_at
from kubeprims.testing.apiserver.kind import Kind, PrinterColumn, ScalePaths, SelectableField, Subresource
from kubeprims.testing.apiserver.kinds_core import SCALE, status_of
from kubeprims.testing.apiserver.metadata import timestamp
from kubeprims.testing.apiserver.schema import Schema

# In the order in which upstream lists them, which is not that of the built-in kinds.
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_VERSION_NAME = re.compile(r"v([0-9]{1,9})(?:(alpha|beta)([0-9]{1,9}))?")
_STAGES = ("", "beta", "alpha")


def with_defaults(crd: JSONObject) -> JSONObject:
    """Return a definition with the names, the conversion and the list of versions that follow from the rest."""
    spec, names = mapping_at(crd, "spec"), mapping_at(crd, "spec", "names")
    kind = text_at(crd, "spec", "names", "kind")
    if kind:
        derived: JSONObject = {"singular": kind.lower(), "listKind": f"{kind}List"}
        names = derived | {key: value for key, value in names.items() if value}
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": names}}


def with_conditions(crd: JSONObject, now: datetime.datetime) -> JSONObject:
    """Return a definition with the status of one that is served: here that is so at once."""
    status, spec = mapping_at(crd, "status"), mapping_at(crd, "spec")
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


def definition_warnings(crd: JSONObject, old: JSONObject | None) -> list[str]:
    """Return what a client is warned of that has written a definition.

    Args:
        crd: The definition, as it is stored.
        old: The same before; None for a new one. What was warned of then is not said again.
    """
    before = [] if old is None else _strange_formats(old)
    return [f'unrecognized format "{name}"' for name in _strange_formats(crd) if name not in before]


def _strange_formats(crd: JSONObject) -> list[str]:
    formats = [
        name
        for version in mappings_at(crd, "spec", "versions")
        for name in unknown_formats(mapping_at(version, "schema", "openAPIV3Schema"))
    ]
    return list(dict.fromkeys(formats))


def kinds_of(crd: JSONObject) -> tuple[Kind, ...]:
    """Return what is served because of a definition that was checked: one kind for each served version."""
    versions = mappings_at(crd, "spec", "versions")
    served = (version for version in versions if version.get("served") is True)
    return tuple(_kind(crd, version) for version in sorted(served, key=_preference))


def _preference(version: JSONObject) -> tuple[int, int, int, str]:
    """Return what versions are sorted by: stable ones first, then betas and alphas, the newest first in each."""
    name = text_at(version, "name")
    match = _VERSION_NAME.fullmatch(name)
    if match is None:
        return (len(_STAGES), 0, 0, name)
    major, stage, minor = match.groups()
    return (_STAGES.index(stage or ""), -int(major), -int(minor or 0), name)


def _kind(crd: JSONObject, version: JSONObject) -> Kind:
    names, kind = mapping_at(crd, "spec", "names"), text_at(crd, "spec", "names", "kind")
    raw = mapping_at(version, "schema", "openAPIV3Schema")
    return Kind(
        group=text_at(crd, "spec", "group"),
        version=text_at(version, "name"),
        resource=text_at(names, "plural"),
        kind=kind,
        singular=text_at(names, "singular"),
        list_kind=text_at(names, "listKind"),
        namespaced=text_at(crd, "spec", "scope") == "Namespaced",
        short_names=texts_at(names, "shortNames"),
        categories=texts_at(names, "categories"),
        verbs=_VERBS,
        subresources=_subresources(version, kind),
        fields=_selectable_fields(version),
        custom=True,
        has_generation=True,
        unconditional_update=False,
        scale=_scale(version),
        printer_columns=tuple(map(_column, mappings_at(version, "additionalPrinterColumns"))),
        deprecation=_deprecation(crd, version),
        schema=custom_schema(raw),
        definition=raw,
        storage_schema=_storage_schema(crd, raw),
    )


def _storage_schema(crd: JSONObject, raw: JSONObject) -> Schema | None:
    """Return the schema of the version that objects are stored in, if it says something else than ``raw``."""
    for version in mappings_at(crd, "spec", "versions"):
        other = mapping_at(version, "schema", "openAPIV3Schema")
        if version.get("storage") is True and other != raw:
            return custom_schema(other)
    return None


def _deprecation(crd: JSONObject, version: JSONObject) -> str:
    """Return what the users of a version are warned of.

    Source:
        apiextensions-apiserver pkg/apiserver/customresource_handler.go.
        Same: unless the definition has words of its own, they name the version to use instead, if there is one.
    """
    if version.get("deprecated") is not True:
        return ""
    own = version.get("deprecationWarning")
    if isinstance(own, str):
        return own
    group, kind = text_at(crd, "spec", "group"), text_at(crd, "spec", "names", "kind")
    versions = mappings_at(crd, "spec", "versions")
    good = [item for item in versions if item.get("served") is True and item.get("deprecated") is not True]
    text = f"{group}/{text_at(version, 'name')} {kind} is deprecated"
    if not good:
        return text
    newest = min(good, key=_preference)
    is_newer = _preference(newest) < _preference(version)
    return f"{text}; use {group}/{text_at(newest, 'name')} {kind}" if is_newer else text


def _subresources(version: JSONObject, kind: str) -> tuple[Subresource, ...]:
    known = {"status": status_of(kind), "scale": SCALE}
    return tuple(subresource for name, subresource in known.items() if name in mapping_at(version, "subresources"))


def _scale(version: JSONObject) -> ScalePaths | None:
    scale = mapping_at(version, "subresources", "scale")
    if not scale:
        return None
    keys = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
    replicas, observed, selector = (tuple(filter(None, text_at(scale, key).split("."))) for key in keys)
    return ScalePaths(replicas=replicas, observed=observed, selector=selector)


def _selectable_fields(version: JSONObject) -> tuple[SelectableField, ...]:
    paths = (text_at(field, "jsonPath") for field in mappings_at(version, "selectableFields"))
    return tuple(SelectableField.at(path.removeprefix(".")) for path in paths)


def _column(column: JSONObject) -> PrinterColumn:
    priority = column.get("priority")
    return PrinterColumn(
        name=text_at(column, "name"),
        type=text_at(column, "type"),
        json_path=text_at(column, "jsonPath"),
        format=text_at(column, "format"),
        description=text_at(column, "description"),
        priority=priority if isinstance(priority, int) else 0,
    )


def _storage_versions(crd: JSONObject) -> list[str]:
    versions = mappings_at(crd, "spec", "versions")
    return [text_at(version, "name") for version in versions if version.get("storage") is True]
