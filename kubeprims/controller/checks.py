"""What a manager's probes and figures say by themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Protocol, runtime_checkable

from kubeprims.controller.controller import Controller
from kubeprims.controller.probes import Probes
from kubeprims.metrics import MetricFamily, MetricKind, Metrics, Sample

RUNNING = MetricFamily(
    name="running_managed_controllers",
    kind=MetricKind.GAUGE,
    description="Whether a controller of a manager runs.",
    labels=("name", "manager"),
)


class Readiness(StrEnum):
    """When a process that may have to wait for its turn to lead is ready."""

    ALWAYS = "always"
    """Once its caches are in sync: a standby is as ready as it can be."""
    LEADER = "leader"
    """While it leads: only the leader gets requests."""


@runtime_checkable
class _Checked(Protocol):
    """A gate that can say that it is not well: an election whose renewals are overdue."""

    def check(self) -> str | None: ...


class ManagerChecks:
    """The checks and the figures of one manager; they come and go with its controllers.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(self, name: str, probes: Probes | None, metrics: Metrics | None) -> None:
        self._name = name
        self._probes = probes
        self._lock = threading.Lock()
        self._running: dict[str, bool] = {}
        self._taken_back = ExitStack()
        if metrics is not None:
            self._taken_back.callback(metrics.add_source(f"manager {name}", self._collect))

    def add_gate(self, name: str, gate: object) -> None:
        """Have an election's own check say whether this process is well."""
        if self._probes is not None and isinstance(gate, _Checked):
            self._taken_back.callback(self._probes.health.add(name, gate.check))

    def add_readiness(self, name: str, is_ready: Callable[[], bool], why_not: str) -> None:
        """Have this process ready only while something is so."""
        if self._probes is not None:
            check = self._probes.readiness.add(name, lambda: None if is_ready() else why_not)
            self._taken_back.callback(check)

    @contextmanager
    def running(self, controller: Controller) -> Generator[None]:
        """Have a controller looked at inside."""
        with ExitStack() as stack:
            if self._probes is not None:
                stack.callback(self._probes.health.add(controller.name, controller.health))
                if controller.readiness is not None:
                    stack.callback(self._probes.readiness.add(controller.name, controller.readiness))
            self._note(controller.name, is_running=True)
            stack.callback(lambda: self._note(controller.name, is_running=False))
            yield

    def close(self) -> None:
        """Let go of all of it."""
        self._taken_back.close()

    def _note(self, name: str, *, is_running: bool) -> None:
        with self._lock:
            self._running[name] = is_running

    def _collect(self) -> Iterator[Sample]:
        with self._lock:
            running = tuple(self._running.items())
        for name, is_running in running:
            yield Sample(RUNNING, (name, self._name), int(is_running))
