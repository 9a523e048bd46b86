"""``kubeprims demo``: the embedded API server, some hundred pods that come, change and go, and an informer on them."""

from __future__ import annotations

import argparse
import random

from kubeprims.cli.duration import parse_duration_s
from kubeprims.cli.options import Subparsers
from kubeprims.cli.watch import show
from kubeprims.client.client import Client
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.queries import DeleteOptions
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport

NAMESPACES = ("prod", "staging", "dev", "batch")
APPS = ("web", "api", "worker", "cache", "mail")
PHASES = ("Running", "Pending", "Succeeded", "Failed")
PHASE_WEIGHTS = (16, 2, 3, 1)
PODS_AT_START = 200
PODS_MAX = 400
TICK_S = 0.05


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="see an informer at work on the embedded API server")
    parser.add_argument("--for", dest="for_s", type=parse_duration_s, metavar="TIME", help="end after 10s, 5m, ...")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, cancel: Cancel) -> None:
    """Run the demonstration until cancelled, or for the time that was asked for."""
    stop = Cancel(cancel)
    threads = ThreadGroup("demo", on_error=lambda _: stop.set())
    with APIServer() as server:
        workload = Workload(server, rng=random.Random(7))  # noqa: S311 - the same show every time
        workload.begin()
        with (
            Transport(TransportConfig(server=server.url)) as transport,
            Client(transport) as client,
            SharedInformerFactory(client) as informers,
        ):
            threads.spawn(lambda: workload.run(stop), name="workload")
            try:
                show(
                    informers.informer("v1/pods"),
                    stop,
                    title=f"pods of the embedded API server at {server.url}",
                    for_s=options.for_s,
                    plain_events=False,
                )
            finally:
                stop.set()
                threads.join(Deadline.after(5.0))


class Workload:
    """Pods that come, change and go.

    Concurrency:
        :meth:`begin`, then :meth:`run` on one thread.
    """

    def __init__(self, server: APIServer, *, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self._made = 0
        self._pods: list[tuple[str, str]] = []

    def begin(self) -> None:
        """Create the namespaces and the first pods."""
        for namespace in NAMESPACES:
            self._server.create("v1/namespaces", {"metadata": {"name": namespace}})
        phases = self._rng.choices(PHASES, PHASE_WEIGHTS, k=PODS_AT_START)
        self._server.create_many("v1/pods", [self._new_pod(phase)[1] for phase in phases])

    def run(self, stop: Cancel) -> None:
        """Change something every tick until told to stop."""
        while not stop.wait(TICK_S):
            self._step()

    def _step(self) -> None:
        (what,) = self._rng.choices(("create", "change", "delete"), weights=(4, 4, 2))
        if what == "create" and len(self._pods) < PODS_MAX:
            namespace, pod = self._new_pod()
            self._server.create("v1/pods", pod, namespace=namespace)
        elif what == "delete" and len(self._pods) > PODS_AT_START // 2:
            namespace, name = self._pods.pop(self._rng.randrange(len(self._pods)))
            self._server.delete("v1/pods", name, namespace=namespace, options=DeleteOptions(grace_period_s=0))
        else:
            namespace, name = self._rng.choice(self._pods)
            (phase,) = self._rng.choices(PHASES, PHASE_WEIGHTS)
            status: JSONObject = {"status": {"phase": phase}}
            self._server.patch("v1/pods", name, status, namespace=namespace, subresource="status")

    def _new_pod(self, phase: str = "Pending") -> tuple[str, JSONObject]:
        self._made += 1
        namespace, app = self._rng.choice(NAMESPACES), self._rng.choice(APPS)
        name = f"{app}-{self._made}"
        self._pods.append((namespace, name))
        return namespace, {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
            "spec": {
                "nodeName": f"node-{self._rng.randrange(8)}",
                "containers": [{"name": app, "image": f"registry.example/{app}:1"}],
            },
            "status": {"phase": phase},
        }
