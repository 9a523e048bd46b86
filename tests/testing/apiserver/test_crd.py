from __future__ import annotations

import datetime

import pytest

from kubeprims.errors import NotFound
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.crd import kinds_of, with_conditions, with_defaults
from kubeprims.testing.apiserver.json_paths import mappings_at
from kubeprims.testing.apiserver.kinds import PODS
from kubeprims.testing.apiserver.queries import parse_list_query
from kubeprims.testing.apiserver.registry import Registry
from kubeprims.testing.apiserver.schema import Schema
from tests.testing.apiserver.backends import CRDS, Server

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def definition(schema: JSONObject | None = None) -> JSONObject:
    version: JSONObject = {"name": "v1", "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": schema or {"type": "object"}}
    names: JSONObject = {"plural": "widgets", "kind": "Widget"}
    spec: JSONObject = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    return with_defaults({"metadata": {"name": "widgets.example.com"}, "spec": spec})


def test_names_and_conversion_follow_from_the_rest() -> None:
    spec = definition()["spec"]
    assert isinstance(spec, dict)
    assert spec["names"] == {"singular": "widget", "listKind": "WidgetList", "plural": "widgets", "kind": "Widget"}
    assert spec["conversion"] == {"strategy": "None"}
    assert with_defaults({"spec": {"names": {"plural": "a"}}})["spec"] == {
        "conversion": {"strategy": "None"},
        "names": {"plural": "a"},
    }


def test_a_definition_is_established_at_once_and_stays_so() -> None:
    first = with_conditions(definition(), NOW)
    status = first["status"]
    assert isinstance(status, dict)
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    told = [(item["type"], item["status"], item["lastTransitionTime"]) for item in conditions if isinstance(item, dict)]
    assert told == [("NamesAccepted", "True", "2026-01-01T00:00:00Z"), ("Established", "True", "2026-01-01T00:00:00Z")]
    assert status["storedVersions"] == ["v1"]
    assert with_conditions(first, NOW + datetime.timedelta(days=1)) == first
    status["storedVersions"] = ["v0"]
    after = with_conditions(first, NOW)["status"]
    assert isinstance(after, dict)
    assert after["storedVersions"] == ["v0", "v1"]


def test_the_kinds_of_a_definition_come_change_and_go() -> None:
    registry = Registry()
    count = len(registry.kinds)
    registry.install("widgets.example.com", kinds_of(definition()))
    kind = registry.resolve("example.com", "v1", "widgets")
    assert len(registry.kinds) == count + 1
    assert not registry.schema(kind).preserve_unknown
    registry.install("widgets.example.com", kinds_of(definition({"x-kubernetes-preserve-unknown-fields": True})))
    assert registry.schema(registry.resolve("example.com", "v1", "widgets")).preserve_unknown
    registry.uninstall("widgets.example.com")
    with pytest.raises(NotFound):
        registry.resolve("example.com", "v1", "widgets")
    assert isinstance(registry.schema(PODS), Schema)


def test_a_field_can_be_selected_that_was_not_when_the_object_was_written() -> None:
    server = Server()
    schema: JSONObject = {"type": "object", "properties": {"size": {"type": "integer"}, "big": {"type": "boolean"}}}
    server.create(CRDS, definition(schema))
    widget: JSONObject = {"metadata": {"name": "a"}, "size": 1, "big": True}
    server.create("example.com/v1/widgets", {"apiVersion": "example.com/v1", "kind": "Widget", **widget})
    changed = definition(schema)
    [version] = mappings_at(changed, "spec", "versions")
    version["selectableFields"] = [{"jsonPath": ".size"}, {"jsonPath": ".big"}]
    changed["metadata"] = server.get(CRDS, "widgets.example.com")["metadata"]
    server.update(CRDS, "widgets.example.com", changed)
    kind = server.kind("example.com/v1/widgets")
    for selector, count in (("size=1,big=true", 1), ("size=2", 0), ("big=", 0)):
        query = parse_list_query([("fieldSelector", selector)])
        assert server.backend.list(kind, "", query).body().count(b'"name":"a"') == count


def versions(*given: JSONObject) -> JSONObject:
    crd = definition()
    spec = crd["spec"]
    assert isinstance(spec, dict)
    listed: list[JSONValue] = [{"served": True, "schema": {"openAPIV3Schema": {"type": "object"}}, **v} for v in given]
    return {**crd, "spec": {**spec, "versions": listed}}


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        ([{"name": "v1"}], ""),
        ([{"name": "v1", "deprecated": True}], "example.com/v1 Widget is deprecated"),
        (
            [{"name": "v1beta1", "deprecated": True}, {"name": "v1"}, {"name": "v1alpha1"}],
            "example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget",
        ),
        ([{"name": "v1", "deprecated": True}, {"name": "v1beta1"}], "example.com/v1 Widget is deprecated"),
        (
            [{"name": "v1beta1", "deprecated": True}, {"name": "v1", "served": False}],
            "example.com/v1beta1 Widget is deprecated",
        ),
        ([{"name": "v1", "deprecated": True, "deprecationWarning": "Use something else"}], "Use something else"),
    ],
)
def test_the_users_of_a_deprecated_version_are_told_of_a_better_one(given: list[JSONObject], warning: str) -> None:
    by_name = {kind.version: kind.deprecation for kind in kinds_of(versions(*given))}
    assert by_name[str(given[0]["name"])] == warning
    assert not any(text for name, text in by_name.items() if name != given[0]["name"])
