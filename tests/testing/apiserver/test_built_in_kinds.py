"""The embedded server against the answers that a real one gave to the same objects."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from tests.testing.apiserver.given_objects import GIVEN
from tests.testing.apiserver.invalid_objects import REFUSED
from tests.testing.apiserver.recorded_kinds import Request, given_outcome, recorded, refused_outcome

_TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def request_embedded() -> Iterator[Request]:
    with APIServer() as server:

        def ask(method: str, path: str, body: JSONObject | None) -> tuple[int, JSONObject]:
            # One connection each: what lives longer than a test would be a leak of the first one.
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT_S)
            try:
                headers = {"Content-Type": "application/json"} if body is not None else {}
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                response = connection.getresponse()
                answer: JSONObject = json.loads(response.read())
                return response.status, answer
            finally:
                connection.close()

        yield ask


def test_every_case_was_recorded() -> None:
    assert {*recorded()["given"]} == {*GIVEN}
    assert {*recorded()["refused"]} == {*REFUSED}


@pytest.mark.parametrize("case", GIVEN)
def test_an_object_is_completed_as_a_real_server_completes_it(request_embedded: Request, case: str) -> None:
    assert given_outcome(request_embedded, case) == recorded()["given"][case]


@pytest.mark.parametrize("case", REFUSED)
def test_an_object_is_refused_in_a_real_servers_words(request_embedded: Request, case: str) -> None:
    assert refused_outcome(request_embedded, case) == recorded()["refused"][case]
