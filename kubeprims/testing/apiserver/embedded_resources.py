"""What is wrong with objects that are embedded in others: their kinds, versions and metadata.

Pure.

Source:
    apiextensions-apiserver pkg/apiserver/schema/objectmeta/validation.go.
    Differs: metadata of wrong types is invalid, where upstream does not even decode it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import Kind, NameRule
from kubeprims.testing.apiserver.metadata import (
    metadata_of,
    metadata_problems,
    name_rules_broken,
    with_checked_metadata,
)
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.status import FieldProblem

_PARTS_MAX = 2
# Nothing is known of the kind: any name will do.
_SOME_KIND = Kind(resource="objects", kind="Object", name_rule=NameRule.PATH_SEGMENT, custom=True)


def embedded_problems(obj: JSONObject, schema: Schema) -> list[FieldProblem]:
    """Return what is wrong with the objects that are embedded in one."""
    return [problem for name in sorted(obj) for problem in value_problems(obj[name], schema.member(name), name)]


def value_problems(value: JSONValue, schema: Schema | None, path: str) -> Iterator[FieldProblem]:
    """Yield what is wrong with the objects in a value, and with the value itself if it is to be one."""
    if schema is None:
        return
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from value_problems(item, schema.items, f"{path}[{position}]")
    if not isinstance(value, dict):
        return
    if schema.embedded_resource:
        yield from _type_problems(value, path)
        yield from _metadata_problems(value, path)
    for name in sorted(value):
        yield from value_problems(value[name], schema.member(name), f"{path}.{name}")


def _type_problems(obj: JSONObject, path: str) -> Iterator[FieldProblem]:
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if not version:
        yield FieldProblem.required(f"{path}.apiVersion", "must not be empty" if "apiVersion" in obj else "")
    elif isinstance(version, str) and version.count("/") >= _PARTS_MAX:
        yield FieldProblem.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    if not kind:
        yield FieldProblem.required(f"{path}.kind", "must not be empty" if "kind" in obj else "")
    elif isinstance(kind, str):
        for rule in name_rules_broken(kind.lower(), NameRule.DNS_1035_LABEL):
            text = f"may have mixed case, but should otherwise match: {rule}"
            yield FieldProblem.invalid(f"{path}.kind", kind, text)


def _metadata_problems(obj: JSONObject, path: str) -> Iterator[FieldProblem]:
    try:
        checked = with_checked_metadata(obj, _SOME_KIND)
    except BadRequest as error:
        yield FieldProblem.invalid(f"{path}.metadata", "", error.message.rpartition("json: ")[2])
        return
    metadata = metadata_of(checked)
    metadata.setdefault("name", "any")  # an embedded object need not have one
    for problem in metadata_problems(metadata, _SOME_KIND):
        yield problem._replace(field=f"{path}.{problem.field}")
