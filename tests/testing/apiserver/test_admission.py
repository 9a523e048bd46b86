"""Admission, where the contract with a real server does not reach: many writers at once, and rarer rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from kubeprims.errors import Forbidden
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.admission_classes import with_runtime
from kubeprims.testing.apiserver.admission_quotas import charged_quotas
from kubeprims.testing.apiserver.admission_usage import evaluator_of
from kubeprims.testing.apiserver.kinds import PERSISTENT_VOLUME_CLAIMS, PODS
from tests.testing.apiserver.backends import Server, part

PODS_PATH = "v1/pods"
QUOTAS = "v1/resourcequotas"


def quota(hard: JSONObject, **spec: JSONValue) -> JSONObject:
    return {
        "metadata": {"name": "quota", "namespace": "default"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": dict.fromkeys(hard, "0")},
    }


def used(quotas: list[JSONObject]) -> JSONValue:
    return part(quotas[0], "status", "used") if quotas else None


def pod(name: str, **spec: JSONValue) -> JSONObject:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "a"}], **spec}}


def test_a_quota_is_not_exceeded_by_many_at_once() -> None:
    server = Server()
    server.backend.create_many(server.kind(QUOTAS), [quota({"pods": "5"})])

    def is_created(number: int) -> bool:
        try:
            server.create(PODS_PATH, pod(f"pod-{number}"))
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(4) as writers:
        assert sum(writers.map(is_created, range(12))) == 5
    assert len(server.backend.list(server.kind(PODS_PATH), "default").items) == 5
    assert part(server.get(QUOTAS, "quota"), "status", "used") == {"pods": "5"}


def test_a_finished_pod_counts_as_an_object_alone() -> None:
    evaluator = evaluator_of(PODS)
    assert evaluator is not None
    finished = pod("a") | {"status": {"phase": "Succeeded"}}
    assert used(charged_quotas([quota({"pods": "1", "count/pods": "2"})], evaluator, finished, None)) == {
        "pods": "0",
        "count/pods": "1",
    }


@pytest.mark.parametrize(
    ("operator", "values", "counted"),
    [("In", ["gold"], "2"), ("In", ["tin"], None), ("NotIn", ["gold"], "2"), ("DoesNotExist", [], None)],
)
def test_claims_have_the_scope_of_their_attributes(operator: str, values: list[JSONValue], counted: str | None) -> None:
    evaluator = evaluator_of(PERSISTENT_VOLUME_CLAIMS)
    assert evaluator is not None
    claim: JSONObject = {
        "metadata": {"name": "a"},
        "spec": {"volumeAttributesClassName": "gold", "resources": {"requests": {"storage": "1500m"}}},
        "status": {"currentVolumeAttributesClassName": "silver"},
    }
    requirement: JSONObject = {"scopeName": "VolumeAttributesClass", "operator": operator, "values": values}
    scoped = quota({"requests.storage": "1Gi"}, scopeSelector={"matchExpressions": [requirement]})
    assert used(charged_quotas([scoped], evaluator, claim, None)) == (
        {"requests.storage": counted} if counted else None
    )


def test_tolerations_that_others_cover_are_dropped() -> None:
    wide: JSONObject = {"key": "a", "operator": "Exists"}
    narrow: JSONObject = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}
    short: JSONObject = {"key": "c", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    longer: JSONObject = short | {"tolerationSeconds": 9}
    runtime: JSONObject = {"scheduling": {"tolerations": [wide, longer, narrow]}}
    merged = with_runtime(pod("a", runtimeClassName="x", tolerations=[narrow, short]), runtime)
    tolerations = cast("list[JSONObject]", part(merged, "spec", "tolerations"))
    assert [found for found in tolerations if found.get("key") in {"a", "c"}] == [wide, longer]


def test_what_is_created_in_bulk_is_neither_counted_nor_refused() -> None:
    server = Server()
    server.backend.create_many(server.kind(QUOTAS), [quota({"pods": "0"})])
    server.backend.create_many(server.kind(PODS_PATH), [pod("a", priorityClassName="none")])
    assert part(server.get(QUOTAS, "quota"), "status", "used") == {"pods": "0"}
