"""The site operator as a process that is killed, on a server that crashes, while a user changes sites."""

from __future__ import annotations

import pathlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import yaml

from kubeprims.client.client import Client
from kubeprims.client.options import ALL_NAMESPACES
from kubeprims.errors import NotFound
from kubeprims.meta import JSONObject
from kubeprims.testing.waiting import eventually

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "site_operator"
SITES, DEPLOYMENTS, SERVICES, MAPS = "example.com/v1/sites", "apps/v1/deployments", "v1/services", "v1/configmaps"
SETTLED_S = 60.0
NAMES = ("blog", "shop", "wiki", "news")


class OperatorProcess:
    """The example, run as a user would run it; ends with the block."""

    def __init__(self, kubeconfig: pathlib.Path, log: pathlib.Path) -> None:
        self._command = [sys.executable, str(EXAMPLE / "site_operator.py"), "--kubeconfig", str(kubeconfig)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def check_runs(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-4000:]

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def define_sites(client: Client) -> None:
    definition = yaml.safe_load((EXAMPLE / "crd.yaml").read_text())
    client.resource("apiextensions.k8s.io/v1/customresourcedefinitions").create(definition)

    def is_served() -> bool:
        try:
            client.resource(SITES, ALL_NAMESPACES).list()
        except NotFound:
            return False
        return True

    eventually(is_served, SETTLED_S, "sites are served")


def remove_sites(client: Client) -> None:
    """Leave nothing behind on a server that others use."""
    sites = client.resource(SITES, "default")
    for found in sites.list():
        sites.patch(found.name, {"metadata": {"finalizers": None}})
    for resource in (SITES, DEPLOYMENTS, SERVICES, MAPS):
        for found in client.resource(resource, "default").list():
            if found.name in {*NAMES, "site-directory"}:
                client.resource(resource, "default").delete(found.name)
    client.resource("apiextensions.k8s.io/v1/customresourcedefinitions").delete("sites.example.com")


def site(name: str, replicas: int, host: str) -> JSONObject:
    metadata: JSONObject = {"name": name, "namespace": "default"}
    spec: JSONObject = {"image": "nginx:1.29", "replicas": replicas, "host": host}
    return {"apiVersion": "example.com/v1", "kind": "Site", "metadata": metadata, "spec": spec}


class User:
    """Changes sites, the same for the same seed, and plays the part of the controllers of a cluster."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._rng = random.Random(seed)
        self._sites = client.resource(SITES, "default")
        self._there: set[str] = set()

    def act(self) -> None:
        name = self._rng.choice(NAMES)
        replicas, host = self._rng.randrange(4), f"{name}-{self._rng.randrange(100)}.example.com"
        if name not in self._there:
            eventually(lambda: self._is_gone(name), SETTLED_S, f"{name} is gone")
            self._sites.create(site(name, replicas, host))
            self._there.add(name)
        elif self._rng.random() < 0.25:
            self._sites.delete(name)
            self._there.discard(name)
        else:
            self._sites.patch(name, {"spec": {"replicas": replicas, "host": host}})

    def _is_gone(self, name: str) -> bool:
        try:
            self._sites.get(name)
        except NotFound:
            return True
        return False

    def report_ready(self) -> None:
        """Say of every deployment that what it asks for is there, as a cluster would."""
        deployments = self._client.resource(DEPLOYMENTS, "default")
        for found in deployments.list():
            wanted = found["spec"]["replicas"]  # type: ignore[index, call-overload]
            if (found.get("status") or {}).get("readyReplicas", 0) != wanted:  # type: ignore[union-attr]
                status: JSONObject = {"status": {"replicas": wanted, "readyReplicas": wanted}}
                deployments.patch(found.name, status, subresource="status")


def state_of(client: Client) -> JSONObject:
    """Return what there is, without what chance and time decide, and without what only waits to be collected."""
    sites = {found.name: found for found in client.resource(SITES, "default").list()}
    uids = {found.uid for found in sites.values()}
    state: JSONObject = {name: _shown(found.to_dict()) for name, found in sites.items()}
    for resource in (DEPLOYMENTS, SERVICES):
        for found in client.resource(resource, "default").list():
            content = found.to_dict()
            owners = content["metadata"].get("ownerReferences", [])  # type: ignore[union-attr]
            if any(owner["uid"] in uids for owner in owners):  # type: ignore[index, union-attr]
                state[f"{resource}/{found.name}"] = _shown(content)
    for found in client.resource(MAPS, "default").list():
        if found.name == "site-directory":
            state["directory"] = {**found["data"]}  # type: ignore[dict-item]
    return state


def _shown(content: JSONObject) -> JSONObject:
    metadata = content["metadata"]
    assert isinstance(metadata, dict)
    spec = content["spec"]
    assert isinstance(spec, dict)
    for chance in ("clusterIP", "clusterIPs", "ipFamilies"):
        spec.pop(chance, None)
    status = content.get("status") or {}
    assert isinstance(status, dict)
    conditions = status.get("conditions", [])
    assert isinstance(conditions, list)
    kept = {"spec": spec, "finalizers": metadata.get("finalizers"), "labels": metadata.get("labels")}
    if content.get("kind") == "Site":
        kept["ready"] = status.get("readyReplicas")
        kept["conditions"] = [
            {
                name: value
                for name, value in condition.items()
                if name not in {"lastTransitionTime", "observedGeneration"}
            }
            for condition in conditions
            if isinstance(condition, dict)
        ]
    return kept


def moment(rng: random.Random, most_s: float) -> None:
    """Let some time pass: faults come when they come. Nothing is waited for."""
    threading.Event().wait(rng.random() * most_s)


def settle(client: Client, user: User, expected: Callable[[JSONObject], bool]) -> JSONObject:
    """Wait until the state is as expected, and return it."""

    def state() -> JSONObject | None:
        user.report_ready()
        found = state_of(client)
        return found if expected(found) else None

    found = eventually(state, SETTLED_S, "the state that an undisturbed run ends in")
    assert found is not None
    return found


def has_settled(state: JSONObject) -> bool:
    """Return whether every site has what it asks for, and the directory lists just those."""
    sites = {name: shown for name, shown in state.items() if name in NAMES}
    hosts: JSONObject = {}
    for name, shown in sites.items():
        assert isinstance(shown, dict)
        spec = shown["spec"]
        assert isinstance(spec, dict)
        hosts[name] = spec["host"]
        owned = {f"{DEPLOYMENTS}/{name}", f"{SERVICES}/{name}"}
        is_ready = shown["ready"] == spec["replicas"] and f"{spec['replicas']} of" in str(shown["conditions"])
        if not (owned <= state.keys() and is_ready):
            return False
    return state.get("directory", {}) == hosts
