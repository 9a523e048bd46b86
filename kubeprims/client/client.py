"""The door to an API server."""

from __future__ import annotations

import os
import re
from types import TracebackType
from typing import Protocol, Self

from kubeprims.client.api import API
from kubeprims.client.bodies import ObjectBody
from kubeprims.client.discovery import Discovery
from kubeprims.client.options import REQUEST_TIMEOUT_S, NamespaceOption, WriteOptions, check_timeout_s
from kubeprims.client.resource import Resource
from kubeprims.client.target import Target
from kubeprims.client.written import OnWrite, told_both
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionKind, GroupVersionResource
from kubeprims.objects.codec import Codec, default_codec
from kubeprims.threads import Cancel
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import RoundTripper
from kubeprims.transport.rate_limit import RateLimit
from kubeprims.transport.transport import Transport

FIELD_MANAGER = "kubeprims"
"""Who written fields are said to belong to unless told otherwise."""

_FIRST_WORD = re.compile(r"[^\s/]*")


class ClientTransport(RoundTripper, Protocol):
    """What a client needs of a transport; ``kubeprims.transport.Transport`` is the real one."""

    @property
    def config(self) -> TransportConfig:
        """What it was made from."""
        ...

    @property
    def base_url(self) -> str:
        """The server's URL, without credentials."""
        ...

    def with_options(
        self, *, user_agent_suffix: str = "", rate_limit: RateLimit | None = None, own_pool: bool = True
    ) -> ClientTransport:
        """Return another one to the same server, with some options of its own."""
        ...

    def close(self) -> None:
        """Cut every connection."""
        ...


