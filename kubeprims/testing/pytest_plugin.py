"""What pytest offers to tests of every project that has kubeprims installed: the embedded API server, as a fixture.

    def test_a_config_map_is_created(kubeprims_apiserver, kubeprims_client):
        kubeprims_client.resource("v1/configmaps", "default").create({"metadata": {"name": "made"}})
        assert kubeprims_apiserver.get("v1/configmaps", "made", namespace="default")

pytest imports this module in each of its runs, whatever it tests. So nothing is imported here but pytest itself: the
server, and all else of kubeprims, comes in when a test first asks for it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pathlib

    from kubeprims.client.client import Client
    from kubeprims.testing.apiserver.server import APIServer


@pytest.fixture
def kubeprims_apiserver() -> Generator[APIServer]:
    """An API server of the test's own: started, empty but for the namespaces of every cluster, stopped at the end.

    Everybody is let in, over plain HTTP. A test that wants it otherwise makes a ``kubeprims.testing.APIServer`` itself.
    """
    from kubeprims.testing.apiserver.server import APIServer

    with APIServer() as server:
        yield server


@pytest.fixture
def kubeprims_client(kubeprims_apiserver: APIServer) -> Generator[Client]:
    """A client of :func:`kubeprims_apiserver`, closed at the end."""
    from kubeprims.client.client import Client
    from kubeprims.transport.config import TransportConfig
    from kubeprims.transport.transport import Transport

    with Transport(TransportConfig(server=kubeprims_apiserver.url)) as transport, Client(transport) as client:
        yield client


@pytest.fixture
def kubeprims_kubeconfig(
    kubeprims_apiserver: APIServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """A kubeconfig for :func:`kubeprims_apiserver`, which ``KUBECONFIG`` names while the test runs.

    For programs that read their configuration themselves: kubectl, or an operator's ``main()``.
    """
    path = kubeprims_apiserver.write_kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path
