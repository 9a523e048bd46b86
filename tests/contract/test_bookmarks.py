"""Bookmarks: the versions that a watch has reached without an event."""

from __future__ import annotations

from tests.contract.exchange import Exchange
from tests.contract.objects import config_map, pod


def test_a_bookmark_comes_before_the_end(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    start = exchange.post("configmaps", config_map("b"))
    query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion={start.version}"
    with exchange.watch(f"configmaps?{query}") as watch:
        exchange.post("pods", pod("a"))
        exchange.post("configmaps", config_map("c"))
        watch.take_to_end()


def test_a_bookmark_names_the_kind_and_nothing_else(exchange: Exchange) -> None:
    start = exchange.post("pods", pod("a"))
    query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion={start.version}"
    with exchange.watch(f"pods?{query}&fieldSelector=metadata.name%3Dnone") as watch:
        exchange.post("pods", pod("b"))
        watch.take_to_end()


def test_bookmarks_are_not_sent_unasked(exchange: Exchange) -> None:
    start = exchange.post("configmaps", config_map("a"))
    with exchange.watch(f"configmaps?watch=1&timeoutSeconds=5&resourceVersion={start.version}") as watch:
        exchange.post("configmaps", config_map("b"))
        watch.take_to_end()
