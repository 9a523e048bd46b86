"""An API server as a round tripper: canned answers, and what was asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence

from kubeprims.client.api import API
from kubeprims.client.client import Client
from kubeprims.clock import Clock, SystemClock
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import default_codec
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Headers, Request, Response

SERVER = "http://127.0.0.1:1"
JSON = (("Content-Type", "application/json"),)


def response(
    body: JSONObject | bytes | Iterable[bytes] = b"",
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = JSON,
    request: Request | None = None,
) -> Response:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    parts = ([body] if body else []) if isinstance(body, bytes) else body
    method = request.method if request else "GET"
    return Response(
        status,
        headers=Headers(headers),
        body=parts,
        method=method,
        url=SERVER + (request.target if request else "/api"),
    )


Answerer = Callable[[Request], Response]


class FakeServer:
    """Answers each request by a function, and keeps all of them."""

    def __init__(self, answerer: Answerer | None = None, *, namespace: str = "default", user_agent: str = "") -> None:
        self._answerer = answerer or (lambda request: response({"kind": "Status", "status": "Success"}))
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.config = TransportConfig(server=SERVER, namespace=namespace, user_agent=user_agent)
        self.base_url = SERVER
        self.is_closed = False

    def round_trip(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
        return self._answerer(request)

    def close(self) -> None:
        self.is_closed = True

    @property
    def last(self) -> Request:
        return self.requests[-1]

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]

    def client(self) -> Client:
        return Client(self)

    def api(self, clock: Clock | None = None) -> API:
        return API(self, server=SERVER, codec=default_codec(), clock=clock or SystemClock())


def documents(answers: dict[str, JSONObject], *, missing_status: int = 404) -> Answerer:
    """Answer a path with its document."""

    def answer(request: Request) -> Response:
        document = answers.get(request.path)
        if document is None:
            status: JSONObject = {"kind": "Status", "status": "Failure", "code": missing_status, "message": "none"}
            return response(status, status=missing_status, request=request)
        return response(document, request=request)

    return answer


def aggregated(*groups: tuple[str, str, Sequence[JSONObject]]) -> JSONObject:
    """Return an aggregated discovery document of groups, each with one version."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [{"version": version, "resources": list(resources), "freshness": "Current"}],
            }
            for group, version, resources in groups
        ],
    }


def served(resource: str, kind: str, *, scope: str = "Namespaced", short_names: Sequence[str] = ()) -> JSONObject:
    """Return the entry of a resource in an aggregated document."""
    return {
        "resource": resource,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": scope,
        "singularResource": kind.lower(),
        "verbs": ["get", "list"],
        "shortNames": list(short_names),
        "subresources": [{"subresource": "status", "verbs": ["get"]}],
    }


CORE = aggregated(
    (
        "",
        "v1",
        [served("pods", "Pod", short_names=["po"]), served("nodes", "Node", scope="Cluster", short_names=["no"])],
    )
)
REST = aggregated(
    ("apps", "v1", [served("deployments", "Deployment", short_names=["deploy"])]),
    ("example.com", "v1", [served("widgets", "Widget"), served("plants", "Plant", scope="Cluster")]),
)
DISCOVERY: dict[str, JSONObject] = {"/api": CORE, "/apis": REST}
