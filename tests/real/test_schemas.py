"""What the embedded server knows of schemas is what a real one says, and does."""

from __future__ import annotations

import json
import pathlib
from typing import cast

import pytest

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.built_in_schemas import built_in_definitions
from tests.real.cluster import RealCluster
from tests.real.dump_schemas import definitions
from tests.waiting import eventually

_RECORDED = pathlib.Path(__file__).parents[1] / "testing" / "apiserver"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WAIT_S = 20.0


def test_the_schemas_of_built_in_kinds_are_those_of_the_server(real_cluster: RealCluster) -> None:
    found = definitions(real_cluster)
    assert found.keys() == built_in_definitions().keys()
    for name, definition in found.items():
        assert definition == built_in_definitions()[name], name


def _problems(code: int, answer: JSONObject) -> list[list[str]]:
    if code != 422:
        return []
    details = cast("JSONObject", answer["details"])
    causes = cast("list[dict[str, str]]", details["causes"])
    return sorted([cause["field"], cause["reason"], cause["message"]] for cause in causes)


def test_values_are_judged_as_it_was_recorded(real_cluster: RealCluster) -> None:
    recorded = json.loads((_RECORDED / "custom_values.json").read_text())
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": recorded["schema"]}}
    definition: JSONObject = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "values.recorded.example.com"},
        "spec": {
            "group": "recorded.example.com",
            "scope": "Cluster",
            "names": {"plural": "values", "kind": "Value"},
            "versions": [version],
        },
    }
    code, answer = real_cluster.request("POST", _DEFINITIONS, definition)
    assert code == 201, answer
    path = "/apis/recorded.example.com/v1/values"
    try:
        eventually(lambda: real_cluster.request("GET", path)[0] == 200, _WAIT_S, "the custom kind")
        for value in recorded["values"]:
            named = {"apiVersion": "recorded.example.com/v1", "kind": "Value", "metadata": {"name": "a"}}
            code, answer = real_cluster.request("POST", f"{path}?dryRun=All", {**named, **value["given"]})
            assert _problems(code, answer) == value.get("problems", []), value
            if "stored" in value:
                assert answer["spec"] == value["stored"]["spec"]
    finally:
        real_cluster.request("DELETE", f"{_DEFINITIONS}/values.recorded.example.com")


@pytest.mark.parametrize(
    "recorded",
    json.loads((_RECORDED / "definitions.json").read_text()),
    ids=lambda recorded: recorded["name"],
)
def test_definitions_are_judged_as_it_was_recorded(real_cluster: RealCluster, recorded: JSONObject) -> None:
    definition = cast("JSONObject", recorded["definition"])
    code, answer = real_cluster.request("POST", f"{_DEFINITIONS}?dryRun=All", definition)
    assert _problems(code, answer) == recorded["problems"]
