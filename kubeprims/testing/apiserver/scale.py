"""The ``scale`` of an object: how many replicas are asked for, as autoscalers and ``kubectl scale`` see any kind.

Pure: an object in, a ``Scale`` out, and the other way round.

Source:
    kubernetes pkg/registry/apps/deployment/storage/storage.go, ``ScaleREST``; apiextensions-apiserver
    pkg/registry/customresource/etcd.go.
"""

from __future__ import annotations

from kubeprims.errors import BadRequest, StatusError
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.encoding import encode, json_type
from kubeprims.testing.apiserver.kinds import Kind, ScalePaths
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.status import FieldProblem, bad_request, invalid, plain_failure

API_VERSION = "autoscaling/v1"
SCALES = Kind(group="autoscaling", resource="scales", kind="Scale")
"""The kind of what is written to a scale. It is served as a subresource alone."""

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
_BARE = {"Exists": "{key}", "DoesNotExist": "!{key}"}
_LISTING = {"In": "in", "NotIn": "notin"}


def scale_of(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return the scale of an object.

    Raises:
        InternalError: The object does not say how many replicas it wants.
    """
    paths = _paths(kind)
    wanted, observed = _at(obj, paths.replicas), _at(obj, paths.observed)
    if kind.custom and wanted is None:
        raise _absent(paths)
    metadata = metadata_of(obj)
    status: JSONObject = {"replicas": observed if isinstance(observed, int) else 0}
    selector = _selector_text(_at(obj, paths.selector) if paths.selector else None)
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": API_VERSION,
        "metadata": {key: metadata[key] for key in _METADATA if key in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": status,
    }


def with_scale(obj: JSONObject, scale: JSONObject, kind: Kind) -> JSONObject:
    """Return the object with the number of replicas, and the preconditions, of a scale.

    Raises:
        BadRequest: What was sent is no scale.
        Invalid: There cannot be so few replicas.
        InternalError: The object has no place for the number.
    """
    _check_type(scale)
    replicas = _replicas_of(scale)
    metadata = mapping(scale, "metadata")
    if replicas < 0 and kind.custom:
        path = f".{'.'.join(_paths(kind).replicas)}"
        problem = FieldProblem.invalid(path, replicas, "should be a non-negative integer")
        raise invalid(kind.kind, text_of(metadata, "name"), [problem], group=kind.group)
    if replicas < 0:
        problem = FieldProblem.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", text_of(metadata, "name"), [problem], group="autoscaling")
    wanted = {key: metadata[key] for key in ("uid", "resourceVersion") if metadata.get(key)}
    own = {key: value for key, value in metadata_of(obj).items() if key not in {"uid", "resourceVersion"}}
    changed: JSONObject = {**obj, "metadata": {**own, **wanted}}
    return _with(changed, _paths(kind).replicas, replicas)


def check_conversion(kind: Kind, name: str) -> None:
    """Refuse to apply the scale of a custom object, which upstream fails at.

    Raises:
        InternalError: It is one.
    """
    if kind.custom:
        named = f"/{name}; {SCALES.api_version}, Kind={SCALES.kind}"
        problem = f"request to convert CR to an invalid group/version: {SCALES.api_version}"
        raise plain_failure(f"failed to convert new object ({named}) to proper version: {problem}")


def checked_scale(patched: JSONObject) -> JSONObject:
    """Return the scale that a patch made; a value that does not fit is the patch's fault.

    Raises:
        Invalid: There is one.
    """
    try:
        _replicas_of(patched)
    except BadRequest as error:
        _, _, problem = error.message.partition(" cannot be handled as a Scale: ")
        raise invalid("", "", [FieldProblem.invalid("patch", encode(patched).decode(), problem)]) from None
    return patched


def _replicas_of(scale: JSONObject) -> int:
    replicas: JSONValue = mapping(scale, "spec").get("replicas")
    if replicas is None:
        return 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        place = "Go struct field ScaleSpec.spec.replicas of type int32"
        problem_text = f"json: cannot unmarshal {json_type(replicas)} into {place}"
        raise bad_request(f'Scale in version "v1" cannot be handled as a Scale: {problem_text}')
    return replicas


def _check_type(scale: JSONObject) -> None:
    api_version, kind = text(scale, "apiVersion"), text(scale, "kind")
    if api_version not in {"", API_VERSION} or kind not in {"", "Scale"}:
        version = api_version.rpartition("/")[2]
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a Scale: converting ({version}.{kind}) to '
            "(autoscaling.Scale): unknown conversion"
        )


def _paths(kind: Kind) -> ScalePaths:
    assert kind.scale is not None, "a kind with the subresource says where its numbers are"
    return kind.scale


def _absent(paths: ScalePaths) -> StatusError:
    return plain_failure(f'the spec replicas field ".{".".join(paths.replicas)}" does not exist')


def _at(obj: JSONObject, path: tuple[str, ...]) -> JSONValue:
    value: JSONValue = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _with(obj: JSONObject, path: tuple[str, ...], value: JSONValue) -> JSONObject:
    key, *below = path
    return {**obj, key: _with(mapping(obj, key), tuple(below), value) if below else value}


def _selector_text(selector: JSONValue) -> str:
    """Return a selector as list queries have it; what counts a custom kind has it as text already."""
    if isinstance(selector, str):
        return selector
    if not isinstance(selector, dict):
        return ""
    plain = all(isinstance(value, str) for value in selector.values())  # a replication controller's map of labels
    pairs = selector if plain else mapping(selector, "matchLabels")
    parts = [(key, f"{key}={value}") for key, value in pairs.items()]
    parts += [(text(item, "key"), _expression(item)) for item in items(selector, "matchExpressions")]
    return ",".join(part for _, part in sorted(parts))


def _expression(item: JSONObject) -> str:
    key, operator = text(item, "key"), text(item, "operator")
    if operator in _BARE:
        return _BARE[operator].format(key=key)
    values = item.get("values")
    listed = ",".join(sorted(str(value) for value in values)) if isinstance(values, list) else ""
    return f"{key} {_LISTING.get(operator, operator)} ({listed})"
