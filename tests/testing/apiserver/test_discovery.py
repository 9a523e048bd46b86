"""Discovery documents, from the kinds alone."""

from __future__ import annotations

import json

import pytest

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.discovery import aggregated_version, answer, api_resources
from kubeprims.testing.apiserver.kinds import Kind, Subresource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
RESOURCES = api_resources(
    [
        Kind(version="v1", resource="nodes", kind="Node", namespaced=False),
        Kind(
            version="v1",
            resource="pods",
            kind="Pod",
            short_names=("po",),
            categories=("all",),
            subresources=(
                Subresource("status", "Pod"),
                Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
            ),
        ),
        Kind(group="example.com", version="v2", resource="widgets", kind="Widget", verbs=("get", "list"), custom=True),
        Kind(group="example.com", version="v1", resource="widgets", kind="Widget", verbs=("get", "list")),
    ]
)


def document(path: str, accept: str = "application/json") -> JSONObject:
    found = answer(path, accept, RESOURCES, address="127.0.0.1:6443")
    assert found is not None
    value = json.loads(found.body)
    assert isinstance(value, dict)
    return value


def test_the_versions_of_the_core_group() -> None:
    assert document("/api") == document("/api/")
    assert document("/api")["kind"] == "APIVersions"
    assert document("/api")["versions"] == ["v1"]
    assert "127.0.0.1:6443" in json.dumps(document("/api"))


def test_groups_prefer_their_first_version() -> None:
    group = {
        "name": "example.com",
        "versions": [
            {"groupVersion": "example.com/v2", "version": "v2"},
            {"groupVersion": "example.com/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "example.com/v2", "version": "v2"},
    }
    assert document("/apis") == {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}
    assert document("/apis/example.com") == {"kind": "APIGroup", "apiVersion": "v1", **group}


def test_the_resources_of_a_group_and_version() -> None:
    assert document("/api/v1") == {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "nodes",
                "singularName": "node",
                "namespaced": False,
                "kind": "Node",
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            },
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                "shortNames": ["po"],
                "categories": ["all"],
            },
            {
                "name": "pods/status",
                "singularName": "",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ["get", "patch", "update"],
            },
            {
                "name": "pods/eviction",
                "singularName": "",
                "namespaced": True,
                "kind": "Eviction",
                "verbs": ["create"],
                "group": "policy",
                "version": "v1",
            },
        ],
    }
    assert document("/apis/example.com/v1")["groupVersion"] == "example.com/v1"


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_the_aggregated_form_tells_all_in_two_documents(version: str) -> None:
    found = answer("/api", AGGREGATED.format(version), RESOURCES, address="")
    assert found is not None
    assert found.content_type == AGGREGATED.format(version)
    assert dict(found.headers)["vary"] == "Accept"
    core = json.loads(found.body)
    assert core["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    ((nodes, pods),) = (entry["resources"] for entry in core["items"][0]["versions"])
    assert nodes["scope"] == "Cluster"
    assert pods["shortNames"] == ["po"]
    assert pods["responseKind"] == {"group": "", "version": "", "kind": "Pod"}
    assert [sub["subresource"] for sub in pods["subresources"]] == ["status", "eviction"]
    assert pods["subresources"][1]["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    groups = document("/apis", AGGREGATED.format(version))
    assert "widgets" in json.dumps(groups)
    assert "pods" not in json.dumps(groups)
    assert '{"group": "example.com", "version": "v2", "kind": "Widget"}' in json.dumps(groups)


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("", ""),
        ("application/json", ""),
        ("*/*", ""),
        ("text/html", ""),
        (AGGREGATED.format("v9"), ""),
        (AGGREGATED.format("v2"), "v2"),
        (f"application/json, {AGGREGATED.format('v2')}", "v2"),
        (f"application/vnd.kubernetes.protobuf,{AGGREGATED.format('v2beta1')},application/json", "v2beta1"),
        (f"{AGGREGATED.format('v2')},{AGGREGATED.format('v2beta1')},application/json", "v2"),
    ],
)
def test_the_first_aggregated_form_that_is_known_is_what_the_client_gets(accept: str, version: str) -> None:
    assert aggregated_version(accept) == version


def test_version_and_the_index() -> None:
    assert document("/version")["major"] == "1"
    assert "/apis/example.com/v1" in json.dumps(document("/"))


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v2",
        "/apis/nothing",
        "/apis/nothing/v1",
        "/apis/a/b/c",
        "/openapi/v2",
        "/openapi/v3/api/v2",
        "/version/x",
    ],
)
def test_what_is_not_served_has_no_document(path: str) -> None:
    assert answer(path, "", RESOURCES, address="") is None
