"""What the API server serves, asked once and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from kubeprims.client.api import API, Call, join_path
from kubeprims.client.options import JSON_TYPE, check_timeout_s
from kubeprims.client.resources import (
    APIResource,
    Catalog,
    check_resource_name,
    parse_aggregated,
    parse_core_versions,
    parse_groups,
    parse_resource_list,
    parse_stale,
)
from kubeprims.errors import Cancelled, DeadlineExceeded, KubeprimsError, NotFound, StatusError, UnknownResource
from kubeprims.meta import GroupVersionKind, GroupVersionResource, JSONObject
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.rate_limit import RateLimit, TokenBucket

MISSES = RateLimit(qps=1.0, burst=10)
"""How often names that are not there may have everything fetched again."""

_AGGREGATED_KIND = "APIGroupDiscoveryList"
_ACCEPT = ",".join(
    (
        *(f"{JSON_TYPE};g=apidiscovery.k8s.io;v={version};as={_AGGREGATED_KIND}" for version in ("v2", "v2beta1")),
        JSON_TYPE,
    )
)


@dataclass(frozen=True, slots=True)
class _Budget:
    """What bounds one look-up, all its requests and waits together."""

    deadline: Deadline
    cancel: Cancel | None


class Discovery:
    """Finds resources by name, in the server's order of preference.

    What the server serves is fetched when it is first needed and then kept. A name that is not in there has it fetched
    once more; if it is not there then, there is no such resource. Ten names in a row that are not there, and one a
    second in the long run, have it fetched; those past that are judged by what is known.

    Concurrency:
        Any number of threads at once; they share one fetch. A thread that waits for another's fetch is bounded by its
        own time-out and ``Cancel``, and does not fail with the other's.

    Source:
        client-go discovery/aggregated_discovery.go, discovery/cached/memory/memcache.go.
        Differs: a miss refreshes by itself.
    """

    def __init__(self, api: API) -> None:
        self._api = api
        self._changed = threading.Condition()
        self._catalog: Catalog | None = None
        self._catalog_number = 0
        self._begun = 0
        self._is_fetching = False
        self._failure: KubeprimsError | None = None
        self._misses = TokenBucket(MISSES, clock=api.clock)

    def find(self, name: str, *, timeout_s: float | None = None, cancel: Cancel | None = None) -> APIResource:
        """Return the resource that a name means: ``po``, ``pods``, ``Pod``, ``deployments.apps``.

        Args:
            name: The name; see :meth:`Catalog.find`.
            timeout_s: How long it may take if the server must be asked; None: the client's time-out.
            cancel: Ends it at once when set.

        Raises:
            InvalidArgument: The text cannot be a name.
            UnknownResource: The server has no such resource.
            StatusError: The server refused to tell.
            TransportError: The server did not answer.
        """
        check_resource_name(name)
        return self._look_up(lambda catalog: catalog.find(name), name, timeout_s, cancel)

    def get(
        self, gvr: GroupVersionResource, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> APIResource:
        """Return a resource by group, version and name.

        Raises:
            KubeprimsError: As :meth:`find`.
        """
        return self._look_up(lambda catalog: catalog.get(gvr), str(gvr), timeout_s, cancel)

    def find_kind(
        self, gvk: GroupVersionKind, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> APIResource:
        """Return the resource whose objects are of a kind.

        Raises:
            KubeprimsError: As :meth:`find`.
        """
        return self._look_up(lambda catalog: catalog.find_kind(gvk), str(gvk), timeout_s, cancel)

    def get_known(self, gvr: GroupVersionResource) -> APIResource | None:
        """Return a resource if it was fetched already; asks nobody."""
        catalog = self._catalog
        return None if catalog is None else catalog.get(gvr)

    def resources(self, *, timeout_s: float | None = None, cancel: Cancel | None = None) -> tuple[APIResource, ...]:
        """Return every resource, in the server's order of preference.

        Raises:
            KubeprimsError: As :meth:`find`.
        """
        catalog = self._catalog
        if catalog is None:
            catalog, _ = self._fetch_once(0, self._budget(timeout_s, cancel))
        return catalog.resources

    def refresh(self, *, timeout_s: float | None = None, cancel: Cancel | None = None) -> None:
        """Fetch again what the server serves.

        Raises:
            KubeprimsError: As :meth:`find`.
        """
        with self._changed:
            begun = self._begun
        budget = self._budget(timeout_s, cancel)
        number = 0
        while number <= begun:
            _, number = self._fetch_once(begun, budget)

    def take_from(self, other: Discovery) -> None:
        """Begin with what another one knows; asks nobody."""
        with other._changed:
            catalog = other._catalog
        with self._changed:
            self._catalog = catalog

    def _budget(self, timeout_s: float | None, cancel: Cancel | None) -> _Budget:
        check_timeout_s(timeout_s)
        timeout_s = self._api.timeout_s if timeout_s is None else timeout_s
        return _Budget(Deadline.after(timeout_s, clock=self._api.clock), cancel)

    def _look_up(
        self,
        pick: Callable[[Catalog], APIResource | None],
        what: str,
        timeout_s: float | None,
        cancel: Cancel | None,
    ) -> APIResource:
        with self._changed:
            begun, catalog, number = self._begun, self._catalog, self._catalog_number
        budget: _Budget | None = None
        while True:
            found = None if catalog is None else pick(catalog)
            if found is not None:
                return found
            if catalog is not None and (number > begun or not self._may_refresh(budget)):
                raise UnknownResource(what, server=self._api.server, unavailable=catalog.unavailable)
            # What another thread was fetching when this look-up began may be older than what is looked for: good if
            # the name is in there, no proof if it is not.
            budget = budget or self._budget(timeout_s, cancel)
            catalog, number = self._fetch_once(number, budget)

    def _may_refresh(self, budget: _Budget | None) -> bool:
        """Return whether a miss may have everything fetched again; a look-up counts once."""
        return budget is not None or self._misses.reserve(0.0) is not None

    def _fetch_once(self, have: int, budget: _Budget) -> tuple[Catalog, int]:
        """Return a catalog with a number above ``have``: another thread's if one is fetching, or else our own."""
        with self._changed:
            while self._is_fetching:
                joined = self._begun
                self._wait(budget)
                if self._failure is not None and self._begun == joined:
                    raise self._failure
            if self._catalog is not None and self._catalog_number > have:
                return self._catalog, self._catalog_number
            self._is_fetching = True
            self._failure = None
            self._begun += 1
            number = self._begun
        try:
            catalog = self._fetch(budget)
        except (Cancelled, DeadlineExceeded):
            self._fetched(None)  # this thread's own limits: those who wait for it try themselves
            raise
        except BaseException as error:
            self._fetched(error if isinstance(error, KubeprimsError) else None)
            raise
        self._fetched(None, catalog)
        return catalog, number

    def _fetched(self, failure: KubeprimsError | None, catalog: Catalog | None = None) -> None:
        """End a fetch, and tell those who wait for it."""
        with self._changed:
            self._is_fetching = False
            self._failure = failure
            if catalog is not None:
                self._catalog, self._catalog_number = catalog, self._begun
            self._changed.notify_all()

    def _wait(self, budget: _Budget) -> None:
        """Wait, with the condition held, for a change; may return early."""
        # Registered before it is looked at: a cancel in between would find nobody waiting.
        detach = budget.cancel.add_callback(self._wake) if budget.cancel is not None else None
        try:
            remaining_s = self._remaining_s(budget)
            self._api.clock.wait(self._changed, remaining_s)
        finally:
            if detach is not None:
                detach()

    def _remaining_s(self, budget: _Budget, path: str = "") -> float:
        """Return the seconds left.

        Raises:
            Cancelled: The look-up was cancelled.
            DeadlineExceeded: None are left.
        """
        url = self._api.server + path
        if budget.cancel is not None and budget.cancel.is_set:
            raise Cancelled("cancelled during discovery", method="GET", url=url)
        remaining_s = budget.deadline.remaining_s()
        if remaining_s <= 0:
            raise DeadlineExceeded("the deadline has passed during discovery", method="GET", url=url)
        return remaining_s

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # Asking the server.

    def _fetch(self, budget: _Budget) -> Catalog:
        resources: list[APIResource] = []
        unavailable: list[str] = []
        missing: list[NotFound] = []
        for root in ("/api", "/apis"):
            try:
                document = self._read(root, budget, accept=_ACCEPT)
            except NotFound as error:  # a server without a core group, or with nothing else
                missing.append(error)
                continue
            if document.get("kind") == _AGGREGATED_KIND:
                resources += parse_aggregated(document)
                unavailable += parse_stale(document)
            else:
                self._fetch_each(root, document, budget, resources, unavailable)
        if len(missing) > 1:
            raise missing[0]
        return Catalog(tuple(resources), tuple(unavailable))

    def _fetch_each(
        self,
        root: str,
        document: JSONObject,
        budget: _Budget,
        resources: list[APIResource],
        unavailable: list[str],
    ) -> None:
        versions = parse_core_versions(document) if root == "/api" else parse_groups(document)
        for version in versions:
            path = join_path(root, *version.split("/"))
            try:
                resources += parse_resource_list(self._read(path, budget))
            except StatusError:  # an extension server that is down must not hide the rest
                unavailable.append(version)

    def _read(self, path: str, budget: _Budget, *, accept: str = JSON_TYPE) -> JSONObject:
        return self._api.read_json(
            Call(
                method="GET", path=path, accept=accept, timeout_s=self._remaining_s(budget, path), cancel=budget.cancel
            )
        )
