from __future__ import annotations

import json

import pytest

from kubeprims.errors import NotAcceptable
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.crd import kinds_of, with_defaults
from kubeprims.testing.apiserver.kind import Kind
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS
from kubeprims.testing.apiserver.openapi import answer

SCHEMA: JSONObject = {
    "type": "object",
    "description": "A widget.",
    "properties": {"spec": {"type": "object", "description": "What is asked for."}},
}


def custom(schema: JSONObject) -> tuple[Kind, ...]:
    version: JSONObject = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names: JSONObject = {"plural": "widgets", "kind": "Widget"}
    spec: JSONObject = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return kinds_of(with_defaults({"metadata": {"name": "widgets.example.com"}, "spec": spec}))


def document(path: str, kinds: tuple[Kind, ...] = BUILT_IN_KINDS, accept: str = "application/json") -> JSONObject:
    found = answer(path, accept, kinds)
    assert found is not None
    value: JSONObject = json.loads(found.body)
    return value


def at(value: object, *path: str) -> JSONObject:
    for step in path:
        assert isinstance(value, dict)
        value = value[step]
    assert isinstance(value, dict)
    return value


def test_the_index_names_each_document_by_its_content() -> None:
    found = answer("/openapi/v3/apis/example.com/v1", "", custom(SCHEMA))
    assert found is not None
    etag = dict(found.headers)["etag"].strip('"')
    entry = at(document("/openapi/v3", custom(SCHEMA)), "paths", "apis/example.com/v1")
    assert entry == {"serverRelativeURL": f"/openapi/v3/apis/example.com/v1?hash={etag}"}
    other = at(document("/openapi/v3", custom({"type": "object"})), "paths", "apis/example.com/v1")
    assert entry != other


def test_every_reference_leads_somewhere() -> None:
    for path in at(document("/openapi/v3"), "paths"):
        found = document(f"/openapi/v3/{path}")
        schemas = at(found, "components", "schemas")
        for part in json.dumps(found).split('"#/components/schemas/')[1:]:
            assert part.partition('"')[0] in schemas


def test_a_custom_kind_is_described_as_its_definition_describes_it() -> None:
    found = document("/openapi/v3/apis/example.com/v1", custom(SCHEMA))
    widget = at(found, "components", "schemas", "com.example.v1.Widget")
    assert widget["description"] == "A widget."
    assert list(at(widget, "properties")) == ["apiVersion", "kind", "metadata", "spec"]
    assert widget["x-kubernetes-group-version-kind"] == [{"group": "example.com", "version": "v1", "kind": "Widget"}]
    widgets = at(found, "components", "schemas", "com.example.v1.WidgetList")
    assert at(widgets, "properties", "items")["items"] == {"$ref": "#/components/schemas/com.example.v1.Widget"}
    post = at(found, "paths", "/apis/example.com/v1/namespaces/{namespace}/widgets", "post")
    assert "#/components/schemas/com.example.v1.Widget" in json.dumps(post["requestBody"])


def test_the_documents_say_that_the_server_validates_fields() -> None:
    paths = at(document("/openapi/v3/api/v1"), "paths")
    patch = at(paths, "/api/v1/namespaces/{namespace}/pods/{name}/status", "patch")
    assert "fieldValidation" in json.dumps(patch)
    assert "post" in at(paths, "/api/v1/namespaces/{namespace}/pods/{name}/binding")


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v2", "/openapi", "/api", "/openapi/v3/apis/x/v1"])
def test_what_is_not_there_has_no_document(path: str) -> None:
    assert answer(path, "", BUILT_IN_KINDS) is None


def test_only_json_is_given() -> None:
    assert document("/openapi/v3", accept="text/html, application/json;q=0.5")
    with pytest.raises(NotAcceptable):
        answer("/openapi/v3", "text/html", BUILT_IN_KINDS)
