"""The scopes that are written down are those that servers tell; tests/real asks a real one."""

from __future__ import annotations

from kubeprims.client.client import Client
from kubeprims.client.scopes import BUILT_IN
from kubeprims.testing import APIServer
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport


def told(client: Client) -> dict[tuple[str, str], bool]:
    return {(found.gvr.group, found.gvr.resource): found.namespaced for found in client.discovery.resources()}


def test_the_embedded_server_tells_the_scopes_that_are_written_down() -> None:
    with APIServer() as server, Transport(TransportConfig(server=server.url)) as transport:
        scopes = told(Client(transport))
    assert scopes
    assert {name: scope for name, scope in scopes.items() if BUILT_IN.get(name) is not scope} == {}
