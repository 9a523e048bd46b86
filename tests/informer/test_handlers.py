"""Handlers: what the forms that users write come down to."""

from __future__ import annotations

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.informer.handlers import Notification, Reason, from_functions
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured

OLD = Unstructured((ObjectKey("a"), "u", "1", (), b"{}"))
NEW = Unstructured((ObjectKey("a"), "u", "2", (), b"{}"))
CHANGES = (
    Notification(ObjectKey("a"), None, OLD, Reason.LIVE),
    Notification(ObjectKey("a"), OLD, NEW, Reason.LIVE),
    Notification(ObjectKey("a"), NEW, None, Reason.LIVE),
)


def test_functions_get_what_they_are_for_and_what_nobody_asked_for_is_left_out() -> None:
    told: list[str] = []
    for deliver in (
        from_functions(lambda new: told.append(f"+{new.resource_version}"), None, None),
        from_functions(None, lambda old, new: told.append(f"{old.resource_version}{new.resource_version}"), None),
        from_functions(None, None, lambda old: told.append(f"-{old.resource_version}")),
    ):
        for change in CHANGES:
            deliver(change)
    assert told == ["+1", "12", "-2"]


def test_no_function_at_all_is_no_handler() -> None:
    with pytest.raises(InvalidArgument, match="at least one"):
        from_functions(None, None, None)
