"""Which of the objects that could not be understood are asked for again, and when. Pure.

What arrived damaged is soon put right, so whatever was heard of since it was last asked for is *news*, and asked for
soon. What could not be understood when it was asked for, either, hardly ever can be a moment later: it waits for a
*round* of all such objects, and rounds become rare. News keep no round from its time, and no round keeps news waiting.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.clock import Rng

NEWS_BACKOFF = BackoffPolicy(base_s=1.0, factor=2.0, cap_s=300.0, jitter=1.0)
"""The waits before news are asked for; they grow while there is no answer, and start over with what comes then."""

ROUND_BACKOFF = BackoffPolicy(base_s=2.0, factor=2.0, cap_s=300.0, jitter=1.0)
"""The waits before each round; they start over once all objects are understood."""

ROUND_KEYS_MAX = 20
"""How many objects are asked for in one round. Where more cannot be understood it is no accident, and none is news: to
ask for each at once would be a steady load."""

_ROUNDING_S = 1e-6


class RefetchSchedule:
    """Decides; told of what is to be asked for by :meth:`plan`, and of each request by :meth:`asked`.

    Concurrency:
        One owner.
    """

    __slots__ = ("_answered", "_news", "_news_backoff", "_news_due_s", "_round_backoff", "_round_due_s", "_waiting")

    def __init__(self, *, rng: Rng) -> None:
        """Begin with nothing to ask for.

        Args:
            rng: The chance in delays.
        """
        self._news_backoff = Backoff(NEWS_BACKOFF, rng=rng)
        self._round_backoff = Backoff(ROUND_BACKOFF, rng=rng)
        self._news_due_s: float | None = None
        self._round_due_s: float | None = None
        self._waiting: list[str] = []
        self._news: dict[str, str] = {}
        self._answered: dict[str, str] = {}

    def plan(self, dirty: Mapping[str, str], *, now_s: float) -> float | None:
        """Return in how many seconds to ask; None if there is nothing to ask for.

        Args:
            dirty: The versions, by key, of the objects that could not be understood.
            now_s: The time, in seconds.
        """
        known = [key for key in self._waiting if key in dirty]
        self._waiting = [*known, *sorted(dirty.keys() - set(known))]
        self._answered = {key: version for key, version in self._answered.items() if key in dirty}
        news = {key: version for key, version in dirty.items() if self._answered.get(key) != version}
        self._plan_news(news if len(dirty) <= ROUND_KEYS_MAX else {}, now_s)
        if not dirty:
            self._round_due_s = None
            self._round_backoff.reset()
        has_round = len(self._news) < len(dirty)
        if has_round and self._round_due_s is None:
            self._round_due_s = now_s + self._round_backoff.next_delay_s()
        dues = [due_s for due_s in (self._news_due_s, self._round_due_s if has_round else None) if due_s is not None]
        return max(0.0, min(dues) - now_s) if dues else None

    def _plan_news(self, news: dict[str, str], now_s: float) -> None:
        if news.items() - self._news.items():  # whoever sent that is well
            self._news_backoff.reset()
            due_s = now_s + self._news_backoff.next_delay_s()
            self._news_due_s = due_s if self._news_due_s is None else min(due_s, self._news_due_s)
        elif news and self._news_due_s is None:
            self._news_due_s = now_s + self._news_backoff.next_delay_s()
        elif not news:
            self._news_due_s = None
        self._news = news

    def due(self, *, now_s: float) -> list[str]:
        """Return what to ask for now, those first that were not asked for of late; the next plan is made after that."""
        found: list[str] = []
        if self._news_due_s is not None and now_s >= self._news_due_s - _ROUNDING_S:
            self._news_due_s = None
            found += [key for key in self._waiting if key in self._news]
        if self._round_due_s is not None and now_s >= self._round_due_s - _ROUNDING_S:
            self._round_due_s = None
            found += [key for key in self._waiting if key not in self._news][:ROUND_KEYS_MAX]
        return found

    def asked(self, key: str) -> None:
        """Note that an object is asked for: the others come first from now on."""
        self._waiting.remove(key)
        self._waiting.append(key)

    def answered(self, key: str, version: str) -> None:
        """Note that an object is no news in a version: in that it cannot be understood."""
        self._answered[key] = version
