"""The buffer of one handler: bounded, and what is merged ends in the same state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.informer.buffer import Batch, NotificationBuffer, PendingChange, coalesce
from kubeprims.informer.handlers import Reason
from kubeprims.meta import ObjectKey
from kubeprims.objects.record import RESOURCE_VERSION, ObjectRecord


def record(name: str, version: int) -> ObjectRecord:
    return (ObjectKey(name), "uid", str(version), (), b"{}")


def change(
    name: str, old: int | None, new: int | None, reason: Reason = Reason.LIVE, *, known: bool = True
) -> PendingChange:
    return PendingChange(
        ObjectKey(name),
        None if old is None else record(name, old),
        None if new is None else record(name, new),
        reason,
        known,
    )


def test_batches_come_out_as_they_went_in_below_the_limit() -> None:
    buffer = NotificationBuffer(limit=3)
    first, second = Batch([change("a", None, 1)]), Batch([change("a", 1, 2)], ends_initial_list=True)
    buffer.push(first)
    buffer.push(second)
    assert buffer.depth == 2
    assert [buffer.pop(), buffer.pop(), buffer.pop()] == [first, second, None]
    assert buffer.depth == 0


def test_beyond_the_limit_changes_are_merged_from_the_first_old_to_the_last_new_state() -> None:
    buffer = NotificationBuffer(limit=2)
    buffer.push(Batch([change("a", 1, 2), change("b", None, 3)]))
    buffer.push(Batch([change("a", 2, 4)], ends_initial_list=True))
    assert buffer.pop() == Batch([change("a", 1, 4), change("b", None, 3)], ends_initial_list=True)
    assert buffer.coalesced == 1


def test_merging_waits_until_as_many_changes_have_come_again() -> None:
    buffer = NotificationBuffer(limit=2)
    buffer.push(Batch([change(name, None, 1) for name in "abc"]))
    for version in range(1, 4):
        buffer.push(Batch([change("a", version, version + 1)]))
    assert buffer.coalesced == 0
    buffer.push(Batch([change("a", 4, 5)]))
    assert (buffer.coalesced, buffer.depth) == (4, 3)


def test_what_was_added_and_deleted_again_is_left_out() -> None:
    assert coalesce([change("a", None, 1), change("a", 1, None)]) == []


def test_a_delete_hands_over_the_last_known_state_and_whether_it_is_final() -> None:
    assert coalesce([change("a", 1, 2), change("a", 2, None, known=False)]) == [change("a", 2, None, known=False)]


def test_a_deletion_and_a_new_creation_are_told_as_such_and_no_more_than_these_two() -> None:
    deleted, created = change("a", 2, None), change("a", None, 5)
    assert coalesce([change("a", 1, 2), deleted, created]) == [deleted, created]
    assert coalesce([deleted, created, change("a", 5, 6)]) == [deleted, change("a", None, 6)]
    assert coalesce([deleted, created, change("a", 6, None)]) == [deleted]
    assert coalesce([deleted, created, change("a", 6, None), change("a", None, 7)]) == [deleted, change("a", None, 7)]


def test_an_initial_add_stays_initial() -> None:
    merged = coalesce([change("a", None, 1, Reason.INITIAL), change("a", 1, 2)])
    assert merged == [change("a", None, 2, Reason.INITIAL)]


def test_what_was_deleted_and_came_back_was_not_in_the_initial_list() -> None:
    gone = [change("a", None, 1, Reason.INITIAL), change("a", 1, None)]
    assert coalesce([*gone, change("a", None, 5)]) == [change("a", None, 5)]


def test_a_resync_is_no_change_and_hides_none() -> None:
    assert coalesce([change("a", 1, 2), change("a", 2, 2, Reason.RESYNC)]) == [change("a", 1, 2)]
    assert coalesce([change("a", 2, 2, Reason.RESYNC), change("a", 2, 2, Reason.RESYNC)]) == [
        change("a", 2, 2, Reason.RESYNC)
    ]


def test_clear_lets_go_of_everything() -> None:
    buffer = NotificationBuffer(limit=2)
    buffer.push(Batch([change("a", None, 1)]))
    buffer.clear()
    assert (buffer.pop(), buffer.depth) == (None, 0)


class Replay:
    """The state that a handler knows of, and the rules that each change must keep."""

    def __init__(self) -> None:
        self.state: dict[str, int] = {}

    def take(self, batch: Batch | None) -> None:
        for key, old, new, *_ in batch.changes if batch else ():
            assert (key in self.state) == (old is not None)
            assert old is None or new is None or int(old[RESOURCE_VERSION]) == self.state[key]
            if new is None:
                del self.state[key]
            else:
                self.state[key] = int(new[RESOURCE_VERSION])


def history(steps: list[tuple[str, bool]]) -> tuple[list[PendingChange], dict[str, int]]:
    """Return the changes that the steps make, and the state that they end in."""
    truth: dict[str, int] = {}
    changes = []
    for version, (name, alive) in enumerate(steps, start=1):
        old = truth.pop(name, None)
        if alive:
            truth[name] = version
        if alive or old is not None:
            changes.append(change(name, old, version if alive else None))
    return changes, truth


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60),
    st.lists(st.integers(1, 5), max_size=60),
    st.integers(1, 20),
)
def test_a_handler_behind_any_limit_ends_in_the_same_state(
    steps: list[tuple[str, bool]], sizes: list[int], limit: int
) -> None:
    changes, truth = history(steps)
    buffer = NotificationBuffer(limit=limit)
    replay = Replay()
    position = 0
    for size in sizes:
        buffer.push(Batch(changes[position : position + size]))
        position += size
        assert buffer.depth <= max(limit, 2 * 2 * 4) + size
        if size % 2:
            replay.take(buffer.pop())
    buffer.push(Batch(changes[position:]))
    while buffer.depth:
        replay.take(buffer.pop())
    assert replay.state == truth
