"""The log of requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.testing import APIServer, User
from kubeprims.testing.apiserver.access_log import REQUESTS_MAX, AccessLog, LoggedRequest, Transfer
from tests.testing.apiserver.raw import connected, get, read_chunk, read_head, request
from tests.waiting import eventually

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer(tokens={"jane-token": User("jane")}) as server:
        yield server


def test_a_request_is_logged_with_its_size_and_its_time(server: APIServer) -> None:
    body = b'{"metadata":{"name":"one"}}'
    headers = {"authorization": "Bearer jane-token", "impersonate-user": "bob"}
    response, answer = request(server.port, "POST", MAPS, body, headers)
    assert response.status == 201
    logged = server.requests[0]
    assert (logged.verb, logged.path, logged.status) == ("create", MAPS, 201)
    assert (logged.user, logged.impersonated_user, logged.request_bytes) == ("jane", "bob", len(body))
    assert eventually(lambda: logged.duration_s, 10, "the end of the answer") < 10
    assert len(answer) < logged.response_bytes < len(answer) + 500


def test_a_watch_is_logged_when_it_begins_and_grows(server: APIServer) -> None:
    with connected(server.port) as sock:
        sock.sendall(get(f"{MAPS}?watch=1", "authorization: Bearer jane-token"))
        read_head(sock)
        logged = server.requests[0]
        begun_bytes = logged.response_bytes
        assert logged.duration_s is None
        server.create("v1/configmaps", {"metadata": {"name": "one"}}, namespace="default")
        read_chunk(sock)
        eventually(lambda: logged.response_bytes > begun_bytes, 10, "the event counted")
    eventually(lambda: logged.duration_s is not None, 10, "the end of the watch")


def test_nothing_secret_is_kept(server: APIServer) -> None:
    request(server.port, "GET", "/version", headers={"authorization": "Bearer jane-token"})
    assert "jane-token" not in repr(tuple(server.requests))


def test_the_oldest_requests_are_forgotten() -> None:
    log = AccessLog()
    for number in range(REQUESTS_MAX + 1):
        log.add(LoggedRequest("GET", str(number), "", "get", "", 200, "", 0.0, "", 0, Transfer()))
    assert len(log) == REQUESTS_MAX
    assert log[0].path == "1"
    log.clear()
    assert list(log) == []
