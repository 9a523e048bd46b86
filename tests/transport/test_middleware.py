"""What every request gets on its way out."""

from __future__ import annotations

import logging

import pytest

from kubeprims.errors import ConnectError
from kubeprims.testing.clock import VirtualClock
from kubeprims.transport.auth import FixedAuthorization
from kubeprims.transport.message import Headers, Request, Response, RoundTripper
from kubeprims.transport.middleware import Authenticate, Log, UserAgent, compose


class Innermost:
    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[Request] = []

    def round_trip(self, request: Request) -> Response:
        self.requests.append(request)
        if not self.statuses:
            raise ConnectError("refused", method=request.method)
        return Response(self.statuses.pop(0))


class Renewing:
    def __init__(self, *values: str) -> None:
        self.values = list(values)

    def value(self) -> str:
        return self.values[0]

    def renewed(self, rejected: str) -> str | None:
        self.values.remove(rejected)
        return self.values[0] if self.values else None


def test_the_first_middleware_is_outermost() -> None:
    order: list[str] = []

    class Noting:
        def __init__(self, inner: RoundTripper, name: str) -> None:
            self.inner, self.name = inner, name

        def round_trip(self, request: Request) -> Response:
            order.append(self.name)
            return self.inner.round_trip(request)

    chain = compose(Innermost(200), [lambda inner: Noting(inner, "a"), lambda inner: Noting(inner, "b")])
    chain.round_trip(Request("GET", "/"))
    assert order == ["a", "b"]


def test_a_user_agent_and_an_authorization_are_added_but_not_replaced() -> None:
    innermost = Innermost(200, 200)
    chain = UserAgent(Authenticate(innermost, FixedAuthorization("Bearer x")), "me")
    chain.round_trip(Request("GET", "/"))
    mine = Headers([("user-agent", "you"), ("authorization", "Bearer y")])
    chain.round_trip(Request("GET", "/", headers=mine))
    assert [dict(request.headers) for request in innermost.requests] == [
        {"User-Agent": "me", "Authorization": "Bearer x"},
        dict(mine),
    ]


def test_after_a_401_another_credential_is_tried_once() -> None:
    innermost = Innermost(401, 401)
    response = Authenticate(innermost, Renewing("one", "two", "three")).round_trip(Request("POST", "/"))
    assert response.status == 401
    assert [request.headers.get("authorization") for request in innermost.requests] == ["one", "two"]
    innermost = Innermost(401)
    assert Authenticate(innermost, Renewing("one")).round_trip(Request("GET", "/")).status == 401


def test_requests_are_logged_only_when_somebody_listens(caplog: pytest.LogCaptureFixture) -> None:
    log = Log(Innermost(200, 200), base_url="https://a", clock=VirtualClock())
    log.round_trip(Request("GET", "/"))
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, "kubeprims.transport"):
        log.round_trip(Request("GET", "/x", (("token", "s3cret"),)))
        with pytest.raises(ConnectError):
            log.round_trip(Request("GET", "/"))
    shown = [vars(record) for record in caplog.records]
    assert [(facts["url"], facts.get("status"), facts.get("error")) for facts in shown] == [
        ("https://a/x?token=<masked>", 200, None),
        ("https://a/", None, "GET: refused"),
    ]
