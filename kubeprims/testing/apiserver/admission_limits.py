"""Limit ranges: what they give to containers that do not say what they need, and what they forbid. Pure.

Source:
    kubernetes plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.pod_resources import COUNTED, Amounts, amounts_of, amounts_together
from kubeprims.testing.apiserver.quantities import parse_quantity

_ANNOTATION = "kubernetes.io/limit-ranger"
_CONTAINERS: Mapping[str, str] = {"containers": "container", "initContainers": "init container"}
_MILLI_MAX = (2**63 - 1) // 1000
_KILO = 1000


def with_limit_defaults(pod: JSONObject, limit_range: JSONObject) -> JSONObject:
    """Return a new pod whose containers have what a range gives them; its metadata is changed to say so."""
    given: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for limit in _limits(limit_range, "Container"):
        given["requests"] |= amounts_of(limit, "defaultRequest")
        given["limits"] |= amounts_of(limit, "default")
    spec, notes = dict(mapping(pod, "spec")), list[str]()
    for key, what in _CONTAINERS.items():
        if key in spec:
            spec[key] = [_completed(container, given, what, notes) for container in items(spec, key)]
    if not notes:
        return pod
    metadata = metadata_of(pod)
    note = f"LimitRanger plugin set: {'; '.join(notes)}"
    metadata["annotations"] = {**mapping(metadata, "annotations"), _ANNOTATION: note}
    return {**pod, "spec": spec}


def _completed(container: JSONObject, given: Mapping[str, Amounts], what: str, notes: list[str]) -> JSONValue:
    resources = dict(mapping(container, "resources"))
    for part, amounts in given.items():
        has = mapping(resources, part)
        missing = sorted(amounts.keys() - has.keys())
        if missing:
            resources[part] = dict[str, JSONValue](sorted({**amounts, **has}.items()))
            notes.append(f"{', '.join(missing)} {part.removesuffix('s')} for {what} {text(container, 'name')}")
    return {**container, "resources": resources}


def pod_limits_broken(pod: JSONObject, limit_range: JSONObject) -> Iterator[str]:
    """Yield what a range has against a pod."""
    spec = mapping(pod, "spec")
    containers = [container for key in _CONTAINERS for container in items(spec, key)]
    for limit in items(mapping(limit_range, "spec"), "limits"):
        match limit.get("type"):
            case "Container":
                for container in containers:
                    resources = mapping(container, "resources")
                    yield from _broken(limit, amounts_of(resources, "requests"), amounts_of(resources, "limits"))
            case "Pod":
                yield from _broken(limit, _of_pod(spec, "requests"), _of_pod(spec, "limits"))
            case _:
                pass


def claim_limits_broken(claim: JSONObject, limit_range: JSONObject) -> Iterator[str]:
    """Yield what a range has against a claim: of storage, only the request counts."""
    requests = amounts_of(mapping(mapping(claim, "spec"), "resources"), "requests")
    for limit in _limits(limit_range, "PersistentVolumeClaim"):
        for name, least in sorted(amounts_of(limit, "min").items()):
            yield from _below(f"minimum {name} usage per PersistentVolumeClaim is {least}", name, least, requests, {})
        for name, most in sorted(amounts_of(limit, "max").items()):
            rule = f"maximum {name} usage per PersistentVolumeClaim is {most}"
            if name not in requests:
                yield f"{rule}.  No request is specified"
            elif _exceeds(requests[name], most):
                yield f"{rule}, but request is {requests[name]}"


def _limits(limit_range: JSONObject, what: str) -> list[JSONObject]:
    return [limit for limit in items(mapping(limit_range, "spec"), "limits") if limit.get("type") == what]


def _of_pod(spec: JSONObject, part: str) -> Amounts:
    own = amounts_of(mapping(spec, "resources"), part)
    return {**amounts_together(spec, part), **{name: own[name] for name in COUNTED if name in own}}


def _broken(limit: JSONObject, requests: Amounts, limits: Amounts) -> Iterator[str]:
    what = text(limit, "type")
    for name, least in sorted(amounts_of(limit, "min").items()):
        yield from _below(f"minimum {name} usage per {what} is {least}", name, least, requests, limits)
    for name, most in sorted(amounts_of(limit, "max").items()):
        rule = f"maximum {name} usage per {what} is {most}"
        if name not in limits:
            yield f"{rule}.  No limit is specified"
        elif _exceeds(limits[name], most):
            yield f"{rule}, but limit is {limits[name]}"
        elif name in requests and _exceeds(requests[name], most):
            yield f"{rule}, but request is {requests[name]}"
    for name, most in sorted(amounts_of(limit, "maxLimitRequestRatio").items()):
        rule = f"{name} max limit to request ratio per {what} is {most}"
        yield from _out_of_proportion(rule, requests.get(name, "0"), limits.get(name, "0"), most)


def _below(rule: str, name: str, least: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    if name not in requests:
        yield f"{rule}.  No request is specified"
    elif _exceeds(least, requests[name]):
        yield f"{rule}, but request is {requests[name]}"
    elif name in limits and _exceeds(least, limits[name]):
        yield f"{rule}, but limit is {limits[name]}"


def _exceeds(amount: str, other: str) -> bool:
    return parse_quantity(amount).value > parse_quantity(other).value


def _out_of_proportion(rule: str, request: str, limit: str, most: str) -> Iterator[str]:
    """Yield what is wrong with the ratio of a limit to a request; as upstream does, in floating point."""
    requested, limited = parse_quantity(request).value, parse_quantity(limit).value
    if not requested:
        yield f"{rule}, but no request is specified or request is 0"
    elif not limited:
        yield f"{rule}, but no limit is specified or limit is 0"
    else:
        ratio = float(limited) / float(requested)
        allowed = parse_quantity(most).value
        in_thousandths = allowed <= _MILLI_MAX
        if (ratio * _KILO if in_thousandths else ratio) > float(allowed * _KILO if in_thousandths else allowed):
            yield f"{rule}, but provided ratio is {ratio:f}"
