"""Resources that share their objects: the version in which these are kept, and how the others show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.autoscalers import from_v1, to_v1
from kubeprims.testing.apiserver.canonical import canonical
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, Kind

# Events are kept in the form of core/v1. Source: kubernetes pkg/apis/events/v1/conversion.go.
_NEW_EVENT_NAMES: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_OLD_EVENT_NAMES: Mapping[str, str] = {new: old for old, new in _NEW_EVENT_NAMES.items()}


class _Form(NamedTuple):
    """How one version differs from the one that is kept.

    Attributes:
        kept: The kind of what is kept.
        shown: Makes an object of this version from what is kept.
        stored: Makes what is kept from an object of this version.
    """

    kept: Kind
    shown: Callable[[JSONObject], JSONObject]
    stored: Callable[[JSONObject], JSONObject]


def _renamed(obj: JSONObject, names: Mapping[str, str]) -> JSONObject:
    return {names.get(key, key): value for key, value in obj.items()}


_NEW_EVENTS = BUILT_IN_BY_NAME["events.k8s.io", "v1", "events"]
_OLD_AUTOSCALERS = BUILT_IN_BY_NAME["autoscaling", "v1", "horizontalpodautoscalers"]


def _as_new_event(obj: JSONObject) -> JSONObject:
    return canonical(_renamed(obj, _NEW_EVENT_NAMES), _NEW_EVENTS)


def as_old_event(obj: JSONObject) -> JSONObject:
    """Return an Event of ``events.k8s.io`` under the names that its fields have in the core group."""
    return _renamed(obj, _OLD_EVENT_NAMES)


def _as_old_autoscaler(obj: JSONObject) -> JSONObject:
    return canonical(to_v1(obj), _OLD_AUTOSCALERS)


_FORMS: Mapping[Kind, _Form] = {
    _NEW_EVENTS: _Form(
        BUILT_IN_BY_NAME["", "v1", "events"],
        _as_new_event,
        as_old_event,
    ),
    _OLD_AUTOSCALERS: _Form(
        BUILT_IN_BY_NAME["autoscaling", "v2", "horizontalpodautoscalers"],
        _as_old_autoscaler,
        from_v1,
    ),
}


def storage_kind(kind: Kind) -> Kind:
    """Return the kind in whose form the objects of a kind are kept; mostly it is the kind itself."""
    form = _FORMS.get(kind)
    return kind if form is None else form.kept


def is_kept_as_shown(kind: Kind) -> bool:
    """Return whether objects are kept in the form of a kind."""
    return kind not in _FORMS


def as_shown(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return what is kept of an object in the form of a kind."""
    form = _FORMS.get(kind)
    return obj if form is None else form.shown(obj)


def as_kept(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return an object of a kind in the form in which it is kept."""
    form = _FORMS.get(kind)
    return obj if form is None else form.stored(obj)
