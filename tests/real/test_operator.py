"""The example operator on a real API server, killed again and again."""

from __future__ import annotations

import json
import pathlib
import random

import pytest

from kubeprims.client.client import Client
from kubeprims.meta import JSONObject
from tests.controller.chaos import (
    OperatorProcess,
    User,
    define_sites,
    has_settled,
    moment,
    remove_sites,
    settle,
)
from tests.real.cluster import RealCluster

ROUNDS = 10
SEED = 11


def run(cluster: RealCluster, folder: pathlib.Path, *, kills: bool) -> JSONObject:
    """Have a user change sites under the operator; return the state in the end."""
    folder.mkdir()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(cluster.kubeconfig()))
    rng = random.Random(SEED)
    with (
        Client.from_config(str(kubeconfig)) as client,
        OperatorProcess(kubeconfig, folder / "log") as operator,
    ):
        define_sites(client)
        user = User(client, SEED)
        for _ in range(ROUNDS):
            user.act()
            if kills:
                moment(rng, 1.0)
                operator.kill()
                operator.start()
        state = settle(client, user, has_settled)
        operator.check_runs()
        assert operator.stop() == 0
        remove_sites(client)
        return state


@pytest.mark.timeout(600)
def test_an_operator_that_is_killed_ten_times_ends_as_one_that_is_not(
    real_cluster: RealCluster, second_cluster: RealCluster, tmp_path: pathlib.Path
) -> None:
    undisturbed = run(second_cluster, tmp_path / "undisturbed", kills=False)
    assert run(real_cluster, tmp_path / "killed", kills=True) == undisturbed
