"""Where a resource is: its group, version and name, its namespace, and the paths that follow from them."""

from __future__ import annotations

from kubeprims.client.api import check_name, join_path
from kubeprims.client.discovery import Discovery
from kubeprims.client.options import ALL_NAMESPACES, NamespaceOption
from kubeprims.client.scopes import BUILT_IN
from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionResource
from kubeprims.threads import Cancel


class Target:
    """One resource, seen from one namespace, from all of them, or from that of the context.

    Whether the resource lives in namespaces is asked of discovery only where the answer decides something: never for
    built-in resources, nor where a namespace or all of them were named.

    Attributes:
        gvr: Group, version and resource.
        namespace: What was asked for: a namespace, all of them, or None for that of the context.

    Concurrency:
        Immutable but for what it learns of the scope, so it is safe in any thread.
    """

    __slots__ = ("_default_namespace", "_discovery", "_namespaced", "gvr", "namespace")

    def __init__(
        self,
        gvr: GroupVersionResource,
        namespace: NamespaceOption,
        *,
        default_namespace: str,
        discovery: Discovery,
        namespaced: bool | None = None,
    ) -> None:
        """Make a target.

        Args:
            gvr: Group, version and resource.
            namespace: A namespace, all of them, or None for ``default_namespace``.
            default_namespace: The namespace of the context; may be empty.
            discovery: Is asked for the scope.
            namespaced: The scope, if it is known.

        Raises:
            InvalidArgument: The namespace is malformed, or given for a cluster-scoped resource.
        """
        self.gvr = gvr
        self.namespace = namespace
        self._default_namespace = default_namespace
        self._discovery = discovery
        self._namespaced = namespaced if namespaced is not None else BUILT_IN.get((gvr.group, gvr.resource))
        if isinstance(namespace, str):
            check_name(namespace, what="a namespace")
            self._refuse_namespace(namespace)

    def within(self, namespace: NamespaceOption) -> Target:
        """Return this resource seen from elsewhere.

        Raises:
            InvalidArgument: As for making one.
        """
        return Target(
            self.gvr,
            namespace,
            default_namespace=self._default_namespace,
            discovery=self._discovery,
            namespaced=self._namespaced,
        )

    def is_namespaced(self, *, cancel: Cancel | None = None) -> bool:
        """Return whether the resource's objects live in namespaces; asks discovery if that is not known.

        Raises:
            UnknownResource: The server has no such resource.
            StatusError: The server refused to tell.
            TransportError: The server did not answer.
        """
        if self._namespaced is None:
            self._namespaced = self._discovery.get(self.gvr, cancel=cancel).namespaced
        return self._namespaced

    def list_path(self, *, cancel: Cancel | None = None) -> str:
        """Return the path of the objects to list or watch.

        Raises:
            InvalidArgument: A namespace was given for a cluster-scoped resource, or is needed and not given.
            KubeprimsError: As :meth:`is_namespaced`.
        """
        if self.namespace is ALL_NAMESPACES:
            return self._path("")
        return self.collection_path(cancel=cancel)

    def collection_path(self, own_namespace: str = "", *, cancel: Cancel | None = None) -> str:
        """Return the path of the collection that one object is in.

        Args:
            own_namespace: The namespace that the object itself says; empty if it says none.
            cancel: Ends a look-up of the scope.

        Raises:
            InvalidArgument: The object is in another namespace; a namespace is given for a cluster-scoped resource; or
                one is needed and not given.
            KubeprimsError: As :meth:`is_namespaced`.
        """
        if own_namespace:
            check_name(own_namespace, what="a namespace")
        given = self.namespace if isinstance(self.namespace, str) else ""
        if given and own_namespace and given != own_namespace:
            raise InvalidArgument(f"the object is in the namespace {own_namespace!r}, not in {given!r}")
        namespace = given or own_namespace
        if namespace:
            self._refuse_namespace(namespace)
            return self._path(namespace)
        if not self.is_namespaced(cancel=cancel):
            return self._path("")
        if self.namespace is ALL_NAMESPACES or not self._default_namespace:
            raise InvalidArgument(f"{self.gvr} live in namespaces: say which one")
        return self._path(check_name(self._default_namespace, what="a namespace"))

    def object_path(
        self, name: str, subresource: str = "", own_namespace: str = "", cancel: Cancel | None = None
    ) -> str:
        """Return the path of an object, or of its subresource.

        Raises:
            InvalidArgument: The name or the subresource cannot stand in a URL; and as :meth:`collection_path`.
            KubeprimsError: As :meth:`is_namespaced`.
        """
        segments = [check_name(name)]
        if subresource:
            segments.append(check_name(subresource, what="a subresource"))
        return join_path(self.collection_path(own_namespace, cancel=cancel), *segments)

    def _refuse_namespace(self, namespace: str) -> None:
        """Refuse a namespace if the resource is known to live in none. Asks nobody."""
        if self._namespaced is None:
            known = self._discovery.get_known(self.gvr)
            self._namespaced = None if known is None else known.namespaced
        if self._namespaced is False:
            raise InvalidArgument(f"{self.gvr} are cluster-scoped: they are in no namespace, so not in {namespace!r}")

    def _path(self, namespace: str) -> str:
        base = self.gvr.base_path
        return join_path(base, *(("namespaces", namespace) if namespace else ()), self.gvr.resource)
