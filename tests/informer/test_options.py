"""How an informer keeps its copy: options, through a pipeline that is driven by hand."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from kubeprims.cache.indexer import Indexer, field_index
from kubeprims.errors import ConfigError, InvalidArgument, InvalidFieldPath
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Notification, from_event
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.pipeline import Pipeline
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import Codec, StdlibCodec
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.msgspec_codec import MsgspecCodec
from kubeprims.objects.record import KEY, RAW, ObjectRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing.clock import VirtualClock
from tests.cache.records import make_record
from tests.parity import case

ADDED, MODIFIED, DELETED = WatchEventType.ADDED, WatchEventType.MODIFIED, WatchEventType.DELETED
COMPACT = InformerOptions(storage="compact")
FILLER = [f"line {number % 7} of what all of them say" for number in range(40)]


def pod(name: str, version: int, *, secret: str = "s", node: str = "n1") -> ObjectRecord:
    spec: JSONObject = {"secret": secret, "nodeName": node, "args": [*FILLER]}
    return make_record(f"prod/{name}", version, uid=f"uid-{name}", labels={"app": name}, spec=spec)


def drop_secret(obj: JSONObject) -> JSONObject:
    spec = obj["spec"]
    assert isinstance(spec, dict)
    if spec.pop("secret") == "explode":
        raise ValueError("boom")
    return obj


class Rig:
    """A pipeline with one source, and a handler that keeps what it was told."""

    def __init__(self, options: InformerOptions) -> None:
        self.indexer = Indexer({"node": field_index("spec.nodeName")})
        self.pipeline = Pipeline(self.indexer, intake=options.make_intake())
        self.source = self.pipeline.source()
        self.told: list[Notification] = []
        self.registration = HandlerRegistration(
            from_event(self.told.append),
            name="handler",
            clock=VirtualClock(),
            resync_period_s=0.0,
            replay=self.pipeline.resync,
        )
        self.pipeline.add(self.registration)

    def list(self, *records: ObjectRecord, version: int) -> None:
        """Bring a list, as a reflector does."""
        taken = list(filter(None, map(self.source.take, records)))
        good = [item for item in taken if not isinstance(item, MalformedObject)]
        self.source.replace(good, str(version), [item for item in taken if isinstance(item, MalformedObject)])
        self.deliver()

    def watch(self, kind: WatchEventType, record: ObjectRecord) -> None:
        self.source.apply([WatchEvent(kind, record, record[2])])
        self.deliver()

    def deliver(self) -> None:
        while self.registration.deliver_next():
            pass

    def secrets(self) -> list[object]:
        """Return what the cache and the handler know of what the transform takes out."""
        views = [*self.indexer.list(), *self.indexer.by_index("node", "n1")]
        views += [obj for told in self.told for obj in (told.old, told.new) if obj is not None]
        return [view["spec"]["secret"] for view in views if "secret" in view["spec"]]  # type: ignore[index,operator,call-overload]


@case("IN-107", "IN-149")
def test_store_and_handlers_see_only_what_the_transform_returned() -> None:
    rig = Rig(InformerOptions(transform=drop_secret))
    rig.list(pod("a", 1), pod("b", 2), version=2)
    rig.watch(ADDED, pod("c", 3))
    rig.watch(MODIFIED, pod("a", 4, node="n2"))
    rig.watch(DELETED, pod("b", 5))
    assert [(told.key.name, bool(told.old), bool(told.new)) for told in rig.told] == [
        ("a", False, True),
        ("b", False, True),
        ("c", False, True),
        ("a", True, True),
        ("b", True, False),
    ]
    assert rig.secrets() == []
    assert [view["spec"]["nodeName"] for view in rig.indexer.by_index("node", "n2")] == ["n2"]  # type: ignore[index,call-overload]


@case("IN-108")
def test_no_reader_ever_sees_an_object_before_its_transform() -> None:
    seen: list[object] = []

    def transform(obj: JSONObject) -> JSONObject:
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        stored = rig.indexer.get("prod/a")
        seen.append(None if stored is None else stored.resource_version)
        if stored is not None:
            stored["spec"]["nodeName"] = "changed by a reader"  # type: ignore[index,call-overload]
        return drop_secret(obj)

    rig = Rig(InformerOptions(transform=transform))
    rig.list(pod("a", 1), version=1)
    rig.watch(MODIFIED, pod("a", 2))
    assert seen == [None, "1"]
    assert rig.secrets() == []
    assert [told.old["spec"]["nodeName"] for told in rig.told if told.old is not None] == ["n1"]  # type: ignore[index,call-overload]


def test_a_version_is_transformed_once_however_often_it_is_listed() -> None:
    calls: list[str] = []

    def transform(obj: JSONObject) -> JSONObject:
        calls.append(str(obj["metadata"]["resourceVersion"]))  # type: ignore[index,call-overload]
        return drop_secret(obj)

    rig = Rig(InformerOptions(transform=transform))
    rig.list(pod("a", 1), pod("b", 2), version=2)
    before = rig.indexer.record("prod/a")
    rig.list(pod("a", 1), pod("b", 3), version=3)
    assert calls == ["1", "2", "3"]
    assert rig.indexer.record("prod/a") is before


def test_an_object_whose_transform_fails_keeps_its_last_good_state_and_is_marked() -> None:
    rig = Rig(InformerOptions(transform=drop_secret))
    rig.list(pod("a", 1), pod("bad", 2, secret="explode"), version=2)
    assert rig.pipeline.dirty == {"prod/bad": "2"}
    rig.watch(MODIFIED, pod("a", 3, secret="explode"))
    assert rig.pipeline.dirty == {"prod/bad": "2", "prod/a": "3"}
    assert [(obj.name, obj.resource_version) for obj in rig.indexer.list()] == [("a", "1")]
    rig.list(pod("a", 3, secret="explode"), pod("bad", 4), version=4)
    assert [(obj.name, obj.resource_version) for obj in rig.indexer.list()] == [("a", "1"), ("bad", "4")]
    assert rig.pipeline.dirty == {"prod/a": "3"}
    rig.watch(DELETED, pod("a", 5, secret="explode"))
    assert rig.pipeline.dirty == {}
    assert [told.key.name for told in rig.told if told.new is None] == ["a"]


def test_an_object_that_a_storage_cannot_keep_costs_itself_alone() -> None:
    class Picky:
        def pack(self, record: ObjectRecord) -> ObjectRecord:
            if record[KEY] == "prod/bad":
                raise OSError("no room")
            return record

    rig = Rig(InformerOptions(storage=Picky()))
    rig.list(pod("a", 1), pod("bad", 2), version=2)
    rig.watch(MODIFIED, pod("bad", 3))
    rig.watch(MODIFIED, pod("a", 4))
    assert rig.pipeline.dirty == {"prod/bad": "3"}
    assert [(obj.name, obj.resource_version) for obj in rig.indexer.list()] == [("a", "4")]


@case("IN-117")
def test_a_transform_that_leaves_no_metadata_does_not_move_the_stores_version() -> None:
    def transform(obj: JSONObject) -> JSONObject:
        return {"spec": {}} if obj["spec"]["nodeName"] == "n2" else obj  # type: ignore[index,call-overload]

    rig = Rig(InformerOptions(transform=transform))
    rig.list(pod("a", 1), version=5)
    rig.watch(MODIFIED, pod("a", 6, node="n2"))
    assert rig.indexer.resource_version == "5"
    assert rig.pipeline.dirty == {"prod/a": "6"}
    rig.list(pod("a", 6, node="n2"), version=7)
    assert rig.indexer.resource_version == "7"


def test_what_is_kept_and_stripped_is_what_everybody_sees() -> None:
    rig = Rig(InformerOptions(keep=("spec",), strip=("spec.args", "spec.secret")))
    rig.list(pod("a", 1), version=1)
    rig.watch(MODIFIED, pod("a", 2))
    assert [obj["spec"] for obj in rig.indexer.list()] == [{"nodeName": "n1"}]
    assert rig.secrets() == []
    assert [told.new.labels for told in rig.told if told.new is not None] == [{"app": "a"}] * 2


def test_a_compact_cache_reads_like_a_plain_one_on_every_way() -> None:
    plain, compact = Rig(InformerOptions()), Rig(InformerOptions(storage="compact"))
    for rig in (plain, compact):
        rig.list(pod("a", 1), pod("b", 2), pod("gone", 3), version=3)
        rig.watch(MODIFIED, pod("a", 4, node="n2"))
        rig.watch(DELETED, pod("b", 5))
        rig.list(pod("a", 4, node="n2"), version=6)
    assert plain.told == compact.told
    assert [type(told.old) for told in plain.told] == [type(told.old) for told in compact.told]
    for key in ("prod/a", "prod/b"):
        assert plain.indexer.get(key) == compact.indexer.get(key)
    assert plain.indexer.list() == compact.indexer.list()
    assert plain.indexer.list("prod", "app=a") == compact.indexer.list("prod", "app=a")
    assert plain.indexer.by_index("node", "n2") == compact.indexer.by_index("node", "n2")
    assert [obj.name for obj in compact.indexer.by_index("node", "n2")] == ["a"]
    record = compact.indexer.record("prod/a")
    assert record is not None
    assert len(record) > RAW + 1
    assert compact.indexer.stored(pod("a", 4, node="n2")) is record
    gc.collect()
    gc.collect()
    assert not gc.is_tracked(record)


def test_nothing_asked_for_makes_an_intake_that_nobody_need_call() -> None:
    assert InformerOptions().make_intake().is_passive
    assert not InformerOptions(strip=("status",)).make_intake().is_passive


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"strip": ("metadata.name",)}, InvalidFieldPath),
        ({"keep": ("spec..x",)}, InvalidFieldPath),
        ({"strip": "status"}, InvalidArgument),
        ({"storage": "zip"}, InvalidArgument),
        ({"transform": 7}, InvalidArgument),
        ({"shard": 7}, InvalidArgument),
        ({"resync_period_s": 0.5}, ConfigError),
    ],
)
def test_options_are_checked_where_they_are_made(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        InformerOptions(**options)  # type: ignore[arg-type]


def test_each_informer_has_a_storage_of_its_own() -> None:
    options = InformerOptions(storage="compact")
    first, second = options.make_intake(), options.make_intake()
    packed = [intake(pod("a", 1)) for intake in (first, second)]
    assert isinstance(packed[0], tuple)
    assert packed[0] == packed[1]
    assert not isinstance(packed[0], MalformedObject)
    assert Unstructured(packed[0]).labels == {"app": "a"}


def page_of(count: int, version: int) -> Iterator[bytes]:
    """Yield a list of objects of 10 KB each, as a body comes in."""
    yield b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":['
    for number in range(count):
        filler = f"{number:06}" * 1_700
        metadata = f'{{"name":"pod-{number}","uid":"u-{number}","resourceVersion":"{version}"}}'
        yield f'{"," if number else ""}{{"metadata":{metadata},"data":"{filler}"}}'.encode()
    yield b"]}"


@pytest.mark.parametrize(
    ("options", "share"), [(InformerOptions(), 1.0), (InformerOptions(strip=("data",)), 0.1), (COMPACT, 0.1)]
)
@pytest.mark.parametrize("codec", [StdlibCodec(), MsgspecCodec()])
def test_neither_list_nor_relist_holds_more_than_what_is_kept(
    options: InformerOptions, share: float, codec: Codec
) -> None:
    """Objects become what is kept while the list comes in, and unchanged ones what is there."""
    rig, count = Rig(options), 200
    size = 10_200 * count
    tracemalloc.start()
    try:
        for _ in range(2):
            tracemalloc.reset_peak()
            rig.source.replace(
                [item for item in map(rig.source.take, codec.split_list(page_of(count, 1))) if item], "1"
            )  # type: ignore[misc]
            rig.registration.close()
            _, peak = tracemalloc.get_traced_memory()
            assert peak < (share + 0.35) * size
    finally:
        tracemalloc.stop()
    assert len(rig.indexer) == count
