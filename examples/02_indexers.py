"""Answer questions about pods from a local copy: by node, by label, by image, by several nodes at once.

    python examples/02_indexers.py [--kubeconfig FILE] [-n NAMESPACE] [--image TEXT]

An index is kept up to date with the copy, so that a question costs what its answer costs, however many pods there are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import kubeprims as kp


def images(pod: kp.Unstructured) -> Iterable[str]:
    """Return the values that a pod is found under: as many as it likes, or none."""
    return {container["image"] for container in pod["spec"]["containers"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig")
    parser.add_argument("-n", "--namespace", help="only this namespace")
    parser.add_argument("--image", default="", help="only images with this in their name")
    options = parser.parse_args()

    client = kp.Client.from_config(options.kubeconfig)
    with client, kp.SharedInformerFactory(client) as informers:
        pods = informers.informer(
            "v1/pods",
            namespace=options.namespace,
            indexers={
                "node": kp.cache.field_index("spec.nodeName"),  # of one field
                "app": kp.cache.label_index("app"),  # of one label; decodes nothing
                "image": images,  # of whatever a function returns
            },
        )
        informers.start()
        informers.wait_for_cache_sync(timeout_s=30)

        copy = pods.indexer
        print(f"{len(copy)} pods on {len(copy.index_values('node'))} nodes")
        for image in sorted(copy.index_values("image")):
            if options.image in image:
                print(f"{image}: {', '.join(sorted(copy.index_keys('image', image)))}")

        # An index can come later, too: the pods that are there are gone through once.
        copy.add_indexers({"phase": kp.cache.field_index("status.phase")})
        for phase in sorted(copy.index_values("phase")):
            print(f"{phase or '(no phase)'}: {len(copy.index_keys('phase', phase))}")

        # What comes back is the reader's own: changing it changes no copy.
        for app in sorted(copy.index_values("app")):
            newest = max(copy.by_index("app", app), key=lambda pod: pod["metadata"].get("creationTimestamp", ""))
            print(f"newest of {app}: {newest.key}")


if __name__ == "__main__":
    try:
        main()
    except kp.KubeprimsError as error:
        raise SystemExit(f"error: {error}") from None
