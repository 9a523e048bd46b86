"""Turns all that was measured into one table, and holds it against the budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from benchmarks.informer.measure import Row
from benchmarks.peers.catalogue import PEERS

Results = dict[str, dict[str, list[Row]]]
"""Rows by peer and kind of run."""


@dataclass(frozen=True)
class Column:
    """A number of the table.

    Attributes:
        title: What the table calls it.
        kind: The kind of run.
        field: The field of its rows.
        best: Which of several values counts: noise only ever makes it worse.
        format: How it is written.
    """

    title: str
    kind: str
    field: str
    best: Callable[[Iterable[float]], float]
    format: str


COLUMNS = (
    Column("sync s", "main", "sync_s", min, ".2f"),
    Column("sync CPU s", "main", "sync_cpu_s", min, ".2f"),
    Column("KB/object", "main", "resident_kb", min, ".1f"),
    Column("collected", "main", "collected_kb", min, ".1f"),
    Column("peak", "main", "peak_kb", min, ".1f"),
    Column("events/s, key", "main", "key_events_per_s", max, ",.0f"),
    Column("CPU us", "main", "key_cpu_us", min, ".1f"),
    Column("events/s, object", "main", "object_events_per_s", max, ",.0f"),
    Column("CPU us", "main", "object_cpu_us", min, ".1f"),
    Column("full GC ms", "gc", "full_ms", min, ".1f"),
    Column("empty", "gc", "empty_ms", min, ".1f"),
    Column("CPU ms", "gc", "full_cpu_ms", min, ".1f"),
    Column("empty", "gc", "empty_cpu_ms", min, ".1f"),
    Column("500: requests at start", "failures", "at_start", max, ".0f"),
    Column("once watching", "failures", "later", max, ".0f"),
    Column("soak %", "soak", "change_percent", lambda values: max(values, key=abs), "+.2f"),
    Column("idle CPU %", "idle", "cpu_percent", min, ".3f"),
)


@dataclass(frozen=True)
class Budget:
    """One promise of the design.

    Attributes:
        what: What is promised.
        kind: The kind of run.
        field: The field of its rows.
        peer: Whom it is compared with; empty: with nothing.
        at_least: The ratio, or the value, that is promised at least.
        at_most: Likewise, at most.
        held_to: Which of ours must hold it.
        inverse: Compare the other's value with ours: so many times faster.
    """

    what: str
    kind: str
    field: str
    held_to: tuple[str, ...]
    peer: str = ""
    at_least: float = -math.inf
    at_most: float = math.inf
    inverse: bool = False


_BOTH = ("fast", "plain")
_ALL = (*_BOTH, "compact")
BUDGETS = (
    Budget("sync, times faster", "main", "sync_s", ("fast",), "kubernetes", at_least=25, inverse=True),
    Budget("sync, times faster", "main", "sync_s", ("plain",), "kubernetes", at_least=12, inverse=True),
    Budget("KB/object", "main", "resident_kb", _BOTH, at_most=10),
    Budget("KB/object", "main", "resident_kb", ("compact",), at_most=2),
    Budget("events/s, key", "main", "key_events_per_s", _BOTH, "kubernetes", at_least=20),
    Budget("events/s, object", "main", "object_events_per_s", _BOTH, "kubernetes", at_least=8),
    Budget("sync, share of its time", "main", "sync_s", ("fast",), "client-go", at_most=0.8),
    Budget("events/s, key", "main", "key_events_per_s", ("fast",), "client-go", at_least=1.3),
    Budget("KB/object, share", "main", "resident_kb", ("fast",), "client-go", at_most=0.45),
    Budget("sync, times faster", "main", "sync_s", ("fast",), "client-go-dynamic", at_least=10, inverse=True),
    Budget("events/s, key", "main", "key_events_per_s", ("fast",), "client-go-dynamic", at_least=12),
    Budget("KB/object, share", "main", "resident_kb", ("fast",), "client-go-dynamic", at_most=0.2),
    Budget("full GC, ms over an empty cache", "gc", "more_ms", _ALL, at_most=2),
    Budget("requests in 5 s of 500, at start", "failures", "at_start", _BOTH, at_most=3),
    Budget("requests in 5 s of 500, watching", "failures", "later", _BOTH, at_most=3),
    Budget("soak: growth of memory, %", "soak", "change_percent", _ALL, at_least=-2, at_most=2),
    Budget("idle: CPU, %", "idle", "cpu_percent", _BOTH, at_most=0.1),
)


_CPU_FIELDS = {
    "sync_s": "sync_cpu_s",
    "key_events_per_s": "key_cpu_us",
    "object_events_per_s": "object_cpu_us",
    "more_ms": "more_cpu_ms",
}


def best(results: Results, peer: str, kind: str, field: str) -> float | None:
    """Return the best value of all rounds; None if there is none."""
    if field.startswith("more_"):
        full, empty = (best(results, peer, kind, field.replace("more", name)) for name in ("full", "empty"))
        return None if full is None or empty is None else full - empty
    values = [value for row in results.get(peer, {}).get(kind, ()) if isinstance(value := row.get(field), int | float)]
    column = next(column for column in COLUMNS if column.field == field)
    return column.best(values) if values else None


def table(results: Results) -> str:
    """Return everything, a peer a line, in Markdown; only what was measured."""
    columns = [
        column
        for column in COLUMNS
        if any(best(results, peer, column.kind, column.field) is not None for peer in results)
    ]
    lines = [["", *(column.title for column in columns)], ["---", *("---:" for _ in columns)]]
    for peer in results:
        cells = [PEERS[peer].title]
        for column in columns:
            value = best(results, peer, column.kind, column.field)
            cells.append("-" if value is None else format(value, column.format))
        lines.append(cells)
    return _markdown(lines)


def ratios(results: Results) -> str:
    """Return each budget, what was measured, and whether it is held."""
    lines = [
        ["budget", "who", "compared with", "promised", "measured", "", "of CPU time"],
        ["---", "---", "---", "---:", "---:", "---", "---:"],
    ]
    for budget in BUDGETS:
        for ours in budget.held_to:
            measured = _measured(results, budget, ours)
            if measured is None:
                continue
            by_cpu = _measured(results, _in_cpu_time(budget), ours) if budget.field in _CPU_FIELDS else None
            lines.append(
                [
                    budget.what,
                    PEERS[ours].title,
                    PEERS[budget.peer].title if budget.peer else "",
                    _promise(budget),
                    f"{measured:.3g}",
                    "held" if budget.at_least <= measured <= budget.at_most else "MISSED",
                    "" if by_cpu is None else f"{by_cpu:.3g}",
                ]
            )
    return _markdown(lines) if len(lines) > 2 else ""  # noqa: PLR2004 - the head


def _in_cpu_time(budget: Budget) -> Budget:
    """Return the same budget by processor time, which a busy machine changes less: more events are less time each."""
    field = _CPU_FIELDS[budget.field]
    return replace(budget, field=field, inverse=budget.inverse or budget.at_least > 0)


def _measured(results: Results, budget: Budget, ours: str) -> float | None:
    value = best(results, ours, budget.kind, budget.field)
    if value is None or not budget.peer:
        return value
    other = best(results, budget.peer, budget.kind, budget.field)
    if not other or not value:
        return None
    return other / value if budget.inverse else value / other


def _promise(budget: Budget) -> str:
    if math.isinf(budget.at_least):
        return f"<= {budget.at_most:g}"
    return f">= {budget.at_least:g}" if math.isinf(budget.at_most) else f"{budget.at_least:g} to {budget.at_most:g}"


def _markdown(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def cell(text: str, width: int, index: int) -> str:
        if set(text) <= {"-", ":"} and len(text) > 1:
            return text[:1] + "-" * (width - 2) + text[-1:]
        return text.ljust(width) if index == 0 else text.rjust(width)

    rows = (
        " | ".join(cell(text, width, index) for index, (text, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )
    return "\n".join(f"| {row} |" for row in rows)
