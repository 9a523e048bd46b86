"""The benchmark of work queues measures what it says; what it measures is for a quiet machine."""

from __future__ import annotations

import pytest

from benchmarks.workqueue.measure import ORDERS, main, measure


def test_every_operation_is_measured_for_every_order() -> None:
    figures = measure(100, rounds=1)
    operations = {figure.operation for figure in figures}
    assert {(figure.order, figure.operation) for figure in figures} == {
        (order, operation) for order in ORDERS for operation in operations
    }
    assert {"add", "get", "done", "add_after an hour", "add_rate_limited"} <= operations
    assert all(figure.cost_us > 0 for figure in figures)


def test_it_is_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["100"]) in {0, 1}
    assert "100 keys; microseconds of processor time an operation, at most 5" in capsys.readouterr().out
