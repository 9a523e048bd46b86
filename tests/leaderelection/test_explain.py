"""What the command line says of times and locks, and what the pages say of figures."""

from __future__ import annotations

import pathlib
import re

from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.explain import explain_lock, failover_s, margin_s, rate_ratio
from kubeprims.leaderelection.metrics import FAMILIES
from kubeprims.leaderelection.observed import ObservedLock
from tests.leaderelection.stepping import MemoryLock, held_by
from tests.parity import case

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


@case("LE-A2")
def test_the_defaults_bear_a_clock_that_is_half_as_fast_again() -> None:
    config = ElectionConfig()
    assert margin_s(config) == 5.0
    assert rate_ratio(config) == 1.5
    assert failover_s(config, is_watched=True) == 15.0 + 2.2 * 2.0 + 1.0
    assert failover_s(config, is_watched=False) == 15.0 + 4.4 * 2.0


def test_a_lock_that_holds_no_record_is_explained() -> None:
    lock = MemoryLock()
    lock.write(None)
    observed = ObservedLock("", ElectionConfig())
    assert lock.observation is not None
    observed.see(lock.observation, 0.0)
    assert [*explain_lock(observed, 1.0)] == [
        "lock: it holds what is no record; candidates wait for one lease duration of their own, then take it"
    ]


def test_a_held_lock_is_explained_by_what_was_seen() -> None:
    observed = ObservedLock("", ElectionConfig())
    lock = held_by("you", transitions=3)
    assert lock.observation is not None
    observed.see(lock.observation, 100.0)
    lines = [*explain_lock(observed, 104.0)]
    assert lines[0] == "holder: you, after 3 transitions"
    assert lines[2:] == ["age: 4.0 s since the last renewal was seen", "takeover: in 11.0 s, unless it renews"]


def test_the_page_names_every_metric() -> None:
    found = re.findall(r"^\| `((?:kubeprims_)?leader_election_\w+)` \| (\w+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert dict(found) == {family.name: str(family.kind) for family in FAMILIES}
