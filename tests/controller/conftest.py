from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.client.client import Client
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.testing import APIServer
from tests.controller.world import World


@pytest.fixture
def world(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> Iterator[World]:
    with SharedInformerFactory(kubeprims_client) as informers:
        yield World(kubeprims_apiserver, kubeprims_client, informers)
