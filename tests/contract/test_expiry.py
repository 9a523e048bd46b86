"""What is too old: 410 after a compaction."""

from __future__ import annotations

from tests.contract.exchange import Exchange, quoted
from tests.contract.objects import config_map


def test_compaction_expires_watches_and_versions_and_tokens(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a"))
    exchange.post("configmaps", config_map("b"))
    exchange.post("configmaps", config_map("c"))
    page = exchange.get("configmaps?limit=1")
    exchange.post("configmaps", config_map("d"))
    exchange.reconnect_after(exchange.backend.compact)
    with exchange.watch(f"configmaps?watch=1&resourceVersion={first.version}") as watch:
        watch.take_to_end()
    with exchange.watch(f"configmaps?watch=1&allowWatchBookmarks=1&resourceVersion={first.version}") as watch:
        watch.take_to_end()
    with exchange.watch("configmaps?watch=1&resourceVersion=1") as watch:
        watch.take_to_end()
    exchange.get(f"configmaps?resourceVersion={first.version}&resourceVersionMatch=Exact")
    exchange.get(f"configmaps?resourceVersion={first.version}&resourceVersionMatch=NotOlderThan")
    exchange.get(f"configmaps?resourceVersion={first.version}")
    expired = exchange.get(f"configmaps?limit=1&continue={quoted(page.metadata['continue'])}")
    fresh = expired.metadata["continue"]
    page = exchange.get(f"configmaps?limit=1&continue={quoted(fresh)}")
    exchange.get(f"configmaps?continue={quoted(page.metadata['continue'])}")
    exchange.get("configmaps")
    with exchange.watch("configmaps?watch=1&resourceVersion=0") as watch:
        watch.take(4)
