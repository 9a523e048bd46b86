from __future__ import annotations

import pytest

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import JSONObject
from kubeprims.objects import msgspec_json, strict_json
from kubeprims.objects.content import decode_content

DECODERS = [strict_json.decode_object, msgspec_json.decode_object, decode_content]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON: Expecting value at character 0"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":1e400}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "limit"),
        (b'{"a":"\\ud800"}', "half of a surrogate pair"),
        (b'{"\\udc00":1}', "half of a surrogate pair"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[1]", "not an object"),
        (b"{} {}", "Extra data"),
        (b'{"a":' + b"[" * 100_000, "too deep"),
    ],
)
def test_what_is_not_json_of_the_api_is_refused(decode: object, raw: bytes, reason: str) -> None:
    assert callable(decode)
    with pytest.raises(DecodeError, match=reason) as caught:
        decode(raw)
    assert len(caught.value.raw) <= 256


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":18446744073709551616}', 2**64),
        (b'{"a":-9223372036854775809}', -(2**63) - 1),
        (b'{"a":' + b"9" * 400 + b"}", int("9" * 400)),
        (b'{"a":0.1}', 0.1),
        (b'{"a":1,"a":2}', 2),
        (b'{"a":"\\ud83d\\ude00"}', "\U0001f600"),
        (b' {"a" : null}\n', None),
    ],
)
def test_numbers_stay_exact_and_the_last_of_repeated_members_counts(decode: object, raw: bytes, value: object) -> None:
    assert callable(decode)
    assert decode(raw) == {"a": value}


def test_encoding_is_compact_and_in_utf_8() -> None:
    assert strict_json.encode_object({"a": [1, 2.5, None, "é"]}) == '{"a":[1,2.5,null,"é"]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object()])
def test_what_json_cannot_say_is_not_encoded(value: object) -> None:
    obj: JSONObject = {"a": value}  # type: ignore[dict-item]  # what the check is for
    with pytest.raises(InvalidArgument, match="not representable as JSON"):
        strict_json.encode_object(obj)


def test_a_cycle_is_not_encoded() -> None:
    obj: JSONObject = {}
    obj["self"] = obj
    with pytest.raises(InvalidArgument):
        strict_json.encode_object(obj)


def test_an_error_does_not_quote_the_content() -> None:
    with pytest.raises(DecodeError) as caught:
        strict_json.decode_object(b'{"password":"hunter2"')
    assert "hunter2" not in str(caught.value)
