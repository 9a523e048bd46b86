"""Lists in pages, against a list that can expire between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubeprims.client.options import ListOptions, ResourceVersionMatch
from kubeprims.client.pager import FetchPage, ObjectList, list_all, list_page, list_pages
from kubeprims.errors import Cancelled, DecodeError, Forbidden, ResourceExpired
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.codec import ListStream, StdlibCodec
from kubeprims.threads import Cancel
from tests.parity import case

EXPIRED = ResourceExpired("expired", code=410, reason="Expired")


class Listed:
    """A list of so many objects on a server."""

    def __init__(self, count: int, *, expires_at_request: int = 0, empty_pages: int = 0) -> None:
        self.count = count
        self.expires_at_request = expires_at_request
        self.empty_pages = empty_pages
        self.asked: list[ListOptions] = []
        self.cancel = Cancel()

    @contextmanager
    def fetch(self, options: ListOptions) -> Iterator[ListStream]:
        if self.cancel.is_set:
            raise Cancelled("cancelled")
        self.asked.append(options)
        if len(self.asked) == self.expires_at_request:
            raise EXPIRED
        start = int(options.continue_token or 0)
        limit = 0 if len(self.asked) <= self.empty_pages else options.limit
        end = self.count if limit is None else min(self.count, start + limit)
        items: list[JSONValue] = [{"metadata": {"name": f"o{number}"}} for number in range(start, end)]
        metadata: JSONObject = {"resourceVersion": "42"}
        if end < self.count:
            metadata |= {"continue": str(end), "remainingItemCount": self.count - end}
        document = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}
        yield StdlibCodec().split_list([json.dumps(document).encode()])


def names(objects: ObjectList) -> list[str]:
    return [obj.name for obj in objects]


def all_names(count: int) -> list[str]:
    return [f"o{number}" for number in range(count)]


@case("IN-169")
@pytest.mark.parametrize(("count", "requests"), [(0, 1), (9, 1), (10, 1), (11, 2), (21, 3)])
def test_a_list_takes_as_many_requests_as_it_has_pages(count: int, requests: int) -> None:
    listed = Listed(count)
    result = list_all(listed.fetch, ListOptions(limit=10))
    assert names(result) == all_names(count)
    assert len(listed.asked) == requests
    assert result.is_paginated is (requests > 1)
    assert (result.resource_version, result.continue_token, result.remaining_item_count) == ("42", "", None)


def test_a_page_holds_500_objects_unless_told_otherwise() -> None:
    listed = Listed(501)
    assert len(list_all(listed.fetch, ListOptions())) == 501
    assert [options.limit for options in listed.asked] == [500, 500]


@case("IN-170")
def test_a_list_that_expires_between_pages_is_fetched_again_all_at_once() -> None:
    listed = Listed(25, expires_at_request=2)
    result = list_all(listed.fetch, ListOptions(limit=10, resource_version="7"))
    assert names(result) == all_names(25)
    assert result.is_paginated
    assert [(asked.limit, asked.continue_token, asked.resource_version) for asked in listed.asked] == [
        (10, "", "7"),
        (10, "10", None),
        (None, "", "7"),
    ]


@case("IN-170")
def test_a_list_that_expires_between_pages_is_an_error_where_that_was_chosen() -> None:
    listed = Listed(25, expires_at_request=2)
    with pytest.raises(ResourceExpired):
        list_all(listed.fetch, ListOptions(limit=10), full_list_if_expired=False)


def test_a_first_page_that_expired_is_an_error() -> None:
    for call in (list_all, lambda fetch, options: list(list_pages(fetch, options))):
        listed = Listed(25, expires_at_request=1)
        with pytest.raises(ResourceExpired):
            call(listed.fetch, ListOptions(limit=10, resource_version="1"))
        assert len(listed.asked) == 1


@case("IN-171")
def test_version_and_match_are_sent_with_the_first_page_only() -> None:
    for read_all in (list_all, lambda fetch, options: list(list_pages(fetch, options))):
        listed = Listed(12)
        match = ResourceVersionMatch.EXACT
        read_all(listed.fetch, ListOptions(limit=10, resource_version="40", resource_version_match=match))
        assert [(asked.resource_version, asked.resource_version_match) for asked in listed.asked] == [
            ("40", match),
            (None, None),
        ]


def flat(fetch: FetchPage, options: ListOptions) -> Iterator[str]:
    for page in list_pages(fetch, options):
        for obj in page:
            yield obj.name


class Visitor:
    """Goes through a list object by object."""

    def __init__(self, listed: Listed, *, raise_at: str = "", cancel_at: str = "") -> None:
        self.listed = listed
        self.visited: list[str] = []
        self._raise_at = raise_at
        self._cancel_at = cancel_at

    def run(self) -> None:
        for name in flat(self.listed.fetch, ListOptions(limit=10)):
            self.visited.append(name)
            if name == self._raise_at:
                raise ZeroDivisionError
            if name == self._cancel_at:
                self.listed.cancel.set()


@case("IN-172")
def test_each_object_of_the_first_page_comes_before_the_error_of_the_second() -> None:
    visitor = Visitor(Listed(25, expires_at_request=2))
    with pytest.raises(ResourceExpired):
        visitor.run()
    assert visitor.visited == all_names(10)
    assert len(visitor.listed.asked) == 2


@case("IN-172")
def test_a_caller_that_raises_has_seen_what_came_before_and_asks_for_nothing_more() -> None:
    visitor = Visitor(Listed(25), raise_at="o3")
    with pytest.raises(ZeroDivisionError):
        visitor.run()
    assert visitor.visited == all_names(4)
    assert len(visitor.listed.asked) == 1


@case("IN-172")
def test_a_list_that_is_cancelled_within_a_page_gives_that_page_and_then_the_error() -> None:
    visitor = Visitor(Listed(25), cancel_at="o2")
    with pytest.raises(Cancelled):
        visitor.run()
    assert visitor.visited == all_names(10)


@case("IN-173", otherwise="a page is asked for when it is wanted, none ahead: decision 2, no thread without an owner")
@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_no_page_is_asked_for_before_it_is_wanted(wanted: int) -> None:
    listed = Listed(50)
    pages = list_pages(listed.fetch, ListOptions(limit=10))
    assert [len(next(pages)) for _ in range(wanted)] == [10] * wanted
    assert len(listed.asked) == wanted


def test_pages_that_expire_before_any_object_was_handed_out_are_fetched_again_all_at_once() -> None:
    listed = Listed(25, expires_at_request=2, empty_pages=1)
    pages = list(list_pages(listed.fetch, ListOptions(limit=10, label_selector="a")))
    assert [len(page) for page in pages] == [0, 25]
    assert [(asked.limit, asked.label_selector) for asked in listed.asked] == [(10, "a"), (10, "a"), (None, "a")]


def test_another_error_of_a_later_page_is_an_error() -> None:
    listed = Listed(25)

    @contextmanager
    def fetch(options: ListOptions) -> Iterator[ListStream]:
        if options.continue_token:
            raise Forbidden("no", code=403)
        with listed.fetch(options) as page:
            yield page

    with pytest.raises(Forbidden):
        list_all(fetch, ListOptions(limit=10))


def test_a_list_that_would_never_end_is_an_error() -> None:
    @contextmanager
    def fetch(options: ListOptions) -> Iterator[ListStream]:
        yield StdlibCodec().split_list([b'{"kind":"PodList","metadata":{"continue":"again"},"items":[]}'])

    with pytest.raises(DecodeError, match="same continue token"):
        list_all(fetch, ListOptions())
    with pytest.raises(DecodeError, match="same continue token"):
        list(list_pages(fetch, ListOptions()))


def test_a_list_that_expires_again_and_again_is_fetched_all_at_once_but_once() -> None:
    asked: list[ListOptions] = []

    @contextmanager
    def fetch(options: ListOptions) -> Iterator[ListStream]:
        asked.append(options)
        if options.continue_token:
            raise EXPIRED
        yield StdlibCodec().split_list([b'{"kind":"PodList","metadata":{"continue":"%d"},"items":[]}' % len(asked)])

    for call in (list_all, lambda fetch, options: list(list_pages(fetch, options))):
        asked.clear()
        with pytest.raises(ResourceExpired):
            call(fetch, ListOptions())
        assert [options.limit for options in asked] == [500, 500, None, 500]


def test_one_page_says_what_is_left() -> None:
    page = list_page(Listed(25).fetch, ListOptions(limit=10, continue_token="5"))
    assert names(page) == [f"o{number}" for number in range(5, 15)]
    assert (page.continue_token, page.remaining_item_count, page.is_paginated) == ("15", 10, False)
    assert repr(page) == "<ObjectList of 10, and more at 42>"


def test_one_bad_object_costs_one_object() -> None:
    @contextmanager
    def fetch(options: ListOptions) -> Iterator[ListStream]:
        document = b'{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[7,{"metadata":{"name":"a"}}]}'
        yield StdlibCodec().split_list([document])

    for page in (list_page(fetch, ListOptions()), list_all(fetch, ListOptions())):
        assert names(page) == ["a"]
        assert [malformed.detail for malformed in page.malformed] == ["not an object"]


def test_a_list_of_objects_is_a_sequence() -> None:
    page = list_page(Listed(3).fetch, ListOptions())
    assert page[0].name == "o0"
    assert [obj.name for obj in page[1:]] == ["o1", "o2"]
    assert len(page) == 3
    assert page[2] in page
    assert repr(ObjectList()) == "<ObjectList of 0 at no version>"


class ExpiringToken(Listed):
    """A list that expires at its second page, and whose server offers to go on at a newer version."""

    def __init__(self, count: int, *, offered: str) -> None:
        super().__init__(count)
        self._offered = offered

    @contextmanager
    def fetch(self, options: ListOptions) -> Iterator[ListStream]:
        if len(self.asked) == 1:
            self.asked.append(options)
            raise ResourceExpired("expired", code=410, reason="Expired", continue_token=self._offered)
        with super().fetch(options) as page:
            yield page


def test_an_expired_list_goes_on_at_a_newer_version_where_that_is_allowed_and_offered() -> None:
    listed = ExpiringToken(25, offered="010")
    pages = list(list_pages(listed.fetch, ListOptions(limit=10), allow_inconsistent=True))
    assert [name for page in pages for name in names(page)] == all_names(25)
    assert [asked.continue_token for asked in listed.asked] == ["", "10", "010", "20"]


@pytest.mark.parametrize(("offered", "allowed"), [("10", False), ("", True)])
def test_an_expired_list_is_an_error_where_that_is_not_allowed_or_not_offered(offered: str, *, allowed: bool) -> None:
    listed = ExpiringToken(25, offered=offered)
    pages = list_pages(listed.fetch, ListOptions(limit=10), allow_inconsistent=allowed)
    assert len(next(pages)) == 10
    with pytest.raises(ResourceExpired):
        next(pages)


def test_a_server_that_offers_the_same_token_for_ever_is_not_asked_for_ever() -> None:
    class AlwaysExpired(Listed):
        @contextmanager
        def fetch(self, options: ListOptions) -> Iterator[ListStream]:
            if options.continue_token:
                self.asked.append(options)
                raise ResourceExpired("expired", code=410, continue_token="again")
            with super().fetch(options) as page:
                yield page

    listed = AlwaysExpired(25)
    with pytest.raises(DecodeError, match="the same continue token"):
        list(list_pages(listed.fetch, ListOptions(limit=10), allow_inconsistent=True))
    assert len(listed.asked) == 3
