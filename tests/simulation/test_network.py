"""The way to the model of a server: what arrives, when, and how it breaks off."""

from __future__ import annotations

import pytest

from kubeprims.client.options import REQUEST_TIMEOUT_S, ListOptions, WatchOptions
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    Invalid,
    KubeprimsError,
    ResourceExpired,
    ServerTimeout,
    TooManyRequests,
    WatchIdle,
)
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY
from kubeprims.testing.simulator.faults import REQUEST_FAULTS, Fault, FaultKind
from kubeprims.testing.simulator.network import Network
from kubeprims.testing.simulator.server import STRIDE, ModelServer
from kubeprims.testing.simulator.wire import Traits, WatchListSupport
from kubeprims.testing.simulator.world import START_S, World
from kubeprims.threads import Cancel

NEVER = Cancel()


def network_with(count: int, traits: Traits | None = None) -> Network:
    network = Network(World(), ModelServer(), traits or Traits())
    for number in range(count):
        network.wire.server.put(f"ns/{number}", group="red")
    return network


def change_in(network: Network, delay_s: float, key: str = "ns/new") -> None:
    def change() -> None:
        network.wire.server.put(key, group="red")
        network.changed()

    network.wire.world.after(delay_s, change)


def listed(network: Network, options: ListOptions | None = None) -> list[object]:
    with network.list(options or ListOptions(), cancel=NEVER) as page:
        return [item if isinstance(item, MalformedObject) else item[KEY] for item in page]


def read(network: Network, version: int | None, **options: object) -> tuple[list[WatchEvent], KubeprimsError | None]:
    """Return what a watch brings, and what it ends with."""
    got: list[WatchEvent] = []
    try:
        asked = WatchOptions(resource_version=version and str(version), **options)  # type: ignore[arg-type]
        with network.watch(asked, cancel=NEVER) as watch:
            for batch in watch.batches():
                got.extend(batch)
    except KubeprimsError as error:
        return got, error
    return got, None


def shown(events: list[WatchEvent]) -> list[str]:
    return [f"{event.type} {event.resource_version}" for event in events if event.type is not WatchEventType.BOOKMARK]


def test_an_answer_is_of_the_moment_at_which_the_server_was_asked() -> None:
    network = network_with(2, Traits(latency_s=1.0))
    change_in(network, 0.5, "ns/before")
    change_in(network, 1.5, "ns/after")
    assert listed(network) == ["ns/0", "ns/1", "ns/before"]


def test_a_watch_brings_what_happens_in_order_until_its_time_is_over() -> None:
    network = network_with(3)
    change_in(network, 1.0)
    change_in(network, 1.0)
    change_in(network, 2.0)
    events, error = read(network, 3 * STRIDE, timeout_s=30.0)
    assert error is None
    assert shown(events) == ["ADDED 4000", "ADDED 5000", "MODIFIED 6000", "MODIFIED 7000"]


def test_a_quiet_watch_hears_of_the_version_once_a_minute() -> None:
    for sends_bookmarks in (True, False):
        network = network_with(1, Traits(sends_bookmarks=sends_bookmarks))
        events, _ = read(network, 2 * STRIDE, timeout_s=130.0)
        assert [event.resource_version for event in events] == ["2000"] * 2 * sends_bookmarks


def test_a_watch_from_a_version_of_the_future_is_silent() -> None:
    network = network_with(1)
    change_in(network, 1.0)
    assert read(network, 50 * STRIDE, timeout_s=200.0) == ([], None)


@pytest.mark.parametrize("in_stream", [True, False])
def test_a_version_that_is_too_old_is_refused_in_one_of_two_ways(*, in_stream: bool) -> None:
    network = network_with(2, Traits(says_expired_in_stream=in_stream))
    network.wire.server.compact()
    events, error = read(network, STRIDE)
    assert [event.type for event in events] == ["ERROR"] * in_stream
    assert isinstance(error, ResourceExpired) == (not in_stream)


def test_a_watch_without_a_version_begins_with_what_there_is() -> None:
    network = network_with(2)
    change_in(network, 1.0)
    events, _ = read(network, None, timeout_s=10.0)
    assert shown(events) == ["ADDED 2000", "ADDED 3000", "ADDED 4000"]


def test_a_watch_list_ends_what_there_is_by_a_marked_bookmark_or_not() -> None:
    network = network_with(2)
    events, _ = read(network, None, timeout_s=10.0, send_initial_events=True)
    assert [event.initial_events_end for event in events] == [False, False, False, True]
    assert [event.type.value for event in events] == ["ADDED", "BOOKMARK", "ADDED", "BOOKMARK"]
    network = network_with(2, Traits(watch_list=WatchListSupport.UNMARKED))
    events, _ = read(network, None, timeout_s=10.0, send_initial_events=True)
    assert not any(event.initial_events_end for event in events)
    network = network_with(2, Traits(watch_list=WatchListSupport.REFUSED))
    assert isinstance(read(network, None, send_initial_events=True)[1], Invalid)
    assert isinstance(read(network_with(2), 50 * STRIDE, send_initial_events=True)[1], ServerTimeout)


