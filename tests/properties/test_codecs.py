"""Both codecs give the same, and what the reference decoder gives, for valid, odd and hostile JSON.

Documents are drawn as trees of raw text, so that they can say what no dictionary can: repeated keys, escaped letters,
numbers beyond any range, white space anywhere, tokens that are not JSON at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue, ObjectKey
from kubeprims.objects.codec import StdlibCodec
from kubeprims.objects.event import MalformedObject, WatchEvent
from kubeprims.objects.list_stream import ListStream
from kubeprims.objects.msgspec_codec import MsgspecCodec
from kubeprims.objects.record import RAW, ObjectRecord
from kubeprims.objects.strict_json import decode_object
from kubeprims.objects.unstructured import Unstructured

# Three times what others get: there is much that can go together here.
MORE = settings(max_examples=3 * settings().max_examples)

STDLIB = StdlibCodec()
MSGSPEC = MsgspecCodec()
KEEPING = (StdlibCodec(keep_managed_fields=True), MsgspecCodec(keep_managed_fields=True))

MANAGED_FIELDS = (
    '[{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-11-23T21:00:00Z",'
    '"fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\\"type\\":\\"Ready\\"}":{".":{}}}}}}]'
)
POD = (
    '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0","namespace":"prod","uid":"u-1","resourceVersion":"7",'
    '"labels":{"b":"2","a":"1"},"annotations":{"note":"{\\"x\\":[1]}"},"managedFields":' + MANAGED_FIELDS + "},"
    '"spec":{"containers":[{"name":"c","args":["}},{"]}],"template":{"metadata":{"name":"t"}}},'
    '"status":{"phase":"Running"}}'
)
WIDGET = (
    '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"creationTimestamp":null,"generation":1,'
    '"managedFields":' + MANAGED_FIELDS + ',"name":"w","resourceVersion":"8","uid":"u-2"},"spec":{"size":3}}'
)

# Trees of text ------------------------------------------------------------------------------------------------------

SPACES = st.sampled_from(["", "", "", "", " ", "\n", "\t \r\n"])
ODD_TOKENS = st.sampled_from(
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "tru",
        "01",
        "1.",
        "-",
        "18446744073709551616",
        "9" * 5000,
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\x"',
        '"\t"',
        '"\\u12"',
        "[1,]",
        '{"a" 1}',
        "[}",
        '{"a":1,}',
    ]
)
STRINGS = st.sampled_from(
    [
        "",
        "a",
        "web-0",
        "prod",
        "a/b",
        "true",
        "é",
        "\U0001f600",
        "{",
        "}}",
        '"',
        "\\",
        '\\"}',
        ',"managedFields":[',
        "<&>",
    ]
)
VALID_TOKENS = st.one_of(
    STRINGS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    STRINGS.map(json.dumps),
    st.sampled_from(["null", "true", "0", "-1", "1.5e3", "9007199254740993", "18446744073709551616", "[]", "{}"]),
)


def rarely(draw: st.DrawFn, one_in: int) -> bool:
    """Draw True about once in ``one_in`` times: whole numbers would come out at their ends far too often."""
    return draw(st.sampled_from(range(one_in))) == one_in - 1


@st.composite
def tokens(draw: st.DrawFn) -> str:
    return draw(ODD_TOKENS if rarely(draw, 25) else VALID_TOKENS)


def escaped(key: str) -> str:
    """Spell a key with its first letter escaped."""
    return f'"\\u{ord(key[0]):04x}{key[1:]}"'


@st.composite
def json_objects(draw: st.DrawFn, keys: list[str], values: st.SearchStrategy[str], size: int = 5) -> str:
    """Draw the text of an object: any keys, repeated ones too, now and then escaped or with white space around."""
    spaced = rarely(draw, 8)

    def gap() -> str:
        return draw(SPACES) if spaced else ""

    parts = []
    for key in draw(st.lists(st.sampled_from(keys), max_size=size)):
        name = escaped(key) if rarely(draw, 20) else f'"{key}"'
        parts.append(f"{gap()}{name}{gap()}:{gap()}{draw(values)}{gap()}")
    return "{" + ",".join(parts) + "}"


NESTED = st.recursive(
    tokens(),
    lambda values: st.one_of(
        st.lists(values, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
        json_objects(["a", "metadata", "managedFields", "kind", "object", "type"], values, 3),
    ),
    max_leaves=6,
)
MANAGED = st.one_of(
    st.just(MANAGED_FIELDS),
    st.sampled_from(["[]", "null", "{}", '["]"]', '["]","["]', '["\\"]"]', '["\\\\","]"]', "[[1],[2]]", "[NaN]"]),
    NESTED,
)
LABELS = st.one_of(
    st.sampled_from(["null", "{}", '{"b":"2","a":"1"}', '{"a":"1","a":"2"}']),
    json_objects(["a", "b"], STRINGS.map(json.dumps), 3),
)
OWNERS = st.sampled_from(
    [
        "[]",
        '[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"u-0"}]',
        '[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u-9","controller":true,"blockOwnerDeletion":true}]',
        '[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u"},{"apiVersion":"v1","kind":"Pod","name":"p","uid":"v"}]',
        '[{"kind":"Node","apiVersion":"v1","name":"}],","uid":"u-9"}]',
    ]
)
TEXTS = st.one_of(STRINGS.map(json.dumps), STRINGS.map(lambda text: json.dumps(text, ensure_ascii=False)))
# In the order of Go's struct, in which the API server writes the metadata of built-in kinds.
USUAL_MEMBERS = {
    "name": st.sampled_from(['"web-0"', '"x"', '"é"']),
    "generateName": st.just('"web-"'),
    "namespace": st.just('"prod"'),
    "uid": st.just('"u-1"'),
    "resourceVersion": st.sampled_from(['"7"', '"8"']),
    "generation": st.sampled_from(["1", "20"]),
    "creationTimestamp": st.just('"2026-11-23T21:00:00Z"'),
    "deletionTimestamp": st.just('"2026-11-23T21:00:00Z"'),
    "deletionGracePeriodSeconds": st.sampled_from(["0", "30"]),
    "labels": json_objects(["a", "b", "name"], TEXTS, 3),
    "annotations": json_objects(["a", "labels", "managedFields"], TEXTS, 3),
    "ownerReferences": OWNERS,
    "finalizers": st.sampled_from(['["a/b"]', '["a/b","c/d"]', '["]"]']),
    "managedFields": MANAGED,
}
BAD_FIELDS = st.sampled_from(
    [
        ("name", '""'),
        ("name", '"a/b"'),
        ("name", "1"),
        ("name", "null"),
        ("name", '"\\ud800"'),
        ("namespace", "2"),
        ("namespace", '"a/b"'),
        ("resourceVersion", "7"),
        ("resourceVersion", "NaN"),
        ("uid", "[]"),
        ("labels", "[]"),
        ("labels", "0"),
        ("labels", '""'),
        ("labels", '{"a":1}'),
        ("labels", '{"a":null}'),
        ("labels", '{"a":"\\udc00"}'),
    ]
)


@st.composite
def usual_metadata_texts(draw: st.DrawFn) -> str:
    """Draw metadata in the order and the spelling of the API server's own; now and then one member stands twice."""
    members = [(key, draw(values)) for key, values in USUAL_MEMBERS.items() if key == "name" or draw(st.booleans())]
    if rarely(draw, 10):
        members.insert(draw(st.integers(0, len(members))), draw(st.sampled_from(members)))
    return "{" + ",".join(f'"{key}":{value}' for key, value in members) + "}"


