"""Handlers: what the forms that users write come down to."""

from __future__ import annotations

import pytest

from kubeprims.cache.delta_fifo import DeltaType
from kubeprims.cache.store import Change
from kubeprims.errors import ContentUnavailable, InvalidArgument
from kubeprims.informer.handlers import Notification, Reason, from_event, from_functions, from_handler
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
from tests.parity import case

OLD = ("a", "u", "1", (), b"{}")
NEW = ("a", "u", "2", (), b"{}")
CHANGES = (
    Change(DeltaType.ADDED, "a", None, OLD),
    Change(DeltaType.UPDATED, "a", OLD, NEW),
    Change(DeltaType.DELETED, "a", NEW, None),
)


def test_functions_get_what_they_are_for_and_what_nobody_asked_for_is_left_out() -> None:
    told: list[str] = []
    for tell in (
        from_functions(lambda new: told.append(f"+{new.resource_version}"), None, None),
        from_functions(None, lambda old, new: told.append(f"{old.resource_version}{new.resource_version}"), None),
        from_functions(None, None, lambda old: told.append(f"-{old.resource_version}")),
    ):
        for change in CHANGES:
            tell(change, Reason.LIVE)
    assert told == ["+1", "12", "-2"]


def test_no_function_at_all_is_no_handler() -> None:
    with pytest.raises(InvalidArgument, match="at least one"):
        from_functions(None, None, None)


def test_a_notification_has_both_states_the_reason_and_whether_something_changed() -> None:
    seen: list[tuple[Reason, str, str | None, str | None, bool]] = []

    def remember(notification: Notification) -> None:
        key, old, new, reason = notification
        versions = [None if obj is None else obj.resource_version for obj in (old, new)]
        seen.append((reason, key, versions[0], versions[1], notification.changed))

    tell = from_event(remember)
    for change in CHANGES:
        tell(change, Reason.RELIST)
    tell(Change(DeltaType.SYNC, "a", NEW, NEW), Reason.RESYNC)
    assert seen == [
        (Reason.RELIST, "a", None, "1", True),
        (Reason.RELIST, "a", "1", "2", True),
        (Reason.RELIST, "a", "2", None, True),
        (Reason.RESYNC, "a", "2", "2", False),
    ]


@case("IN-109")
@pytest.mark.parametrize("key", ["name", "namespace/name", "ns/na.me:with-odd_signs"])
def test_every_form_of_handler_is_told_of_a_deletion_that_nobody_saw_by_its_key(key: str) -> None:
    told: list[Unstructured | None] = []

    class Handler:
        def on_add(self, obj: Unstructured, *, is_in_initial_list: bool) -> None:
            raise AssertionError

        def on_update(self, old: Unstructured, new: Unstructured) -> None:
            raise AssertionError

        def on_delete(self, obj: Unstructured) -> None:
            told.append(obj)

    gone = Change(DeltaType.DELETED, key, None, None, is_tombstone=True)
    for tell in (
        from_handler(Handler()),
        from_functions(None, None, told.append),
        from_event(lambda notification: told.append(notification.old)),
    ):
        tell(gone, Reason.RELIST)
    assert len(told) == 3
    for obj in told:
        assert isinstance(obj, DeletedFinalStateUnknown)
        assert (obj.key, obj.is_stale) == (key, True)
        with pytest.raises(ContentUnavailable):
            obj.to_dict()
