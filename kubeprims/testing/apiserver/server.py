"""The embedded API server, from the outside."""

from __future__ import annotations

import datetime
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.errors import ConfigError, InvalidArgument, LifecycleError
from kubeprims.meta import GroupVersionResource, JSONObject
from kubeprims.testing.apiserver.access_log import AccessLog
from kubeprims.testing.apiserver.auth import Authenticator, User
from kubeprims.testing.apiserver.backend import Backend, BackendOptions, Collected
from kubeprims.testing.apiserver.exchange import Conversation, Server
from kubeprims.testing.apiserver.faults import Faults, FrozenWatches, Match
from kubeprims.testing.apiserver.handlers import API
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.kubeconfig import make_kubeconfig, write_file, write_kubeconfig
from kubeprims.testing.apiserver.listener import Listener
from kubeprims.testing.apiserver.queries import DeleteOptions, parse_list_query
from kubeprims.testing.apiserver.tls import Certificates, ClientCertificate
from kubeprims.testing.apiserver.wire import Wire

# How long a connection may be idle, or take to send a request.
_IDLE_S = 90.0
_STOP_S = 5.0


class _State(Enum):
    NEW = "not started"
    RUNNING = "running"
    DOWN = "crashed"
    STOPPED = "stopped"


class APIServer:
    """A Kubernetes API server in this process: real sockets, real HTTP, storage in memory.

    What it does not support it refuses with an error; it runs no controllers.

    Example::

        with APIServer() as server:
            server.create("v1/pods", {"metadata": {"name": "web-0"}, "spec": {...}}, namespace="default")
            client = kubeprims.Client.from_config(server.write_kubeconfig("kubeconfig"))

    Attributes:
        faults: What is to go wrong; see :mod:`kubeprims.testing.apiserver.faults`.
        requests: The newest requests; see :class:`~kubeprims.testing.apiserver.access_log.AccessLog`.
        backend: The storage below, for what the methods here do not offer.

    Concurrency:
        Every method may be called from any thread. Threads: one accepts, one keeps the time, and one for each
        connection; all of them are joined by :meth:`stop` and :meth:`crash`.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        *,
        tls: bool = False,
        tokens: Mapping[str, User] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        rng: Rng | None = None,
        options: BackendOptions | None = None,
        idle_timeout_s: float = _IDLE_S,
    ) -> None:
        """Make a server; it listens from :meth:`start` on.

        Args:
            tls: Serve TLS with a certificate made for it; needs the extra ``testing``. Clients may then show a
                certificate of :meth:`client_certificate`; the handshake with one that is not valid fails.
            tokens: Bearer tokens and whose they are. None lets everybody in; otherwise every request needs one, or a
                client certificate.
            host: An IP address of this machine, or ``localhost``.
            port: 0 has the system choose one; it stays the same over :meth:`crash` and :meth:`restart`.
            clock: What bookmarks, time-outs, delays and timestamps go by.
            rng: Where uids and generated names come from.
            options: Of the storage.
            idle_timeout_s: How long a connection may be idle, or take to send a request, in seconds.

        Raises:
            ConfigError: TLS without trustme, or a token that cannot be one.
        """
        self._clock: Clock = clock or SystemClock()
        self._host = host
        self._port = port
        self._authenticator = Authenticator(tokens)
        self._certificates = Certificates(host) if tls else None
        self.backend = Backend(clock=self._clock, rng=rng, options=options)
        self.faults = Faults()
        self.requests = AccessLog()
        api = API(self.backend, self._authenticator, lambda: self._address, self._clock)
        self._server = Server(api, self.faults, self.requests, self._clock, idle_timeout_s)
        self._lock = threading.Lock()
        self._state = _State.NEW
        self._listener: Listener | None = None

    # Running.

    def start(self) -> Self:
        """Listen; return the server itself.

        Raises:
            LifecycleError: It was started before.
            ConfigError: The address is not one of this machine, or the port is taken.
        """
        with self._lock:
            self._expect(_State.NEW)
            self._open()
        return self

    def _expect(self, *states: _State) -> None:
        if self._state not in states:
            raise LifecycleError(f"the API server is {self._state.value}")

    def _open(self) -> None:
        self._listener = Listener(
            self._host,
            self._port,
            self._serve,
            tls=None if self._certificates is None else self._certificates.context,
            clock=self._clock,
        )
        self._port = self._listener.port
        self._state = _State.RUNNING

    def _serve(self, wire: Wire, listener: Listener) -> None:
        Conversation(wire, listener, self._server).run()

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Cut every connection, join every thread, and close every descriptor; further calls do nothing.

        Raises:
            StopTimeout: A thread did not end within ``timeout_s`` seconds.
        """
        with self._lock:
            if self._state is _State.RUNNING:
                self._close(timeout_s, reset=False)
            self._state = _State.STOPPED

    def _close(self, timeout_s: float, *, reset: bool) -> None:
        assert self._listener is not None  # running
        listener, self._listener = self._listener, None
        listener.stop(timeout_s=timeout_s, reset=reset)
        self.backend.close_watches()

    def __enter__(self) -> Self:
        if self._state is _State.NEW:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def crash(self, timeout_s: float = _STOP_S) -> None:
        """Go down at once: reset every connection, refuse new ones, and forget the history of watches.

        The storage stays; :meth:`restart` brings it back.

        Raises:
            LifecycleError: It is not running.
            StopTimeout: A thread did not end within ``timeout_s`` seconds.
        """
        with self._lock:
            self._expect(_State.RUNNING)
            self._close(timeout_s, reset=True)
            self._state = _State.DOWN
            self.backend.drop_history()

    def restart(self) -> None:
        """Come back after :meth:`crash`, on the same port and with the same storage; if running, crash first.

        Raises:
            LifecycleError: It was not started, or was stopped.
            ConfigError: Somebody else has taken the port.
        """
        if self._state is _State.RUNNING:
            self.crash()
        with self._lock:
            self._expect(_State.DOWN)
            self._open()

    @property
    def is_running(self) -> bool:
        """Whether it listens."""
        return self._state is _State.RUNNING

    @property
    def connections(self) -> int:
        """How many connections are open."""
        listener = self._listener
        return 0 if listener is None else listener.connections

    # Where it is.

    @property
    def port(self) -> int:
        """The port; 0 before the first start if the system is to choose one."""
        return self._port

    @property
    def _address(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    @property
    def url(self) -> str:
        """The URL that clients need."""
        return f"{'http' if self._certificates is None else 'https'}://{self._address}"

    @property
    def ca_pem(self) -> bytes | None:
        """The certificate authority for clients, in PEM; None without TLS, two after :meth:`prepare_authority`."""
        return None if self._certificates is None else self._certificates.ca_pem

    def rotate_certificates(self, *, new_authority: bool = False) -> None:
        """Show a new certificate from the next handshake on; connections that are open live on.

        Files that were written before stay as they are: :meth:`write_kubeconfig` and :meth:`write_ca` replace them in
        one step each.

        Args:
            new_authority: Have a new authority sign it, the one of :meth:`prepare_authority` if there is one. The one
                before is forgotten: client certificates that it signed are refused from then on.

        Raises:
            ConfigError: The server does not speak TLS.
        """
        self._tls().rotate(new_authority=new_authority)

    def prepare_authority(self) -> None:
        """Make the authority that is to be the next one, so that clients can trust it before it signs.

        From now on :attr:`ca_pem`, and with it every kubeconfig, has both. The server still shows a certificate of the
        old one, and accepts client certificates of either.

        Raises:
            ConfigError: The server does not speak TLS.
        """
        self._tls().prepare_authority()

    def write_ca(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`ca_pem` to a file, in one step, and return its path.

        Raises:
            ConfigError: The server does not speak TLS.
            OSError: The file cannot be written.
        """
        return write_file(path, self._tls().ca_pem)

    def _tls(self) -> Certificates:
        if self._certificates is None:
            raise ConfigError("it has certificates only with tls=True", source="APIServer", field="tls")
        return self._certificates

    def client_certificate(
        self, user: str, *, groups: Sequence[str] = (), expires_at: datetime.datetime | None = None
    ) -> ClientCertificate:
        """Make a client certificate that the server knows a user by, and its key.

        Args:
            user: Becomes the common name.
            groups: Each becomes an organization.
            expires_at: In UTC, if it has no time zone; None is in a far future.

        Raises:
            ConfigError: The server does not speak TLS, or the name or a group cannot stand in a certificate.
        """
        return self._tls().issue_client(user, groups, expires_at)

    def kubeconfig(
        self, *, token: str | None = None, certificate: ClientCertificate | None = None, namespace: str = "default"
    ) -> JSONObject:
        """Return a kubeconfig for this server.

        Args:
            token: The user's bearer token; None takes the first that was configured, if any, unless there is a
                certificate.
            certificate: The user's certificate, of :meth:`client_certificate`.
            namespace: The context's namespace.
        """
        if token is None:
            token = self._authenticator.first_token() if certificate is None else ""
        return make_kubeconfig(self.url, ca_pem=self.ca_pem, certificate=certificate, token=token, namespace=namespace)

    def write_kubeconfig(
        self,
        path: str | os.PathLike[str],
        *,
        token: str | None = None,
        certificate: ClientCertificate | None = None,
        namespace: str = "default",
    ) -> Path:
        """Write :meth:`kubeconfig` to a file that only its owner can read, and return its path.

        Raises:
            OSError: The file cannot be written.
        """
        return write_kubeconfig(path, self.kubeconfig(token=token, certificate=certificate, namespace=namespace))

    def set_tokens(self, tokens: Mapping[str, User] | None) -> None:
        """Take other bearer tokens from now on, as a rotation does.

        Raises:
            ConfigError: A token cannot be one.
        """
        self._authenticator.replace(tokens)

    # What is stored, without a request: no faults, no log, no authentication.

    def _kind(self, resource: str) -> Kind:
        gvr = GroupVersionResource.parse(resource)
        return self.backend.resolve(gvr.group, gvr.version, gvr.resource)

    def get(self, resource: str, name: str, *, namespace: str = "") -> JSONObject:
        """Return an object.

        Args:
            resource: Such as ``v1/pods`` or ``apps/v1/deployments``.
            name: The object's name.
            namespace: Empty for a cluster-scoped object.

        Raises:
            NotFound: There is no such object, or no such resource.
            InvalidArgument: The resource lives in namespaces, and none is named.
        """
        kind = self._kind(resource)
        return _decode(self.backend.get(kind, _namespace(kind, namespace), name))

    def list(self, resource: str, *, namespace: str = "", label_selector: str = "") -> Sequence[JSONObject]:
        """Return the objects of a resource; an empty namespace is all of them.

        Raises:
            NotFound: There is no such resource.
            BadRequest: The selector is not one.
        """
        query = parse_list_query([("labelSelector", label_selector)] if label_selector else [])
        body = _decode(self.backend.list(self._kind(resource), namespace, query).body())
        return cast("Sequence[JSONObject]", body["items"])

    def create(self, resource: str, obj: JSONObject, *, namespace: str = "") -> JSONObject:
        """Create an object, and return it as stored.

        Args:
            resource: Such as ``v1/pods`` or ``apps/v1/deployments``.
            obj: The object.
            namespace: Its namespace, unless the object says it; empty for a cluster-scoped object.

        Raises:
            StatusError: As a request would be answered.
            InvalidArgument: The resource lives in namespaces, and none is named.
        """
        kind = self._kind(resource)
        return _decode(self.backend.create(kind, _namespace(kind, namespace, obj), obj).body)

    def create_many(self, resource: str, objects: Iterable[JSONObject]) -> int:
        """Create many objects fast, and return how many; each names its namespace, and keeps its status.

        Raises:
            StatusError: As a request would be answered; those before it stay.
        """
        return self.backend.create_many(self._kind(resource), objects)

    def update(self, resource: str, obj: JSONObject, *, namespace: str = "", subresource: str = "") -> JSONObject:
        """Replace an object, and return it as stored; ``metadata.name`` says which.

        Raises:
            StatusError: As a request would be answered.
            InvalidArgument: As for :meth:`create`.
        """
        kind, name = self._kind(resource), _own(obj, "name")
        answer = self.backend.update(kind, _namespace(kind, namespace, obj), name, obj, subresource=subresource)
        return _decode(answer.body)

    def patch(
        self, resource: str, name: str, patch: JSONObject, *, namespace: str = "", subresource: str = ""
    ) -> JSONObject:
        """Merge a patch into an object (JSON merge patch), and return it as stored.

        Raises:
            StatusError: As a request would be answered.
            InvalidArgument: As for :meth:`get`.
        """
        kind = self._kind(resource)
        answer = self.backend.patch(
            kind,
            _namespace(kind, namespace),
            name,
            json.dumps(patch).encode(),
            content_type="application/merge-patch+json",
            subresource=subresource,
        )
        return _decode(answer.body)

    def delete(self, resource: str, name: str, *, namespace: str = "", options: DeleteOptions | None = None) -> None:
        """Delete an object; finalizers and grace periods count.

        Raises:
            StatusError: As a request would be answered.
            InvalidArgument: As for :meth:`get`.
        """
        kind = self._kind(resource)
        self.backend.delete(kind, _namespace(kind, namespace), name, options)

    def freeze_watch(self, resource: str = "") -> FrozenWatches:
        """Have the watches of a resource stay open and say nothing, bookmarks included, until they are thawed.

        What has happened meanwhile then comes. Everything else goes on: this is how a cache falls behind.

        Args:
            resource: Such as ``v1/pods``; empty: of all resources.
        """
        return self.faults.freeze_watches(Match(resource=resource))

    def collect_garbage(self) -> Sequence[Collected]:
        """Do what a garbage collector would do by now, and return the objects that are gone, in their order.

        Nothing of this happens by itself: objects whose owners are gone stay until this is called.
        """
        return self.backend.collect_garbage()

    def compact(self, revision: int | None = None) -> None:
        """Forget what was before a version: older lists, continue tokens and watches get 410. None is up to now."""
        self.backend.compact(revision)

    def __repr__(self) -> str:
        return f"<APIServer {self.url} {self._state.value}>"


def _decode(body: bytes) -> JSONObject:
    return cast("JSONObject", json.loads(body))


def _namespace(kind: Kind, namespace: str, obj: JSONObject | None = None) -> str:
    """Return the namespace that an object is in: without one it would not be found, whatever there is.

    Raises:
        InvalidArgument: The kind lives in namespaces, and none is named.
    """
    found = namespace or ("" if obj is None else _own(obj, "namespace"))
    if kind.namespaced and not found:
        raise InvalidArgument(f"{kind.gvr} live in namespaces: say which one")
    return found if kind.namespaced else ""


def _own(obj: JSONObject, field: str) -> str:
    metadata = obj.get("metadata")
    value = metadata.get(field) if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else ""
