"""What a plugin is told, and what its output is taken for: every misfit is one error that quotes no value."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.transport.credential import ClientCertificate, Credential
from kubeprims.transport.exec_output import V1, V1BETA1, ClusterInfo, exec_info, parse_output


def output(status: object, *, kind: object = "ExecCredential", version: object = V1) -> bytes:
    return json.dumps({"kind": kind, "apiVersion": version, "status": status}).encode()


def test_a_token_with_its_time_is_read() -> None:
    status = {"token": "abc", "expirationTimestamp": "2026-01-01T02:00:00.5+01:00"}
    expected = datetime.datetime(2026, 1, 1, 1, 0, 0, 500_000, tzinfo=datetime.timezone.utc)
    assert parse_output(output(status), api_version=V1) == Credential(token="abc", expires_at=expected)


def test_a_certificate_is_read_with_and_without_a_token() -> None:
    pair = {"clientCertificateData": "c", "clientKeyData": "k"}
    expected = ClientCertificate(b"c", b"k")
    assert parse_output(output(pair, version=V1BETA1), api_version=V1BETA1) == Credential(client_certificate=expected)
    both = parse_output(output({**pair, "token": "t", "expirationTimestamp": None}), api_version=V1)
    assert (both.token, both.client_certificate, both.expires_at) == ("t", expected, None)


@pytest.mark.parametrize(
    ("printed", "what"),
    [
        (b"", "printed nothing"),
        (b" \n", "printed nothing"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not a JSON object"),
        (output({"token": "a"}, kind="Status"), "kind 'Status', not ExecCredential"),
        (output({"token": "a"}, kind=7), "kind unknown"),
        (output({"token": "a"}, version=V1BETA1), f"answered in '{V1BETA1}'"),
        (output({"token": "a"}, version=None), "answered in unknown"),
        (output({"token": "a"}, version="v" * 5000), "answered in 'v{80}'$"),
        (output(None), "no status"),
        (output([]), "no status"),
        (output({}), "neither a token nor"),
        (output({"token": ""}), "neither a token nor"),
        (output({"token": 7}), "status.token is not a string"),
        (output({"token": "a b"}), "no header can carry"),
        (output({"token": "a\nb"}), "no header can carry"),
        (output({"clientKeyData": "k"}), "not the other"),
        (output({"clientCertificateData": "c", "token": "t"}), "not the other"),
        (output({"clientCertificateData": "ä", "clientKeyData": "k"}), "not PEM"),
        (output({"token": "t", "expirationTimestamp": "tomorrow"}), "not a time"),
        (output({"token": "t", "expirationTimestamp": "2026-13-01T00:00:00Z"}), "not a time"),
        (output({"token": "t", "expirationTimestamp": "0001-01-01T00:00:00+23:59"}), "not a time"),
        (output({"token": "t", "expirationTimestamp": 12}), "expirationTimestamp is not a string"),
    ],
)
def test_a_misfit_is_told(printed: bytes, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        parse_output(printed, api_version=V1)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
FIELDS = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
TEXTS = st.sampled_from(["", "a", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00"])


@given(st.binary(max_size=200))
def test_whatever_bytes_are_a_credential_or_the_one_error(printed: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_output(printed, api_version=V1)


@given(st.dictionaries(st.sampled_from(FIELDS), TEXTS | VALUES), st.integers(min_value=0))
def test_whatever_status_is_a_credential_or_the_one_error(status: JSONObject, cut: int) -> None:
    printed = output(status)
    for part in (printed, printed[: cut % len(printed)]):
        try:
            credential = parse_output(part, api_version=V1)
        except DecodeError as error:
            told = str(error)
        else:
            told = ""
            assert credential.token or credential.client_certificate
        assert len(told) < 300


@given(VALUES)
def test_whatever_a_cluster_says_for_plugins_reaches_them(config: JSONValue) -> None:
    try:
        text = exec_info(api_version=V1, interactive=False, cluster=ClusterInfo(server="https://a", config=config))
    except InvalidArgument:
        return  # half of a surrogate pair
    assert json.loads(text)["spec"]["cluster"].get("config") == config


def test_what_is_told_of_a_cluster_is_what_is_set() -> None:
    assert json.loads(exec_info(api_version=V1, interactive=True, cluster=None)) == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {"interactive": True},
    }
    assert ClusterInfo(server="https://a").as_object() == {"server": "https://a"}
    whole = ClusterInfo(
        server="https://a",
        tls_server_name="b",
        insecure=True,
        ca_data=b"pem",
        proxy_url="http://p",
        disable_compression=True,
        config={"audience": "x"},
    )
    assert whole.as_object() == {
        "server": "https://a",
        "tls-server-name": "b",
        "insecure-skip-tls-verify": True,
        "certificate-authority-data": "cGVt",
        "proxy-url": "http://p",
        "disable-compression": True,
        "config": {"audience": "x"},
    }
