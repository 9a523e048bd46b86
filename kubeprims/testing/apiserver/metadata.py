"""The metadata that every object has: its types, its rules, and what the server itself fills in."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence

from kubeprims.clock import Rng
from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import dns_subdomain_problems, label_key_problems, label_value_problems
from kubeprims.testing.apiserver.encoding import json_type
from kubeprims.testing.apiserver.kinds import Kind, NameRule
from kubeprims.testing.apiserver.status import FieldProblem, bad_request, quoted

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NAME_SUFFIX_LENGTH = 5
_GENERATED_NAME_MAX = 63
_ANNOTATION_BYTES_MAX = 256 << 10
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

_NUMBERS = ("generation", "deletionGracePeriodSeconds")
_STRINGS = ("name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid")

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_1035_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_LENGTH_MAX = 63
_DNS_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_DNS_1035_LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def metadata_of(obj: JSONObject) -> JSONObject:
    """Return the metadata of an object whose types were checked."""
    metadata = obj["metadata"]
    assert isinstance(metadata, dict), "the types of the metadata were checked"
    return metadata


def text_of(metadata: JSONObject, key: str) -> str:
    """Return a text in metadata whose types were checked; empty if it is absent."""
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def with_checked_metadata(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return the object with metadata of its own, to be changed, once the types in it are what they should be.

    What is null or empty is left out, as it is when upstream renders an object.

    Raises:
        BadRequest: One of the types is wrong.
    """
    metadata = obj.get("metadata")
    if metadata is None:
        return {**obj, "metadata": {}}
    if not isinstance(metadata, dict):
        raise _wrong_type(kind, metadata, f"{kind.kind}.metadata of type v1.ObjectMeta")
    check = _TypeCheck(kind, metadata)
    for key in _STRINGS:
        check.text(key)
    for key in _NUMBERS:
        check.number(key)
    for key in ("labels", "annotations"):
        check.map_of_texts(key)
    check.finalizers()
    check.owner_references()
    present: JSONObject = {
        key: value
        for key, value in metadata.items()
        # No owners at all is what a client says to have all of them forgotten.
        if value not in (None, [], {}, "") or (key == "managedFields" and value == [])
    }
    return {**obj, "metadata": present}


class _TypeCheck:
    def __init__(self, kind: Kind, metadata: JSONObject) -> None:
        self._kind = kind
        self._metadata = metadata

    def text(self, key: str) -> None:
        value = self._metadata.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(value, key, "string")

    def number(self, key: str) -> None:
        value = self._metadata.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._wrong(value, key, "int64")

    def map_of_texts(self, key: str) -> None:
        value = self._metadata.get(key)
        if value is None:
            return
        if not isinstance(value, dict):
            raise self._wrong(value, key, "map[string]string")
        for item in value.values():
            if not isinstance(item, str):
                raise self._wrong(item, key, "string")

    def finalizers(self) -> None:
        for item in self._list("finalizers", "[]string"):
            if not isinstance(item, str):
                raise self._wrong(item, "finalizers", "string")

    def owner_references(self) -> None:
        for item in self._list("ownerReferences", "[]v1.OwnerReference"):
            if not isinstance(item, dict):
                raise self._wrong(item, "ownerReferences", "v1.OwnerReference")
            for key in _OWNER_FIELDS:
                value = item.get(key, "")
                if not isinstance(value, str):
                    raise self._wrong(value, f"ownerReferences.{key}", "string")

    def _list(self, key: str, name: str) -> list[JSONValue]:
        value = self._metadata.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(value, key, name)
        return value

    def _wrong(self, value: JSONValue, key: str, name: str) -> BadRequest:
        place = key if self._kind.custom else f"metadata.{key}"
        return _wrong_type(self._kind, value, f"ObjectMeta.{place} of type {name}")


def _wrong_type(kind: Kind, value: JSONValue, place: str) -> BadRequest:
    what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
    return bad_request(f"{what}: json: cannot unmarshal {json_type(value)} into Go struct field {place}")


