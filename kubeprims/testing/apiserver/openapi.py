"""OpenAPI v3: the documents that say what the objects of each kind look like, and what paths there are.

Pure. ``kubectl explain`` reads the schemas, ``kubectl apply`` what is merged how, and ``kubectl create`` leaves
validation to a server whose PATCH takes ``fieldValidation``. The schemas of built-in kinds say what the fields are
called and of which type they are, and no more; those of custom kinds say what their definitions say.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kubeprims.errors import NotAcceptable
from kubeprims.meta import GroupVersionKind, JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import built_in_definitions, definition_name
from kubeprims.testing.apiserver.discovery import GIT_VERSION, APIResource, Document, api_resources
from kubeprims.testing.apiserver.kind import Kind
from kubeprims.testing.apiserver.schema import METADATA, REFERENCE_PREFIX

_ROOT = ["openapi", "v3"]
_JSON_TYPES = frozenset({"", "*/*", "application/*", "application/json"})
_LIST_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_COMMON = tuple(
    f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}" for name in ("DeleteOptions", "Patch", "Status", "WatchEvent")
)
_KINDS = "x-kubernetes-group-version-kind"
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "pretty")
_OPERATION_BY_VERB = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_COLLECTION_OPERATION_BY_VERB = {"list": "get", "create": "post", "deletecollection": "delete"}


def answer(path: str, accept: str, kinds: Sequence[Kind]) -> Document | None:
    """Return the document at a path, or None if there is none.

    Args:
        path: Decoded, as it came.
        accept: The Accept header.
        kinds: All that is served.

    Raises:
        NotAcceptable: The client takes something else than JSON only.
    """
    segments = path.strip("/").split("/")
    if segments[:2] != _ROOT:
        return None
    by_path: dict[str, list[Kind]] = {}
    for kind in kinds:
        by_path.setdefault(_base_path(kind), []).append(kind)
    wanted = "/".join(segments[2:])
    if wanted and wanted not in by_path:
        return None
    _check_accept(accept)
    if wanted:
        body = _document(wanted, by_path[wanted])
        return Document(body, headers=(("etag", f'"{_digest(body)}"'), ("vary", "Accept")))
    paths: JSONObject = {
        base: {"serverRelativeURL": f"/openapi/v3/{base}?hash={_digest(_document(base, by_path[base]))}"}
        for base in sorted(by_path)
    }
    return Document(_encoded({"paths": paths}))


def _check_accept(accept: str) -> None:
    if not any(part.partition(";")[0].strip().lower() in _JSON_TYPES for part in accept.split(",")):
        message = "only the following media types are accepted: application/json"
        raise NotAcceptable(message, code=406, reason="NotAcceptable")


def _base_path(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _encoded(value: JSONObject) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@functools.lru_cache(maxsize=256)
def _digest(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()


def _document(base: str, kinds: Sequence[Kind]) -> bytes:
    # Only what definitions say can change while a server runs.
    return _built(base, kinds) if any(kind.custom for kind in kinds) else _built_in_document(base, tuple(kinds))


@functools.lru_cache(maxsize=64)
def _built_in_document(base: str, kinds: tuple[Kind, ...]) -> bytes:
    return _built(base, kinds)


def _built(base: str, kinds: Sequence[Kind]) -> bytes:
    schemas = _schemas(kinds)
    names = {
        (text["group"], text["version"], text["kind"]): name
        for name, schema in schemas.items()
        for text in _kinds_of(schema)
    }
    paths: JSONObject = {}
    for resource in api_resources(kinds):
        paths.update(_paths(f"/{base}", resource, names))
    info: JSONObject = {"title": "kubeprims embedded API server", "version": GIT_VERSION}
    components: JSONObject = {"schemas": {name: schemas[name] for name in sorted(schemas)}}
    return _encoded({"openapi": "3.0.0", "info": info, "paths": paths, "components": components})


def _kinds_of(schema: JSONObject) -> Iterator[dict[str, str]]:
    kinds = schema.get(_KINDS)
    for kind in kinds if isinstance(kinds, list) else ():
        if isinstance(kind, dict):
            yield {key: str(value) for key, value in kind.items()}


def _schemas(kinds: Sequence[Kind]) -> dict[str, JSONObject]:
    """Return the definitions of kinds and of all that is in them, by name."""
    definitions = built_in_definitions()
    custom = {name: schema for kind in kinds if kind.custom for name, schema in _custom_schemas(kind)}
    wanted = [*_COMMON, METADATA, _LIST_METADATA, *filter(None, map(definition_name, _all_kinds(kinds)))]
    found: dict[str, JSONObject] = dict(custom)
    while wanted:
        name = wanted.pop()
        if name not in found and name in definitions:
            found[name] = definitions[name]
            wanted.extend(_references(definitions[name]))
    return found


def _all_kinds(kinds: Sequence[Kind]) -> Iterator[GroupVersionKind]:
    for resource in api_resources(kinds):
        gvk = resource.group_version_kind
        yield GroupVersionKind(str(gvk["group"]), str(gvk["version"]), str(gvk["kind"]))
    for kind in kinds:
        yield GroupVersionKind(kind.group, kind.version, kind.list_kind)


def _references(value: JSONValue) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REFERENCE_PREFIX)
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def _custom_schemas(kind: Kind) -> Iterator[tuple[str, JSONObject]]:
    """Yield the definition of a custom kind and that of its lists, each with its name."""
    raw = kind.definition or {}
    own, prefix = raw.get("properties"), ".".join([*reversed(kind.group.split(".")), kind.version])
    properties: JSONObject = {
        **(own if isinstance(own, dict) else {}),
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": _reference(METADATA),
    }
    ordered: JSONObject = {name: properties[name] for name in sorted(properties)}
    name = f"{prefix}.{kind.kind}"
    yield name, {**raw, "properties": ordered, _KINDS: [_named(kind, kind.kind)]}
    listed: JSONObject = {
        "apiVersion": {"type": "string"},
        "items": {"type": "array", "items": {"$ref": REFERENCE_PREFIX + name}},
        "kind": {"type": "string"},
        "metadata": _reference(_LIST_METADATA),
    }
    kinds: list[JSONValue] = [_named(kind, kind.list_kind)]
    yield (
        f"{prefix}.{kind.list_kind}",
        {"type": "object", "required": ["items"], "properties": listed, _KINDS: kinds},
    )


def _named(kind: Kind, name: str) -> JSONObject:
    return {"group": kind.group, "version": kind.version, "kind": name}


def _reference(name: str) -> JSONObject:
    return {"allOf": [{"$ref": REFERENCE_PREFIX + name}]}


def _paths(
    base: str, resource: APIResource, names: Mapping[tuple[str, str, str], str]
) -> Iterable[tuple[str, JSONObject]]:
    name, _, subresource = resource.name.partition("/")
    scope = "namespaces/{namespace}/" if resource.namespaced else ""
    operations = _operations(resource, _OPERATION_BY_VERB, names)
    if subresource and "create" in resource.verbs:
        operations.update(_operations(resource, {"create": "post"}, names))
    if operations:
        path = f"{base}/{scope}{name}/{{name}}" + (f"/{subresource}" if subresource else "")
        yield path, {**operations, "parameters": _path_parameters(resource, named=True)}
    operations = {} if subresource else _operations(resource, _COLLECTION_OPERATION_BY_VERB, names)
    if operations:
        yield f"{base}/{scope}{name}", {**operations, "parameters": _path_parameters(resource, named=False)}


def _operations(
    resource: APIResource, operation_by_verb: Mapping[str, str], names: Mapping[tuple[str, str, str], str]
) -> JSONObject:
    kind = resource.group_version_kind
    name = names.get((str(kind["group"]), str(kind["version"]), str(kind["kind"])))
    operations: JSONObject = {}
    for verb, operation in operation_by_verb.items():
        if verb in resource.verbs:
            operations[operation] = _operation(verb, kind, name)
    return operations


def _operation(verb: str, kind: JSONObject, name: str | None) -> JSONObject:
    takes_object = verb in {"create", "update"}
    parameters = _WRITE_PARAMETERS if takes_object or verb == "patch" else ("pretty",)
    operation: JSONObject = {
        "parameters": [{"name": parameter, "in": "query", "schema": {"type": "string"}} for parameter in parameters],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": verb,
        _KINDS: kind,
    }
    if takes_object and name is not None:
        content: JSONObject = {"application/json": {"schema": {"$ref": REFERENCE_PREFIX + name}}}
        operation["requestBody"] = {"content": content, "required": True}
    return operation


def _path_parameters(resource: APIResource, *, named: bool) -> list[JSONValue]:
    names = (["name"] if named else []) + (["namespace"] if resource.namespaced else [])
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
