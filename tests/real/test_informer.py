"""Informers on a real kube-apiserver: the same promises, with its own faults."""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kubeprims.client.client import Client
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.failures import RestartCause
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.shared import SharedInformer
from kubeprims.meta import JSONObject, compare_resource_versions
from tests.informer.mirror import Mirror, State, assert_converges
from tests.parity import case
from tests.real.cluster import RealCluster
from tests.waiting import eventually

TIMEOUT_S = 60.0
PATH = "/api/v1/namespaces/default/configmaps"
QUICKSTART = pathlib.Path(__file__).parents[2] / "examples" / "01_quickstart.py"


class Changes:
    """Changes to config maps through a connection of its own, so that client code does not judge itself."""

    def __init__(self, cluster: RealCluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._rng = random.Random(prefix)
        self._names: list[str] = []
        self._made = 0

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def step(self) -> None:
        what = self._rng.choice(("create", "create", "change", "delete"))
        if what == "create" or len(self._names) < 2:
            self._made += 1
            self._names.append(f"{self._prefix}-{self._made}")
            self._request("POST", PATH, self._config_map(self._names[-1]))
        elif what == "change":
            name = self._rng.choice(self._names)
            self._request("PUT", f"{PATH}/{name}", self._config_map(name))
        else:
            self._request("DELETE", f"{PATH}/{self._names.pop(self._rng.randrange(len(self._names)))}")

    def _config_map(self, name: str) -> JSONObject:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"step": str(self._rng.random())},
        }

    def _request(self, method: str, path: str, body: JSONObject | None = None) -> None:
        code, answer = self._cluster.request(method, path, body)
        assert code in {200, 201}, answer


def truth(cluster: RealCluster) -> State:
    code, answer = cluster.request("GET", "/api/v1/configmaps")
    assert code == 200, answer
    state = {}
    items = answer["items"]
    assert isinstance(items, list)
    for item in items:
        assert isinstance(item, dict)
        metadata = item["metadata"]
        assert isinstance(metadata, dict)
        state[f"{metadata['namespace']}/{metadata['name']}"] = str(metadata["resourceVersion"])
    return state


@pytest.fixture
def kubeconfig(real_cluster: RealCluster, tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "config"
    path.write_text(json.dumps(real_cluster.kubeconfig()))
    return path


@pytest.fixture
def informers(kubeconfig: pathlib.Path) -> Iterator[SharedInformerFactory]:
    with Client.from_config(str(kubeconfig)) as client, SharedInformerFactory(client) as factory:
        yield factory


def mirrored(informers: SharedInformerFactory) -> tuple[SharedInformer, Mirror]:
    informer, mirror = informers.informer("v1/configmaps"), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    return informer, mirror


def test_the_cache_and_the_handler_follow_the_server(
    real_cluster: RealCluster, informers: SharedInformerFactory
) -> None:
    changes = Changes(real_cluster, "follow")
    changes.steps(20)
    informer, mirror = mirrored(informers)
    changes.steps(100)
    assert_converges(informer, mirror, lambda: truth(real_cluster))
    status = informer.status
    assert (status.watch_lists, status.lists, status.watches, status.failures) == (1, 0, 0, 0)


def test_lists_and_pages_do_as_well_as_a_watch_list(real_cluster: RealCluster, kubeconfig: pathlib.Path) -> None:
    changes = Changes(real_cluster, "listed")
    changes.steps(30)
    options = InformerOptions(reflector=ReflectorOptions(watch_list=False, page_size=7))
    with (
        Client.from_config(str(kubeconfig)) as client,
        SharedInformerFactory(client, options=options) as informers,
    ):
        informer, mirror = mirrored(informers)
        changes.steps(30)
        assert_converges(informer, mirror, lambda: truth(real_cluster))
        assert (informer.status.watch_lists, informer.status.lists) == (0, 1)


def test_a_restored_backup_is_noticed_and_listed(real_cluster: RealCluster, informers: SharedInformerFactory) -> None:
    changes = Changes(real_cluster, "restored")
    changes.steps(10)
    real_cluster.save_data()
    informer, mirror = mirrored(informers)
    changes.steps(200)  # more than a server writes when it starts: it must not come past the version again
    assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)
    before = informer.last_sync_resource_version
    real_cluster.restore_data()
    expected = truth(real_cluster)
    assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)
    order = compare_resource_versions(informer.last_sync_resource_version, before)
    assert order is not None
    assert order < 0, (informer.last_sync_resource_version, before)
    assert expected.keys() == {obj.key for obj in informer.indexer.list()}
    assert informer.status.restarts[RestartCause.REWOUND] == 1
    assert informer.status.lists == 0


def test_nothing_is_missed_over_kill_9_and_restart(real_cluster: RealCluster, informers: SharedInformerFactory) -> None:
    changes = Changes(real_cluster, "killed")
    informer, mirror = mirrored(informers)
    for _ in range(2):
        changes.steps(20)
        real_cluster.kill()
        eventually(lambda: informer.last_error is not None, TIMEOUT_S, "the informer notices that the server is gone")
        real_cluster.restart()
        changes.steps(20)
        assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)
    assert mirror.deletes


def test_nothing_is_missed_over_a_compaction_while_the_server_is_down(
    real_cluster: RealCluster, informers: SharedInformerFactory
) -> None:
    changes = Changes(real_cluster, "compacted")
    informer, mirror = mirrored(informers)
    changes.steps(20)
    real_cluster.compact()
    changes.steps(10)
    real_cluster.kill()
    real_cluster.restart()
    changes.steps(10)
    assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)


def test_a_server_that_stalls_holds_nobody_up_and_nothing_is_missed(
    real_cluster: RealCluster, informers: SharedInformerFactory
) -> None:
    changes = Changes(real_cluster, "stalled")
    informer, mirror = mirrored(informers)
    changes.steps(10)
    real_cluster.stall()
    late = informers.informer("v1/secrets")
    informers.start()
    late.stop(timeout_s=1.0)
    real_cluster.resume()
    changes.steps(10)
    assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)


@case("IN-202")
def test_a_custom_resource_can_be_watched_once_its_definition_is_there(
    real_cluster: RealCluster, informers: SharedInformerFactory
) -> None:
    definition: JSONObject = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    code, answer = real_cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    assert code == 201, answer
    path = "/apis/example.com/v1/namespaces/default/widgets"
    eventually(lambda: real_cluster.request("GET", path)[0] == 200, TIMEOUT_S, "the resource is served")
    widget: JSONObject = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "size": 3}
    assert real_cluster.request("POST", path, widget)[0] == 201
    informer = informers.informer("wd")
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    found = informer.indexer.get("default/one")
    assert found is not None
    assert (found.kind, found["size"], "managedFields" in dict(found["metadata"])) == ("Widget", 3, False)


def test_the_programs_run_as_they_stand(real_cluster: RealCluster, kubeconfig: pathlib.Path) -> None:
    for command in (
        ["-m", "kubeprims", "watch", "cm", "-n", "kube-system", "--for", "1s", "--kubeconfig", str(kubeconfig)],
        [str(QUICKSTART), "--kubeconfig", str(kubeconfig), "--for", "0.5"],
    ):
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "synced" in done.stdout
