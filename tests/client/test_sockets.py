"""The client against servers of raw sockets: what is cut, slow or never ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.client.resource import Resource
from kubeprims.errors import Cancelled, ConnectionLost, DeadlineExceeded, NotFound, UnexpectedContent, WatchIdle
from kubeprims.objects.codec import StdlibCodec, default_codec
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.transport import Transport
from tests.client.test_watch import added
from tests.transport.peer import WAIT_S, Peer, Script, Server, config, say, serve

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextmanager
def pods_of(*scripts: Script) -> Iterator[tuple[Resource, Server]]:
    with serve(*scripts) as server, Transport(config(server)) as transport, Client(transport) as client:
        yield client.resource("v1/pods"), server


def start_watch(data: bytes) -> Script:
    """Send the head of a watch and ``data``, then nothing until the client goes."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + data)
        peer.wait_for_end()

    return script


def in_thread(call: Callable[[], object]) -> ThreadGroup:
    threads = ThreadGroup("test")
    threads.spawn(lambda: _ignore(call()), name="call")
    return threads


def _ignore(_: object) -> None:
    """Take a result that nobody wants."""


def test_closing_a_watch_from_another_thread_ends_a_blocked_read() -> None:
    with pods_of(start_watch(chunk(added(1)))) as (pods, _):
        watch = pods.watch()
        changes = iter(watch)
        assert next(changes).object.name == "p1"
        threads = in_thread(watch.close)
        assert list(changes) == []
        threads.join(Deadline.after(WAIT_S))


def test_a_watch_is_answered_within_the_clients_time_out_however_long_it_may_last() -> None:
    def say_nothing(peer: Peer) -> None:
        peer.read_request()
        peer.wait_for_end()

    with serve(say_nothing) as server, Transport(config(server)) as transport:
        pods = Client(transport, timeout_s=0.05).resource("v1/pods")
        with pytest.raises(DeadlineExceeded, match="the deadline has passed"):
            pods.watch()


def test_a_watch_that_goes_silent_is_given_up_when_its_reader_says_after_the_events_before() -> None:
    with pods_of(start_watch(chunk(added(1)))) as (pods, _), ListWatch(pods).watch(WatchOptions()) as watch:
        batches = watch.batches()
        watch.expire_in(WAIT_S)
        assert len(next(batches)) == 1
        watch.expire_in(0.05)
        with pytest.raises(WatchIdle, match="went silent"):
            next(batches)


def test_a_watch_lasts_no_longer_than_it_was_opened_for_whatever_its_reader_says() -> None:
    with pods_of(start_watch(chunk(added(1)))) as (pods, _), pods.open_watch(WatchOptions(), timeout_s=1) as watch:
        batches = watch.batches()
        watch.expire_in(WAIT_S)
        next(batches)
        with pytest.raises(DeadlineExceeded) as caught:
            next(batches)
        assert not isinstance(caught.value, WatchIdle)


def test_a_cancel_ends_a_blocked_watch_and_says_so() -> None:
    with pods_of(start_watch(chunk(added(1)))) as (pods, _):
        cancel = Cancel()
        with ListWatch(pods).watch(WatchOptions(), cancel=cancel) as watch:
            batches = watch.batches()
            assert len(next(batches)) == 1
            threads = in_thread(cancel.set)
            with pytest.raises(Cancelled):
                next(batches)
            threads.join(Deadline.after(WAIT_S))


def test_closing_a_client_of_its_own_transport_ends_a_blocked_watch() -> None:
    with serve(start_watch(chunk(added(1)))) as server, Transport(config(server)) as transport:
        client = Client(transport)
        client._owns_transport = True
        changes = iter(client.resource("v1/pods").watch())
        next(changes)
        threads = in_thread(client.close)
        with pytest.raises(Cancelled):
            next(changes)
        threads.join(Deadline.after(WAIT_S))


def test_a_watch_that_is_cut_inside_an_event_is_a_lost_connection_after_the_events_before() -> None:
    for cut in range(1, len(added(2)) + 2):
        with pods_of(say(HEAD + chunk(added(1)) + chunk(added(2))[:-cut])) as (pods, _), pods.watch() as watch:
            changes = iter(watch)
            assert next(changes).object.name == "p1"
            with pytest.raises(ConnectionLost):
                list(changes)


def test_a_watch_that_ends_well_just_ends() -> None:
    body = HEAD + chunk(added(1)) + chunk(added(2)[:7]) + chunk(added(2)[7:]) + chunk(b"")
    with pods_of(say(body)) as (pods, _), pods.watch() as watch:
        assert [change.object.name for change in watch] == ["p1", "p2"]
        assert watch.resource_version == "2"


def test_a_server_that_trickles_a_list_is_cut_off_at_the_deadline() -> None:
    def trickle(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + chunk(b'{"items":['))
        peer.trickle(chunk(b" "))

    with pods_of(trickle) as (pods, _):
        with pytest.raises(DeadlineExceeded) as caught:
            pods.list(timeout_s=0.3)
        assert "/api/v1/namespaces/default/pods" in str(caught.value)


def test_a_server_that_never_answers_is_given_up_at_the_deadline() -> None:
    with pods_of(lambda peer: _ignore(peer.wait_for_end())) as (pods, _):
        with pytest.raises(DeadlineExceeded):
            pods.get("a", timeout_s=0.2)
        cancel = Cancel()
        threads = in_thread(cancel.set)
        with pytest.raises(Cancelled):
            pods.get("a", cancel=cancel)
        threads.join(Deadline.after(WAIT_S))


def test_items_of_a_list_come_out_while_it_comes_in() -> None:
    first_seen = Cancel()

    def script(peer: Peer) -> None:
        peer.read_request()
        some = b'{"metadata":{"name":"a","annotations":{"note":"%b"}}},' % (b"x" * 8192) * 64
        peer.send(HEAD + chunk(b'{"kind":"PodList","apiVersion":"v1","items":[' + some))
        assert first_seen.wait(WAIT_S)
        peer.send(chunk(b'{"metadata":{"name":"b"}}]}') + chunk(b""))

    for codec in (StdlibCodec(), default_codec()):
        first_seen = Cancel()
        with serve(script) as server, Transport(config(server)) as transport:
            pods = Client(transport, codec=codec).resource("v1/pods")
            with pods.open_list(ListOptions()) as items:
                assert next(items)[0] == "a"
                first_seen.set()
                assert [item[0] for item in items] == [*["a"] * 63, "b"]


def test_a_connection_is_used_again_after_a_list_and_after_a_failure() -> None:
    document = b'{"kind":"PodList","apiVersion":"v1","items":[]}'
    failure = b'{"kind":"Status","code":404,"reason":"NotFound"}'

    def script(peer: Peer) -> None:
        for _ in range(3):
            peer.read_request()
            peer.send(HEAD + chunk(document) + b"0\r\n\r\n")
            peer.read_request()
            peer.send(b"HTTP/1.1 404 NF\r\nContent-Length: %d\r\n\r\n%b" % (len(failure), failure))

    with pods_of(script) as (pods, server):
        for _ in range(3):
            assert len(pods.list()) == 0
            with pytest.raises(NotFound):
                pods.get("a")
        assert server.connections == 1


def test_a_sign_in_page_is_told_with_its_url_and_how_it_begins() -> None:
    page = b"<html><title>Sign in</title></html>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
    with pods_of(say(head + page)) as (pods, server), pytest.raises(UnexpectedContent) as caught:
        pods.get("a")
    assert f"http://127.0.0.1:{server.port}/api/v1/namespaces/default/pods/a" in str(caught.value)
    assert "Sign in" in str(caught.value)
