"""What a server says it serves.

The embedded server serves a part of what a real one does: :data:`tests.contract.known.NOT_SERVED` names the rest of the
groups that it has, and only that may be missing.
"""

from __future__ import annotations

from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange
from tests.contract.known import GROUPS_SERVED, NOT_SERVED
from tests.contract.objects import definition, group_of, version

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
CORE = ("v1",)


def objects_in(body: JSONObject, key: str) -> list[JSONObject]:
    return cast("list[JSONObject]", body.get(key) or [])


def resource_list(body: JSONObject) -> JSONValue:
    """Return a legacy list of resources, in the order of their names, without what the embedded server leaves out."""
    left_out = NOT_SERVED.get(str(body.get("groupVersion")), frozenset())
    kept = [
        # The hash of how a kind is stored means nothing to anybody but the storage migrator.
        {key: value for key, value in entry.items() if key != "storageVersionHash"}
        for entry in sorted(objects_in(body, "resources"), key=lambda entry: str(entry["name"]))
        if entry["name"] not in left_out
    ]
    return body | {"resources": cast("JSONValue", kept)}


def groups(body: JSONObject) -> JSONValue:
    """Return the groups that the embedded server has, in the order in which they come, in either form."""
    if "items" in body:
        return aggregated(body)
    kept = [entry for entry in objects_in(body, "groups") if entry["name"] in GROUPS_SERVED]
    return body | {"groups": cast("JSONValue", kept)}


def aggregated(body: JSONObject) -> JSONValue:
    """Return the aggregated form, of those groups alone."""
    items = [
        item
        for item in objects_in(body, "items")
        if cast("JSONObject", item["metadata"]).get("name", "") in {"", *GROUPS_SERVED}
    ]
    return body | {"items": [_aggregated_group(item) for item in items]}


def _aggregated_group(item: JSONObject) -> JSONObject:
    group = str(cast("JSONObject", item["metadata"]).get("name", ""))
    versions: list[JSONValue] = []
    for entry in objects_in(item, "versions"):
        left_out = NOT_SERVED.get(f"{group}/{entry['version']}".removeprefix("/"), frozenset())
        resources: list[JSONValue] = []
        for resource in sorted(objects_in(entry, "resources"), key=lambda found: str(found["resource"])):
            if resource["resource"] in left_out:
                continue
            kept = [
                sub
                for sub in objects_in(resource, "subresources")
                if f"{resource['resource']}/{sub['subresource']}" not in left_out
            ]
            kept.sort(key=lambda sub: str(sub["subresource"]))
            main = {key: value for key, value in resource.items() if key != "subresources"}
            resources.append(main | ({"subresources": cast("JSONValue", kept)} if kept else {}))
        versions.append(entry | {"resources": resources})
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def test_versions_and_groups(exchange: Exchange) -> None:
    exchange.get("/api")
    exchange.get("/apis", select=groups)
    for group in sorted(GROUPS_SERVED):
        exchange.get(f"/apis/{group}")
    exchange.get("/api/")
    exchange.get("/apis/apps/")


def test_resources_of_every_version(exchange: Exchange) -> None:
    exchange.get("/api/v1", select=resource_list)
    for group, versions in sorted(GROUPS_SERVED.items()):
        for name in versions:
            exchange.get(f"/apis/{group}/{name}", select=resource_list)


def test_everything_in_two_documents(exchange: Exchange) -> None:
    exchange.get("/api", accept=AGGREGATED, select=aggregated)
    exchange.get("/apis", accept=AGGREGATED, select=aggregated)
    exchange.get("/api", accept=f"{AGGREGATED},application/json", select=aggregated)
    exchange.get("/apis", accept=f"application/json,{AGGREGATED}", select=groups)
    exchange.get(
        "/apis",
        accept="application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json",
        select=groups,
    )


def test_custom_resources_come_and_go(exchange: Exchange) -> None:
    versions: list[JSONValue] = [
        version("v1beta1", storage=False),
        version(
            "v1",
            subresources={"status": {}, "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
        ),
        version("v2alpha1", storage=False, deprecated=True),
        version("v0", storage=False, served=False),
    ]
    new = definition(exchange.namespace, versions=versions)
    spec = cast("JSONObject", new["spec"])
    cast("JSONObject", spec["names"]).update({"shortNames": ["wd"], "categories": ["all"]})
    exchange.define(new)
    group = group_of(exchange.namespace)
    exchange.get(f"/apis/{group}")
    exchange.get(f"/apis/{group}/v1", select=resource_list)
    exchange.get(f"/apis/{group}/v1beta1", select=resource_list)
    exchange.get(f"/apis/{group}/v0")
    exchange.get(f"/apis/{group}/v0/widgets")
    exchange.get(f"/apis/{group}/v2alpha1/widgets")


def test_health_and_version(exchange: Exchange) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/healthz/ping", "/livez/ping"):
        exchange.get(path)
    exchange.get(
        "/version", select=lambda body: {"major": body["major"], "minor": body["minor"], "members": [*sorted(body)]}
    )
