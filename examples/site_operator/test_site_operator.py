"""How to test an operator: an API server in the process, the operator on a thread, and facts that come true.

pip install kubeprims pytest && pytest examples/site_operator
"""

from __future__ import annotations

import pathlib
import sys
import threading
from collections.abc import Iterator

import pytest
import yaml

import kubeprims as kp
from kubeprims.testing import APIServer, eventually

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

from site_operator import DIRECTORY, FINALIZER, make_manager  # noqa: E402 - it lies beside this file, in no package


@pytest.fixture
def server(kubeprims_apiserver: APIServer) -> APIServer:
    definition = yaml.safe_load((HERE / "crd.yaml").read_text())
    kubeprims_apiserver.create("apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    return kubeprims_apiserver


@pytest.fixture
def operator(server: APIServer, kubeprims_client: kp.Client) -> Iterator[kp.ControllerManager]:
    manager = make_manager(kubeprims_client, kp.EventRecorder(kubeprims_client, "example.com/site-operator"))
    thread = threading.Thread(target=manager.run, name="operator")
    thread.start()
    yield manager
    manager.stop()
    thread.join(timeout=30)


@pytest.fixture
def sites(operator: kp.ControllerManager, kubeprims_client: kp.Client) -> kp.Resource:
    return kubeprims_client.resource("example.com/v1/sites", "default")


def site(name: str = "blog", **spec: object) -> dict:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Site",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"image": "nginx:1.29", **spec},
    }


def report_ready(server: APIServer, name: str, replicas: int) -> None:
    """Do what the deployment controller of a real cluster does."""
    status = {"status": {"readyReplicas": replicas, "replicas": replicas}}
    server.patch("apps/v1/deployments", name, status, namespace="default", subresource="status")


def there_is(server: APIServer, resource: str, name: str) -> bool:
    return any(found["metadata"]["name"] == name for found in server.list(resource, namespace="default"))


def test_a_site_becomes_a_deployment_and_a_service(sites: kp.Resource, server: APIServer) -> None:
    made = sites.create(site(replicas=2))
    eventually(lambda: there_is(server, "v1/services", "blog"), what="the service")
    deployment = server.get("apps/v1/deployments", "blog", namespace="default")
    assert deployment["spec"]["replicas"] == 2
    (owner,) = deployment["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Site", made.uid, True)


def test_what_somebody_else_changes_is_mended(sites: kp.Resource, server: APIServer) -> None:
    sites.create(site())
    eventually(lambda: there_is(server, "v1/services", "blog"), what="the service")
    server.patch("apps/v1/deployments", "blog", {"spec": {"replicas": 7}}, namespace="default")
    server.delete("v1/services", "blog", namespace="default")
    eventually(lambda: there_is(server, "v1/services", "blog"), what="the service again")
    eventually(
        lambda: server.get("apps/v1/deployments", "blog", namespace="default")["spec"]["replicas"] == 1,
        what="one replica again",
    )


def test_the_status_follows_the_deployment(sites: kp.Resource, server: APIServer) -> None:
    sites.create(site(replicas=2))
    waiting = sites.wait_for("blog", kp.client.conditions.condition("Ready", "False"), timeout_s=20)
    assert waiting["status"]["conditions"][0]["message"] == "0 of 2 replicas are ready"
    report_ready(server, "blog", 2)
    ready = sites.wait_for("blog", kp.client.conditions.condition("Ready"), timeout_s=20)
    assert ready["status"]["readyReplicas"] == 2
    eventually(lambda: server.list("events.k8s.io/v1/events", namespace="default"), what="an event")


def test_a_site_can_be_scaled(sites: kp.Resource, server: APIServer) -> None:
    sites.create(site(replicas=1))
    eventually(lambda: there_is(server, "apps/v1/deployments", "blog"), what="the deployment")
    sites.scale("blog", 3)  # kubectl scale site/blog --replicas=3
    eventually(
        lambda: server.get("apps/v1/deployments", "blog", namespace="default")["spec"]["replicas"] == 3,
        what="three replicas",
    )


def test_a_site_is_listed_while_it_is_there(sites: kp.Resource, server: APIServer) -> None:
    def listed() -> dict:
        if not there_is(server, "v1/configmaps", DIRECTORY):
            return {}
        return server.get("v1/configmaps", DIRECTORY, namespace="default").get("data") or {}

    sites.create(site(host="blog.example.com"))
    sites.create(site("shop", host="shop.example.com"))
    everything = {"blog": "blog.example.com", "shop": "shop.example.com"}
    eventually(lambda: listed() == everything, what="both are listed")
    assert FINALIZER in sites.get("blog")["metadata"]["finalizers"]
    server.patch("v1/configmaps", DIRECTORY, {"data": {"shop": "elsewhere"}}, namespace="default")
    eventually(lambda: listed() == everything, what="the directory is mended")
    sites.delete("blog")
    eventually(lambda: listed() == {"shop": "shop.example.com"}, what="one is listed")
    eventually(lambda: not there_is(server, "example.com/v1/sites", "blog"), what="it is gone")


def test_a_site_that_cannot_be_is_refused(sites: kp.Resource) -> None:
    with pytest.raises(kp.KubeprimsError, match=r"spec\.replicas"):
        sites.create(site(replicas=-1))
