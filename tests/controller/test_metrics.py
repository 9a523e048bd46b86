from __future__ import annotations

import pathlib
import re

import prometheus_client
import pytest

from kubeprims.client.client import Client
from kubeprims.controller.context import ReconcileContext
from kubeprims.controller.controller import Controller
from kubeprims.controller.metrics import FAMILIES
from kubeprims.controller.result import Result
from kubeprims.errors import ConfigError, TerminalError
from kubeprims.meta import ObjectKey
from kubeprims.metrics import PrometheusMetrics
from kubeprims.threads import Cancel
from kubeprims.workqueue.metrics import FAMILIES as QUEUE_FAMILIES
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 20.0


@case("CM-61")
def test_reconciles_are_counted_by_how_they_end_and_series_end_with_the_controller(kubeprims_client: Client) -> None:
    metrics = PrometheusMetrics(prometheus_client.CollectorRegistry())

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        match key.name:
            case "bad":
                raise TerminalError("no such size")
            case "later":
                return Result(requeue_after_s=1000.0)
        return None

    def figure(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"controller_runtime_{name}", {"controller": "web", **labels})

    controller = Controller("web", reconcile, client=kubeprims_client, workers=2, metrics=metrics)
    for result in ("success", "error", "requeue", "requeue_after"):
        assert figure("reconcile_total", result=result) == 0, "there from the start"
    with pytest.raises(ConfigError, match="there are figures of"):
        Controller("web", reconcile, client=kubeprims_client, metrics=metrics)
    controller.start()
    for name in ("good", "bad", "later"):
        controller.enqueue(f"default/{name}")
    eventually(lambda: figure("reconcile_time_seconds_count") == 3, TIMEOUT_S, "three reconciles")
    eventually(lambda: figure("active_workers") == 0, TIMEOUT_S, "none runs")
    assert figure("reconcile_total", result="success") == 1
    assert figure("reconcile_total", result="error") == 1
    assert figure("reconcile_total", result="requeue_after") == 1
    assert figure("reconcile_errors_total") == figure("terminal_reconcile_errors_total") == 1
    assert figure("max_concurrent_reconciles") == 2
    assert metrics.registry.get_sample_value("workqueue_adds_total", {"name": "web"}) == 3
    controller.stop(TIMEOUT_S)
    assert figure("max_concurrent_reconciles") is None
    assert figure("reconcile_time_seconds_count") is None
    assert all(family.labels[0] == "controller" for family in FAMILIES)
    metrics.close()


def test_series_end_with_a_controller_that_dies_too(kubeprims_client: Client) -> None:
    def dies(key: ObjectKey, ctx: ReconcileContext) -> None:
        raise SystemExit(3)

    metrics = PrometheusMetrics(prometheus_client.CollectorRegistry())
    for _ in range(2):
        controller = Controller("web", dies, client=kubeprims_client, metrics=metrics)
        controller.enqueue("default/any")
        with pytest.raises(SystemExit):
            controller.run(Cancel())
    assert metrics.registry.get_sample_value("workqueue_depth", {"name": "web"}) is None
    metrics.close()


def test_the_page_names_every_metric_of_queues_controllers_and_managers() -> None:
    page = (pathlib.Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
    named = dict(re.findall(r"^\| `((?!kubeprims_informer_)\w+)` \| (\w+) \|", page, re.MULTILINE))
    families = (*QUEUE_FAMILIES, *FAMILIES)
    assert {family.name: str(family.kind) for family in families}.items() <= named.items()
