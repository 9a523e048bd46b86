from __future__ import annotations

import json
import threading

import pytest

from kubeprims.clock import SystemClock
from kubeprims.errors import BadRequest, InternalError, Invalid
from kubeprims.meta import JSONObject
from kubeprims.selectors import FieldSelector, LabelSelector
from kubeprims.testing.apiserver.backend import Backend
from kubeprims.testing.apiserver.queries import WatchQuery
from kubeprims.testing.apiserver.watching import Watch
from kubeprims.threads import Deadline, ThreadGroup
from tests.testing.apiserver.backends import CRDS, WIDGET, WIDGETS, Server, events, load

CM = "v1/configmaps"


@pytest.fixture
def server() -> Server:
    return Server()


def _put(server: Server, name: str, namespace: str = "default", **labels: str) -> str:
    """Create or change an object, and return its version."""
    obj: JSONObject = {"metadata": {"name": name, "labels": {**labels}}, "data": {"at": str(server.backend.revision)}}
    kind = server.kind(CM)
    stored = {item.key for item in server.backend.list(kind, namespace).items}
    if f"{namespace}/{name}" in stored:
        server.update(CM, name, obj, namespace)
    else:
        server.create(CM, obj, namespace)
    return str(server.backend.revision)


def test_a_watch_from_a_version_shows_what_came_after_it(server: Server) -> None:
    before = _put(server, "a")
    second = _put(server, "a")
    third = _put(server, "b")
    server.delete(CM, "a")
    with server.watch(CM, resource_version=before) as watch:
        assert events(watch) == [("MODIFIED", "a", second), ("ADDED", "b", third), ("DELETED", "a", "8")]
        fourth = _put(server, "c")
        assert events(watch) == [("ADDED", "c", fourth)]


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_without_a_version_shows_the_objects_first(server: Server, version: str) -> None:
    first = _put(server, "b")
    second = _put(server, "a")
    watch = server.watch(CM, resource_version=version, allow_bookmarks=True)
    assert events(watch) == [("ADDED", "a", second), ("ADDED", "b", first), ("BOOKMARK", "None", second)]
    silent = server.watch(CM, resource_version=version)
    assert events(silent) == [("ADDED", "a", second), ("ADDED", "b", first)]


def test_the_end_of_the_initial_events_is_marked_as_upstream_does(server: Server) -> None:
    watch = server.watch(CM, send_initial_events=True, resource_version_match="NotOlderThan", allow_bookmarks=True)
    assert watch.next_batch(0) == [
        (
            b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":'
            b'{"resourceVersion":"4","annotations":{"k8s.io/initial-events-end":"true"}}}}\n'
        )
    ]


def test_initial_events_can_be_declined(server: Server) -> None:
    _put(server, "a")
    watch = server.watch(CM, send_initial_events=False, resource_version_match="NotOlderThan", allow_bookmarks=True)
    assert events(watch) == []
    assert events(watch) == []
    version = _put(server, "b")
    assert events(watch) == [("ADDED", "b", version)]


def test_many_initial_events_come_in_batches_and_later_ones_after_the_bookmark(server: Server) -> None:
    kind = server.kind(CM)
    server.backend.create_many(kind, [{"metadata": {"name": f"c{number}"}} for number in range(1200)])
    watch = server.watch(CM, allow_bookmarks=True)
    first = watch.next_batch(0)
    version = _put(server, "zz")
    rest = events(watch)
    assert first is not None
    assert len(first) == 500
    assert len(rest) == 702
    assert rest[-2:] == [("BOOKMARK", "None", "1204"), ("ADDED", "zz", version)]


def test_a_watch_of_a_namespace_shows_nothing_of_the_others(server: Server) -> None:
    watch = server.watch(CM, "default", resource_version="4")
    whole = server.watch(CM, "", resource_version="4")
    _put(server, "a", "kube-system")
    mine = _put(server, "a")
    assert events(watch) == [("ADDED", "a", mine)]
    assert len(events(whole)) == 2


