"""Handlers that are told of a part of the objects only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cache.delta_fifo import DeltaType
from kubeprims.cache.store import Change
from kubeprims.errors import InvalidArgument
from kubeprims.informer.filtering import filtered
from kubeprims.informer.handlers import Reason, from_handler
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
from tests.parity import case


def record(version: int, *, web: bool) -> ObjectRecord:
    return ("default/a", "u", str(version), ("app", "web") if web else (), b"{}")


class Handler:
    """Remembers what it was told, as client-go's three methods tell it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.deleted: list[Unstructured] = []

    def on_add(self, obj: Unstructured, *, is_in_initial_list: bool) -> None:
        self.told.append(f"{'initial' if is_in_initial_list else 'add'} {obj.resource_version}")

    def on_update(self, old: Unstructured, new: Unstructured) -> None:
        self.told.append(f"update {old.resource_version}->{new.resource_version}")

    def on_delete(self, obj: Unstructured) -> None:
        self.deleted.append(obj)
        self.told.append("delete")


class Filtered:
    """A handler behind a filter, and what is told to it."""

    def __init__(self) -> None:
        self.handler = Handler()
        self.asked: list[str] = []
        self._tell = filtered(from_handler(self.handler), self._accepts)

    def _accepts(self, obj: Unstructured) -> bool:
        self.asked.append(obj.resource_version)
        return obj.labels.get("app") == "web"

    def tell(
        self,
        old: ObjectRecord | None,
        new: ObjectRecord | None,
        reason: Reason = Reason.LIVE,
        *,
        is_tombstone: bool = False,
    ) -> list[str]:
        """Tell a change, and return what came of it."""
        before = len(self.handler.told)
        self._tell(Change(DeltaType.UPDATED, "default/a", old, new, is_tombstone), reason)
        return self.handler.told[before:]


@case("IN-147")
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (False, True, ["add 2"]),
        (True, False, ["delete"]),
        (True, True, ["update 1->2"]),
        (False, False, []),
    ],
)
def test_an_update_is_an_add_or_a_delete_where_it_crosses_the_filter(
    *, before: bool, after: bool, told: list[str]
) -> None:
    pods = Filtered()
    assert pods.tell(None, record(1, web=before), Reason.INITIAL) == (["initial 1"] if before else [])
    assert pods.tell(record(1, web=before), record(2, web=after)) == told
    assert pods.asked == ["1", "2"]
    if told == ["delete"]:
        (deleted,) = pods.handler.deleted
        assert (deleted.resource_version, deleted.is_stale) == ("1", False)


@pytest.mark.parametrize("content", [record(9, web=False), None])
@pytest.mark.parametrize("known", [True, False])
def test_a_deletion_is_told_to_who_knows_of_the_object_whatever_is_left_of_it(
    content: ObjectRecord | None, *, known: bool
) -> None:
    pods = Filtered()
    pods.tell(None, record(1, web=known))
    assert pods.tell(content, None, is_tombstone=True) == (["delete"] if known else [])
    for deleted in pods.handler.deleted:
        assert isinstance(deleted, DeletedFinalStateUnknown)
        assert deleted.key == "default/a"
    assert pods.tell(None, record(10, web=True)) == ["add 10"]


def test_a_resync_asks_again_for_a_predicate_may_have_come_to_another_answer() -> None:
    wanted: set[str] = set()
    handler = Handler()
    tell = filtered(from_handler(handler), lambda obj: obj.resource_version in wanted)
    one = record(1, web=True)
    tell(Change(DeltaType.ADDED, "default/a", None, one), Reason.INITIAL)
    resync = Change(DeltaType.SYNC, "default/a", one, one)
    tell(resync, Reason.RESYNC)
    wanted.add("1")
    tell(resync, Reason.RESYNC)
    tell(resync, Reason.RESYNC)
    wanted.clear()
    tell(resync, Reason.RESYNC)
    tell(resync, Reason.RESYNC)
    assert handler.told == ["add 1", "update 1->1", "delete"]


def test_a_predicate_that_raises_leaves_the_handler_with_what_it_knows() -> None:
    handler = Handler()

    def picky(obj: Unstructured) -> bool:
        if obj.resource_version == "2":
            raise RuntimeError("no opinion")
        return True

    tell = filtered(from_handler(handler), picky)
    one, two, three = (record(version, web=True) for version in (1, 2, 3))
    tell(Change(DeltaType.ADDED, "default/a", None, one), Reason.LIVE)
    with pytest.raises(RuntimeError):
        tell(Change(DeltaType.UPDATED, "default/a", one, two), Reason.LIVE)
    tell(Change(DeltaType.UPDATED, "default/a", two, three), Reason.LIVE)
    tell(Change(DeltaType.DELETED, "default/a", three, None), Reason.LIVE)
    assert handler.told == ["add 1", "update 2->3", "delete"]


def test_a_filter_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="filter must be callable"):
        filtered(from_handler(Handler()), "app=web")  # type: ignore[arg-type]


@given(st.lists(st.sampled_from([None, False, True]), max_size=30))
def test_a_handler_behind_a_filter_knows_what_passes_and_nothing_else(states: list[bool | None]) -> None:
    """None is gone; anything else is there, and passes or not."""
    pods = Filtered()
    old: ObjectRecord | None = None
    known = ""
    for version, state in enumerate(states, start=1):
        new = None if state is None else record(version, web=state)
        if old is not None or new is not None:
            for told in pods.tell(old, new):
                kind, _, what = told.partition(" ")
                assert bool(known) == (kind != "add")
                known = "" if kind == "delete" else what.rpartition(">")[2]
        old = new
        assert known == (str(version) if state else "")
