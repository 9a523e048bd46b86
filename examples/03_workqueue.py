"""Work on the pods that change, each by one worker at a time, and again later if that fails.

    python examples/03_workqueue.py [--kubeconfig FILE] [-n NAMESPACE] [--workers N] [--for SECONDS]

The handler only says which pod has changed; a pod that changes ten times while it waits is worked on once. This is what
a Controller is made of: write one of those (examples/site_operator) unless you want to see the inside.
"""

from __future__ import annotations

import argparse
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import kubeprims as kp


def check(pods: kp.SharedInformer, key: kp.ObjectKey) -> None:
    """Look at what there is now, not at what has changed."""
    pod = pods.indexer.get(key)
    if pod is None:
        print(f"{key} is gone")
    elif not pod["spec"].get("nodeName"):
        raise ValueError(f"{key} is not scheduled yet")
    else:
        print(f"{key} runs on {pod['spec']['nodeName']}")


def work(queue: kp.RateLimitingQueue[kp.ObjectKey], pods: kp.SharedInformer) -> None:
    while (key := queue.get()) is not None:  # None: it is shut down, and nothing waits any more
        try:
            check(pods, key)
        except Exception as error:  # noqa: BLE001 - one bad pod must not stop the others
            queue.add_rate_limited(key)  # 5 ms later, then 10 ms, ...
            print(f"failure {queue.num_requeues(key)}: {error}")
        else:
            queue.forget(key)  # the next failure is the first again
        finally:
            queue.done(key)  # whatever has happened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig")
    parser.add_argument("-n", "--namespace")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--for", dest="for_s", type=float, help="end after so many seconds")
    options = parser.parse_args()

    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    client = kp.Client.from_config(options.kubeconfig)
    with client, kp.SharedInformerFactory(client) as informers:
        pods = informers.informer("v1/pods", namespace=options.namespace)
        queue = kp.RateLimitingQueue[kp.ObjectKey]("pods")
        pods.add_event_handler(on_event=lambda change: queue.add(change.key))
        informers.start()
        informers.wait_for_cache_sync(timeout_s=30)

        with ThreadPoolExecutor(options.workers) as workers:
            for _ in range(options.workers):
                workers.submit(work, queue, pods)
            stop.wait(options.for_s)
            queue.shut_down()  # what waits is still worked on; what is delayed is not


if __name__ == "__main__":
    try:
        main()
    except kp.KubeprimsError as error:
        raise SystemExit(f"error: {error}") from None
