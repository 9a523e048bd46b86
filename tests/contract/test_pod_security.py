"""Pod security: which pods a namespace refuses, which it warns of, and what its labels may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import STRATEGIC_PATCH, Answered, Exchange
from tests.contract.objects import deployment, pod

OWN_NAMESPACE = "/api/v1/namespaces/{ns}"
LABEL = "pod-security.kubernetes.io/"

LAX: JSONObject = {
    "hostPID": True,
    "containers": [{"name": "main", "image": "nginx:1", "securityContext": {"privileged": True}}],
}
"""What every level but the lowest is against, as of any version."""

SAFE: JSONObject = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The security context of a container that every level takes."""


def labels(**asked: str | None) -> JSONObject:
    """Return a patch that gives a namespace labels for pod security; ``_`` stands for ``-``."""
    return {"metadata": {"labels": {LABEL + key.replace("_", "-"): value for key, value in asked.items()}}}


def configured(name: str, patch: JSONObject) -> JSONObject:
    """Return a whole namespace with what a patch gives to it."""
    metadata: JSONObject = {"name": name, **cast("JSONObject", patch["metadata"])}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def contained(name: str = "main", context: JSONObject | None = None, **more: JSONValue) -> JSONObject:
    """Return a container with a security context."""
    own: JSONObject = {} if context is None else {"securityContext": context}
    return {"name": name, "image": "nginx:1", **own, **more}


def safe(name: str = "main", **context: JSONValue) -> JSONObject:
    """Return a container that every level takes but for what is said otherwise; None leaves out a part."""
    return contained(name, {key: value for key, value in {**SAFE, **context}.items() if value is not None})


def of(*containers: JSONObject, **spec: JSONValue) -> JSONObject:
    """Return the spec of a pod."""
    return {"containers": [*containers], **spec}


def judged(name: str, spec: JSONObject) -> JSONObject:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def volumes(*sources: JSONObject) -> list[JSONValue]:
    return [{"name": f"v{number}", **source} for number, source in enumerate(sources)]


def asking(host: str, **more: JSONValue) -> JSONObject:
    return {"httpGet": {"port": 80, "host": host}, **more}


def linux(**options: JSONValue) -> JSONObject:
    return {"seLinuxOptions": options}


