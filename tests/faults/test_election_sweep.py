"""One election over real sockets, and its first request fails, then its second, ... until none is left to fail."""

from __future__ import annotations

import itertools

import pytest

from kubeprims.client.client import Client
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.locks import LeaseLock
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Action, Answer, Drop, FaultPoint, Match, Stall, garbage
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.leaderelection.electing import TIMEOUT_S, Heard, asked, running
from tests.leaderelection.locking import LEASES
from tests.waiting import eventually

CONFIG = ElectionConfig(lease_duration_s=1.0, renew_deadline_s=0.8, retry_period_s=0.1, rejoin=True)
RENEWALS = 2
REQUESTS_MIN = 2 + RENEWALS + 2
"""A look, the write that wins, renewals, a look and the write that releases."""

FAULTS: dict[str, Action] = {
    "refused": Drop(),
    "reset when it is done": Drop(point=FaultPoint.BEFORE_HEAD),
    "stalled when it is done": Stall(point=FaultPoint.BEFORE_HEAD),
    "500": Answer(code=500),
    "409": Answer(code=409, reason="Conflict"),
    "404": Answer(code=404),
    "403": Answer(code=403),
    "garbage": garbage(),
}


def play(action: Action, skip: int) -> int:
    """Have one candidate win, renew and release, with a fault somewhere; return whether it struck."""
    heard = Heard()
    with (
        APIServer() as server,
        Transport(TransportConfig(server=server.url)) as transport,
        Client(transport) as client,
    ):
        fault = server.faults.add(action, Match(resource=LEASES), skip=skip)
        lock = LeaseLock(client, namespace="default", name="swept", identity="me")
        elector = LeaderElector(
            lock, config=CONFIG, on_started_leading=heard.started, on_stopped_leading=heard.stopped
        )  # fmt: skip
        with running(elector) as (outcome,):
            enough = 2 + RENEWALS + (skip < REQUESTS_MIN)
            eventually(lambda: elector.is_leading() and len(asked(server)) >= enough, TIMEOUT_S, "a leader that renews")
            elector.stop()
            result = outcome.wait().result
        fault.release()
        assert result is not None
        assert result.has_led
        assert result.is_drained
        spec = server.list(LEASES)[0]["spec"]
        # Not the other way round: the answer to a release that was carried out may be the one that does not come.
        assert not result.is_released or spec["holderIdentity"] == ""  # type: ignore[index, call-overload]
        tokens = [int(term.token) for term in heard.terms]
        assert tokens == sorted(set(tokens))
        assert not any(term.is_leading() for term in heard.terms)
        assert heard.log.count("stopped") == len(tokens)
        return fault.hits


@pytest.mark.timeout(240)
@pytest.mark.parametrize("action", FAULTS.values(), ids=FAULTS)
def test_one_failed_request_is_got_over_wherever_it_comes(action: Action) -> None:
    struck = next(skip for skip in itertools.count() if not play(action, skip))
    assert struck >= REQUESTS_MIN
