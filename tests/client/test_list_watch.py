"""What an informer asks a resource."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from kubeprims.client.list_watch import ListWatch
from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import InvalidSelector
from kubeprims.sharding import Shard
from kubeprims.threads import Cancel
from tests.client.test_resource import PATH, World


def test_each_request_is_narrowed_by_both_selectors() -> None:
    world = World()
    subject = ListWatch(world.pods, label_selector="app=web", field_selector="spec.nodeName=n")
    cancel = Cancel()
    options = ListOptions(resource_version="0", limit=2, label_selector="tier=db", field_selector="status.phase=x")
    with subject.list(options, cancel=cancel) as page:
        assert len(list(page)) == 2
        assert (page.resource_version, page.continue_token) == ("9", "2")
    both = "labelSelector=app%3Dweb%2Ctier%3Ddb&fieldSelector=spec.nodeName%3Dn%2Cstatus.phase%3Dx"
    assert world.sent == ("GET", f"{PATH}?resourceVersion=0&limit=2&{both}")
    assert world.server.last.cancel is cancel
    with subject.watch(WatchOptions(resource_version="9", timeout_s=300), cancel=cancel) as watch:
        assert [len(batch) for batch in watch.batches()] == [1]
    assert "labelSelector=app%3Dweb&fieldSelector=spec.nodeName%3Dn" in world.server.last.target
    assert world.server.last.cancel is cancel


def test_each_request_is_for_the_shard_and_the_form() -> None:
    world, shard = World(), Shard(0, 2)
    subject = ListWatch(world.pods, shard=shard, metadata_only=True)
    with subject.list(ListOptions()) as page:
        list(page)
    assert world.server.last.target == f"{PATH}?shardSelector={quote(shard.selector, safe='')}"
    assert world.server.last.headers.get("accept") == ListOptions(metadata_only=True).accept
    with subject.watch(WatchOptions()) as watch:
        list(watch.batches())
    assert world.server.last.target.endswith(f"&shardSelector={quote(shard.selector, safe='')}")
    assert world.server.last.headers.get("accept") == WatchOptions(metadata_only=True).accept


def test_a_selector_that_cannot_be_parsed_is_refused_at_once() -> None:
    world = World()
    with pytest.raises(InvalidSelector):
        ListWatch(world.pods, label_selector="a in")
    with pytest.raises(InvalidSelector):
        ListWatch(world.pods, field_selector="a")


def test_it_says_what_it_lists() -> None:
    world = World()
    assert repr(ListWatch(world.pods)) == "<ListWatch of <Resource v1/pods>>"
    assert repr(ListWatch(world.pods, label_selector="a=b")) == "<ListWatch of <Resource v1/pods> where a=b>"
    told = repr(ListWatch(world.pods, shard=Shard(0, 2), metadata_only=True))
    assert told == "<ListWatch of metadata of <Resource v1/pods>, <Shard 0x0000000000000000-0x8000000000000000 of uid>>"
