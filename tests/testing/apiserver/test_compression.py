"""Large answers, made small on their way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.compression import accepts_gzip, compressed
from tests.testing.apiserver.raw import connected, get, read_chunk, read_head, request

MAPS = "/api/v1/namespaces/default/configmaps"
GZIP = {"accept-encoding": "gzip"}


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as server:
        server.create("v1/configmaps", {"metadata": {"name": "big"}, "data": {"a": "x" * 200_000}}, namespace="default")
        server.create("v1/configmaps", {"metadata": {"name": "small"}}, namespace="default")
        yield server


@pytest.mark.parametrize(
    ("header", "takes"),
    [("gzip", True), ("deflate, gzip ,br", True), ("", False), ("gzip;q=0", False), ("identity", False), ("*", False)],
)
def test_a_client_says_whether_it_takes_gzip(header: str, takes: bool) -> None:  # noqa: FBT001 - the expected value
    assert accepts_gzip(header) is takes


@given(st.lists(st.binary(max_size=2_000)))
def test_what_is_compressed_comes_back(pieces: list[bytes]) -> None:
    packed = list(compressed(pieces))
    assert all(packed)
    assert gzip.decompress(b"".join(packed)) == b"".join(pieces)


@pytest.mark.parametrize("target", [MAPS, f"{MAPS}/big"])
def test_a_large_answer_is_compressed_for_those_who_take_it(server: APIServer, target: str) -> None:
    response, packed = request(server.port, "GET", target, headers=GZIP)
    assert (response.headers["content-encoding"], response.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert len(packed) < 10_000
    plain, body = request(server.port, "GET", target, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert json.loads(gzip.decompress(packed)) == json.loads(body)


def test_so_is_the_answer_to_a_write(server: APIServer) -> None:
    patch = GZIP | {"content-type": "application/merge-patch+json"}
    response, packed = request(server.port, "PATCH", f"{MAPS}/big", b'{"data":{"b":"1"}}', patch)
    assert response.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed))["data"]["b"] == "1"


def test_a_small_answer_is_sent_as_it_is(server: APIServer) -> None:
    response, body = request(server.port, "GET", f"{MAPS}/small", headers=GZIP)
    assert "content-encoding" not in response.headers
    assert json.loads(body)["metadata"]["name"] == "small"


def test_a_watch_is_never_compressed(server: APIServer) -> None:
    with connected(server.port) as sock:
        sock.sendall(get(f"{MAPS}?watch=1", "accept-encoding: gzip"))
        assert b"content-encoding" not in read_head(sock).lower()
        assert json.loads(read_chunk(sock))["type"] == "ADDED"
