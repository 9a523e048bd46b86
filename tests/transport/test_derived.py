"""Transports derived from one another: what they share, what each has, and who closes what."""

from __future__ import annotations

import pytest

from kubeprims.errors import ConfigError, DeadlineExceeded, LifecycleError
from kubeprims.testing import APIServer
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Response
from kubeprims.transport.rate_limit import RateLimit
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.transport.peer import OK, Peer, answer, config, get, serve


def test_a_derived_transport_connects_by_itself_and_adds_to_the_user_agent() -> None:
    agents: list[str] = []

    def note(peer: Peer) -> None:
        agents.append(peer.read_request()[1]["user-agent"])
        peer.send(OK)
        peer.wait_for_end()

    with (
        serve(note) as server,
        Transport(config(server, user_agent="me/1")) as transport,
        transport.with_options(user_agent_suffix="leader-election") as derived,
    ):
        assert server.connections == 0
        assert read(transport.round_trip(get())) == read(derived.round_trip(get())) == b"ok"
        assert server.connections == 2
    assert agents == ["me/1", "me/1/leader-election"]


def read(response: Response) -> bytes:
    with response:
        return response.read()


def test_either_may_be_closed_first_where_each_has_connections_of_its_own() -> None:
    with serve(answer(OK)) as server:
        transport = Transport(config(server))
        derived, other = transport.with_options(), transport.with_options()
        read(derived.round_trip(get()))
        derived.close()
        with pytest.raises(LifecycleError, match="the transport is closed"):
            derived.round_trip(get())
        assert read(transport.round_trip(get())) == b"ok"
        transport.close()
        assert read(other.round_trip(get())) == b"ok"
        other.close()
        with pytest.raises(LifecycleError, match="the transport is closed"):
            transport.with_options()


def test_one_that_shares_connections_leaves_them_to_their_owner() -> None:
    with serve(answer(OK)) as server, Transport(config(server)) as transport:
        sharing = transport.with_options(own_pool=False)
        read(sharing.round_trip(get()))
        sharing.close()
        with pytest.raises(LifecycleError):
            sharing.round_trip(get())
        assert read(transport.round_trip(get())) == b"ok"
        assert server.connections == 1
        with transport.with_options(own_pool=False) as again:
            transport.close()
            assert read(again.round_trip(get())) == b"ok"
        assert server.connections == 1


def test_a_rate_limit_is_shared_unless_a_derived_one_has_its_own() -> None:
    with serve(answer(OK)) as server:
        limited = config(server, rate_limit=RateLimit(qps=0.01, burst=1))
        with Transport(limited) as transport, transport.with_options() as sharing:
            with transport.with_options(rate_limit=RateLimit(qps=-1.0)) as free:
                assert [read(free.round_trip(get())) for _ in range(3)] == [b"ok"] * 3
            read(transport.round_trip(get()))
            with pytest.raises(DeadlineExceeded, match="rate limit"):
                sharing.round_trip(get(timeout_s=1.0))


def test_deriving_loads_nothing_again() -> None:
    with APIServer(tls=True) as server:
        assert server.ca_pem is not None
        secure = TransportConfig(server=server.url, tls=TLSOptions(ca_data=server.ca_pem))
        with Transport(secure) as transport, transport.with_options() as derived:
            assert derived._server is transport._server
            assert derived.round_trip(get("/version")).status == 200


def test_a_suffix_that_no_header_can_carry_is_refused() -> None:
    with Transport(TransportConfig(server="http://127.0.0.1:1")) as transport, pytest.raises(ConfigError):
        transport.with_options(user_agent_suffix="a\nb")
