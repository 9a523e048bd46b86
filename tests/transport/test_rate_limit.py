"""The token bucket."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import ConfigError, DeadlineExceeded
from kubeprims.testing.apiserver.server import APIServer
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Request, Response
from kubeprims.transport.pause import Pause
from kubeprims.transport.rate_limit import Limit, RateLimit, RateLimiter, TokenBucket
from kubeprims.transport.retry import Retry
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport.test_retry import Impatient, Server, refused

PATIENCE_S = 1e9


def limited(limiter: RateLimiter, clock: VirtualClock) -> tuple[Limit, Server]:
    server = Server(Response(200))
    return Limit(server, limiter, pause=Pause(clock=clock, closing=Cancel())), server


@case("IM-183")
def test_a_burst_goes_at_once_and_the_rest_one_after_the_other() -> None:
    bucket = TokenBucket(RateLimit(qps=5, burst=10), clock=VirtualClock())
    delays_s = [bucket.reserve(PATIENCE_S) for _ in range(20)]
    assert delays_s[:10] == [0.0] * 10
    assert delays_s[10:] == pytest.approx([0.2 * place for place in range(1, 11)])


@case("IM-183")
def test_requests_wait_and_watches_do_not() -> None:
    clock = Impatient()
    limit, server = limited(TokenBucket(RateLimit(qps=5, burst=10), clock=clock), clock)
    for _ in range(20):
        limit.round_trip(Request("GET", "/"))
    for _ in range(5):
        limit.round_trip(Request("GET", "/", is_watch=True))
    assert clock.waits_s == pytest.approx([0.2] * 10)
    assert len(server.requests) == 25


@case("IM-183")
def test_a_negative_rate_is_none() -> None:
    bucket = TokenBucket(RateLimit(qps=-1), clock=VirtualClock())
    assert {bucket.reserve(0.0) for _ in range(1000)} == {0.0}


def test_a_quiet_time_brings_back_no_more_than_a_burst() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(RateLimit(qps=5, burst=2), clock=clock)
    assert [bucket.reserve(PATIENCE_S) for _ in range(2)] == [0.0, 0.0]
    clock.advance(3600)
    assert [bucket.reserve(0.0) for _ in range(3)] == [0.0, 0.0, None]


def test_a_place_that_is_not_taken_delays_nobody() -> None:
    bucket = TokenBucket(RateLimit(qps=1, burst=1), clock=VirtualClock())
    assert bucket.reserve(PATIENCE_S) == 0.0
    assert bucket.reserve(0.5) is None
    assert bucket.reserve(PATIENCE_S) == 1.0


def test_a_request_whose_place_comes_after_its_deadline_fails_at_once() -> None:
    clock = Impatient()
    limit, server = limited(TokenBucket(RateLimit(qps=0.1, burst=1), clock=clock), clock)
    limit.round_trip(Request("GET", "/"))
    with pytest.raises(DeadlineExceeded, match="rate limit"):
        limit.round_trip(Request("GET", "/", deadline=Deadline.after(5.0, clock=clock)))
    assert clock.waits_s == []
    assert len(server.requests) == 1


def test_a_retry_waits_for_a_place_of_its_own() -> None:
    clock = Impatient()
    server, pause = Server(refused("1"), Response(200)), Pause(clock=clock, closing=Cancel())
    retry = Retry(Limit(server, TokenBucket(RateLimit(qps=0.1, burst=1), clock=clock), pause=pause), pause=pause)
    assert retry.round_trip(Request("GET", "/")).status == 200
    assert clock.waits_s == pytest.approx([1.0, 9.0])


def test_long_waits_are_logged_loudly(caplog: pytest.LogCaptureFixture) -> None:
    clock = Impatient()
    limit, _ = limited(TokenBucket(RateLimit(qps=0.5, burst=1), clock=clock), clock)
    with caplog.at_level(logging.INFO, "kubeprims.transport"):
        for _ in range(2):
            limit.round_trip(Request("GET", "/"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(("qps", "burst"), [(0, 1), (math.nan, 1), (5, 0), (5, -1)])
def test_limits_that_make_no_sense_are_refused(qps: float, burst: int) -> None:
    with pytest.raises(ConfigError):
        RateLimit(qps=qps, burst=burst)


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20)), max_size=60),
)
def test_no_window_gets_more_than_its_share(qps: float, burst: int, calls: list[tuple[float, float]]) -> None:
    clock = VirtualClock()
    bucket = TokenBucket(RateLimit(qps=qps, burst=burst), clock=clock)
    begun_s = clock.monotonic()
    places_s: list[float] = []
    for pause_s, patience_s in calls:
        clock.advance(pause_s)
        delay_s = bucket.reserve(patience_s)
        if delay_s is not None:
            assert 0 <= delay_s <= patience_s
            places_s.append(clock.monotonic() - begun_s + delay_s)
    assert places_s == sorted(places_s)
    for count, at_s in enumerate(places_s, start=1):
        assert count <= burst + qps * at_s + 1e-6


def test_a_transport_keeps_its_limit_and_may_share_one() -> None:
    clock = Impatient()
    bucket = TokenBucket(RateLimit(qps=1, burst=1), clock=clock)
    with APIServer() as server:
        shared = TransportConfig(server=server.url, rate_limiter=bucket)
        own = TransportConfig(server=server.url, rate_limit=RateLimit(qps=1, burst=1))
        free = TransportConfig(server=server.url, rate_limit=RateLimit(qps=-1))
        for config in (shared, shared, own, free):
            # An idle connection would have its own wait on this clock.
            with Transport(replace(config, idle_connections_max=0), clock=clock) as transport:
                transport.round_trip(Request("GET", "/version")).drain()
        assert clock.waits_s == pytest.approx([1.0])
