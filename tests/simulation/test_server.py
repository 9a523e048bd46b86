"""The model of a server: what a reflector may rely on, and what it must expect."""

from __future__ import annotations

import pytest

from kubeprims.errors import BadRequest, ResourceExpired, ServerTimeout
from kubeprims.informer.machine import is_version_unavailable
from kubeprims.objects.codec import default_codec
from kubeprims.objects.event import WatchEventType
from kubeprims.objects.record import KEY, RAW, UID
from kubeprims.testing.simulator.server import STRIDE, ModelServer, Page


def server_with(*keys: str, has_cache: bool = True) -> ModelServer:
    server = ModelServer(has_cache=has_cache)
    for key in keys:
        server.put(key, group="red")
    return server


def keys(page: Page) -> list[str]:
    return [record[KEY] for record in page.records]


def test_its_records_are_those_that_a_codec_makes_of_its_objects() -> None:
    server = server_with("ns/a")
    (record,) = server.objects.values()
    assert default_codec().to_record(record[RAW]) == record


def test_each_change_has_a_version_of_its_own_and_is_in_the_history() -> None:
    server = server_with("ns/a")
    server.put("ns/a", group="green")
    server.delete("ns/a")
    server.delete("ns/a")
    assert [(h.type, h.version) for h in server.history] == [
        (WatchEventType.ADDED, 2 * STRIDE),
        (WatchEventType.MODIFIED, 3 * STRIDE),
        (WatchEventType.DELETED, 4 * STRIDE),
    ]
    assert (server.version, server.changes) == (4 * STRIDE, 3)


def test_an_object_that_comes_back_is_another_one() -> None:
    server = server_with("ns/a")
    uid = server.objects["ns/a"][UID]
    server.delete("ns/a")
    server.put("ns/a", group="red")
    assert server.objects["ns/a"][UID] != uid
    assert server.has_ended("ns/a", uid)
    assert not server.has_ended("ns/a", server.objects["ns/a"][UID])


def test_pages_are_of_one_moment() -> None:
    server = server_with("ns/a", "ns/b", "ns/c")
    first = server.page(None, 2, "")
    server.delete("ns/c")
    second = server.page(None, 2, first.continue_token)
    assert keys(first) + keys(second) == ["ns/a", "ns/b", "ns/c"]
    assert first.resource_version == second.resource_version == 4 * STRIDE
    assert not second.continue_token


def test_a_page_may_expire_before_the_next_one() -> None:
    server = server_with("ns/a", "ns/b")
    token = server.page(None, 1, "").continue_token
    server.compact()
    with pytest.raises(ResourceExpired) as caught:
        server.page(None, 1, token)
    assert caught.value.continue_token
    with pytest.raises(BadRequest):
        server.page(None, 1, "a token of somebody else")


def test_a_list_at_version_zero_comes_from_memory_in_one_page() -> None:
    assert keys(server_with("ns/a", "ns/b").page("0", 1, "")) == ["ns/a", "ns/b"]
    assert keys(server_with("ns/a", "ns/b", has_cache=False).page("0", 1, "")) == ["ns/a"]


def test_a_version_that_it_has_not_reached_is_too_large() -> None:
    server = server_with("ns/a")
    with pytest.raises(ServerTimeout) as caught:
        server.page(str(server.version + 1), None, "")
    assert is_version_unavailable(caught.value)
    assert keys(server.page(str(server.version), None, "")) == ["ns/a"]


def test_a_replica_that_is_behind_shows_the_past_but_never_to_a_list_without_a_version() -> None:
    server = server_with("ns/a", "ns/b")
    server.put("ns/a", group="green")
    server.delete("ns/b")
    page = server.page("0", None, "", behind=2)
    assert (keys(page), page.resource_version) == (["ns/a", "ns/b"], 3 * STRIDE)
    assert keys(server.page("0", None, "", behind=3)) == ["ns/a"]
    assert keys(server.page(None, None, "", behind=2)) == ["ns/a"]
    with pytest.raises(ServerTimeout):
        server.page(str(server.version), None, "", behind=1)


def test_a_watch_begins_behind_its_version_or_not_at_all() -> None:
    server = server_with("ns/a", "ns/b", "ns/c")
    assert [server.history[server.position(version)].version for version in (STRIDE, 2 * STRIDE)] == [
        2 * STRIDE,
        3 * STRIDE,
    ]
    assert server.position(server.version) == server.position(10**9) == 3
    server.compact()
    assert server.position(server.version) == 3
    with pytest.raises(ResourceExpired):
        server.position(server.version - 1)


def test_a_backup_takes_versions_and_objects_back_and_stays_behind_them() -> None:
    server = server_with("ns/a")
    server.back_up()
    for _ in range(100):
        server.put("ns/b", group="red")
    lost, newest = server.objects["ns/b"][UID], server.version
    server.restore()
    assert keys(server.page(None, None, "")) == ["ns/a"]
    assert server.has_ended("ns/b", lost)
    server.put("ns/b", group="red")
    assert server.has_ended("ns/b", server.objects["ns/b"][UID]), "its lost changes may come late, and say so"
    assert not server.has_ended("ns/a", server.objects["ns/a"][UID])
    for _ in range(300):
        server.put("ns/c", group="red")
    assert server.version < newest


def test_a_replica_that_is_behind_has_what_was_restored() -> None:
    server = server_with("ns/a")
    server.back_up()
    server.restore()
    server.put("ns/a", group="green")
    assert keys(server.page("0", None, "", behind=1)) == ["ns/a"]


def test_a_state_that_cannot_be_decoded_was_never_one() -> None:
    server = server_with("ns/a")
    server.put("ns/a", group="red", is_readable=False)
    assert server.unreadable == {"ns/a"}
    assert not server.was(server.objects["ns/a"])
    server.put("ns/a", group="red")
    assert not server.unreadable
    assert server.was(server.objects["ns/a"])
