"""What a reflector does next: the pure half.

Theory of operation
-------------------
A reflector keeps a local copy equal to a list on the server: it lists once, then watches from the version of that list.
:class:`ReflectorMachine` is handed what happened and answers with the one thing to do next, an :data:`Effect`. It has
no thread, clock, chance, socket or log of its own, so every sequence of failures can be played in a test.

The driver's duties, in this order, until it is told to stop:

1. Ask :meth:`ReflectorMachine.start` for the first effect.
2. ``ListPage``: fetch that page, keep its items beside those of the pages before (``first=True``: let go of those
   first), then report :meth:`on_page`, or :meth:`on_list_failed`.
3. ``Replace``: replace the local copy by the items kept, then report :meth:`on_replaced`.
4. ``Watch``: open the watch; store each batch of events *before* it reports :meth:`on_events`, so that the version
   never runs ahead of the copy; report the end by :meth:`on_watch_ended`, an ``ERROR`` event by its exception.
5. ``Sleep``: make the failure known, wait ``delay_s`` unless told to stop, then report :meth:`on_slept`.

How a failure is answered (client-go's table is in tools/cache/reflector.go; what differs is marked (*)):

=====================================  ==========================================================
list: expired or too large a version   at once, once: list again without a version
list: page 2 or later expired          at once, once: the whole list in one page
list: a token that came before         sleep, list *
list: anything else                    sleep, list
watch ends after 1 s or more           at once: watch from the last version
watch ends within 1 s, with events     at once: watch from the last version; again in a row: sleep, watch (*)
watch ends within 1 s, without events  sleep, watch; twice in a row: sleep, list (*)
watch: expired (410)                   sleep, list at the last version
watch: 429, 5xx, 401, no answer        sleep, watch from the last version (*)
watch: any other status, bad bytes     sleep, list
=====================================  ==========================================================

(*) client-go lists after each failed watch but 429 and refused connections. The version is still good, so kubeprims
goes on from it: a restarted API server is not hit by a list of every resource from every client. And client-go asks
again at once as long as each watch brings an event, and each page a token: a proxy that cuts every watch after its
first bytes, or a list that leads back to itself, would make it spin.

A list without a version cannot be resumed: events that nobody saw would be lost, so where the table says watch, the
answer is then list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.clock import Rng
from kubeprims.errors import (
    ConfigError,
    DecodeError,
    KubeprimsError,
    ResourceExpired,
    ServerError,
    StatusError,
    TooManyRequests,
    TransportError,
    Unauthorized,
    UnexpectedContent,
    WatchTooShort,
)

VERY_SHORT_WATCH_S = 1.0
"""A watch that ends before this without an event was none: k/k#104171 answers so to a version that it has not."""

PAGE_SIZE = 500
PAGES_MAX = 100_000
"""More pages than this are no list: 50 million objects of the default page size."""

WATCH_TIMEOUT_MIN_S = 300.0
RETRY_AFTER_MAX_S = 300.0
"""The longest wait that a server may ask for: a wrong header must not silence an informer for a day."""

_TOO_LARGE = "ResourceVersionTooLarge"
_TOO_LARGE_TEXT = "Too large resource version"