@st.composite
def metadata_texts(draw: st.DrawFn) -> str:
    """Draw metadata, mostly such as an object needs."""
    if rarely(draw, 25):
        return draw(NESTED)
    if rarely(draw, 3):
        return draw(usual_metadata_texts())
    spaced = rarely(draw, 8)

    def gap() -> str:
        return draw(SPACES) if spaced else ""

    def spell(key: str) -> str:
        return escaped(key) if rarely(draw, 40) else f'"{key}"'

    members = [] if rarely(draw, 25) else [("name", draw(st.sampled_from(['"web-0"', '"x"', '"é"', '"\\u0061"'])))]
    optional = {
        "namespace": st.sampled_from(['"prod"', '""', "null"]),
        "resourceVersion": st.sampled_from(['"7"', '"8"', "null"]),
        "uid": st.sampled_from(['"u-1"', "null"]),
        "labels": LABELS,
    }
    members += [(key, draw(values)) for key, values in optional.items() if draw(st.booleans())]
    members += draw(st.lists(st.tuples(st.sampled_from(["annotations", "x"]), NESTED), max_size=2))
    members += [("managedFields", draw(MANAGED)) for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 2])))]
    if rarely(draw, 15):
        members.append(draw(BAD_FIELDS))
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    return "{" + ",".join(f"{gap()}{spell(key)}{gap()}:{gap()}{value}{gap()}" for key, value in members) + "}"


