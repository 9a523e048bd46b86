"""The cluster itself does what the tests that stand on it take for granted."""

from __future__ import annotations

import http.client
import json
import pathlib
import uuid

import pytest

from kubeprims.meta import JSONObject
from tests.real.cluster import RealCluster, default_assets, find_assets

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def create_config_map(cluster: RealCluster, name: str) -> JSONObject:
    status, answer = cluster.request("POST", CONFIG_MAPS, {"metadata": {"name": name}})
    assert status == http.HTTPStatus.CREATED, answer
    metadata = answer["metadata"]
    assert isinstance(metadata, dict)
    return metadata


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4()}"


def test_it_serves_the_version_that_the_recipe_names(real_cluster: RealCluster) -> None:
    status, version = real_cluster.request("GET", "/version")
    recipe = (pathlib.Path(__file__).parent / "kube-apiserver" / "go.mod").read_text()
    assert status == http.HTTPStatus.OK
    assert f"require k8s.io/kubernetes {version['gitVersion']}\n" in recipe


def test_tokens_carry_users_and_groups_without_rights(real_cluster: RealCluster) -> None:
    review: JSONObject = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "jane-token"},
    }
    status, answer = real_cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert status == http.HTTPStatus.CREATED
    assert answer["status"]["user"]["groups"] == ["dev", "qa", "system:authenticated"]  # type: ignore[call-overload,index]


def test_the_data_survives_a_restart_on_the_same_url(real_cluster: RealCluster, name: str) -> None:
    created = create_config_map(real_cluster, name)
    real_cluster.restart()
    status, answer = real_cluster.request("GET", f"{CONFIG_MAPS}/{name}")
    assert status == http.HTTPStatus.OK
    assert answer["metadata"] == created


def test_the_data_survives_a_kill_under_an_open_watch(real_cluster: RealCluster, name: str) -> None:
    created = create_config_map(real_cluster, name)
    connection = real_cluster.connect()
    try:
        connection.request("GET", f"{CONFIG_MAPS}?watch=true&resourceVersion={created['resourceVersion']}")
        response = connection.getresponse()
        real_cluster.kill()
        with pytest.raises((OSError, http.client.HTTPException)):
            response.read()
    finally:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        real_cluster.request("GET", "/version")
    real_cluster.start()
    assert real_cluster.request("GET", f"{CONFIG_MAPS}/{name}")[1]["metadata"] == created


def test_a_stalled_server_accepts_and_does_not_answer_until_it_goes_on(real_cluster: RealCluster) -> None:
    connection = real_cluster.connect(timeout_s=0.5)
    try:
        connection.connect()
        real_cluster.stall()
        connection.request("GET", "/version")
        with pytest.raises(TimeoutError):
            connection.getresponse()
    finally:
        connection.close()
    real_cluster.resume()
    assert real_cluster.request("GET", "/version")[0] == http.HTTPStatus.OK


def test_a_watch_from_before_a_compaction_is_told_410(real_cluster: RealCluster, name: str) -> None:
    old = create_config_map(real_cluster, name)
    create_config_map(real_cluster, f"{name}-later")
    real_cluster.compact()
    real_cluster.restart()
    connection = real_cluster.connect()
    try:
        connection.request("GET", f"{CONFIG_MAPS}?watch=true&resourceVersion={old['resourceVersion']}")
        event = json.loads(connection.getresponse().readline())
    finally:
        connection.close()
    assert event["type"] == "ERROR"
    assert event["object"]["code"] == http.HTTPStatus.GONE
    assert event["object"]["reason"] == "Expired"


def test_two_clusters_share_nothing(real_cluster: RealCluster, second_cluster: RealCluster, name: str) -> None:
    create_config_map(real_cluster, name)
    assert real_cluster.url != second_cluster.url
    assert second_cluster.request("GET", f"{CONFIG_MAPS}/{name}")[0] == http.HTTPStatus.NOT_FOUND


def test_a_folder_that_was_promised_and_lacks_a_binary_is_an_error(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etcd").touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="has no kube-apiserver"):
        find_assets()


def test_no_binaries_anywhere_is_no_error(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("KUBEPRIMS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_assets() == tmp_path / "kubeprims" / "assets"
    assert find_assets() is None
