"""Pod security, where the contract with a real server does not reach: annotations, and labels nobody has judged."""

from __future__ import annotations

import pytest

from kubeprims.errors import Forbidden, Invalid
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.pod_security_checks import CHECKS, violations
from tests.testing.apiserver.backends import Server, part

NAMESPACES = "v1/namespaces"
PODS = "v1/pods"
ENFORCE = "pod-security.kubernetes.io/enforce"
NEWEST = 37


def test_app_armor_in_annotations() -> None:
    prefix = "container.apparmor.security.beta.kubernetes.io/"
    annotations: JSONObject = {
        f"{prefix}d": "unconfined",
        f"{prefix}a": "odd",
        f"{prefix}b": "runtime/default",
        f"{prefix}c": "localhost/own",
        f"{prefix}e": "",
    }
    pod: JSONObject = {"metadata": {"annotations": annotations}, "spec": {}}
    (violation,) = violations("baseline", NEWEST, pod)
    assert violation.reason == "forbidden AppArmor profiles"
    bad = f'"{prefix}a="odd"", "{prefix}d="unconfined""'
    assert violation.detail == f"annotations must not set AppArmor profile type to {bad}"


def test_a_proc_mount_is_judged_for_those_without_users_of_their_own() -> None:
    unmasked: JSONObject = {"name": "a", "securityContext": {"procMount": "Unmasked"}}
    pod: JSONObject = {"spec": {"containers": [unmasked, {"name": "b", "securityContext": {"procMount": "Default"}}]}}
    for minor in (0, NEWEST):
        assert [str(violation) for violation in violations("baseline", minor, pod)] == [
            'procMount (container "a" must not set securityContext.procMount to "Unmasked")'
        ]


def test_the_lowest_level_forbids_nothing() -> None:
    assert [*violations("privileged", NEWEST, {"spec": {"hostPID": True}})] == []


def test_only_checks_of_the_baseline_are_replaced() -> None:
    baseline = {check.name for check in CHECKS if check.level == "baseline"}
    assert {check.replaces for check in CHECKS if check.replaces} <= baseline


def test_labels_that_cannot_be_bind_strictly_and_stay_until_they_change() -> None:
    server = Server()
    server.put_in(NAMESPACES, {"metadata": {"name": "odd", "labels": {ENFORCE: "strict"}}})
    pod: JSONObject = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "main", "image": "a"}]}}
    with pytest.raises(Forbidden, match='violates PodSecurity "restricted:latest": allowPrivilegeEscalation'):
        server.create(PODS, pod, "odd")
    changed = server.patch(NAMESPACES, "odd", {"metadata": {"labels": {"a": "b"}}})
    assert part(changed, "metadata", "labels", ENFORCE) == "strict"
    with pytest.raises(Invalid, match="must be one of privileged, baseline, restricted"):
        server.patch(NAMESPACES, "odd", {"metadata": {"labels": {ENFORCE: "stricter"}}})
