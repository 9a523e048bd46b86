"""Lines of a watch, through both codecs."""

from __future__ import annotations

import json

import pytest

from kubeprims.errors import DecodeError
from kubeprims.objects import metadata
from kubeprims.objects.codec import Codec, StdlibCodec
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.msgspec_codec import MsgspecCodec

CODECS = [StdlibCodec(), MsgspecCodec()]
KEEPING = [StdlibCodec(keep_managed_fields=True), MsgspecCodec(keep_managed_fields=True)]
MANAGED = '[{"manager":"m","fieldsV1":{"f:a":{"k:{\\"x\\":\\"]\\"}":{}}}}]'
PLAIN = '[{"manager":"m","fieldsV1":{"f:a":{"k:{\\"x\\":\\"y\\"}":{}}}}]'

every_codec = pytest.mark.parametrize("codec", CODECS)


def line(obj: str, event_type: str = "ADDED") -> bytes:
    return f'{{"type":"{event_type}","object":{obj}}}'.encode()


@every_codec
@pytest.mark.parametrize("name", ["ADDED", "MODIFIED", "DELETED"])
def test_an_object_event_brings_a_record(codec: Codec, name: str) -> None:
    obj = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"b","resourceVersion":"5"},"spec":{}}'
    event = codec.split_event(line(obj, name) + b"\r\n")
    record = ("b/a", "", "5", (), obj.encode())
    assert event == WatchEvent(WatchEventType(name), record, "5")  # type: ignore[arg-type]  # equal as text


@every_codec
@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ('{"name":"a","managedFields":%s}', '{"name":"a"}'),
        ('{"name":"a","managedFields":%s }', '{"name":"a" }'),
        ('{"managedFields":%s,"name":"a"}', '{"name":"a"}'),
        ('{"a":1,"managedFields":%s,"name":"a","uid":"u"}', '{"a":1,"name":"a","uid":"u"}'),
        ('{"name":"a" ,"managedFields":%s }', '{"name":"a" }'),
        ('{"name":"a" ,"managedFields":%s}', '{"name":"a"}'),
        ('{"name":"a", "managedFields" : %s , "b":1}', '{"name":"a" , "b":1}'),
        ('{"managed\\u0046ields":%s,"name":"a"}', '{"name":"a"}'),
        ('{"name":"a","managedFields":%s,"managedFields":null}', '{"name":"a"}'),
        ('{"managedFields":null,"managedFields":%s,"name":"a"}', '{"name":"a"}'),
        ('{"name":"a","managedFields":null,"x":",%s"}', None),
        ('{"name":"a","x":{"y":1,"managedFields":%s}}', None),
        ('{"name":"a","x":{"y":1,"managedFields":%s},"managedFields":[]}', None),
    ],
)
@pytest.mark.parametrize("managed", ["[]", MANAGED, PLAIN, '["[",1]', "[[1],[2]]", '["\\\\","]"]', '["]"]'])
def test_managed_fields_are_cut_out_of_the_metadata_and_of_nothing_else(
    codec: Codec, metadata: str, kept: str | None, managed: str
) -> None:
    fields = metadata.replace("%s", managed if ",%s" not in metadata else "")
    for rest in ("", f',"spec":{{"x":1,"managedFields":{managed}}}', f',"spec":{{"metadata":{fields}}}'):
        obj = f'{{"metadata":{fields}{rest}}}'
        record = codec.split_event(line(obj)).record
        assert record is not None
        wanted = json.loads(obj)
        wanted["metadata"].pop("managedFields", None)
        assert json.loads(record[4]) == wanted
        if kept is not None:
            assert record[4] == f'{{"metadata":{kept}{rest}}}'.encode()