def test_selectors_turn_changes_into_comings_and_goings(server: Server) -> None:
    _put(server, "a", tier="web")
    watch = server.watch(CM, label_selector=LabelSelector.parse("tier=web"))
    assert [event[0] for event in events(watch)] == ["ADDED"]
    left = _put(server, "a", tier="db")
    assert events(watch) == [("DELETED", "a", left)]
    _put(server, "a", tier="none")
    assert events(watch) == []
    back = _put(server, "a", tier="web")
    assert events(watch) == [("ADDED", "a", back)]
    same = _put(server, "a", tier="web", more="yes")
    assert events(watch) == [("MODIFIED", "a", same)]
    server.delete(CM, "a")
    assert [event[0] for event in events(watch)] == ["DELETED"]
    _put(server, "b", tier="db")
    server.delete(CM, "b")
    assert events(watch) == []


def test_an_object_that_leaves_is_shown_as_it_was(server: Server) -> None:
    _put(server, "a", tier="web")
    watch = server.watch(CM, label_selector=LabelSelector.parse("tier=web"), resource_version="5")
    version = _put(server, "a", tier="db")
    batch = watch.next_batch(0)
    assert batch is not None
    last = load(batch[0])["object"]
    assert isinstance(last, dict)
    assert last["kind"] == "ConfigMap"
    metadata = last["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["labels"] == {"tier": "web"}
    assert metadata["resourceVersion"] == version


def test_a_watch_of_one_object_by_its_name(server: Server) -> None:
    watch = server.watch(CM, "default", resource_version="4", field_selector=FieldSelector.parse("metadata.name=b"))
    _put(server, "a")
    version = _put(server, "b")
    assert events(watch) == [("ADDED", "b", version)]


def test_a_watch_of_custom_objects_is_in_the_version_that_was_asked_for(server: Server) -> None:
    server.create(CRDS, WIDGETS)
    old = server.watch("example.com/v1beta1/widgets", resource_version="5", allow_bookmarks=True)
    server.create("example.com/v1/widgets", WIDGET)
    batch = old.next_batch(0)
    assert batch is not None
    assert json.loads(batch[0])["object"]["apiVersion"] == "example.com/v1beta1"


def _error(watch: Watch) -> JSONObject:
    batch = watch.next_batch(0)
    assert batch is not None
    (line,) = batch
    event = load(line)
    assert event["type"] == "ERROR"
    assert watch.next_batch(0) is None
    status = event["object"]
    assert isinstance(status, dict)
    return status


def test_a_compacted_version_is_too_old(server: Server) -> None:
    for name in "abc":
        _put(server, name)
    server.backend.compact(6)
    assert _error(server.watch(CM, resource_version="5")) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "too old resource version: 5 (6)",
        "reason": "Expired",
        "code": 410,
    }
    assert [event[1] for event in events(server.watch(CM, resource_version="6"))] == ["c"]
    server.backend.compact()
    assert _error(server.watch(CM, resource_version="6"))["code"] == 410
    assert events(server.watch(CM, resource_version="7")) == []


def test_a_compaction_takes_nothing_from_a_watch_that_is_open(server: Server) -> None:
    watch = server.watch(CM, resource_version="4")
    for name in "abc":
        _put(server, name)
    server.backend.compact()
    assert [event[1] for event in events(watch)] == ["a", "b", "c"]


def test_after_a_restart_only_the_newest_version_can_be_watched_from(server: Server) -> None:
    _put(server, "a")
    version = _put(server, "a")
    server.backend.drop_history()
    assert _error(server.watch(CM, resource_version="5"))["reason"] == "Expired"
    assert _error(server.watch("v1/nodes", resource_version="5"))["reason"] == "Expired"
    watch = server.watch(CM, resource_version=version)
    later = _put(server, "a")
    assert events(watch) == [("MODIFIED", "a", later)]
    assert [event[0] for event in events(server.watch(CM))] == ["ADDED"]


def test_a_watch_that_falls_behind_the_history_is_told_so_and_ended() -> None:
    server = Server(history_events_max=8)
    watch = server.watch(CM, resource_version="4")
    for _ in range(20):
        _put(server, "a")
    assert _error(watch)["code"] == 410


def test_a_plain_watch_from_the_future_is_silent_until_then(server: Server) -> None:
    _put(server, "a")
    watch = server.watch(CM, resource_version="7", allow_bookmarks=True)
    _put(server, "a")
    assert watch.next_batch(200) == [], "neither events nor bookmarks"
    _put(server, "a")
    assert events(watch) == []
    version = _put(server, "a")
    assert version == "8"
    assert events(watch) == [("MODIFIED", "a", version)]


