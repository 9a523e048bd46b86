from __future__ import annotations

import pytest

from kubeprims.errors import InvalidArgument, InvalidFieldPath
from kubeprims.meta import JSONValue
from kubeprims.objects.field_path import parse_field_path, texts_at


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("status", ("status",)),
        ("spec.nodeName", ("spec", "nodeName")),
        ("spec.containers.image", ("spec", "containers", "image")),
        ("spec.containers[*].image", ("spec", "containers", "image")),
        ("spec.rules[*]", ("spec", "rules")),
        ("spec.matrix[*][*].x", ("spec", "matrix", "x")),
        (
            "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
            ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
        ),
        ("spec.nodeSelector[a.b/c].d", ("spec", "nodeSelector", "a.b/c", "d")),
        ("metadata.ownerReferences[*].uid", ("metadata", "ownerReferences", "uid")),
    ],
)
def test_a_path_is_names_joined_by_dots_or_in_brackets(text: str, path: tuple[str, ...]) -> None:
    assert parse_field_path(text) == path


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "a name is empty"),
        (".spec", "a name is empty"),
        ("spec.", "a name is empty"),
        ("spec..x", "a name is empty"),
        ("spec.[x]", "a name is empty"),
        ("spec[]", "a name is empty"),
        ("[*]", "a name is empty"),
        ("spec.containers[0].image", "by its position"),
        ("spec.containers.*", "[*], without a dot"),
        ("spec.a[b", "at character 6"),
        ("spec.a]", "at character 6"),
        ("spec[a]b", "at character 7"),
        (7, "a path is a text"),
        (("spec", "nodeName"), "a path is a text"),
    ],
)
def test_a_path_that_breaks_the_grammar_is_refused_with_its_rule(text: object, detail: str) -> None:
    with pytest.raises(InvalidFieldPath) as caught:
        parse_field_path(text)
    assert detail in caught.value.detail
    assert str(caught.value).startswith(f"field path {caught.value.path!r}: ")
    assert isinstance(caught.value, InvalidArgument)


@pytest.mark.parametrize(
    ("value", "path", "texts"),
    [
        ({"a": {"b": "x"}}, ("a", "b"), ["x"]),
        ({"a": [{"b": "x"}, {"b": ["y", "z"]}, {"c": 1}, "b"]}, ("a", "b"), ["x", "y", "z"]),
        ({"a": [[{"b": 1}], {"b": 2.5}]}, ("a", "b"), ["1", "2.5"]),
        ({"a": True, "b": False}, ("a",), ["true"]),
        ({"a": False}, ("a",), ["false"]),
        ({"a": None}, ("a",), []),
        ({"a": {"b": 1}}, ("a",), []),
        ({}, ("a", "b"), []),
        ("text", (), ["text"]),
    ],
)
def test_scalars_come_as_texts_and_lists_stand_for_their_items(
    value: JSONValue, path: tuple[str, ...], texts: list[str]
) -> None:
    assert list(texts_at(value, path)) == texts
