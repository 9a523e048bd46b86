"""The kubeconfig for the server."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from kubeprims.testing.apiserver.kubeconfig import make_kubeconfig, write_kubeconfig


def test_it_names_one_cluster_one_user_and_one_context() -> None:
    config = make_kubeconfig("https://127.0.0.1:6443", ca_pem=b"PEM", token="secret", namespace="prod")
    assert config["clusters"] == [
        {
            "name": "kubeprims",
            "cluster": {
                "server": "https://127.0.0.1:6443",
                "certificate-authority-data": base64.b64encode(b"PEM").decode(),
            },
        }
    ]
    assert config["users"] == [{"name": "kubeprims", "user": {"token": "secret"}}]
    assert config["contexts"] == [
        {"name": "kubeprims", "context": {"cluster": "kubeprims", "user": "kubeprims", "namespace": "prod"}}
    ]
    assert config["current-context"] == "kubeprims"


def test_without_tls_and_token_it_is_plain() -> None:
    config = make_kubeconfig("http://127.0.0.1:80")
    assert config["clusters"] == [{"name": "kubeprims", "cluster": {"server": "http://127.0.0.1:80"}}]
    assert config["users"] == [{"name": "kubeprims", "user": {}}]


def test_the_file_is_yaml_that_only_its_owner_reads(tmp_path: Path) -> None:
    config = make_kubeconfig("http://127.0.0.1:80")
    path = write_kubeconfig(tmp_path / "config", config)
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text()) == config
    assert json.loads(write_kubeconfig(str(path), config).read_text()) == config
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    with pytest.raises(OSError, match="config"):
        write_kubeconfig(tmp_path / "config", make_kubeconfig("http://127.0.0.1:80"))
    assert list(tmp_path.iterdir()) == [tmp_path / "config"]
