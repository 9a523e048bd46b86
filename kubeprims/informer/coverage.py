"""What an informer's cache has to show, and how far it has come: what it does not have need not be gone."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.scope import Scope
from kubeprims.meta import GroupVersionResource


class Coverage:
    """What a cache is about; of an informer that was not told, nothing is certain.

    Concurrency:
        Every method may be called from any thread; none waits.
    """

    def __init__(self, scope: Scope | None, pipeline: Pipeline) -> None:
        self._scope = scope
        self._pipeline = pipeline

    @property
    def resource(self) -> GroupVersionResource | None:
        """The resource; None if the informer was not told."""
        return None if self._scope is None else self._scope.resource

    @property
    def is_metadata_only(self) -> bool:
        """Whether the cache has no more of an object than its metadata."""
        return self._scope is not None and self._scope.metadata_only

    def follows(self, namespace: str) -> bool:
        """Return whether objects of a namespace are in the cache, as far as they are selected."""
        return self._pipeline.follows(namespace)

    def covers(self, namespace: str, labels: Mapping[str, str], uid: str) -> bool:
        """Return whether the cache has to show an object, now or soon; False if that cannot be told.

        Args:
            namespace: The object's namespace; empty if it is cluster-scoped.
            labels: The object's labels.
            uid: The object's uid.
        """
        scope = self._scope
        return scope is not None and self.follows(namespace) and scope.selects(namespace, labels, uid)

    def knows_all_of(self, namespace: str) -> bool:
        """Return whether what the cache does not have of a namespace does not exist, or is about to come."""
        scope = self._scope
        return scope is not None and not scope.is_selective and self._pipeline.has_listed_in(namespace)

    def has_reached(self, resource_version: str, *, namespace: str | None = None) -> bool:
        """Return whether the cache is at least as new as a version; False if they cannot be compared.

        Args:
            resource_version: The version.
            namespace: Ask of what is in this namespace alone.
        """
        return self._pipeline.has_reached(resource_version, namespace)
