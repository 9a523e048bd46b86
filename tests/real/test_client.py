"""The client on a real kube-apiserver: the same session as on the embedded one, and what only the real one does."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kubeprims.client.client import Client
from kubeprims.client.options import FieldValidation, PatchType
from kubeprims.client.resources import APIResource
from kubeprims.client.scopes import BUILT_IN
from kubeprims.errors import BadRequest, Conflict, Forbidden, StatusCause
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import StdlibCodec
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Request, Response, RoundTripper
from kubeprims.transport.transport import Transport
from tests.client import session
from tests.real.cluster import RealCluster


@pytest.fixture
def kubeconfig(real_cluster: RealCluster, tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "config"
    path.write_text(json.dumps(real_cluster.kubeconfig()))
    return path


@pytest.fixture
def client(kubeconfig: pathlib.Path) -> Iterator[Client]:
    with Client.from_config(kubeconfig) as made:
        yield made
        made.resource("v1/configmaps").delete_collection(label_selector="made-by=session")


def test_resources_are_found_by_every_name(client: Client) -> None:
    session.find_by_every_name(client)


def test_objects_are_written_and_read(client: Client) -> None:
    session.write_and_read(client.resource("v1/configmaps"))


def test_lists_and_watches_show_what_happens(client: Client) -> None:
    session.list_and_watch(client, client.resource("configmaps"))


def test_a_version_that_was_compacted_is_expired(real_cluster: RealCluster, client: Client) -> None:
    maps = client.resource("v1/configmaps")
    version = maps.create(session.config_map("a")).resource_version
    maps.patch("a", {"data": {"b": "c"}})
    real_cluster.compact()
    real_cluster.restart()
    session.expire(maps, version)


def test_the_scopes_that_are_written_down_are_those_of_the_server(client: Client) -> None:
    resources = client.discovery.resources()
    told = {(found.gvr.group, found.gvr.resource): found.namespaced for found in resources}
    assert told == BUILT_IN


class OldForm:
    """Asks for plain JSON whatever is asked for, as clients did before discovery was aggregated."""

    def __init__(self, inner: RoundTripper) -> None:
        self._inner = inner

    def round_trip(self, request: Request) -> Response:
        return self._inner.round_trip(
            replace(request, headers=request.headers.with_replaced("Accept", "application/json"))
        )


def test_the_old_form_of_discovery_tells_the_same(client: Client, kubeconfig: pathlib.Path) -> None:
    told = client.discovery.resources()
    config = replace(TransportConfig.from_config(kubeconfig), middleware=(OldForm,))
    with Transport(config) as transport:
        old = Client(transport).discovery.resources()
    assert [comparable(found) for found in old] == [comparable(found) for found in told]


def comparable(resource: APIResource) -> APIResource:
    return replace(resource, verbs=(), subresources=tuple(sorted(resource.subresources)))


def test_an_apply_that_conflicts_names_manager_and_field_and_can_be_forced(client: Client) -> None:
    maps = client.resource("v1/configmaps")
    assert maps.apply(session.config_map("applied", color="red"))["data"] == {"color": "red"}
    with pytest.raises(Conflict) as caught:
        maps.apply(session.config_map("applied", color="blue"), field_manager="other")
    assert caught.value.causes == (StatusCause(".data.color", "FieldManagerConflict", 'conflict with "kubeprims"'),)
    forced = maps.apply(session.config_map("applied", color="blue"), field_manager="other", force=True)
    assert forced["data"] == {"color": "blue"}


def test_managed_fields_are_left_out_unless_the_codec_keeps_them_and_an_update_does_not_lose_them(
    client: Client, kubeconfig: pathlib.Path
) -> None:
    maps = client.resource("v1/configmaps")
    changed = maps.create(session.config_map("managed", color="red")).to_dict()
    assert "managedFields" not in changed["metadata"]  # type: ignore[operator]
    changed["data"] = {"color": "blue"}
    maps.update(changed, field_manager="second")
    with Client.from_config(kubeconfig, codec=StdlibCodec(keep_managed_fields=True)) as keeping:
        metadata = keeping.resource("v1/configmaps").get("managed")["metadata"]
    assert isinstance(metadata, dict)
    managers = metadata["managedFields"]
    assert isinstance(managers, list)
    assert {manager["manager"] for manager in managers if isinstance(manager, dict)} == {"kubeprims", "second"}


def test_a_strategic_patch_merges_lists_by_their_key(client: Client) -> None:
    deployments = client.resource("deploy")
    template: JSONObject = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "one", "image": "i:1"}, {"name": "two", "image": "i:1"}]},
    }
    deployments.create(
        {
            "metadata": {"name": "patched"},
            "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template},
        }
    )
    change: JSONObject = {"spec": {"template": {"spec": {"containers": [{"name": "two", "image": "i:2"}]}}}}
    patched = deployments.patch("patched", change, PatchType.STRATEGIC).to_dict()
    containers = patched["spec"]["template"]["spec"]["containers"]  # type: ignore[index,call-overload]
    assert {container["name"]: container["image"] for container in containers} == {"one": "i:1", "two": "i:2"}  # type: ignore[union-attr,index,call-overload]
    scale = deployments.get("patched", subresource="scale")
    assert (scale.kind, scale["spec"]) == ("Scale", {"replicas": 1})
    wanted = scale.to_dict()
    wanted["spec"] = {"replicas": 3}
    assert deployments.update(wanted, subresource="scale")["spec"] == {"replicas": 3}
    deployments.delete("patched")


def test_a_dry_run_keeps_nothing_and_validation_is_the_servers(client: Client) -> None:
    maps = client.resource("v1/configmaps")
    assert maps.create(session.config_map("never"), dry_run=True).name == "never"
    assert [found.name for found in maps.list(field_selector="metadata.name=never")] == []
    odd = {**session.config_map("odd"), "colour": "red"}
    with pytest.raises(BadRequest, match="unknown field"):
        maps.create(odd, field_validation=FieldValidation.STRICT, dry_run=True)
    maps.create(odd, field_validation=FieldValidation.IGNORE, dry_run=True)


def test_a_review_is_an_object_without_a_name(client: Client) -> None:
    reviews = client.resource("authorization.k8s.io/v1/selfsubjectaccessreviews")
    review = reviews.create({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}})
    assert review.name == ""
    assert review["status"] == {"allowed": True}


def test_a_user_without_rights_is_forbidden(real_cluster: RealCluster, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bob"
    path.write_text(json.dumps(real_cluster.kubeconfig("bob")))
    with Client.from_config(path) as bob, pytest.raises(Forbidden, match='User "bob" cannot list resource "secrets"'):
        bob.resource("secrets").list()


def test_a_watch_list_gives_the_objects_and_their_end(client: Client) -> None:
    maps = client.resource("v1/configmaps")
    for number in range(3):
        maps.create(session.config_map(f"listed-{number}"))
    with maps.watch(send_initial_events=True, label_selector="made-by", timeout_s=30) as watch:
        names: list[str] = []
        for batch in watch.batches():
            names += [event.record[0] for event in batch if event.record is not None]
            if batch[-1].initial_events_end:
                break
    assert names == [f"default/listed-{number}" for number in range(3)]
