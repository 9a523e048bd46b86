"""What the command line shows: the sums, the lines, and nothing that steers a terminal."""

from __future__ import annotations

import argparse
import os

import pytest

from kubeprims.cli.activity import LAST_EVENTS_MAX, Activity, Snapshot, phase_of
from kubeprims.cli.duration import parse_duration_s
from kubeprims.cli.printing import printable
from kubeprims.cli.screen import by_phase, count_table, render
from kubeprims.informer.handlers import Notification, Reason
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing.clock import VirtualClock

SIZE = os.terminal_size((60, 12))


def pod(name: str, phase: str, version: int = 1, namespace: str = "prod", **metadata: str) -> Unstructured:
    content: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version), "uid": "u", **metadata},
        "status": {"phase": phase},
    }
    return Unstructured.from_dict(content)


def tell(activity: Activity, old: Unstructured | None, new: Unstructured | None, reason: Reason = Reason.LIVE) -> None:
    obj = new or old
    assert obj is not None
    activity.on_event(Notification(ObjectKey(obj.key), old, new, reason))


def test_objects_are_counted_by_namespace_and_phase_as_they_come_change_and_go() -> None:
    activity = Activity(clock=VirtualClock())
    first, second = pod("a", "Pending"), pod("a", "Running", 2)
    tell(activity, None, first, Reason.INITIAL)
    tell(activity, None, pod("b", "Running", namespace="dev"))
    assert activity.snapshot().counts == {("prod", "Pending"): 1, ("dev", "Running"): 1}
    tell(activity, first, second)
    assert activity.snapshot().counts == {("prod", "Running"): 1, ("dev", "Running"): 1}
    tell(activity, second, None)
    snapshot = activity.snapshot()
    assert snapshot.counts == {("dev", "Running"): 1}
    assert snapshot.objects == 1
    assert [(event.type, event.key, event.phase) for event in snapshot.events] == [
        ("ADDED", "dev/b", "Running"),
        ("MODIFIED", "prod/a", "Running"),
        ("DELETED", "prod/a", "Running"),
    ]


def test_the_rate_is_over_the_last_seconds_and_what_is_kept_is_bounded() -> None:
    clock = VirtualClock()
    activity = Activity(clock=clock)
    for number in range(100):
        tell(activity, None, pod(f"p{number}", "Running"))
    clock.advance(4.0)
    tell(activity, None, pod("late", "Running"))
    snapshot = activity.snapshot()
    assert snapshot.events_per_s == pytest.approx(101 / 5)
    assert len(snapshot.events) == LAST_EVENTS_MAX
    clock.advance(3.0)
    tell(activity, None, pod("later", "Running"))
    assert activity.snapshot().events_per_s == pytest.approx(2 / 5)
    assert activity.snapshot().events_total == 102


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"status": {"phase": "Running"}}, "Running"),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "Ready"),
        ({"status": {"conditions": ["odd", {"type": "Available", "status": "False"}]}}, "NotAvailable"),
        ({"status": {"conditions": [{"type": "Other"}]}}, "-"),
        ({"status": {"conditions": 3}}, "-"),
        ({"status": "odd"}, "-"),
        ({}, "-"),
    ],
)
def test_one_word_says_how_an_object_is(content: JSONObject, expected: str) -> None:
    assert phase_of(Unstructured.from_dict({"kind": "X", "metadata": {"name": "x"}, **content})) == expected


def test_an_object_that_is_being_deleted_is_terminating() -> None:
    assert phase_of(pod("a", "Running", deletionTimestamp="2026-01-01T00:00:00Z")) == "Terminating"


def snapshot_of(namespaces: int, events: int) -> Snapshot:
    activity = Activity(clock=VirtualClock())
    for number in range(events):
        tell(activity, None, pod(f"pod-{number}", "Running", namespace=f"ns-{number % namespaces}"))
    return activity.snapshot()


def test_the_live_view_fits_the_terminal_and_shows_all_its_parts() -> None:
    lines = render("pods of prod", "synced", snapshot_of(2, 30), 1_002.0, SIZE)
    assert len(lines) == SIZE.lines
    assert all(len(line) <= SIZE.columns for line in lines)
    assert lines[:2] == ["pods of prod", "synced"]
    assert lines[3] == "30 objects   30 events   6.0 events/s"
    assert lines[5].split() == ["NAMESPACE", "RUNNING"]
    assert lines[6].split() == ["ns-0", "15"]
    assert lines[-1].startswith("  2.0 s ago  ADDED     ns-")


def test_a_small_terminal_says_what_it_leaves_out() -> None:
    lines = render("t", "p", snapshot_of(30, 30), 1_000.0, SIZE)
    assert any(line.startswith("... and ") for line in lines)
    assert len(render("t", "p", snapshot_of(3, 3), 1_000.0, os.terminal_size((10, 3)))) == 3


def test_the_table_and_the_sums_are_sorted() -> None:
    snapshot = snapshot_of(2, 3)
    assert by_phase(snapshot) == {"Running": 3}
    assert [line.split()[0] for line in count_table(snapshot)] == ["NAMESPACE", "ns-0", "ns-1"]


def test_nothing_from_a_server_steers_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r\n\x07c") == "a\ufffd[2Jb\ufffd\ufffd\ufffdc"
    activity = Activity(clock=VirtualClock())
    tell(activity, None, pod("a", "\x1b[31mRunning"))
    assert "\x1b" not in "".join(render("t", "p", activity.snapshot(), 1_000.0, SIZE))


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("3", 3), ("1.5s", 1.5)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "10x", "-1s", "0", "1m x", "inf", "nan", "10 s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="1m30s"):
        parse_duration_s(text)
