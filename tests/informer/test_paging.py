"""Paging: how much of a list is asked for at once; what becomes of that is in ``test_machine``."""

from __future__ import annotations

import pytest

from kubeprims.errors import ConnectionLost, DeadlineExceeded, DecodeError
from kubeprims.informer.effects import ListPage
from kubeprims.informer.paging import NARROWINGS_MAX, Paging

LATE, LOST = DeadlineExceeded("late"), ConnectionLost("reset")


@pytest.mark.parametrize(
    ("known", "unavailable", "page"),
    [
        ("", False, ListPage("0", 500)),
        ("", True, ListPage(None, 500)),
        ("10", False, ListPage("10", None)),
        ("10", True, ListPage(None, 500)),
    ],
)
def test_a_list_has_a_page_size_unless_it_is_at_a_known_version(
    known: str, page: ListPage, *, unavailable: bool
) -> None:
    assert Paging(None).first_page(known, version_unavailable=unavailable) == page


@pytest.mark.parametrize("known", ["", "10"])
def test_less_is_asked_for_after_each_answer_that_took_too_long(known: str) -> None:
    paging, limits = Paging(None), []
    for _ in range(NARROWINGS_MAX + 1):
        paging.broke_off(LATE)
        page = paging.first_page(known, version_unavailable=False)
        assert page.resource_version == (known or None)
        limits.append(page.limit)
    assert limits == [500, 250, 125, 62, 31, 31]


def test_a_page_holds_at_least_one_object() -> None:
    paging = Paging(2)
    for limit in (2, 1, 1):
        paging.broke_off(LATE)
        assert paging.first_page("10", version_unavailable=False).limit == limit


def test_two_lists_that_broke_off_before_one_was_complete_make_pages_and_no_smaller_ones() -> None:
    paging = Paging(None)
    paging.broke_off(LOST)
    paging.complete()
    paging.broke_off(LOST)
    assert paging.first_page("", version_unavailable=False) == ListPage("0", 500)
    for _ in range(5):
        paging.broke_off(LOST)
        assert paging.first_page("", version_unavailable=False) == ListPage(None, 500)
    paging.complete()
    assert paging.first_page("10", version_unavailable=False) == ListPage("10", 500)


def test_what_is_no_broken_stream_says_nothing_of_the_size() -> None:
    paging = Paging(None)
    for _ in range(3):
        paging.broke_off(DecodeError("no list"))
    assert paging.first_page("", version_unavailable=False) == ListPage("0", 500)
