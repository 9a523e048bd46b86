from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest, Invalid, UnsupportedMediaType
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.patches import PatchFailed, json_patch, media_type_of, merge_patch, parse_patch

_DOCUMENT: JSONObject = {"a": {"b": [1, 2, 3]}, "x/y": 1, "m~n": 2, "": 0}


# RFC 6902, its appendix, and RFC 6901 for the pointers.
@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ({"op": "add", "path": "/c", "value": 1}, ["c"], 1),
        ({"op": "add", "path": "/a/b/1", "value": 9}, ["a", "b"], [1, 9, 2, 3]),
        ({"op": "add", "path": "/a/b/3", "value": 9}, ["a", "b"], [1, 2, 3, 9]),
        ({"op": "add", "path": "/a/b/-", "value": 9}, ["a", "b"], [1, 2, 3, 9]),
        ({"op": "add", "path": "/a", "value": None}, ["a"], None),
        ({"op": "add", "path": "", "value": [1]}, [], [1]),
        ({"op": "remove", "path": "/a/b/0"}, ["a", "b"], [2, 3]),
        ({"op": "remove", "path": "/a/b"}, ["a"], {}),
        ({"op": "remove", "path": ""}, [], None),
        ({"op": "replace", "path": "/a/b/0", "value": 9}, ["a", "b"], [9, 2, 3]),
        ({"op": "replace", "path": "/x~1y", "value": 9}, ["x/y"], 9),
        ({"op": "replace", "path": "/m~0n", "value": 9}, ["m~n"], 9),
        ({"op": "replace", "path": "/", "value": 9}, [""], 9),
        ({"op": "replace", "path": "", "value": 9}, [], 9),
        ({"op": "move", "from": "/a/b/0", "path": "/c"}, ["c"], 1),
        ({"op": "move", "from": "/a/b/0", "path": "/a/b/2"}, ["a", "b"], [2, 3, 1]),
        ({"op": "move", "from": "/a", "path": "/a"}, ["a"], {"b": [1, 2, 3]}),
        ({"op": "copy", "from": "/a/b", "path": "/c"}, ["c"], [1, 2, 3]),
        ({"op": "copy", "from": "", "path": "/c"}, ["c"], _DOCUMENT),
        ({"op": "test", "path": "/a/b", "value": [1, 2, 3]}, ["a", "b"], [1, 2, 3]),
        ({"op": "test", "path": "/a/b/2", "value": 3}, ["a", "b", 2], 3),
    ],
)
def test_a_json_patch_operation_does_what_the_standard_says(
    operation: JSONObject, path: list[str | int], expected: JSONValue
) -> None:
    before = copy.deepcopy(_DOCUMENT)
    value: object = json_patch(_DOCUMENT, [operation])
    for step in path:
        value = value[step]  # type: ignore[index] # the paths are those of the document
    assert value == expected
    assert before == _DOCUMENT, "the argument is left alone"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/no/such", "value": 1},
        {"op": "add", "path": "/a/b/4", "value": 1},
        {"op": "add", "path": "/a/b/01", "value": 1},
        {"op": "add", "path": "/a/b/x/y", "value": 1},
        {"op": "add", "path": "/x~1y/z", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": 5, "value": 1},
        {"op": "remove", "path": "/c"},
        {"op": "remove", "path": "/a/b/3"},
        {"op": "remove", "path": "/a/b/-"},
        {"op": "replace", "path": "/a/b/3", "value": 1},
        {"op": "move", "from": "/a", "path": "/a/c"},
        {"op": "move", "path": "/a/c"},
        {"op": "copy", "from": "/c", "path": "/d"},
        {"op": "test", "path": "/a/b/0", "value": True},
        {"op": "test", "path": "/c", "value": None},
        {"op": "frobnicate", "path": "/a"},
        {"op": ["add"], "path": "/a"},
        {},
    ],
)
def test_a_json_patch_operation_that_does_not_fit_fails(operation: JSONObject) -> None:
    with pytest.raises(PatchFailed):
        json_patch(_DOCUMENT, [operation])


