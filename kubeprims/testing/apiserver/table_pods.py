"""The row of a pod: what its containers tell of its state."""

from __future__ import annotations

import datetime

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at
from kubeprims.testing.apiserver.table_cells import NONE, age, name_of, number_at, parse_time, since, value_at

_TERMINAL = frozenset({"Succeeded", "Failed"})


class _Restarts:
    """How often containers were restarted, and when last."""

    def __init__(self) -> None:
        self.count = 0
        self._last: tuple[datetime.datetime, str] | None = None

    def add(self, container: JSONObject) -> None:
        self.count += number_at(container, "restartCount")
        text = text_at(container, "lastState", "terminated", "finishedAt")
        time = parse_time(text)
        if time is not None and (self._last is None or self._last[0] < time):
            self._last = time, text

    def text(self, now: datetime.datetime) -> str:
        if self.count == 0 or self._last is None:
            return str(self.count)
        return f"{self.count} ({since(self._last[1], now)} ago)"


class _PodState:
    """Reads a pod's state from its containers: the first ones, then the others.

    Source:
        kubernetes pkg/printers/internalversion printPod.
    """

    def __init__(self, pod: JSONObject) -> None:
        self._pod = pod
        self._spec, self._status = mapping_at(pod, "spec"), mapping_at(pod, "status")
        self._conditions = mappings_at(self._status, "conditions")
        self._sidecars = {
            text_at(container, "name")
            for container in mappings_at(self._spec, "initContainers")
            if text_at(container, "restartPolicy") == "Always"
        }
        self.total = len(mappings_at(self._spec, "containers")) + len(self._sidecars)
        self.ready = 0
        self.restarts = _Restarts()
        self.reason = text_at(self._status, "reason") or text_at(self._status, "phase")
        for condition in self._conditions:
            if text_at(condition, "type") == "PodScheduled" and text_at(condition, "reason") == "SchedulingGated":
                self.reason = "SchedulingGated"
        self._read()

    def _read(self) -> None:
        sidecar_restarts = _Restarts()
        initializing = self._read_init_containers(sidecar_restarts)
        if not initializing or self.condition("Initialized"):
            self.restarts = sidecar_restarts
            self._read_containers()
        if text_at(self._pod, "metadata", "deletionTimestamp"):
            if text_at(self._status, "reason") == "NodeLost":
                self.reason = "Unknown"
            elif text_at(self._status, "phase") not in _TERMINAL:
                self.reason = "Terminating"

    def condition(self, kind: str) -> bool:
        """Return whether a condition of that type is true."""
        return any(
            text_at(condition, "type") == kind and text_at(condition, "status") == "True"
            for condition in self._conditions
        )

    def _read_init_containers(self, sidecar_restarts: _Restarts) -> bool:
        """Read the containers that run first; return whether one of them is not through."""
        for number, container in enumerate(mappings_at(self._status, "initContainerStatuses")):
            self.restarts.add(container)
            is_sidecar = text_at(container, "name") in self._sidecars
            if is_sidecar:
                sidecar_restarts.add(container)
            if _has(container, "terminated") and number_at(container, "state", "terminated", "exitCode") == 0:
                continue
            if is_sidecar and container.get("started") is True:
                self.ready += container.get("ready") is True
                continue
            waiting = text_at(container, "state", "waiting", "reason")
            if _has(container, "terminated"):
                self.reason = "Init:" + _termination(container)
            elif waiting not in {"", "PodInitializing"}:
                self.reason = "Init:" + waiting
            else:
                self.reason = f"Init:{number}/{len(mappings_at(self._spec, 'initContainers'))}"
            return True
        return False

    def _read_containers(self) -> None:
        is_running, error_reason = False, ""
        for container in reversed(mappings_at(self._status, "containerStatuses")):
            self.restarts.add(container)
            waiting = text_at(container, "state", "waiting", "reason")
            if waiting:
                self.reason = waiting
            elif _has(container, "terminated"):
                self.reason = _termination(container)
                if number_at(container, "state", "terminated", "exitCode") != 0:
                    error_reason = self.reason
            elif container.get("ready") is True and _has(container, "running"):
                is_running = True
                self.ready += 1
        if self.reason == "Completed":
            if is_running and self.condition("Ready"):
                self.reason = "Running"
            elif error_reason or is_running:
                self.reason = error_reason or "NotReady"


def _has(container: JSONObject, state: str) -> bool:
    return isinstance(value_at(container, "state", state), dict)


def _termination(container: JSONObject) -> str:
    terminated = mapping_at(container, "state", "terminated")
    signal = number_at(terminated, "signal")
    by_itself = f"Signal:{signal}" if signal else f"ExitCode:{number_at(terminated, 'exitCode')}"
    return text_at(terminated, "reason") or by_itself


def pod_cells(pod: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    """Return the cells of a pod's row."""
    state = _PodState(pod)
    addresses = mappings_at(pod, "status", "podIPs")
    gates = [text_at(gate, "conditionType") for gate in mappings_at(pod, "spec", "readinessGates")]
    return [
        name_of(pod),
        f"{state.ready}/{state.total}",
        state.reason,
        state.restarts.text(now),
        age(pod, now),
        (text_at(addresses[0], "ip") if addresses else "") or NONE,
        text_at(pod, "spec", "nodeName") or NONE,
        text_at(pod, "status", "nominatedNodeName") or NONE,
        f"{sum(map(state.condition, gates))}/{len(gates)}" if gates else NONE,
    ]


def pod_conditions(obj: JSONObject) -> list[JSONValue]:
    """Return what a pod's row says of a pod that has ended."""
    phase = text_at(obj, "status", "phase")
    message = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}.get(phase)
    if message is None:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
