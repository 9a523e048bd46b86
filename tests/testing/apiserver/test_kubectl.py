"""The real kubectl against the embedded server."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import IO

import pytest

from kubeprims.testing import APIServer, User
from kubeprims.testing.apiserver.backend import BackendOptions

KUBECTL = shutil.which("kubectl")
TIMEOUT_S = 30

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
spec:
  containers: [{name: web, image: nginx}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: small}
spec: {size: 1}
"""


class Kubectl:
    """Runs kubectl with a kubeconfig and a cache of its own."""

    def __init__(self, server: APIServer, folder: pathlib.Path) -> None:
        self._folder = folder
        config = server.write_kubeconfig(folder / "kubeconfig")
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(config)}

    def _command(self, *args: str) -> list[str]:
        return [str(KUBECTL), "--cache-dir", str(self._folder / "cache"), *args]

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*args),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=self._environment,
            check=False,
        )

    def __call__(self, *args: str, stdin: str = "") -> str:
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def reading(self, *args: str) -> Iterator[IO[str]]:
        with subprocess.Popen(
            self._command(*args), stdout=subprocess.PIPE, text=True, env=self._environment
        ) as process:
            try:
                assert process.stdout is not None
                yield process.stdout
            finally:
                process.kill()


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer(options=BackendOptions(empty_namespaces_at_once=True)) as server:
        yield server


@pytest.fixture
def kubectl(server: APIServer, tmp_path: pathlib.Path) -> Kubectl:
    return Kubectl(server, tmp_path)


def test_version_and_discovery(kubectl: Kubectl, server: APIServer) -> None:
    assert "+kubeprims" in kubectl("version")
    versions = kubectl("api-versions").split()
    assert {"v1", "apps/v1", "coordination.k8s.io/v1", "apiextensions.k8s.io/v1"} <= set(versions)
    resources = kubectl("api-resources")
    assert "deployments" in resources
    assert "deploy" in resources
    assert not [logged for logged in server.requests if logged.path == "/api/v1"]  # the aggregated form was enough


def test_create_get_replace_and_delete_of_a_pod(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=POD) == "pod/web-0 created\n"
    assert "already exists" in kubectl.run("create", "-f", "-", stdin=POD).stderr
    assert "web-0" in kubectl("get", "pods")
    assert "web-0" in kubectl("get", "po", "-A", "-l", "app=web")
    assert "web-0" not in kubectl("get", "po", "-l", "app=other")
    assert kubectl("get", "pod", "web-0", "-o", "name") == "pod/web-0\n"
    assert "app: web" in kubectl("get", "pod/web-0", "-o", "yaml")
    pod = json.loads(kubectl("get", "pod", "web-0", "-o", "json"))
    pod["metadata"]["labels"]["app"] = "api"
    assert kubectl("replace", "-f", "-", stdin=json.dumps(pod)) == "pod/web-0 replaced\n"
    assert kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.labels.app}") == "api"
    stale = kubectl.run("replace", "-f", "-", stdin=json.dumps(pod))
    assert "the object has been modified" in stale.stderr
    assert kubectl("delete", "pod", "web-0") == 'pod "web-0" deleted\n'
    assert "not found" in kubectl.run("get", "pod", "web-0").stderr


def test_a_pod_on_a_node_goes_when_its_grace_period_is_given_up(kubectl: Kubectl, server: APIServer) -> None:
    pod: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0"},
        "spec": {"nodeName": "node-7", "containers": [{"name": "web", "image": "nginx"}]},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    kubectl("delete", "pod", "web-0", "--wait=false", "--grace-period=20")
    metadata = server.get("v1/pods", "web-0", namespace="default")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["deletionGracePeriodSeconds"] == 20
    kubectl("delete", "pod", "web-0", "--grace-period=0", "--force")
    assert server.list("v1/pods") == []


def test_several_objects_of_a_file(kubectl: Kubectl) -> None:
    created = kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    assert created == "deployment.apps/web created\nconfigmap/settings created\n"
    assert "deployment.apps/web" in kubectl("get", "deploy,cm", "-o", "name")
    assert "configmap/settings" in kubectl("get", "-f", "-", "-o", "name", stdin=DEPLOYMENT)
    assert "replaced" in kubectl("replace", "-f", "-", stdin=DEPLOYMENT)
    assert "deleted" in kubectl("delete", "-f", "-", stdin=DEPLOYMENT)


