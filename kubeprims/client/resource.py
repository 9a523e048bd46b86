"""The verbs: what can be done with the objects of a resource."""
# ruff: noqa: PLR0913 - the API's own options, all by keyword

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubeprims.client.api import API, Call
from kubeprims.client.bodies import ObjectBody, check_patch_type, encode_object, encode_patch, identity
from kubeprims.client.options import (
    JSON_TYPE,
    DeleteOptions,
    FieldValidation,
    ListOptions,
    NamespaceOption,
    PatchType,
    Preconditions,
    PropagationPolicy,
    Query,
    WriteOptions,
)
from kubeprims.client.pager import ObjectList, list_page
from kubeprims.client.reader import ResourceReader
from kubeprims.client.target import Target
from kubeprims.client.written import OnWrite, Written, deleted, deleted_among_others, written
from kubeprims.errors import InvalidArgument, UnsupportedMediaType
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel


class Resource(ResourceReader):
    """A resource of an API server, seen from a namespace; ``Client.resource`` makes it.

    Objects go in as dictionaries or :class:`~kubeprims.objects.unstructured.Unstructured`, and come out as the latter.
    Every verb takes ``timeout_s``, how long it may take, in seconds (of a paged list: each page; the client's time-out
    unless given), and ``cancel``, which ends it at once. Every verb raises:

    - ``InvalidArgument`` before anything is sent, for a name or namespace that is empty or holds ``/``, ``%`` or is
      ``.`` or ``..``, for a namespace where the resource has none, and for a bad option;
    - a subclass of ``StatusError`` if the server refuses: ``NotFound``, ``Conflict``, ``Forbidden``, ...;
    - a subclass of ``TransportError`` if no complete answer came: ``ConnectError``, ``DeadlineExceeded``, ...;
    - ``DecodeError`` if the answer is not what it should be;
    - ``UnknownResource`` if the server had to be asked about the resource, and has none of that name.

    Concurrency:
        Immutable: any number of threads at once.
    """

    __slots__ = ("_field_manager", "_on_write")

    def __init__(self, api: API, target: Target, *, field_manager: str, on_write: OnWrite | None = None) -> None:
        super().__init__(api, target)
        self._field_manager = field_manager
        self._on_write = on_write

    def within(self, namespace: NamespaceOption) -> Resource:
        """Return this resource seen from another namespace, from all of them, or from that of the context (None)."""
        target = self._target.within(namespace)
        return Resource(self._api, target, field_manager=self._field_manager, on_write=self._on_write)

    def create(
        self,
        obj: ObjectBody,
        *,
        subresource: str = "",
        name: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Unstructured:
        """Create an object, and return it as the server keeps it.

        Args:
            obj: The object; its namespace counts where the resource names none.
            subresource: Create this of an existing object instead: ``eviction``, ``binding``, ``token``.
            name: The existing object's name; the name in ``obj`` unless given.
            dry_run: Do everything but keep the result.
            field_manager: Who the fields belong to; the client's own unless given.
            field_validation: What to do about unknown fields.
            timeout_s: How long it may take, in seconds.
            cancel: Ends it at once when set.
        """
        own_name, own_namespace = identity(obj)
        if subresource:
            path = self._target.object_path(name or own_name, subresource, own_namespace, cancel)
        elif name:
            raise InvalidArgument("a name beside the object is for subresources; the object has its own")
        else:
            path = self._target.collection_path(own_namespace, cancel=cancel)
        options = self._write_options(field_manager, field_validation, dry_run=dry_run)
        made = self._write(
            "POST", path, options.query(), encode_object(obj, self._api.codec), timeout_s=timeout_s, cancel=cancel
        )
        if not (subresource or dry_run):
            self._tell(written(self.gvr, made))
        return made

    def update(
        self,
        obj: ObjectBody,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Unstructured:
        """Replace an object, and return it as the server keeps it.

        If ``obj`` holds a resourceVersion and the object has changed since, that is a ``Conflict``: read, change and
        write again.

        Args:
            obj: The object, with its name.
            subresource: Replace this of it instead: ``status``, ``scale``.
            dry_run: Do everything but keep the result.
            field_manager: Who the fields belong to; the client's own unless given.
            field_validation: What to do about unknown fields.
            timeout_s: How long it may take, in seconds.
            cancel: Ends it at once when set.
        """
        name, own_namespace = identity(obj)
        path = self._target.object_path(name, subresource, own_namespace, cancel)
        options = self._write_options(field_manager, field_validation, dry_run=dry_run)
        made = self._write(
            "PUT", path, options.query(), encode_object(obj, self._api.codec), timeout_s=timeout_s, cancel=cancel
        )
        if not dry_run:
            self._tell(written(self.gvr, made))
        return made

    def patch(
        self,
        name: str,
        body: ObjectBody | Sequence[ObjectBody],
        patch_type: PatchType = PatchType.MERGE,
        *,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Unstructured:
        """Change an object, and return it as the server keeps it.

        ``PatchType.STRATEGIC`` is for built-in resources: for custom ones servers refuse it (``UnsupportedMediaType``).

        Args:
            name: The object's name.
            body: The patch: a list of operations for ``PatchType.JSON``, else an object.
            patch_type: What kind of patch it is.
            subresource: Change this of it instead: ``status``, ``scale``.
            force: Take fields over from other managers; for ``PatchType.APPLY`` alone.
            dry_run: Do everything but keep the result.
            field_manager: Who the fields belong to; the client's own unless given.
            field_validation: What to do about unknown fields.
            timeout_s: How long it may take, in seconds.
            cancel: Ends it at once when set.
        """
        patch_type = check_patch_type(patch_type, force=force)
        own_namespace = identity(body)[1] if isinstance(body, Mapping) else ""
        path = self._target.object_path(name, subresource, own_namespace, cancel)
        options = self._write_options(field_manager, field_validation, dry_run=dry_run, force=force)
        raw = encode_patch(body, patch_type, self._api.codec)
        try:
            made = self._write(
                "PATCH", path, options.query(), raw, patch_type.value, timeout_s=timeout_s, cancel=cancel
            )
        except UnsupportedMediaType as error:
            if patch_type is PatchType.STRATEGIC:
                error.message += " (custom resources take PatchType.MERGE, PatchType.JSON or apply instead)"
            raise
        if not dry_run:
            self._tell(written(self.gvr, made))
        return made

    def apply(
        self,
        obj: ObjectBody,
        *,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Unstructured:
        """Have the server make the fields in ``obj`` so (server-side apply), and return the object as it keeps it.

        A field that another manager has set otherwise is an ``ApplyConflict``, which names fields and managers.

        Args:
            obj: The fields that this manager wants, with apiVersion, kind and name; no managedFields.
            subresource: Apply to this of the object instead: ``status``.
            force: Take the fields over.
            dry_run: Do everything but keep the result.
            field_manager: Who the fields belong to; the client's own unless given.
            field_validation: What to do about unknown fields.
            timeout_s: How long it may take, in seconds.
            cancel: Ends it at once when set.
        """
        return self.patch(
            identity(obj)[0],
            obj,
            PatchType.APPLY,
            subresource=subresource,
            force=force,
            dry_run=dry_run,
            field_manager=field_manager,
            field_validation=field_validation,
            timeout_s=timeout_s,
            cancel=cancel,
        )

    def scale(
        self,
        name: str,
        replicas: int,
        *,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Unstructured:
        """Set how many replicas an object should have, and return its ``Scale``.

        How many it has now is in ``get(name, subresource="scale")``.

        Args:
            name: The object's name.
            replicas: How many it should have.
            dry_run: Do everything but keep the result.
            field_manager: Who the field belongs to; the client's own unless given.
            field_validation: What to do about unknown fields.
            timeout_s: How long it may take, in seconds.
            cancel: Ends it at once when set.
        """
        if replicas < 0:
            raise InvalidArgument(f"replicas is 0 or more, not {replicas!r}")
        return self.patch(
            name,
            {"spec": {"replicas": replicas}},
            subresource="scale",
            dry_run=dry_run,
            field_manager=field_manager,
            field_validation=field_validation,
            timeout_s=timeout_s,
            cancel=cancel,
        )

    def delete(
        self,
        name: str,
        *,
        preconditions: Preconditions | None = None,
        grace_period_s: int | None = None,
        propagation_policy: PropagationPolicy | None = None,
        dry_run: bool = False,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Unstructured:
        """Delete an object.

        Returns:
            The object, if it goes on for a while (finalizers, a grace period) or the server shows its last state; else
            a ``Status``, which has no name.

        Args:
            name: The object's name.
            preconditions: What must still hold of it.
            grace_period_s: How many whole seconds it may take to end.
            propagation_policy: What becomes of the objects that it owns.
            dry_run: Do everything but delete it.
            timeout_s: How long the request may take, in seconds.
            cancel: Ends the request at once when set.
        """
        options = DeleteOptions(
            preconditions=preconditions,
            grace_period_s=grace_period_s,
            propagation_policy=propagation_policy,
            dry_run=dry_run,
        )
        path = self._target.object_path(name, cancel=cancel)
        body = self._api.codec.encode(options.body())
        answer = self._write("DELETE", path, (), body, timeout_s=timeout_s, cancel=cancel)
        if not dry_run:
            self._tell(deleted(self.gvr, path, answer))
        return answer

    def delete_collection(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_s: int | None = None,
        propagation_policy: PropagationPolicy | None = None,
        dry_run: bool = False,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> ObjectList:
        """Delete every object of one namespace, or of a cluster-scoped resource, that the selectors select.

        Returns:
            The objects as they last were.

        Args:
            label_selector: Only objects with such labels; empty: any.
            field_selector: Only objects with such fields; empty: any.
            grace_period_s: How many whole seconds each may take to end.
            propagation_policy: What becomes of the objects that they own.
            dry_run: Do everything but delete them.
            timeout_s: How long the request may take, in seconds.
            cancel: Ends the request at once when set.
        """
        options = DeleteOptions(grace_period_s=grace_period_s, propagation_policy=propagation_policy, dry_run=dry_run)
        selectors = ListOptions(label_selector=label_selector, field_selector=field_selector)
        call = Call(
            method="DELETE",
            path=self._target.collection_path(cancel=cancel),
            query=selectors.query(),
            body=self._api.codec.encode(options.body()),
            timeout_s=timeout_s,
            cancel=cancel,
        )
        answer = list_page(lambda _: self._api.open_list(call), selectors)
        if self._on_write is not None and not dry_run:
            for obj in answer:
                self._tell(deleted_among_others(self.gvr, obj))
        return answer

    def _tell(self, write: Written | None) -> None:
        if self._on_write is not None and write is not None:
            self._on_write(write)

    def _write_options(
        self,
        field_manager: str,
        field_validation: FieldValidation | None,
        *,
        dry_run: bool,
        force: bool = False,
    ) -> WriteOptions:
        return WriteOptions(
            field_manager=field_manager or self._field_manager,
            field_validation=field_validation,
            dry_run=dry_run,
            force=force or None,
        )

    def _write(
        self,
        method: str,
        path: str,
        query: Query,
        body: bytes,
        content_type: str = JSON_TYPE,
        *,
        timeout_s: float | None,
        cancel: Cancel | None,
    ) -> Unstructured:
        return self._api.read_object(
            Call(
                method=method,
                path=path,
                query=query,
                body=body,
                content_type=content_type,
                timeout_s=timeout_s,
                cancel=cancel,
            )
        )