def timestamp(when: datetime.datetime) -> str:
    """Return a time as metadata has it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid(rng: Rng) -> str:
    """Return a random uid: a UUID of version 4."""
    digits = "".join(f"{int(rng.random() * (1 << 32)):08x}" for _ in range(4))
    # The version stands in the 13th digit, the variant in the upper bits of the 17th (RFC 9562).
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def generated_name(base: str, rng: Rng) -> str:
    """Return ``base`` with a random suffix.

    Source:
        apiserver pkg/storage/names/generate.go.
    """
    suffix = "".join(_NAME_ALPHABET[int(rng.random() * len(_NAME_ALPHABET))] for _ in range(_NAME_SUFFIX_LENGTH))
    return base[: _GENERATED_NAME_MAX - _NAME_SUFFIX_LENGTH] + suffix


def metadata_problems(metadata: JSONObject, kind: Kind) -> list[FieldProblem]:
    """Return which rules the metadata breaks.

    Source:
        apimachinery pkg/api/validation/objectmeta.go, ``ValidateObjectMeta``.
    """
    return [
        *_generate_name_problems(metadata, kind),
        *_name_problems(metadata, kind),
        *_label_problems(metadata),
        *_annotation_problems(metadata),
        *_owner_problems(metadata),
        *_finalizer_problems(metadata),
    ]


def _generate_name_problems(metadata: JSONObject, kind: Kind) -> Iterator[FieldProblem]:
    base = text_of(metadata, "generateName")
    if base:
        # A suffix comes, so that a trailing dash is fine.
        checked = base[:-1] + "a" if base.endswith("-") else base
        for rule in name_rules_broken(checked, kind.name_rule):
            yield FieldProblem.invalid("metadata.generateName", base, rule)


def _name_problems(metadata: JSONObject, kind: Kind) -> Iterator[FieldProblem]:
    name = text_of(metadata, "name")
    if not name:
        yield FieldProblem.required("metadata.name", "name or generateName is required")
        return
    for rule in name_rules_broken(name, kind.name_rule):
        yield FieldProblem.invalid("metadata.name", name, rule)


def _label_problems(metadata: JSONObject) -> Iterator[FieldProblem]:
    for key, value in _items(metadata, "labels"):
        for rule in label_key_problems(key):
            yield FieldProblem.invalid("metadata.labels", key, rule)
        for rule in label_value_problems(str(value)):
            yield FieldProblem.invalid("metadata.labels", value, rule)


def _annotation_problems(metadata: JSONObject) -> Iterator[FieldProblem]:
    size = 0
    for key, value in _items(metadata, "annotations"):
        size += len(key) + len(str(value))
        for rule in label_key_problems(key.lower()):
            yield FieldProblem.invalid("metadata.annotations", key, rule)
    if size > _ANNOTATION_BYTES_MAX:
        text = f"Too long: may not be more than {_ANNOTATION_BYTES_MAX} bytes"
        yield FieldProblem("metadata.annotations", "FieldValueTooLong", text)


def _owner_problems(metadata: JSONObject) -> Iterator[FieldProblem]:
    owners = metadata.get("ownerReferences")
    for position, owner in enumerate(owners if isinstance(owners, list) else ()):
        for key in _OWNER_FIELDS:
            if isinstance(owner, dict) and not owner.get(key):
                yield FieldProblem.required(f"metadata.ownerReferences[{position}].{key}", "must not be empty")
        if isinstance(owner, dict):
            yield from _owner_kind_problems(owner, f"metadata.ownerReferences[{position}]")
    controllers = [owner for owner in _owners(owners) if owner.get("controller") is True]
    if len(controllers) > 1:
        first, second = (f"{owner.get('kind')}/{owner.get('name')}" for owner in controllers[:2])
        rule = 'Only one reference can have Controller set to true. Found "true" in references for '
        yield FieldProblem.invalid("metadata.ownerReferences", owners, f"{rule}{first} and {second}")


def _owners(value: JSONValue) -> list[JSONObject]:
    return [owner for owner in value if isinstance(owner, dict)] if isinstance(value, list) else []


def _owner_kind_problems(owner: JSONObject, path: str) -> Iterator[FieldProblem]:
    api_version = text_of(owner, "apiVersion")
    if api_version.count("/") > 1:
        yield FieldProblem.invalid(f"{path}.apiVersion", api_version, "must be <group>/<version> or <version>")
    if owner.get("kind") == "Event" and api_version == "v1":
        yield FieldProblem.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")


def _finalizer_problems(metadata: JSONObject) -> Iterator[FieldProblem]:
    for position, name in enumerate(finalizers_of(metadata)):
        for rule in label_key_problems(name):
            yield FieldProblem.invalid("metadata.finalizers", name, rule)
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            rule = "name is neither a standard finalizer name nor is it fully qualified"
            yield FieldProblem.invalid(f"metadata.finalizers[{position}]", name, rule)


def update_problems(metadata: JSONObject, existing: JSONObject) -> list[FieldProblem]:
    """Return which rules about changes the new metadata breaks, given the old.

    Source:
        apimachinery pkg/api/validation/objectmeta.go, ``ValidateObjectMetaUpdate``.
    """
    problems: list[FieldProblem] = []
    uid = text_of(metadata, "uid")
    if uid != text_of(existing, "uid"):
        problems.append(FieldProblem.invalid("metadata.uid", uid, "field is immutable"))
    if "deletionTimestamp" in existing:
        new = [name for name in finalizers_of(metadata) if name not in finalizers_of(existing)]
        if new:
            names = ", ".join(map(quoted, new))
            rule = (
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{names}}}"
            )
            problems.append(FieldProblem.forbidden("metadata.finalizers", rule))
    return problems


def finalizers_of(metadata: JSONObject) -> list[str]:
    """Return the finalizers in metadata whose types were checked."""
    finalizers = metadata.get("finalizers")
    return [name for name in finalizers if isinstance(name, str)] if isinstance(finalizers, list) else []


def _items(metadata: JSONObject, key: str) -> Sequence[tuple[str, JSONValue]]:
    mapping = metadata.get(key)
    return sorted(mapping.items(), key=lambda item: item[0]) if isinstance(mapping, dict) else ()


def name_rules_broken(name: str, rule: NameRule) -> list[str]:
    """Return which rules for names of a kind a name breaks."""
    match rule:
        case NameRule.DNS_SUBDOMAIN:
            return dns_subdomain_problems(name, unit="characters")
        case NameRule.DNS_LABEL:
            return _label_name_problems(name)
        case NameRule.DNS_1035_LABEL:
            return _too_long(name) + ([] if _DNS_1035_LABEL.fullmatch(name) else [_DNS_1035_LABEL_RULE])
        case _:
            return _path_segment_problems(name)


def _label_name_problems(name: str) -> list[str]:
    if _DNS_LABEL.fullmatch(name):
        return _too_long(name)
    dotted = not dns_subdomain_problems(name)
    return [*_too_long(name), "must not contain dots" if dotted else _DNS_LABEL_RULE]


def _path_segment_problems(name: str) -> list[str]:
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def _too_long(name: str) -> list[str]:
    return [f"must be no more than {_LABEL_LENGTH_MAX} characters"] if len(name) > _LABEL_LENGTH_MAX else []
