"""Handlers that get models of the installed ``kubernetes`` package in place of objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.informer.handlers import ResourceEventHandler, check_callbacks
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured

Model = TypeVar("Model")


class DeletedObject(Generic[Model]):
    """A deleted object whose last state is a model, if there is one.

    :attr:`key`, :attr:`name` and :attr:`namespace` always work, whatever is known of the content.

    Source:
        client-go tools/cache, ``DeletedObject``.
        Differs: the model is made when it is asked for, so that a deletion is never lost to content that does not fit.
    """

    __slots__ = ("_deleted", "_model")

    def __init__(self, deleted: Unstructured, model: type[Model]) -> None:
        self._deleted = deleted
        self._model = model

    @property
    def key(self) -> ObjectKey:
        """``namespace/name``, or ``name`` for a cluster-scoped object."""
        return self._deleted.key

    @property
    def name(self) -> str:
        """The name."""
        return self._deleted.name

    @property
    def namespace(self) -> str:
        """The namespace; empty for a cluster-scoped object."""
        return self._deleted.namespace

    @property
    def is_stale(self) -> bool:
        """Whether the object may have changed between the state that is known and its deletion."""
        return self._deleted.is_stale

    @property
    def obj(self) -> Model:
        """The last known state, converted anew by each reading.

        Raises:
            ContentUnavailable: No state is known.
            DecodeError: The content does not fit the model.
        """
        return self._deleted.as_model(self._model)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key}>"


def typed_handler(
    model: type[Model],
    *,
    on_add: Callable[[Model], object] | None = None,
    on_update: Callable[[Model, Model], object] | None = None,
    on_delete: Callable[[DeletedObject[Model]], object] | None = None,
) -> ResourceEventHandler:
    """Return a handler, for ``add_event_handler``, whose functions get models such as ``V1Pod``.

    An object that does not fit the model counts as an error of the handler, which is not told of that state; an update
    from such a state is told as an add.

    Args:
        model: A model class of the installed ``kubernetes`` package.
        on_add: Called with an object that is new in the cache.
        on_update: Called with an object before and after a change.
        on_delete: Called with what is known of an object that is gone.

    Raises:
        InvalidArgument: The model is none, no function is given, or one is not callable.
    """
    if not hasattr(model, "openapi_types"):
        raise InvalidArgument(f"model must be a model class such as V1Pod, not {model!r}")
    functions = {"on_add": on_add, "on_update": on_update, "on_delete": on_delete}
    if all(function is None for function in functions.values()):
        raise InvalidArgument("a typed handler needs at least one of on_add, on_update, on_delete")
    check_callbacks(**functions)
    return _TypedHandler(model, on_add, on_update, on_delete)


class _TypedHandler(Generic[Model]):
    def __init__(
        self,
        model: type[Model],
        on_add: Callable[[Model], object] | None,
        on_update: Callable[[Model, Model], object] | None,
        on_delete: Callable[[DeletedObject[Model]], object] | None,
    ) -> None:
        self._model = model
        self._on_add = on_add
        self._on_update = on_update
        self._on_delete = on_delete

    def on_add(self, obj: Unstructured, *, is_in_initial_list: bool) -> None:  # noqa: ARG002 - the protocol's
        if self._on_add is not None:
            self._on_add(obj.as_model(self._model))

    def on_update(self, old: Unstructured, new: Unstructured) -> None:
        if self._on_update is None:
            return
        model = new.as_model(self._model)
        try:
            before = old.as_model(self._model)
        except DecodeError:
            if self._on_add is not None:
                self._on_add(model)
            return
        self._on_update(before, model)

    def on_delete(self, obj: Unstructured) -> None:
        if self._on_delete is not None:
            self._on_delete(DeletedObject(obj, self._model))
