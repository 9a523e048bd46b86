"""From changes to keys, whatever the functions in between do."""

from __future__ import annotations

import logging
import threading
from collections import Counter

import pytest

from kubeprims.controller.controller import Controller
from kubeprims.controller.predicates import resource_version_changed
from kubeprims.errors import CacheSyncTimeout, LifecycleError
from kubeprims.informer.handlers import Notification
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel
from tests.controller.world import TIMEOUT_S, World, config_map
from tests.waiting import eventually

MAPS = "v1/configmaps"


def test_a_map_is_asked_of_both_states_so_that_who_is_left_is_told_as_well(world: World) -> None:
    world.server.create(MAPS, config_map("web", owner="a"), namespace="default")
    seen: Counter[str] = Counter()
    controller = world.controller(lambda key, ctx: seen.update([key]))
    controller.watches(world.informers.informer(MAPS, namespace="default"), map=owner_of)
    with world.running(controller):
        eventually(lambda: seen["default/a"] == 1, TIMEOUT_S, "the first owner")
        world.server.patch(MAPS, "web", {"data": {"owner": "b"}}, namespace="default")
        eventually(lambda: seen["default/b"] == 1, TIMEOUT_S, "the second owner")
        eventually(lambda: seen["default/a"] == 2, TIMEOUT_S, "the first one again")
        world.server.delete(MAPS, "web", namespace="default")
        eventually(lambda: seen["default/b"] == 2, TIMEOUT_S, "the second one again")


def owner_of(obj: Unstructured) -> list[str]:
    data = obj["data"]
    assert isinstance(data, dict)
    return [f"default/{data['owner']}"]


def test_a_predicate_that_fails_loses_no_change(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    seen: list[str] = []

    def broken(change: Notification) -> bool:
        raise ValueError("no idea")

    controller = world.controller(lambda key, ctx: seen.append(key))
    controller.watches(world.informers.informer(MAPS, namespace="default"), predicate=broken)
    with caplog.at_level(logging.ERROR), world.running(controller):
        eventually(lambda: seen, TIMEOUT_S, "a reconcile")
        eventually(
            lambda: "a predicate failed on default/web, which is taken to matter" in caplog.text, TIMEOUT_S, "a log"
        )
    assert "no idea" in caplog.text


def test_a_map_that_fails_on_one_state_loses_no_key_of_the_other(world: World) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    informer = world.informers.informer(MAPS, namespace="default")
    seen: list[str] = []
    controller = world.controller(lambda key, ctx: seen.append(key)).watches(informer, map=owner_of)
    with world.running(controller):
        world.server.patch(MAPS, "web", {"data": {"owner": "b"}}, namespace="default")
        eventually(lambda: seen == ["default/b"], TIMEOUT_S, "the new owner, though the old state has none")


@pytest.mark.parametrize("wrong", ["default/web", [7], 7])
def test_a_map_that_returns_no_keys_is_a_failure_of_the_handler(
    world: World, wrong: object, caplog: pytest.LogCaptureFixture
) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    controller = world.controller(lambda key, ctx: None)
    controller.watches(world.informers.informer(MAPS, namespace="default"), map=lambda obj: wrong)  # type: ignore[arg-type, return-value]
    with caplog.at_level(logging.ERROR), world.running(controller):
        eventually(lambda: "failed on default/web" in caplog.text, TIMEOUT_S, "the failure")


def test_a_predicate_that_always_fails_does_not_flood_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.server.create_many(MAPS, [config_map(f"web-{number}") for number in range(200)])
    seen: set[str] = set()

    def broken(change: Notification) -> bool:
        raise ValueError("no such label")

    controller = world.controller(lambda key, ctx: seen.add(key))
    controller.watches(world.informers.informer(MAPS, namespace="default"), predicate=broken)
    with world.running(controller):
        eventually(lambda: len(seen) == 200, TIMEOUT_S, "each of them")
    assert 0 < len([record for record in caplog.records if record.exc_info]) < 100


def test_a_resync_reconciles_everything_again_unless_a_predicate_says_no(world: World) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    informer = world.informers.informer(MAPS, namespace="default")
    seen, changed = Counter[str](), Counter[str]()
    told: list[str] = []
    everything = world.controller(lambda key, ctx: seen.update([key])).watches(informer)
    changes = world.controller(lambda key, ctx: changed.update([key]))
    changes.watches(informer, predicate=resource_version_changed)
    with world.running(everything), world.running(changes):
        eventually(lambda: seen["default/web"] and changed["default/web"], TIMEOUT_S, "the first time")
        informer.add_event_handler(on_event=lambda change: told.append(change.reason))
        for registration in informer._pipeline.registrations:
            informer._pipeline.resync(registration)
        eventually(lambda: seen["default/web"] == 2, TIMEOUT_S, "once more")
        eventually(lambda: "resync" in told, TIMEOUT_S, "everybody was told")
    assert changed["default/web"] == 1


def test_an_informer_that_stops_ends_its_controllers(world: World) -> None:
    informer = world.informers.informer(MAPS, namespace="default")
    controller = world.controller(lambda key, ctx: None).watches(informer)
    world.informers.start()
    controller.start()
    eventually(lambda: controller.is_running, TIMEOUT_S, "it works")
    informer.stop(TIMEOUT_S)
    eventually(lambda: not controller.is_running, TIMEOUT_S, "it ends")
    with pytest.raises(LifecycleError, match="controller test: informer v1/configmaps in default has stopped"):
        controller.stop(TIMEOUT_S)


def test_a_controller_that_starts_can_be_stopped_at_once(world: World) -> None:
    """Its caches may take their time; nobody has to wait for that."""
    world.server.crash()
    controller = world.controller(lambda key, ctx: None)
    controller.watches(world.informers.informer(MAPS, namespace="default"))
    world.informers.start()
    controller.start()
    controller.stop(TIMEOUT_S / 4)
    world.server.restart()


def test_a_controller_whose_map_is_blocked_can_be_stopped(world: World) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    blocked, may_go = threading.Event(), threading.Event()

    def blocks(obj: Unstructured) -> list[str]:
        blocked.set()
        assert may_go.wait(TIMEOUT_S)
        return []

    controller = world.controller(lambda key, ctx: None)
    controller.watches(world.informers.informer(MAPS, namespace="default"), map=blocks)
    world.informers.start()
    controller.start()
    assert blocked.wait(TIMEOUT_S)
    controller.stop(TIMEOUT_S / 4)
    may_go.set()


def test_a_map_that_takes_too_long_for_what_is_there_is_named(world: World) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    may_go = threading.Event()

    def blocks(obj: Unstructured) -> list[str]:
        assert may_go.wait(TIMEOUT_S)
        return []

    controller = Controller("test", lambda key, ctx: None, client=world.client, sync_timeout_s=0.3)
    informer = world.informers.informer(MAPS, namespace="default")
    controller.watches(informer, map=blocks)
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    try:
        with pytest.raises(CacheSyncTimeout, match=r"v1/configmaps in default.*were not looked at in time"):
            controller.run(Cancel())
    finally:
        may_go.set()