def test_operations_follow_each_other() -> None:
    operations: list[JSONObject] = [
        {"op": "add", "path": "/l", "value": []},
        {"op": "add", "path": "/l/-", "value": {"k": 1}},
        {"op": "copy", "from": "/l/0", "path": "/l/-"},
        {"op": "replace", "path": "/l/0/k", "value": 2},
    ]
    assert json_patch({}, operations) == {"l": [{"k": 2}, {"k": 1}]}


# RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('["a","b"]', '["c","d"]', '["c","d"]'),
        ('{"a":"b"}', '["c"]', '["c"]'),
        ('{"a":"foo"}', "null", "null"),
        ('{"a":"foo"}', '"bar"', '"bar"'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_a_merge_patch_does_what_the_standard_says(target: str, patch: str, result: str) -> None:
    before = json.loads(target)
    assert merge_patch(before, json.loads(patch)) == json.loads(result)
    assert before == json.loads(target), "the argument is left alone"


_objects = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_size=3,
)


@given(_objects, _objects)
def test_a_merge_patch_makes_any_object_of_any_other(before: JSONObject, after: JSONObject) -> None:
    def difference(old: JSONValue, new: JSONValue) -> JSONValue:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        gone: JSONObject = dict.fromkeys(old.keys() - new.keys())
        return {**gone, **{key: difference(old.get(key), value) for key, value in new.items()}}

    assert merge_patch(before, difference(before, after)) == after


@pytest.mark.parametrize("content_type", ["application/json", "", "application/apply-patch+cbor"])
def test_a_patch_of_another_type_is_refused_by_naming_what_is_supported(content_type: str) -> None:
    accepted = "the body of the request was in an unknown format - accepted media types include: "
    with pytest.raises(UnsupportedMediaType) as caught:
        media_type_of(content_type, custom=False)
    assert caught.value.message == "415: Unsupported Media Type"
    with pytest.raises(UnsupportedMediaType) as caught:
        media_type_of("application/strategic-merge-patch+json", custom=True)
    assert caught.value.message == (
        f"{accepted}application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


def test_the_type_of_a_patch_is_read_without_its_parameters() -> None:
    assert media_type_of("Application/Merge-Patch+JSON; charset=utf-8", custom=True) == "application/merge-patch+json"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [({"op": "replace", "path": "/c", "value": 1}, 1), ({"op": "add", "path": "/c"}, None)],
)
def test_upstream_lets_some_operations_pass(operation: JSONObject, expected: JSONValue) -> None:
    patched = json_patch(_DOCUMENT, [operation])
    assert isinstance(patched, dict)
    assert patched["c"] == expected


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("json", "{", "invalid JSON patch"),
        ("merge", "{", "invalid JSON patch"),
        ("merge", "5", "error decoding patch: json: cannot unmarshal number into Go value of type map"),
        ("merge", "null", "Invalid JSON Patch"),
        ("strategic-merge", "[]", "json: cannot unmarshal array into Go value of type map"),
        ("merge", "[]", "error decoding patch: json: cannot unmarshal array into Go value of type map"),
        (
            "json",
            "{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        ("json", "[1]", "error decoding patch: json: cannot unmarshal number into"),
        ("json", "[" + ",".join(["{}"] * 10_001) + "]", "The allowed maximum operations in a JSON patch is 10000"),
    ],
)
def test_a_body_that_is_no_patch_is_a_bad_request(content_type: str, body: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_patch(f"application/{content_type}-patch+json", body.encode())
    assert caught.value.message.startswith(message)


def test_a_json_patch_that_does_not_fit_is_answered_with_422_and_upstreams_text() -> None:
    apply = parse_patch("application/json-patch+json", b'[{"op":"test","path":"/a","value":2}]')
    with pytest.raises(Invalid) as caught:
        apply({"a": 1})
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == "the server rejected our request due to an error in our request"
    assert apply({"a": 2}) == {"a": 2}
    assert parse_patch("application/merge-patch+json", b'{"a":null}')({"a": 2}) == {}


def test_copies_of_copies_are_bounded() -> None:
    operations: list[JSONObject] = [{"op": "copy", "from": "", "path": f"/c{number}"} for number in range(40)]
    with pytest.raises(PatchFailed, match="the copies of one patch exceed"):
        json_patch({"a": "b"}, operations)
