"""The buffer of one handler: bounded, and what is merged ends in the same state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cache.delta_fifo import DeltaType
from kubeprims.cache.store import Change
from kubeprims.informer.buffer import Batch, BufferPolicy, NotificationBuffer, coalesce
from kubeprims.informer.handlers import Reason
from kubeprims.objects.record import RAW, RESOURCE_VERSION, ObjectRecord


class Told(NamedTuple):
    """One notification, and what a test says of it."""

    name: str
    old: int | None
    new: int | None
    reason: Reason = Reason.LIVE
    known: bool = True

    def change(self) -> Change:
        old, new = (None if version is None else record(self.name, version) for version in (self.old, self.new))
        return Change(DeltaType.UPDATED, self.name, old, new, not self.known)


def record(name: str, version: int) -> ObjectRecord:
    return (name, "uid", str(version), (), b"{}")


def batch(*told: Told, ends_initial_list: bool = False) -> Batch:
    reason = told[0].reason if told else Reason.LIVE
    assert all(item.reason is reason for item in told)
    return Batch([item.change() for item in told], reason, ends_initial_list)


def told_by(batches: Iterable[Batch]) -> list[Told]:
    return [
        Told(change.key, _version(change.old), _version(change.new), reason, not change.is_tombstone)
        for changes, reason, *_ in batches
        for change in changes
    ]


def _version(of: ObjectRecord | None) -> int | None:
    return None if of is None else int(of[RESOURCE_VERSION])


def merged(*told: Told) -> list[Told]:
    return told_by(coalesce([batch(item) for item in told]))


def test_another_state_of_the_same_version_is_told() -> None:
    """A server that went back may give a version anew."""
    before, between = record("a", 5), record("a", 6)
    after = (*before[:RAW], b'{"once":"more"}')
    changes = (Change(DeltaType.UPDATED, "a", before, between), Change(DeltaType.UPDATED, "a", between, after))
    (told,) = coalesce([Batch([change], Reason.RELIST) for change in changes])
    assert [change[2:4] for change in told.changes] == [(before, after)]


def test_batches_come_out_as_they_went_in_below_the_limit() -> None:
    buffer = NotificationBuffer(limit=3)
    first, second = batch(Told("a", None, 1)), batch(Told("a", 1, 2), ends_initial_list=True)
    buffer.push(first)
    buffer.push(second)
    assert buffer.depth == 2
    assert [buffer.pop(), buffer.pop(), buffer.pop()] == [first, second, None]
    assert buffer.depth == 0


def test_beyond_the_limit_changes_are_merged_from_the_first_old_to_the_last_new_state() -> None:
    buffer = NotificationBuffer(limit=2)
    buffer.push(batch(Told("a", 1, 2), Told("b", None, 3)))
    buffer.push(batch(Told("a", 2, 4), ends_initial_list=True))
    assert buffer.pop() == batch(Told("a", 1, 4), Told("b", None, 3), ends_initial_list=True)
    assert buffer.coalesced == 1


def test_merging_waits_until_as_many_changes_have_come_again() -> None:
    buffer = NotificationBuffer(limit=2)
    buffer.push(batch(*(Told(name, None, 1) for name in "abc")))
    for version in range(1, 4):
        buffer.push(batch(Told("a", version, version + 1)))
    assert buffer.coalesced == 0
    buffer.push(batch(Told("a", 4, 5)))
    assert (buffer.coalesced, buffer.depth) == (4, 3)


def test_the_first_list_and_resyncs_do_not_count() -> None:
    for policy in BufferPolicy:
        buffer = NotificationBuffer(limit=2, policy=policy)
        assert buffer.push(batch(*(Told(name, None, 1, Reason.INITIAL) for name in "abc")))
        assert buffer.push(batch(*(Told(name, 1, 1, Reason.RESYNC) for name in "abc")))
        assert buffer.push(batch(Told("a", 1, 2)))
        assert (buffer.coalesced, buffer.depth, buffer.has_room) == (0, 7, True)
        assert buffer.has_resync


# -- block and raise ------------------------------------------------------------------------------------------------


def test_a_buffer_that_blocks_says_when_it_is_full_and_takes_what_comes_all_the_same() -> None:
    buffer = NotificationBuffer(limit=2, policy=BufferPolicy.BLOCK)
    first, second = batch(Told("a", None, 1)), batch(Told("a", 1, 2), Told("a", 2, 3))
    assert buffer.push(first)
    assert buffer.has_room
    assert buffer.push(second)
    assert (buffer.has_room, buffer.depth) == (False, 3)
    assert (buffer.pop(), buffer.has_room) == (first, False)
    assert (buffer.pop(), buffer.has_room) == (second, True)


def test_a_buffer_that_raises_refuses_what_passes_its_limit_unless_nothing_is_pending() -> None:
    buffer = NotificationBuffer(limit=2, policy=BufferPolicy.RAISE)
    assert buffer.push(batch(*(Told(name, None, 1) for name in "abc")))
    assert not buffer.push(batch(Told("d", None, 1)))
    assert (buffer.depth, buffer.has_room) == (3, True)
    buffer.pop()
    assert buffer.push(batch(Told("d", None, 1)))
    assert buffer.push(batch(Told("e", None, 1)))
    assert not buffer.push(batch(Told("f", None, 1)))


# -- merging --------------------------------------------------------------------------------------------------------


def test_what_was_added_and_deleted_again_is_left_out() -> None:
    assert merged(Told("a", None, 1), Told("a", 1, None)) == []


def test_the_end_of_the_first_list_is_told_though_nothing_of_it_is_left() -> None:
    added = batch(Told("a", None, 1, Reason.INITIAL), ends_initial_list=True)
    assert coalesce([added, batch(Told("a", 1, None))]) == [Batch((), Reason.INITIAL, ends_initial_list=True)]


def test_a_delete_hands_over_the_last_known_state_and_whether_it_is_final() -> None:
    assert merged(Told("a", 1, 2), Told("a", 2, None, known=False)) == [Told("a", 2, None, known=False)]


def test_a_deletion_and_a_new_creation_are_told_as_such_and_no_more_than_these_two() -> None:
    deleted, created = Told("a", 2, None), Told("a", None, 5)
    assert merged(Told("a", 1, 2), deleted, created) == [deleted, created]
    assert merged(deleted, created, Told("a", 5, 6)) == [deleted, Told("a", None, 6)]
    assert merged(deleted, created, Told("a", 6, None)) == [deleted]
    assert merged(deleted, created, Told("a", 6, None), Told("a", None, 7)) == [deleted, Told("a", None, 7)]


def test_a_deletion_comes_before_what_came_back_whatever_the_reasons_are() -> None:
    deleted, created = Told("a", 2, None), Told("a", None, 5, Reason.RELIST)
    other = Told("b", None, 3, Reason.RELIST)
    assert merged(other, deleted, created) == [other, deleted, created]


def test_an_initial_add_stays_initial() -> None:
    assert merged(Told("a", None, 1, Reason.INITIAL), Told("a", 1, 2)) == [Told("a", None, 2, Reason.INITIAL)]


def test_what_was_deleted_and_came_back_was_not_in_the_initial_list() -> None:
    gone = [Told("a", None, 1, Reason.INITIAL), Told("a", 1, None)]
    assert merged(*gone, Told("a", None, 5)) == [Told("a", None, 5)]


def test_a_resync_is_no_change_and_hides_none() -> None:
    resync = Told("a", 2, 2, Reason.RESYNC)
    assert merged(Told("a", 1, 2), resync) == [Told("a", 1, 2)]
    assert merged(resync, resync) == [resync]


def test_a_resync_that_was_handed_over_after_a_change_that_is_merged_with_it_is_a_change() -> None:
    assert merged(Told("a", 1, 1, Reason.RESYNC), Told("a", 2, 2, Reason.RESYNC)) == [Told("a", 1, 2)]


def test_what_is_again_as_the_handler_knows_it_is_left_out() -> None:
    back = [Told("a", 1, 2), Told("a", 2, 1, Reason.RELIST)]
    assert merged(*back) == []
    assert merged(*back, Told("a", 1, 3)) == [Told("a", 1, 3)]
    assert merged(*back, Told("a", 1, None)) == [Told("a", 1, None)]


def test_clear_lets_go_of_everything() -> None:
    buffer = NotificationBuffer(limit=2)
    buffer.push(batch(Told("a", None, 1)))
    buffer.clear()
    assert (buffer.pop(), buffer.depth, buffer.has_pending) == (None, 0, False)


# -- whatever happens -----------------------------------------------------------------------------------------------


class Replay:
    """The state that a handler knows of, and the rules that each change must keep."""

    def __init__(self) -> None:
        self.state: dict[str, int] = {}

    def take(self, popped: Batch | None) -> None:
        for name, old, new, *_ in told_by([popped] if popped else []):
            assert (name in self.state) == (old is not None)
            assert old is None or new is None or old == self.state[name]
            if new is None:
                del self.state[name]
            else:
                self.state[name] = new


def history(steps: list[tuple[str, bool]]) -> tuple[list[Told], dict[str, int]]:
    """Return the changes that the steps make, and the state that they end in."""
    truth: dict[str, int] = {}
    told = []
    for version, (name, alive) in enumerate(steps, start=1):
        old = truth.pop(name, None)
        if alive:
            truth[name] = version
        if alive or old is not None:
            told.append(Told(name, old, version if alive else None))
    return told, truth


steps = st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60)
sizes = st.lists(st.integers(1, 5), max_size=60)


@given(steps, sizes, st.integers(1, 20))
def test_a_handler_behind_any_limit_ends_in_the_same_state(
    steps: list[tuple[str, bool]], sizes: list[int], limit: int
) -> None:
    told, truth = history(steps)
    buffer = NotificationBuffer(limit=limit)
    replay = Replay()
    position = 0
    for size in sizes:
        buffer.push(batch(*told[position : position + size]))
        position += size
        assert buffer.depth <= max(limit, 2 * 2 * 4) + size
        if size % 2:
            replay.take(buffer.pop())
    buffer.push(batch(*told[position:]))
    while buffer.depth:
        replay.take(buffer.pop())
    assert replay.state == truth


@given(steps, sizes, st.integers(1, 20))
def test_a_handler_that_blocks_is_told_everything_and_its_buffer_stays_within_the_limit_and_one_batch(
    steps: list[tuple[str, bool]], sizes: list[int], limit: int
) -> None:
    told, truth = history(steps)
    buffer = NotificationBuffer(limit=limit, policy=BufferPolicy.BLOCK)
    heard: list[Told] = []
    replay = Replay()

    def deliver() -> None:
        popped = buffer.pop()
        replay.take(popped)
        heard.extend(told_by([popped] if popped else []))

    position = 0
    for size in [*sizes, len(told)]:
        while not buffer.has_room:
            deliver()
        buffer.push(batch(*told[position : position + size]))
        position += size
        assert buffer.depth < limit + max(1, size)
        if size % 2:
            deliver()
    while buffer.has_pending:
        deliver()
    assert (heard, replay.state, buffer.coalesced) == (told, truth, 0)
