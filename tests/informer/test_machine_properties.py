"""ReflectorMachine, whatever happens: it never breaks a rule of its own, never spins, and never makes up a version."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kubeprims.errors import (
    BadRequest,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Forbidden,
    InternalError,
    KubeprimsError,
    NotFound,
    ResourceExpired,
    ServerTimeout,
    TooManyRequests,
    Unauthorized,
    WatchIdle,
)
from kubeprims.informer.effects import Effect, Follow, ListPage, Probe, Replace, Sleep, Watch, WatchList
from kubeprims.informer.machine import RETRY_AFTER_MAX_S, ReflectorMachine, ReflectorOptions

ERRORS: Sequence[KubeprimsError | None] = (
    None,
    BadRequest("no", code=400),
    ConnectError("refused"),
    ConnectionLost("reset"),
    DecodeError("garbage"),
    Forbidden("no", code=403),
    InternalError("broken", code=500, reason="InternalError"),
    InternalError("corrupt", code=500, reason="StorageReadError"),
    NotFound("no", code=404),
    ResourceExpired("old", code=410),
    ServerTimeout("Too large resource version: 5, current: 4", code=504),
    TooManyRequests("busy", code=429, retry_after_s=5.0),
    TooManyRequests("busy", code=429, retry_after_s=1e9),
    Unauthorized("who", code=401),
    WatchIdle("silent"),
)
VERSIONS = ("", "0", "3", "10", "11", "200", "abc")
IDLE_EFFECTS_MAX = 6
"""The longest way from one wait to the next on which nothing goes forward: a watch-list at a version, one without, a
list at 0, one without a version, a page that expired, and everything in one page."""


class World:
    """Answers every effect by chance, and holds the machine to its rules."""

    def __init__(self, chance: Callable[[int], int], options: ReflectorOptions) -> None:
        self._chance = chance
        self.machine = ReflectorMachine(options, rng=self)
        self._now_s = 0.0
        self._tokens = 0
        self._idle_effects = 0
        self._given = {""}

    def random(self) -> float:
        """Be the machine's chance as well."""
        return self._chance(1_000) / 1_000

    def play(self, steps: int) -> None:
        effect = self.machine.start()
        for _ in range(steps):
            self._idle_effects += 1
            assert self._idle_effects <= IDLE_EFFECTS_MAX, "the machine spins"
            effect = self._answer(effect)
            assert self.machine.last_resource_version in self._given
            assert sum(self.machine.restarts.values()) <= steps

    def _answer(self, effect: Effect) -> Effect:
        machine = self.machine
        match effect:
            case WatchList(deadline_s=deadline_s):
                assert deadline_s > 0
                return self._stream()
            case ListPage():
                return self._list(effect)
            case Replace(resource_version=version):
                assert version in self._given
                self._progress()
                return machine.on_replaced()
            case Watch(resource_version=version):
                assert version == machine.last_resource_version
                return self._watch()
            case Follow():
                return self._watch()
            case Probe():
                assert machine.last_resource_version not in {"", "0"}
                return self._probe()
            case Sleep(delay_s=delay_s):
                assert 0 < delay_s <= RETRY_AFTER_MAX_S
                self._now_s += delay_s
                self._progress()
                return machine.on_slept()

    def _stream(self) -> Effect:
        if self._chance(2):
            return self.machine.on_initial_events_end(resource_version=self._version())
        lasted_s, error = self._end()
        return self.machine.on_watch_list_ended(error, lasted_s=lasted_s, events=self._chance(3))

    def _list(self, page: ListPage) -> Effect:
        match self._chance(4):
            case 0:
                return self.machine.on_list_failed(self._error() or ERRORS[1] or DecodeError(""))
            case 1:
                self._tokens += 1
                self._progress()
                token = str(self._tokens)
            case 2:
                token = page.continue_token  # a list that leads back to itself
            case _:
                token = ""
        return self.machine.on_page(resource_version=self._version(), continue_token=token)

    def _watch(self) -> Effect:
        for _ in range(self._chance(3)):
            self.machine.on_events(
                count=1 + self._chance(3),
                resource_version=self._version(),
                only_added=bool(self._chance(2)),
                bookmarks=self._chance(2),
            )
            assert self.machine.idle_s > 0
        lasted_s, error = self._end()
        if lasted_s is not None and lasted_s >= 1.0:
            self._progress()
        return self.machine.on_watch_ended(error, lasted_s=lasted_s, now_s=self._now_s)

    def _probe(self) -> Effect:
        error = self._error()
        if error is not None:
            return self.machine.on_probe_failed(error)
        return self.machine.on_probed(resource_version=VERSIONS[self._chance(len(VERSIONS))])

    def _end(self) -> tuple[float | None, KubeprimsError | None]:
        lasted_s = (None, 0.0, 0.5, 1.0, 75.0, 400.0)[self._chance(6)]
        self._now_s += lasted_s or 0.0
        error = self._error()
        if lasted_s is None and error is None:
            error = ConnectError("refused")
        return lasted_s, error

    def _error(self) -> KubeprimsError | None:
        return ERRORS[self._chance(len(ERRORS))]

    def _version(self) -> str:
        version = VERSIONS[self._chance(len(VERSIONS))]
        self._given.add(version)
        return version

    def _progress(self) -> None:
        self._idle_effects = 0


OPTIONS = st.builds(
    ReflectorOptions,
    watch_list=st.booleans(),
    page_size=st.none() | st.integers(1, 10),
    internal_error_budget_s=st.sampled_from([0.0, 30.0]),
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0), OPTIONS)
def test_whatever_happens_it_neither_breaks_nor_spins_nor_makes_up_a_version(
    seed: int, options: ReflectorOptions
) -> None:
    World(random.Random(seed).randrange, options).play(300)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=1, max_size=60), OPTIONS)
def test_nor_does_it_when_the_same_few_things_happen_again_and_again(
    choices: list[int], options: ReflectorOptions
) -> None:
    drawn = 0

    def chance(below: int) -> int:
        nonlocal drawn
        drawn += 1
        return choices[drawn % len(choices)] % below

    World(chance, options).play(100)
