"""The verbs that read: what can be asked of the objects of a resource."""
# ruff: noqa: PLR0913 - the API's own options, all by keyword

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

from kubeprims.client.api import API, Call
from kubeprims.client.conditions import Condition
from kubeprims.client.options import (
    WATCH_TIMEOUT_S,
    ListOptions,
    NamespaceOption,
    ResourceVersionMatch,
    WatchOptions,
)
from kubeprims.client.pager import ObjectList, in_pages, list_all, list_page, list_pages
from kubeprims.client.tables import TABLE_ACCEPT, Table, joined, parse_table
from kubeprims.client.target import Target
from kubeprims.client.waiter import Waiter
from kubeprims.client.watch import WatchStream
from kubeprims.meta import GroupVersionResource
from kubeprims.objects.codec import ListStream
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel, MovableDeadline

logger = logging.getLogger(__name__)

WAIT_TIMEOUT_S = 30.0
"""How long an object is waited for unless told otherwise, in seconds."""


class ResourceReader:
    """The half of a :class:`~kubeprims.client.resource.Resource` that changes nothing.

    Concurrency:
        Immutable: any number of threads at once.
    """

    __slots__ = ("_api", "_target")

    def __init__(self, api: API, target: Target) -> None:
        self._api = api
        self._target = target

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
        return fetch(partial(self.open_list, cancel=cancel), options)

    def list_pages(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int | None = None,
        allow_inconsistent: bool = False,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[ObjectList]:
        """Yield the objects page by page; the next page is asked for when it is wanted.

        The pages show one version of the list. It expires on the server after some minutes: ``ResourceExpired`` is
        raised then, unless no object was handed out yet, or ``allow_inconsistent`` has the rest come at a newer
        version.

        Args:
            label_selector: Only objects with such labels.
            field_selector: Only objects with such fields.
            page_size: The most objects in a page; None: 500.
            allow_inconsistent: Go on with an expired list, where the server offers that: what is changed meanwhile may
                come twice, or not at all.
            timeout_s: How long a request may take, in seconds; the time between pages does not count.
            cancel: Ends it at once when set.
        """
        options = ListOptions(
            label_selector=label_selector, field_selector=field_selector, limit=page_size, timeout_s=timeout_s
        )
        return list_pages(partial(self.open_list, cancel=cancel), options, allow_inconsistent=allow_inconsistent)

    def iterate(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int | None = None,
        allow_inconsistent: bool = False,
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
            allow_inconsistent=allow_inconsistent,
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

    def table(
        self,
        name: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Table:
        """Return the objects, or one of them, as the server prints them for people.

        A server that has no table for them gives names and ages.

        Args:
            name: The object's name; empty: all of them.
            label_selector: Only objects with such labels.
            field_selector: Only objects with such fields.
            timeout_s: How long a request may take, in seconds.
            cancel: Ends it at once when set.
        """
        if name:
            return self._ask_table(self._target.object_path(name, cancel=cancel), ListOptions(), timeout_s, cancel)
        pages = self.table_pages(
            label_selector=label_selector, field_selector=field_selector, timeout_s=timeout_s, cancel=cancel
        )
        return joined(tuple(pages))

    def table_pages(
        self,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int | None = None,
        allow_inconsistent: bool = False,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[Table]:
        """Yield the objects as tables, page by page; otherwise as :meth:`list_pages`."""
        options = ListOptions(label_selector=label_selector, field_selector=field_selector, limit=page_size)
        path = self._target.list_path(cancel=cancel)
        return in_pages(
            lambda asked: self._ask_table(path, asked, timeout_s, cancel),
            options,
            allow_inconsistent=allow_inconsistent,
        )

    def _ask_table(self, path: str, asked: ListOptions, timeout_s: float | None, cancel: Cancel | None) -> Table:
        call = Call(
            method="GET", path=path, query=asked.query(), accept=TABLE_ACCEPT, timeout_s=timeout_s, cancel=cancel
        )
        return parse_table(self._api.read_json(call), now=self._api.clock.wall())

    def wait_for(
        self,
        name: str,
        condition: Condition,
        *,
        timeout_s: float = WAIT_TIMEOUT_S,
        cancel: Cancel | None = None,
    ) -> Unstructured | None:
        """Wait until an object is as it should be, and return it; None if it should be gone, and is.

        The object is listed once and then watched. Whatever ends the watch (its time, a version that is too old, a
        connection that is lost, a server that is down for a while) has it looked at again.

        Args:
            name: The object's name; it need not be there yet.
            condition: Says of the object, or of None where there is none, whether it will do; see
                :mod:`kubeprims.client.conditions` for ready-made ones. What it raises is raised.
            timeout_s: How long to wait, in seconds.
            cancel: Ends it at once when set.

        Raises:
            WaitTimeout: The object was not so in time; says how it was last seen.
            InvalidArgument: The resource is seen from all namespaces; and as for every verb.
            Cancelled: It was cancelled.
            KubeprimsError: The first look failed, or the server refuses a later one for good.

        Source:
            client-go tools/watch/until.go, ``UntilWithSync``.
        """
        self._target.object_path(name, cancel=cancel)  # one object: a name in all namespaces may be many
        return Waiter(self, self._api.clock, name, condition, timeout_s=timeout_s, cancel=cancel).run()

    def open_list(
        self, options: ListOptions, *, cancel: Cancel | None = None, may_retry: bool = True
    ) -> AbstractContextManager[ListStream]:
        """Ask, once it is entered, for one page, whose items come in while it is iterated over."""
        return self._api.open_list(
            Call(
                method="GET",
                path=self._target.list_path(cancel=cancel),
                query=options.query(),
                accept=options.accept,
                timeout_s=options.timeout_s,
                cancel=cancel,
                may_retry=may_retry,
            )
        )

    def open_watch(
        self,
        options: WatchOptions,
        *,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
        may_retry: bool = True,
    ) -> WatchStream:
        """Open a watch; it may last for ``timeout_s``, or else as long as ``options`` say, and 30 seconds more.

        Its answer has to begin as soon as that of any other request.
        """
        lasts_s = options.deadline_s if timeout_s is None else timeout_s
        deadline = MovableDeadline.after(min(lasts_s, self._api.timeout_s), clock=self._api.clock)
        call = Call(
            method="GET",
            path=self._target.list_path(cancel=cancel),
            query=options.query(),
            accept=options.accept,
            deadline=deadline,
            cancel=cancel,
            is_watch=True,
            may_retry=may_retry,
        )
        response = self._api.send(call)
        deadline.move(lasts_s)
        return WatchStream(response, self._api.codec.split_event, deadline=deadline)

    def __repr__(self) -> str:
        namespace = self.namespace
        if namespace is None:
            return f"<Resource {self.gvr}>"
        return f"<Resource {self.gvr} in {namespace if isinstance(namespace, str) else namespace.value}>"
