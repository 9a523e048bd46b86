"""The rules of the status of pods.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidatePodStatusUpdate``; pkg/api/v1/pod/util.go,
    ``ContainerShouldRestart``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    IMMUTABLE,
    INT32_MAX,
    Problems,
    address,
    duplicate,
    indexed,
    is_address,
    label_key,
    named,
    number,
    one_of,
    present,
    subdomain,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem

_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
_CONTAINERS = {
    "containerStatuses": "containers",
    "initContainerStatuses": "initContainers",
    "ephemeralContainerStatuses": "",  # these are never started again, and claim nothing
}
_UINT32_MAX = 2**32 - 1
_HEALTHS = ("Healthy", "Unhealthy", "Unknown")
_HEALTH_MESSAGE_BYTES_MAX = 1024
_CLAIM = "claim:"
_NOT_NEGATIVE = "must be a non-negative integer"
_CLAIM_RULE = (
    "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when "
    "container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"
)


def pod_status_problems(pod: JSONObject, old: JSONObject) -> Problems:
    """Return which rules a new status of a pod breaks."""
    status, before, spec = mapping(pod, "status"), mapping(old, "status"), mapping(pod, "spec")
    yield from _condition_problems(status)
    yield from _nomination_problems(status, before, spec)
    yield from _generation_problems(status, "status")
    if status.get("qosClass") != before.get("qosClass"):
        yield FieldProblem.invalid("status.qosClass", text(status, "qosClass"), IMMUTABLE)
    yield from _transition_problems(status, before, spec)
    yield from _claim_problems(status, spec)
    if "extendedResourceClaimStatus" in status:
        yield from _extended_claim_problems(mapping(status, "extendedResourceClaimStatus"), spec)
    yield from _address_problems(status, before, "podIPs")
    addresses = items(status, "hostIPs")
    if addresses and text(status, "hostIP") != text(addresses[0], "ip"):
        yield FieldProblem.invalid("status.hostIPs[0].ip", text(addresses[0], "ip"), "must be equal to `hostIP`")
    yield from _address_problems(status, before, "hostIPs")
    for key in _CONTAINERS:
        for field, container in indexed(status, key, "status"):
            yield from _user_problems(mapping(container, "user"), f"{field}.user.linux", spec)
    yield from _allocation_problems(status, spec)


def _condition_problems(status: JSONObject) -> Problems:
    for field, condition in indexed(status, "conditions", "status"):
        yield from _generation_problems(condition, field)
        if text(condition, "type") not in _SYSTEM_CONDITIONS:
            yield from label_key(text(condition, "type"), f"{field}.Type")


def _allocation_problems(status: JSONObject, spec: JSONObject) -> Problems:
    for key, containers in _CONTAINERS.items():
        for field, container in indexed(status, key, "status"):
            if containers:
                yield from _allocated_problems(container, field, _named(spec, containers, container), status)
            elif items(container, "allocatedResourcesStatus"):
                rule = "must not be specified in container status"
                yield FieldProblem.forbidden(f"{field}.allocatedResourcesStatus", rule)


def _named(spec: JSONObject, key: str, status: JSONObject) -> JSONObject | None:
    name = text(status, "name")
    return next((container for container in items(spec, key) if text(container, "name") == name), None)


def _generation_problems(holder: JSONObject, path: str) -> Problems:
    generation = number(holder, "observedGeneration") or 0
    if generation < 0:
        yield FieldProblem.invalid(f"{path}.observedGeneration", generation, _NOT_NEGATIVE)


def _nomination_problems(status: JSONObject, before: JSONObject, spec: JSONObject) -> Problems:
    node, field = text(status, "nominatedNodeName"), "status.nominatedNodeName"
    if not node or node == text(before, "nominatedNodeName"):
        return
    yield from subdomain(node, field)
    if spec.get("nodeName"):
        yield FieldProblem.forbidden(field, "may not be set on pods that are already bound to a node")


def _transition_problems(status: JSONObject, before: JSONObject, spec: JSONObject) -> Problems:
    """What has ended stays so, unless it is to be started again."""
    everything = any(
        rule.get("action") == "RestartAllContainers"
        for key in ("initContainers", "containers")
        for container in items(spec, key)
        for rule in items(container, "restartPolicyRules")
    )
    for key, containers in _CONTAINERS.items():
        alive = {text(new, "name") for new in items(status, key) if "terminated" not in mapping(new, "state")}
        for field, old in indexed(before, key, "status"):
            ended = mapping(old, "state").get("terminated")
            if not isinstance(ended, dict) or text(old, "name") not in alive:
                continue
            if not containers or not (everything or _may_restart(_named(spec, containers, old), spec, ended)):
                yield FieldProblem.forbidden(f"{field}.state", "may not be transitioned to non-terminated state")


def _may_restart(container: JSONObject | None, spec: JSONObject, ended: JSONObject) -> bool:
    if container is None:
        return False
    code = number(ended, "exitCode") or 0
    policy = text(container, "restartPolicy")
    if policy:
        for rule in items(container, "restartPolicyRules"):
            wanted = mapping(rule, "exitCodes")
            codes = wanted.get("values")
            is_listed = isinstance(codes, list) and code in codes
            if (wanted.get("operator") == "In" and is_listed) or (wanted.get("operator") == "NotIn" and not is_listed):
                if rule.get("action") in {"Restart", "RestartAllContainers"}:
                    return True
                break
    match policy or text(spec, "restartPolicy"):
        case "Never":
            return False
        case "OnFailure":
            return code != 0
        case _:
            return True


def _claim_problems(status: JSONObject, spec: JSONObject) -> Problems:
    known, seen = {text(claim, "name") for claim in items(spec, "resourceClaims")}, set[str]()
    for field, claim in indexed(status, "resourceClaimStatuses", "status"):
        name = text(claim, "name")
        if name not in known:
            rule = "must match the name of an entry in `spec.resourceClaims`"
            yield FieldProblem.invalid(f"{field}.name", name, rule)
        if name in seen:
            yield duplicate(f"{field}.name", name)
        seen.add(name)
        if "resourceClaimName" in claim:
            yield from subdomain(text(claim, "resourceClaimName"), f"{field}.resourceClaimName")


def _extended_claim_problems(claim: JSONObject, spec: JSONObject) -> Problems:
    """Which containers have what was claimed for resources that they name as others do."""
    path, where = "status.extendedResourceClaimStatus", "spec.initContainers{0} or spec.containers{0}"
    if not items(claim, "requestMappings"):
        yield FieldProblem.required(f"{path}.requestMappings", "at least one request mapping is required")
    seen: list[JSONObject] = []
    for field, item in indexed(claim, "requestMappings", path):
        container = _named(spec, "containers", _renamed(item)) or _named(spec, "initContainers", _renamed(item))
        resource, request = text(item, "resourceName"), text(item, "requestName")
        if container is None:
            rule = f"must match the name of an entry in {where.format('.name')}"
            yield FieldProblem.invalid(f"{field}.containerName", text(item, "containerName"), rule)
        elif resource not in mapping(mapping(container, "resources"), "requests"):
            rule = f"must match the extended resource name of an entry in {where.format('.resources.requests')}"
            yield FieldProblem.invalid(f"{field}.resourceName", resource, rule)
        yield from named(request, f"{path}.requestName", NameRule.DNS_LABEL)
        if item in seen:
            for key in ("containerName", "resourceName", "requestName"):
                yield duplicate(f"{field}.{key}", text(item, key))
        seen.append(item)
    yield from present(claim, path, "resourceClaimName")
    if claim.get("resourceClaimName"):
        yield from subdomain(text(claim, "resourceClaimName"), f"{path}.resourceClaimName")


def _renamed(item: JSONObject) -> JSONObject:
    return {"name": text(item, "containerName")}


def _address_problems(status: JSONObject, before: JSONObject, key: str) -> Problems:
    """Return what is wrong with the addresses of a pod, or of its node; those that it has had may stay."""
    field = f"status.{key}"
    found = [text(item, "ip") for item in items(status, key)]
    kept = {text(item, "ip") for item in items(before, key)}
    for position, value in enumerate(found):
        if value not in kept:
            yield from address(value, f"{field}[{position}]")
    if len(found) > 1:
        wrong = next((position for position, value in enumerate(found) if not is_address(value)), None)
        if wrong is not None:
            rule = f"failed to check for dual stack with error:invalid IP[{wrong}]: {found[wrong]}"
            yield FieldProblem(field, "InternalError", f"Internal error: {rule}")
        if wrong is not None or {*_families(found)} != {4, 6} or len(found) != 2:  # noqa: PLR2004 - one of each
            shown: list[JSONValue] = [{"IP": value} for value in found]
            yield FieldProblem.invalid(field, shown, "may specify no more than one IP for each IP family")


def _families(addresses: list[str]) -> Iterator[int]:
    for value in addresses:
        yield ipaddress.ip_address(value).version


def _user_problems(user: JSONObject, path: str, spec: JSONObject) -> Problems:
    if "linux" not in user:
        return
    system, linux = text(mapping(spec, "os"), "name") or "linux", mapping(user, "linux")
    if system == "windows":
        yield FieldProblem.forbidden(path, "cannot be set for a windows pod")
        return
    yield from _id_problems(linux.get("uid"), f"{path}.uid", _UINT32_MAX)
    yield from _id_problems(linux.get("gid"), f"{path}.gid", INT32_MAX)
    groups = linux.get("supplementalGroups")
    for position, group in enumerate(groups if isinstance(groups, list) else ()):
        yield from _id_problems(group, f"{path}.supplementalGroups[{position}]", INT32_MAX)


def _id_problems(value: JSONValue, field: str, largest: int) -> Problems:
    if isinstance(value, int) and not 0 <= value <= largest:
        yield FieldProblem.invalid(field, value, f"must be between 0 and {largest}, inclusive")


def _allocated_problems(container: JSONObject, path: str, own: JSONObject | None, status: JSONObject) -> Problems:
    """Return what is wrong with what a container is said to have got, of what it claims."""
    for field, item in indexed(container, "allocatedResourcesStatus", path):
        name = text(item, "name")
        if own is not None and not _claims(own, name, status):
            rule = _CLAIM_RULE if name.startswith(_CLAIM) else "must match one of the container's resource requests"
            yield FieldProblem.invalid(f"{field}.name", name, rule)
        seen: set[str] = set()
        for where, device in indexed(item, "resources", field):
            yield from one_of({"health": text(device, "health")}, "health", where, _HEALTHS)
            if "message" in device:
                yield from _message_problems(text(device, "message"), f"{where}.message")
            device_id = text(device, "resourceID")
            if device_id in seen:
                yield duplicate(f"{where}.resourceID", device_id)
            seen.add(device_id)


def _message_problems(message: str, field: str) -> Problems:
    if not message:
        yield FieldProblem.required(field, "must be non-empty if specified")
    elif len(message.encode()) > _HEALTH_MESSAGE_BYTES_MAX:
        rule = f"Too long: may not be more than {_HEALTH_MESSAGE_BYTES_MAX} bytes"
        yield FieldProblem(field, "FieldValueTooLong", rule)


def _claims(container: JSONObject, name: str, status: JSONObject) -> bool:
    resources = mapping(container, "resources")
    requests = mapping(resources, "requests")
    if not name.startswith(_CLAIM):
        return name in requests
    claimed = name.removeprefix(_CLAIM)
    for claim in items(resources, "claims"):
        request = text(claim, "request")
        if claimed == text(claim, "name") + (f"/{request}" if request else ""):
            return True
    extended = mapping(status, "extendedResourceClaimStatus")
    claim_name, slash, request = claimed.partition("/")
    if not slash or not request or claim_name != text(extended, "resourceClaimName"):
        return False
    return any(
        text(item, "containerName") == text(container, "name")
        and text(item, "requestName") == request
        and parse_quantity(str(requests.get(text(item, "resourceName"), "0"))).value != 0
        for item in items(extended, "requestMappings")
    )
