"""The rules of what containers, pods and quotas claim.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateResourceRequirements``, ``validatePodResources`` and
    ``validatePodResourceClaims``; pkg/apis/core/helper/helpers.go.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING

from kubeprims.meta import JSONObject
from kubeprims.selectors import label_key_problems
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    NON_NEGATIVE,
    Problems,
    duplicate,
    indexed,
    label_key,
    named,
    subdomain,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.pod_resources import amounts_together, is_claimed_by_pods
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem, quoted

QUOTA_NAMES = frozenset(
    {
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "services",
        "services.nodeports",
        "services.loadbalancers",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
    }
)
"""What quotas limit, besides large pages and what has a name with a prefix."""

STANDARD_NAMES = QUOTA_NAMES | {"storage"}
CONTAINER_NAMES = frozenset({"cpu", "memory", "ephemeral-storage"})
_OF_PODS = ("cpu", "hugepages-", "memory")
_COUNTED_WHOLE = frozenset({"pods", *(name for name in QUOTA_NAMES if name.endswith("s") and "." not in name)}) | {
    "services.nodeports",
    "services.loadbalancers",
}
_LARGE_PAGES = "hugepages-"
_REQUESTS = "requests."

_NameRule = Callable[[str, str], Problems]


def is_native(name: str) -> bool:
    """Return whether a resource is one of Kubernetes' own."""
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    # A quota has to be able to name its requests.
    return not is_native(name) and not name.startswith(_REQUESTS) and not label_key_problems(f"{_REQUESTS}{name}")


def resource_name_problems(name: str, field: str, standard: frozenset[str], what: str) -> Problems:
    """Return what is wrong with the name of a resource, of those that are standard somewhere."""
    yield from any_name_problems(name, field)
    if "/" not in name and name not in standard and not is_large_pages(name):
        yield FieldProblem.invalid(field, name, f"must be a standard resource for {what}")


def any_name_problems(name: str, field: str) -> Problems:
    """Return what is wrong with the name of a resource of any kind."""
    broken = [*label_key(name, field)]
    yield from broken
    if not broken and "/" not in name and name not in STANDARD_NAMES and not is_large_pages(name):
        yield FieldProblem.invalid(field, name, "must be a standard resource type or fully qualified")


def is_large_pages(name: str) -> bool:
    """Return whether a resource is memory in large pages, of some size."""
    return name.startswith((_LARGE_PAGES, _REQUESTS + _LARGE_PAGES))


def container_name_problems(name: str, field: str) -> Problems:
    """Return what is wrong with the name of a resource that containers claim."""
    yield from resource_name_problems(name, field, CONTAINER_NAMES, "containers")
    if not is_native(name) and not _is_extended(name):
        yield FieldProblem.invalid(field, name, "doesn't follow extended resource name standard")


def _pod_name_problems(name: str, field: str) -> Problems:
    broken = [*any_name_problems(name, field)]
    yield from broken
    if not broken and not is_claimed_by_pods(name):
        yield FieldProblem.unsupported(field, name, _OF_PODS)


def amount_problems(name: str, value: str, field: str) -> Problems:
    """Return what is wrong with how much there is of a resource."""
    amount = parse_quantity(value).value
    if amount < 0:
        yield FieldProblem.invalid(field, value, NON_NEGATIVE)
    if amount % 1 and (name in _COUNTED_WHOLE or _is_extended(name)):
        yield FieldProblem.invalid(field, value, "must be an integer")


def container_resource_problems(resources: JSONObject, path: str, claims: frozenset[str]) -> Problems:
    """Return what is wrong with what a container claims, of a pod with these resource claims."""
    return _requirement_problems(resources, path, claims, container_name_problems)


def overhead_problems(overhead: JSONObject, path: str) -> Problems:
    """Return what is wrong with what a pod takes besides its containers: as if it were the limits of one."""
    return _requirement_problems({"limits": overhead}, path, frozenset(), container_name_problems)


def _requirement_problems(
    resources: JSONObject, path: str, claims: frozenset[str], name_problems: _NameRule
) -> Problems:
    limits, requests = mapping(resources, "limits"), mapping(resources, "requests")
    for name, value in sorted(limits.items()):
        field = f"{path}.limits[{name}]"
        yield from name_problems(name, field)
        yield from amount_problems(name, str(value), field)
        yield from _large_page_problems(name, str(value), field)
    for name, value in sorted(requests.items()):
        field = f"{path}.requests[{name}]"
        yield from name_problems(name, field)
        yield from amount_problems(name, str(value), field)
        yield from _limit_problems(name, str(value), limits, path)
        yield from _large_page_problems(name, str(value), field)
    names = {*limits, *requests}
    if any(name.startswith(_LARGE_PAGES) for name in names) and not names & {"cpu", "memory"}:
        yield FieldProblem.forbidden(path, "HugePages require cpu or memory")
    yield from _used_claim_problems(resources, path, claims)


