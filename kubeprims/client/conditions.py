"""What can be waited for: questions to an object, or to its absence. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.unstructured import Unstructured

Condition = Callable[[Unstructured | None], bool]
"""Says of an object, or of None where there is none, whether it is as it should be.

Its ``str`` says in an error what was waited for, unless it is a plain function: then its name does.
"""

_STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Exists:
    """There is such an object."""

    def __call__(self, obj: Unstructured | None) -> bool:
        """Return whether it is so."""
        return obj is not None

    def __str__(self) -> str:
        return "there"


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object is gone, or another one has taken its name."""

    uid: str = ""

    def __call__(self, obj: Unstructured | None) -> bool:
        """Return whether it is so."""
        return obj is None or (self.uid not in {"", obj.uid})

    def __str__(self) -> str:
        return "deleted"


@dataclass(frozen=True, slots=True)
class HasCondition:
    """The object's status has a condition, and it is about the object as it is asked for now."""

    type: str
    status: str = "True"

    def __call__(self, obj: Unstructured | None) -> bool:
        """Return whether it is so."""
        found = None if obj is None else _find_condition(obj, self.type)
        if obj is None or found is None:
            return False
        observed = found.get("observedGeneration")
        is_current = not isinstance(observed, int) or observed >= obj.generation
        return is_current and str(found.get("status")).lower() == self.status.lower()

    def __str__(self) -> str:
        return f"{self.type}={self.status}"


@dataclass(frozen=True, slots=True)
class HasField:
    """A field of the object has a value."""

    path: str
    value: JSONValue
    steps: tuple[str | int, ...]

    def __call__(self, obj: Unstructured | None) -> bool:
        """Return whether it is so."""
        found: JSONValue | Unstructured = obj
        for step in self.steps:
            match found, step:
                case Unstructured() | dict(), str() if step in found:
                    found = found[step]
                case list(), int() if step < len(found):
                    found = found[step]
                case _:
                    return False
        return found == self.value

    def __str__(self) -> str:
        return f"{self.path}={self.value!r}"


def exists() -> Condition:
    """Return the condition that there is such an object."""
    return Exists()


def deleted(uid: str = "") -> Condition:
    """Return the condition that there is no such object.

    Args:
        uid: Which one: another object of the same name counts as its absence. Empty: any.
    """
    return Deleted(uid)


def condition(type: str, status: str = "True") -> Condition:  # noqa: A002 - the field's own name
    """Return the condition that ``status.conditions`` has one of this type and status.

    One that the controller observed on an earlier generation of the object does not count.

    Args:
        type: Such as ``Available`` or ``Ready``; capitals matter here, as they do to the server.
        status: ``True``, ``False`` or ``Unknown``, in any case.

    Source:
        kubectl pkg/cmd/wait/condition.go.
    """
    return HasCondition(type, status)


def field(path: str, value: JSONValue) -> Condition:
    """Return the condition that a field has a value.

    Args:
        path: Where the field is: ``.status.phase``, ``.spec.containers[0].image``.
        value: What it should be.

    Raises:
        InvalidArgument: The path is none of that form.
    """
    steps: list[str | int] = []
    end = 0
    for step in _STEP.finditer(path):
        if step.start() != end:
            break
        end = step.end()
        steps.append(step[1] if step[1] is not None else int(step[2]))
    if not steps or end != len(path) or isinstance(steps[0], int):
        raise InvalidArgument(f"a field is given as .status.phase or .spec.containers[0].image, not {path!r}")
    return HasField(path, value, tuple(steps))


def describe(condition: Condition) -> str:
    """Return what a condition asks for, in a few words."""
    name: object = getattr(condition, "__name__", None)
    return name if isinstance(name, str) else str(condition)


def describe_state(obj: Unstructured | None) -> str:
    """Return how an object is, in a few words: its phase and conditions, and whether it is being deleted."""
    if obj is None:
        return "no such object"
    status = obj.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    parts = [
        *(["being deleted"] if obj.deletion_timestamp else []),
        *([f"phase {phase}"] if isinstance(phase, str) else []),
        *(_describe_condition(found) for found in _conditions(obj)),
    ]
    return ", ".join(parts) or f"resourceVersion {obj.resource_version}, without conditions"


def _describe_condition(found: JSONObject) -> str:
    reason = found.get("reason")
    return f"{found.get('type')}={found.get('status')}" + (f" ({reason})" if reason else "")


def _conditions(obj: Unstructured) -> list[JSONObject]:
    status = obj.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return [found for found in conditions if isinstance(found, dict)] if isinstance(conditions, list) else []


def _find_condition(obj: Unstructured, type_: str) -> JSONObject | None:
    return next((found for found in _conditions(obj) if found.get("type") == type_), None)