BASELINE: Mapping[str, JSONObject] = {
    "plain": of(contained()),
    "lax": LAX,
    "namespaces": of(contained(), hostNetwork=True, hostPID=True, hostIPC=True),
    "paths": of(
        contained(),
        volumes=volumes({"hostPath": {"path": "/a"}}, {"emptyDir": {}}, {"hostPath": {"path": "/b"}}),
    ),
    "path": of(contained(), volumes=volumes({"hostPath": {"path": "/a"}})),
    "ports": of(
        contained("a", ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]),
        contained("b", ports=[{"containerPort": 90, "hostPort": 443}]),
        contained("c"),
    ),
    "port": of(contained(ports=[{"containerPort": 80, "hostPort": 8080}])),
    "ports-of-the-host": of(contained(ports=[{"containerPort": 80}]), hostNetwork=True),
    "hosts": of(
        contained(
            "b",
            livenessProbe=asking("a.example.com"),
            readinessProbe={"tcpSocket": {"port": 1, "host": "b.example.com"}},
        ),
        contained("a", lifecycle={"preStop": asking("c.example.com"), "postStart": asking("a.example.com")}),
        contained("c", startupProbe={"httpGet": {"port": 80}}),
    ),
    "host": of(contained(startupProbe=asking("localhost"))),
    "privileged": of(
        contained("a", {"privileged": True}),
        contained("b", {"privileged": False}),
        initContainers=[contained("first", {"privileged": True})],
    ),
    "capabilities": of(
        contained("a", {"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}}),
        contained("b", {"capabilities": {"add": ["KILL"], "drop": ["ALL"]}}),
        contained("c", {"capabilities": {"add": ["NET_RAW"]}}),
    ),
    "capability": of(contained("a", {"capabilities": {"add": ["NET_RAW"]}})),
    "proc-mounts": of(contained("a", {"procMount": "Unmasked"}), contained("b", {"procMount": "Default"})),
    "proc-mount-of-own-users": of(contained("a", {"procMount": "Unmasked"}), hostUsers=False),
    "linux": of(
        contained("a", linux(type="own_t")),
        contained("b", linux(type="container_engine_t")),
        contained("c", linux(user="u", role="r", level="s0")),
        contained("d", linux(type="other_t", role="r")),
        securityContext=linux(type="container_t"),
    ),
    "linux-of-the-pod": of(contained(), securityContext=linux(user="u")),
    "linux-of-all": of(contained("a", linux(type="own_t")), securityContext=linux(type="own_t", user="u")),
    "seccomp": of(
        contained("a", {"seccompProfile": {"type": "Unconfined"}}),
        contained("b", {"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}}),
        contained("c", {"seccompProfile": {"type": "Unconfined"}}),
    ),
    "seccomp-of-the-pod": of(contained(), securityContext={"seccompProfile": {"type": "Unconfined"}}),
    "app-armor": of(
        contained("a", {"appArmorProfile": {"type": "Unconfined"}}),
        contained("b", {"appArmorProfile": {"type": "RuntimeDefault"}}),
        securityContext={"appArmorProfile": {"type": "Unconfined"}},
    ),
    "sysctls": of(
        contained(),
        securityContext={
            "sysctls": [
                {"name": "kernel.msgmax", "value": "1"},
                {"name": "net.ipv4.tcp_rmem", "value": "1"},
                {"name": "net.ipv4.tcp_syncookies", "value": "1"},
                {"name": "net.ipv4.tcp_notsent_lowat", "value": "1"},
                {"name": "net.ipv4.tcp_fin_timeout", "value": "1"},
                {"name": "net.ipv4.ip_local_reserved_ports", "value": "1"},
                {"name": "kernel.shm_rmid_forced", "value": "1"},
                {"name": "kernel.msgmnb", "value": "1"},
            ]
        },
    ),
    "host-process": of(
        contained("a", {"windowsOptions": {"hostProcess": True}}),
        hostNetwork=True,
        os={"name": "windows"},
        securityContext={"windowsOptions": {"hostProcess": True}},
    ),
}

RESTRICTED: Mapping[str, JSONObject] = {
    "safe": of(safe()),
    "several": of(contained("a"), safe("b"), initContainers=[contained("first")]),
    "escalation": of(safe("a", allowPrivilegeEscalation=True), safe("b", allowPrivilegeEscalation=None)),
    "drops": of(
        safe("a", capabilities={"drop": ["KILL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}),
        safe("b", capabilities={"drop": ["ALL"], "add": ["SYS_TIME"]}),
        safe("c", capabilities=None),
        safe("d", capabilities={"drop": ["KILL", "ALL"], "add": ["NET_BIND_SERVICE"]}),
    ),
    "volumes": of(
        safe(),
        volumes=volumes(
            {"hostPath": {"path": "/a"}},
            {"nfs": {"server": "s", "path": "/a"}},
            {"emptyDir": {}},
            {"configMap": {"name": "a"}},
            {"flexVolume": {"driver": "a/b"}},
            {"nfs": {"server": "s", "path": "/b"}},
        ),
    ),
    "volume": of(safe(), volumes=volumes({"nfs": {"server": "s", "path": "/a"}})),
    "root": of(safe("a", runAsNonRoot=False), safe("b"), securityContext={"runAsNonRoot": False}),
    "root-of-one": of(safe("a", runAsNonRoot=None), safe("b")),
    "no-root-in-the-pod": of(safe("a", runAsNonRoot=None), safe("b"), securityContext={"runAsNonRoot": True}),
    "root-of-own-users": of(safe(runAsNonRoot=False, runAsUser=0), hostUsers=False),
    "user": of(safe("a", runAsUser=0), safe("b", runAsUser=1), securityContext={"runAsUser": 0}),
    "seccomp": of(
        safe("a", seccompProfile=None),
        safe("b", seccompProfile={"type": "Unconfined"}),
        securityContext={"seccompProfile": {"type": "Unconfined"}},
    ),
    "no-seccomp": of(safe("a", seccompProfile=None), safe("b"), safe("c", seccompProfile=None)),
    "seccomp-of-the-pod": of(safe(seccompProfile=None), securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
    "windows": of(contained("a", {"runAsNonRoot": True}), os={"name": "windows"}),
    "windows-as-root": of(contained("a"), os={"name": "windows"}),
}


WORST: JSONObject = of(
    contained("a", linux(type="container_engine_t"), livenessProbe=asking("a.example.com")),
    contained("b", {"capabilities": {"add": ["SYS_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}}),
    contained("c", {"runAsUser": 0, "privileged": True}),
    hostIPC=True,
    volumes=volumes({"hostPath": {"path": "/a"}}, {"nfs": {"server": "s", "path": "/a"}}),
    securityContext=BASELINE["sysctls"]["securityContext"],
)

TEMPLATES: Mapping[str, str] = {
    "apps/v1/daemonsets": "DaemonSet",
    "apps/v1/deployments": "Deployment",
    "apps/v1/replicasets": "ReplicaSet",
    "apps/v1/statefulsets": "StatefulSet",
    "replicationcontrollers": "ReplicationController",
}


def tells(text: str) -> Callable[[Answered], bool]:
    """Return whether an answer says something, or warns of it."""
    return lambda answer: text in str(answer.headers.get("warning", "")) or text.encode() in answer.content


def ask(exchange: Exchange, judged_by: str, **asked: str | None) -> None:
    """Label the namespace, and wait until pods are judged by that."""
    exchange.patch(OWN_NAMESPACE, labels(**asked))
    exchange.wait_for_effect("pods", judged("probe", LAX), tells(judged_by))


def rehearse(exchange: Exchange, specs: Mapping[str, JSONObject]) -> None:
    for name, spec in specs.items():
        exchange.post("pods?dryRun=All", judged(name, spec))


def noted(name: str, annotations: JSONObject, spec: JSONObject) -> JSONObject:
    """Return a pod with annotations."""
    return {**judged(name, spec), "metadata": {"name": name, "annotations": annotations}}


def workload(kind: str, name: str, spec: JSONObject) -> JSONObject:
    """Return an object that has its pods made of a template."""
    template: JSONObject = {"metadata": {"labels": {"app": name}}, "spec": spec}
    selector: JSONObject = {"app": name} if kind == "ReplicationController" else {"matchLabels": {"app": name}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"selector": selector, "template": template}}


def test_what_the_baseline_forbids(exchange: Exchange) -> None:
    ask(exchange, "baseline:latest", enforce="baseline")
    rehearse(exchange, BASELINE)
    made = judged("unnamed", LAX)
    made["metadata"] = {"generateName": "made-"}
    exchange.post("pods", made)
    exchange.apply("pods/applied", judged("applied", LAX))
    exchange.apply("pods/applied", pod("applied"))
    exchange.patch("pods/applied", {"metadata": {"labels": {"a": "b"}}})


def test_what_the_restricted_level_forbids(exchange: Exchange) -> None:
    ask(exchange, "restricted:latest", enforce="restricted")
    rehearse(exchange, RESTRICTED)
    rehearse(exchange, {name: BASELINE[name] for name in ("paths", "capabilities", "proc-mount-of-own-users")})
    exchange.post("pods", judged("worst", WORST))
    exchange.post("apps/v1/deployments?dryRun=All", deployment("web"))


def test_levels_of_older_versions(exchange: Exchange) -> None:
    annotations: JSONObject = {
        "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/a": "localhost/a.json",
        "container.seccomp.security.alpha.kubernetes.io/c": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/z": "unconfined",
    }
    exemplary = {name: RESTRICTED[name] for name in ("windows-as-root", "root-of-own-users")}
    exemplary["proc-mount"] = BASELINE["proc-mount-of-own-users"]
    for minor in (0, 8, 19, 22, 23, 25, 27, 29, 31, 32, 34, 35, 36, 37, 99):
        ask(exchange, f"restricted:v1.{minor}", enforce="restricted", enforce_version=f"v1.{minor}")
        exchange.post("pods?dryRun=All", noted("worst", annotations, WORST))
        rehearse(exchange, exemplary)
    for minor in (0, 19, 30, 35):
        ask(exchange, f"baseline:v1.{minor}", enforce="baseline", enforce_version=f"v1.{minor}")
        exchange.post("pods?dryRun=All", noted("worst", annotations, WORST))


def test_pods_and_templates_that_are_warned_of(exchange: Exchange) -> None:
    exchange.post("pods", pod("old"))
    exchange.post("apps/v1/deployments", deployment("old"))
    ask(exchange, "restricted:latest", warn="restricted", audit="baseline")
    exchange.post("pods", pod("a"))
    exchange.post("pods", judged("b", of(safe())))
    exchange.post("pods?dryRun=All&fieldValidation=Warn", pod("c", odd=1))
    exchange.apply("pods/d?dryRun=All", pod("d"))
    exchange.patch("pods/old", {"metadata": {"labels": {"a": "b"}}})
    exchange.patch("pods/old", {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}, STRATEGIC_PATCH)
    exchange.patch("pods/old/status", {"status": {"phase": "Running"}})
    for path, kind in TEMPLATES.items():
        exchange.post(f"{path}?dryRun=All", workload(kind, "web", of(contained())))
    exchange.post("apps/v1/deployments?dryRun=All", workload("Deployment", "web", of(safe())))
    once: JSONObject = {"template": {"spec": of(contained(), restartPolicy="Never")}}
    exchange.post("batch/v1/jobs?dryRun=All", {"metadata": {"name": "once"}, "spec": once})
    often: JSONObject = {"schedule": "* * * * *", "jobTemplate": {"spec": once}}
    exchange.post("batch/v1/cronjobs?dryRun=All", {"metadata": {"name": "often"}, "spec": often})
    exchange.post("podtemplates?dryRun=All", {"metadata": {"name": "kept"}, "template": {"spec": of(contained())}})
    exchange.patch("apps/v1/deployments/old", {"metadata": {"labels": {"a": "b"}}})
    exchange.patch("apps/v1/deployments/old/scale", {"spec": {"replicas": 2}})
    exchange.patch("apps/v1/deployments/old/status", {"status": {"replicas": 1}})
    ask(exchange, "baseline:latest", enforce="baseline")
    exchange.post("pods?dryRun=All", judged("lax", LAX))
    exchange.post("pods?dryRun=All", pod("e"))
    exchange.delete("pods/old?gracePeriodSeconds=0")


def test_who_enforces_a_level_warns_of_it(exchange: Exchange) -> None:
    ask(exchange, "baseline:v1.30", enforce="baseline", enforce_version="v1.30")
    exchange.post("apps/v1/deployments?dryRun=All", workload("Deployment", "web", LAX))
    ask(exchange, "baseline:v1.20", enforce_version="v1.20", warn_version="v1.25")
    exchange.post("apps/v1/deployments?dryRun=All", workload("Deployment", "web", LAX))
    ask(exchange, "restricted:v1.20", enforce="restricted", warn="privileged")
    exchange.post("apps/v1/deployments?dryRun=All", workload("Deployment", "web", LAX))


def test_labels_that_cannot_be(exchange: Exchange) -> None:
    wrong = labels(enforce="strict", enforce_version="1.20", audit="", audit_version="v2.0", warn="Baseline")
    rehearsed = f"{OWN_NAMESPACE}?dryRun=All"
    exchange.post("/api/v1/namespaces?dryRun=All", configured("made-wrong", wrong))
    exchange.patch(OWN_NAMESPACE, wrong)
    for version in ("v1", "v1.01", "v1.-1", "latest.", "v1.20.3", ""):
        exchange.patch(rehearsed, labels(warn_version=version))
    exchange.patch(rehearsed, labels(odd="strict"))
    exchange.apply(OWN_NAMESPACE, configured(exchange.namespace, labels(enforce="odd")))
    exchange.patch(f"{OWN_NAMESPACE}/status", labels(enforce="strict"))
    exchange.patch(OWN_NAMESPACE, labels(enforce="privileged", warn="baseline", audit="restricted"))


def test_namespaces_whose_pods_would_not_be_let_in(exchange: Exchange) -> None:
    for name, spec in {"b": LAX, "c": LAX, "a": LAX, "e": of(contained()), "d": of(safe())}.items():
        exchange.post("pods", judged(name, spec))
    wanted = labels(enforce="restricted")
    exchange.wait_for_effect(OWN_NAMESPACE, wanted, tells("a (and 2 other pods)"), method="PATCH")
    patches: list[JSONObject] = [
        labels(enforce="privileged", enforce_version="v1.20"),
        labels(warn="restricted"),
        labels(enforce="baseline", enforce_version="v1.20"),
        labels(enforce="restricted", enforce_version="v1.20"),
        labels(enforce="restricted", enforce_version="v1.20"),
        labels(enforce="baseline", enforce_version="v1.20"),
        labels(enforce="baseline", enforce_version="v1.21"),
        labels(enforce="restricted", enforce_version=None),
        {"metadata": {"labels": {"other": "label"}}},
        labels(enforce=None),
    ]
    for patch in patches:
        exchange.patch(OWN_NAMESPACE, patch)
    exchange.delete("pods/a?gracePeriodSeconds=0")
    exchange.wait_for_effect(OWN_NAMESPACE, wanted, tells("b (and 1 other pod)"), method="PATCH")
    exchange.patch(f"{OWN_NAMESPACE}?dryRun=All", wanted)
    exchange.apply(f"{OWN_NAMESPACE}?dryRun=All", configured(exchange.namespace, wanted))


def test_pods_are_judged_again_when_their_images_change(exchange: Exchange) -> None:
    exchange.post("pods", judged("old", LAX))
    exchange.patch("pods/old", {"metadata": {"labels": {"a": "b"}}})
    ask(exchange, "baseline:latest", enforce="baseline")
    exchange.patch("pods/old", {"metadata": {"labels": {"a": "c"}}})
    exchange.patch("pods/old", {"spec": {"activeDeadlineSeconds": 60}})
    other: JSONObject = {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}
    exchange.patch("pods/old", other, STRATEGIC_PATCH)
    exchange.patch("pods/old/status", {"status": {"phase": "Failed"}})
    exchange.delete("pods/old?gracePeriodSeconds=0")
