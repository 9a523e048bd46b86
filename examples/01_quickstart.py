"""Keep a copy of all pods, and say what happens to them.

    python examples/01_quickstart.py [--kubeconfig FILE] [--context NAME] [-n NAMESPACE] [--for SECONDS]

Runs unchanged on a laptop (kubeconfig) and in a pod (its service account).
"""

from __future__ import annotations

import argparse
import signal
import threading

import kubeprims as kp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig")
    parser.add_argument("--context")
    parser.add_argument("-n", "--namespace")
    parser.add_argument("--for", dest="for_s", type=float, help="end after so many seconds")
    options = parser.parse_args()

    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    client = kp.Client.from_config(options.kubeconfig, context=options.context)
    with client, kp.SharedInformerFactory(client) as informers:
        pods = informers.informer(
            "v1/pods",
            namespace=options.namespace,
            indexers={"node": lambda pod: [pod["spec"].get("nodeName", "")]},
        )
        pods.add_event_handler(
            on_add=lambda pod: print("here   ", pod.key, pod["status"].get("phase")),
            on_update=lambda old, new: print("changed", new.key, old.resource_version, "->", new.resource_version),
            on_delete=lambda pod: print("gone   ", pod.key),
        )
        informers.start()
        informers.wait_for_cache_sync(timeout_s=30)
        print(f"synced: {len(pods.indexer)} pods at version {pods.last_sync_resource_version}")

        stop.wait(options.for_s)

        for node in pods.indexer.index_values("node"):
            print(f"{node or '(no node)'}: {len(pods.indexer.index_keys('node', node))} pods")


if __name__ == "__main__":
    try:
        main()
    except kp.KubeprimsError as error:
        raise SystemExit(f"error: {error}") from None
