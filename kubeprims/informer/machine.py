"""What a reflector does next: the pure half.

Theory of operation
-------------------
A reflector keeps a local copy equal to a list on the server: it asks for everything once, then watches from the version
of that. :class:`ReflectorMachine` is handed what happened and answers with the one thing to do next, an :data:`Effect`.
It has no thread, clock, chance, socket or log of its own, so every sequence of failures can be played in a test.

The driver's duties, in this order, until it is told to stop:

1. Ask :meth:`ReflectorMachine.start` for the first effect.
2. ``WatchList``: open the watch-list and gather its objects beside the local copy. Its end marker is
   :meth:`on_initial_events_end`; any other end, the deadline and silence included, is :meth:`on_watch_list_ended`.
3. ``ListPage``: fetch that page, keep its items beside those of the pages before (``first=True``: let go of those
   first), then report :meth:`on_page`, or :meth:`on_list_failed`. Where one of these two effects has a version, and the
   local copy an object that was read by itself at a newer one, that is the version to send. Of either, take nothing
   for unchanged by its version while :attr:`ReflectorMachine.may_be_rewound`.
4. ``Replace``: replace the local copy by the objects kept, then report :meth:`on_replaced`.
5. ``Watch``: open the watch; ``Follow``: go on with the open watch-list as with a watch. Store each batch of events
   *before* it reports :meth:`on_events`, so that the version never runs ahead of the copy. Report the end by
   :meth:`on_watch_ended`, an ``ERROR`` event by its exception, and silence for :attr:`ReflectorMachine.idle_s` by
   ``WatchIdle``.
6. ``Probe``: fetch a list of one object at no version, and report its version by :meth:`on_probed`, or
   :meth:`on_probe_failed`.
7. ``Sleep``: make the failure known, wait ``delay_s`` unless told to stop, then report :meth:`on_slept`.

How a failure is answered (client-go's table is in tools/cache/reflector.go; what differs is marked (*)). "Begin anew"
is a watch-list, or a list where watch-lists are switched off or known not to work:

=========================================  =========================================================
watch-list, list: expired, or too large    at once, once: again without a version
a version
watch-list: 400, 404, 405, 422             at once: list; for good, once a list has worked (*)
watch-list: no end marker in time          sleep, list; for good, once a list has worked (*)
watch-list: ends or breaks without an end  sleep, begin anew; three times in a row: sleep, list; for good, once a list
marker                                     has worked (*)
watch-list: anything else                  sleep, begin anew (*)
list: page 2 or later expired              at once, once: the whole list in one page
list: a token that came before             sleep, list (*)
list: breaks off amid an answer            sleep, begin anew; twice, or out of time: in pages from then on (*)
list: anything else                        sleep, begin anew
watch ends after 1 s or more               at once: watch from the last version
watch ends within 1 s, with events         at once: watch from the last version; again in a row: sleep, watch (*)
watch ends within 1 s, without events      sleep, watch; twice in a row: sleep, begin anew (*)
watch: expired (410)                       sleep, begin anew at the last version
watch: 429, 5xx, 401, no answer            sleep, watch from the last version (*)
watch: internal errors in its stream       the same; for longer than a budget: sleep, begin anew
watch: any other status, bad bytes         sleep, begin anew
watch: silent, or quiet for 300 s          probe, then watch from the last version (*)
watch: has not come to a version that a    the same (*)
re-fetch has seen
watch: no connection                       sleep, probe, then watch from the last version (*)
probe: a version older than the last one   sleep, begin anew without a version (*)
probe: no answer, 429, 5xx, 401            sleep, probe
probe: anything else                       at once: watch from the last version
=========================================  =========================================================

(*) client-go lists after each failed watch but 429 and refused connections. The version is still good, so kubeprims
goes on from it: a restarted API server is not hit by a list of every resource from every client. client-go asks
again at once as long as each watch brings an event, and each page a token: a proxy that cuts every watch after its
first bytes, or a list that leads back to itself, would make it spin. It waits for ever for a watch-list that something
on the way swallows (k/k#140890), and falls back to lists for failures that have nothing to do with watch-lists. A list
that takes longer than a server gives a request (60 s) it asks for again and again as it was, and never has it. And it
does not notice that a server was restored from a backup: the server takes a version from its future, and then stays
silent (k/k#107457).

A list without a version cannot be resumed: events that nobody saw would be lost, so where the table says watch, the
answer is then to begin anew.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.clock import Rng
from kubeprims.errors import (
    ConfigError,
    DecodeError,
    KubeprimsError,
    ResourceExpired,
    ResourceVersionRewound,
    StatusError,
    WatchIdle,
    WatchListIncomplete,
    WatchTooShort,
)
from kubeprims.informer.effects import Effect, Follow, ListPage, Probe, Replace, Sleep, Watch, WatchList
from kubeprims.informer.failures import (
    RestartCause,
    RetryBudget,
    cause_of,
    is_broken_stream,
    is_resumable,
    is_version_unavailable,
    is_watch_list_refused,
)
from kubeprims.informer.learnt import ResourceMemory
from kubeprims.informer.paging import Paging
from kubeprims.informer.versions import is_older, newest

VERY_SHORT_WATCH_S = 1.0
"""A watch that ends before this without an event was none: k/k#104171 answers so to a version that it has not."""

