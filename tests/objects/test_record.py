from __future__ import annotations

import gc

import pytest

from kubeprims.objects.codec import Codec, StdlibCodec
from kubeprims.objects.msgspec_codec import MsgspecCodec
from kubeprims.objects.record import KEY, LABELS, RAW, RESOURCE_VERSION, UID, labels_of

WEB = b'{"metadata":{"name":"web","namespace":"prod","uid":"u","resourceVersion":"7","labels":{"b":"2","a":"1"}}}'


CODECS = (StdlibCodec(), MsgspecCodec())


def test_a_record_is_a_tuple_of_key_uid_version_labels_and_bytes() -> None:
    record = StdlibCodec().to_record(WEB)
    assert record == ("prod/web", "u", "7", ("a", "1", "b", "2"), WEB)
    assert (record[KEY], record[UID], record[RESOURCE_VERSION]) == ("prod/web", "u", "7")
    assert (record[LABELS][0], record[RAW]) == ("a", WEB)


def test_labels_come_as_a_new_dictionary() -> None:
    record = StdlibCodec().to_record(WEB)
    labels = labels_of(record)
    labels["c"] = "3"
    assert labels_of(record) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("codec", CODECS)
def test_the_cycle_collector_does_not_track_a_record(codec: Codec) -> None:
    kept = codec.to_record(WEB)
    gc.collect()
    gc.collect()  # the labels may have been visited after the tuple that holds them
    assert not gc.is_tracked(kept)
    assert not any(gc.is_tracked(value) for value in kept)


def test_equal_labels_are_kept_once() -> None:
    first, second = (StdlibCodec().to_record(bytes(bytearray(WEB))) for _ in range(2))
    assert all(one is other for one, other in zip(first[LABELS], second[LABELS], strict=True))