def test_initial_events_of_a_version_from_the_future_are_waited_for_and_refused(server: Server) -> None:
    watch = server.watch(
        CM, resource_version="9", send_initial_events=True, resource_version_match="NotOlderThan", timeout_s=60
    )
    assert watch.next_batch(1) == []
    assert watch.next_batch(None) is not None
    assert server.clock.now_s == 1003
    again = server.watch(
        CM, resource_version="6", send_initial_events=True, resource_version_match="NotOlderThan", allow_bookmarks=True
    )
    assert again.next_batch(0) == []
    _put(server, "a")
    second = _put(server, "b")
    assert [event[:2] for event in events(again)] == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "None")]
    assert second == "6"
    late = server.watch(
        CM, resource_version="9", send_initial_events=True, resource_version_match="NotOlderThan", timeout_s=60
    )
    assert late.next_batch(2) == []
    status = _error_after(late)
    assert status["code"] == 504
    assert status["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


def _error_after(watch: Watch) -> JSONObject:
    batch = watch.next_batch(None)
    assert batch is not None
    status = load(batch[0])["object"]
    assert isinstance(status, dict)
    return status


def test_bookmarks_come_by_themselves_and_once_more_before_the_end(server: Server) -> None:
    version = _put(server, "a")
    server.create("v1/nodes", {"metadata": {"name": "n"}})
    watch = server.watch(CM, resource_version=version, allow_bookmarks=True, timeout_s=100)
    assert watch.next_batch(59) == []
    assert events(watch) == []
    batch = watch.next_batch(2)
    assert batch == [
        b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"6"}}}\n'
    ]
    assert server.clock.now_s == 1060
    assert watch.next_batch(None) is not None
    assert server.clock.now_s == 1098
    assert watch.next_batch(None) is None
    assert server.clock.now_s == 1100
    assert watch.next_batch(None) is None


def test_a_bookmark_waits_until_the_events_before_it_are_out(server: Server) -> None:
    watch = server.watch(CM, resource_version="4", allow_bookmarks=True)
    server.backend.create_many(server.kind(CM), [{"metadata": {"name": f"c{number}"}} for number in range(600)])
    server.clock.now_s += 60
    first = watch.next_batch(0)
    second = watch.next_batch(0)
    assert first is not None
    assert second is not None
    assert len(first) == 500
    assert len(second) == 101
    assert b'"BOOKMARK"' in second[-1]


def test_a_watch_without_bookmarks_ends_in_silence(server: Server) -> None:
    watch = server.watch(CM, resource_version="4", timeout_s=100)
    assert watch.next_batch(None) is None
    assert server.clock.now_s == 1100


def test_the_server_chooses_how_long_a_watch_lasts_if_nobody_says(server: Server) -> None:
    watch = server.watch(CM, resource_version="4")
    assert watch.next_batch(None) is None
    assert 1000 + 1800 <= server.clock.now_s < 1000 + 3600


def test_closing_ends_a_watch(server: Server) -> None:
    watch = server.watch(CM)
    _put(server, "a")
    watch.close()
    watch.close()
    assert watch.next_batch(None) is None
    other = server.watch(CM)
    server.backend.close_watches()
    assert other.next_batch(0) is None


def test_a_watch_is_refused_for_what_is_wrong_with_the_request(server: Server) -> None:
    with pytest.raises(InternalError, match='resourceVersion: Invalid value: "x"'):
        server.watch(CM, resource_version="x")
    with pytest.raises(BadRequest):
        server.watch(CM, field_selector=FieldSelector.parse("spec.x=y"))
    with pytest.raises(Invalid):
        server.watch(CM, send_initial_events=True)


def test_a_waiting_reader_wakes_for_a_write_and_for_the_end() -> None:
    backend = Backend(clock=SystemClock())
    kind = backend.resolve("", "v1", "configmaps")
    watch = backend.watch(kind, "", WatchQuery(resource_version="4"))
    batches: list[list[bytes] | None] = []
    got_one = threading.Event()

    def read() -> None:
        while True:
            batch = watch.next_batch(None)
            batches.append(batch)
            got_one.set()
            if batch is None:
                return

    threads = ThreadGroup("reader of a watch")
    threads.spawn(read, name="reader of a watch")
    backend.create(kind, "default", {"metadata": {"name": "a"}})
    assert got_one.wait(10)
    watch.close()
    assert threads.join(Deadline.after(10)) == ()
    assert len(batches) == 2
    assert batches[1] is None
