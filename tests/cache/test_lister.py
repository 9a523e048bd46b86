from __future__ import annotations

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.cache.lister import Lister
from kubeprims.errors import InvalidArgument, InvalidSelector
from kubeprims.selectors import FieldSelector, LabelSelector
from tests.cache.records import make_record


@pytest.fixture
def lister() -> Lister:
    indexer = Indexer()
    for key, app in (("one/a", "web"), ("one/b", "db"), ("two/a", "web"), ("node", "web")):
        indexer.put(make_record(key, 1, labels={"app": app}))
    return Lister(indexer)


def test_a_lister_of_all_lists_all(lister: Lister) -> None:
    assert sorted(obj.key for obj in lister.list()) == ["node", "one/a", "one/b", "two/a"]
    assert lister.namespace == lister.in_namespace("").namespace == ""


def test_a_lister_of_a_namespace_lists_that(lister: Lister) -> None:
    one = lister.in_namespace("one")
    assert sorted(obj.key for obj in one.list()) == ["one/a", "one/b"]
    assert one.namespace == "one"
    assert lister.in_namespace("three").list() == []


def test_a_lister_selects_by_labels(lister: Lister) -> None:
    assert sorted(obj.key for obj in lister.list("app=web")) == ["node", "one/a", "two/a"]
    assert [obj.key for obj in lister.in_namespace("one").list("app=web")] == ["one/a"]
    assert [obj.key for obj in lister.list(LabelSelector.parse("app=db"))] == ["one/b"]
    with pytest.raises(InvalidSelector):
        lister.list("app in (")


@pytest.mark.parametrize(
    ("namespace", "selector", "expected"),
    [
        ("", "metadata.name=a", ["one/a", "two/a"]),
        ("", "metadata.name=node", ["node"]),
        ("", "metadata.name=a,metadata.namespace=two", ["two/a"]),
        ("", "metadata.name=z,metadata.namespace=two", []),
        ("", "metadata.namespace=one", ["one/a", "one/b"]),
        ("", "metadata.namespace=one,metadata.name!=a", ["one/b"]),
        ("", "metadata.namespace!=one", ["node", "two/a"]),
        ("", "metadata.namespace=", ["node"]),
        ("", "metadata.name=a,metadata.name=b", []),
        ("", "", ["node", "one/a", "one/b", "two/a"]),
        ("one", "metadata.name=a", ["one/a"]),
        ("one", "metadata.namespace=two", []),
        ("one", "metadata.namespace=two,metadata.name=a", []),
    ],
)
def test_a_lister_selects_by_name_and_namespace(
    lister: Lister, namespace: str, selector: str, expected: list[str]
) -> None:
    of_namespace = lister.in_namespace(namespace)
    assert sorted(obj.key for obj in of_namespace.list(field_selector=selector)) == expected
    assert sorted(obj.key for obj in of_namespace.list(field_selector=FieldSelector.parse(selector))) == expected


def test_both_selectors_must_select(lister: Lister) -> None:
    assert [obj.key for obj in lister.list("app=db", field_selector="metadata.namespace=one")] == ["one/b"]
    assert lister.list("app=db", field_selector="metadata.name=a") == []


def test_other_fields_need_an_index(lister: Lister) -> None:
    with pytest.raises(InvalidSelector, match=r"for spec\.nodeName add an index"):
        lister.list(field_selector="spec.nodeName=n1,metadata.name=a")
    with pytest.raises(InvalidSelector):
        lister.list(field_selector="metadata.name")


def test_get_returns_the_object_or_none(lister: Lister) -> None:
    found = lister.in_namespace("one").get("a")
    assert found is not None
    assert found.key == "one/a"
    assert lister.in_namespace("one").get("z") is None
    node = lister.get("node")
    assert node is not None
    assert node.namespace == ""
    assert lister.get("a") is None


@pytest.mark.parametrize("name", ["", "one/a"])
def test_a_name_that_cannot_be_one_is_an_error(lister: Lister, name: str) -> None:
    with pytest.raises(InvalidArgument):
        lister.in_namespace("one").get(name)


def test_a_bound_lister_does_not_leave_its_namespace(lister: Lister) -> None:
    one = lister.in_namespace("one")
    assert one.in_namespace("one").namespace == "one"
    with pytest.raises(InvalidArgument, match="this lister reads namespace 'one', not 'two'"):
        one.in_namespace("two")
