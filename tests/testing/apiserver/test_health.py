"""What the server says of its health."""

from __future__ import annotations

import pytest

from kubeprims.testing import APIServer
from kubeprims.testing.apiserver import health
from tests.testing.apiserver.raw import request


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/etcd", "/healthz/log"])
def test_it_is_well(path: str) -> None:
    assert health.answer(path, ()) == b"ok"


@pytest.mark.parametrize(
    "path", ["/", "/version", "/readyz/", "/readyz/nothing", "/livez/ping/more", "/livez/shutdown"]
)
def test_what_asks_for_no_health_is_none_of_its_business(path: str) -> None:
    assert health.answer(path, ()) is None


def test_verbose_lists_the_checks() -> None:
    expected = b"[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n"
    assert health.answer("/livez", [("verbose", "")]) == expected
    assert health.answer("/livez", [("verbose", "0")]) == expected
    assert health.answer("/livez/ping", [("verbose", "")]) == b"ok"


def test_checks_can_be_left_out() -> None:
    assert health.answer("/livez", [("exclude", "nothing")]) == b"ok"
    assert health.answer("/livez", [("verbose", ""), ("exclude", "etcd"), ("exclude", "nothing")]) == (
        b"[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n"
        b'warn: some health checks cannot be excluded: no matches for "nothing"\nlivez check passed\n'
    )


def test_any_method_asks_over_http() -> None:
    with APIServer() as server:
        for method in ("GET", "POST", "PUT"):
            response, body = request(server.port, method, "/readyz?verbose")
            assert (response.status, body.splitlines()[-1]) == (200, b"readyz check passed")
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
            assert response.headers["x-content-type-options"] == "nosniff"
        assert request(server.port, "GET", "/readyz/nothing")[0].status == 404
