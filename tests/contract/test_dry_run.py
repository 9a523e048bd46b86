"""Writes that are answered and not done."""

from __future__ import annotations

from tests.contract.exchange import JSON_PATCH, STRATEGIC_PATCH, Exchange
from tests.contract.objects import config_map, deployment, pod


def test_nothing_is_stored(exchange: Exchange) -> None:
    exchange.post("configmaps?dryRun=All", config_map("a", k="v"))
    exchange.get("configmaps/a")
    kept = exchange.post("configmaps", config_map("a", k="v"))
    exchange.put("configmaps/a?dryRun=All", config_map("a", k="w"))
    exchange.patch("configmaps/a?dryRun=All", {"data": {"more": "x"}})
    exchange.patch("configmaps/a?dryRun=All", [{"op": "remove", "path": "/data/k"}], JSON_PATCH)
    exchange.patch("configmaps/a?dryRun=All", {"data": {"k": None}}, STRATEGIC_PATCH)
    exchange.apply("configmaps/a?dryRun=All", config_map("a", k="z"), force=True)
    exchange.apply("configmaps/b?dryRun=All", config_map("b", k="z"))
    exchange.delete("configmaps/a?dryRun=All")
    exchange.delete("configmaps/a", {"dryRun": ["All"]})
    exchange.delete("configmaps?dryRun=All")
    exchange.get("configmaps")
    with exchange.watch(f"configmaps?watch=1&resourceVersion={kept.version}") as watch:
        exchange.post("configmaps", config_map("last"))
        watch.take_until("last")


def test_errors_are_the_same(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.post("configmaps?dryRun=All", config_map("a"))
    exchange.post("configmaps?dryRun=All", config_map("A"))
    exchange.put("configmaps/absent?dryRun=All", config_map("absent"))
    exchange.delete("configmaps/absent?dryRun=All")
    exchange.put("configmaps/a?dryRun=All", {"metadata": {"name": "a", "resourceVersion": "1"}})


def test_values_that_there_are_not(exchange: Exchange) -> None:
    exchange.post("configmaps?dryRun=Some", config_map("a"))
    exchange.post("configmaps?dryRun=", config_map("b"))
    exchange.post("configmaps?dryRun=All&dryRun=Some", config_map("c"))
    exchange.post("configmaps?dryRun=all", config_map("d"))
    exchange.put("configmaps/b?dryRun=Some", config_map("b"))
    exchange.patch("configmaps/b?dryRun=Some", {})
    exchange.delete("configmaps/b?dryRun=Some")
    exchange.delete("configmaps/b", {"dryRun": ["Some"]})


def test_generated_names_and_defaults_are_shown(exchange: Exchange) -> None:
    exchange.post("configmaps?dryRun=All", {"metadata": {"generateName": "g-"}})
    exchange.post("apps/v1/deployments?dryRun=All", deployment("web"))
    exchange.post("pods?dryRun=All", pod("a"))
    exchange.post("pods", pod("a"))
    exchange.delete("pods/a?dryRun=All")
    exchange.get("pods/a", select=lambda body: body["metadata"])


def test_subresources_are_not_written_either(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("web", replicas=1))
    exchange.patch("apps/v1/deployments/web/status?dryRun=All", {"status": {"replicas": 7}})
    exchange.patch("apps/v1/deployments/web/scale?dryRun=All", {"spec": {"replicas": 7}})
    exchange.get("apps/v1/deployments/web")