PAGES_MAX = 100_000
"""More pages than this are no list: 50 million objects of the default page size."""

WATCH_TIMEOUT_MIN_S = 300.0
RETRY_AFTER_MAX_S = 300.0
"""The longest wait that a server may ask for: a wrong header must not silence an informer for a day."""

WATCH_LIST_TIMEOUT_S = 60.0
"""How long a watch-list may take until its end marker: as long as any request."""

WATCH_LISTS_INCOMPLETE_MAX = 3
"""After so many in a row that broke off, lists are asked for."""

BOOKMARKS_EXPECTED_AFTER = 2
IDLE_S = 75.0
"""A server that sends bookmarks sends one a minute: a watch that is silent for longer than this is dead."""

IDLE_GRACE_S = 5.0
"""How much later than its time-out a server that sends no bookmarks has ended a watch, unless the watch is dead."""

PROBE_AFTER_S = 300.0
"""After this long without an event, over however many watches, the server's version is looked at."""


class Phase(Enum):
    """What the machine waits to hear of."""

    NEW = auto()
    STREAMING = auto()
    LISTING = auto()
    REPLACING = auto()
    WATCHING = auto()
    PROBING = auto()
    SLEEPING_BEFORE_LIST = auto()
    SLEEPING_BEFORE_WATCH = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorOptions:
    """How a reflector lists and watches.

    Attributes:
        watch_list: Ask for a watch-list where the server knows that, instead of a list and a watch.
        watch_list_timeout_s: How long a watch-list may take until it is complete, in seconds; then lists are asked for.
        page_size: Items a page. None is the default, which also leaves relists at a known version unpaged: the
            server then answers them from its cache.
        watch_timeout_min_s: A watch is asked to last between this and twice this, in seconds; below 300 it is 300.
        internal_error_budget_s: For how long a watch whose streams end by internal errors of the server is resumed, in
            seconds, before all is listed anew; 0: it is not resumed then.
        backoff: The delays after failures.
    """

    watch_list: bool = True
    watch_list_timeout_s: float = WATCH_LIST_TIMEOUT_S
    page_size: int | None = None
    watch_timeout_min_s: float = WATCH_TIMEOUT_MIN_S
    internal_error_budget_s: float = 60.0
    backoff: BackoffPolicy = BackoffPolicy()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        page_size = self.page_size
        rules = (
            (
                "page_size",
                page_size is None or (isinstance(cast("object", page_size), int) and page_size >= 1),
                "must be 1 or more",
            ),
            ("watch_list_timeout_s", self.watch_list_timeout_s > 0, "must be positive"),
            ("watch_timeout_min_s", 0 <= self.watch_timeout_min_s < math.inf, "must be finite, and not negative"),
            ("internal_error_budget_s", self.internal_error_budget_s >= 0, "must not be negative"),
        )
        for name, holds, rule in rules:
            if not holds:
                raise ConfigError(f"{rule}, not {getattr(self, name)!r}", field=name)


