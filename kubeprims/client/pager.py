"""Lists in pages. Pure: how a page is fetched is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, TypeVar, overload

from kubeprims.client.options import PAGE_SIZE, ListOptions
from kubeprims.errors import DecodeError, ResourceExpired
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.unstructured import Unstructured


class Page(Protocol):
    """The items of a page while they come in; the attributes are complete once iteration has ended."""

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        """Yield the items."""
        ...

    @property
    def resource_version(self) -> str:
        """The version of the list."""
        ...

    @property
    def continue_token(self) -> str:
        """What to ask the next page with; empty after the last one."""
        ...

    @property
    def remaining_item_count(self) -> int | None:
        """How many items are on later pages, if the server says so."""
        ...


FetchPage = Callable[[ListOptions], AbstractContextManager[Page]]
"""Asks for one page."""


class ObjectList(Sequence[Unstructured]):
    """The objects of a list, in the server's order; immutable.

    Attributes:
        resource_version: The version of the list: where a watch goes on from.
        continue_token: What to ask the next page with; empty if nothing is left.
        remaining_item_count: How many objects are left, if the server says so.
        is_paginated: Whether it took more than one request.
        malformed: Objects that could not be understood, and are not in the list.
    """

    __slots__ = ("_objects", "continue_token", "is_paginated", "malformed", "remaining_item_count", "resource_version")

    def __init__(
        self,
        objects: Sequence[Unstructured] = (),
        *,
        resource_version: str = "",
        continue_token: str = "",
        remaining_item_count: int | None = None,
        is_paginated: bool = False,
        malformed: Sequence[MalformedObject] = (),
    ) -> None:
        self._objects = tuple(objects)
        self.resource_version = resource_version
        self.continue_token = continue_token
        self.remaining_item_count = remaining_item_count
        self.is_paginated = is_paginated
        self.malformed = tuple(malformed)

    @overload
    def __getitem__(self, index: int) -> Unstructured: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Unstructured, ...]: ...
    def __getitem__(self, index: int | slice) -> Unstructured | tuple[Unstructured, ...]:
        return self._objects[index]

    def __iter__(self) -> Iterator[Unstructured]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def __repr__(self) -> str:
        more = ", and more" if self.continue_token else ""
        return f"<ObjectList of {len(self)}{more} at {self.resource_version or 'no version'}>"


def list_page(fetch: FetchPage, options: ListOptions) -> ObjectList:
    """Return one page.

    Raises:
        DecodeError: The answer is not a list.
        StatusError: The server refused.
        TransportError: No complete answer came.
    """
    objects: list[Unstructured] = []
    malformed: list[MalformedObject] = []
    with fetch(options) as page:
        for item in page:
            if isinstance(item, MalformedObject):
                malformed.append(item)
            else:
                objects.append(Unstructured(item))
        return ObjectList(
            objects,
            resource_version=page.resource_version,
            continue_token=page.continue_token,
            remaining_item_count=page.remaining_item_count,
            malformed=malformed,
        )


def list_all(fetch: FetchPage, options: ListOptions, *, full_list_if_expired: bool = True) -> ObjectList:
    """Return the whole list, fetched in pages.

    If the list expires between two pages, it is fetched once more, all at once.

    Args:
        fetch: Asks for one page.
        options: What to ask the first page with; a page size of 500 unless it has a limit.
        full_list_if_expired: Do so; else that is an error.

    Raises:
        ResourceExpired: A first page at a version that is too old; or a later page, where that is an error.
        DecodeError: An answer is not a list, or the list does not end.
        StatusError: The server refused.
        TransportError: No complete answer came.

    Source:
        client-go tools/pager/pager.go, ``ListWithAlloc``.
        Differs: any 410 counts as expired, not only the one with that reason.
    """
    asked = _first(options)
    page = list_page(fetch, asked)
    objects, malformed = list(page), list(page.malformed)
    is_paginated = False
    while page.continue_token:
        is_paginated = True
        asked = _next(asked, page.continue_token)
        try:
            page = list_page(fetch, asked)
        except ResourceExpired:
            if not full_list_if_expired:
                raise
            page = list_page(fetch, replace(options, limit=None, continue_token=""))
            objects, malformed = [], []
            full_list_if_expired = False  # once: a server that expires its own full list would be asked for ever
        objects += page
        malformed += page.malformed
    return ObjectList(
        objects,
        resource_version=page.resource_version,
        remaining_item_count=page.remaining_item_count,
        is_paginated=is_paginated,
        malformed=malformed,
    )


class _Counted(Protocol):
    """What :func:`in_pages` needs to know of a page."""

    def __len__(self) -> int: ...

    @property
    def continue_token(self) -> str:
        """What to ask the next page with; empty after the last one."""
        ...


_Counts = TypeVar("_Counts", bound=_Counted)


def list_pages(fetch: FetchPage, options: ListOptions, *, allow_inconsistent: bool = False) -> Iterator[ObjectList]:
    """Yield the whole list, page by page; otherwise as :func:`in_pages`.

    Raises:
        DecodeError: An answer is not a list, or the list does not end.
        KubeprimsError: As :func:`in_pages`.
    """
    return in_pages(lambda asked: list_page(fetch, asked), options, allow_inconsistent=allow_inconsistent)


def in_pages(
    ask: Callable[[ListOptions], _Counts], options: ListOptions, *, allow_inconsistent: bool = False
) -> Iterator[_Counts]:
    """Yield a whole list, page by page; the next page is asked for only when it is wanted.

    If the list expires between two pages, it is fetched again, all at once, only where nothing was handed out yet:
    else some would come twice. Where it is allowed, and offered by the server, the rest comes at a newer version
    instead.

    Args:
        ask: Asks for one page, and reads it to its end.
        options: What to ask the first page with; a page size of 500 unless it has a limit.
        allow_inconsistent: Go on with an expired list at a newer version: what was changed meanwhile may come twice,
            or not at all.

    Raises:
        ResourceExpired: The list expired, and objects were handed out.
        DecodeError: The list does not end.
        StatusError: The server refused.
        TransportError: No complete answer came.

    Source:
        client-go tools/pager/pager.go, ``EachListItem``.
        Same: a page is read to its end before it is handed out, so that time spent on its objects does not count
        towards the request's deadline.
        Differs: no page is fetched ahead, so that nothing is asked for in vain.
    """
    asked = _first(options)
    handed_out = False
    token: str | None = None
    while token is None or token:
        try:
            page = ask(asked)
        except ResourceExpired as error:
            if token is None:
                raise
            if allow_inconsistent and error.continue_token:
                token = error.continue_token
                asked = _next(asked, token)
                continue
            if handed_out:
                raise
            page = ask(replace(options, limit=None, continue_token=""))
            handed_out = True  # once, as above
        handed_out = handed_out or len(page) > 0
        yield page
        token = page.continue_token
        asked = _next(asked, token)


def _first(options: ListOptions) -> ListOptions:
    return options if options.limit is not None else replace(options, limit=PAGE_SIZE)


def _next(options: ListOptions, continue_token: str) -> ListOptions:
    """Return what the next page is asked with: the token holds the version, and servers refuse both at once.

    Raises:
        DecodeError: The token is the one that was asked with: the list would never end.
    """
    if continue_token and continue_token == options.continue_token:
        raise DecodeError("the server gave the same continue token for two pages")
    return replace(options, continue_token=continue_token, resource_version=None, resource_version_match=None)