@dataclass(frozen=True, slots=True)
class ListPage:
    """Fetch one page of the list.

    Attributes:
        resource_version: What to send; None leaves the parameter out.
        limit: The page size; None asks for everything in one page.
        continue_token: The token of the page before; empty for a first page.
    """

    resource_version: str | None
    limit: int | None
    continue_token: str = ""

    @property
    def first(self) -> bool:
        """Whether this is the first page: items kept from an earlier try are let go."""
        return not self.continue_token


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace the local copy by the items of all pages; ``resource_version`` is the version of the list."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch from ``resource_version``; the server is asked to end the watch after ``timeout_s`` seconds."""

    resource_version: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Make ``error`` known and wait ``delay_s`` seconds."""

    delay_s: float
    error: KubeprimsError


Effect = ListPage | Replace | Watch | Sleep


class Phase(Enum):
    """What the machine waits to hear of."""

    NEW = auto()
    LISTING = auto()
    REPLACING = auto()
    WATCHING = auto()
    SLEEPING_BEFORE_LIST = auto()
    SLEEPING_BEFORE_WATCH = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorOptions:
    """How a reflector lists and watches.

    Attributes:
        page_size: Items a page. None is the default, which also leaves relists at a known version unpaged: the
            server then answers them from its cache.
        watch_timeout_min_s: A watch is asked to last between this and twice this, in seconds; below 300 it is 300.
        backoff: The delays after failures.
    """

    page_size: int | None = None
    watch_timeout_min_s: float = WATCH_TIMEOUT_MIN_S
    backoff: BackoffPolicy = BackoffPolicy()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.page_size is not None and self.page_size < 1:
            raise ConfigError(f"must be 1 or more, not {self.page_size!r}", field="page_size")
        if self.watch_timeout_min_s < 0:
            raise ConfigError(f"must not be negative, not {self.watch_timeout_min_s!r}", field="watch_timeout_min_s")


class ReflectorMachine:
    """Decides what a reflector does next; see the module's theory of operation.

    Attributes:
        last_resource_version: The version of the local copy; empty before the first list is in it.

    Concurrency:
        One owner: the driver's thread.
    """

    def __init__(self, options: ReflectorOptions, *, rng: Rng) -> None:
        self._options = options
        self._rng = rng
        self._backoff = Backoff(options.backoff, rng=rng)
        self._phase = Phase.NEW
        self._page: ListPage | None = None
        self._version_unavailable = False
        self._is_paginated = False
        self._page_expired = False
        self._version_of_page_one: str | None = None
        self._tokens: set[str] = set()
        self._short_watches = 0
        self._empty_watches = 0
        self._watch_events = 0
        self._version_may_move = True
        self._listed_version = ""
        self.last_resource_version = ""

    @property
    def phase(self) -> Phase:
        """What the machine waits to hear of."""
        return self._phase

    def start(self) -> Effect:
        """Return the first thing to do."""
        assert self._phase is Phase.NEW, self._phase
        return self._list()

    def on_page(self, *, resource_version: str, continue_token: str, now_s: float) -> Effect:
        """A page arrived whole, and its items are kept."""
        assert self._phase is Phase.LISTING, self._phase
        page = self._page
        assert page is not None
        if continue_token in self._tokens or len(self._tokens) >= PAGES_MAX:
            how = "its pages lead back to an earlier one" if continue_token in self._tokens else f"{PAGES_MAX} pages"
            error = DecodeError(f"the list does not end: {how}")
            return self._sleep(error, Phase.SLEEPING_BEFORE_LIST, now_s=now_s)
        if continue_token:
            self._tokens.add(continue_token)
            if page.first and page.resource_version == "0":
                self._is_paginated = True  # no watch cache behind this server: unpaged lists would hit etcd
            self._page = ListPage(None, page.limit, continue_token)
            return self._page
        self._version_unavailable = False
        self._listed_version = resource_version
        self._phase = Phase.REPLACING
        return Replace(resource_version)

    def on_list_failed(self, error: KubeprimsError, *, now_s: float) -> Effect:
        """A page could not be fetched, or not be understood."""
        assert self._phase is Phase.LISTING, self._phase
        page = self._page
        assert page is not None
        if isinstance(error, ResourceExpired) and not page.first and not self._page_expired:
            # The token outlived the server's history. Everything at once cannot expire between pages.
            self._page_expired = True
            return self._list_from(ListPage(self._version_of_page_one, None))
        if is_version_unavailable(error) and not self._version_unavailable:
            # client-go reflector.go list(): only a failed list gives up the last seen version.
            self._version_unavailable = True
            return self._list()
        return self._sleep(error, Phase.SLEEPING_BEFORE_LIST, now_s=now_s)

    def on_replaced(self) -> Effect:
        """The local copy is that list now."""
        assert self._phase is Phase.REPLACING, self._phase
        self.last_resource_version = self._listed_version
        self._empty_watches = 0
        return self._watch()

    def on_events(self, *, count: int, resource_version: str, only_added: bool = False) -> None:
        """A batch of events, bookmarks among them, is in the local copy.

        Args:
            count: How many events.
            resource_version: The version of the last of them; empty if it had none.
            only_added: All of them are ``ADDED``. In a watch without a version these come in no order, so the
                version does not move before another type of event is seen.
        """
        assert self._phase is Phase.WATCHING, self._phase
        self._watch_events += count
        if not only_added:
            self._version_may_move = True
        if resource_version and self._version_may_move:
            self.last_resource_version = resource_version

    def on_watch_ended(self, error: KubeprimsError | None, *, lasted_s: float, now_s: float) -> Effect:
        """The watch could not be opened, or has ended.

        Args:
            error: None if it ended as HTTP does; the exception of an ``ERROR`` event; or what went wrong.
            lasted_s: For how long it was open; 0 if it never was.
            now_s: The time, in seconds.
        """
        assert self._phase is Phase.WATCHING, self._phase
        was_short, was_empty = lasted_s < VERY_SHORT_WATCH_S, not self._watch_events
        self._short_watches = self._short_watches + 1 if was_short else 0
        self._empty_watches = self._empty_watches + (error is None) if was_short and was_empty else 0
        was_good = not was_short or (not was_empty and self._short_watches == 1)
        if was_good and (error is None or is_broken_stream(error)):
            return self._watch() if self._has_version else self._list()
        resumable = self._empty_watches <= 1 if error is None else is_resumable(error)
        then = Phase.SLEEPING_BEFORE_WATCH if resumable and self._has_version else Phase.SLEEPING_BEFORE_LIST
        error = error or WatchTooShort(lasted_s=lasted_s, events=self._watch_events)
        return self._sleep(error, then, now_s=now_s)

    def on_slept(self) -> Effect:
        """The delay is over."""
        if self._phase is Phase.SLEEPING_BEFORE_WATCH:
            return self._watch()
        assert self._phase is Phase.SLEEPING_BEFORE_LIST, self._phase
        return self._list()

    def _list(self) -> ListPage:
        self._page_expired = False
        version = None if self._version_unavailable else self.last_resource_version or "0"
        limit = self._options.page_size
        if limit is None and (version in {None, "0"} or self._is_paginated):
            limit = PAGE_SIZE
        self._version_of_page_one = version
        return self._list_from(ListPage(version, limit))

    def _list_from(self, page: ListPage) -> ListPage:
        self._phase = Phase.LISTING
        self._tokens.clear()
        self._page = page
        return page

    def _watch(self) -> Watch:
        self._phase = Phase.WATCHING
        self._watch_events = 0
        self._version_may_move = self._has_version
        timeout_min_s = max(WATCH_TIMEOUT_MIN_S, self._options.watch_timeout_min_s)
        timeout_s = float(int(timeout_min_s * (1.0 + self._rng.random())))
        return Watch(self.last_resource_version, timeout_s)

    @property
    def _has_version(self) -> bool:
        """Whether a watch can go on from the last version: without one, a server begins with what there is."""
        return self.last_resource_version not in {"", "0"}

    def _sleep(self, error: KubeprimsError, then: Phase, *, now_s: float) -> Sleep:
        self._phase = then
        delay_s = self._backoff.next_delay_s(now_s=now_s)
        if isinstance(error, StatusError) and error.retry_after_s is not None:
            delay_s = max(delay_s, min(error.retry_after_s, RETRY_AFTER_MAX_S))
        return Sleep(delay_s, error)


def is_version_unavailable(error: KubeprimsError) -> bool:
    """Return whether a list failed because of its version: too old for the server, or too new."""
    if isinstance(error, ResourceExpired):
        return True
    return isinstance(error, StatusError) and (
        any(cause.reason == _TOO_LARGE or _TOO_LARGE_TEXT in cause.message for cause in error.causes)
        or _TOO_LARGE_TEXT in error.message
    )


def is_broken_stream(error: KubeprimsError) -> bool:
    """Return whether the connection under a watch went away: for the watch, an end like any other."""
    return isinstance(error, TransportError) and not isinstance(error, UnexpectedContent)


def is_resumable(error: KubeprimsError) -> bool:
    """Return whether the last version is still good after this error, so that no list is needed."""
    if isinstance(error, DecodeError | UnexpectedContent):
        return False
    return isinstance(error, TransportError | TooManyRequests | ServerError | Unauthorized)
