"""Which objects of a resource an informer is about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeprims.meta import GroupVersionResource
from kubeprims.selectors import LabelSelector
from kubeprims.sharding import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an informer was asked to follow, its namespaces apart.

    Attributes:
        resource: The resource.
        label_selector: Only objects with such labels; empty: any.
        field_selector: Only objects with such fields; empty: any.
        shard: Only this part of the objects; None: all.
        metadata_only: Of each object, nothing but its metadata.
    """

    resource: GroupVersionResource
    label_selector: str = ""
    field_selector: str = ""
    shard: Shard | None = None
    metadata_only: bool = False

    @property
    def is_selective(self) -> bool:
        """Whether some objects may be none of them."""
        return bool(self.label_selector or self.field_selector or self.shard)

    def selects(self, namespace: str, labels: Mapping[str, str], uid: str) -> bool:
        """Return whether an object is certainly one of them: what depends on its fields never is."""
        if self.field_selector or not LabelSelector.parse(self.label_selector).matches(labels):
            return False
        return self.shard is None or self.shard.covers(uid=uid, namespace=namespace)
