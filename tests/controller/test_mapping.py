from __future__ import annotations

import pytest

from kubeprims.controller.mapping import checked_key, checked_keys, own_key, owner_keys
from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionKind, JSONObject, JSONValue, ObjectKey
from kubeprims.objects.unstructured import Unstructured

SITE = GroupVersionKind("example.com", "v1", "Site")


def owned(*references: JSONValue) -> Unstructured:
    metadata: JSONObject = {"name": "web-0", "namespace": "default", "ownerReferences": list(references)}
    return Unstructured.from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


def reference(
    name: str, *, kind: str = "Site", api_version: str = "example.com/v1", controller: bool = True
) -> JSONObject:
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": controller}


def test_an_object_is_mapped_to_its_own_key() -> None:
    assert list(own_key(owned())) == ["default/web-0"]


def test_an_object_is_mapped_to_the_controller_that_owns_it_whatever_the_version() -> None:
    obj = owned(
        reference("a", api_version="example.com/v1beta1"),
        reference("b", controller=False),
        reference("c", kind="Page"),
        reference("d", api_version="other.com/v1"),
        "nonsense",
    )
    assert owner_keys(SITE)(obj) == ["default/a"]
    assert owner_keys(SITE, controllers_only=False)(obj) == ["default/a", "default/b"]
    assert owner_keys(SITE, owner_is_namespaced=False)(obj) == ["a"]
    assert owner_keys(SITE)(Unstructured.from_dict({"metadata": {"name": "x"}})) == []


def test_keys_are_checked_and_each_counts_once() -> None:
    assert checked_keys(["default/a", ObjectKey("default/a"), "node"], of="web") == ["default/a", "node"]
    assert isinstance(checked_keys(["default/a"], of="web")[0], ObjectKey)


@pytest.mark.parametrize(
    ("key", "rule"),
    [(7, "web: a key is an ObjectKey, or"), (None, "not NoneType"), ("a/b/c", "a key is"), ("", "a key is")],
)
def test_what_is_no_key_is_refused(key: object, rule: str) -> None:
    with pytest.raises(InvalidArgument, match=rule):
        checked_key(key, of="web")


def test_one_key_is_not_a_list_of_keys() -> None:
    with pytest.raises(InvalidArgument, match="web: a map function returns keys"):
        checked_keys("default/a", of="web")
