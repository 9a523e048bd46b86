"""A backend on a clock of its own, and the few words that tests of it share."""

from __future__ import annotations

import datetime
import json
import random
import threading
from dataclasses import dataclass, field

import pytest

from kubeprims.errors import StatusError
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.backend import Backend, BackendOptions
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.queries import WatchQuery
from kubeprims.testing.apiserver.status import render_status
from kubeprims.testing.apiserver.watching import Watch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass
class SteppingClock:
    """A clock for one thread: waiting for a time moves it there, and waiting for ever is a mistake."""

    now_s: float = 1000.0
    start: datetime.datetime = field(default=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> datetime.datetime:
        return self.start + datetime.timedelta(seconds=self.now_s - 1000.0)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        assert timeout_s is not None, "nobody would wake this thread"
        self.now_s += timeout_s
        return False


class Server:
    """A backend with the calls of tests: names of resources in, decoded objects out."""

    def __init__(self, **options: object) -> None:
        self.clock = SteppingClock()
        self.backend = Backend(
            clock=self.clock,
            rng=random.Random(1),
            options=BackendOptions(**options),  # type: ignore[arg-type] # each test names its own
        )

    def kind(self, name: str) -> Kind:
        *group, version, resource = name.split("/")
        return self.backend.resolve("".join(group), version, resource)

    def create(self, resource: str, obj: JSONObject, namespace: str = "default", **more: str) -> JSONObject:
        kind = self.kind(resource)
        answer = self.backend.create(kind, namespace if kind.namespaced else "", json.dumps(obj).encode(), **more)
        assert answer.code == 201
        return load(answer.body)

    def put_in(self, resource: str, obj: JSONObject) -> None:
        """Create an object in bulk, so that half an object will do."""
        self.backend.create_many(self.kind(resource), [obj])

    def get(self, resource: str, name: str, namespace: str = "default") -> JSONObject:
        kind = self.kind(resource)
        return load(self.backend.get(kind, namespace if kind.namespaced else "", name))

    def update(self, resource: str, name: str, obj: JSONObject, namespace: str = "default", **more: str) -> JSONObject:
        kind = self.kind(resource)
        body = json.dumps(obj).encode()
        return load(self.backend.update(kind, namespace if kind.namespaced else "", name, body, **more).body)

    def patch(  # the content type follows from the patch
        self, resource: str, name: str, patch: object, namespace: str = "default", subresource: str = ""
    ) -> JSONObject:
        kind = self.kind(resource)
        answer = self.backend.patch(
            kind,
            namespace if kind.namespaced else "",
            name,
            json.dumps(patch).encode(),
            content_type=JSON_PATCH if isinstance(patch, list) else MERGE_PATCH,
            subresource=subresource,
        )
        assert answer.code == 200
        return load(answer.body)

    def delete(self, resource: str, name: str, namespace: str = "default", **options: object) -> JSONObject:
        from kubeprims.testing.apiserver.queries import DeleteOptions

        kind = self.kind(resource)
        chosen = DeleteOptions(**options)  # type: ignore[arg-type] # each test names its own
        return load(self.backend.delete(kind, namespace if kind.namespaced else "", name, chosen).body)

    def watch(self, resource: str, namespace: str = "", **query: object) -> Watch:
        return self.backend.watch(
            self.kind(resource),
            namespace,
            WatchQuery(**query),  # type: ignore[arg-type] # each test names its own
        )


def load(body: bytes) -> JSONObject:
    value: JSONObject = json.loads(body)
    return value


def part(obj: JSONObject, *path: str) -> object:
    """Return what is at a path, or None."""
    value: object = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def events(watch: Watch) -> list[tuple[str, str, str]]:
    """Return all events that there are: type, name and version."""
    found = []
    while True:
        batch = watch.next_batch(0)
        if not batch:
            return found
        for line in batch:
            assert line.endswith(b"}\n")
            event = load(line)
            obj = event["object"]
            assert isinstance(obj, dict)
            found.append(
                (str(event["type"]), str(part(obj, "metadata", "name")), str(part(obj, "metadata", "resourceVersion")))
            )


def failure(caught: pytest.ExceptionInfo[StatusError]) -> JSONObject:
    """Return the Status of a failure, as the client gets it."""
    status = load(render_status(caught.value))
    assert status["status"] == "Failure"
    assert status["code"] == caught.value.code
    return status


_ANYTHING: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
WIDGETS: JSONObject = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": _ANYTHING},
            },
            {
                "name": "v1beta1",
                "served": True,
                "storage": False,
                "schema": {"openAPIV3Schema": _ANYTHING},
            },
            {
                "name": "v1alpha1",
                "served": False,
                "storage": False,
                "schema": {"openAPIV3Schema": _ANYTHING},
            },
        ],
    },
}
CRDS = "apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGET: JSONObject = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": 1}}
