"""Real processes that contend, are stopped, killed and cut off: the times at which they have led never overlap."""

from __future__ import annotations

import itertools
import json
import pathlib
import random
import signal
import subprocess
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from kubeprims.testing import APIServer
from tests.controller.chaos import moment
from tests.leaderelection import candidate
from tests.leaderelection.candidate import CONFIG
from tests.leaderelection.faulty_proxy import FaultyProxy
from tests.parity import case
from tests.waiting import eventually

ROUNDS = 8
NIGHTLY_ROUNDS = 200
CANDIDATES = 3
SEED = 7
LEADS_S = 30.0


class CandidateProcess:
    """One of the candidates, behind a proxy of its own; ends with the block."""

    def __init__(self, server: APIServer, folder: pathlib.Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._generation = 0
        self._proxy = FaultyProxy(int(server.url.rpartition(":")[2]))
        self._kubeconfig = folder / f"kubeconfig-{number}"
        self._kubeconfig.write_text(json.dumps(server.kubeconfig()).replace(server.url, self._proxy.url))
        self._process: subprocess.Popen[bytes] | None = None

    def suffer(self, rng: random.Random) -> None:
        """Have something happen to it, for up to two leases, and be over."""
        lasts_s = 2 * CONFIG.lease_duration_s
        match rng.choice(("stop", "kill", "hold", "cut")):
            case "stop":
                self.pause()
                moment(rng, lasts_s)
                self.go_on()
            case "kill":
                self._end()
                moment(rng, lasts_s)
                self._start()
            case "hold":
                self._proxy.hold()
                moment(rng, lasts_s)
            case _:
                self._proxy.cut()
                moment(rng, lasts_s)
        self._proxy.heal()

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self._proxy.__enter__()
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._proxy.__exit__(kind, error, trace)

    def _start(self) -> None:
        self._generation += 1
        identity = f"candidate-{self._number}-{self._generation}"
        command = [sys.executable, candidate.__file__, str(self._kubeconfig)]
        with (self._folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, str(self._folder / "led"), identity], stdout=errors, stderr=errors
            )

    def _end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Led(NamedTuple):
    """When a term was first and last seen to be led, and by whom."""

    token: int
    first_s: float
    last_s: float
    leader: str


def terms_of(log: pathlib.Path) -> list[Led]:
    """Return the terms, by token."""
    found: dict[int, Led] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        at, token, leader = line.split()
        known = found.get(int(token), Led(int(token), float(at), float(at), leader))
        assert known.leader == leader, f"{known.leader} and {leader} have led with token {token}"
        found[known.token] = known._replace(first_s=min(known.first_s, float(at)), last_s=max(known.last_s, float(at)))
    return [found[token] for token in sorted(found)]


def check_apart(terms: list[Led]) -> None:
    for before, after in itertools.pairwise(terms):
        assert before.last_s < after.first_s, f"{before} overlaps {after}"


def contend(folder: pathlib.Path, rounds: int, seed: int) -> int:
    """Play some rounds; return how many terms there were."""
    rng, log = random.Random(seed), folder / "led"
    with APIServer() as server, ExitStack() as stack:
        candidates = [stack.enter_context(CandidateProcess(server, folder, n)) for n in range(CANDIDATES)]
        eventually(lambda: terms_of(log), LEADS_S, "the first term")
        for _ in range(rounds):
            leader = terms_of(log)[-1].leader
            chosen = int(leader.split("-")[1]) if rng.random() < 0.7 else rng.randrange(CANDIDATES)
            candidates[chosen].suffer(rng)
        ended_s = terms_of(log)[-1].last_s
        eventually(lambda: terms_of(log)[-1].last_s > ended_s + CONFIG.lease_duration_s, LEADS_S, "somebody who leads")
    terms = terms_of(log)
    check_apart(terms)
    return len(terms)


@case("LE-A4")
def test_a_leader_that_stood_still_while_another_took_over_does_not_lead_when_it_goes_on(
    tmp_path: pathlib.Path,
) -> None:
    log = tmp_path / "led"
    with (
        APIServer() as server,
        CandidateProcess(server, tmp_path, 0) as first,
        CandidateProcess(server, tmp_path, 1) as second,
    ):
        led = eventually(lambda: terms_of(log), LEADS_S, "the first term")[-1]
        stopped = (first, second)[int(led.leader.split("-")[1])]
        stopped.pause()
        eventually(
            lambda: any(term.leader != led.leader and term.token > led.token for term in terms_of(log)),
            LEADS_S,
            "a term of the other one",
        )
        stopped.go_on()
        resumed_s = terms_of(log)[-1].last_s
        eventually(lambda: terms_of(log)[-1].last_s > resumed_s + CONFIG.lease_duration_s, LEADS_S, "it to lead on")
    check_apart(terms_of(log))  # a machine that is slow may lose a term, and make another


@pytest.mark.timeout(180)
def test_processes_never_lead_at_the_same_time(tmp_path: pathlib.Path) -> None:
    assert contend(tmp_path, ROUNDS, SEED) > 1


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_processes_never_lead_at_the_same_time_in_many_rounds(tmp_path: pathlib.Path) -> None:
    assert contend(tmp_path, NIGHTLY_ROUNDS, SEED + 1) > NIGHTLY_ROUNDS / 10
