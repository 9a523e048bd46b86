"""Defaults and rules that a single write of a minimal object does not show."""

from __future__ import annotations

import pytest

from kubeprims.errors import Invalid
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaults import with_kind_defaults
from kubeprims.testing.apiserver.kinds import PODS, Kind
from tests.testing.apiserver.backends import Server, part
from tests.testing.apiserver.given_objects import GIVEN, pod

CLAIMS = "v1/persistentvolumeclaims"


@pytest.mark.parametrize(
    ("status", "completed"),
    [
        ({"podIP": "1.2.3.4"}, {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}]}),
        ({"podIPs": [{"ip": "1.2.3.4"}]}, {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}]}),
        ({"podIP": "1.2.3.4", "podIPs": [{"ip": "5.6.7.8"}]}, {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}]}),
        ({}, {}),
    ],
)
def test_the_addresses_of_a_pod_agree(status: JSONObject, completed: JSONObject) -> None:
    assert with_kind_defaults({"metadata": {}, "status": status}, PODS)["status"] == completed


def test_a_pod_has_at_least_a_second() -> None:
    completed = with_kind_defaults({"metadata": {}, **pod(terminationGracePeriodSeconds=-5)}, PODS)
    assert part(completed, "spec", "terminationGracePeriodSeconds") == 1


def test_custom_objects_have_no_built_in_defaults() -> None:
    widget: JSONObject = {"metadata": {}, "spec": None}
    assert with_kind_defaults(widget, Kind(group="example.com", resource="w", kind="W", custom=True)) is widget


def test_a_bound_claim_can_grow_and_not_shrink() -> None:
    server = Server()
    growing: JSONObject = {"metadata": {"name": "sc"}, "provisioner": "x", "allowVolumeExpansion": True}
    server.create("storage.k8s.io/v1/storageclasses", growing)
    spec = GIVEN["claim"][1]["spec"]
    assert isinstance(spec, dict)
    server.create(CLAIMS, {"metadata": {"name": "c"}, "spec": {**spec, "storageClassName": "sc"}})
    server.patch(CLAIMS, "c", {"spec": {"volumeName": "v"}})
    bound: JSONObject = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    server.patch(CLAIMS, "c", {"status": bound}, subresource="status")
    server.patch(CLAIMS, "c", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    with pytest.raises(Invalid, match=r"spec\.resources\.requests\.storage: Forbidden"):
        server.patch(CLAIMS, "c", {"spec": {"resources": {"requests": {"storage": "1Gi"}}}})
