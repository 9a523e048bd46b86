"""ResourceMemory."""

from __future__ import annotations

from kubeprims.informer.learnt import ResourceMemory


def test_nothing_speaks_against_watch_lists_at_first_and_no_bookmark_has_come() -> None:
    memory = ResourceMemory()
    assert (memory.has_watch_list, memory.bookmarks) == (True, 0)
