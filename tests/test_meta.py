"""Names, keys and versions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import InvalidArgument
from kubeprims.meta import (
    GroupVersionKind,
    GroupVersionResource,
    ObjectKey,
    check_path_segment,
    compare_resource_versions,
)
from tests.parity import case


@dataclass(frozen=True)
class Thing:
    namespace: str
    name: str


def test_the_key_of_an_object_is_its_namespace_and_name() -> None:
    key = ObjectKey.of(Thing("prod", "web-0"))
    assert (key, key.namespace, key.name) == ("prod/web-0", "prod", "web-0")
    cluster_wide = ObjectKey.of(Thing("", "node-1"))
    assert (cluster_wide, cluster_wide.namespace, cluster_wide.name) == ("node-1", "", "node-1")


def test_a_key_is_its_text_to_dictionaries() -> None:
    assert {ObjectKey.make("prod", "web-0"): 1}["prod/web-0"] == 1
    assert {"prod/web-0": 1}[ObjectKey.make("prod", "web-0")] == 1


@pytest.mark.parametrize("text", ["", "/", "a/", "/a", "a/b/c"])
def test_a_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="namespace/name"):
        ObjectKey.parse(text)


@pytest.mark.parametrize(("namespace", "name"), [("a", ""), ("a/b", "c"), ("a", "b/c")])
def test_a_key_of_malformed_parts_is_refused(namespace: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match="slash"):
        ObjectKey.make(namespace, name)


@given(st.text(min_size=1).filter(lambda t: "/" not in t), st.text().filter(lambda t: "/" not in t))
def test_every_key_parses_back(name: str, namespace: str) -> None:
    key = ObjectKey.make(namespace, name)
    assert ObjectKey.parse(str(key)) == key
    assert (key.namespace, key.name) == (namespace, name)


@pytest.mark.parametrize(
    ("text", "expected", "path"),
    [
        ("v1/pods", GroupVersionResource("", "v1", "pods"), "/api/v1"),
        ("apps/v1/deployments", GroupVersionResource("apps", "v1", "deployments"), "/apis/apps/v1"),
        ("example.com/v1beta1/widgets", GroupVersionResource("example.com", "v1beta1", "widgets"), None),
    ],
)
def test_a_resource_is_parsed_and_spelled_the_same(text: str, expected: GroupVersionResource, path: str | None) -> None:
    parsed = GroupVersionResource.parse(text)
    assert parsed == expected
    assert str(parsed) == text
    assert parsed.base_path == (path or "/apis/example.com/v1beta1")


@pytest.mark.parametrize("text", ["pods", "v1/pods/log/x", "v1/Pods", "1/pods", "v1/", "/v1/pods", "a b/v1/pods", ""])
def test_a_malformed_resource_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(InvalidArgument, match="apps/v1/deployments"):
        GroupVersionResource.parse(text)


def test_a_kind_knows_its_api_version() -> None:
    assert GroupVersionKind.of("apps/v1", "Deployment") == GroupVersionKind("apps", "v1", "Deployment")
    assert str(GroupVersionKind.of("apps/v1", "Deployment")) == "apps/v1 Deployment"
    assert GroupVersionKind.of("v1", "Pod").api_version == "v1"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("9", "10", -1), ("10", "9", 1), ("7", "7", 0), ("12", "13", -1), ("13", "12", 1)],
)
def test_versions_are_ordered_by_length_then_text(a: str, b: str, expected: int) -> None:
    assert compare_resource_versions(a, b) == expected


@pytest.mark.parametrize(("a", "b"), [("0", "1"), ("1", ""), ("01", "1"), ("x", "1"), ("1", "-1")])
def test_what_is_no_version_is_not_ordered(a: str, b: str) -> None:
    assert compare_resource_versions(a, b) is None


@given(st.integers(1, 10**30), st.integers(1, 10**30))
def test_versions_are_ordered_as_numbers(a: int, b: int) -> None:
    assert compare_resource_versions(str(a), str(b)) == (a > b) - (a < b)


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a%2fb", "a\nb", "\x00"])
def test_what_may_not_stand_in_a_path_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument, match="name"):
        check_path_segment(value, what="name")


@case("IN-109")
def test_a_path_segment_or_key_that_is_well_formed_passes_and_a_malformed_one_is_an_error() -> None:
    assert check_path_segment("web-0.x", what="name") == "web-0.x"
    assert ObjectKey.parse("ns/odd:name") == "ns/odd:name"
    with pytest.raises(InvalidArgument):
        ObjectKey.parse("a/b/c")
