"""An operator for sites: each ``Site`` becomes a Deployment and a Service, and is listed by its host while it is there.

    kubectl apply -f examples/site_operator/crd.yaml
    python examples/site_operator/site_operator.py [--kubeconfig FILE] [-n NAMESPACE] [--probes PORT]

What it shows: owned objects kept by server-side apply, a status with conditions, a finalizer for what no owner
reference can clean up, events, probes, and a program that ends in order on SIGTERM.
"""

from __future__ import annotations

import argparse
import logging
import sys

import kubeprims as kp
from kubeprims.controller.manager import Group

SITES, DEPLOYMENTS, SERVICES = "example.com/v1/sites", "apps/v1/deployments", "v1/services"
SITE = kp.GroupVersionKind("example.com", "v1", "Site")
MANAGER = "site-operator"
FINALIZER = "example.com/site-directory"
DIRECTORY = "site-directory"  # a ConfigMap that lists every host: it is shared, so no site owns it


class Sites:
    """Brings what there is of a site to what its spec asks for."""

    def __init__(self, events: kp.EventRecorder) -> None:
        self._events = events

    def reconcile(self, _key: kp.ObjectKey, ctx: kp.ReconcileContext) -> None:
        """Look at what there is, and write what differs; whatever fails is tried again."""
        site = ctx.get(SITES)
        if site is None:
            return  # gone; what it owned goes with it
        if site.deletion_timestamp:
            self._list_host(site, ctx, host=None)
            ctx.remove_finalizer(site, FINALIZER)
            return
        site = ctx.add_finalizer(site, FINALIZER)
        for wanted in (deployment_of(site), service_of(site)):
            ctx.set_controller_reference(wanted, site)
            ctx.client.resource_of(wanted).apply(wanted, field_manager=MANAGER, force=True)
        self._list_host(site, ctx, host=site["spec"].get("host") or None)
        self._report(site, ctx)

    def _list_host(self, site: kp.Unstructured, ctx: kp.ReconcileContext, *, host: str | None) -> None:
        """Have the directory list the site's host; None takes it out."""
        directory = ctx.get("v1/configmaps", f"{site.namespace}/{DIRECTORY}")
        listed = (directory.get("data") or {}) if directory is not None else {}
        if listed.get(site.name) == host:
            return
        maps = ctx.client.resource("v1/configmaps", site.namespace)
        if directory is None:
            maps.create({"metadata": {"name": DIRECTORY}, "data": {site.name: host}})
        else:
            maps.patch(DIRECTORY, {"data": {site.name: host}})

    def _report(self, site: kp.Unstructured, ctx: kp.ReconcileContext) -> None:
        """Write the status, if it has changed."""
        deployment = ctx.get(DEPLOYMENTS)
        wanted = site["spec"]["replicas"]
        ready = (deployment.get("status") or {}).get("readyReplicas", 0) if deployment is not None else 0
        status = dict(site.get("status") or {})
        status["conditions"] = [dict(condition) for condition in status.get("conditions", [])]
        was_ready = is_ready(site)
        ctx.set_condition(
            status,
            type="Ready",
            to="True" if ready >= wanted else "False",
            reason="Serving" if ready >= wanted else "Waiting",
            message=f"{ready} of {wanted} replicas are ready",
            observed_generation=site.generation,
        )
        status |= {"observedGeneration": site.generation, "readyReplicas": ready}
        if status == site.get("status"):
            return
        site = ctx.client.resource(SITES, site.namespace).patch(site.name, {"status": status}, subresource="status")
        if is_ready(site) and not was_ready:
            self._events.event(site, reason="Serving", note=f"{ready} replicas are ready", related=deployment)


def is_ready(site: kp.Unstructured) -> bool:
    conditions = (site.get("status") or {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def deployment_of(site: kp.Unstructured) -> dict:
    labels = {"app.kubernetes.io/name": "site", "app.kubernetes.io/instance": site.name}
    container = {"name": "web", "image": site["spec"]["image"], "ports": [{"containerPort": 80, "name": "http"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": site.name, "namespace": site.namespace, "labels": labels},
        "spec": {
            "replicas": site["spec"]["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service_of(site: kp.Unstructured) -> dict:
    labels = {"app.kubernetes.io/name": "site", "app.kubernetes.io/instance": site.name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": site.name, "namespace": site.namespace, "labels": labels},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def make_manager(
    client: kp.Client, events: kp.EventRecorder, *, namespace: str | None = None, probes: kp.Probes | None = None
) -> kp.ControllerManager:
    """Put the operator together; tests do so, too."""
    informers = kp.SharedInformerFactory(client)
    sites, deployments, services, maps = (
        informers.informer(resource, namespace=namespace)
        for resource in (SITES, DEPLOYMENTS, SERVICES, "v1/configmaps")
    )
    impatient = client.with_options(timeout_s=10, own_pool=False)  # a server that hangs must not outlast SIGTERM's 30 s
    controller = kp.Controller("sites", Sites(events).reconcile, client=impatient, workers=4)
    controller.watches(sites).owns(deployments, SITE).owns(services, SITE)
    controller.watches(maps, map=listed_sites)
    manager = kp.ControllerManager(informers=informers, probes=probes)
    manager.add(events, name="events", group=Group.ALWAYS)
    manager.add(controller)
    return manager


def listed_sites(found: kp.Unstructured) -> list[str]:
    """Return the sites that a change of the directory concerns: all that it lists."""
    if found.name != DIRECTORY:
        return []
    return [f"{found.namespace}/{name}" for name in found.get("data") or {}]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig")
    parser.add_argument("-n", "--namespace", help="only this namespace")
    parser.add_argument("--probes", type=int, default=0, metavar="PORT", help="where to answer /healthz and /readyz")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    with kp.Client.from_config(options.kubeconfig) as client:
        events = kp.EventRecorder(client, "example.com/site-operator")
        probes = kp.Probes("127.0.0.1", options.probes) if options.probes else None
        return make_manager(client, events, namespace=options.namespace, probes=probes).main()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except kp.KubeprimsError as error:
        sys.exit(f"error: {error}")
