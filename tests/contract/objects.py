"""The objects that scripts send."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue


def config_map(name: str, *, labels: Mapping[str, str] | None = None, **data: str) -> JSONObject:
    metadata: JSONObject = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    obj: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return obj | ({"data": dict(data)} if data else {})


def pod(name: str, *, labels: Mapping[str, str] | None = None, **spec: JSONValue) -> JSONObject:
    metadata: JSONObject = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    containers: list[JSONValue] = [{"name": "main", "image": "nginx:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def deployment(name: str, *, replicas: int | None = None, image: str = "nginx:1") -> JSONObject:
    spec: JSONObject = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def definition(
    exchange_namespace: str, kind: str = "Widget", *, scope: str = "Namespaced", versions: list[JSONValue] | None = None
) -> JSONObject:
    """Return a CustomResourceDefinition in a group that only one test uses."""
    group, singular = group_of(exchange_namespace), kind.lower()
    names: JSONObject = {"plural": f"{singular}s", "singular": singular, "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": versions or [version("v1")]},
    }


def group_of(exchange_namespace: str) -> str:
    """Return the API group of a test's own."""
    return f"{exchange_namespace}.example.com"


def version(
    name: str, schema: JSONObject | None = None, *, served: bool = True, storage: bool = True, **more: JSONValue
) -> JSONObject:
    """Return one version of a definition; without a schema, one that keeps everything."""
    kept: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": schema or kept}, **more}


def widget(exchange_namespace: str, name: str, version: str = "v1", **fields: JSONValue) -> JSONObject:
    """Return an object of the definition of that test."""
    api_version = f"{group_of(exchange_namespace)}/{version}"
    return {"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name}, **fields}
