"""Applies, strict writes and patches that miss, as the writer carries them out."""

from __future__ import annotations

import json

import pytest

from kubeprims.errors import BadRequest, Conflict, InternalError, Invalid, NotFound, StatusError
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.objects import Answer
from kubeprims.testing.apiserver.queries import WriteOptions
from tests.testing.apiserver.backends import Server, load, part
from tests.testing.apiserver.given_objects import GIVEN, workload

CONFIG_MAPS = "v1/configmaps"
DEPLOYMENTS = "apps/v1/deployments"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def server() -> Server:
    return Server()


def config_map(name: str = "a", **data: str) -> JSONObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}


def apply(
    server: Server, config: JSONObject, *, manager: str = "m", subresource: str = "", force: bool | None = None
) -> Answer:
    return server.backend.patch(
        server.kind(CONFIG_MAPS if config["kind"] == "ConfigMap" else DEPLOYMENTS),
        "default",
        str(part(config, "metadata", "name")),
        json.dumps(config).encode(),
        content_type=APPLY,
        subresource=subresource,
        options=WriteOptions(field_manager=manager, force=force),
    )


def patch(server: Server, body: object, content_type: str, mode: str = "") -> Answer:
    return server.backend.patch(
        server.kind(DEPLOYMENTS),
        "default",
        "d",
        json.dumps(body).encode(),
        content_type=content_type,
        options=WriteOptions(field_manager="m", field_validation=mode),
    )


def test_an_apply_creates_changes_and_prunes(server: Server) -> None:
    created = apply(server, config_map(a="1", b="2"))
    assert created.code == 201
    changed = apply(server, config_map(a="3"))
    assert changed.code == 200
    obj = load(changed.body)
    assert obj["data"] == {"a": "3"}
    assert part(obj, "metadata", "uid") == part(load(created.body), "metadata", "uid")


def test_the_same_apply_again_writes_nothing(server: Server) -> None:
    apply(server, config_map(a="1"))
    revision = server.backend.revision
    answer = apply(server, config_map(a="1"))
    assert server.backend.revision == revision
    assert answer.body == server.backend.get(server.kind(CONFIG_MAPS), "default", "a")


def test_an_apply_conflicts_with_who_owns_a_field_unless_it_is_forced(server: Server) -> None:
    apply(server, config_map(a="1"), manager="first")
    with pytest.raises(Conflict, match=r'conflict with "first": \.data\.a'):
        apply(server, config_map(a="2"), manager="second")
    assert server.get(CONFIG_MAPS, "a")["data"] == {"a": "1"}
    forced = load(apply(server, config_map(a="2"), manager="second", force=True).body)
    assert forced["data"] == {"a": "2"}


def test_what_is_not_there_has_no_subresource_to_apply_to(server: Server) -> None:
    status: JSONObject = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {}}
    with pytest.raises(NotFound):
        apply(server, status, subresource="status")


def test_an_apply_says_who_applies(server: Server) -> None:
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        apply(server, config_map(), manager="")


def test_an_apply_of_what_the_schema_does_not_know_is_refused(server: Server) -> None:
    with pytest.raises(InternalError, match=r"\.colour: field not declared in schema"):
        apply(server, {**config_map(), "colour": "red"})


def test_a_strict_write_is_refused_for_fields_that_nobody_knows_and_another_is_warned(server: Server) -> None:
    kind = server.kind(CONFIG_MAPS)
    body = b'{"metadata": {"name": "a"}, "colour": 1}'
    with pytest.raises(BadRequest) as caught:
        server.backend.create(kind, "default", body, options=WriteOptions(field_validation="Strict"))
    assert caught.value.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "colour"'
    )
    answer = server.backend.create(kind, "default", body, options=WriteOptions(field_validation="Warn"))
    assert answer.warnings == ('unknown field "colour"',)


def test_a_strict_patch_is_refused_for_what_it_adds(server: Server) -> None:
    server.create(DEPLOYMENTS, {"metadata": {"name": "d"}, **workload()})
    body: JSONObject = {"spec": {"colour": "red"}}
    with pytest.raises(Invalid) as caught:
        patch(server, body, "application/merge-patch+json", "Strict")
    assert caught.value.message.endswith('strict decoding error: unknown field "spec.colour"')
    assert patch(server, body, "application/merge-patch+json").warnings == ('unknown field "spec.colour"',)


@pytest.mark.parametrize(
    ("body", "content_type", "error", "message"),
    [
        ([1], STRATEGIC, BadRequest, r"json: cannot unmarshal array into Go value of type map\[string\]interface"),
        ({"spec": {"replicas": "x"}}, STRATEGIC, Invalid, "patch: Invalid value"),
        ({"spec": {"replicas": "x"}}, "application/merge-patch+json", Invalid, "patch: Invalid value.*json: cannot"),
        ({"$patch": "dance"}, STRATEGIC, InternalError, "dance"),
    ],
)
def test_a_patch_that_does_not_fit_is_told_why(
    server: Server, body: object, content_type: str, error: type[StatusError], message: str
) -> None:
    before = server.create(DEPLOYMENTS, {"metadata": {"name": "d"}, **workload()})
    with pytest.raises(error, match=message):
        patch(server, body, content_type)
    assert server.get(DEPLOYMENTS, "d") == before


def scale(replicas: int) -> JSONObject:
    names: JSONObject = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}}
    return {**names, "spec": {"replicas": replicas}}


def test_a_scale_is_applied_to_an_object_that_is_there(server: Server) -> None:
    with pytest.raises(NotFound):
        apply(server, scale(3), subresource="scale")
    server.create(DEPLOYMENTS, {"metadata": {"name": "d"}, **GIVEN["deployment"][1]})
    with pytest.raises(Conflict, match=r"spec\.replicas"):
        apply(server, scale(3), subresource="scale")
    answer = load(apply(server, scale(3), subresource="scale", force=True).body)
    assert (answer["kind"], answer["spec"]) == ("Scale", {"replicas": 3})
    found = server.get(DEPLOYMENTS, "d")
    assert part(found, "spec", "replicas") == 3
    entries = part(found, "metadata", "managedFields")
    assert isinstance(entries, list)
    assert {"f:spec": {"f:replicas": {}}} in [entry["fieldsV1"] for entry in entries if entry["manager"] == "m"]


def test_an_object_that_nobody_owns_has_a_scale_that_was_there_before(server: Server) -> None:
    server.create(DEPLOYMENTS, {"metadata": {"name": "d"}, **GIVEN["deployment"][1]})
    server.patch(DEPLOYMENTS, "d", {"metadata": {"managedFields": [{}]}})
    with pytest.raises(Conflict, match="before-first-apply"):
        apply(server, scale(3), subresource="scale")
