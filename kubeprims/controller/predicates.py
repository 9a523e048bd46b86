"""Which changes of an object are worth a reconcile. Pure: a predicate is asked about one notification."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubeprims.errors import ContentUnavailable
from kubeprims.informer.handlers import Notification
from kubeprims.meta import JSONValue
from kubeprims.objects.unstructured import Unstructured

Predicate = Callable[[Notification], bool]
"""Says of a change whether it is worth a reconcile; what it raises is a failure of the handler."""


def generation_changed(change: Notification) -> bool:
    """Return whether what is asked for has changed: a new object, one that is gone, or another ``metadata.generation``.

    What changes the status alone passes by, if the resource has a status subresource; so does a change of labels and
    annotations: see :func:`any_of`.

    Source:
        controller-runtime pkg/predicate, ``GenerationChangedPredicate``.
    """
    old, new = change.old, change.new
    return old is None or new is None or _generation(old) != _generation(new)


def labels_changed(change: Notification) -> bool:
    """Return whether it is a new object, one that is gone, or one with other labels; decodes nothing.

    Source:
        controller-runtime pkg/predicate, ``LabelChangedPredicate``.
    """
    old, new = change.old, change.new
    return old is None or new is None or old.labels != new.labels


def annotations_changed(change: Notification) -> bool:
    """Return whether it is a new object, one that is gone, or one with other annotations.

    Source:
        controller-runtime pkg/predicate, ``AnnotationChangedPredicate``.
    """
    old, new = change.old, change.new
    return old is None or new is None or _annotations(old) != _annotations(new)


def resource_version_changed(change: Notification) -> bool:
    """Return whether anything at all has changed: False for what a resync repeats."""
    return change.changed


def any_of(*predicates: Predicate) -> Predicate:
    """Return a predicate that holds if one of these does."""
    return lambda change: any(predicate(change) for predicate in predicates)


def all_of(*predicates: Predicate) -> Predicate:
    """Return a predicate that holds if all of these do."""
    return lambda change: all(predicate(change) for predicate in predicates)


def negate(predicate: Predicate) -> Predicate:
    """Return a predicate that holds if this one does not."""
    return lambda change: not predicate(change)


def _generation(obj: Unstructured) -> object:
    try:
        return obj.generation
    except ContentUnavailable:  # the last state of an object whose end nobody saw
        return None


def _annotations(obj: Unstructured) -> Mapping[str, JSONValue]:
    try:
        metadata = obj["metadata"]
    except ContentUnavailable:
        return {}
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}