def _limit_problems(name: str, value: str, limits: JSONObject, path: str) -> Problems:
    is_exact = not is_native(name) or name.startswith(_LARGE_PAGES)
    if name not in limits:
        if is_exact:
            yield FieldProblem.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    limit = str(limits[name])
    amount, most = parse_quantity(value).value, parse_quantity(limit).value
    if amount != most and is_exact:
        yield FieldProblem.invalid(f"{path}.requests", value, f"must be equal to {name} limit of {limit}")
    elif amount > most:
        yield FieldProblem.invalid(f"{path}.requests", value, f"must be less than or equal to {name} limit of {limit}")


def _large_page_problems(name: str, value: str, field: str) -> Problems:
    if name.startswith(_LARGE_PAGES) and not _is_made_of_pages(name, value):
        yield FieldProblem.invalid(field, value, f"{value} is not positive integer multiple of {name}")


def _is_made_of_pages(name: str, value: str) -> bool:
    try:
        size = parse_quantity(name.removeprefix(_LARGE_PAGES)).value
    except ValueError:
        return False
    return size > 0 and not size % 1 and not parse_quantity(value).value.to_integral_value(ROUND_CEILING) % size


def _used_claim_problems(resources: JSONObject, path: str, known: frozenset[str]) -> Problems:
    """Which of the pod's resource claims a container uses; one as a whole, or some of its requests."""
    used: set[str] = set()
    for field, claim in indexed(resources, "claims", path):
        name, request = text(claim, "name"), text(claim, "request")
        if not name:
            yield FieldProblem.required(field, "")
            continue
        key = f"{name}/{request}" if request else name
        if name in used:
            yield duplicate(field, name)
        else:
            if request:
                yield from named(request, f"{field}.request", NameRule.DNS_LABEL)
            if key in used:
                yield duplicate(field, key)
            elif not request:
                for _ in filter(lambda other: other.partition("/")[0] == name, used):
                    yield duplicate(field, name)
            used.add(key)
        if name not in known:
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            rule = f"must be one of the names in pod.spec.resourceClaims{listed}"
            yield FieldProblem(field, "FieldValueNotFound", f"Not found: {quoted(name)}: {rule}")


def pod_resource_problems(spec: JSONObject, path: str, claims: frozenset[str]) -> Problems:
    """Return what is wrong with what a pod claims as a whole."""
    if "resources" not in spec:
        return
    own, field = mapping(spec, "resources"), f"{path}.resources"
    if text(mapping(spec, "os"), "name") == "windows":
        yield FieldProblem.forbidden(field, "may not be set for a windows pod")
        return
    if own.get("claims") is not None:
        yield FieldProblem.forbidden(f"{field}.claims", "claims may not be set for Resources at pod-level")
    yield from _requirement_problems(own, field, claims, _pod_name_problems)
    yield from _together_problems(spec, field)
    limits = mapping(own, "limits")
    for position, container in enumerate(items(spec, "containers")):
        for name, value in sorted(mapping(mapping(container, "resources"), "limits").items()):
            if name in limits and _is_more(value, limits[name]):
                rule = f"must be less than or equal to pod limits of {limits[name]}"
                yield FieldProblem.invalid(f"{field}.containers[{position}][{name}].limits", value, rule)


def _together_problems(spec: JSONObject, field: str) -> Problems:
    """The containers may not need more than the whole has; of what may be used beyond its request, not at once."""
    own = mapping(spec, "resources")
    for part in ("requests", "limits"):
        whole = mapping(own, part)
        for name, needed in sorted(amounts_together(spec, part).items()):
            is_judged = part == "requests" or name.startswith(_LARGE_PAGES)
            if is_judged and name in whole and _is_more(needed, whole[name]):
                rule = f"must be greater than or equal to aggregate container {part} of {needed}"
                yield FieldProblem.invalid(f"{field}.{part}[{name}]", whole[name], rule)


def _is_more(value: object, other: object) -> bool:
    return parse_quantity(str(value)).value > parse_quantity(str(other)).value


def claim_names(spec: JSONObject) -> frozenset[str]:
    """Return the names that a pod has for its resource claims."""
    return frozenset(filter(None, (text(claim, "name") for claim in items(spec, "resourceClaims"))))


def resource_claim_problems(spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with the resource claims of a pod."""
    names: set[str] = set()
    for field, claim in indexed(spec, "resourceClaims", path):
        name = text(claim, "name")
        if not name:
            yield FieldProblem.required(f"{field}.name", "")
        elif name in names:
            yield duplicate(f"{field}.name", name)
        else:
            yield from named(name, f"{field}.name", NameRule.DNS_LABEL)
            names.add(name)
        keys = ("resourceClaimName", "resourceClaimTemplateName")
        given = [key for key in keys if key in claim]
        if len(given) != 1:
            shown: JSONObject = {key[:1].upper() + key[1:]: claim.get(key) for key in ("name", *keys)}
            both = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            none = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield FieldProblem.invalid(field, shown, both if given else none)
        for key in given:
            yield from subdomain(text(claim, key), f"{field}.{key}")
