"""Discovery documents, and names found in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client.resources import (
    APIResource,
    Catalog,
    check_resource_name,
    parse_aggregated,
    parse_core_versions,
    parse_groups,
    parse_resource_list,
    parse_stale,
)
from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionKind, GroupVersionResource, JSONObject
from tests.client.fake import CORE, REST, aggregated, served
from tests.client.test_status import json_values


def catalog(*documents: JSONObject) -> Catalog:
    return Catalog(tuple(resource for document in documents for resource in parse_aggregated(document)))


EVENTS = aggregated(("", "v1", [served("events", "Event", short_names=["ev"])]))
MORE = aggregated(
    ("events.k8s.io", "v1", [served("events", "Event", short_names=["ev"])]),
    ("autoscaling", "v2", [served("scalers", "Scaler", short_names=["sc"])]),
    ("autoscaling", "v1", [served("scalers", "Scaler", short_names=["sc"])]),
    ("v1.example.com", "v2", [served("things", "Thing")]),
    ("example.com", "v1", [served("things", "Thing"), served("sc", "Sc")]),
)


@pytest.mark.parametrize(
    ("name", "gvr"),
    [
        ("pods", "v1/pods"),
        ("pod", "v1/pods"),
        ("Pod", "v1/pods"),
        ("PODS", "v1/pods"),
        ("po", "v1/pods"),
        ("nodes", "v1/nodes"),
        ("pods.v1.", "v1/pods"),
        ("pods.", "v1/pods"),
        ("deploy", "apps/v1/deployments"),
        ("deployments.apps", "apps/v1/deployments"),
        ("Deployment.apps", "apps/v1/deployments"),
        ("deploy.apps", "apps/v1/deployments"),
        ("deployments.v1.apps", "apps/v1/deployments"),
        ("widgets.v1.example.com", "example.com/v1/widgets"),
        ("widgets.example.com", "example.com/v1/widgets"),
        # The core group, the first one listed, is preferred; and of a group the first version.
        ("events", "v1/events"),
        ("ev", "v1/events"),
        ("events.events.k8s.io", "events.k8s.io/v1/events"),
        ("scalers", "autoscaling/v2/scalers"),
        ("scalers.v1.autoscaling", "autoscaling/v1/scalers"),
        ("scalers.autoscaling", "autoscaling/v2/scalers"),
        # A version and a group, rather than a group that looks like it.
        ("things.v1.example.com", "example.com/v1/things"),
        ("things.v2.v1.example.com", "v1.example.com/v2/things"),
        # Somebody's own name counts before another one's short name.
        ("sc", "example.com/v1/sc"),
    ],
)
def test_a_name_finds_the_resource_that_kubectl_would_find(name: str, gvr: str) -> None:
    found = catalog(CORE, EVENTS, REST, MORE).find(name)
    assert found is not None
    assert str(found.gvr) == gvr


@pytest.mark.parametrize(
    "name", ["wombats", "pods.apps", "deployments.v2.apps", "pods.v2.", "p", "deployments.v1", "deploy.v1.other"]
)
def test_a_name_of_nothing_finds_nothing(name: str) -> None:
    assert catalog(CORE, REST).find(name) is None


@pytest.mark.parametrize("name", ["", ".", "a b", "-a", "a/b", "pods?", "pod\n", "ä"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="a resource is named as"):
        check_resource_name(name)
    with pytest.raises(InvalidArgument):
        Catalog().find(name)


def test_a_resource_is_found_by_group_version_and_name() -> None:
    found = catalog(CORE, REST).get(GroupVersionResource("apps", "v1", "deployments"))
    assert found is not None
    assert found.gvk == GroupVersionKind("apps", "v1", "Deployment")
    assert catalog(CORE, REST).get(GroupVersionResource("apps", "v2", "deployments")) is None


def test_the_aggregated_form_says_all_about_a_resource() -> None:
    pods, nodes = parse_aggregated(CORE)
    assert pods == APIResource(
        gvr=GroupVersionResource("", "v1", "pods"),
        kind="Pod",
        singular="pod",
        namespaced=True,
        verbs=("get", "list"),
        short_names=("po",),
        subresources=("status",),
    )
    assert not nodes.namespaced


def test_groups_that_the_server_could_not_ask_about_are_named() -> None:
    document = aggregated(("metrics.k8s.io", "v1", []), ("apps", "v1", []))
    document["items"][0]["versions"][0]["freshness"] = "Stale"  # type: ignore[index,call-overload]
    assert list(parse_stale(document)) == ["metrics.k8s.io/v1"]


def test_the_old_form_says_the_same() -> None:
    document: JSONObject = {
        "groupVersion": "apps/v1",
        "resources": [
            {
                "name": "deployments",
                "singularName": "deployment",
                "namespaced": True,
                "kind": "Deployment",
                "verbs": ["get"],
                "shortNames": ["deploy"],
                "categories": ["all"],
            },
            {"name": "deployments/status", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
            {"name": "deployments/scale", "kind": "Scale", "namespaced": True, "verbs": ["get"]},
        ],
    }
    (deployments,) = parse_resource_list(document)
    assert deployments == APIResource(
        gvr=GroupVersionResource("apps", "v1", "deployments"),
        kind="Deployment",
        singular="deployment",
        namespaced=True,
        verbs=("get",),
        short_names=("deploy",),
        categories=("all",),
        subresources=("status", "scale"),
    )
    assert parse_core_versions({"versions": ["v1"]}) == ["v1"]


def test_the_preferred_version_of_a_group_comes_first_and_the_groups_in_their_order() -> None:
    document: JSONObject = {
        "groups": [
            {
                "name": "b",
                "versions": [{"groupVersion": "b/v1"}, {"groupVersion": "b/v2"}, {"groupVersion": "b/v3"}],
                "preferredVersion": {"groupVersion": "b/v2"},
            },
            {"name": "a", "versions": [{"groupVersion": "a/v1"}, {}]},
        ]
    }
    assert list(parse_groups(document)) == ["b/v2", "b/v1", "b/v3", "a/v1"]


@given(st.dictionaries(st.sampled_from(["items", "groups", "versions", "resources", "groupVersion"]), json_values))
def test_no_document_however_odd_is_a_traceback(document: JSONObject) -> None:
    for parse in (parse_aggregated, parse_stale, parse_core_versions, parse_groups, parse_resource_list):
        list(parse(document))


def test_odd_entries_are_skipped_and_hide_nothing() -> None:
    document: JSONObject = {"items": [7, {"versions": "x"}, {"versions": [None, {"resources": [1]}]}]}
    items = document["items"]
    assert isinstance(items, list)
    assert isinstance(CORE["items"], list)
    items += CORE["items"]
    assert [str(resource.gvr) for resource in parse_aggregated(document)] == ["v1/pods", "v1/nodes"]
