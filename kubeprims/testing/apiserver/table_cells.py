"""What the cells of tables are made of: columns, ages, and the texts that several kinds share."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at, texts_at

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"
SHOWN_MAX = 3

_MINUTE_S, _HOUR_S, _DAY_S, _YEAR_D = 60, 3600, 86400, 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its title.
        type: ``string``, ``integer``, ``number``, ``boolean`` or ``date``.
        format: ``name`` for the column that names the object.
        description: What it says.
        priority: Above 0, it is shown in wide tables only.
    """

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def to_dict(self) -> JSONObject:
        """Return it as it goes to clients."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


NAME = Column(name="Name", format="name")


def columns(text: str) -> tuple[Column, ...]:
    """Return columns from a short text: ``Ready, Current:integer, Node*`` with a type, and wide ones starred."""
    made: list[Column] = []
    for part in text.split(", "):
        name, _, kind = part.rstrip("*").partition(":")
        wide = int(part.endswith("*"))
        made.append(Column(name=name, type=kind or "string", format="name" if name == "Name" else "", priority=wide))
    return tuple(made)


def parse_time(text: str) -> datetime.datetime | None:
    """Return the time that a text in RFC 3339 says, or None."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def human_duration(duration_s: int) -> str:
    """Return a length of time with two or three figures.

    Source:
        apimachinery pkg/util/duration HumanDuration.
    """
    if duration_s < -1:
        return "<invalid>"
    if duration_s < 2 * _MINUTE_S:
        return f"{max(duration_s, 0)}s"
    minutes, hours = duration_s // _MINUTE_S, duration_s // _HOUR_S
    days = hours // 24
    steps = (
        (minutes < 10, minutes, "m", duration_s % 60, "s"),  # noqa: PLR2004 - the steps, all in one place
        (minutes < 3 * 60, minutes, "m", 0, ""),
        (hours < 8, hours, "h", minutes % 60, "m"),  # noqa: PLR2004 - as above
        (hours < 2 * 24, hours, "h", 0, ""),
        (days < 8, days, "d", hours % 24, "h"),  # noqa: PLR2004 - as above
        (days < 2 * _YEAR_D, days, "d", 0, ""),
        (days < 8 * _YEAR_D, days // _YEAR_D, "y", days % _YEAR_D, "d"),
        (True, days // _YEAR_D, "y", 0, ""),
    )
    _, whole, unit, rest, rest_unit = next(step for step in steps if step[0])
    return f"{whole}{unit}" + (f"{rest}{rest_unit}" if rest else "")


def since(text: str, now: datetime.datetime) -> str:
    """Return how long ago a time was."""
    time = parse_time(text)
    return UNKNOWN if time is None else human_duration(int((now - time).total_seconds()))


def age(obj: JSONObject, now: datetime.datetime) -> str:
    """Return how long ago an object was created."""
    return since(text_at(obj, "metadata", "creationTimestamp"), now)


def name_of(obj: JSONObject) -> str:
    """Return an object's name."""
    return text_at(obj, "metadata", "name")


def number_at(obj: JSONObject, *path: str) -> int:
    """Return the whole number at a path; 0 if there is none."""
    value = mapping_at(obj, *path[:-1]).get(path[-1])
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def value_at(obj: JSONObject, *path: str) -> JSONValue:
    """Return the value at a path; None if there is none."""
    return mapping_at(obj, *path[:-1]).get(path[-1])


def labels_text(labels: JSONObject) -> str:
    """Return labels as ``a=b,c=d``."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE


def selector_text(selector: JSONObject) -> str:
    """Return a label selector as it is written in requests; empty if it has no requirement."""
    requirements = [(key, f"{key}={value}") for key, value in mapping_at(selector, "matchLabels").items()]
    for expression in mappings_at(selector, "matchExpressions"):
        key = text_at(expression, "key")
        values = ",".join(sorted(texts_at(expression, "values")))
        form = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
        requirements.append((key, form.get(text_at(expression, "operator"), key)))
    return ",".join(text for _, text in sorted(requirements, key=lambda item: item[0]))


def container_cells(pod_spec: JSONObject) -> tuple[str, str]:
    """Return the names and the images of a pod's containers."""
    containers = mappings_at(pod_spec, "containers")
    return (
        ",".join(text_at(container, "name") for container in containers),
        ",".join(text_at(container, "image") for container in containers),
    )


def shortened(shown: Sequence[str], count: int, *, shown_max: int = SHOWN_MAX, separator: str = ",") -> str:
    """Return the first of many values, and how many more there are."""
    text = separator.join(shown[:shown_max])
    return f"{text} + {count - shown_max} more..." if count > shown_max else text