def test_objects_made_from_the_command_line(kubectl: Kubectl) -> None:
    assert kubectl("create", "namespace", "prod") == "namespace/prod created\n"
    assert kubectl("create", "configmap", "settings", "-n", "prod", "--from-literal=a=b") == (
        "configmap/settings created\n"
    )
    assert "deployment.apps/web created" in kubectl("create", "deployment", "web", "--image=nginx", "-n", "prod")
    assert kubectl("get", "configmap", "settings", "-n", "prod", "-o", "jsonpath={.data.a}") == "b"
    assert "created" in kubectl("create", "secret", "generic", "keys", "-n", "prod", "--from-literal=a=b")
    assert kubectl("get", "secret", "keys", "-n", "prod", "-o", "jsonpath={.data.a}") == "Yg=="
    assert "created" in kubectl("create", "service", "clusterip", "web", "--tcp=80:8080", "-n", "prod")
    service = json.loads(kubectl("get", "service", "web", "-n", "prod", "-o", "json"))
    assert service["spec"]["ports"] == [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}]
    assert "created" in kubectl("create", "role", "reader", "--verb=get", "--resource=pods", "-n", "prod")
    assert "created" in kubectl("create", "serviceaccount", "web", "-n", "prod")
    assert "created" in kubectl("create", "quota", "small", "--hard=pods=2", "-n", "prod")
    assert kubectl("delete", "namespace", "prod") == 'namespace "prod" deleted\n'
    assert "not found" in kubectl.run("get", "namespace", "prod").stderr


def test_a_custom_resource(kubectl: Kubectl) -> None:
    assert "created" in kubectl("create", "-f", "-", stdin=CRD)
    assert kubectl("create", "-f", "-", stdin=WIDGET) == "widget.example.com/small created\n"
    assert kubectl("get", "wd", "-o", "jsonpath={.items[0].spec.size}") == "1"
    assert "widgets" in kubectl("api-resources", "--api-group=example.com")
    assert "deleted" in kubectl("delete", "widget", "small")
    assert "deleted" in kubectl("delete", "crd", "widgets.example.com")
    gone = kubectl.run("get", "widgets")
    assert gone.returncode != 0
    assert "the server could not find the requested resource" in gone.stderr


def test_a_watch_shows_what_happens(kubectl: Kubectl, server: APIServer) -> None:
    server.create("v1/configmaps", {"metadata": {"name": "one"}}, namespace="default")
    with kubectl.reading("get", "configmaps", "-w", "-o", "name") as lines:
        assert lines.readline() == "configmap/one\n"
        server.create("v1/configmaps", {"metadata": {"name": "two"}}, namespace="default")
        assert lines.readline() == "configmap/two\n"


def test_pages_and_raw_paths(kubectl: Kubectl, server: APIServer) -> None:
    server.create_many(
        "v1/configmaps", ({"metadata": {"name": f"map-{i:03}", "namespace": "default"}} for i in range(25))
    )
    assert len(kubectl("get", "configmaps", "-o", "name", "--chunk-size=10").split()) == 25
    assert json.loads(kubectl("get", "--raw", "/version"))["major"] == "1"
    assert "NotFound" in kubectl.run("get", "--raw", "/api/v1/nothings").stderr


def test_a_token_and_tls(tmp_path: pathlib.Path) -> None:
    with APIServer(tls=True, tokens={"jane-token": User("jane")}) as server:
        kubectl = Kubectl(server, tmp_path)
        assert "default" in kubectl("get", "namespaces")
        server.set_tokens({"other": User("jane")})
        assert "Unauthorized" in kubectl.run("get", "namespaces").stderr


def test_who_am_i(tmp_path: pathlib.Path) -> None:
    with APIServer(tls=True, tokens={}) as server:
        kubectl = Kubectl(server, tmp_path)
        certificate = server.client_certificate("jane", groups=("dev", "qa"))
        server.write_kubeconfig(tmp_path / "kubeconfig", certificate=certificate)
        lines = [line.split(maxsplit=1) for line in kubectl("auth", "whoami").splitlines()]
        assert lines[:3] == [["ATTRIBUTE", "VALUE"], ["Username", "jane"], ["Groups", "[dev qa system:authenticated]"]]
        assert "X509SHA256=" in lines[3][1]
        assert "bob" in kubectl("auth", "whoami", "--as", "bob")
        assert "selfsubjectreviews" in kubectl("api-resources")


def test_a_dry_run_on_the_server_leaves_nothing(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings")
    assert "server dry run" in kubectl("create", "configmap", "dry", "--dry-run=server")
    assert kubectl("get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}") == "settings"


def test_what_is_not_supported_fails_with_a_reason(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=web:1")
    assert "could not find the requested resource" in kubectl.run("logs", "web").stderr
