"""Which lock a controller is under while it moves from one component to another. Pure.

While a fleet is upgraded, both components run it, in turns: under a lock of its own that both know, which is contended
for beside each one's main lock. ``ControllerManager(gates={"migration": gate})`` and
``Controller(election="migration")`` do the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from kubeprims.errors import ConfigError

MIGRATION_LOCK = "cloud-provider-extraction-migration"
"""The name of the lock in Kubernetes' own migration."""

ANY_COMPONENT = "*"


class Ownership(Enum):
    """Under which lock a component runs a controller."""

    MAIN = "main lock"
    MIGRATION = "migration lock"
    ELSEWHERE = "not run"


class LeaderMigration:
    """The controllers that move, and who owns each.

    Source:
        k8s.io/controller-manager pkg/leadermigration/filter.go, ``LeaderMigrator.FilterFunc``.
    """

    def __init__(self, component: str, owners: Mapping[str, str]) -> None:
        """Say who owns what.

        Args:
            component: The name of this component, such as ``kube-controller-manager``.
            owners: The component of each controller that moves; ``*``: any component that runs it.

        Raises:
            ConfigError: The component has no name.
        """
        if not component or component == ANY_COMPONENT:
            raise ConfigError(f"must name one component, not {component!r}", field="component")
        self._component = component
        self._owners = dict(owners)

    def ownership(self, controller: str) -> Ownership:
        """Return under which lock this component runs a controller, if it does."""
        owner = self._owners.get(controller)
        if owner is None:
            return Ownership.MAIN
        return Ownership.MIGRATION if owner in {self._component, ANY_COMPONENT} else Ownership.ELSEWHERE
