"""The rules of ingresses and their classes.

Source:
    kubernetes pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

import re

from kubeprims.meta import JSONObject
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import Problems, indexed, is_address, named, one_of, port, subdomain, texts
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_WILDCARD_RULE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    r"regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_CONTROLLER = re.compile(r"[^/]+/.+")


def ingress_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules an ingress breaks."""
    spec = mapping(obj, "spec")
    annotation = mapping(mapping(obj, "metadata"), "annotations").get(_CLASS_ANNOTATION)
    if old is None and annotation is not None and spec.get("ingressClassName") not in (None, annotation):
        broken = "must match `ingressClassName` when both are specified"
        yield FieldProblem.invalid(f"annotations.{_CLASS_ANNOTATION}", annotation, broken)
    if not items(spec, "rules") and "defaultBackend" not in spec:
        yield FieldProblem.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if "defaultBackend" in spec:
        yield from _backend_problems(mapping(spec, "defaultBackend"), "spec.defaultBackend")
    if spec.get("ingressClassName"):
        yield from subdomain(text(spec, "ingressClassName"), "spec.ingressClassName")
    for field, rule in indexed(spec, "rules", "spec"):
        yield from _host_problems(text(rule, "host"), f"{field}.host")
        if "http" in rule:
            http, where = mapping(rule, "http"), f"{field}.http"
            if not items(http, "paths"):
                yield FieldProblem.required(f"{where}.paths", "")
            for place, path in indexed(http, "paths", where):
                yield from _path_problems(path, place)
    yield from _certificate_problems(spec)


def _certificate_problems(spec: JSONObject) -> Problems:
    for field, item in indexed(spec, "tls", "spec"):
        for position, host in enumerate(texts(item, "hosts")):
            where = f"{field}.hosts[{position}]"
            yield from _wildcard_problems(host, where) if "*" in host else subdomain(host, where)
        if item.get("secretName"):
            yield from subdomain(text(item, "secretName"), f"{field}.secretName")


def _wildcard_problems(host: str, field: str) -> Problems:
    if not host.startswith("*.") or dns_subdomain_problems(host[2:]):
        yield FieldProblem.invalid(field, host, _WILDCARD_RULE)


def _host_problems(host: str, field: str) -> Problems:
    if host and is_address(host):
        yield FieldProblem.invalid(field, host, "must be a DNS name, not an IP address")
    elif host.startswith("*"):
        yield from _wildcard_problems(host, field)
    elif host:
        yield from subdomain(host, field)


def _path_problems(path: JSONObject, field: str) -> Problems:
    kind, value = path.get("pathType"), text(path, "path")
    if kind is None:
        yield FieldProblem.required(f"{field}.pathType", "pathType must be specified")
    yield from one_of(path, "pathType", field, _PATH_TYPES)
    if not value.startswith("/") and (kind in {"Exact", "Prefix"} or (value and kind == "ImplementationSpecific")):
        yield FieldProblem.invalid(f"{field}.path", value, "must be an absolute path")
    if kind in {"Exact", "Prefix"}:
        for part in filter(value.__contains__, _NOT_IN_PATHS):
            yield FieldProblem.invalid(f"{field}.path", value, f"must not contain '{part}'")
        for part in filter(value.endswith, ("/..", "/.")):
            yield FieldProblem.invalid(f"{field}.path", value, f"cannot end with '{part}'")
    yield from _backend_problems(mapping(path, "backend"), f"{field}.backend")


def _backend_problems(backend: JSONObject, field: str) -> Problems:
    service = mapping(backend, "service")
    if "service" not in backend and "resource" not in backend:
        yield FieldProblem.invalid(field, "", "resource or service backend is required")
    elif "service" in backend and "resource" in backend:
        yield FieldProblem.invalid(field, "", "cannot set both resource and service backends")
    elif "resource" in backend:
        yield from _reference_problems(mapping(backend, "resource"), f"{field}.resource")
    elif service:
        name, target = text(service, "name"), mapping(service, "port")
        if name:
            yield from named(name, f"{field}.service.name", NameRule.DNS_LABEL)
        else:
            yield FieldProblem.required(f"{field}.service.name", "")
        if target.get("name") and target.get("number"):
            yield FieldProblem.invalid(field, "", "cannot set both port name & port number")
        elif target.get("name") or target.get("number"):
            key = "name" if target.get("name") else "number"
            yield from port(target[key], f"{field}.service.port.{key}")
        else:
            yield FieldProblem.required(field, "port name or number is required")


def _reference_problems(reference: JSONObject, path: str) -> Problems:
    if reference.get("apiGroup") is not None:
        yield from subdomain(text(reference, "apiGroup"), f"{path}.apiGroup")
    for key in ("kind", "name"):
        value = text(reference, key)
        if not value:
            yield FieldProblem.required(f"{path}.{key}", "")
        for character in filter(value.__contains__, "/%"):
            yield FieldProblem.invalid(f"{path}.{key}", value, f"may not contain '{character}'")


def ingress_class_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules an ingress class breaks."""
    controller = text(mapping(obj, "spec"), "controller")
    if not controller:
        yield FieldProblem.required("spec.controller", "")
    elif not _CONTROLLER.fullmatch(controller):
        rule = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield FieldProblem.invalid("spec.controller", controller, rule)
    if old is not None and controller != text(mapping(old, "spec"), "controller"):
        yield FieldProblem.invalid("spec.controller", controller, "field is immutable")
    if "parameters" in mapping(obj, "spec"):
        yield from _parameter_problems(mapping(mapping(obj, "spec"), "parameters"), "spec.parameters")


def _parameter_problems(parameters: JSONObject, path: str) -> Problems:
    scope, namespace, field = text(parameters, "scope"), parameters.get("namespace"), f"{path}.namespace"
    yield from _reference_problems(parameters, path)
    yield from one_of(parameters, "scope", path, ("Cluster", "Namespace"))
    if scope == "Namespace" and namespace is None:
        yield FieldProblem.required(field, "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        yield from named(str(namespace), field, NameRule.DNS_LABEL)
    elif scope == "Cluster" and namespace is not None:
        yield FieldProblem.forbidden(field, "`parameters.scope` is set to 'Cluster'")
