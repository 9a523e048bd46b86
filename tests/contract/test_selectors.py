"""Which objects a selector chooses, and which selectors there are."""

from __future__ import annotations

from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Answered, Exchange, quoted
from tests.contract.objects import config_map, pod


def names_of(body: JSONObject) -> JSONValue:
    """Return the names of a list's objects, or an error as it is."""
    if "items" not in body:
        return body
    items = cast("list[dict[str, dict[str, JSONValue]]]", body["items"])
    return [item["metadata"]["name"] for item in items]


def select(exchange: Exchange, resource: str, **selectors: str) -> Answered:
    query = "&".join(f"{name}={quoted(value)}" for name, value in selectors.items())
    return exchange.get(f"{resource}?{query}", select=names_of)


def test_label_selectors(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", labels={"app": "web", "tier": "front"}))
    exchange.post("configmaps", config_map("b", labels={"app": "db", "empty": ""}))
    exchange.post("configmaps", config_map("c", labels={"example.com/app": "web", "n": "5"}))
    exchange.post("configmaps", config_map("d"))
    for text in (
        "",
        "app",
        "!app",
        "app=web",
        "app==web",
        "app!=web",
        "app in (web,db)",
        "app in (web, db), tier",
        "app notin (web)",
        "app in (web,)",
        "app=",
        "empty=",
        "empty",
        "example.com/app=web",
        "n>4",
        "n<4",
        "n gt 4",
        "app=web,app=db",
        " app = web ",
        "app=web,,tier",
        "in=in",
        "n>x",
        "app>1",
    ):
        select(exchange, "configmaps", labelSelector=text)


def test_label_selectors_that_are_none(exchange: Exchange) -> None:
    for text in (
        "=",
        "app=web=db",
        "app in web",
        "app in (",
        "app in ()",
        "app in (web",
        "app=a b",
        "a b",
        "!",
        "!app=web",
        "-app",
        "app=-web",
        "app/b/c=d",
        ",",
        "app,",
        "app=web,",
        "x" * 64,
        "app=" + "x" * 64,
        "app!in (a)",
        "(app)",
        "app in (a b)",
        "app;db",
    ):
        select(exchange, "configmaps", labelSelector=text)


def test_field_selectors_of_every_kind_choose_by_name(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.post("configmaps", config_map("b"))
    for text in (
        "metadata.name=a",
        "metadata.name==a",
        "metadata.name!=a",
        "metadata.name=",
        f"metadata.namespace={exchange.namespace}",
        f"metadata.namespace!={exchange.namespace}",
        "metadata.name=a,metadata.name=b",
        "metadata.name=a\\,b",
        "",
        ",",
    ):
        select(exchange, "configmaps", fieldSelector=text)


def test_field_selectors_that_are_none(exchange: Exchange) -> None:
    for text in (
        "metadata.labels=a",
        "metadata.uid=a",
        "spec.x=a",
        "name=a",
        "metadata.name",
        "metadata.name>a",
        "metadata.name in (a)",
        "=a",
        "metadata.name=a\\b",
        "metadata.name=a=b",
    ):
        select(exchange, "configmaps", fieldSelector=text)


def test_pods_by_field(exchange: Exchange) -> None:
    exchange.post("pods", pod("a", nodeName="node-1", restartPolicy="Never"))
    exchange.post("pods", pod("b", schedulerName="mine", hostNetwork=True))
    exchange.patch("pods/b/status", {"status": {"phase": "Running", "podIP": "1.2.3.4"}})
    for text in (
        "spec.nodeName=node-1",
        "spec.nodeName=",
        "spec.nodeName!=",
        "spec.restartPolicy=Never",
        "spec.schedulerName=mine",
        "spec.serviceAccountName=",
        "spec.serviceAccountName=default",
        "spec.hostNetwork=true",
        "spec.hostNetwork=false",
        "status.phase=Running",
        "status.phase!=Running",
        "status.podIP=1.2.3.4",
        "status.nominatedNodeName=",
        "status.phase=Running,spec.schedulerName=mine",
        "status.hostIP=a",
        "spec.nodename=a",
    ):
        select(exchange, "pods", fieldSelector=text)


def test_other_kinds_by_field(exchange: Exchange) -> None:
    exchange.post("secrets", {"metadata": {"name": "a"}, "type": "example.com/mine"})
    exchange.post("secrets", {"metadata": {"name": "b"}})
    select(exchange, "secrets", fieldSelector="type=example.com/mine")
    select(exchange, "secrets", fieldSelector="type=Opaque")
    about: JSONObject = {"kind": "Pod", "name": "web", "namespace": exchange.namespace, "uid": "u", "apiVersion": "v1"}
    exchange.post(
        "events",
        {"metadata": {"name": "e"}, "involvedObject": about, "reason": "Because", "type": "Warning", "message": "m"},
    )
    for text in (
        "involvedObject.kind=Pod",
        "involvedObject.name=web,involvedObject.uid=u",
        "reason=Because",
        "reason!=Because",
        "type=Warning",
        "type=Normal",
        "source=",
        "reportingComponent=",
        "regarding.name=web",
    ):
        select(exchange, "events", fieldSelector=text)
    select(exchange, "events.k8s.io/v1/events", fieldSelector="regarding.name=web")
    select(exchange, "events.k8s.io/v1/events", fieldSelector="involvedObject.name=web")
    select(exchange, "apps/v1/deployments", fieldSelector="spec.replicas=1")
    exchange.get(
        f"/api/v1/namespaces?fieldSelector=metadata.name%3D{exchange.namespace},status.phase%3DActive", select=names_of
    )
    exchange.get("/api/v1/nodes?fieldSelector=spec.unschedulable%3Dtrue", select=names_of)
    exchange.get("/api/v1/nodes?fieldSelector=metadata.namespace%3Da", select=names_of)


def test_both_selectors_hold(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", labels={"app": "web"}))
    exchange.post("configmaps", config_map("b", labels={"app": "web"}))
    select(exchange, "configmaps", labelSelector="app=web", fieldSelector="metadata.name=b")
    select(exchange, "configmaps", labelSelector="app=db", fieldSelector="metadata.name=b")
