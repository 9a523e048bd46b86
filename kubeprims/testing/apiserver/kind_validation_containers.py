"""The rules of containers.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateContainers`` and what it calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    duplicate,
    indexed,
    named,
    non_negative,
    not_found,
    number,
    one_of,
    port,
    port_name_problems,
    port_number,
    present,
    sources,
)
from kubeprims.testing.apiserver.kind_validation_resources import claim_names, container_resource_problems
from kubeprims.testing.apiserver.kind_validation_systems import windows_option_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_ENV_NAME = re.compile(r"[ -<>-~]+")
_ENV_RULE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_FIELD_PATHS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_ONCE = frozenset({"livenessProbe", "startupProbe"})
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def containers_problems(spec: JSONObject, path: str, volumes: frozenset[str]) -> Problems:
    """Return what is wrong with the containers of a pod."""
    field, claims = f"{path}.containers", claim_names(spec)
    if not items(spec, "containers"):
        yield FieldProblem.required(field, "")
        return
    names: set[str] = set()
    for where, container in indexed(spec, "containers", path):
        yield from _container_problems(container, where, volumes, claims)
        name = text(container, "name")
        if name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name)
        yield from _handler_problems(container, where, number(spec, "terminationGracePeriodSeconds") or 0)
    yield from _host_port_problems(items(spec, "containers"), field)
    for where, container in indexed(spec, "initContainers", path):
        yield from _container_problems(container, where, volumes, claims)
        name = text(container, "name")
        if name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name)


def _container_problems(container: JSONObject, path: str, volumes: frozenset[str], claims: frozenset[str]) -> Problems:
    """Return what is wrong with one container, of any sort."""
    name, image = text(container, "name"), text(container, "image")
    if name:
        yield from named(name, f"{path}.name", NameRule.DNS_LABEL)
    else:
        yield FieldProblem.required(f"{path}.name", "")
    if not image:
        yield FieldProblem.required(f"{path}.image", "")
    elif image != image.strip():
        yield FieldProblem.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from one_of(container, "terminationMessagePolicy", path, ("File", "FallbackToLogsOnError"))
    yield from _port_problems(container, path)
    yield from _env_problems(container, path)
    yield from _mount_problems(container, path, volumes)
    yield from one_of(container, "imagePullPolicy", path, ("Always", "IfNotPresent", "Never"))
    yield from container_resource_problems(mapping(container, "resources"), f"{path}.resources", claims)
    yield from security_problems(mapping(container, "securityContext"), f"{path}.securityContext")


def security_problems(context: JSONObject, path: str) -> Problems:
    """Return what is wrong with who a container, or a pod, runs as."""
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        value = number(context, key)
        if value is not None and not 0 <= value < 2**31:
            yield FieldProblem.invalid(f"{path}.{key}", value, f"must be between 0 and {2**31 - 1}, inclusive")
    if "windowsOptions" in context:
        yield from windows_option_problems(mapping(context, "windowsOptions"), f"{path}.windowsOptions")


def _port_problems(container: JSONObject, path: str) -> Problems:
    names: set[str] = set()
    for field, item in indexed(container, "ports", path):
        name = text(item, "name")
        broken = [*port_name_problems(name)] if name else []
        for rule in broken:
            yield FieldProblem.invalid(f"{field}.name", name, rule)
        if name and not broken:
            if name in names:
                yield duplicate(f"{field}.name", name)
            names.add(name)
        container_port, host_port = number(item, "containerPort") or 0, number(item, "hostPort") or 0
        if container_port:
            yield from port_number(container_port, f"{field}.containerPort")
        else:
            yield FieldProblem.required(f"{field}.containerPort", "")
        if host_port:
            yield from port_number(host_port, f"{field}.hostPort")
        yield from one_of(item, "protocol", field, _PROTOCOLS)


def _host_port_problems(containers: list[JSONObject], path: str) -> Problems:
    taken: set[str] = set()
    for position, container in enumerate(containers):
        for field, item in indexed(container, "ports", f"{path}[{position}]"):
            host_port = number(item, "hostPort")
            if host_port:
                place = f"{text(item, 'protocol')}/{text(item, 'hostIP')}/{host_port}"
                if place in taken:
                    yield duplicate(f"{field}.hostPort", place)
                taken.add(place)


def _env_problems(container: JSONObject, path: str) -> Problems:
    for field, item in indexed(container, "env", path):
        name = text(item, "name")
        if not name:
            yield FieldProblem.required(f"{field}.name", "")
        elif not _ENV_NAME.fullmatch(name):
            yield FieldProblem.invalid(f"{field}.name", name, _ENV_RULE)
        if "valueFrom" in item:
            yield from _env_source_problems(item, f"{field}.valueFrom")
    for field, item in indexed(container, "envFrom", path):
        if "configMapRef" not in item and "secretRef" not in item:
            place = field.rpartition("[")[0]
            yield FieldProblem.invalid(place, "", "must specify one of: `configMapRef` or `secretRef`")
        for key in ("configMapRef", "secretRef"):
            if key in item:
                yield from present(mapping(item, key), f"{field}.{key}", "name")


def _env_source_problems(variable: JSONObject, path: str) -> Problems:
    source = mapping(variable, "valueFrom")
    known = [
        key
        for key in ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
        if key in source
    ]
    for key in known:
        below, field = mapping(source, key), f"{path}.{key}"
        if key == "fieldRef":
            yield from _field_problems(below, field)
        elif key == "resourceFieldRef":
            yield from present(below, field, "resource")
        elif key != "fileKeyRef":
            yield from present(below, field, "name", "key")
    if variable.get("value"):
        if known:
            yield FieldProblem.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(known) != 1:
        rule = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield FieldProblem.invalid(path, "", "may not have more than one field specified at a time" if known else rule)


def _field_problems(reference: JSONObject, path: str) -> Problems:
    field_path = text(reference, "fieldPath")
    if not field_path:
        yield FieldProblem.required(f"{path}.fieldPath", "")
    elif field_path not in _FIELD_PATHS and not re.fullmatch(r"metadata\.(labels|annotations)\['[^']+'\]", field_path):
        rule = f"error converting fieldPath: field label not supported: {field_path}"
        yield FieldProblem.invalid(f"{path}.fieldPath", field_path, rule)


def _mount_problems(container: JSONObject, path: str, volumes: frozenset[str]) -> Problems:
    places: set[str] = set()
    for field, item in indexed(container, "volumeMounts", path):
        name, place = text(item, "name"), text(item, "mountPath")
        if not name:
            yield FieldProblem.required(f"{field}.name", "")
        if name not in volumes:
            yield not_found(f"{field}.name", name)
        if not place:
            yield FieldProblem.required(f"{field}.mountPath", "")
        if place in places:
            yield FieldProblem.invalid(f"{field}.mountPath", place, "must be unique")
        places.add(place)


def _handler_problems(container: JSONObject, path: str, grace_s: int) -> Problems:
    lifecycle = mapping(container, "lifecycle")
    for key in ("postStart", "preStop"):
        if key in lifecycle:
            yield from _action_problems(mapping(lifecycle, key), f"{path}.lifecycle.{key}", grace_s)
    for key in _PROBES:
        if key in container:
            probe, field = mapping(container, key), f"{path}.{key}"
            yield from _action_problems(probe, field, grace_s)
            yield from non_negative(probe, field, *_NUMBERS)
            threshold = number(probe, "successThreshold")
            if key in _ONCE and threshold != 1:
                yield FieldProblem.invalid(f"{field}.successThreshold", threshold, "must be 1")


def _action_problems(handler: JSONObject, path: str, grace_s: int) -> Problems:
    found: Iterator[tuple[str, FieldProblem | None]] = sources(handler, path, _HANDLERS, what="handler type")
    count = 0
    for key, problem in found:
        count += 1
        if problem is not None:
            yield problem
        else:
            yield from _one_action_problems(key, mapping(handler, key), f"{path}.{key}", grace_s)
    if not count:
        yield FieldProblem.required(path, "must specify a handler type")


def _one_action_problems(key: str, action: JSONObject, path: str, grace_s: int) -> Problems:
    match key:
        case "exec":
            yield from present(action, path, "command")
        case "httpGet":
            yield from present(action, path, "path")
            yield from port(action.get("port"), f"{path}.port")
            yield from one_of(action, "scheme", path, ("HTTP", "HTTPS"))
        case "tcpSocket":
            yield from port(action.get("port"), f"{path}.port")
        case "grpc":
            yield from port_number(number(action, "port") or 0, f"{path}.port")
        case _:
            seconds = number(action, "seconds") or 0
            if not 0 <= seconds <= grace_s:
                rule = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
                yield FieldProblem.invalid(path, seconds, rule)
