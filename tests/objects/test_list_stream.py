"""Lists, through both codecs."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from kubeprims.errors import DecodeError
from kubeprims.objects.codec import Codec, StdlibCodec
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.msgspec_codec import MsgspecCodec
from tests.parity import case

CODECS = [StdlibCodec(), MsgspecCodec()]

every_codec = pytest.mark.parametrize("codec", CODECS)


def pod(name: str, extra: str = "") -> str:
    metadata = f'{{"name":"{name}","x":[],"managedFields":[{{"manager":"m"}}]}}'
    return f'{{"metadata":{metadata},"spec":{{"n":[{{}},{{}}]}}{extra}}}'


def pod_list(*items: str) -> bytes:
    metadata = '{"resourceVersion":"9","continue":"token","remainingItemCount":12}'
    return f'{{"kind":"PodList","apiVersion":"v1","metadata":{metadata},"items":[{",".join(items)}]}}\n'.encode()


def names(codec: Codec, body: bytes) -> list[str | None]:
    return [item.key if isinstance(item, MalformedObject) else item[0] for item in codec.split_list([body])]


@every_codec
def test_a_list_brings_its_items_and_what_comes_with_it(codec: Codec) -> None:
    stream = codec.split_list([pod_list(pod("a"), pod("b"))])
    assert [item[0] for item in stream] == ["a", "b"]
    assert (stream.kind, stream.api_version) == ("PodList", "v1")
    assert (stream.resource_version, stream.continue_token, stream.remaining_item_count) == ("9", "token", 12)


@every_codec
def test_an_item_that_only_ever_opens_ends_the_list_before_much_of_it_is_read(codec: Codec) -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        yield b'{"items":['
        while True:
            read += 1
            yield b"[" * 65_536

    with pytest.raises(DecodeError):
        list(codec.split_list(chunks()))
    assert read < 20


@every_codec
def test_a_list_without_facts_says_so(codec: Codec) -> None:
    for body in (b'{"items":[]}', b'{"metadata":null,"items":null}', b' { "items" : [ ] , "metadata" : { } } '):
        stream = codec.split_list([body])
        assert list(stream) == []
        assert (stream.kind, stream.api_version, stream.resource_version) == ("", "", "")
        assert (stream.continue_token, stream.remaining_item_count) == ("", None)


@case("IN-36")
@every_codec
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_table_of_the_api_machinery_is_refused_and_other_tables_are_objects(codec: Codec, version: str) -> None:
    table = f'{{"kind":"Table","apiVersion":"meta.k8s.io/{version}","metadata":{{"resourceVersion":"1"}},"rows":[]}}'
    with pytest.raises(DecodeError, match="answered with a Table"):
        list(codec.split_list([table.encode()]))
    metadata = '{"name":"a"}'
    furniture = f'{{"kind":"Table","apiVersion":"example.com/v1","items":[{{"metadata":{metadata}}}]}}'
    assert names(codec, furniture.encode()) == names(codec, pod_list(pod("a"))) == ["a"]


@every_codec
def test_items_of_a_built_in_list_get_the_kind_that_a_watch_would_show(codec: Codec) -> None:
    (item,) = codec.split_list([pod_list(pod("a"))])
    watched = '{"kind":"Pod","apiVersion":"v1",' + pod("a")[1:]
    assert item == codec.split_event(f'{{"type":"ADDED","object":{watched}}}'.encode()).record


@every_codec
@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ('"kind":"Pod",', b'{"apiVersion":"v1","kind":"Pod",'),
        ('"apiVersion":"v2",', b'{"kind":"Pod","apiVersion":"v2",'),
        ('"apiVersion":"v2","kind":"Other",', b'{"apiVersion":"v2","kind":"Other",'),
        ('"kind":"Other","apiVersion":"v2",', b'{"kind":"Other","apiVersion":"v2",'),
        ('"k\\u0069nd":"Other", "apiVersion":"v2",', b'{"k\\u0069nd":"Other", "apiVersion":"v2",'),
        ('"kind":null,', b'{"apiVersion":"v1","kind":null,'),
    ],
)
def test_only_what_an_item_leaves_out_is_put_in(codec: Codec, start: str, wanted: bytes) -> None:
    for item in codec.split_list([pod_list("{" + start + pod("a")[1:])] * 1):
        assert not isinstance(item, MalformedObject)
        assert item[4].startswith(wanted + b'"metadata"')


@every_codec
@pytest.mark.parametrize(
    "head", ['"kind":"List","apiVersion":"v1",', '"kind":"Pods","apiVersion":"v1",', '"kind":"PodList",', ""]
)
def test_nothing_is_put_in_that_the_list_does_not_say(codec: Codec, head: str) -> None:
    (item,) = codec.split_list([f'{{{head}"items":[{pod("a")}],"kind2":0}}'.encode()])
    assert not isinstance(item, MalformedObject)
    assert item[4].startswith(b'{"metadata"')


@every_codec
def test_the_last_metadata_of_an_item_counts(codec: Codec) -> None:
    body = pod_list(pod("a", ',"metadata":{"name":"b"}'), pod("a", ',"met\\u0061data":{"name":"c"}'))
    assert names(codec, body) == ["b", "c"]


@every_codec
def test_white_space_in_items_is_kept(codec: Codec) -> None:
    for extra in (' ,"b":1', ',"b" :1', ',"b": 1', ',"b":1 ', ', "b":1'):
        (item,) = codec.split_list([f'{{"items":[{pod("a", extra)}]}}'.encode()])
        assert not isinstance(item, MalformedObject)
        assert item[4].endswith(extra.encode() + b"}")


@every_codec
def test_a_kind_after_an_items_metadata_counts(codec: Codec) -> None:
    (item,) = codec.split_list([pod_list(pod("a", ',"kind":"Late"'))])
    assert not isinstance(item, MalformedObject)
    assert item[4].startswith(b'{"apiVersion":"v1","metadata"')


@every_codec
def test_items_come_out_while_bytes_come_in(codec: Codec) -> None:
    body = pod_list(*(pod(f"p{number}") for number in range(5000)))
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for start in range(0, len(body), 1000):
            taken += 1
            yield body[start : start + 1000]

    stream = codec.split_list(chunks())
    next(stream)
    assert taken < len(body) / 1000 / 2
    assert stream.resource_version == "9"
    assert sum(1 for _ in stream) == 4999


@every_codec
@pytest.mark.parametrize(
    "bad",
    [
        "1",
        "null",
        '"a"',
        "[]",
        "{}",
        '{"metadata":[]}',
        '{"metadata":{}}',
        '{"metadata":{"name":""}}',
        '{"metadata" 1}',
    ],
)
def test_one_bad_item_costs_one_item(codec: Codec, bad: str) -> None:
    items = list(codec.split_list([pod_list(pod("a"), bad, pod("b"))]))
    assert [isinstance(item, MalformedObject) for item in items] == [False, True, False]
    assert isinstance(items[1], MalformedObject)
    assert items[1].raw == bad.encode()
    assert names(codec, pod_list(bad)) == [None]


@every_codec
def test_an_item_that_is_not_utf_8_costs_one_item(codec: Codec) -> None:
    body = pod_list(pod("a"), pod("b", ',"c":"?"'), pod("d")).replace(b"?", b"\xff")
    items = list(codec.split_list([body]))
    assert isinstance(items[1], MalformedObject)
    assert (items[1].detail, items[1].key) == ("not UTF-8", "b")
    assert b"\xff" in items[1].raw
    assert names(codec, body) == ["a", "b", "d"]


@every_codec
def test_text_beyond_ascii_may_be_cut_anywhere(codec: Codec) -> None:
    body = pod_list(pod("é"), pod("\U0001f600"))
    for size in range(1, 9):
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        assert [item[0] for item in codec.split_list(chunks)] == ["é", "\U0001f600"]


@every_codec
@pytest.mark.parametrize("content", ["NaN", "tru", "1e400", '"\\ud800"'])
def test_wrong_content_of_an_item_is_found_when_it_is_read(codec: Codec, content: str) -> None:
    filler = pod("z", ',"f":"' + "x" * 100 + '"')
    items = list(codec.split_list([pod_list(pod("a", f',"c":{content}'), filler)]))
    assert not isinstance(items[0], MalformedObject)
    with pytest.raises(DecodeError):
        codec.decode(items[0][4])


@every_codec
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "breaks off"),
        (b"  ", "breaks off"),
        (b"<html>", "the JSON is not an object"),
        (b"[]", "the JSON is not an object"),
        (b"{}", "a JSON object without items"),
        (b'{"kind":"Pod","metadata":{}}', "a Pod without items"),
        (b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","rows":[]}', "the server answered with a Table"),
        (b'{"kind":"Table","apiVersion":"meta.k8s.io/v1beta1","items":[]}', "the server answered with a Table"),
        (b'{"kind":"Table","apiVersion":"example.com/v1","rows":[]}', "a Table without items"),
        (b'{"kind":1}', "its kind is not a string"),
        (b'{"apiVersion":[]}', "its apiVersion is not a string"),
        (b'{"metadata":[]}', "metadata is not an object"),
        (b'{"metadata":{"resourceVersion":1}}', "its resourceVersion is not a string"),
        (b'{"metadata":{"continue":{}}}', "its continue is not a string"),
        (b'{"metadata":{"remainingItemCount":true}}', "remainingItemCount is not a whole number"),
        (b'{"metadata":{"remainingItemCount":"1"}}', "remainingItemCount is not a whole number"),
        (b'{"metadata":{"resourceVersion":NaN}}', "NaN"),
        (b'{"items":{}}', "items is not an array"),
        (b'{"items":[],"items":[]}', "items twice"),
        (b'{"kind":"A","kind":"B"}', "kind twice"),
        (b'{"items":[1 2]}', "neither a comma nor the end"),
        (b'{"items":[1,]}', "no value"),
        (b'{"items":[[}]}', "brackets do not match"),
        (b'{"items":[]]', "neither a comma nor the end"),
        (b'{"items":[] "a":1}', "neither a comma nor the end"),
        (b'{"items":[],}', "no key"),
        (b'{"items":[]}x', "goes on after the list"),
        (b'{"items":[],"a":"\xff"}', "not UTF-8"),
        (b'{"metadata":{"resourceVersion":"\xff"}}', "not UTF-8"),
        (b'{"items":[{"metadata":{"name":"a"}}', "breaks off"),
        (b'{"items":[{"metadata":{"name":"a"}},{"metadata', "breaks off"),
    ],
)
def test_what_is_not_a_list_is_refused(codec: Codec, body: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as caught:
        list(codec.split_list([body]))
    assert len(caught.value.raw) <= 256
    chunks = [body[start : start + 1] for start in range(len(body))]
    with pytest.raises(DecodeError, match=reason):
        list(codec.split_list(chunks))


@every_codec
def test_more_bytes_after_the_list_are_refused_however_late_they_come(codec: Codec) -> None:
    with pytest.raises(DecodeError, match="goes on"):
        list(codec.split_list([b'{"items":[]}', b" " * 200_000, b"\n", b"{"]))
    assert list(codec.split_list([b'{"items":[]}', b" " * 200_000, b"\n"])) == []


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_an_item_beyond_the_limit_ends_the_list(codec: StdlibCodec | MsgspecCodec, size: int) -> None:
    body = pod_list(pod("a"), pod("b", ',"c":"' + "x" * 600_000 + '"'), pod("d"))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    stream = codec.split_list(chunks, item_bytes_max=500_000)
    assert next(stream)[0] == "a"
    with pytest.raises(DecodeError, match="larger than 500000 bytes"):
        next(stream)
    assert [item[0] for item in codec.split_list(chunks, item_bytes_max=700_000)] == ["a", "b", "d"]


@pytest.mark.parametrize("codec", CODECS)
def test_an_item_that_never_ends_is_given_up_at_the_limit(codec: StdlibCodec | MsgspecCodec) -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        yield b'{"items":[{"a":"'
        while True:
            taken += 1
            yield b"x" * 10_000

    with pytest.raises(DecodeError, match="larger than"):
        list(codec.split_list(chunks(), item_bytes_max=1_000_000))
    assert taken < 250


@every_codec
def test_items_of_any_length_and_number_come_whole(codec: Codec) -> None:
    texts = [pod(f"p{number}", ',"c":"' + "y" * (number * 97 % 3001) + '"') for number in range(700)]
    texts[300] = pod("p300", ',"c":"' + "z" * 400_000 + '"')
    body = pod_list(*texts)
    whole = list(codec.split_list([body]))
    assert [item[0] for item in whole] == [f"p{number}" for number in range(700)]
    for size in (333, 65_536):
        assert list(codec.split_list(body[start : start + size] for start in range(0, len(body), size))) == whole


@every_codec
def test_an_item_may_hold_what_looks_like_the_start_of_another(codec: Codec) -> None:
    inner = '"l":[{"metadata":{"name":"x"}},{"metadata":{"name":"y"}}]'
    body = pod_list(*(pod(name, f",{inner}") for name in "abc"))
    assert names(codec, body) == ["a", "b", "c"]
    text = '"l":"},{\\"metadata\\":{"'
    assert names(codec, pod_list(*(pod(name, f",{text}") for name in "abc"))) == ["a", "b", "c"]


@every_codec
def test_errors_of_the_transport_pass_through(codec: Codec) -> None:
    def chunks() -> Iterator[bytes]:
        yield pod_list(pod("a"))[:-20]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        list(codec.split_list(chunks()))


@case("IN-31")
@every_codec
def test_a_kept_item_does_not_keep_the_page_it_came_on(codec: Codec) -> None:
    size = 20_000
    tracemalloc.start()
    try:
        chunks = [pod_list(*(pod(f"pod-{number}", f',"data":"{"x" * size}"') for number in range(100)))]
        kept = [item for item in codec.split_list(chunks) if item[0] in {"pod-7", "pod-99"}]
        page_size = len(chunks.pop())
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 2
    assert page_size > 100 * size
    assert held < 4 * size
    assert all(type(value) in {str, bytes, tuple} for item in kept for value in item)


@every_codec
@pytest.mark.parametrize(
    "rest",
    [
        '"spec":{"claims":[{"metadata":{"name":"x"}},{"metadata":{"name":"y"}}]}',
        '"spec":{"claims":[{"metadata":{"name":"}"}},{"metadata":{"name":"{"}}],"a":"}"}',
        '"data":"},{\\"metadata\\":{","more":"}"',
        '"data":"}"',
        '"data":"\\\\","more":"{"',
        '"spec":{"kind":"Inner"}',
        '"spec":{"a":1,"kind":"Inner"}',
        '"kind":"Late"',
        '"k\\u0069nd":"Late"',
        '"apiVersion":"v9"',
    ],
)
def test_where_an_item_ends_is_told_whatever_it_holds(codec: Codec, rest: str) -> None:
    items = [f'{{"metadata":{{"name":"{name}"}},{rest}}}' for name in "abc"]
    body = f'{{"kind":"PodList","apiVersion":"v1","items":[{",".join(items)}]}}'.encode()
    found = list(codec.split_list([body]))
    assert found == list(codec.split_list(body[start : start + 7] for start in range(0, len(body), 7)))
    assert len(found) == 3
    for text, item in zip(items, found, strict=True):
        assert not isinstance(item, MalformedObject)
        assert json.loads(item[4]) == {"kind": "Pod", "apiVersion": "v1"} | json.loads(text)
        assert item[4].count(b'"apiVersion"') == 1
        assert item[4].count(b'"kind":"Pod"') == (0 if "Late" in rest else 1)


@every_codec
def test_an_item_that_is_not_utf_8_costs_itself_wherever_it_stands(codec: Codec) -> None:
    body = pod_list(pod("a"), pod("b", ',"data":"?"'), pod("c")).replace(b'"?"', b'"\xff"')
    first, second, third = codec.split_list([body])
    assert isinstance(second, MalformedObject)
    assert (first[0], second.key, third[0]) == ("a", "b", "c")
