"""What is looked at first in an object that a request brings: its names, its fields, its owners. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.field_validation import unknown_and_duplicate_fields
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.status import FieldProblem, bad_request, invalid

_SHOWN_BYTES_MAX = 30
_OWNERS = "ownerReferences"


def check_type_names(
    obj: JSONObject, kind: Kind, body: bytes | JSONObject, served: Collection[tuple[str, str]] = ()
) -> None:
    """Check that an object is of the kind and version that the request is for.

    Args:
        obj: The object.
        kind: The kind.
        body: The body that it came in, as messages quote it.
        served: The kinds, with their versions, that there are.

    Raises:
        BadRequest: It is not.
        Invalid: It is of another custom kind.
    """
    api_version, name = obj.get("apiVersion", ""), obj.get("kind", "")
    if kind.custom:
        _check_names_are_there(obj, kind, body)
    if api_version not in {"", kind.api_version}:
        if name and (name, api_version) not in served and not kind.custom:
            problem = f'no kind "{name}" is registered for version "{api_version}"'
            version = str(api_version).rpartition("/")[2]
            raise bad_request(f'{name} in version "{version}" cannot be handled as a {kind.kind}: {problem}')
        message = (
            f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
        )
        raise bad_request(message)
    if name not in {"", kind.kind}:
        if kind.custom:
            metadata = obj.get("metadata")
            own_name: JSONValue = metadata.get("name") if isinstance(metadata, dict) else ""
            problems = [FieldProblem.invalid("kind", name, f"must be {kind.kind}")]
            raise invalid(str(name), str(own_name or ""), problems, group=kind.group)
        message = f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise bad_request(message)


def _check_names_are_there(obj: JSONObject, kind: Kind, body: bytes | JSONObject) -> None:
    for key, name in (("Kind", "kind"), ("apiVersion", "apiVersion")):
        if obj.get(name):
            continue
        message = f"the object provided is unrecognized (must be of type {kind.kind}): Object '{key}' is missing"
        if isinstance(body, bytes):
            text = body.decode("utf-8", "replace")
            cut = text if len(body) <= _SHOWN_BYTES_MAX else f"{text[:_SHOWN_BYTES_MAX]} ..."
            message += f" in '{text}' ({cut})"
        raise bad_request(message)


def strange_fields(body: bytes | JSONObject, schema: Schema, kind: Kind, *, mode: str) -> list[str]:
    """Return which fields of a body are not known, or come twice; nothing of what the server itself has made.

    Args:
        body: The body.
        schema: What it should look like.
        kind: Of which kind it is.
        mode: ``Ignore`` to look for nothing.
    """
    if mode == "Ignore" or not isinstance(body, bytes):
        return []
    return unknown_and_duplicate_fields(body, schema, custom=kind.custom)


def with_owners_once(metadata: JSONObject) -> list[str]:
    """Leave out owners that come twice, in place, and return what the client is to be warned of."""
    owners = metadata.get(_OWNERS)
    if not isinstance(owners, list):
        return []
    once: list[JSONValue] = []
    twice: list[str] = []
    for owner in owners:
        if owner in once:
            twice.append(str(owner.get("uid", "")) if isinstance(owner, dict) else "")
        else:
            once.append(owner)
    if not twice:
        return []
    metadata[_OWNERS] = once
    uids = ", ".join(dict.fromkeys(twice))
    warning = (
        f".metadata.{_OWNERS} contains duplicate entries; API server dedups owner references in 1.20+, and may reject "
        f"such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
    )
    return [warning]
