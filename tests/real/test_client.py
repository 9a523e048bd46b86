"""The client on a real kube-apiserver: the same session as on the embedded one, and what only the real one does."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import kubernetes
import pytest

from kubeprims.cli.main import main
from kubeprims.client import conditions
from kubeprims.client.client import Client
from kubeprims.client.options import FieldValidation, PatchType
from kubeprims.client.resource import Resource
from kubeprims.client.resources import APIResource
from kubeprims.client.scopes import BUILT_IN
from kubeprims.errors import (
    ApplyConflict,
    BadRequest,
    Conflict,
    FieldConflict,
    Forbidden,
    ResourceExpired,
    StatusCause,
    UnknownResource,
    UnsupportedMediaType,
)
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import StdlibCodec
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Request, Response, RoundTripper
from kubeprims.transport.transport import Transport
from tests.client import session
from tests.parity import case
from tests.real.cluster import RealCluster
from tests.transport import seen_by_servers
from tests.waiting import eventually


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
    assert isinstance(caught.value, ApplyConflict)
    assert caught.value.conflicts == (FieldConflict(".data.color", "kubeprims"),)
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


def test_a_strategic_patch_of_a_custom_resource_is_refused_with_what_to_use_instead(client: Client) -> None:
    with gadgets_of(client) as gadgets:
        gadgets.create({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {}})
        with pytest.raises(UnsupportedMediaType, match=r"custom resources take PatchType\.MERGE"):
            gadgets.patch("g", {"spec": {"a": 1}}, PatchType.STRATEGIC)
        scale = gadgets.scale("g", 4)
        assert (scale.kind, scale["spec"]) == ("Scale", {"replicas": 4})
        assert gadgets.scale("g", 5, dry_run=True)["spec"] == {"replicas": 5}
        assert gadgets.get("g")["spec"] == {"replicas": 4}
        status = gadgets.update({**gadgets.get("g").to_dict(), "status": {"replicas": 2}}, subresource="status")
        assert status["status"] == {"replicas": 2}
        assert gadgets.delete_collection(dry_run=True)[0].name == "g"
        assert len(gadgets.delete_collection()) == 1


@contextmanager
def gadgets_of(client: Client) -> Iterator[Resource]:
    definitions = client.resource("crd")
    schema: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definitions.create(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "gadgets.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        "subresources": {
                            "status": {},
                            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                        },
                    }
                ],
            },
        }
    )
    established = conditions.condition("Established")
    assert definitions.wait_for("gadgets.example.com", established, timeout_s=30.0) is not None
    found: list[Resource] = []

    def is_served() -> bool:
        with suppress(UnknownResource):  # discovery says so a moment later
            found.append(client.resource_of({"apiVersion": "example.com/v1", "kind": "Gadget"}))
        return bool(found)

    eventually(is_served, 30.0, "gadgets can be discovered")
    yield found[0]
    uid = definitions.get("gadgets.example.com").uid
    definitions.delete("gadgets.example.com")
    assert definitions.wait_for("gadgets.example.com", conditions.deleted(uid), timeout_s=30.0) is None


def test_the_settings_of_the_kubernetes_package_lead_to_the_same_server_as_the_same_user(
    kubeconfig: pathlib.Path,
) -> None:
    stock = kubernetes.config.new_client_from_config(str(kubeconfig))
    with Client.from_kubernetes(stock) as admin:
        assert admin.resource("namespaces").get("default").name == "default"
    stock.set_default_header("Impersonate-User", "bob")
    with Client.from_kubernetes(stock) as bob:
        review = bob.resource("authentication.k8s.io/v1/selfsubjectreviews").create({})
    assert review["status"] == {"userInfo": {"username": "bob", "groups": ["system:authenticated"]}}


@case("IM-4")
@case("IM-6")
@case("IM-11")
@case("IM-12")
@case("IM-13")
@case("IM-15")
@case("IM-16")
def test_whom_a_client_acts_as_is_read_back_letter_for_letter(kubeconfig: pathlib.Path) -> None:
    config = replace(TransportConfig.from_config(kubeconfig), impersonate=seen_by_servers.IDENTITY)
    with Transport(config) as transport:
        review = Client(transport).resource("authentication.k8s.io/v1/selfsubjectreviews").create({})
    assert review["status"] == {"userInfo": seen_by_servers.USER_INFO}


def test_tables_are_those_of_kubectl(client: Client) -> None:
    table = client.resource("namespaces").table()
    assert [column.name for column in table.columns] == ["Name", "Status", "Age"]
    assert ("default", "Active") in [row.cells[:2] for row in table.rows]
    assert client.resource("namespaces").table("default").rows[0].name == "default"
    wide = client.resource("pods").table()
    assert ("Node", 1) in [(column.name, column.priority) for column in wide.columns]


def test_an_expired_list_goes_on_at_a_newer_version_where_that_is_allowed(
    real_cluster: RealCluster, client: Client
) -> None:
    maps = client.resource("v1/configmaps")
    for number in range(6):
        maps.create(session.config_map(f"page-{number}"))
    consistent = maps.iterate(label_selector="made-by=session", page_size=2)
    inconsistent = maps.iterate(label_selector="made-by=session", page_size=2, allow_inconsistent=True)
    assert [next(pages).name for pages in (consistent, inconsistent)] == ["page-0"] * 2
    maps.patch("page-5", {"data": {"late": "yes"}})
    real_cluster.compact()
    real_cluster.restart()
    with pytest.raises(ResourceExpired) as caught:
        list(consistent)
    assert caught.value.continue_token
    rest = list(inconsistent)
    assert [found.name for found in rest] == [f"page-{number}" for number in range(1, 6)]
    assert rest[-1]["data"] == {"late": "yes"}


def test_a_field_that_nobody_knows_is_a_warning_where_the_server_is_asked_to_warn(kubeconfig: pathlib.Path) -> None:
    warnings: list[str] = []
    config = replace(
        TransportConfig.from_config(kubeconfig), warning_handler=lambda warning: warnings.append(warning.text)
    )
    with Transport(config) as transport:
        maps = Client(transport).resource("v1/configmaps")
        odd = {**session.config_map("odd"), "colour": "red"}
        maps.create(odd, field_validation=FieldValidation.WARN, dry_run=True)
    assert warnings == ['unknown field "colour"']


def test_the_command_line_says_what_kubectl_says(
    kubeconfig: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl")
    manifest = tmp_path / "all.yaml"
    manifest.write_text(MANIFEST)

    def theirs(*arguments: str) -> str:
        done = subprocess.run(
            [kubectl, *arguments, "--kubeconfig", kubeconfig], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def ours(*arguments: str) -> str:
        assert main([*arguments, "--kubeconfig", str(kubeconfig)]) == 0
        return capsys.readouterr().out

    applied = ours("apply", "-f", str(manifest))
    assert theirs("apply", "--server-side", "--field-manager=kubeprims", "-f", str(manifest)) == applied
    for question in (
        ["get", "pods", "-l", "made-by=session"],
        ["get", "pods", "-o", "wide"],
        ["get", "pod/seen", "deploy/seen"],
        ["get", "pods,deploy", "-A"],
        ["get", "deploy", "-o", "name"],
        ["get", "pods", "seen", "-o", "json"],
        ["get", "pods", "-o", "json"],
        ["get", "namespaces", "default"],
    ):
        assert ages(ours(*question)) == ages(theirs(*question)), question
    said = ours("delete", "-f", str(manifest))
    theirs("apply", "--server-side", "-f", str(manifest))
    assert theirs("delete", "-f", str(manifest)).replace(" from default namespace", "") == said


MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: seen, labels: {made-by: session}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: seen}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
"""


def ages(text: str) -> str:
    """Take the ages out of a table: they grow while the test runs."""
    return re.sub(r" {2,}[0-9]+[smh][0-9smh]*( |$)", r" AGE\1", text, flags=re.MULTILINE)
