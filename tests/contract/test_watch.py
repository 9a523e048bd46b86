"""Watches: where they begin, what they show of a selection, and in which order."""

from __future__ import annotations

from tests.contract.exchange import Exchange
from tests.contract.objects import config_map, pod


def test_a_watch_from_a_version_shows_what_came_after_it(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a", n="1"))
    second = exchange.put("configmaps/a", config_map("a", n="2"))
    exchange.post("configmaps", config_map("b"))
    exchange.delete("configmaps/a")
    exchange.post("configmaps", config_map("last"))
    with exchange.watch(f"configmaps?watch=1&resourceVersion={first.version}") as watch:
        watch.take_until("last")
    with exchange.watch(f"configmaps?watch=1&resourceVersion={second.version}") as watch:
        watch.take_until("last")


def test_a_watch_from_any_version_begins_with_what_there_is(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.post("configmaps", config_map("b"))
    for query in ("watch=1&resourceVersion=0", "watch=1", "watch=true&resourceVersion=", "watch=yes"):
        with exchange.watch(f"configmaps?{query}") as watch:
            watch.take(2)


def test_events_follow_the_writes(exchange: Exchange) -> None:
    start = exchange.get("configmaps")
    with exchange.watch(f"configmaps?watch=1&resourceVersion={start.version}") as watch:
        exchange.post("configmaps", config_map("b"))
        watch.take(1)
        exchange.patch("configmaps/b", {"data": {"k": "v"}})
        watch.take(1)
        exchange.patch("configmaps/b", {"data": {"k": "v"}})
        exchange.put("configmaps/b", config_map("b", k="v"))
        exchange.delete("configmaps/b")
        watch.take(1)
        exchange.post("configmaps", config_map("b"))
        watch.take(1)


def test_objects_enter_and_leave_a_label_selection(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a", labels={"app": "web"}))
    exchange.post("configmaps", config_map("other", labels={"app": "db"}))
    selector = "labelSelector=app%3Dweb"
    with exchange.watch(f"configmaps?watch=1&{selector}") as watch:
        watch.take(1)
        exchange.patch("configmaps/other", {"metadata": {"labels": {"app": "web"}}})
        exchange.patch("configmaps/a", {"data": {"k": "v"}})
        exchange.patch("configmaps/a", {"metadata": {"labels": {"app": "cache"}}})
        exchange.patch("configmaps/a", {"data": {"k": "w"}})
        exchange.patch("configmaps/a", {"metadata": {"labels": {"app": "web"}}})
        exchange.delete("configmaps/other")
        exchange.post("configmaps", config_map("last", labels={"app": "web"}))
        watch.take_until("last")
    with exchange.watch(f"configmaps?watch=1&{selector}&resourceVersion={first.version}") as watch:
        watch.take_until("last")


def test_objects_enter_and_leave_a_field_selection(exchange: Exchange) -> None:
    first = exchange.post("pods", pod("a"))
    with exchange.watch("pods?watch=1&fieldSelector=status.phase%3DRunning") as watch:
        exchange.post("pods", pod("b"))
        exchange.patch("pods/a/status", {"status": {"phase": "Running"}})
        exchange.patch("pods/b/status", {"status": {"phase": "Failed"}})
        exchange.patch("pods/a/status", {"status": {"phase": "Succeeded"}})
        exchange.patch("pods/b/status", {"status": {"phase": "Running"}})
        watch.take_until("b")
    with exchange.watch(f"pods?watch=1&fieldSelector=metadata.name%3Db&resourceVersion={first.version}") as watch:
        watch.take(3)
    with exchange.watch(f"pods?watch=1&fieldSelector=status.phase!%3DRunning&resourceVersion={first.version}") as watch:
        watch.take(4)


def test_one_object_is_watched_by_name_and_by_the_old_path(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.post("configmaps", config_map("b"))
    with exchange.watch("configmaps?watch=1&fieldSelector=metadata.name%3Db") as watch:
        watch.take(1)
    with exchange.watch("/api/v1/watch/namespaces/{ns}/configmaps/b") as watch:
        watch.take(1)
    with exchange.watch("/api/v1/watch/namespaces/{ns}/configmaps?resourceVersion=0") as watch:
        watch.take(2)
    with exchange.watch("configmaps/b?watch=1") as watch:
        watch.take(1)


def test_a_watch_ends_by_its_own_time(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    with exchange.watch("configmaps?watch=1&timeoutSeconds=1") as watch:
        watch.take_to_end()


def test_a_watch_of_all_namespaces(exchange: Exchange) -> None:
    labels = {"of": exchange.namespace}
    first = exchange.post("configmaps", config_map("a", labels=labels))
    exchange.post("/api/v1/namespaces/default/configmaps", config_map("of-default", labels=labels))
    query = f"watch=1&labelSelector=of%3D{exchange.namespace}"
    with exchange.watch(f"/api/v1/configmaps?{query}&resourceVersion={first.version}") as watch:
        exchange.delete("configmaps/a")
        exchange.delete("/api/v1/namespaces/default/configmaps/of-default")
        watch.take(3)


def test_watches_that_make_no_sense(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    for query in (
        "resourceVersion=abc",
        "resourceVersion=-1",
        "labelSelector=a%20b",
        "fieldSelector=spec.nothing%3Da",
        "timeoutSeconds=soon",
        "resourceVersionMatch=Exact",
        "resourceVersion=5&resourceVersionMatch=NotOlderThan",
        "continue=abc",
        "limit=1&timeoutSeconds=1",
    ):
        with exchange.watch(f"configmaps?watch=1&{query}") as watch:
            watch.take(1)
    with exchange.watch("things?watch=1"):
        pass
    with exchange.watch("configmaps/absent?watch=1&timeoutSeconds=1") as watch:
        watch.take_to_end()


def test_a_watch_from_a_version_of_the_future(exchange: Exchange) -> None:
    with exchange.watch("configmaps?watch=1&resourceVersion=999999999999&timeoutSeconds=1") as watch:
        watch.take_to_end()
