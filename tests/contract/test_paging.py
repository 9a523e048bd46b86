"""Lists in pages: limits, continue tokens, and versions asked for."""

from __future__ import annotations

from tests.contract.exchange import Answered, Exchange, quoted
from tests.contract.objects import config_map, pod


def fill(exchange: Exchange, count: int = 5) -> list[Answered]:
    return [
        exchange.post("configmaps", config_map(f"c{number}", labels={"odd": str(number % 2)}))
        for number in range(count)
    ]


def token_of(page: Answered) -> str:
    return quoted(page.metadata["continue"])


def test_pages_follow_each_other(exchange: Exchange) -> None:
    fill(exchange)
    page = exchange.get("configmaps?limit=2")
    page = exchange.get(f"configmaps?limit=2&continue={token_of(page)}")
    exchange.get(f"configmaps?limit=2&continue={token_of(page)}")
    exchange.get(f"configmaps?limit=10&continue={token_of(page)}")
    exchange.get(f"configmaps?continue={token_of(page)}")
    exchange.get("configmaps?limit=5")
    exchange.get("configmaps?limit=0")
    exchange.get("configmaps?limit=500")


def test_pages_show_one_moment(exchange: Exchange) -> None:
    fill(exchange, 4)
    page = exchange.get("configmaps?limit=2")
    exchange.delete("configmaps/c2")
    exchange.post("configmaps", config_map("c9"))
    exchange.get(f"configmaps?limit=1&continue={token_of(page)}")
    exchange.get(f"configmaps?continue={token_of(page)}")
    exchange.get("configmaps")


def test_pages_of_a_selection_do_not_count_the_rest(exchange: Exchange) -> None:
    fill(exchange)
    page = exchange.get("configmaps?limit=1&labelSelector=odd%3D1")
    exchange.get(f"configmaps?limit=1&labelSelector=odd%3D1&continue={token_of(page)}")
    page = exchange.get("configmaps?limit=1&labelSelector=odd%3D0")
    page = exchange.get(f"configmaps?limit=1&labelSelector=odd%3D0&continue={token_of(page)}")
    exchange.get(f"configmaps?limit=1&labelSelector=odd%3D0&continue={token_of(page)}")
    exchange.get("configmaps?limit=1&fieldSelector=metadata.name%3Dc3")
    exchange.get("configmaps?limit=1&labelSelector=none")


def test_limits_and_tokens_that_make_no_sense(exchange: Exchange) -> None:
    fill(exchange, 3)
    page = exchange.get("configmaps?limit=1")
    for query in (
        "limit=-1",
        "limit=one",
        "limit=1.5",
        "limit=99999999999999999999",
        "limit=",
        "continue=garbage",
        "continue=e30",
        "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiIifQ",
        "limit=1&continue=%21%21",
        f"continue={token_of(page)}&resourceVersion=1",
        f"continue={token_of(page)}&resourceVersion=0",
        f"continue={token_of(page)}&resourceVersionMatch=Exact",
        f"continue={token_of(page)}&resourceVersion={page.version}&resourceVersionMatch=Exact",
        f"continue={token_of(page)}&labelSelector=odd%3D1",
    ):
        exchange.get(f"configmaps?{query}")


def test_lists_at_a_version(exchange: Exchange) -> None:
    first, second, *_ = fill(exchange, 3)
    for query in (
        "resourceVersion=0",
        f"resourceVersion={first.version}",
        f"resourceVersion={first.version}&resourceVersionMatch=NotOlderThan",
        f"resourceVersion={first.version}&resourceVersionMatch=Exact",
        f"resourceVersion={second.version}&resourceVersionMatch=Exact",
        f"resourceVersion={second.version}&resourceVersionMatch=Exact&limit=1",
        "resourceVersion=0&resourceVersionMatch=NotOlderThan",
        "resourceVersion=0&limit=1",
        f"resourceVersion={second.version}&limit=1",
    ):
        exchange.get(f"configmaps?{query}")


def test_versions_that_make_no_sense(exchange: Exchange) -> None:
    first = fill(exchange, 1)[0]
    for query in (
        "resourceVersion=abc",
        "resourceVersion=-1",
        "resourceVersion=1.5",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=NotOlderThan",
        f"resourceVersion={first.version}&resourceVersionMatch=Unknown",
        "resourceVersionMatch=Unknown",
        "sendInitialEvents=true",
        "sendInitialEvents=false",
        "resourceVersion=999999999999&resourceVersionMatch=Exact",
    ):
        exchange.get(f"configmaps?{query}")


def test_a_version_of_the_future_is_waited_for_and_refused(exchange: Exchange) -> None:
    fill(exchange, 1)
    exchange.get("configmaps?resourceVersion=999999999999")


def test_pages_across_namespaces_and_kinds(exchange: Exchange) -> None:
    label = f"of%3D{exchange.namespace}"
    labels = {"of": exchange.namespace}
    exchange.post("pods", pod("a", labels=labels))
    exchange.post("/api/v1/namespaces/default/pods", pod(f"{exchange.namespace}-b", labels=labels))
    exchange.post("pods", pod("c", labels=labels))
    page = exchange.get(f"/api/v1/pods?labelSelector={label}&limit=1")
    page = exchange.get(f"/api/v1/pods?labelSelector={label}&limit=1&continue={token_of(page)}")
    exchange.get(f"/api/v1/pods?labelSelector={label}&continue={token_of(page)}")
    exchange.get(f"configmaps?continue={token_of(page)}")
    exchange.delete(f"/api/v1/namespaces/default/pods/{exchange.namespace}-b?gracePeriodSeconds=0")
