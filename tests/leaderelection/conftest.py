"""What the tests of elections share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.client.client import Client
from kubeprims.testing import APIServer
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport


@pytest.fixture
def impatient_client(kubeprims_apiserver: APIServer) -> Iterator[Client]:
    """A client that asks once more, and not ten times, when a connection is lost: that takes seconds."""
    config = TransportConfig(server=kubeprims_apiserver.url, retries_max=1)
    with Transport(config) as transport, Client(transport) as client:
        yield client