OBJECT_HEADS = st.sampled_from(
    ['"kind":"Pod","apiVersion":"v1",', '"apiVersion":"example.com/v1","kind":"Widget",', "", '"kind":"Pod", ']
)


@st.composite
def object_texts(draw: st.DrawFn) -> str:
    """Draw the text of an object, more often near to a real one than not."""
    if rarely(draw, 20):
        return draw(st.one_of(NESTED, st.sampled_from([POD, WIDGET])))
    metadata = draw(metadata_texts())
    members = draw(st.lists(st.tuples(st.sampled_from(["spec", "status", "kind", "object"]), NESTED), max_size=2))
    if rarely(draw, 4):
        members.append(("spec", '{"template":{"metadata":' + draw(metadata_texts()) + "}}"))
    if rarely(draw, 4):
        # As often as not the same again: what tells the two apart is then only where they stand.
        members.append(("metadata", metadata if draw(st.booleans()) else draw(metadata_texts())))
    tail = "".join(f",{escaped(key) if rarely(draw, 10) else json.dumps(key)}:{value}" for key, value in members)
    return "{" + draw(OBJECT_HEADS) + '"metadata":' + metadata + tail + "}"


@st.composite
def event_lines(draw: st.DrawFn) -> bytes:
    """Draw a line of a watch, more often near to a real one than not."""
    event_type = draw(
        st.sampled_from(['"ADDED"', '"MODIFIED"', '"DELETED"'] * 6 + ['"BOOKMARK"', '"ERROR"', '"X"', "1"])
    )
    obj = draw(object_texts())
    text = f'{{"type":{event_type},"object":{obj}}}'
    if rarely(draw, 5):
        text = draw(
            st.sampled_from(
                [
                    f'{{"object":{obj},"type":{event_type}}}',
                    f'{{"type":{event_type},"object":{obj},"more":{draw(NESTED)}}}',
                    f'{{"type":{event_type},"object":{obj},"object":{draw(object_texts())}}}',
                    f' {{ "type" : {event_type} , "object" : {obj} }} \n',
                    f"{text}{draw(NESTED)}",
                ]
            )
        )
    return text.encode()


# Outcomes -----------------------------------------------------------------------------------------------------------


def event_of(codec: StdlibCodec | MsgspecCodec, line: bytes) -> WatchEvent | str:
    try:
        return codec.split_event(line)
    except DecodeError as error:
        return error.detail


def careful_event_of(line: bytes) -> WatchEvent | str:
    try:
        return STDLIB.careful_event(line.strip(b" \t\r\n").decode())
    except DecodeError as error:
        return error.detail


def record_of(codec: StdlibCodec | MsgspecCodec, raw: bytes) -> ObjectRecord | str:
    try:
        return codec.to_record(raw)
    except DecodeError as error:
        return error.detail


def list_of(codec: StdlibCodec | MsgspecCodec, chunks: Iterable[bytes], limit: int = 1 << 20) -> tuple[object, ...]:
    stream = codec.split_list(chunks, item_bytes_max=limit)
    items: list[ObjectRecord | MalformedObject] = []
    try:
        items.extend(stream)
    except DecodeError as error:
        return (items, error.detail)
    return (items, facts(stream))


def facts(stream: ListStream) -> tuple[object, ...]:
    return (
        stream.kind,
        stream.api_version,
        stream.resource_version,
        stream.continue_token,
        stream.remaining_item_count,
    )


def decoded(raw: bytes) -> JSONObject | None:
    try:
        return decode_object(raw)
    except DecodeError:
        return None