@pytest.mark.parametrize("codec", KEEPING)
def test_managed_fields_are_kept_if_that_is_asked_for(codec: Codec) -> None:
    for fields in (f'{{"name":"a","managedFields":{PLAIN}}}', f'{{"managedFields":{PLAIN},"name":"a"}}'):
        obj = f'{{"metadata":{fields}}}'
        record = codec.split_event(line(obj)).record
        assert record is not None
        assert record[4] == obj.encode()


def test_labels_of_any_length_are_read_and_only_short_ones_are_held_for_others() -> None:
    metadata._read_shared_labels.cache_clear()
    long = {f"long-{number}": "x" * 60 for number in range(50)}
    for labels, held in ((long, 0), ({"short": "held for others"}, 1)):
        record = (
            StdlibCodec()
            .split_event(line(json.dumps({"metadata": {"name": "a", "labels": labels}}, separators=(",", ":"))))
            .record
        )
        assert record is not None
        assert dict(zip(record[3][::2], record[3][1::2], strict=True)) == labels
        assert metadata._read_shared_labels.cache_info().currsize == held


@every_codec
def test_metadata_longer_than_the_first_look_is_cut_as_well(codec: Codec) -> None:
    long = "x" * 40_000
    for fields in (
        f'{{"name":"a","annotations":{{"l":"{long}"}},"managedFields":{PLAIN}}}',
        f'{{"a":1,"managedFields":{PLAIN},"name":"a","z":"{long}"}}',
    ):
        record = codec.split_event(line(f'{{"metadata":{fields}}}')).record
        assert record is not None
        assert b"managedFields" not in record[4]
        assert len(record[4]) > 40_000


@every_codec
def test_the_last_of_repeated_members_counts(codec: Codec) -> None:
    for obj in (
        '{"metadata":{"name":"b"},"metadata":{"name":"a","managedFields":[]}}',
        '{"metadata":{"name":"b","x":1,"managedFields":[]},"met\\u0061data":{"name":"a"}}',
        '{"metadata":{"name":"b","name":"a"}}',
        '{"metadata":{"name":"\\ud800","name":"a"}}',
        '{"metadata":{"name": NaN,"name":"a"}}',
    ):
        record = codec.split_event(line(obj)).record
        assert record is not None
        assert record[0] == "a"
    text = '{"type":"DELETED","object":{"metadata":{"name":"b"}},"object":{"metadata":{"name":"a"}},"type":"ADDED"}'
    event = codec.split_event(text.encode())
    assert (event.type, event.record and event.record[0]) == (WatchEventType.ADDED, "a")
    more = codec.split_event(b'{"type":"ADDED","object":{"metadata":{"name":"a"}},"more":{"b":{}}}')
    assert more.record == codec.to_record(b'{"metadata":{"name":"a"}}')


@every_codec
def test_braces_inside_strings_do_not_lend_an_object_what_follows_it(codec: Codec) -> None:
    for first, last in (('"{"', '"}"'), ('"{\\n"', '"}"'), ('"}{"', '{"}":"{"}')):
        obj = f'{{"metadata":{{"name":"a"}},"x":{first}}}'
        event = codec.split_event(f'{{"type":"ADDED","object":{obj},"more":{{"y":{last}}}}}'.encode())
        assert event.record is not None
        assert event.record[4] == obj.encode()


@every_codec
def test_a_bracket_inside_a_string_does_not_end_managed_fields(codec: Codec) -> None:
    """What follows is such that quotes which open and quotes which close could be taken for each other."""
    for managed in ('[{"a":"]},"}]', '[{"a":"x]"},{"b":"}]}"}]', '["],"]', '["\\"]},","b"]'):
        for rest in ('"spec":{"a":",","b":"}"}', '"spec":{},"x":{"y":":{"}', '"spec":"}"'):
            text = f'{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"a","managedFields":{managed}}},{rest}}}'
            record = codec.split_event(line(text)).record
            assert record is not None
            assert json.loads(record[4]) == {**json.loads(text), "metadata": {"name": "a"}}
            assert [item[4] for item in codec.split_list([f'{{"items":[{text},{text}]}}'.encode()])] == [record[4]] * 2


