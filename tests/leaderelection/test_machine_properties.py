"""ElectionMachine, whatever happens: one request at a time, terms within bounds, and always something to do next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.leaderelection.effects import (
    Create,
    Effect,
    Ended,
    EndTerm,
    ExtendTerm,
    Get,
    Phase,
    StartTerm,
    Update,
    WriteFailure,
)
from tests.leaderelection.stepping import Candidate, MemoryLock, blanked, held_by

STEPS = st.sampled_from(
    ["next"] * 6
    + ["lose", "conflict", "refused", "unknown", "slow", "very slow", "pass", "early", "stop", "step down"]
    + ["returned", "failed", "see", "rival", "rival leaves", "delete", "garbage", "label", "namesake"]
)


class World:
    """A candidate that lives through what a test thinks of, and is held to its rules."""

    def __init__(self, **settings: object) -> None:
        self.lock = MemoryLock()
        self.candidate = Candidate(self.lock, chance=0.5, **settings)
        self.tokens: list[int] = []
        self.work_runs = False
        self.last_write_at_s = 0.0
        self.check(self.candidate.start())

    def check(self, effects: list[Effect]) -> None:
        candidate = self.candidate
        for effect in effects:
            match effect:
                case StartTerm(token=token, leads_until_s=until_s):
                    assert not self.work_runs, "a term begins while the work of the last one runs"
                    assert not self.tokens or int(token) > self.tokens[-1], "tokens grow"
                    assert until_s == self.last_write_at_s + candidate.config.renew_deadline_s
                    self.tokens.append(int(token))
                    self.work_runs = True
                case ExtendTerm(leads_until_s=until_s):
                    assert until_s == self.last_write_at_s + candidate.config.renew_deadline_s
                case Create() | Update(record=_):
                    self.last_write_at_s = candidate.now_s
                    if not effect.record.holder_identity:
                        assert not self.work_runs, "released while the work runs"
                case EndTerm() | Ended():
                    pass
        phase = candidate.machine.phase
        assert candidate.leads_until_s <= self.last_write_at_s + candidate.config.renew_deadline_s
        assert candidate.leads == (candidate.now_s < candidate.machine.leads_until_s)
        if phase is not Phase.ENDED:
            assert (candidate.request is None) != (candidate.wait is None), "one thing to do next"

    def play(self, step: str) -> None:  # noqa: C901 - one case each
        candidate = self.candidate
        if candidate.ended is not None:
            return
        match step:
            case "next":
                self.check(candidate.answer() if candidate.request is not None else candidate.waited())
            case "lose" if candidate.request is not None:
                self.check(candidate.lose_answer())
            case "conflict" | "refused" | "unknown" if candidate.request is not None:
                self.check(candidate.fail(WriteFailure(step)))
            case "slow" | "very slow" if candidate.request is not None:
                self.check(candidate.answer(takes_s=3.0 if step == "slow" else 12.0))
            case "pass":
                candidate.pass_s(3.0)
            case "early":
                self.check(candidate.take(candidate.machine.on_waited(candidate.now)))
            case "stop":
                self.check(candidate.stop())
            case "step down":
                self.check(candidate.step_down())
            case "returned" | "failed" if self.work_runs:
                self.work_runs = False
                self.check(candidate.returned(has_failed=step == "failed"))
            case "see":
                self.check(candidate.see())
            case _:
                self.change_lock(step)

    def change_lock(self, step: str) -> None:
        lock = self.lock
        match step:
            case "rival" | "namesake":
                held_by("you" if step == "rival" else "me", lock)
            case "rival leaves" if lock.exists and lock.record is not None:
                blanked(lock)
            case "delete" if lock.exists:
                lock.delete()
            case "garbage":
                lock.write(None)
            case "label" if lock.exists:
                lock.revision += 1


SETTINGS = st.fixed_dictionaries(
    {
        "rejoin": st.booleans(),
        "keep_leading": st.booleans(),
        "identity_is_unique": st.booleans(),
        "coordinated": st.sampled_from([False, False, False, True]),
        "release_on_cancel": st.booleans(),
        "drain_timeout_s": st.sampled_from([0.0, 4.0, 30.0]),
    }
)


@given(settings=SETTINGS, steps=st.lists(STEPS, max_size=80))
def test_no_rule_is_ever_broken(settings: dict[str, object], steps: list[str]) -> None:
    world = World(**settings)
    for step in steps:
        world.play(step)


@given(settings=SETTINGS, steps=st.lists(STEPS, max_size=40))
def test_one_who_is_stopped_ends_within_drain_and_budget(settings: dict[str, object], steps: list[str]) -> None:
    world = World(**settings)
    for step in steps:
        world.play(step)
    candidate = world.candidate
    world.play("stop")
    stopped_at_s = candidate.now_s
    for _ in range(200):
        world.play("next")
    assert candidate.ended is not None
    config = candidate.config
    assert candidate.now_s <= stopped_at_s + config.drain_timeout_s + 2 * config.renew_deadline_s


@given(steps=st.lists(st.sampled_from(["refused", "unknown", "reads"]), min_size=40, max_size=60))
def test_a_read_never_extends_a_term(steps: list[str]) -> None:
    candidate = Candidate(MemoryLock())
    candidate.win()
    bound_s = candidate.leads_until_s
    for step in steps:
        if candidate.request is None:
            candidate.waited()
        elif isinstance(candidate.request, Get) and step == "reads":
            candidate.answer()
        else:
            candidate.fail(WriteFailure.UNKNOWN if step == "unknown" else WriteFailure.REFUSED)
        assert candidate.leads_until_s <= bound_s
        if candidate.machine.phase is not Phase.LEADING:
            break
    assert not candidate.leads
