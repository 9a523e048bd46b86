"""How much of a list is asked for at once. Pure."""

from __future__ import annotations

from kubeprims.errors import DeadlineExceeded, KubeprimsError
from kubeprims.informer.effects import ListPage
from kubeprims.informer.failures import is_broken_stream

PAGE_SIZE = 500

CUT_LISTS_MAX = 2
"""After so many lists that broke off amid an answer, lists are asked for in pages."""

NARROWINGS_MAX = 5
"""How often less is asked for at once: the first time pages, then pages of half the size."""


class Paging:
    """Decides how the first page of a list is asked for.

    A list at version ``0`` comes from the server's cache, which heeds no page size, and a relist at a known version has
    none, to be served from there: each is one answer. Where that takes longer than a client gives it, or a server
    (a minute), asking again in the same way would never come to an end.

    Concurrency:
        One owner.

    Source:
        client-go tools/cache/reflector.go, ``list``: the version and the limit.
        Differs: less is asked for at once after lists that broke off.
    """

    __slots__ = ("_cut_lists", "_is_paginated", "_narrowings", "_page_size")

    def __init__(self, page_size: int | None) -> None:
        """Begin with pages of a size; None is the default."""
        self._page_size = page_size
        self._is_paginated = False
        self._cut_lists = 0
        self._narrowings = 0

    def first_page(self, known_version: str, *, version_unavailable: bool) -> ListPage:
        """Return the first page to ask for.

        Args:
            known_version: The version of the local copy; empty if there is none.
            version_unavailable: The server does not have it.
        """
        version = known_version or (None if self._narrowings else "0")
        if version_unavailable:
            version = None
        limit = self._page_size
        if limit is None and (version in {None, "0"} or self._is_paginated or self._narrowings):
            limit = PAGE_SIZE
        if limit is not None and self._narrowings:
            limit = max(1, limit >> (self._narrowings - 1))
        return ListPage(version, limit)

    def goes_on(self, page: ListPage) -> None:
        """Note that there is another page behind one."""
        if page.first and page.resource_version == "0":
            self._is_paginated = True  # no watch cache behind this server: unpaged lists would hit etcd

    def broke_off(self, error: KubeprimsError) -> None:
        """Note what an answer that had begun ended with."""
        if not is_broken_stream(error):
            return
        self._cut_lists += 1
        if isinstance(error, DeadlineExceeded):
            self._narrowings = min(self._narrowings + 1, NARROWINGS_MAX)
        elif self._cut_lists >= CUT_LISTS_MAX:
            self._narrowings = max(self._narrowings, 1)

    def complete(self) -> None:
        """Note that there is a whole list."""
        self._cut_lists = 0