@every_codec
def test_braces_inside_strings_confuse_nobody(codec: Codec) -> None:
    for content in (
        '"}"',
        '"{"',
        '"\\"}{"',
        '"\\\\"',
        '"{\\\\"',
        '["}}",{"a":"{"}]',
        '"\\u003c}"',
        '{"metadata":{"a":"}"}}',
    ):
        obj = f'{{"metadata":{{"name":"a"}},"data":{content}}}'
        record = codec.split_event(line(obj)).record
        assert record is not None
        assert record[4] == obj.encode()


@every_codec
@pytest.mark.parametrize(
    ("obj", "detail", "key", "version"),
    [
        ("[1]", "not an object", None, ""),
        ("null", "not an object", None, ""),
        ("{}", "there is no metadata", None, ""),
        ('{"metadata":null}', "metadata is not an object", None, ""),
        ('{"metadata":{"resourceVersion":"5"}}', "name is empty", None, "5"),
        ('{"metadata":{"name":"","resourceVersion":"5"}}', "name is empty", None, "5"),
        ('{"metadata":{"name":"a/b"}}', "holds a slash", None, ""),
        ('{"metadata":{"name":"a","namespace":"b/c"}}', "holds a slash", None, ""),
        ('{"metadata":{"name":1,"resourceVersion":"5"}}', "metadata.name is not a string", None, "5"),
        ('{"metadata":{"name":"\\ud800"}}', "metadata.name cannot be decoded", None, ""),
        ('{"metadata":{"name":"a","resourceVersion":5}}', "metadata.resourceVersion is not a string", None, ""),
        ('{"metadata":{"name":"a","uid":5,"resourceVersion":"5"}}', "metadata.uid is not a string", "a", "5"),
        ('{"metadata":{"name":"a","labels":[]}}', "metadata.labels is not an object", "a", ""),
        ('{"metadata":{"name":"a","labels":{"a":null}}}', "what is not a string", "a", ""),
        ('{"metadata":{"name":"a" "b"}}', "no comma", None, ""),
    ],
)
def test_a_wrong_object_is_reported_beside_its_event(
    codec: Codec, obj: str, detail: str, key: str | None, version: str
) -> None:
    event = codec.split_event(line(obj))
    assert event.record is None
    assert event.malformed is not None
    assert detail in event.malformed.detail
    assert event.malformed[1:] == (obj.encode(), key, version)
    assert event.resource_version == version
    with pytest.raises(DecodeError, match=detail):
        codec.to_record(obj.encode())


@every_codec
def test_only_the_first_bytes_of_a_wrong_object_are_kept(codec: Codec) -> None:
    event = codec.split_event(line('{"a":"' + "é" * 300 + '"}'))
    assert event.malformed is not None
    assert len(event.malformed.raw) == 256


@every_codec
def test_wrong_content_is_found_when_it_is_read(codec: Codec) -> None:
    for content in ("NaN", "1e400", '"\\ud800"', "tru", "[1,]"):
        record = codec.split_event(line(f'{{"metadata":{{"name":"a"}},"spec":{content}}}')).record
        assert record is not None
        with pytest.raises(DecodeError):
            codec.decode(record[4])


@every_codec
def test_a_bookmark_brings_a_version_and_may_end_the_initial_events(codec: Codec) -> None:
    obj = '{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9"%s},"spec":{"containers":null}}'
    assert codec.split_event(line(obj.replace("%s", ""), "BOOKMARK")) == WatchEvent(
        WatchEventType.BOOKMARK, None, "9", initial_events_end=False
    )
    for value, ends in (("true", True), ("false", False)):
        annotations = f',"annotations":{{"k8s.io/initial-events-end":"{value}"}}'
        event = codec.split_event(line(obj.replace("%s", annotations), "BOOKMARK"))
        assert (event.resource_version, event.initial_events_end) == ("9", ends)


