"""What answers to writes say about the caches that are to show them."""

from __future__ import annotations

import json

import pytest

from kubeprims.client.written import Written, deleted, deleted_among_others, key_of_path, told_both, written
from kubeprims.meta import GroupVersionResource, JSONObject, ObjectKey
from kubeprims.objects.unstructured import Unstructured

PODS = GroupVersionResource("", "v1", "pods")
NODES = GroupVersionResource("", "v1", "nodes")
ENDS: JSONObject = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def pod(**metadata: object) -> Unstructured:
    content = {"name": "web", "namespace": "prod", "uid": "u", "resourceVersion": "7", **metadata}
    return Unstructured.from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": content})  # type: ignore[dict-item]


def status(details: JSONObject) -> Unstructured:
    return Unstructured(("", "", "", (), json.dumps({"kind": "Status", "metadata": {}, "details": details}).encode()))


@pytest.mark.parametrize(
    ("answer", "is_gone"),
    [
        (pod(), False),
        (pod(**ENDS, finalizers=["example.com/clean"]), False),
        (pod(**ENDS, deletionGracePeriodSeconds=30), False),
        (pod(**ENDS), True),  # the last finalizer was taken away
        (pod(**ENDS, finalizers=[], deletionGracePeriodSeconds=0), True),
    ],
)
def test_an_object_that_nothing_keeps_any_more_is_gone_by_the_write(answer: Unstructured, *, is_gone: bool) -> None:
    assert written(PODS, answer) == Written(PODS, ObjectKey("prod/web"), "7", "u", {}, is_gone=is_gone)


def test_whoever_listens_to_a_client_hears_what_is_written_through_one_made_from_it() -> None:
    first: list[Written] = []
    second: list[Written] = []
    write = Written(PODS, ObjectKey("prod/web"), "7", "u", {})
    assert told_both(None, None) is None
    for tell in (told_both(first.append, None), told_both(None, second.append), told_both(first.append, second.append)):
        assert tell is not None
        tell(write)
    assert first == second == [write, write]


def test_what_shows_no_object_is_no_write_of_one() -> None:
    assert written(PODS, status({})) is None
    assert written(PODS, pod(resourceVersion="")) is None


@pytest.mark.parametrize(
    ("answer", "is_gone"),
    [
        (pod(), True),  # its last state, as it was
        (pod(**ENDS), True),
        (pod(**ENDS, deletionGracePeriodSeconds=0), True),
        (pod(**ENDS, deletionGracePeriodSeconds=30), False),
        (pod(**ENDS, finalizers=["foregroundDeletion"]), False),
    ],
)
def test_a_deletion_that_shows_the_object_says_whether_it_goes_on(answer: Unstructured, *, is_gone: bool) -> None:
    assert deleted(PODS, "", answer) == Written(PODS, ObjectKey("prod/web"), "7", "u", {}, is_gone=is_gone)


def test_the_deletion_of_a_collection_shows_what_was_before_and_not_whether_it_goes_on() -> None:
    assert deleted_among_others(PODS, pod()) == deleted(PODS, "", pod())._replace(may_go_on=True)
    ending = pod(**ENDS, finalizers=["example.com/clean"])
    assert deleted_among_others(PODS, ending) == deleted(PODS, "", ending)


def test_a_deletion_that_shows_a_status_is_known_by_its_path() -> None:
    gone = deleted(PODS, "/api/v1/namespaces/prod/pods/web", status({"name": "web", "uid": "u"}))
    assert gone == Written(PODS, ObjectKey("prod/web"), "", "u", {}, is_gone=True)
    assert deleted(NODES, "/api/v1/nodes/n1", status({})).uid == ""


def test_keys_are_read_off_paths() -> None:
    assert key_of_path(PODS, "/api/v1/namespaces/prod/pods/web") == "prod/web"
    assert key_of_path(PODS, "/api/v1/namespaces/prod/pods/web/status") == "prod/web"
    assert key_of_path(NODES, "/api/v1/nodes/a%3Ab") == "a:b"