class ReflectorMachine:
    """Decides what a reflector does next; see the module's theory of operation.

    Attributes:
        last_resource_version: The version of the local copy; empty before the first list is in it.
        memory: What was learnt of the resource.
        may_be_rewound: Whether the next list may be of a server that was restored from a backup: it knows nothing of
            the last version.
        restarts: How often lists and watches were begun anew, by cause.

    Concurrency:
        One owner: the driver's thread.
    """

    def __init__(self, options: ReflectorOptions, *, rng: Rng, memory: ResourceMemory | None = None) -> None:
        self.last_resource_version = ""
        self.memory = memory or ResourceMemory()
        self.may_be_rewound = False
        self.restarts: Counter[RestartCause] = Counter()
        self._options = options
        self._rng = rng
        self._backoff = Backoff(options.backoff, rng=rng)
        self._internal_errors = RetryBudget(options.internal_error_budget_s)
        self._phase = Phase.NEW
        self._page: ListPage | None = None
        self._version_sent: str | None = None
        self._version_unavailable = False
        self._paging = Paging(options.page_size)
        self._page_expired = False
        self._tokens: set[str] = set()
        self._is_streamed = False
        self._incomplete = 0
        self._prefers_lists = False
        self._short_watches = 0
        self._empty_watches = 0
        self._watch_events = 0
        self._timeout_s = 0.0
        self._quiet_s = 0.0
        self._healthy_s = 0.0
        self._must_probe = False
        self._version_may_move = True
        self._listed_version = ""

    @property
    def phase(self) -> Phase:
        """What the machine waits to hear of."""
        return self._phase

    @property
    def idle_s(self) -> float:
        """For how long the open watch may be silent: then it is dead."""
        expects_bookmarks = self.memory.bookmarks >= BOOKMARKS_EXPECTED_AFTER
        return IDLE_S if expects_bookmarks else self._timeout_s + IDLE_GRACE_S

    def start(self) -> Effect:
        """Return the first thing to do."""
        assert self._phase is Phase.NEW, self._phase
        return self._begin()

    # -- getting everything -----------------------------------------------------------------------------------------

    def on_initial_events_end(self, *, resource_version: str) -> Effect:
        """The end marker of the watch-list came, and brought a version; all that came before it is kept."""
        assert self._phase is Phase.STREAMING, self._phase
        self._is_streamed = True
        return self._replace(resource_version)

    def on_watch_list_ended(
        self,
        error: KubeprimsError | None,
        *,
        lasted_s: float | None,
        events: int = 0,
        last_event_s: float | None = None,
    ) -> Effect:
        """The watch-list could not be opened, or has ended before its end marker.

        Args:
            error: As for :meth:`on_watch_ended`; ``WatchIdle`` if the marker did not come in time.
            lasted_s: For how long it was open; None if it never was.
            events: How many events it brought.
            last_event_s: How long before its end the last of them came; None if there was none.
        """
        assert self._phase is Phase.STREAMING, self._phase
        if is_version_unavailable(error) and self._version_sent is not None:
            self.restarts[cause_of(error)] += 1
            self._give_up_version(error)
            return self._watch_list()
        if is_watch_list_refused(error):
            self.restarts[cause_of(error)] += 1
            self._prefers_lists = True
            return self._list()
        is_late = isinstance(error, WatchIdle)
        if lasted_s is not None and (error is None or is_broken_stream(error)):
            self._incomplete += 1
            if is_late or self._incomplete >= WATCH_LISTS_INCOMPLETE_MAX:
                self._prefers_lists = True
        if error is None or is_late:
            error = WatchListIncomplete(lasted_s=lasted_s or 0.0, events=events, last_event_s=last_event_s)
        return self._sleep(error, Phase.SLEEPING_BEFORE_LIST)

    def on_page(self, *, resource_version: str, continue_token: str) -> Effect:
        """A page arrived whole, and its items are kept."""
        assert self._phase is Phase.LISTING, self._phase
        page = self._page
        assert page is not None
        if continue_token in self._tokens or len(self._tokens) >= PAGES_MAX:
            how = "its pages lead back to an earlier one" if continue_token in self._tokens else f"{PAGES_MAX} pages"
            error = DecodeError(f"the list does not end: {how}")
            return self._sleep(error, Phase.SLEEPING_BEFORE_LIST)
        if continue_token:
            self._tokens.add(continue_token)
            self._paging.goes_on(page)
            self._page = ListPage(None, page.limit, continue_token)
            return self._page
        if self._prefers_lists:
            self.memory.has_watch_list = False
        self._is_streamed = False
        return self._replace(resource_version)

    def on_list_failed(self, error: KubeprimsError, *, was_answered: bool = False) -> Effect:
        """A page could not be fetched, or not be understood.

        Args:
            error: What went wrong.
            was_answered: Whether the answer had begun to come in by then.
        """
        assert self._phase is Phase.LISTING, self._phase
        page = self._page
        assert page is not None
        if isinstance(error, ResourceExpired) and not page.first and not self._page_expired:
            # The token outlived the server's history. Everything at once cannot expire between pages.
            self._page_expired = True
            return self._list_from(ListPage(self._version_sent, None))
        if is_version_unavailable(error) and not self._version_unavailable:
            # client-go reflector.go list(): only a failed list gives up the last seen version.
            self._give_up_version(error)
            return self._list()
        if was_answered:
            self._paging.broke_off(error)
        if is_watch_list_refused(error):
            self._prefers_lists = False  # lists work no better: it says nothing about watch-lists
        return self._sleep(error, Phase.SLEEPING_BEFORE_LIST)

    def on_replaced(self) -> Effect:
        """The local copy is that list now."""
        assert self._phase is Phase.REPLACING, self._phase
        self.last_resource_version = self._listed_version
        self._version_unavailable = self.may_be_rewound = False
        self._must_probe = False
        self._incomplete = 0
        self._empty_watches = 0
        self._paging.complete()
        self._quiet_s = 0.0
        if not self._is_streamed:
            return self._watch()
        self._phase = Phase.WATCHING
        self._watch_events = 1  # the end marker
        return Follow()

    # -- watching ---------------------------------------------------------------------------------------------------

    def on_events(self, *, count: int, resource_version: str, only_added: bool = False, bookmarks: int = 0) -> None:
        """A batch of events, bookmarks among them, is in the local copy.

        Args:
            count: How many events.
            resource_version: The version of the last of them; empty if it had none.
            only_added: All of them are ``ADDED``. In a watch without a version these come in no order, so the
                version does not move before another type of event is seen.
            bookmarks: How many of them are bookmarks.
        """
        assert self._phase is Phase.WATCHING, self._phase
        self._watch_events += count
        self._quiet_s = 0.0
        self.memory.bookmarks += bookmarks
        if not only_added:
            self._version_may_move = True
        if resource_version and self._version_may_move:
            self.last_resource_version = resource_version

    def on_watch_ended(
        self, error: KubeprimsError | None, *, lasted_s: float | None, now_s: float, seen: str = ""
    ) -> Effect:
        """The watch could not be opened, or has ended.

        Args:
            error: None if it ended as HTTP does; the exception of an ``ERROR`` event; or what went wrong.
            lasted_s: For how long it was open; None if it never was.
            now_s: The time, in seconds.
            seen: As for :meth:`on_probed`.
        """
        assert self._phase is Phase.WATCHING, self._phase
        was_short = lasted_s is None or lasted_s < VERY_SHORT_WATCH_S
        was_empty = not self._watch_events
        self._short_watches = self._short_watches + 1 if was_short else 0
        self._empty_watches = self._empty_watches + (error is None) if was_short and was_empty else 0
        self._look_closer(error, lasted_s)
        self._must_probe |= is_older(self.last_resource_version, seen)
        was_good = not was_short or (not was_empty and self._short_watches == 1)
        if was_good and (error is None or is_broken_stream(error)):
            self.restarts[cause_of(error)] += 1
            return self._resume() if self._has_version else self._begin()
        resumable = self._empty_watches <= 1 if error is None else is_resumable(error)
        if error is not None and lasted_s is not None and not self._internal_errors.allows(error, now_s=now_s):
            resumable = False
        then = Phase.SLEEPING_BEFORE_WATCH if resumable and self._has_version else Phase.SLEEPING_BEFORE_LIST
        error = error or WatchTooShort(lasted_s=lasted_s or 0.0, events=self._watch_events)
        return self._sleep(error, then)

    def _look_closer(self, error: KubeprimsError | None, lasted_s: float | None) -> None:
        """Draw conclusions about the server: is it healthy, does it send bookmarks, may its version have gone back?"""
        if lasted_s is None:
            self._must_probe |= is_broken_stream(error)
            return
        was_silent = isinstance(error, WatchIdle)
        self._healthy_s += max(0.0, lasted_s - self.idle_s) if was_silent else lasted_s
        if self._watch_events:
            return
        self._quiet_s += lasted_s
        self._must_probe |= was_silent or self._quiet_s >= PROBE_AFTER_S
        if was_silent:
            self.memory.bookmarks = 0  # perhaps they flow no more; if they do, two will soon have come again

    def on_probed(self, *, resource_version: str, seen: str = "") -> Effect:
        """The server said what its version is.

        Args:
            resource_version: That version.
            seen: The newest version that others than list and watch have read since the list began; empty: none.
        """
        assert self._phase is Phase.PROBING, self._phase
        self._quiet_s = 0.0
        known = newest([self.last_resource_version, seen])
        if is_older(resource_version, known):
            error = ResourceVersionRewound(known=known, found=resource_version)
            self._give_up_version(error)
            return self._sleep(error, Phase.SLEEPING_BEFORE_LIST)
        return self._watch()

    def on_probe_failed(self, error: KubeprimsError) -> Effect:
        """The server did not say what its version is."""
        assert self._phase is Phase.PROBING, self._phase
        if is_resumable(error):
            return self._sleep(error, Phase.SLEEPING_BEFORE_WATCH)
        self._quiet_s = 0.0
        return self._watch()  # who may not list, or lists what nobody understands, can still watch

    def on_slept(self) -> Effect:
        """The delay is over."""
        if self._phase is Phase.SLEEPING_BEFORE_WATCH:
            return self._resume()
        assert self._phase is Phase.SLEEPING_BEFORE_LIST, self._phase
        return self._begin()

    # -- effects ----------------------------------------------------------------------------------------------------

    def _begin(self) -> Effect:
        if self._options.watch_list and self.memory.has_watch_list and not self._prefers_lists:
            return self._watch_list()
        return self._list()

    def _watch_list(self) -> WatchList:
        self._phase = Phase.STREAMING
        version = self.last_resource_version if self._has_version and not self._version_unavailable else None
        self._version_sent = version
        return WatchList(version, self._new_timeout_s(), self._options.watch_list_timeout_s)

    def _list(self) -> ListPage:
        self._page_expired = False
        page = self._paging.first_page(self.last_resource_version, version_unavailable=self._version_unavailable)
        self._version_sent = page.resource_version
        return self._list_from(page)

    def _list_from(self, page: ListPage) -> ListPage:
        self._phase = Phase.LISTING
        self._tokens.clear()
        self._page = page
        return page

    def _replace(self, resource_version: str) -> Replace:
        self._phase = Phase.REPLACING
        self._listed_version = resource_version
        return Replace(resource_version)

    def _resume(self) -> Effect:
        if not self._must_probe:
            return self._watch()
        self._phase = Phase.PROBING
        return Probe()

    def _watch(self) -> Watch:
        self._phase = Phase.WATCHING
        self._must_probe = False
        self._watch_events = 0
        self._version_may_move = self._has_version
        return Watch(self.last_resource_version, self._new_timeout_s())

    def _new_timeout_s(self) -> float:
        timeout_min_s = max(WATCH_TIMEOUT_MIN_S, self._options.watch_timeout_min_s)
        self._timeout_s = float(int(timeout_min_s * (1.0 + self._rng.random())))
        return self._timeout_s

    def _give_up_version(self, error: KubeprimsError | None) -> None:
        self._version_unavailable = True
        self.may_be_rewound |= not isinstance(error, ResourceExpired)  # who has let go of a version has been past it

    @property
    def _has_version(self) -> bool:
        """Whether a watch can go on from the last version: without one, a server begins with what there is."""
        return self.last_resource_version not in {"", "0"}

    def _sleep(self, error: KubeprimsError, then: Phase) -> Sleep:
        if self._healthy_s >= self._options.backoff.healthy_after_s:
            self._backoff.reset()
        self._healthy_s = 0.0
        self.restarts[cause_of(error)] += 1
        self._phase = then
        delay_s = self._backoff.next_delay_s()
        if isinstance(error, StatusError) and error.retry_after_s is not None:
            delay_s = max(delay_s, min(error.retry_after_s, RETRY_AFTER_MAX_S))
        return Sleep(delay_s, error)
