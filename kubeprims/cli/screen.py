"""Shows an informer on a terminal, live, or as plain lines where there is no terminal.

:func:`render` is pure: a snapshot in, lines out.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from typing import TextIO

from kubeprims.cli.activity import Activity, Event, Snapshot
from kubeprims.cli.printing import printable
from kubeprims.clock import Clock
from kubeprims.informer.shared import SharedInformer
from kubeprims.threads import Cancel, Deadline

REFRESH_S = 0.2
STATUS_LINE_S = 1.0
_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"
_HOME = "\x1b[H"
_ALTERNATE, _NORMAL = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class Screen:
    """The view of one informer.

    Concurrency:
        :meth:`run` blocks the calling thread; the informer's threads only touch the :class:`Activity`.
    """

    def __init__(
        self, informer: SharedInformer, activity: Activity, *, title: str, out: TextIO, clock: Clock, plain_events: bool
    ) -> None:
        """Make a view.

        Args:
            informer: What is shown.
            activity: What its handler has seen.
            title: The first line.
            out: Where to write.
            clock: The clock to live by.
            plain_events: Without a terminal, write a line for each event; else one line a second.
        """
        self._informer = informer
        self._activity = activity
        self._title = title
        self._out = out
        self._clock = clock
        self._plain_events = plain_events
        self._started_s = clock.monotonic()
        self._written = 0
        self._news: tuple[bool, int, bool] | None = None

    def run(self, cancel: Cancel, *, for_s: float | None) -> None:
        """Show the informer until cancelled, or for so many seconds; then write one line of summary."""
        deadline = Deadline.after(for_s, clock=self._clock)
        is_live = self._out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        show = self._show_live if is_live else self._show_plain
        refresh_s = REFRESH_S if is_live or self._plain_events else STATUS_LINE_S
        if is_live:
            self._out.write(_ALTERNATE)
        try:
            while not (cancel.is_set or self._informer.is_stopped or deadline.has_passed):
                show()
                cancel.wait(min(refresh_s, max(0.0, deadline.remaining_s())), clock=self._clock)
        finally:
            if is_live:
                self._out.write(_NORMAL)
                self._out.flush()
        if not is_live:
            show()
        self._line(self.summary())
        self._out.flush()

    def summary(self) -> str:
        """Return the last line: what was seen, and how it went."""
        snapshot, status = self._activity.snapshot(), self._informer.status
        lasted_s = self._clock.monotonic() - self._started_s
        synced = "" if self._informer.has_synced else "not synced; "
        failures = f", {status.failures} failures, the last: {status.last_error}" if status.last_error else ""
        # A watch-list is a list that goes on as a watch.
        lists, watches = status.lists + status.watch_lists, status.watches + status.watch_lists
        return (
            f"{self._title}: {synced}{snapshot.objects} objects at version {status.resource_version or '-'}, "
            f"{snapshot.events_total} events in {lasted_s:.1f} s, {_times(lists, 'list')}, "
            f"{_times(watches, 'watch', 'watches')}{failures}"
        )

    def progress(self) -> str:
        """Return how the informer fares, in a few words."""
        status = self._informer.status
        if status.last_error is not None:
            return f"{status.state}: {status.last_error}; next try in {status.next_try_in_s(self._clock):.1f} s"
        if not self._informer.has_synced:
            return f"syncing: {status.listed} objects listed"
        return f"synced at version {status.resource_version}, {status.state}"

    def _show_live(self) -> None:
        size = shutil.get_terminal_size()
        lines = render(self._title, self.progress(), self._activity.snapshot(), self._clock.monotonic(), size)
        text = "\r\n".join(line + _CLEAR_LINE for line in lines)
        self._out.write(f"{_HOME}{text}{_CLEAR_BELOW}")
        self._out.flush()

    def _show_plain(self) -> None:
        snapshot = self._activity.snapshot()
        if self._plain_events:
            self._write_news(snapshot)
        else:
            phases = " ".join(f"{phase}={count}" for phase, count in by_phase(snapshot).items())
            sums = f"{snapshot.objects} objects: {phases or 'none'}; {snapshot.events_per_s:.1f} events/s"
            self._line(f"{self._title}: {self.progress()}; {sums}")
        self._out.flush()

    def _write_news(self, snapshot: Snapshot) -> None:
        """Write a line for each event, and one when the informer has synced, failed, or is well again."""
        status = self._informer.status
        news = (self._informer.has_synced, status.failures, status.last_error is None)
        if news != self._news:
            self._news = news
            self._line(f"# {self.progress()}")
        fresh = [event for event in snapshot.events if event.number > self._written]
        missed = snapshot.events_total - self._written - len(fresh)
        if missed:
            self._line(f"# {missed} events not shown")
        for event in fresh:
            self._line(f"{event.type:<8} {event.key} {event.phase}")
        self._written = snapshot.events_total

    def _line(self, text: str) -> None:
        self._out.write(printable(text) + "\n")


def render(title: str, progress: str, snapshot: Snapshot, now_s: float, size: os.terminal_size) -> list[str]:
    """Return the lines of the live view, none longer and no more of them than the terminal has room for."""
    lines = [title, progress, ""]
    lines.append(f"{snapshot.objects} objects   {snapshot.events_total} events   {snapshot.events_per_s:.1f} events/s")
    lines.append("")
    table = count_table(snapshot)
    room = max(0, size.lines - len(lines) - 3)
    shown = table[: max(2, room * 2 // 3)]
    lines.extend(shown)
    if len(shown) < len(table):
        lines.append(f"... and {len(table) - len(shown)} namespaces more")
    lines.append("")
    last = snapshot.events[-max(1, size.lines - len(lines)) :]
    lines.extend(_event_line(event, now_s) for event in reversed(last))
    return [printable(line)[: size.columns] for line in lines[: size.lines]]


def count_table(snapshot: Snapshot) -> list[str]:
    """Return a table of namespaces by phases, with totals."""
    phases = list(by_phase(snapshot))
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for (namespace, phase), count in sorted(snapshot.counts.items()):
        rows[namespace or "(cluster)"][phase] = count
    width = max([len("NAMESPACE"), *(len(namespace) for namespace in rows)])
    lines = [f"{'NAMESPACE':<{width}}  " + "  ".join(f"{phase.upper():>11}" for phase in phases)]
    lines.extend(
        f"{namespace:<{width}}  " + "  ".join(f"{row.get(phase, 0):>11}" for phase in phases)
        for namespace, row in rows.items()
    )
    return lines


def by_phase(snapshot: Snapshot) -> dict[str, int]:
    """Return how many objects are in each phase, the most common first."""
    totals: dict[str, int] = defaultdict(int)
    for (_, phase), count in snapshot.counts.items():
        totals[phase] += count
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def _event_line(event: Event, now_s: float) -> str:
    return f"{max(0.0, now_s - event.at_s):5.1f} s ago  {event.type:<8}  {event.key}  {event.phase}"


def _times(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
