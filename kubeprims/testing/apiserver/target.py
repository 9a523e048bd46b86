"""What a write is about."""

from __future__ import annotations

from dataclasses import dataclass

from kubeprims.testing.apiserver.kinds import Kind


@dataclass(frozen=True, slots=True)
class Target:
    """What a write is about.

    Attributes:
        kind: The kind.
        namespace: The namespace; empty for a cluster-scoped kind.
        name: The name; empty where the object brings it.
        subresource: The subresource; empty for the object itself.
    """

    kind: Kind
    namespace: str
    name: str = ""
    subresource: str = ""