class Client:
    """The API of one server, as resources with verbs.

    A context manager. Nothing is sent before it is needed.

    Attributes:
        transport: What carries the requests.
        namespace: The namespace where none is named: that of the context.
        server: The server's URL, without credentials.
        discovery: What the server serves.

    Concurrency:
        Any number of threads at once.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        transport: ClientTransport,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        field_manager: str = "",
        codec: Codec | None = None,
        clock: Clock | None = None,
        on_write: OnWrite | None = None,
        cancel: Cancel | None = None,
    ) -> None:
        """Speak to the server of ``transport``, which stays the caller's to close.

        Args:
            transport: Carries the requests.
            timeout_s: How long a request may take that does not say, in seconds.
            field_manager: Who written fields are said to belong to; unless given, the first word of the user agent in
                the transport's configuration, or else ``kubeprims``.
            codec: Reads and writes objects; unless given, the fastest one, which leaves managedFields out.
            clock: The clock that deadlines are measured with.
            on_write: Told of each write that the server has accepted.
            cancel: Ends at once, when set, each request that brings no ``cancel`` of its own; later ones are refused.

        Raises:
            InvalidArgument: The time-out is not positive, or the field manager is malformed.
        """
        self.transport = transport
        self.namespace = transport.config.namespace
        self.server = transport.base_url
        self._field_manager = field_manager or _first_word(transport.config.user_agent) or FIELD_MANAGER
        WriteOptions(field_manager=self._field_manager)
        self._api = API(
            transport,
            server=self.server,
            codec=codec or default_codec(),
            clock=clock or SystemClock(),
            timeout_s=timeout_s,
            cancel=cancel,
        )
        self.discovery = Discovery(self._api)
        self._on_write = on_write
        self._owns_transport = False

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        context: str | None = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        field_manager: str = "",
        codec: Codec | None = None,
    ) -> Client:
        """Return a client for the cluster of a kubeconfig, or for the one that this runs in.

        Closing it closes its connections.

        Args:
            path: The kubeconfig; None: ``$KUBECONFIG``, ``~/.kube/config``, or the pod's service account.
            context: Which context of it; None: the current one.
            timeout_s: As for the class.
            field_manager: As for the class.
            codec: As for the class.

        Raises:
            ConfigError: The configuration is missing or malformed; names file, entry, field and rule.
            InvalidArgument: As for the class.
        """
        transport = Transport(TransportConfig.from_config(path, context))
        return cls._made(transport, timeout_s=timeout_s, field_manager=field_manager, codec=codec)

    @classmethod
    def from_kubernetes(
        cls,
        source: object = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        field_manager: str = "",
        codec: Codec | None = None,
    ) -> Client:
        """Return a client with the settings of the ``kubernetes`` package; see ``TransportConfig.from_kubernetes``.

        Closing it closes its connections, and none of the package's.

        Args:
            source: An ``ApiClient`` or a ``Configuration``; None: the default configuration.
            timeout_s: As for the class.
            field_manager: As for the class.
            codec: As for the class.

        Raises:
            ConfigError: A setting breaks a rule, or kubeprims cannot honour it.
            InvalidArgument: As for the class.
        """
        transport = Transport(TransportConfig.from_kubernetes(source))
        return cls._made(transport, timeout_s=timeout_s, field_manager=field_manager, codec=codec)

    @classmethod
    def _made(  # noqa: PLR0913 - what __init__ takes
        cls,
        transport: ClientTransport,
        *,
        timeout_s: float,
        field_manager: str,
        codec: Codec | None,
        clock: Clock | None = None,
        on_write: OnWrite | None = None,
        cancel: Cancel | None = None,
        owns_transport: bool = True,
    ) -> Client:
        """Return a client that closes its transport, unless that is another one's."""
        client = cls(
            transport,
            timeout_s=timeout_s,
            field_manager=field_manager,
            codec=codec,
            clock=clock,
            on_write=on_write,
            cancel=cancel,
        )
        client._owns_transport = owns_transport
        return client

    def with_options(  # noqa: PLR0913 - options, all by keyword
        self,
        *,
        timeout_s: float | None = None,
        user_agent_suffix: str = "",
        rate_limit: RateLimit | None = None,
        field_manager: str = "",
        own_pool: bool = True,
        on_write: OnWrite | None = None,
        cancel: Cancel | None = None,
    ) -> Client:
        """Return a client of the same server, as the same user, that differs in some options.

        It costs nothing of its own: no certificate is loaded again, what discovery told is taken along, and nothing is
        connected before it is used. The caller closes it, which never closes this one; closing this one leaves a client
        with connections of its own alone.

        Args:
            timeout_s: How long a request may take that does not say, in seconds; None: as this one.
            user_agent_suffix: What to add to the user agent, after a slash.
            rate_limit: A limit of its own; None: this one's, together.
            field_manager: Who written fields are said to belong to; unless given, as this one says.
            own_pool: Use connections of its own; else those of this one.
            on_write: Told of each write that the server has accepted, as well as whom this one tells.
            cancel: Ends at once, when set, each request that brings no ``cancel`` of its own, and refuses later ones;
                None: as this one's.

        Raises:
            ConfigError: The suffix is not printable ASCII.
            InvalidArgument: The time-out is not positive, or the field manager is malformed.
            LifecycleError: The transport of this one is closed.
        """
        api = self._api
        timeout_s = api.timeout_s if timeout_s is None else timeout_s
        cancel = api.cancel if cancel is None else cancel
        check_timeout_s(timeout_s)
        transport = self.transport
        differs = own_pool or user_agent_suffix or rate_limit is not None
        if differs:
            transport = transport.with_options(
                user_agent_suffix=user_agent_suffix, rate_limit=rate_limit, own_pool=own_pool
            )
        derived = self._made(
            transport,
            timeout_s=timeout_s,
            field_manager=field_manager or self._field_manager,
            codec=api.codec,
            clock=api.clock,
            on_write=told_both(self._on_write, on_write),
            cancel=cancel,
            owns_transport=bool(differs),
        )
        if differs or (timeout_s, cancel) != (api.timeout_s, api.cancel):
            derived.discovery.take_from(self.discovery)
        else:
            derived.discovery = self.discovery  # it would ask in the same way, so what one of them learns both know
        return derived

    def resource(
        self,
        name: str,
        namespace: NamespaceOption = None,
        *,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Resource:
        """Return a resource.

        ``v1/pods``, ``apps/v1/deployments`` and ``example.com/v1/widgets`` are taken as they are, and nothing is sent.
        Anything else is a name, which discovery looks up: ``pods``, ``pod``, ``po``, ``Pod``, ``deployments.apps``,
        ``widgets.v1.example.com``.

        Args:
            name: The resource.
            namespace: Where to see it from: a namespace; ``ALL_NAMESPACES``; None: that of the context, if the
                resource lives in namespaces.
            timeout_s: How long discovery may take, in seconds; None: the client's time-out.
            cancel: Ends discovery at once when set.

        Raises:
            InvalidArgument: The name or namespace is malformed, or the resource is cluster-scoped and a namespace is
                given.
            UnknownResource: The server has no such resource.
            StatusError: Discovery was refused.
            TransportError: The server did not answer.
        """
        if "/" in name:
            gvr, namespaced = GroupVersionResource.parse(name), None
        else:
            found = self.discovery.find(name, timeout_s=timeout_s, cancel=cancel)
            gvr, namespaced = found.gvr, found.namespaced
        return self._resource(gvr, namespace, namespaced=namespaced)

    def resource_of(
        self,
        obj: ObjectBody,
        namespace: NamespaceOption = None,
        *,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Resource:
        """Return the resource that an object belongs to, by its apiVersion and kind.

        Args:
            obj: The object; its namespace is looked at by the verbs.
            namespace: As for :meth:`resource`.
            timeout_s: As for :meth:`resource`.
            cancel: As for :meth:`resource`.

        Raises:
            InvalidArgument: The object says no apiVersion or no kind; and as :meth:`resource`.
            KubeprimsError: As :meth:`resource`.
        """
        api_version, kind = obj.get("apiVersion"), obj.get("kind")
        if not (isinstance(api_version, str) and isinstance(kind, str) and api_version and kind):
            raise InvalidArgument("an object to be looked up says its apiVersion and its kind")
        found = self.discovery.find_kind(GroupVersionKind.of(api_version, kind), timeout_s=timeout_s, cancel=cancel)
        return self._resource(found.gvr, namespace, namespaced=found.namespaced)

    def _resource(self, gvr: GroupVersionResource, namespace: NamespaceOption, *, namespaced: bool | None) -> Resource:
        target = Target(
            gvr, namespace, default_namespace=self.namespace, discovery=self.discovery, namespaced=namespaced
        )
        return Resource(self._api, target, field_manager=self._field_manager, on_write=self._on_write)

    def close(self) -> None:
        """Refuse every later call, and close the transport if this client made it."""
        self._api.close()
        if self._owns_transport:
            self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.server}>"


def _first_word(user_agent: str) -> str:
    found = _FIRST_WORD.match(user_agent)
    return found.group() if found else ""