def expected_header(obj: JSONValue) -> tuple[object, ...] | None:
    """Say what a record of a decoded object begins with; None if the object is malformed."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        return None
    fields = [metadata.get(field) for field in ("name", "namespace", "uid", "resourceVersion")]
    if not all(field is None or isinstance(field, str) for field in fields):
        return None
    name, namespace, uid, version = (str(field or "") for field in fields)
    labels = metadata.get("labels")
    labels = {} if labels is None else labels
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return None
    if not name or "/" in name or "/" in namespace:
        return None
    flat = tuple(part for key in sorted(labels) for part in (key, labels[key]))
    return (f"{namespace}/{name}" if namespace else name, uid, version, flat)


def without_managed_fields(obj: JSONValue) -> JSONValue:
    assert isinstance(obj, dict)
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


# Properties ---------------------------------------------------------------------------------------------------------


@MORE
@given(event_lines())
@example(b"")
@example(b"{")
@example(b'{"type":"ADDED","object":' + POD.encode() + b"}")
@example(b'{"type":"ADDED","object":' + WIDGET.encode() + b"}")
@example(b'{"type":"ADDED","object":{"metadata":{"name":"a\xff"}}}')
@example(b'{"type":"ADDED","object":{"metadata":{"name":"a"},"spec":"\xed\xa0\x80"}}')
def test_both_codecs_read_a_line_alike(line: bytes) -> None:
    assert event_of(STDLIB, line) == event_of(MSGSPEC, line)
    assert event_of(KEEPING[0], line) == event_of(KEEPING[1], line)


@MORE
@given(event_lines())
def test_the_quick_way_reads_a_line_as_the_careful_way_does_if_it_is_json(line: bytes) -> None:
    if decoded(line) is not None:
        assert event_of(STDLIB, line) == careful_event_of(line)


@MORE
@given(event_lines())
def test_an_event_says_what_the_reference_decoder_says(line: bytes) -> None:
    whole = decoded(line)
    event = event_of(STDLIB, line)
    if whole is None:
        return
    if whole.get("type") not in {"ADDED", "MODIFIED", "DELETED"} or "object" not in whole:
        return
    assert isinstance(event, WatchEvent)
    header = expected_header(whole["object"])
    if header is None:
        assert event.record is None
        assert event.malformed is not None
        return
    assert event.record is not None
    assert event.record[:RAW] == header
    assert decode_object(event.record[RAW]) == without_managed_fields(whole["object"])
    kept = event_of(KEEPING[0], line)
    assert isinstance(kept, WatchEvent)
    assert kept.record is not None
    assert decode_object(kept.record[RAW]) == whole["object"]


@given(object_texts())
def test_what_is_not_json_is_refused_at_once_or_when_it_is_read(text: str) -> None:
    event = event_of(KEEPING[0], f'{{"type":"ADDED","object":{text}}}'.encode())
    if isinstance(event, WatchEvent) and event.record is not None and decoded(text.encode()) is None:
        with pytest.raises(DecodeError):
            Unstructured(event.record).to_dict()


@MORE
@given(object_texts(), SPACES)
def test_both_codecs_read_an_object_alike(text: str, space: str) -> None:
    raw = (space + text + space).encode()
    outcome = record_of(STDLIB, raw)
    assert outcome == record_of(MSGSPEC, raw)
    content = decoded(raw)
    if content is not None:
        header = expected_header(content)
        assert isinstance(outcome, str) if header is None else outcome[:RAW] == header


@given(object_texts())
def test_both_codecs_decode_content_alike(text: str) -> None:
    outcomes = []
    for codec in (STDLIB, MSGSPEC):
        try:
            outcomes.append(repr(codec.decode(text.encode())))
        except DecodeError as error:
            outcomes.append(error.detail)
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=40))
@example(b"\xef\xbb\xbf{}")
@example(b'{"a":"\xc3"}')
@example(b"[]")
@example(b"\x00")
def test_no_bytes_raise_anything_but_a_decode_error(raw: bytes) -> None:
    for codec in (STDLIB, MSGSPEC):
        with pytest.raises(DecodeError):
            codec.split_event(raw)
        with pytest.raises(DecodeError):
            list(codec.split_list([raw]))
        with pytest.raises(DecodeError):
            codec.to_record(raw)
    assert (decoded(raw) is None) or isinstance(decoded(raw), dict)


LIST_HEADS = [
    '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"c","remainingItemCount":3},"items":',
    '{"apiVersion":"example.com/v1","items":',
    '{"kind":"List","apiVersion":"v1","items":',
    ' { "kind" : "PodList" , "apiVersion" : "v1" , "items" : ',
    '{"kind":"Table","items":',
    '{"metadata":{"resourceVersion":1},"items":',
    '{"kind":"PodList","more":[{"a":"]"}],"apiVersion":"v1","items":',
]
LIST_TAILS = ["}", "}\n", ',"kind":"WidgetList","metadata":{"resourceVersion":"9"}}', " } ", ',"items":[]}', "}x", ""]


@st.composite
def list_bodies(draw: st.DrawFn) -> bytes:
    same = draw(st.sampled_from([None, None, POD, WIDGET, POD.replace('"kind":"Pod","apiVersion":"v1",', "")]))
    texts = draw(st.lists(object_texts() if same is None else st.just(same), max_size=4))
    gap = draw(SPACES)
    items = f"[{gap}" + f"{gap},{gap}".join(texts) + f"{gap}]"
    items = draw(st.sampled_from([items] * 12 + ["null", "{}", items[:-1], items[:-1] + ",]"]))
    return (draw(st.sampled_from(LIST_HEADS * 2)) + items + draw(st.sampled_from(LIST_TAILS))).encode()


def chunked(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@given(list_bodies(), st.integers(1, 400))
def test_both_codecs_read_a_list_alike_however_it_is_cut_into_chunks(body: bytes, size: int) -> None:
    outcome = list_of(STDLIB, [body])
    assert outcome == list_of(MSGSPEC, [body])
    assert outcome == list_of(STDLIB, chunked(body, size))
    assert outcome == list_of(MSGSPEC, chunked(body, size))


@given(list_bodies())
def test_a_list_says_what_the_reference_decoder_says(body: bytes) -> None:
    whole = decoded(body)
    items, outcome = list_of(STDLIB, [body])
    if whole is None or isinstance(outcome, str):
        return
    assert isinstance(items, list)
    reference = whole["items"] or []
    assert isinstance(reference, list)
    assert len(items) == len(reference)
    for item, obj in zip(items, reference, strict=True):
        header = expected_header(obj)
        assert isinstance(item, MalformedObject) == (header is None)
        if header is not None:
            assert item[:RAW] == header
            content = without_managed_fields(obj)
            assert isinstance(content, dict)
            found = decode_object(item[RAW])
            assert {**found, **content} == found
            assert set(found) - set(content) <= {"kind", "apiVersion"}


@given(list_bodies(), st.integers(1, 60))
def test_both_codecs_agree_on_what_is_too_large(body: bytes, limit: int) -> None:
    items, outcome = list_of(STDLIB, [body], limit * 20)
    others, other = list_of(MSGSPEC, [body], limit * 20)
    assert (items, outcome) == (others, other)


@given(st.sampled_from([POD, WIDGET]), st.data())
def test_one_wrong_byte_is_taken_alike(text: str, data: st.DataObject) -> None:
    line = bytearray(f'{{"type":"ADDED","object":{text}}}'.encode())
    line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.sampled_from(b'{}[]",:\\a0\x00\xff '))
    outcome = event_of(STDLIB, bytes(line))
    if decoded(bytes(line)) is not None:
        assert outcome == event_of(MSGSPEC, bytes(line))
    if isinstance(outcome, WatchEvent) and outcome.record is not None and decoded(bytes(line)) is None:
        kept = event_of(KEEPING[0], bytes(line))
        assert not isinstance(kept, WatchEvent) or kept.record is None or decoded(kept.record[RAW]) is None


@pytest.mark.parametrize("text", [POD, WIDGET])
@pytest.mark.parametrize("codec", [STDLIB, MSGSPEC])
def test_a_line_that_breaks_off_anywhere_is_refused(text: str, codec: StdlibCodec | MsgspecCodec) -> None:
    line = f'{{"type":"ADDED","object":{text}}}'.encode()
    for end in range(len(line)):
        with pytest.raises(DecodeError):
            codec.split_event(line[:end])


@pytest.mark.parametrize("text", [POD, WIDGET])
@pytest.mark.parametrize("codec", [STDLIB, MSGSPEC])
def test_a_list_that_breaks_off_anywhere_is_refused(text: str, codec: StdlibCodec | MsgspecCodec) -> None:
    body = f'{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{text},{text}]}}'.encode()
    for end in range(len(body)):
        items, outcome = list_of(codec, [body[:end]])
        assert isinstance(outcome, str)
        assert isinstance(items, list)
        assert all(item == codec.to_record(text.encode()) for item in items)


@pytest.mark.parametrize("codec", [STDLIB, MSGSPEC])
@pytest.mark.parametrize("nesting", ["[" * 50_000 + "]" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000])
def test_deep_nesting_costs_no_more_than_the_content(codec: StdlibCodec | MsgspecCodec, nesting: str) -> None:
    deep = f'{{"metadata":{{"name":"deep"}},"spec":{nesting}}}'
    event = codec.split_event(f'{{"type":"ADDED","object":{deep}}}'.encode())
    assert event.record is not None
    with pytest.raises(DecodeError, match="too deep"):
        Unstructured(event.record).to_dict()
    items = list(codec.split_list([f'{{"items":[{deep},{POD}]}}'.encode()]))
    assert [item[0] for item in items] == [ObjectKey("deep"), ObjectKey("prod/web-0")]
    assert items[0] == event.record
    shallow = f'{{"metadata":{{"name":"meta","x":{nesting}}}}}'.encode()
    assert codec.to_record(shallow)[0] == "meta"
    with pytest.raises(DecodeError, match="too deep"):
        codec.decode(f'{{"a":{nesting}}}'.encode())
