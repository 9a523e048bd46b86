"""No controller acts on its own past: caches that are behind, that see part of the objects, or part of an object."""

from __future__ import annotations

import logging
import threading

import pytest

from kubeprims.client.options import PropagationPolicy
from kubeprims.controller import settling
from kubeprims.controller.context import ReconcileContext
from kubeprims.controller.result import Result
from kubeprims.errors import OwnWriteUnseen
from kubeprims.informer.options import InformerOptions
from kubeprims.meta import JSONObject, JSONValue, ObjectKey
from kubeprims.objects.unstructured import Unstructured
from tests.controller.world import TIMEOUT_S, World, config_map
from tests.waiting import eventually

MAPS = "v1/configmaps"


def labelled(name: str, **labels: str) -> JSONObject:
    return {"metadata": {"name": name, "namespace": "default", "labels": dict(labels)}}


def test_a_cache_that_is_behind_puts_the_key_off_until_it_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A counter on a cache whose watch is frozen: put off once or ten times, no step is done twice."""
    monkeypatch.setattr(settling, "WAIT_MAX_S", 0.02)
    world.server.create(MAPS, config_map("count", value="0"), namespace="default")
    seen: list[int] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        found = ctx.get(MAPS)
        assert found is not None
        value = int(str(found["data"]["value"]))  # type: ignore[index, call-overload]
        seen.append(value)
        if value == 2:
            return None
        ctx.client.resource(MAPS, key.namespace).patch(key.name, {"data": {"value": str(value + 1)}})
        return Result(requeue_after_s=0.0)

    controller = world.controller(reconcile)
    informer = world.informers.informer(MAPS, namespace="default")
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    controller.watches(informer)
    with caplog.at_level(logging.WARNING), world.server.freeze_watch(MAPS) as frozen, world.running(controller):
        eventually(lambda: controller.counts.unsettled >= 3, TIMEOUT_S, "it is put off again and again")
        assert seen == [0]
        frozen.thaw()
        eventually(lambda: 2 in seen, TIMEOUT_S, "two steps")
    assert seen[:2] == [0, 1]
    assert "its cache has not shown configmaps default/count at version" in caplog.text
    assert controller.counts.errors == 0


def test_a_get_that_cannot_show_the_own_write_fails_rather_than_show_what_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "WAIT_MAX_S", 0.02)
    world.server.create(MAPS, config_map("web"), namespace="default")
    raised: list[str] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if not raised:
            ctx.client.resource(MAPS, key.namespace).patch(key.name, {"data": {"color": "red"}})
            for read in (lambda: ctx.get(MAPS), lambda: ctx.by_index(MAPS, "all", "")):
                with pytest.raises(OwnWriteUnseen) as info:
                    read()
                raised.append(str(info.value))
            ctx.get(MAPS)

    informer = world.informers.informer(MAPS, namespace="default", indexers={"all": lambda obj: [""]})
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    controller = world.controller(reconcile).watches(informer)
    with world.server.freeze_watch() as frozen, world.running(controller):
        eventually(lambda: controller.counts.unsettled, TIMEOUT_S, "the reconcile is put off")
        frozen.thaw()
        eventually(lambda: controller.counts.by_result["success"], TIMEOUT_S, "it gets through")
    assert len(raised) == 2
    assert controller.counts.errors == 0


def test_a_wait_that_the_end_cuts_short_is_not_said_to_have_lasted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    informer = world.informers.informer(MAPS, namespace="default")
    wrote = threading.Event()

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        ctx.client.resource(MAPS, "default").create(config_map("made"))
        wrote.set()
        ctx.get(MAPS, "default/made")

    controller = world.controller(reconcile).watches(informer)
    with world.running(controller):
        informer.wait_for_sync(TIMEOUT_S)
        with world.server.freeze_watch(MAPS):
            controller.enqueue("default/any")
            assert wrote.wait(TIMEOUT_S)
            controller.stop(TIMEOUT_S)
    assert controller.counts.unsettled == 0
    assert "is put off" not in caplog.text


def test_a_write_through_another_version_of_the_resource_is_waited_for_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "WAIT_MAX_S", 0.02)
    scalers = "autoscaling/v2/horizontalpodautoscalers"
    spec: JSONObject = {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
    }
    world.server.create(scalers, {"metadata": {"name": "web"}, "spec": spec}, namespace="default")
    refused: list[bool] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if not refused:
            older = ctx.client.resource("autoscaling/v1/horizontalpodautoscalers", key.namespace)
            older.patch(key.name, {"metadata": {"labels": {"color": "red"}}})
            with pytest.raises(OwnWriteUnseen):
                ctx.get(scalers)
            refused.append(True)
        found = ctx.get(scalers)
        assert found is not None
        assert found.labels == {"color": "red"}

    informer = world.informers.informer(scalers, namespace="default")
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    controller = world.controller(reconcile).watches(informer)
    with world.server.freeze_watch() as frozen, world.running(controller):
        eventually(lambda: controller.counts.unsettled, TIMEOUT_S, "the reconcile is put off")
        frozen.thaw()
        eventually(lambda: controller.counts.by_result["success"], TIMEOUT_S, "it gets through")
    assert controller.counts.errors == 0


def test_what_is_created_and_deleted_at_once_is_not_taken_for_there_later(world: World) -> None:
    """The creation reaches the cache after the reconcile: the next one must not see it."""
    world.server.create(MAPS, config_map("web"), namespace="default")
    looks: list[bool] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        if key.name != "web":
            return None
        looks.append(ctx.get(MAPS, "default/made") is not None)
        if len(looks) > 1:
            return None
        maps = ctx.client.resource(MAPS, key.namespace)
        maps.create(config_map("made"))
        maps.delete("made")
        world.frozen.thaw()
        return Result(requeue_after_s=0.0)

    informer = world.informers.informer(MAPS, namespace="default")
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    world.frozen = world.server.freeze_watch(MAPS)
    controller = world.controller(reconcile).watches(informer)
    with world.frozen, world.running(controller):
        eventually(lambda: len(looks) >= 2, TIMEOUT_S, "the second look")
    assert looks[:2] == [False, False]


@pytest.mark.parametrize("grace", [False, True])
def test_whoever_takes_the_last_finalizer_does_not_see_the_object_again(world: World, *, grace: bool) -> None:
    obj = config_map("web")
    obj["metadata"]["finalizers"] = ["example.com/clean"]  # type: ignore[index, call-overload]
    world.server.create(MAPS, obj, namespace="default")
    informer = world.informers.informer(MAPS, namespace="default")
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    options = {"propagation_policy": PropagationPolicy.FOREGROUND} if grace else {}
    world.client.resource(MAPS, "default").delete("web", **options)  # type: ignore[arg-type]
    eventually(lambda: _is_ending(informer.indexer.get("default/web")), TIMEOUT_S, "it ends")
    shown: list[bool] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        found = ctx.get(MAPS)
        shown.append(found is not None)
        if found is None:
            return None
        ctx.remove_finalizer(found, "example.com/clean")
        world.frozen.thaw()
        return Result(requeue_after_s=0.0)

    world.frozen = world.server.freeze_watch(MAPS)
    controller = world.controller(reconcile).watches(informer)
    with world.frozen, world.running(controller):
        eventually(lambda: len(shown) >= 2, TIMEOUT_S, "two looks")
    if not grace:
        assert shown[:2] == [True, False]
    assert controller.counts.errors == 0


def _is_ending(found: Unstructured | None) -> bool:
    return found is not None and bool(found.deletion_timestamp)


def test_a_finalizer_of_what_is_gone_is_no_error(world: World) -> None:
    obj = config_map("web")
    obj["metadata"]["finalizers"] = ["example.com/clean"]  # type: ignore[index, call-overload]
    world.server.create(MAPS, obj, namespace="default")

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        found = ctx.client.resource(MAPS, "default").get("web")
        world.server.patch(MAPS, "web", {"metadata": {"finalizers": None}}, namespace="default")
        world.server.delete(MAPS, "web", namespace="default")
        ctx.remove_finalizer(found, "example.com/clean")

    controller = world.controller(reconcile)
    with world.running(controller):
        controller.enqueue("default/web")
        eventually(lambda: sum(controller.counts.by_result.values()), TIMEOUT_S, "a reconcile")
    assert controller.counts.by_result["success"] == 1


# -- caches of some of the objects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("selector", ["app=web", "app!=web", "!app"])
def test_what_a_selective_cache_does_not_have_is_asked_of_the_server(world: World, selector: str) -> None:
    world.server.create(MAPS, labelled("web", app="web"), namespace="default")
    world.server.create(MAPS, labelled("other"), namespace="default")
    found: dict[str, bool] = {}

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        for name in ("web", "other", "none"):
            found[name] = ctx.get(MAPS, f"default/{name}") is not None

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer(MAPS, namespace="default", label_selector=selector))
    with world.running(controller):
        controller.enqueue("default/any")
        eventually(lambda: len(found) == 3, TIMEOUT_S, "three looks")
    assert found == {"web": True, "other": True, "none": False}


def test_a_write_that_takes_an_object_out_of_the_selection_is_waited_for(world: World) -> None:
    world.server.create(MAPS, labelled("web", app="web"), namespace="default")
    informer = world.informers.informer(MAPS, namespace="default", label_selector="app=web")
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    cached: list[bool] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        cached.append(informer.indexer.get("default/web") is not None)
        if len(cached) > 1:
            return None
        ctx.client.resource(MAPS, "default").patch("web", {"metadata": {"labels": {"app": "db"}}})
        world.frozen.thaw()
        return Result(requeue_after_s=0.0)

    world.frozen = world.server.freeze_watch(MAPS)
    controller = world.controller(reconcile).watches(informer)
    with world.frozen, world.running(controller):
        eventually(lambda: len(cached) >= 2, TIMEOUT_S, "two looks")
    assert cached[:2] == [True, False]


def test_a_deletion_that_shows_no_object_is_waited_for_in_a_selective_cache(world: World) -> None:
    world.server.create(MAPS, labelled("web", app="web"), namespace="default")
    informer = world.informers.informer(MAPS, namespace="default", label_selector="app=web")
    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    looks: list[bool] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        looks.append(ctx.get(MAPS, "default/web") is not None)
        if len(looks) > 1:
            return None
        ctx.client.resource(MAPS, "default").delete("web")
        world.frozen.thaw()
        return Result(requeue_after_s=0.0)

    world.frozen = world.server.freeze_watch(MAPS)
    controller = world.controller(reconcile).watches(informer)
    with world.frozen, world.running(controller):
        eventually(lambda: len(looks) >= 2, TIMEOUT_S, "two looks")
    assert looks[:2] == [True, False]


def test_of_two_caches_of_a_resource_each_answers_for_what_it_follows(world: World) -> None:
    world.server.create("v1/namespaces", {"metadata": {"name": "prod"}})
    for namespace in ("default", "prod"):
        world.server.create(MAPS, {"metadata": {"name": "web"}}, namespace=namespace)
    first = world.informers.informer(MAPS, namespace="default", label_selector="app=web")
    second = world.informers.informer(MAPS, namespace="prod", indexers={"name": lambda obj: [obj.name]})
    values: list[JSONValue] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        if key.namespace != "prod":
            return None
        found = ctx.get(MAPS)
        assert found is not None
        values.append(found.get("data"))
        assert [one.key for one in ctx.by_index(MAPS, "name", "web")] == ["prod/web"]
        if len(values) == 1:
            ctx.client.resource(MAPS, "prod").patch("web", {"data": {"color": "red"}})
            world.frozen.thaw()
            return Result(requeue_after_s=0.0)
        return None

    world.informers.start()
    world.informers.wait_for_cache_sync(TIMEOUT_S)
    world.frozen = world.server.freeze_watch(MAPS)
    controller = world.controller(reconcile).watches(first).watches(second)
    with world.frozen, world.running(controller):
        eventually(lambda: len(values) >= 2, TIMEOUT_S, "two looks")
    assert values[:2] == [None, {"color": "red"}]


def test_events_of_one_namespace_say_nothing_of_another(world: World) -> None:
    """Versions of all namespaces come from one counter: that one has got far is no sign that the other has."""
    world.server.create("v1/namespaces", {"metadata": {"name": "prod"}})
    for namespace in ("default", "prod"):
        world.server.create(MAPS, {"metadata": {"name": "web"}}, namespace=namespace)
    informer = world.informers.informer(MAPS, namespaces=["default", "prod"])
    looks: list[bool] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        if key != "default/web" or len(looks) > 1:
            return None
        looks.append(ctx.get(MAPS, "default/made") is not None)
        if len(looks) > 1:
            return None
        ctx.client.resource(MAPS, "default").create(config_map("made"))
        later = world.server.patch(MAPS, "web", {"data": {"a": "b"}}, namespace="prod")
        version = later["metadata"]["resourceVersion"]  # type: ignore[index, call-overload]
        informer.wait_for_resource_version(str(version), TIMEOUT_S, namespace="prod")
        world.thawing.set()
        return Result(requeue_after_s=0.0)

    world.informers.start()
    informer.wait_for_sync(TIMEOUT_S)
    path = "/api/v1/namespaces/default/configmaps"
    world.frozen = world.server.faults.freeze_watches(world.match(path))
    controller = world.controller(reconcile).watches(informer)
    with world.frozen, world.running(controller):
        assert world.thawing.wait(TIMEOUT_S)
        world.frozen.thaw()
        eventually(lambda: len(looks) >= 2, TIMEOUT_S, "two looks")
    assert looks[:2] == [False, True]


def test_a_write_in_a_namespace_that_is_followed_no_more_is_not_waited_for(world: World) -> None:
    world.server.create("v1/namespaces", {"metadata": {"name": "prod", "labels": {"team": "web"}}})
    world.server.create(MAPS, {"metadata": {"name": "web"}}, namespace="prod")
    informer = world.informers.informer(MAPS, namespace_selector="team=web")
    runs: list[str] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        runs.append(key)
        if len(runs) > 1:
            return None
        with world.server.faults.freeze_watches(world.match("/api/v1/namespaces/prod/configmaps")):
            ctx.client.resource(MAPS, "prod").patch("web", {"data": {"color": "red"}})
            world.server.patch("v1/namespaces", "prod", {"metadata": {"labels": {"team": "db"}}})
            eventually(lambda: not informer.coverage.follows("prod"), TIMEOUT_S, "it is followed no more")
        return Result(requeue_after_s=0.0)

    controller = world.controller(reconcile).watches(informer)
    with world.running(controller):
        eventually(lambda: len(runs) >= 2, TIMEOUT_S, "two reconciles")
    assert controller.counts.unsettled == 0


def test_a_cache_of_metadata_shows_writes_but_is_not_read(world: World) -> None:
    world.server.create(MAPS, config_map("web", color="red"), namespace="default")
    found: list[JSONValue] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        shown = ctx.get(MAPS)
        found.append(shown and shown.get("data"))

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer(MAPS, namespace="default", metadata_only=True))
    with world.running(controller):
        eventually(lambda: found, TIMEOUT_S, "a look")
    assert found[0] == {"color": "red"}


@pytest.mark.parametrize("storage", ["plain", "compact"])
def test_the_own_write_shows_whatever_way_objects_are_kept(world: World, storage: str) -> None:
    world.server.create(MAPS, config_map("web"), namespace="default")
    shown: list[JSONValue] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if not shown:
            for color in ("red", "green", "blue"):
                ctx.client.resource(MAPS, "default").patch("web", {"data": {"color": color}})
                found = ctx.get(MAPS)
                shown.append(found and found.get("data"))

    controller = world.controller(reconcile)
    options = InformerOptions(storage=storage)  # type: ignore[arg-type]
    controller.watches(world.informers.informer(MAPS, namespace="default", options=options))
    with world.running(controller):
        eventually(lambda: len(shown) == 3, TIMEOUT_S, "three looks")
    assert shown == [{"color": "red"}, {"color": "green"}, {"color": "blue"}]


# -- other ways to write ----------------------------------------------------------------------------------------------


def test_all_ways_to_write_are_waited_for_and_a_rehearsal_is_not(world: World) -> None:
    apps = "apps/v1/deployments"
    template: JSONObject = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    spec: JSONObject = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    body: JSONObject = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": spec,
    }
    world.server.create(apps, body, namespace="default")
    informer = world.informers.informer(apps, namespace="default", label_selector="app=web")
    versions: list[tuple[str, str]] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if versions:
            return
        deployments = ctx.client.resource(apps, "default")

        def note(written: Unstructured) -> None:
            shown = ctx.get(apps)
            versions.append((written.resource_version, "" if shown is None else shown.resource_version))

        note(deployments.scale("web", 3))
        note(deployments.patch("web", {"status": {"replicas": 3}}, subresource="status"))
        note(deployments.apply({**body, "spec": {**spec, "paused": True}}, field_manager="test", force=True))
        current = deployments.get("web").to_dict()
        current["spec"]["replicas"] = 4  # type: ignore[index, call-overload]
        note(deployments.update(current))
        before = ctx.get(apps)
        deployments.scale("web", 9, dry_run=True)
        deployments.delete("web", dry_run=True)
        after = ctx.get(apps)
        assert before is not None
        assert after is not None
        versions.append((before.resource_version, after.resource_version))
        deployments.delete_collection(label_selector="app=web")
        versions.append(("", "" if ctx.get(apps) is None else "there"))

    controller = world.controller(reconcile).watches(informer)
    with world.running(controller):
        eventually(lambda: len(versions) == 6, TIMEOUT_S, "six looks")
    assert [written == shown for written, shown in versions] == [True] * 6, versions
    assert controller.counts.unsettled == 0


def test_a_collection_that_is_deleted_is_waited_for_until_each_object_is_gone_or_marked(world: World) -> None:
    for name, finalizers in (("plain", []), ("kept", ["example.com/clean"])):
        body = {"metadata": {"name": name, "namespace": "default", "finalizers": finalizers}, "data": {}}
        world.server.create(MAPS, body)  # type: ignore[arg-type]
    informer = world.informers.informer(MAPS, namespace="default")
    looks: list[list[tuple[str, bool]]] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if key.name == "any" and not looks:
            ctx.client.resource(MAPS, "default").delete_collection()
            found = [ctx.get(MAPS, f"default/{name}") for name in ("plain", "kept")]
            looks.append([(one.name, bool(one.deletion_timestamp)) for one in found if one is not None])

    controller = world.controller(reconcile).watches(informer)
    with world.running(controller):
        controller.enqueue("default/any")
        eventually(lambda: looks, TIMEOUT_S, "the look")
    assert looks == [[("kept", True)]]
    assert controller.counts.unsettled == 0


def test_a_body_that_is_used_again_is_not_changed_by_creating_from_it(world: World) -> None:
    body: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}

    def change(obj: JSONObject) -> None:
        obj["metadata"]["labels"] = {"a": "b"}  # type: ignore[index, call-overload]

    controller = world.controller(lambda key, ctx: ctx.create_or_patch(body, change) and None)
    with world.running(controller):
        controller.enqueue("default/any")
        eventually(lambda: controller.counts.by_result["success"], TIMEOUT_S, "it is made")
    assert "labels" not in body["metadata"]  # type: ignore[operator]
