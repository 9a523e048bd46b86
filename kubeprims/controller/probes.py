"""What a kubelet and a Prometheus ask of an operator: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

from kubeprims.clock import Clock
from kubeprims.controller.health import HealthChecks, Report
from kubeprims.metrics import PrometheusMetrics
from kubeprims.threads import Cancel
from kubeprims.transport.small_server import Answer, Asked, SmallServer

_OK = 200
_NOT_FOUND = 404
_FAILED = 500
_NOT_IMPLEMENTED = 501


class Probes:
    """Answers probes and scrapes on one address.

    ``/healthz`` and ``/readyz`` run all checks of their kind, ``/healthz/NAME`` one of them; ``?verbose`` shows each,
    ``?exclude=NAME`` leaves one out. ``/metrics`` gives the figures, if there are any to give.

    Attributes:
        health: The checks behind ``/healthz``: is this process to be restarted?
        readiness: The checks behind ``/readyz``: is it to get requests?
        port: The port.

    Concurrency:
        :meth:`run` blocks its thread, once. Checks may be added and removed from any thread at any time.
    """

    def __init__(
        self, host: str, port: int, *, metrics: PrometheusMetrics | None = None, clock: Clock | None = None
    ) -> None:
        """Listen on an address.

        Args:
            host: An IP address of this machine; ``0.0.0.0`` or ``::`` in a pod.
            port: The port; 0 lets the system choose one.
            metrics: The figures for ``/metrics``; None: it answers 501.
            clock: The clock to live by.

        Raises:
            ConfigError: The address is not one, not of this machine, or taken.
        """
        self.health = HealthChecks("healthz")
        self.readiness = HealthChecks("readyz")
        self._metrics = metrics
        self._server = SmallServer(host, port, self._answer, name=f"probes {host}:{port}", clock=clock)
        self.port = self._server.port

    def run(self, stop: Cancel) -> None:
        """Answer until ``stop`` is set."""
        self._server.run(stop)

    def close(self) -> None:
        """Let go of the address if it never ran."""
        self._server.close()

    def _answer(self, asked: Asked) -> Answer:
        if asked.path == "/metrics":
            return self._figures(asked.accept)
        for checks in (self.health, self.readiness):
            if asked.path in {f"/{checks.name}", f"/{checks.name}/"}:
                query = parse_qs(asked.query, keep_blank_values=True)
                report = checks.all(verbose="verbose" in query, excluded=query.get("exclude", []))
                return _answer_of(report)
            if asked.path.startswith(f"/{checks.name}/"):
                one = checks.one(unquote(asked.path.removeprefix(f"/{checks.name}/")))
                return Answer(_NOT_FOUND, b"there is no such check\n") if one is None else _answer_of(one)
        return Answer(_NOT_FOUND, b"there are /healthz, /readyz and /metrics here\n")

    def _figures(self, accept: str) -> Answer:
        if self._metrics is None:
            text = 'there are no metrics: give Probes a PrometheusMetrics, which takes the extra "metrics"\n'
            return Answer(_NOT_IMPLEMENTED, text.encode())
        body, content_type = self._metrics.exposition(accept)
        return Answer(_OK, body, content_type)


def _answer_of(report: Report) -> Answer:
    return Answer(_OK if report.is_ok else _FAILED, report.text.encode())