@every_codec
@pytest.mark.parametrize("obj", ["{}", '{"metadata":[]}', '{"metadata":{}}', '{"metadata":{"resourceVersion":9}}'])
def test_a_bookmark_without_a_version_is_malformed(codec: Codec, obj: str) -> None:
    event = codec.split_event(line(obj, "BOOKMARK"))
    detail = "a bookmark without metadata.resourceVersion"
    assert event.malformed == MalformedObject(detail, obj.encode(), None, "")
    assert event.resource_version == ""


@every_codec
def test_an_error_brings_its_status(codec: Codec) -> None:
    event = codec.split_event(line('{"kind":"Status","code":410,"reason":"Expired"}', "ERROR"))
    assert event == WatchEvent(
        WatchEventType.ERROR, None, "", status={"kind": "Status", "code": 410, "reason": "Expired"}
    )


@every_codec
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty line"),
        (b" \n", "empty line"),
        (b"<html>", "no object"),
        (b"[]", "no object"),
        (b'{"type":"ADDED"}', "no type or no object"),
        (b'{"object":{}}', "no type or no object"),
        (line("{}", "CHANGED"), "unknown type"),
        (b'{"type":1,"object":{}}', "unknown type"),
        (b'{"type":NaN,"object":{}}', "NaN"),
        (line("[]", "ERROR"), "not an object"),
        (line("1", "BOOKMARK"), "not an object"),
        (line('{"a":NaN}', "ERROR"), "NaN"),
        (line('{"metadata":{"name":"a"}}') + b"x", "goes on after the JSON"),
        (line('{"metadata":{"name":"a"}}') + line("{}"), "goes on after the JSON"),
        (line('{"metadata":{"name":"a"}')[:-1], "ends in the middle"),
        (line('{"metadata":{"name":"a"},"b":"}}'), "ends inside a string"),
        (line('{"metadata":{"name":"\xe9"}}').decode().encode("latin-1"), "not UTF-8"),
    ],
)
def test_what_is_not_an_event_is_refused(codec: Codec, text: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        codec.split_event(text)


@every_codec
@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"", "not an object"), (b"7", "not an object"), (b"{}{}", "goes on|no metadata"), (b"{", "ends in")],
)
def test_what_is_not_an_object_has_no_record(codec: Codec, raw: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        codec.to_record(raw)


@every_codec
@pytest.mark.parametrize("raw", ['{"metadata":{"name":"a"},"b":1', '{"metadata":{"name":"a"},"b":{"c":1}'])
def test_an_object_that_breaks_off_has_no_record(codec: Codec, raw: str) -> None:
    with pytest.raises(DecodeError, match="ends in the middle"):
        codec.to_record(raw.encode())


@every_codec
def test_text_after_an_object_is_refused(codec: Codec) -> None:
    with pytest.raises(DecodeError, match="goes on"):
        codec.to_record(b'{"metadata":{"name":"a"}} {}')


@every_codec
def test_null_counts_as_absent(codec: Codec) -> None:
    raw = b'{"metadata":{"name":"a","namespace":null,"uid":null,"resourceVersion":null,"labels":null}}'
    assert codec.to_record(raw) == ("a", "", "", (), raw)


@every_codec
def test_text_beyond_ascii_is_kept_as_it_came(codec: Codec) -> None:
    obj = '{"metadata":{"name":"é","x":1,"managedFields":["ü"]},"data":"\U0001f600"}'
    record = codec.split_event(line(obj)).record
    assert record is not None
    assert record[4] == '{"metadata":{"name":"é","x":1},"data":"\U0001f600"}'.encode()


@every_codec
def test_objects_are_encoded_and_decoded(codec: Codec) -> None:
    assert codec.decode(codec.encode({"a": [1, "é"]})) == {"a": [1, "é"]}
