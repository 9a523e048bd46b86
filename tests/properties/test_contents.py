from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubeprims.errors import DecodeError, InvalidArgument, KubeprimsError
from kubeprims.informer.intake import Intake
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects import content, msgspec_json, stdlib_json
from kubeprims.objects.codec import StdlibCodec
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.projection import Projection, Projector
from kubeprims.objects.record import RAW, ObjectRecord
from kubeprims.objects.storage import CompactStorage
from kubeprims.objects.strict_json import decode_object, encode_object
from kubeprims.objects.unstructured import Unstructured
from tests.properties.test_codecs import POD, WIDGET, object_texts

CODEC = StdlibCodec()

NAMES = st.sampled_from(["metadata", "spec", "status", "a", "b", "name", "annotations", "x", "template"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(".".join)
VALUES: st.SearchStrategy[JSONValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)
FOREIGN = st.sampled_from([math.nan, math.inf, {1, 2}, b"bytes", object(), "\udc00", {1: "one"}, (1, 2), 3 + 4j])


def outcome(do: Callable[[], object]) -> object:
    """Return what a call returned, or how it failed."""
    try:
        return do()
    except KubeprimsError as error:
        return type(error), str(error)


def record_of(text: str) -> ObjectRecord | None:
    try:
        return CODEC.to_record(text.encode())
    except DecodeError:
        return None


def readings(record: ObjectRecord) -> list[object]:
    """Return all that can be read of a record."""
    view = Unstructured(record)
    facts: list[object] = [view.key, view.uid, view.resource_version, view.labels]
    facts += [outcome(lambda name=name: getattr(view, name)) for name in ("kind", "annotations", "generation")]  # type: ignore[misc]
    return [*facts, repr(outcome(view.to_dict)), view.to_bytes(), outcome(lambda: repr(view))]


@given(object_texts(), st.sampled_from([POD, WIDGET, None]))
def test_a_compact_cache_says_what_a_plain_one_says(text: str, first: str | None) -> None:
    storage = CompactStorage()
    if first is not None:
        storage.pack(CODEC.to_record(first.encode()))
    record = record_of(text)
    if record is not None:
        packed = storage.pack(record)
        assert readings(packed) == readings(record)
        assert packed == record or Unstructured(packed).to_bytes() == record[RAW]


@given(object_texts() | st.text(max_size=30))
@example('{"a":{"b":[1,"]"]} , "a" : 2}')
@example('{"a":NaN,"b":1}')
@example('{"\\ud800":1}')
@example('{"a":"\\ud800"}')
@example("{}")
@example(" {} ")
@example('{"a":1}x')
def test_members_are_split_alike_with_and_without_msgspec(text: str) -> None:
    raw = text.encode(errors="surrogatepass")
    found = outcome(lambda: stdlib_json.split_members(raw))
    assert outcome(lambda: msgspec_json.split_members(raw)) == found
    if isinstance(found, dict) and not isinstance(outcome(lambda: decode_object(raw)), tuple):
        assert {name: decode_object(b'{"x":%s}' % value)["x"] for name, value in found.items()} == decode_object(raw)


@given(OBJECTS, st.none() | FOREIGN)
def test_objects_are_encoded_alike_with_and_without_msgspec(obj: JSONObject, foreign: object) -> None:
    if foreign is not None:
        obj["foreign"] = foreign  # type: ignore[assignment]
    fast, slow = (outcome(lambda module=module: module.encode_object(obj)) for module in (msgspec_json, stdlib_json))  # type: ignore[misc]
    if isinstance(slow, bytes):
        assert isinstance(fast, bytes)
        assert decode_object(fast) == decode_object(slow)
        assert repr(stdlib_json.decode_value(msgspec_json.encode_decoded(decode_object(slow)))) == repr(
            decode_object(slow)
        )
    else:
        assert fast == slow
        assert isinstance(slow, tuple)
        assert slow[0] is InvalidArgument


def reference_projection(value: JSONValue, paths: list[list[str]]) -> None:
    """Take out of a value what paths name, one after the other."""
    for path in paths:
        if isinstance(value, list):
            for item in value:
                reference_projection(item, [path])
        elif isinstance(value, dict) and path[0] in value:
            if len(path) == 1:
                del value[path[0]]
            else:
                reference_projection(value[path[0]], [path[1:]])


@given(
    OBJECTS,
    st.lists(
        PATHS.filter(lambda path: path not in {"metadata", "metadata.name"} and not path.startswith("metadata.name.")),
        max_size=3,
    ),
)
def test_stripping_takes_out_what_is_named_and_nothing_else(obj: JSONObject, paths: list[str]) -> None:
    raw = encode_object(obj)
    expected = decode_object(raw)
    reference_projection(expected, [path.split(".") for path in paths])
    assert decode_object(Projector(Projection(strip=tuple(paths))).project(raw)) == expected


@given(
    object_texts(), st.lists(PATHS, max_size=3), st.sampled_from(["spec.a", "status", "metadata.annotations", "x.b"])
)
def test_an_intake_does_the_same_with_and_without_msgspec(text: str, keep: list[str], strip: str) -> None:
    record = record_of(text)
    if record is None:
        return
    results = []
    for module in (msgspec_json, stdlib_json):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(content, "_implementation", lambda module=module: module)
            for transform in (None, lambda obj: {**obj, "added": [1]}):
                intake = Intake(transform=transform, projection=Projection(tuple(keep), (strip,)))
                item = intake(record)
                assert item is not None
                results.append(item if isinstance(item, MalformedObject) else readings(item))
    assert [repr(result) for result in results[:2]] == [repr(result) for result in results[2:]]
