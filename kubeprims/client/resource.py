"""The verbs: what can be done with the objects of a resource."""
# ruff: noqa: PLR0913 - the API's own options, all by keyword

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from kubeprims.client.api import API, JSON_TYPE, Call
from kubeprims.client.bodies import ObjectBody, check_patch_type, encode_object, encode_patch, identity
from kubeprims.client.options import (
    WATCH_TIMEOUT_S,
    DeleteOptions,
    FieldValidation,
    ListOptions,
    NamespaceOption,
    PatchType,
    Preconditions,
    PropagationPolicy,
    Query,
    ResourceVersionMatch,
    WatchOptions,
    WriteOptions,
)
from kubeprims.client.pager import ObjectList, list_all, list_page, list_pages
from kubeprims.client.target import Target
from kubeprims.client.watch import WatchStream
from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionResource
from kubeprims.objects.codec import ListStream
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel

logger = logging.getLogger(__name__)


class Resource:
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

    __slots__ = ("_api", "_field_manager", "_target")

    def __init__(self, api: API, target: Target, *, field_manager: str) -> None:
        self._api = api
        self._target = target
        self._field_manager = field_manager

    @property
    def gvr(self) -> GroupVersionResource:
        """Group, version and resource."""
        return self._target.gvr

    @property
    def namespace(self) -> NamespaceOption:
        """What was asked for: a namespace, ``ALL_NAMESPACES``, or None for that of the context."""
        return self._target.namespace

    @property
    def namespaced(self) -> bool:
        """Whether the objects live in namespaces; asks discovery if that is not known."""
        return self._target.is_namespaced()

    def within(self, namespace: NamespaceOption) -> Resource:
        """Return this resource seen from another namespace, from all of them, or from that of the context (None)."""
        return Resource(self._api, self._target.within(namespace), field_manager=self._field_manager)

    # Reading.

    def get(
        self, name: str, *, subresource: str = "", timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Unstructured:
        """Return an object, or its subresource."""
        path = self._target.object_path(name, subresource, cancel=cancel)
        return self._api.read_object(Call(method="GET", path=path, timeout_s=timeout_s, cancel=cancel))

    def list(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int | None = None,
        continue_token: str = "",
        resource_version: str | None = None,
        resource_version_match: ResourceVersionMatch | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> ObjectList:
        """Return the objects.

        Without ``limit`` and ``continue_token`` that is all of them, fetched in pages of 500, or once more all at once
        if the list expires meanwhile. With either it is that one page.

        Args:
            label_selector: Only objects with such labels: ``app=web,tier!=cache``.
            field_selector: Only objects with such fields: ``spec.nodeName=node-7``.
            limit: The most objects in the page.
            continue_token: The token of the page before.
            resource_version: What version to list at; None: the newest.
            resource_version_match: How to take that version.
            timeout_s: How long a request may take, in seconds.
            cancel: Ends it at once when set.
        """
        options = ListOptions(
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            continue_token=continue_token,
            resource_version=resource_version,
            resource_version_match=resource_version_match,
            timeout_s=timeout_s,
        )
        fetch = list_page if limit is not None or continue_token else list_all
        return fetch(lambda asked: self.open_list(asked, cancel=cancel), options)

    def list_pages(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[ObjectList]:
        """Yield the objects page by page; the next page is asked for when it is wanted.

        The pages show one version of the list. It expires on the server after some minutes: ``ResourceExpired`` is
        raised then, unless no object was handed out yet.

        Args:
            label_selector: Only objects with such labels.
            field_selector: Only objects with such fields.
            page_size: The most objects in a page; None: 500.
            timeout_s: How long a request may take, in seconds; the time between pages does not count.
            cancel: Ends it at once when set.
        """
        options = ListOptions(
            label_selector=label_selector, field_selector=field_selector, limit=page_size, timeout_s=timeout_s
        )
        return list_pages(lambda asked: self.open_list(asked, cancel=cancel), options)

    def iterate(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int | None = None,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[Unstructured]:
        """Yield the objects one by one, holding no more than one page; otherwise as :meth:`list_pages`.

        Objects that cannot be understood are logged and left out.
        """
        pages = self.list_pages(
            label_selector=label_selector,
            field_selector=field_selector,
            page_size=page_size,
            timeout_s=timeout_s,
            cancel=cancel,
        )
        return self._flatten(pages)

    def _flatten(self, pages: Iterator[ObjectList]) -> Iterator[Unstructured]:
        for page in pages:
            for malformed in page.malformed:
                logger.warning(
                    "list of %s: %s is left out: %s", self.gvr, malformed.key or "an object", malformed.detail
                )
            yield from page

    def watch(
        self,
        *,
        resource_version: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        send_initial_events: bool = False,
        timeout_s: float = WATCH_TIMEOUT_S,
        cancel: Cancel | None = None,
    ) -> WatchStream:
        """Return a stream of what happens to the objects; iterate over it, and close it or use it in a ``with``.

        Args:
            resource_version: The version after which events are wanted; None: begin with the objects that there are.
            label_selector: Only objects with such labels.
            field_selector: Only objects with such fields.
            send_initial_events: Ask for a watch-list.
            timeout_s: After how many seconds the server is asked to end it.
            cancel: Ends it at once when set.
        """
        options = WatchOptions(
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
            send_initial_events=send_initial_events,
            timeout_s=timeout_s,
        )
        return self.open_watch(options, cancel=cancel)

    def open_list(self, options: ListOptions, *, cancel: Cancel | None = None) -> AbstractContextManager[ListStream]:
        """Ask, once it is entered, for one page, whose items come in while it is iterated over."""
        return self._api.open_list(
            Call(
                method="GET",
                path=self._target.list_path(cancel=cancel),
                query=options.query(),
                timeout_s=options.timeout_s,
                cancel=cancel,
            )
        )

    def open_watch(self, options: WatchOptions, *, cancel: Cancel | None = None) -> WatchStream:
        """Open a watch; it may last as long as ``options`` say, and 30 seconds more."""
        call = Call(
            method="GET",
            path=self._target.list_path(cancel=cancel),
            query=options.query(),
            timeout_s=options.deadline_s,
            cancel=cancel,
            is_watch=True,
        )
        return WatchStream(self._api.send(call), self._api.codec.split_event)

    # Writing.

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
        return self._write(
            "POST", path, options.query(), encode_object(obj, self._api.codec), timeout_s=timeout_s, cancel=cancel
        )

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
        return self._write(
            "PUT", path, options.query(), encode_object(obj, self._api.codec), timeout_s=timeout_s, cancel=cancel
        )

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
        return self._write("PATCH", path, options.query(), raw, patch_type.value, timeout_s=timeout_s, cancel=cancel)

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

        A field that another manager has set otherwise is a ``Conflict``, whose causes name the fields.

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
        return self._write("DELETE", path, (), body, timeout_s=timeout_s, cancel=cancel)

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
        return list_page(lambda _: self._api.open_list(call), selectors)

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

    def __repr__(self) -> str:
        namespace = self.namespace
        if namespace is None:
            return f"<Resource {self.gvr}>"
        return f"<Resource {self.gvr} in {namespace if isinstance(namespace, str) else namespace.value}>"
