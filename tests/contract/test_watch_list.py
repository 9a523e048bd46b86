"""Watches that begin with a list: ``sendInitialEvents``."""

from __future__ import annotations

from tests.contract.exchange import Exchange
from tests.contract.objects import config_map, pod

INITIAL = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


def test_the_objects_come_first_and_a_bookmark_ends_them(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("b"))
    exchange.post("configmaps", config_map("a"))
    for version in ("", "&resourceVersion=", "&resourceVersion=0", f"&resourceVersion={first.version}"):
        with exchange.watch(f"configmaps?{INITIAL}&allowWatchBookmarks=true{version}") as watch:
            watch.take(3)


def test_events_follow_the_bookmark(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    with exchange.watch(f"configmaps?{INITIAL}&allowWatchBookmarks=true") as watch:
        watch.take(2)
        exchange.patch("configmaps/a", {"data": {"k": "v"}})
        exchange.delete("configmaps/a")
        watch.take(2)


def test_without_bookmarks_nothing_says_where_the_list_ends(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    with exchange.watch(f"configmaps?{INITIAL}") as watch:
        exchange.post("configmaps", config_map("last"))
        watch.take_until("last")
    with exchange.watch(f"configmaps?{INITIAL}&allowWatchBookmarks=false") as watch:
        watch.take(2)


def test_an_empty_collection_has_only_the_bookmark(exchange: Exchange) -> None:
    with exchange.watch(f"configmaps?{INITIAL}&allowWatchBookmarks=true") as watch:
        watch.take(1)
        exchange.post("configmaps", config_map("a"))
        watch.take(1)


def test_selections_hold_for_the_first_objects_too(exchange: Exchange) -> None:
    exchange.post("pods", pod("a", labels={"app": "web"}))
    exchange.post("pods", pod("b", labels={"app": "db"}))
    with exchange.watch(f"pods?{INITIAL}&allowWatchBookmarks=true&labelSelector=app%3Ddb") as watch:
        watch.take(2)
    with exchange.watch(f"pods?{INITIAL}&allowWatchBookmarks=true&fieldSelector=metadata.name%3Da") as watch:
        watch.take(2)


def test_no_initial_events_are_wanted(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a"))
    none = "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    for version in ("", "&resourceVersion=0", f"&resourceVersion={first.version}"):
        with exchange.watch(f"configmaps?{none}&allowWatchBookmarks=true{version}") as watch:
            changed = exchange.patch("configmaps/a", {"data": {"version": version}})
            assert changed.status == 200
            watch.take(1)


def test_combinations_that_make_no_sense(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    for query in (
        "sendInitialEvents=true",
        "sendInitialEvents=false",
        "sendInitialEvents=true&resourceVersionMatch=Exact",
        "sendInitialEvents=true&resourceVersionMatch=Unknown",
        "resourceVersionMatch=NotOlderThan",
        "resourceVersionMatch=NotOlderThan&resourceVersion=0",
        "sendInitialEvents=maybe",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=abc",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=abc",
    ):
        with exchange.watch(f"configmaps?watch=1&{query}&timeoutSeconds=1") as watch:
            watch.take(1)


def test_a_list_of_the_future_is_waited_for_and_refused(exchange: Exchange) -> None:
    with exchange.watch(f"configmaps?{INITIAL}&allowWatchBookmarks=true&resourceVersion=999999999999"):
        pass
