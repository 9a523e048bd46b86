"""Handlers that get models of the ``kubernetes`` package."""

from __future__ import annotations

from typing import Any

import pytest

from kubeprims.errors import ContentUnavailable, DecodeError, InvalidArgument
from kubeprims.informer.typed import DeletedObject, typed_handler
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
from tests.parity import case

client = pytest.importorskip("kubernetes.client")

# The models of the releases have no types that a checker could use.
Pod = Any


def pod(version: int, containers: object = None) -> Unstructured:
    obj: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "prod", "uid": "u", "resourceVersion": str(version)},
        "spec": {"containers": containers or [{"name": "c", "image": "i"}]},  # type: ignore[dict-item]
    }
    return Unstructured.from_dict(obj)


BAD = pod(9, containers="none")


def version(of: Pod) -> str:
    return str(of.metadata.resource_version)


def test_the_functions_of_a_typed_handler_get_models() -> None:
    told: list[str] = []
    handler = typed_handler(
        client.V1Pod,
        on_add=lambda new: told.append(f"+{new.spec.containers[0].image}"),
        on_update=lambda old, new: told.append(f"{version(old)}->{version(new)}"),
        on_delete=lambda deleted: told.append(f"-{version(deleted.obj)}"),
    )
    handler.on_add(pod(1), is_in_initial_list=True)
    handler.on_update(pod(1), pod(2))
    handler.on_delete(pod(2))
    assert told == ["+i", "1->2", "-2"]


def test_what_nobody_asked_for_is_not_converted() -> None:
    handler = typed_handler(client.V1Pod, on_delete=lambda _: None)
    handler.on_add(BAD, is_in_initial_list=False)
    handler.on_update(BAD, BAD)
    only_add = typed_handler(client.V1Pod, on_add=lambda _: None)
    only_add.on_delete(BAD)


@case("IN-146")
@pytest.mark.parametrize("is_stale", [False, True])
def test_a_typed_delete_gets_the_model_and_whether_the_end_was_seen(*, is_stale: bool) -> None:
    deleted: list[DeletedObject[Pod]] = []
    handler = typed_handler(client.V1Pod, on_delete=deleted.append)
    handler.on_delete(DeletedFinalStateUnknown(ObjectKey("prod/web"), pod(3).record) if is_stale else pod(3))
    assert isinstance(deleted[0].obj, client.V1Pod)
    assert (version(deleted[0].obj), deleted[0].is_stale) == ("3", is_stale)


@case("IN-110")
@pytest.mark.parametrize(
    "gone",
    [
        pod(3),
        DeletedFinalStateUnknown(ObjectKey("prod/web"), pod(3).record),
        DeletedFinalStateUnknown(ObjectKey("prod/web"), None),
        BAD,
    ],
)
def test_a_deleted_object_has_a_key_whatever_is_known_of_it(gone: Unstructured) -> None:
    deleted = DeletedObject(gone, client.V1Pod)
    assert (deleted.key, deleted.name, deleted.namespace) == ("prod/web", "web", "prod")
    assert repr(deleted) == "<DeletedObject prod/web>"


def test_a_deletion_is_not_lost_to_content_that_is_missing_or_does_not_fit() -> None:
    deleted: list[DeletedObject[Pod]] = []
    handler = typed_handler(client.V1Pod, on_delete=deleted.append)
    handler.on_delete(DeletedFinalStateUnknown(ObjectKey("prod/web"), None))
    handler.on_delete(BAD)
    with pytest.raises(ContentUnavailable):
        _ = deleted[0].obj
    with pytest.raises(DecodeError):
        _ = deleted[1].obj


def test_a_state_that_does_not_fit_is_an_error_and_the_next_one_that_does_is_told() -> None:
    told: list[str] = []
    handler = typed_handler(
        client.V1Pod,
        on_add=lambda new: told.append(f"+{version(new)}"),
        on_update=lambda old, new: told.append(f"{version(old)}->{version(new)}"),
    )
    with pytest.raises(DecodeError, match="V1Pod"):
        handler.on_add(BAD, is_in_initial_list=False)
    with pytest.raises(DecodeError, match="V1Pod"):
        handler.on_update(pod(8), BAD)
    handler.on_update(BAD, pod(10))
    typed_handler(client.V1Pod, on_update=lambda *_: told.append("update")).on_update(BAD, pod(10))
    assert told == ["+10"]


@pytest.mark.parametrize(
    ("model", "functions", "rule"),
    [
        ("V1Pod", {"on_add": print}, "model class such as V1Pod"),
        (dict, {"on_add": print}, "model class such as V1Pod"),
        (client.V1Pod, {}, "at least one"),
        (client.V1Pod, {"on_delete": 7}, "on_delete must be callable"),
    ],
)
def test_what_makes_no_typed_handler_is_refused_at_the_call(
    model: object, functions: dict[str, object], rule: str
) -> None:
    with pytest.raises(InvalidArgument, match=rule):
        typed_handler(model, **functions)  # type: ignore[arg-type]
