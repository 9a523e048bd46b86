"""Probes and metrics over real sockets, as a kubelet, a Prometheus and a stranger ask for them."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client
import pytest

from kubeprims.controller.probes import Probes
from kubeprims.errors import ConfigError, InvalidArgument
from kubeprims.metrics import MetricFamily, MetricKind, PrometheusMetrics
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.small_server import CONNECTIONS_MAX, Answer, Asked, SmallServer
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 20.0


@contextmanager
def serving(probes: Probes) -> Iterator[Probes]:
    stop, group = Cancel(), ThreadGroup("test")
    group.spawn(lambda: probes.run(stop), name="probes")
    try:
        yield probes
    finally:
        stop.set()
        assert group.join(Deadline.after(TIMEOUT_S)) == ()


@pytest.fixture
def probes() -> Iterator[Probes]:
    with serving(Probes("127.0.0.1", 0)) as running:
        yield running


def get(probes: Probes, path: str, *, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", probes.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@case("CM-34")
def test_a_process_without_checks_is_well(probes: Probes) -> None:
    assert get(probes, "/healthz") == (200, "ok")
    assert get(probes, "/readyz/") == (200, "ok")
    assert get(probes, "/healthz/ping") == (200, "ok")
    assert get(probes, "/healthz?verbose") == (200, "[+]ping ok\nhealthz check passed\n")


@case("CM-34", "CM-35")
def test_one_check_that_fails_fails_all_and_its_reason_is_logged_and_not_shown(
    probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str | None:
        raise ValueError("the secret reason")

    probes.readiness.add("cache", lambda: None)
    take_away = probes.readiness.add("leader", lambda: "somebody else leads")
    probes.readiness.add("broken", broken)
    with caplog.at_level(logging.WARNING):
        status, text = get(probes, "/readyz")
    assert status == 500
    assert text == (
        "[+]cache ok\n[-]leader failed: reason withheld\n[-]broken failed: reason withheld\nreadyz check failed\n"
    )
    assert "readyz check leader failed: somebody else leads" in caplog.text
    assert "ValueError: the secret reason" in caplog.text
    assert get(probes, "/readyz/leader") == (500, "internal server error: leader: reason withheld\n")
    assert get(probes, "/readyz?exclude=leader&exclude=broken") == (200, "ok")
    assert get(probes, "/readyz?exclude=leader&exclude=broken&exclude=none&verbose")[1] == (
        "[+]cache ok\n[+]leader excluded: ok\n[+]broken excluded: ok\n"
        "warn: some health checks cannot be excluded: no matches for none\nreadyz check passed\n"
    )
    assert get(probes, "/healthz") == (200, "ok"), "another matter"
    take_away()
    take_away()
    assert get(probes, "/readyz/leader")[0] == 404


def test_checks_are_checked(probes: Probes) -> None:
    probes.health.add("a", lambda: None)
    for name, check, rule in (
        ("a", lambda: None, "there is a check a already"),
        ("", lambda: None, "must not be empty"),
        ("b", 7, "must be callable"),
    ):
        with pytest.raises(InvalidArgument, match=rule):
            probes.health.add(name, check)  # type: ignore[arg-type]


def test_what_is_not_there_is_not_found_and_nothing_but_reading_is_allowed(probes: Probes) -> None:
    assert get(probes, "/")[0] == 404
    assert get(probes, "/healthzz")[0] == 404
    assert get(probes, "/healthz/none")[0] == 404
    assert get(probes, "/healthz", method="POST")[0] == 405
    assert get(probes, "/healthz", method="HEAD") == (200, "")


def test_without_figures_it_says_what_is_missing(probes: Probes) -> None:
    status, text = get(probes, "/metrics")
    assert status == 501
    assert 'the extra "metrics"' in text


def test_figures_are_given_to_who_asks() -> None:
    metrics = PrometheusMetrics(prometheus_client.CollectorRegistry())
    family = MetricFamily(name="things_total", kind=MetricKind.COUNTER, description="Things.", labels=("kind",))
    metrics.counter(family, ["good"]).inc(3)
    with serving(Probes("127.0.0.1", 0, metrics=metrics)) as probes:
        status, text = get(probes, "/metrics")
    assert status == 200
    assert 'things_total{kind="good"} 3.0' in text
    metrics.close()


def test_what_is_no_request_is_refused(probes: Probes) -> None:
    for sent, status in ((b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000, b"431")):
        with socket.create_connection(("127.0.0.1", probes.port), timeout=TIMEOUT_S) as sock:
            sock.sendall(sent)
            assert sock.recv(1000).split()[1] == status
    assert get(probes, "/healthz") == (200, "ok")


def test_those_who_say_nothing_keep_nobody_out_for_long_and_are_cut_at_the_end() -> None:
    silent: list[socket.socket] = []
    with serving(Probes("127.0.0.1", 0)) as probes:
        address = ("127.0.0.1", probes.port)
        silent.extend(socket.create_connection(address, timeout=TIMEOUT_S) for _ in range(CONNECTIONS_MAX))
        eventually(lambda: _is_refused(probes), TIMEOUT_S, "one too many is closed")
        silent.pop().close()
        eventually(lambda: not _is_refused(probes), TIMEOUT_S, "a place is free again")
    for sock in silent:
        assert sock.recv(1) == b""
        sock.close()


def _is_refused(probes: Probes) -> bool:
    try:
        return get(probes, "/healthz") != (200, "ok")
    except (http.client.HTTPException, ConnectionError):
        return True


def test_an_address_that_is_taken_is_refused() -> None:
    probes = Probes("127.0.0.1", 0)
    try:
        with pytest.raises(ConfigError, match="cannot listen there"):
            Probes("127.0.0.1", probes.port)
    finally:
        probes.close()


def test_an_answer_that_cannot_be_sent_costs_no_place() -> None:
    """A server that lost a place with each would be deaf in the end, and a kubelet would end the process."""
    bad = [True]

    def answer(_: Asked) -> Answer:
        return Answer(200, b"x", "text/plain\r\nx: y" if bad[0] else "text/plain")

    server = SmallServer("127.0.0.1", 0, answer, name="test")
    stop, group = Cancel(), ThreadGroup("test")
    group.spawn(lambda: server.run(stop), name="server")
    for _ in range(CONNECTIONS_MAX + 1):
        with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert sock.recv(1000) == b""
    bad[0] = False
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    stop.set()
    with pytest.raises(InvalidArgument):
        group.join(Deadline.after(TIMEOUT_S))
