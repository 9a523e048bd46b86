from __future__ import annotations

import json

import pytest

from kubeprims.meta import GroupVersionKind, JSONObject
from kubeprims.testing.apiserver.built_in_schemas import built_in_schema, custom_schema
from kubeprims.testing.apiserver.field_validation import unknown_and_duplicate_fields
from kubeprims.testing.apiserver.pruning import pruned
from kubeprims.testing.apiserver.schema import Schema

NODE: JSONObject = {"type": "object", "properties": {"q": {"type": "string"}}}
CUSTOM = custom_schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "a": {"type": "string"},
                    "map": {"type": "object", "additionalProperties": NODE},
                    "list": {"type": "array", "items": NODE},
                    "open": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                        "properties": {"known": NODE},
                    },
                    "pod": {
                        "type": "object",
                        "x-kubernetes-embedded-resource": True,
                        "x-kubernetes-preserve-unknown-fields": True,
                    },
                },
            }
        },
    }
)


def built_in(group: str, kind: str) -> Schema:
    schema = built_in_schema(GroupVersionKind(group, "v1", kind))
    assert schema is not None
    return schema


def found(text: str, schema: Schema, *, custom: bool = False) -> list[str]:
    return unknown_and_duplicate_fields(text.encode(), schema, custom=custom)


def test_the_fields_of_a_built_in_object_are_told_in_the_order_of_the_body() -> None:
    body = (
        '{"metadata":{"name":"a","foo":1,"name":"a","labels":{"x":"1","x":"2"},"ownerReferences":[{"uid":"z","bad":1}]},'
        '"dat":{},"data":{"k":"1","k":"2"},"dat":2}'
    )
    assert found(body, built_in("", "ConfigMap")) == [
        'unknown field "metadata.foo"',
        'duplicate field "metadata.name"',
        'duplicate field "metadata.labels.x"',
        'unknown field "metadata.ownerReferences[0].bad"',
        'unknown field "dat"',
        'duplicate field "data.k"',
    ]


def test_the_duplicates_of_a_custom_object_are_told_first() -> None:
    body = (
        '{"apiVersion":"x","kind":"X","zz":1,"metadata":{"name":"a","foo":1,"name":"a"},"spec":{"b":1,"a":"1","a":"2",'
        '"map":{"k":{"w":1,"q":"1","q":"2"},"k":{"w":2}},"list":[{"w":1},{"q":"1"}],'
        '"open":{"u":1,"u":2,"known":{"y":1}},"pod":{"apiVersion":"v1","kind":"Pod","metadata":{"nope":1},"spec":{}}},'
        '"b":{"x":1,"x":1}}'
    )
    assert found(body, CUSTOM, custom=True) == [
        'duplicate field "metadata.name"',
        'duplicate field "spec.a"',
        'duplicate field "spec.map.k.q"',
        'duplicate field "spec.map.k"',
        'duplicate field "spec.open.u"',
        'duplicate field "b.x"',
        'unknown field "metadata.foo"',
        'unknown field "b"',
        'unknown field "spec.b"',
        'unknown field "spec.list[0].w"',
        'unknown field "spec.map.k.w"',
        'unknown field "spec.open.known.y"',
        'unknown field "zz"',
        'unknown field "spec.pod.metadata.nope"',
    ]
    kept = pruned(json.loads(body), CUSTOM)
    assert kept["spec"] == {
        "a": "2",
        "map": {"k": {}},
        "list": [{}, {"q": "1"}],
        "open": {"u": 2, "known": {}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}},
    }


def test_nobody_looks_into_raw_content() -> None:
    revision = built_in("apps", "ControllerRevision")
    assert found('{"data":{"a":1,"a":2,"x":{"y":1}}}', revision) == []
    obj: JSONObject = {"data": {"a": {"b": 1}}}
    assert pruned(obj, revision) is obj


def test_what_is_told_is_bounded() -> None:
    many = json.dumps({f"f{number}": 1 for number in range(5000)})
    assert len(found(many, built_in("", "Pod"))) == 100
    assert len(found(many, CUSTOM, custom=True)) == 100


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("body", ["", "[]", "5", "{", "\udcff", '{"a":NaN', "[" * 100_000])
def test_a_body_that_is_no_object_has_no_fields(body: str, *, custom: bool) -> None:
    assert unknown_and_duplicate_fields(body.encode("utf-8", "surrogatepass"), CUSTOM, custom=custom) == []


@pytest.mark.parametrize("custom", [False, True])
def test_a_body_is_followed_to_a_depth(*, custom: bool) -> None:
    body = '{"spec":{"open":' + '{"a":' * 400 + '{"b":1,"b":2}' + "}" * 402
    assert found(body, CUSTOM, custom=custom) == []


def test_nothing_is_changed_where_everything_is_known() -> None:
    obj: JSONObject = {"spec": {"list": [{"q": "1"}], "a": "x"}}
    assert pruned(obj, CUSTOM) is obj
    changed: JSONObject = {"spec": {"list": [{"q": "1", "w": 1}], "b": [1]}, "x": 1}
    assert pruned(changed, CUSTOM) == {"spec": {"list": [{"q": "1"}]}}
    assert changed["x"] == 1
