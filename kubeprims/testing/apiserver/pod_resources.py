"""What a pod claims as a whole, where it says only a part of that: what its containers claim together.

Source:
    kubernetes pkg/api/pod/util.go, ``DefaultPodLevelResources``; component-helpers resource/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.quantities import larger_amount, sum_of_amounts

COUNTED = ("cpu", "memory")
"""What may be claimed more often than there is."""

_LARGE_PAGES = "hugepages-"
_KEPT = ("resources", "priority", "preemptionPolicy")

Amounts = Mapping[str, str]
"""How much of each resource."""


def is_claimed_by_pods(name: str) -> bool:
    """Return whether a pod as a whole may claim a resource, and not only its containers."""
    return name in COUNTED or name.startswith(_LARGE_PAGES)


def with_pod_resources(pod: JSONObject) -> JSONObject:
    """Return a new pod whose own resources are complete; one that has none of its own is returned as it is."""
    spec = mapping(pod, "spec")
    own = mapping(spec, "resources")
    requests, limits = amounts_of(own, "requests"), amounts_of(own, "limits")
    if not requests and not limits:
        return pod
    claimed, allowed = amounts_together(spec, "requests"), amounts_together(spec, "limits")
    large_pages = {name: allowed[name] for name in allowed if name.startswith(_LARGE_PAGES) and name not in requests}
    limits = large_pages | limits
    requests = {name: limits[name] for name in limits if is_claimed_by_pods(name)} | (
        {name: claimed[name] for name in claimed if name in COUNTED} | requests
    )
    limits = {
        name: larger_amount(allowed[name], requests[name])
        for name in requests
        if is_claimed_by_pods(name) and _is_limited_everywhere(spec, name)
    } | limits
    completed: JSONObject = {**own}
    for key, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            completed[key] = dict[str, JSONValue](sorted(amounts.items()))
    return {**pod, "spec": {**spec, "resources": completed}}


def with_kept_values(pod: JSONObject, existing: JSONObject) -> JSONObject:
    """Return a changed pod with the resources of its own and the priority that it had, if its client knows of none."""
    spec, old = mapping(pod, "spec"), mapping(existing, "spec")
    kept: JSONObject = {key: old[key] for key in _KEPT if key in old and key not in spec}
    return {**pod, "spec": {**spec, **kept}} if kept else pod


def _is_limited_everywhere(spec: JSONObject, name: str) -> bool:
    containers = [*items(spec, "initContainers"), *items(spec, "containers")]
    return bool(containers) and all(name in mapping(mapping(item, "resources"), "limits") for item in containers)


def amounts_together(spec: JSONObject, part: str) -> Amounts:
    """Return what the containers of a pod need at most at any time, as far as they say.

    Containers that start one after the other need only as much as the largest of them, besides those that stay.
    """
    running: Amounts = {}
    for container in items(spec, "containers"):
        running = added(running, amounts_of(mapping(container, "resources"), part))
    staying: Amounts = {}
    starting: Amounts = {}
    for container in items(spec, "initContainers"):
        needed: Amounts = amounts_of(mapping(container, "resources"), part)
        if container.get("restartPolicy") == "Always":
            running, staying = added(running, needed), added(staying, needed)
            needed = staying
        else:
            needed = added(needed, staying)
        starting = _largest(starting, needed)
    return _largest(running, starting)


def amounts_of(obj: JSONObject, key: str) -> dict[str, str]:
    """Return the amounts of resources that a member of an object holds, such as ``requests``."""
    return {name: str(amount) for name, amount in mapping(obj, key).items()}


def added(amounts: Amounts, more: Amounts) -> Amounts:
    """Return how much two are together."""
    return {name: sum_of_amounts(amounts.get(name, "0"), more.get(name, "0")) for name in {**amounts, **more}}


def _largest(amounts: Amounts, others: Amounts) -> Amounts:
    return {name: larger_amount(amounts.get(name, "0"), others.get(name, "0")) for name in {**amounts, **others}}