@pytest.mark.parametrize("kind", REQUEST_FAULTS)
@pytest.mark.parametrize("verb", ["list", "watch"])
def test_each_fault_befalls_the_next_request_and_no_other(kind: FaultKind, verb: str) -> None:
    network = network_with(3)
    network.strike(Fault(kind=kind, after=1, delay_s=2.0))
    for struck in (True, False):
        error: KubeprimsError | None = None
        try:
            if verb == "list":
                listed(network, ListOptions(resource_version="0"))
            else:
                error = read(network, STRIDE, timeout_s=5.0)[1]
        except KubeprimsError as failure:
            error = failure
        harmless = kind in {FaultKind.SLOW, FaultKind.BEHIND, FaultKind.REPEATED}
        assert (error is not None) == (struck and not harmless), error
    assert network.wire.struck == {kind.value: 1}
    assert not network.pending


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    network = network_with(1)
    network.strike(Fault(kind=FaultKind.SLOW, delay_s=2 * REQUEST_TIMEOUT_S))
    with pytest.raises(DeadlineExceeded):
        listed(network)
    assert network.wire.world.monotonic() == START_S + REQUEST_TIMEOUT_S


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.CUT, ConnectionLost),
        (FaultKind.ENDED, type(None)),
        (FaultKind.UNDECODABLE, DecodeError),
        (FaultKind.ERROR_TOO_MANY, type(None)),
        (FaultKind.SILENT, DeadlineExceeded),
    ],
)
def test_a_watch_breaks_off_in_the_middle_of_a_batch(kind: FaultKind, expected: type[object]) -> None:
    network = network_with(4)
    network.strike(Fault(kind=kind, after=2))
    events, error = read(network, STRIDE, timeout_s=10.0)
    assert isinstance(error, expected)
    assert [event.type for event in events][:2] == ["ADDED", "ADDED"][: 0 if kind is FaultKind.SILENT else 2]
    assert [event.type for event in events[2:]] == ["ERROR"] * (kind is FaultKind.ERROR_TOO_MANY)


def test_what_stalls_arrives_later_and_whole() -> None:
    network = network_with(1)
    network.strike(Fault(kind=FaultKind.STALLED, delay_s=20.0))
    change_in(network, 1.0)
    with network.watch(WatchOptions(resource_version=str(STRIDE)), cancel=NEVER) as watch:
        batch = next(iter(watch.batches()))
    assert shown(list(batch)) == ["ADDED 2000", "ADDED 3000"]
    assert network.wire.world.monotonic() >= START_S + 20.0


def test_a_connection_repeats_only_what_it_has_sent() -> None:
    network = network_with(4)
    network.wire.world.after(1.0, lambda: network.strike(Fault(kind=FaultKind.REWOUND, after=9)))
    events, _ = read(network, 3 * STRIDE, timeout_s=5.0)
    assert shown(events) == ["ADDED 4000", "ADDED 5000"] * 2


def test_one_object_arrives_damaged_and_the_next_ones_well() -> None:
    network = network_with(3)
    network.strike(Fault(kind=FaultKind.MANGLED, after=1))
    events, _ = read(network, STRIDE, timeout_s=5.0)
    assert [event.malformed is not None for event in events] == [False, True, False]
    network.wire.server.put("ns/0", group="red", is_readable=False)
    assert [isinstance(item, MalformedObject) for item in listed(network)] == [True, False, False]


def test_who_reads_decides_for_how_long_a_watch_may_be_silent() -> None:
    network = network_with(1, Traits(sends_bookmarks=False))
    with network.watch(WatchOptions(resource_version="2000"), cancel=NEVER) as watch:
        watch.expire_in(90.0)
        with pytest.raises(WatchIdle):
            next(iter(watch.batches()))
    assert network.wire.world.monotonic() == pytest.approx(START_S + 90.02)


def test_a_restart_cuts_refuses_and_then_asks_for_patience() -> None:
    network = network_with(1)
    network.wire.world.after(1.0, lambda: network.go_down(5.0, 5.0))
    assert isinstance(read(network, 2 * STRIDE)[1], ConnectionLost)
    with pytest.raises(ConnectError):
        listed(network)
    network.wire.world.step(START_S + 7.0)
    with pytest.raises(TooManyRequests):
        listed(network)
    network.wire.world.step(START_S + 12.0)
    assert listed(network) == ["ns/0"]


def test_whoever_is_cancelled_while_waiting_for_an_answer_hears_at_once() -> None:
    for wait in (lambda network, cancel: network.list(ListOptions(), cancel=cancel), _first_batch):
        network, cancel = network_with(0, Traits(latency_s=5.0)), Cancel()
        network.wire.world.after(1.0, cancel.set)
        with pytest.raises(Cancelled):
            wait(network, cancel)
        assert network.wire.world.monotonic() == START_S + 1.0


def _first_batch(network: Network, cancel: Cancel) -> object:
    with network.watch(WatchOptions(resource_version="1000"), cancel=cancel) as watch:
        return next(iter(watch.batches()))


def test_a_reflector_has_to_go_on_from_what_it_has_read() -> None:
    network = network_with(2)
    listed(network, ListOptions(limit=1))  # a page, not the list
    read(network, 2 * STRIDE, timeout_s=1.0)
    assert network.wire.wrong == ["a watch from '2000', and what was read last is ''"]
    listed(network)
    read(network, 3 * STRIDE, timeout_s=1.0)
    change_in(network, 0.0)
    read(network, 3 * STRIDE, timeout_s=1.0)
    read(network, 4 * STRIDE, timeout_s=1.0)
    assert len(network.wire.wrong) == 1
