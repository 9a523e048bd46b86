"""Faults in SQLite's way: the first operation fails, then the second, ... until the script runs to its end unharmed."""

from __future__ import annotations

import itertools

import pytest

from kubeprims.testing.apiserver.faults import (
    Action,
    Answer,
    Drop,
    DropWatch,
    EndWatch,
    FaultPoint,
    Stall,
    StallWatch,
    Truncate,
    WatchError,
    garbage,
    html,
)
from tests.faults.sweep import OBJECTS, PAGE_SIZE, play

OPERATIONS_MIN = {False: 2 + 2 + -(-OBJECTS // PAGE_SIZE) + 1, True: 1 + 2 + 1}
"""A list, or a watch-list, and its watch; a watch after each interruption; all of it once more, now in pages."""

OPERATION_FAULTS: dict[str, Action] = {
    "refused": Drop(),
    "reset before the head": Drop(point=FaultPoint.BEFORE_HEAD),
    "reset in the head": Drop(point=FaultPoint.IN_HEAD, after_bytes=30),
    "reset behind the head": Drop(point=FaultPoint.IN_BODY, after_bytes=0),
    "reset in the body": Drop(point=FaultPoint.IN_BODY, after_bytes=500),
    "cut short": Truncate(after_bytes=500),
    "stalled before the head": Stall(point=FaultPoint.BEFORE_HEAD),
    "stalled in the body": Stall(point=FaultPoint.IN_BODY, after_bytes=500),
    "500": Answer(code=500),
    "503 with a wait": Answer(code=503, retry_after_s=0),
    "429": Answer(code=429, retry_after_s=0),
    "410": Answer(code=410, reason="Expired"),
    "401": Answer(code=401),
    "403": Answer(code=403),
    "404": Answer(code=404),
    "422": Answer(code=422),
    "garbage": garbage(),
    "a page for people": html(),
    "nothing at all": Answer(body=b""),
}

WATCH_FAULTS = {
    "reset": DropWatch,
    "ended": EndWatch,
    "stalled": StallWatch,
    "410": WatchError,
    "500": lambda after_events: WatchError(code=500, reason="InternalError", after_events=after_events),
    "429": lambda after_events: WatchError(code=429, reason="TooManyRequests", after_events=after_events),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("watch_list", [False, True], ids=["list", "watch-list"])
@pytest.mark.parametrize("action", OPERATION_FAULTS.values(), ids=OPERATION_FAULTS)
def test_whichever_operation_fails_the_informer_ends_as_the_server_is(action: Action, *, watch_list: bool) -> None:
    for skip in itertools.count():
        if not play(action, watch_list=watch_list, skip=skip):
            break
    assert skip >= OPERATIONS_MIN[watch_list]


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("watch_list", [False, True], ids=["list", "watch-list"])
@pytest.mark.parametrize("action", OPERATION_FAULTS.values(), ids=OPERATION_FAULTS)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_whichever_operations_in_a_row_fail_the_informer_ends_as_the_server_is(
    action: Action, count: int, *, watch_list: bool
) -> None:
    for skip in itertools.count():
        if not play(action, watch_list=watch_list, skip=skip, count=count):
            break
    assert skip >= OPERATIONS_MIN[watch_list]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("watch_list", [False, True], ids=["list", "watch-list"])
@pytest.mark.parametrize("made", WATCH_FAULTS.values(), ids=WATCH_FAULTS)
def test_a_watch_that_breaks_after_any_event_costs_none(made: type[DropWatch], *, watch_list: bool) -> None:
    for after_events in range(OBJECTS + 8):
        play(made(after_events=after_events), watch_list=watch_list)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("watch_list", [False, True], ids=["list", "watch-list"])
@pytest.mark.parametrize("made", [Drop, Truncate], ids=["reset", "closed"])
def test_a_start_that_breaks_at_any_place_starts_again(made: type[Drop], *, watch_list: bool) -> None:
    """In steps of a prime, so that it is another place of each object."""
    for after_bytes in range(0, 4_000, 307):
        play(made(point=FaultPoint.IN_BODY, after_bytes=after_bytes), watch_list=watch_list)
