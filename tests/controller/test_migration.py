"""LeaderMigration: each controller under the lock that its migration says."""

from __future__ import annotations

import pytest

from kubeprims.controller.migration import LeaderMigration, Ownership
from kubeprims.errors import ConfigError
from tests.parity import case

OWNERS = {"route": "kube-controller-manager", "service": "*", "node": "cloud-controller-manager"}


@case("LE-MIG1")
@pytest.mark.parametrize(
    ("controller", "expected"),
    [
        ("deployment", Ownership.MAIN),
        ("route", Ownership.MIGRATION),
        ("service", Ownership.MIGRATION),
        ("node", Ownership.ELSEWHERE),
    ],
)
def test_a_controller_is_under_the_main_lock_the_migration_lock_or_not_run(
    controller: str, expected: Ownership
) -> None:
    assert LeaderMigration("kube-controller-manager", OWNERS).ownership(controller) is expected


@pytest.mark.parametrize("component", ["", "*"])
def test_a_component_has_a_name(component: str) -> None:
    with pytest.raises(ConfigError, match="component"):
        LeaderMigration(component, OWNERS)
