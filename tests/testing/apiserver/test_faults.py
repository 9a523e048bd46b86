"""Rules: which requests they are for, and how often."""

from __future__ import annotations

import threading

import pytest

from kubeprims.errors import ConfigError, InvalidArgument
from kubeprims.testing.apiserver import faults
from kubeprims.testing.apiserver.faults import Fault, Faults, Match, RequestFacts
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel

LIST = RequestFacts("list", "v1/pods", "/api/v1/namespaces/prod/pods", "informer/1.0")
WATCH = LIST._replace(verb="watch")


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        (Match(), True),
        (Match(verb="list"), True),
        (Match(verb="watch"), False),
        (Match(resource="pods"), True),
        (Match(resource="v1/pods"), True),
        (Match(resource="ods"), False),
        (Match(path="/api/v1/namespaces/*/pods"), True),
        (Match(path="/api/v1/pods"), False),
        (Match(user_agent="informer/*"), True),
        (Match(user_agent="kubectl*"), False),
        (Match(verb="list", resource="deployments"), False),
    ],
)
def test_all_that_a_rule_names_must_match(match: Match, *, matches: bool) -> None:
    switches = Faults()
    fault = switches.add(faults.Drop(), match)
    assert (switches.take(LIST) is fault) == matches
    assert fault.hits == int(matches)


def test_a_rule_is_used_as_often_as_it_says_and_skips_before() -> None:
    switches = Faults()
    fault = switches.add(faults.Drop(), count=2, skip=1)
    assert [switches.take(LIST) for _ in range(5)] == [None, fault, fault, None, None]


def test_a_rule_without_a_count_goes_on_until_it_is_released() -> None:
    switches = Faults()
    fault = switches.add(faults.Drop(), count=None)
    assert [switches.take(LIST) for _ in range(3)] == [fault] * 3
    fault.release()
    assert switches.take(LIST) is None


def test_the_first_rule_that_matches_wins() -> None:
    switches = Faults()
    first = switches.add(faults.Drop(), Match(verb="list"))
    second = switches.add(faults.server_error())
    assert [switches.take(LIST), switches.take(LIST)] == [first, second]


def test_rules_for_watches_leave_lists_alone() -> None:
    switches = Faults()
    fault = switches.add(faults.EndWatch())
    assert [switches.take(LIST), switches.take(WATCH)] == [None, fault]


def test_clear_takes_all_rules_away_and_releases_what_they_hold() -> None:
    switches = Faults()
    fault = switches.add(faults.Stall())
    assert switches.take(LIST) is fault
    switches.clear()
    fault.wait_for_release(Cancel())
    assert switches.take(LIST) is None


def test_hits_can_be_waited_for() -> None:
    switches = Faults()
    fault = switches.add(faults.Drop(), count=None)
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(fault.wait_for_hits(2)))  # noqa: TID251 - joined below
    thread.start()
    switches.take(LIST)
    switches.take(LIST)
    thread.join(10)
    assert waited == [True]
    assert not fault.wait_for_hits(3, timeout_s=0)
    clock = VirtualClock()
    assert not fault.wait_for_hits(3, timeout_s=-1, clock=clock)


class OpenWatch:
    def __init__(self, facts: RequestFacts) -> None:
        self.facts = facts
        self.interrupted: list[Fault] = []

    def interrupt(self, fault: Fault) -> None:
        self.interrupted.append(fault)


def test_open_watches_are_interrupted_by_rule_and_later_ones_pass() -> None:
    switches = Faults()
    pods, nodes = OpenWatch(WATCH), OpenWatch(WATCH._replace(resource="v1/nodes"))
    with switches.noted(pods), switches.noted(nodes):
        assert switches.open_watches == 2
        fault = switches.interrupt_watches(faults.EndWatch(), Match(resource="pods"))
    assert (pods.interrupted, nodes.interrupted) == ([fault], [])
    assert fault.hits == 1
    assert switches.take(WATCH) is None
    assert switches.open_watches == 0


def test_only_what_is_for_watches_interrupts_them() -> None:
    with pytest.raises(InvalidArgument, match="Delay"):
        Faults().interrupt_watches(faults.Delay(delay_s=1))


def test_numbers_are_checked() -> None:
    with pytest.raises(ConfigError, match="after_bytes"):
        faults.Drop(after_bytes=-1)
    with pytest.raises(ConfigError, match="delay_s"):
        faults.Delay(delay_s=-1)
    with pytest.raises(ConfigError, match="code"):
        faults.Answer(code=100)


def test_a_rule_shows_what_it_does_and_did() -> None:
    assert repr(Faults().add(faults.EndWatch())) == "<Fault EndWatch(after_events=0) hits=0>"
