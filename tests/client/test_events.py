"""EventRecorder on the embedded API server."""

from __future__ import annotations

import threading

import pytest

from kubeprims.client.client import Client
from kubeprims.client.event_series import SERIES_REFRESH_S
from kubeprims.client.events import QUEUE_MAX, EventRecorder
from kubeprims.errors import InvalidArgument, LifecycleError
from kubeprims.meta import JSONObject
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.testing.apiserver.faults import Answer, Match, Stall
from kubeprims.threads import Cancel
from tests.waiting import eventually

TIMEOUT_S = 20.0


@pytest.fixture
def web(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> Unstructured:
    kubeprims_apiserver.create("v1/configmaps", {"metadata": {"name": "web"}}, namespace="default")
    return kubeprims_client.resource("v1/configmaps", "default").get("web")


def events_of(server: APIServer) -> list[JSONObject]:
    return list(server.list("events.k8s.io/v1/events", namespace="default"))


def test_an_event_names_the_object_and_who_reports(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    with EventRecorder(kubeprims_client, "example.com/web", instance="web-operator-0") as recorder:
        recorder.event(web, reason="ScaledUp", note="from 1 to 2", action="Scale", related=web)
        recorder.event(web, reason="Broken", note="n" * 2000, type="Warning")
    by_reason = {event["reason"]: event for event in events_of(kubeprims_apiserver)}
    scaled, broken = by_reason["ScaledUp"], by_reason["Broken"]
    regarding = {"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "namespace": "default", "uid": web.uid}
    assert scaled["regarding"] == scaled["related"] == regarding
    assert (scaled["type"], scaled["action"], scaled["note"]) == ("Normal", "Scale", "from 1 to 2")
    assert scaled["reportingController"] == "example.com/web"
    assert scaled["reportingInstance"] == "web-operator-0"
    assert (broken["type"], broken["action"], len(str(broken["note"]))) == ("Warning", "Broken", 1024)
    assert (recorder.written, recorder.dropped) == (2, 0)


def test_a_text_is_cut_where_the_server_would_refuse_it(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        recorder.event(web, reason="Long", note="\N{SNOWMAN}" * 400)
    (event,) = events_of(kubeprims_apiserver)
    assert event["note"] == "\N{SNOWMAN}" * 341, "1,024 bytes, and no part of a character"


@pytest.mark.parametrize(
    ("name", "shown"), [("system:Node", "system-node"), ("a" * 229 + "-bc", "a" * 229), ("web.1", "web.1")]
)
def test_an_event_has_a_name_that_it_may_have(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, name: str, shown: str
) -> None:
    rbac = "rbac.authorization.k8s.io/v1/clusterroles"
    role = kubeprims_client.resource(rbac).create({"metadata": {"name": name}, "rules": []})
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        recorder.event(role, reason="Seen", note="it is there")
    (event,) = events_of(kubeprims_apiserver)
    made = event["metadata"]["name"]  # type: ignore[index, call-overload]
    assert str(made).rpartition(".")[0] == shown
    assert event["regarding"]["name"] == name  # type: ignore[index, call-overload]
    assert recorder.dropped == 0


def test_what_happens_in_one_moment_has_names_of_its_own(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    with EventRecorder(kubeprims_client, "example.com/web", clock=VirtualClock()) as recorder:
        for number in range(3):
            recorder.event(web, reason="Counted", note=str(number))
    assert len(events_of(kubeprims_apiserver)) == 3
    assert recorder.dropped == 0


def test_a_recorder_starts_once(kubeprims_client: Client) -> None:
    with (
        EventRecorder(kubeprims_client, "example.com/web") as recorder,
        pytest.raises(LifecycleError, match="it starts once"),
    ):
        recorder.start()


def test_what_is_said_again_becomes_a_series(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    clock = VirtualClock()
    with EventRecorder(kubeprims_client, "example.com/web", clock=clock) as recorder:
        for _ in range(3):
            recorder.event(web, reason="Waiting", note="for pods")
        eventually(lambda: recorder.written == 1, TIMEOUT_S, "the first")
        recorder.event(web, reason="Waiting", note="for pods")
        eventually(lambda: clock.next_due_s() == SERIES_REFRESH_S, TIMEOUT_S, "the count waits")
        clock.advance(SERIES_REFRESH_S)
        eventually(lambda: recorder.written == 2, TIMEOUT_S, "the count")
        (event,) = events_of(kubeprims_apiserver)
        assert event["series"] == {"count": 4, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}
        recorder.event(web, reason="Waiting", note="for pods")
    (event,) = events_of(kubeprims_apiserver)
    series = event["series"]
    assert isinstance(series, dict)
    assert series["count"] == 5, "the last count is written at the end"


def test_what_is_said_again_wakes_who_had_nothing_more_to_write(kubeprims_client: Client, web: Unstructured) -> None:
    clock = VirtualClock()
    with EventRecorder(kubeprims_client, "example.com/web", clock=clock) as recorder:
        recorder.event(web, reason="Waiting", note="for pods")
        for count in (1, 2):
            eventually(lambda count=count: recorder.written == count, TIMEOUT_S, "nothing more to write")
            recorder.event(web, reason="Waiting", note="for pods")
            eventually(lambda: clock.next_due_s() is not None, TIMEOUT_S, "the count waits")
            clock.advance(SERIES_REFRESH_S)
        eventually(lambda: recorder.written == 3, TIMEOUT_S, "the second count")


def test_what_the_server_does_not_take_is_dropped_and_counted(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    events = Match(resource="events.k8s.io/v1/events")
    kubeprims_apiserver.faults.add(Answer(code=403), events, count=1)
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        recorder.event(web, reason="Waiting", note="for pods")
        eventually(lambda: recorder.dropped == 1, TIMEOUT_S, "refused")
        recorder.event(web, reason="Waiting", note="for pods")
    assert recorder.written == 1
    assert len(events_of(kubeprims_apiserver)) == 1


def test_a_count_for_an_event_that_is_gone_is_dropped_and_counted(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    """Servers keep events for an hour."""
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        recorder.event(web, reason="Waiting", note="for pods")
        eventually(lambda: recorder.written == 1, TIMEOUT_S, "the event")
        (made,) = events_of(kubeprims_apiserver)
        name = made["metadata"]["name"]  # type: ignore[index, call-overload]
        kubeprims_apiserver.delete("events.k8s.io/v1/events", str(name), namespace="default")
        recorder.event(web, reason="Waiting", note="for pods")
    assert (recorder.written, recorder.dropped) == (1, 1)


def test_a_full_queue_drops_and_counts_and_never_blocks(kubeprims_client: Client, web: Unstructured) -> None:
    recorder = EventRecorder(kubeprims_client, "example.com/web")  # nobody writes
    for number in range(QUEUE_MAX + 7):
        about = web.to_dict()
        about["metadata"] = {"name": f"web-{number}", "namespace": "default"}
        recorder.event(Unstructured.from_dict(about), reason="Made", note="it")
    assert recorder.dropped == 7


def test_what_is_said_again_of_an_event_that_is_dropped_is_dropped_and_counted_with_it(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    events = Match(resource="events.k8s.io/v1/events")
    kubeprims_apiserver.faults.add(Answer(code=403), events, count=1)
    recorder = EventRecorder(kubeprims_client, "example.com/web")
    for _ in range(5):
        recorder.event(web, reason="Waiting", note="for pods")
    with recorder:
        eventually(lambda: recorder.dropped == 5, TIMEOUT_S, "all of it is dropped")
    never = EventRecorder(kubeprims_client, "example.com/web")
    for _ in range(5):
        never.event(web, reason="Waiting", note="for pods")
    never.stop()
    assert never.dropped == 5


def test_a_long_instance_is_cut_where_the_server_would_refuse_every_event(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    with EventRecorder(kubeprims_client, "example.com/web", instance="pod-" * 50) as recorder:
        recorder.event(web, reason="Broken", note="it")
    (event,) = events_of(kubeprims_apiserver)
    assert event["reportingInstance"] == "pod-" * 32


def test_a_server_that_hangs_keeps_nobody_from_ending_and_nothing_is_dropped_without_a_count(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    kubeprims_apiserver.faults.add(Stall(), Match(resource="events"), count=None)
    recorder = EventRecorder(kubeprims_client, "example.com/web")
    recorder.start()
    for number in range(6):
        recorder.event(web, reason="Broken", note=str(number))
    recorder.stop(5)
    assert (recorder.written, recorder.dropped) == (0, 6)


def test_counts_that_wait_for_a_server_that_hangs_are_dropped_at_the_end_and_counted(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    recorder = EventRecorder(kubeprims_client, "example.com/web")
    recorder.start()
    for number in range(6):
        recorder.event(web, reason="Broken", note=str(number % 3))
    eventually(lambda: recorder.written == 3, TIMEOUT_S, "the first of each is written")
    kubeprims_apiserver.faults.add(Stall(), Match(verb="patch", resource="events"), count=None)
    recorder.stop(5)
    assert (recorder.written, recorder.dropped) == (3, 3)


def test_what_is_said_to_a_recorder_that_never_starts_is_dropped_and_counted(
    kubeprims_client: Client, web: Unstructured
) -> None:
    recorder = EventRecorder(kubeprims_client, "example.com/web")
    recorder.event(web, reason="Broken", note="one")
    recorder.stop()
    recorder.stop()
    assert recorder.dropped == 1


class BrokenClock(VirtualClock):
    """Fails whoever waits."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        raise RuntimeError("no time")


def test_a_recorder_that_dies_ends_who_runs_it(kubeprims_client: Client) -> None:
    recorder = EventRecorder(kubeprims_client, "example.com/web", clock=BrokenClock())
    stop = threading.Event()
    with pytest.raises(RuntimeError, match="no time"):
        recorder.run(stop)
    assert stop.is_set()


def test_a_text_that_is_no_text_is_written_as_far_as_it_is(
    kubeprims_apiserver: APIServer, kubeprims_client: Client, web: Unstructured
) -> None:
    with EventRecorder(kubeprims_client, "example.com/web") as recorder:
        recorder.event(web, reason="Broken", note="no such file: a\udc80b")  # as Python reads names that are no UTF-8
    (event,) = events_of(kubeprims_apiserver)
    assert event["note"] == "no such file: a?b"


def test_nothing_is_taken_after_the_end(kubeprims_client: Client, web: Unstructured) -> None:
    recorder = EventRecorder(kubeprims_client, "example.com/web")
    stop = Cancel()
    stop.set()
    recorder.run(stop)
    recorder.event(web, reason="Late", note="too late")
    assert recorder.dropped == 1
    with pytest.raises(LifecycleError, match="the recorder was started or stopped before"):
        recorder.start()


def test_what_is_no_event_is_refused(kubeprims_client: Client, web: Unstructured) -> None:
    with pytest.raises(InvalidArgument, match="controller must not be empty"):
        EventRecorder(kubeprims_client, "")
    with pytest.raises(InvalidArgument, match=r"controller is a name such as .*, not 'my operator'"):
        EventRecorder(kubeprims_client, "my operator")
    recorder = EventRecorder(kubeprims_client, "example.com/web")
    with pytest.raises(InvalidArgument, match="an event is Normal or Warning"):
        recorder.event(web, reason="A", note="", type="Error")
    with pytest.raises(InvalidArgument, match="an event needs a reason"):
        recorder.event(web, reason="", note="")
    for objects in ({"regarding": web.to_dict()}, {"regarding": web, "related": "web"}):
        with pytest.raises(InvalidArgument, match="an event is about an Unstructured"):
            recorder.event(reason="A", note="", **objects)  # type: ignore[arg-type]
    for wrong in ({"reason": "R" * 129}, {"reason": "A", "action": "A" * 129}):
        with pytest.raises(InvalidArgument, match="have 128 characters at most"):
            recorder.event(web, note="", **wrong)
