"""The two servers that the contract is between, behind one face."""

from __future__ import annotations

import abc
import http.client
import json
import pathlib
from typing import Literal

from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from tests.real.cluster import RealCluster
from tests.waiting import eventually

TIMEOUT_S = 20.0


class Backend(abc.ABC):
    """An API server under the contract."""

    name: Literal["embedded", "real"]

    @abc.abstractmethod
    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection as a user who may do everything; the caller closes it."""

    @abc.abstractmethod
    def kubeconfig(self) -> JSONObject:
        """Return a kubeconfig of that user."""

    @abc.abstractmethod
    def compact(self) -> None:
        """Forget all history up to now, so that older versions are answered with 410."""

    def write_kubeconfig(self, path: pathlib.Path) -> pathlib.Path:
        """Write the kubeconfig, and return where it is."""
        path.write_text(json.dumps(self.kubeconfig()))
        return path


class EmbeddedBackend(Backend):
    name = "embedded"

    def __init__(self, server: APIServer) -> None:
        self.server = server

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT_S)

    def kubeconfig(self) -> JSONObject:
        return self.server.kubeconfig()

    def compact(self) -> None:
        self.server.compact()


class RealBackend(Backend):
    name = "real"

    def __init__(self, cluster: RealCluster) -> None:
        self.cluster = cluster

    def connect(self) -> http.client.HTTPConnection:
        return self.cluster.connect(TIMEOUT_S)

    def kubeconfig(self) -> JSONObject:
        return self.cluster.kubeconfig()

    def compact(self) -> None:
        # The API server's own memory goes with its process.
        self.cluster.kill()
        self.cluster.compact()
        self.cluster.start()


def wait_until_served(backend: Backend, path: str, status: http.HTTPStatus = http.HTTPStatus.OK) -> None:
    """Return when a path is answered with a status.

    A real server takes a moment to serve what a new CustomResourceDefinition defines, and to forget it.
    """

    def is_served() -> bool:
        connection = backend.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().status == status
        finally:
            connection.close()

    eventually(is_served, TIMEOUT_S, f"{path} answered with {status.value}")
