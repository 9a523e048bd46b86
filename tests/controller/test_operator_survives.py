"""An operator that is killed, on a server that crashes, ends where an undisturbed one does."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubeprims.client.client import Client
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.controller.chaos import OperatorProcess, User, define_sites, has_settled, moment, settle

SEED = 7


@contextmanager
def world(folder: pathlib.Path) -> Iterator[tuple[APIServer, Client, OperatorProcess]]:
    folder.mkdir()
    with APIServer() as server, Transport(TransportConfig(server=server.url)) as transport, Client(transport) as client:
        define_sites(client)
        yield server, client, OperatorProcess(server.write_kubeconfig(folder / "kubeconfig"), folder / "log")


def undisturbed(folder: pathlib.Path, rounds: int) -> JSONObject:
    with world(folder) as (_, client, operator), operator:
        user = User(client, SEED)
        for _ in range(rounds):
            user.act()
        state = settle(client, user, has_settled)
        assert operator.stop() == 0
        return state


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.nightly)])
def test_kills_and_crashes_at_random_moments_change_nothing_in_the_end(tmp_path: pathlib.Path, rounds: int) -> None:
    expected = undisturbed(tmp_path / "undisturbed", rounds)
    rng = random.Random(SEED)
    with world(tmp_path / "disturbed") as (server, client, operator), operator:
        user = User(client, SEED)
        for _ in range(rounds):
            user.act()
            moment(rng, 0.5)
            what = rng.choice(("kill", "crash", "both"))
            if what != "crash":
                operator.kill()
            if what != "kill":
                server.crash()
                moment(rng, 0.2)
                server.restart()
            if what != "crash":
                operator.start()
        assert settle(client, user, has_settled) == expected
        operator.check_runs()
        assert operator.stop() == 0
