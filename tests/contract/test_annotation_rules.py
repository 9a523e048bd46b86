"""The annotations of pods that have rules, and what they do to the fields that took their place."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange
from tests.contract.objects import pod
from tests.contract.test_pod_rules import CONTAINER, ODD, PREFERRED, REQUIRED, failure_or_spec

APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
INITIAL: JSONObject = {"name": "i", "image": "i"}
COST = "controller.kubernetes.io/pod-deletion-cost"
MIRROR = "kubernetes.io/config.mirror"


def annotated(annotations: JSONObject, spec: JSONObject | None = None) -> JSONObject:
    metadata: JSONObject = {"name": "a", "annotations": annotations}
    return {"metadata": metadata, "spec": {"containers": [CONTAINER], **(spec or {})}}


def ask(exchange: Exchange, annotations: JSONObject, spec: JSONObject | None = None) -> None:
    exchange.request("POST", "pods?dryRun=All", annotated(annotations, spec), select=failure_or_spec)


def secured(key: str, kind: str, **more: JSONValue) -> JSONObject:
    return {"securityContext": {key: {"type": kind, **more}}}


def test_annotations_that_are_wrong(exchange: Exchange) -> None:
    for profile in ("localhost/../a", "localhost//a", "odd"):
        ask(exchange, {SECCOMP_POD: profile})
        ask(exchange, {f"{SECCOMP}main": profile})
    ask(exchange, {f"{APP_ARMOR}other": "unconfined"})
    ask(exchange, {MIRROR: "x"})
    ask(exchange, {MIRROR: "x"}, {"nodeName": "n", "schedulingGates": [{"name": "a"}]})
    for cost in ("", "+1", "01", "-01", "-", "1x", "2147483648", "-2147483648", "0"):
        ask(exchange, {COST: cost})
    exchange.post(
        "podtemplates?dryRun=All",
        {
            "metadata": {"name": "a"},
            "template": annotated({f"{APP_ARMOR}main": "odd", COST: "x", f"{SECCOMP}main": "odd", ODD: "x"}),
        },
    )


def test_annotations_against_fields(exchange: Exchange) -> None:
    for key, annotation in (("appArmorProfile", APP_ARMOR), ("seccompProfile", SECCOMP)):
        for kind, given in (
            ("Unconfined", "runtime/default"),
            ("RuntimeDefault", "unconfined"),
            ("Localhost", "unconfined"),
            ("Localhost", "localhost/b"),
        ):
            more: JSONObject = {"localhostProfile": "a"} if kind == "Localhost" else {}
            own: JSONObject = {"containers": [CONTAINER | secured(key, kind, **more)]}
            ask(exchange, {f"{annotation}main": given}, own)
            ask(exchange, {f"{annotation}main": given}, secured(key, kind, **more) | {"os": {"name": "windows"}})
            if annotation is SECCOMP:
                ask(exchange, {SECCOMP_POD: given}, secured(key, kind, **more))


def test_annotations_that_become_fields(exchange: Exchange) -> None:
    for given in ("unconfined", "runtime/default", "localhost/a", "localhost/", ""):
        ask(exchange, {f"{APP_ARMOR}main": given})
    whole = secured("appArmorProfile", "Unconfined")
    for given in ("unconfined", "runtime/default"):
        ask(exchange, {f"{APP_ARMOR}main": given, f"{APP_ARMOR}i": given}, whole | {"initContainers": [INITIAL]})
    own: JSONObject = {"containers": [CONTAINER | whole]}
    ask(exchange, {f"{APP_ARMOR}main": "unconfined"}, own)
    ask(exchange, {f"{APP_ARMOR}main": "unconfined"}, {"os": {"name": "windows"}})


def test_annotations_of_pods_that_are_there(exchange: Exchange) -> None:
    exchange.post("pods", pod("a") | annotated({COST: "1"}))
    for changed in ({f"{APP_ARMOR}main": "odd"}, {MIRROR: "x"}, {COST: "x"}, {COST: "2"}):
        body: JSONObject = {"metadata": {"annotations": changed}}
        exchange.request("PATCH", "pods/a", body, content_type="application/merge-patch+json", select=failure_or_spec)


def test_labels_that_are_named_by_key(exchange: Exchange) -> None:
    selector: JSONObject = {"matchLabels": {"a": "b"}}
    exists: JSONObject = {"matchExpressions": [{"key": "c", "operator": "Exists"}]}
    keys: JSONObject = {"topologyKey": "zone", "matchLabelKeys": ["x", "z"], "mismatchLabelKeys": ["y"]}
    terms: list[JSONValue] = [keys | {"labelSelector": selector}, keys | {"labelSelector": exists}]
    weighted: list[JSONValue] = [{"weight": 1, "podAffinityTerm": term} for term in terms]
    spread: JSONObject = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    spec: JSONObject = {
        "affinity": {
            "podAffinity": {REQUIRED: terms, PREFERRED: weighted},
            "podAntiAffinity": {REQUIRED: terms},
        },
        "topologySpreadConstraints": [spread | {"labelSelector": selector, "matchLabelKeys": ["y", "w"]}],
    }
    body = pod("a") | {
        "metadata": {"name": "a", "labels": {"x": "1", "y": "2"}},
        "spec": {"containers": [CONTAINER], **spec},
    }
    exchange.request("POST", "pods", body, select=failure_or_spec)
    clash: JSONObject = {"matchLabels": {"x": "1"}}
    spec = {"topologySpreadConstraints": [spread | {"labelSelector": clash, "matchLabelKeys": ["x"]}]}
    exchange.request("POST", "pods", body | {"spec": {"containers": [CONTAINER], **spec}}, select=failure_or_spec)
