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
    POSITIVE,
    Problems,
    duplicate,
    indexed,
    named,
    non_negative,
    number,
    one_of,
    port,
    port_name_problems,
    port_number,
    present,
    sources,
    too_many,
)
from kubeprims.testing.apiserver.kind_validation_env import environment_problems
from kubeprims.testing.apiserver.kind_validation_mounts import Volumes, mount_problems
from kubeprims.testing.apiserver.kind_validation_resources import claim_names, container_resource_problems
from kubeprims.testing.apiserver.kind_validation_security import container_security_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_ONCE = frozenset({"livenessProbe", "startupProbe"})
_RESTART_RULES_MAX = 20
_EXIT_CODES_MAX = 255
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_HEADER_RULE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def containers_problems(spec: JSONObject, path: str, volumes: Volumes) -> Problems:
    """Return what is wrong with the containers of a pod."""
    field, names = f"{path}.containers", set[str]()
    if not items(spec, "containers"):
        yield FieldProblem.required(field, "")
    for where, container in indexed(spec, "containers", path):
        yield from _container_problems(container, where, volumes, spec)
        yield from _same_name(container, where, names)
        yield from _handler_problems(container, where, number(spec, "terminationGracePeriodSeconds") or 0)
        yield from _restart_problems(container, where)
    yield from _host_port_problems(items(spec, "containers"), field)
    for position, (where, container) in enumerate(indexed(spec, "initContainers", path)):
        yield from _container_problems(container, where, volumes, spec)
        yield from _restart_problems(container, where)
        yield from _same_name(container, where, names)
        yield from _host_port_problems([container], f"{path}.initContainers", position)
        yield from _init_problems(container, where, number(spec, "terminationGracePeriodSeconds") or 0)


def _same_name(container: JSONObject, path: str, names: set[str]) -> Problems:
    name = text(container, "name")
    if name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name)


def _container_problems(container: JSONObject, path: str, volumes: Volumes, spec: JSONObject) -> Problems:
    """Return what is wrong with one container of a pod, of any sort."""
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
    yield from environment_problems(container, path)
    if "volumeMounts" in container or "volumeDevices" in container:
        yield from mount_problems(container, path, volumes)
    yield from one_of(container, "imagePullPolicy", path, ("Always", "IfNotPresent", "Never"))
    if resources := mapping(container, "resources"):
        yield from container_resource_problems(resources, f"{path}.resources", claim_names(spec))
    yield from _resize_problems(container, f"{path}.resizePolicy", text(spec, "restartPolicy"))
    if context := mapping(container, "securityContext"):
        yield from container_security_problems(context, f"{path}.securityContext", spec)


def _resize_problems(container: JSONObject, path: str, restart_policy: str) -> Problems:
    """Return what is wrong with how a container takes other resources; upstream does not say which entry it is."""
    names: set[str] = set()
    for position, entry in enumerate(items(container, "resizePolicy")):
        name, policy = text(entry, "resourceName"), text(entry, "restartPolicy")
        if name in names:
            yield duplicate(f"{path}[{position}]", name)
        names.add(name)
        for value, allowed in ((name, ("cpu", "memory")), (policy, ("NotRequired", "RestartContainer"))):
            if not value:
                yield FieldProblem.required(path, "")
            elif value not in allowed:
                yield FieldProblem.unsupported(path, value, allowed)
        if restart_policy == "Never" and policy != "NotRequired":
            rule = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            yield FieldProblem.invalid(path, policy, rule)


def _restart_problems(container: JSONObject, path: str) -> Problems:
    rules = items(container, "restartPolicyRules")
    if rules and "restartPolicy" not in container:
        rule = "must specify restartPolicy when restart rules are used"
        yield FieldProblem.required(f"{path}.restartPolicy", rule)
    yield from one_of(container, "restartPolicy", path, ("Always", "Never", "OnFailure"))
    if len(rules) > _RESTART_RULES_MAX:
        yield too_many(f"{path}.restartPolicyRules", len(rules), _RESTART_RULES_MAX)
    for field, rule_ in indexed(container, "restartPolicyRules", path):
        yield from one_of(rule_, "action", field, ("Restart", "RestartAllContainers"))
        if "exitCodes" not in rule_:
            yield FieldProblem.required(f"{field}.exitCodes", "must be specified")
            continue
        codes, place = mapping(rule_, "exitCodes"), f"{field}.exitCodes"
        yield from one_of(codes, "operator", place, ("In", "NotIn"))
        values = codes.get("values")
        if isinstance(values, list) and len(values) > _EXIT_CODES_MAX:
            yield too_many(f"{place}.values", len(values), _EXIT_CODES_MAX)


def _init_problems(container: JSONObject, path: str, grace_s: int) -> Problems:
    """What comes to an end before the others start has no probes, unless it goes on beside them."""
    if container.get("restartPolicy") == "Always":
        yield from _handler_problems(container, path, grace_s)
        return
    for key in ("lifecycle", *_PROBES):
        if key in container:
            rule = "may not be set for init containers without restartPolicy=Always"
            yield FieldProblem.forbidden(f"{path}.{key}", rule)
    for field, entry in indexed(container, "resizePolicy", path):
        if entry.get("restartPolicy") == "RestartContainer":
            rule = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            yield FieldProblem.invalid(f"{field}.restartPolicy", "RestartContainer", rule)


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


def _host_port_problems(containers: list[JSONObject], path: str, first: int = 0) -> Problems:
    taken: set[str] = set()
    for position, container in enumerate(containers, first):
        for field, item in indexed(container, "ports", f"{path}[{position}]"):
            host_port = number(item, "hostPort")
            if host_port:
                place = f"{text(item, 'protocol')}/{text(item, 'hostIP')}/{host_port}"
                if place in taken:
                    yield duplicate(f"{field}.hostPort", place)
                taken.add(place)


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
            probe_grace_s = number(probe, "terminationGracePeriodSeconds")
            if probe_grace_s is not None and probe_grace_s <= 0:
                yield FieldProblem.invalid(f"{field}.terminationGracePeriodSeconds", probe_grace_s, POSITIVE)
            if probe_grace_s is not None and key == "readinessProbe":
                rule = "must not be set for readinessProbes"
                yield FieldProblem.invalid(f"{field}.terminationGracePeriodSeconds", probe_grace_s, rule)
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
            for header in items(action, "httpHeaders"):
                if not _HEADER.fullmatch(text(header, "name")):
                    yield FieldProblem.invalid(f"{path}.httpHeaders", text(header, "name"), _HEADER_RULE)
        case "tcpSocket":
            yield from port(action.get("port"), f"{path}.port")
        case "grpc":
            yield from port_number(number(action, "port") or 0, f"{path}.port")
        case _:
            seconds = number(action, "seconds") or 0
            if not 0 <= seconds <= grace_s:
                rule = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
                yield FieldProblem.invalid(path, seconds, rule)
