"""What was recorded of built-in kinds is still what a real server answers."""

from __future__ import annotations

from tests.real.cluster import RealCluster
from tests.testing.apiserver.given_objects import GIVEN
from tests.testing.apiserver.invalid_objects import REFUSED
from tests.testing.apiserver.recorded_kinds import given_outcome, recorded, refused_outcome


def test_a_real_server_completes_objects_as_it_did(real_cluster: RealCluster) -> None:
    assert {case: given_outcome(real_cluster.request, case) for case in GIVEN} == recorded()["given"]


def test_a_real_server_refuses_objects_as_it_did(real_cluster: RealCluster) -> None:
    assert {case: refused_outcome(real_cluster.request, case) for case in REFUSED} == recorded()["refused"]
