from __future__ import annotations

import gc
import json
import pickle
import random
from copy import copy, deepcopy

import pytest

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import ObjectKey
from kubeprims.objects.record import LABELS, RAW, ObjectRecord, plain, raw_of
from kubeprims.objects.storage import CompactStorage, PlainStorage, storage_of
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
from tests.cache.records import make_record

DICTIONARY = RAW + 1


def make_pod(number: int, *, size: int = 20) -> ObjectRecord:
    """Return the record of an object that resembles the others, with something of its own."""
    rng = random.Random(number)
    containers = [
        {"name": f"c{index}", "image": f"registry.example.com/app:{rng.getrandbits(32):x}", "imagePullPolicy": "Always"}
        for index in range(size)
    ]
    return make_record(f"prod/pod-{number}", number, labels={"app": "web"}, spec={"containers": containers})  # type: ignore[dict-item]


def test_plain_storage_returns_the_record_itself() -> None:
    record = make_record("prod/web", 7)
    assert PlainStorage().pack(record) is record
    assert plain(record) is record
    assert raw_of(record) is record[RAW]


def test_what_is_packed_is_smaller_and_says_the_same() -> None:
    storage = CompactStorage()
    for record in map(make_pod, range(100)):
        packed = storage.pack(record)
        assert packed[:RAW] == record[:RAW]
        assert raw_of(packed) == record[RAW]
        assert plain(packed) == record
        assert 3 * len(packed[RAW]) < len(record[RAW])
        assert storage.pack(packed) is packed


def test_views_of_both_are_equal_and_read_alike() -> None:
    record = make_pod(1)
    packed = CompactStorage().pack(record)
    view, reference = Unstructured(packed), Unstructured(record)
    assert view == reference
    assert reference == view
    assert view == Unstructured(CompactStorage().pack(record))
    assert view != Unstructured(CompactStorage().pack(make_pod(2)))
    assert dict(view) == dict(reference) == view.to_dict()
    assert view.to_bytes() == reference.to_bytes()
    assert (view.key, view.labels, view.resource_version) == ("prod/pod-1", {"app": "web"}, "1")
    assert repr(view) == repr(reference)
    for twin in (copy(view), deepcopy(view)):
        assert twin == reference


def test_pickles_hold_no_dictionary() -> None:
    packed = CompactStorage().pack(make_pod(1))
    tombstone = DeletedFinalStateUnknown(ObjectKey("prod/pod-1"), packed)
    for view in (Unstructured(packed), tombstone):
        again = pickle.loads(pickle.dumps(view))  # noqa: S301 - our own
        assert type(again) is type(view)
        assert again.record == make_pod(1)
    unknown = DeletedFinalStateUnknown(ObjectKey("a"), None)
    assert pickle.loads(pickle.dumps(unknown)).key == "a"  # noqa: S301 - our own


def test_content_that_is_not_json_fails_as_it_does_unpacked() -> None:
    broken: ObjectRecord = ("a", "", "1", (), b'{"metadata":{"name":"a"},"spec":nonsense%s}' % (b" " * 500))
    packed = CompactStorage().pack(broken)
    assert len(packed) > len(broken)
    details = []
    for record in (broken, packed):
        with pytest.raises(DecodeError) as caught:
            Unstructured(record).to_dict()
        details.append((caught.value.detail, caught.value.raw))
    assert details[0] == details[1]


def test_the_cycle_collector_does_not_track_a_packed_record() -> None:
    storage = CompactStorage()
    records = [storage.pack(make_pod(number)) for number in range(70)]
    gc.collect()
    gc.collect()
    assert all(len(record) == DICTIONARY + 1 for record in records)
    assert not any(gc.is_tracked(record) for record in records)
    assert not any(gc.is_tracked(record[LABELS]) for record in records)


def test_the_dictionary_is_bounded_and_made_twice_at_most() -> None:
    storage = CompactStorage()
    dictionaries = {storage.pack(make_pod(number, size=60))[RAW + 1 :] for number in range(300)}
    assert 1 <= len(dictionaries) <= 2
    assert all(0 < len(dictionary) <= 8192 for (dictionary,) in dictionaries)
    assert storage._samples == ()
    huge = make_record("a", 1, spec={"data": "".join(map(str, range(20_000)))})
    one = CompactStorage().pack(huge)
    assert len(one[RAW + 1 :][0]) == 8192
    assert raw_of(one) == huge[RAW]


def test_the_second_dictionary_is_made_of_objects_further_apart() -> None:
    storage = CompactStorage()
    raws: list[bytes] = []
    packed: ObjectRecord = make_record("a")
    for number in range(64):
        record = make_pod(number, size=2)
        raws.append(raw_of(record))
        packed = storage.pack(record)
    assert packed[DICTIONARY:] == (raws[0] + raws[15] + raws[31] + raws[63],)


def test_what_would_not_become_smaller_stays_as_it_is() -> None:
    storage = CompactStorage()
    storage.pack(make_pod(1))
    tiny: ObjectRecord = ("a", "", "", (), b"{}")
    assert storage.pack(tiny) is tiny
    noise = make_record("a", 1, spec={"data": random.Random(1).randbytes(300).hex()})
    assert raw_of(storage.pack(noise)) == noise[RAW]


@pytest.mark.parametrize(
    ("packed", "detail"),
    [(b"\xff\xff\xff", "cannot be unpacked"), (b"", "it breaks off"), (b"\x00\x05", "it breaks off")],
)
def test_bytes_that_no_storage_made_are_an_error_that_names_the_object(packed: bytes, detail: str) -> None:
    with pytest.raises(DecodeError, match=detail) as caught:
        Unstructured(("prod/web", "", "1", (), packed, b"")).to_dict()
    assert "prod/web" in caught.value.detail


def test_a_storage_is_named_or_given() -> None:
    assert isinstance(storage_of("plain"), PlainStorage)
    compact = storage_of("compact")
    assert isinstance(compact, CompactStorage)
    assert storage_of("compact") is not compact
    assert storage_of(compact) is compact
    for wrong in ("zip", 7, None):
        with pytest.raises(InvalidArgument, match="a storage is plain, compact, or has the method pack"):
            storage_of(wrong)  # type: ignore[arg-type]


def test_many_readers_share_one_record() -> None:
    packed = CompactStorage().pack(make_pod(3))
    views = [Unstructured(packed) for _ in range(3)]
    contents = [view["spec"] for view in views]
    assert contents[0] == contents[1]
    assert contents[0] is not contents[1]
    assert json.loads(views[0].to_bytes()) == views[1].to_dict()
