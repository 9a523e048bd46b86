"""The API server without HTTP: what each request does, and what it gets back.

A front end turns requests into these calls and their results into answers; everything that goes wrong is a
``StatusError``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.meta import JSONObject
from kubeprims.sharding import Shard
from kubeprims.testing.apiserver.binding import Binder
from kubeprims.testing.apiserver.collector import Collected, Collector
from kubeprims.testing.apiserver.deletion import deletion_warnings
from kubeprims.testing.apiserver.encoding import decode_tail, encode
from kubeprims.testing.apiserver.eviction import Evictor
from kubeprims.testing.apiserver.first_objects import first_namespaces, first_priority_classes
from kubeprims.testing.apiserver.kinds import NAMESPACES, PRIORITY_CLASSES, Kind
from kubeprims.testing.apiserver.listing import Listing, take_list
from kubeprims.testing.apiserver.metadata import timestamp
from kubeprims.testing.apiserver.objects import Answer, Objects
from kubeprims.testing.apiserver.queries import (
    DeleteOptions,
    ListQuery,
    WatchQuery,
    WriteOptions,
    parse_revision,
)
from kubeprims.testing.apiserver.registry import Registry
from kubeprims.testing.apiserver.remover import Remover
from kubeprims.testing.apiserver.scale import scale_of
from kubeprims.testing.apiserver.shard_selectors import parse_shard_selector
from kubeprims.testing.apiserver.status import (
    method_not_allowed,
    plain_failure,
    too_large_version,
    unknown_resource,
)
from kubeprims.testing.apiserver.storage import Storage, StorageLimits
from kubeprims.testing.apiserver.target import Target
from kubeprims.testing.apiserver.views import Predicate
from kubeprims.testing.apiserver.watching import Watch, WatchStart
from kubeprims.testing.apiserver.writer import NO_OPTIONS, Writer

__all__ = ["Answer", "Backend", "BackendOptions", "Collected"]

_WATCH_TIMEOUT_MIN_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """How the server differs from a real one, and how much of the past it keeps.

    Attributes:
        auto_create_namespaces: An object that is created in a namespace that is not there creates the namespace.
        empty_namespaces_at_once: The deletion of a namespace removes its objects, and then itself. Without it, as
            with a real API server whose controllers do not run, the namespace stays until ``finalize`` is called.
        history_events_max: How many events of each resource are kept for watches and lists of old versions.
        history_bytes_max: How many bytes of replaced states are kept for them, for each resource.
        bookmark_interval_s: How many seconds lie between bookmarks.
        too_large_wait_s: How many seconds a request for a version from the future waits for it.
        sharded_list_and_watch: ``shardSelector`` counts, as with the feature gate ``ShardedListAndWatch``, which is
            off by default. Without it, the server does not look at it.
    """

    auto_create_namespaces: bool = False
    empty_namespaces_at_once: bool = False
    history_events_max: int = 100_000
    history_bytes_max: int = 512 << 20
    bookmark_interval_s: float = 60.0
    too_large_wait_s: float = 3.0
    sharded_list_and_watch: bool = False


class Backend:
    """All that the API server knows and does.

    Concurrency:
        Every method may be called from any thread. Lists and watches are taken under the one lock of the storage, and
        rendered outside it.
    """

    def __init__(
        self, *, clock: Clock | None = None, rng: Rng | None = None, options: BackendOptions | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - names and uids need to differ, not to be secret
        self._options = options or BackendOptions()
        limits = StorageLimits(events_max=self._options.history_events_max, bytes_max=self._options.history_bytes_max)
        self._storage = Storage(self._clock, limits)
        self._objects = Objects(self._storage)
        self._registry = Registry()
        self._writer = Writer(
            self._objects,
            self._registry,
            clock=self._clock,
            rng=self._rng,
            auto_create_namespaces=self._options.auto_create_namespaces,
        )
        self._remover = Remover(
            self._objects,
            self._registry,
            clock=self._clock,
            empty_namespaces_at_once=self._options.empty_namespaces_at_once,
        )
        self._collector = Collector(self._objects, self._registry, self._remover)
        self._evictor = Evictor(self._objects, self._remover, self._clock)
        self._binder = Binder(self._objects, self._clock)
        self.create_many(PRIORITY_CLASSES, first_priority_classes(timestamp(self._clock.wall())))
        # As if all were written in one transaction: versions count within a kind, and the first of a user's stays 5.
        self._storage.revision = 0
        self.create_many(NAMESPACES, first_namespaces())

    @property
    def revision(self) -> int:
        """The newest resourceVersion."""
        return self._storage.revision

    def kinds(self) -> tuple[Kind, ...]:
        """Return all that is served; changes as definitions come and go."""
        return self._registry.kinds

    def resolve(self, group: str, version: str, resource: str) -> Kind:
        """Return the kind that is served under a name.

        Raises:
            NotFound: There is none.
        """
        return self._registry.resolve(group, version, resource)

    def get(self, kind: Kind, namespace: str, name: str, *, subresource: str = "", resource_version: str = "") -> bytes:
        """Return one object.

        Raises:
            NotFound: It is not there.
            ServerTimeout: The version lies in the future.
        """
        self._check_subresource(kind, subresource, "get")
        try:
            revision = parse_revision(resource_version)
        except ValueError as error:
            raise plain_failure(str(error)) from None
        with self._storage.condition:
            if not self._storage.wait_for_revision(revision, self._options.too_large_wait_s):
                raise too_large_version(revision, self._storage.revision)
            stored = self._objects.get(kind, namespace, name)
        if subresource == "scale":
            return encode(scale_of(decode_tail(stored.tail), kind))
        return self._objects.view(kind).render(stored)

    def list(self, kind: Kind, namespace: str, query: ListQuery | None = None) -> Listing:
        """Take a list of the objects in a namespace, or in all of them.

        Raises:
            BadRequest: A parameter is wrong.
            InternalError: The shard selector is none.
            ResourceExpired: The version, or the snapshot of an earlier page, is not known any more.
            ServerTimeout: The version lies in the future.
        """
        query = query or ListQuery()
        query.check()
        wait_s = self._options.too_large_wait_s
        view, table = self._objects.view(kind), self._objects.table(kind)
        predicate = Predicate(kind, query.label_selector, query.field_selector, self._shard(query.shard_selector))
        return take_list(self._storage, table, view, predicate, namespace, query, too_large_wait_s=wait_s)

    def _shard(self, selector: str) -> Shard | None:
        return parse_shard_selector(selector) if selector and self._options.sharded_list_and_watch else None

    def watch(self, kind: Kind, namespace: str, query: WatchQuery | None = None) -> Watch:
        """Open a watch of the objects in a namespace, or in all of them.

        What is wrong with the version is told by the watch itself, as an ERROR event.

        Raises:
            BadRequest: A parameter is wrong.
            InternalError: The version is not a number, or the shard selector is none.
        """
        query = query or WatchQuery()
        query.check()
        predicate = Predicate(kind, query.label_selector, query.field_selector, self._shard(query.shard_selector))
        try:
            revision = parse_revision(query.resource_version)
        except ValueError as error:
            raise plain_failure(str(error)) from None
        start = WatchStart(
            namespace=namespace,
            revision=revision,
            initial_events=query.wants_initial_events,
            allow_bookmarks=query.allow_bookmarks,
            timeout_s=query.timeout_s or _WATCH_TIMEOUT_MIN_S * (1 + self._rng.random()),
            bookmark_interval_s=self._options.bookmark_interval_s,
            too_large_wait_s=self._options.too_large_wait_s,
        )
        return Watch(self._storage, self._objects.table(kind), self._objects.view(kind), predicate, start)

    def create(
        self,
        kind: Kind,
        namespace: str,
        body: bytes | JSONObject,
        *,
        name: str = "",
        subresource: str = "",
        options: WriteOptions = NO_OPTIONS,
    ) -> Answer:
        """Create an object, or with a subresource bind or evict the pod ``name``.

        Raises:
            BadRequest: The body is not such an object.
            Invalid: The object breaks a rule.
            AlreadyExists: There is one of that name.
            NotFound: There is no such namespace.
            Forbidden: The namespace is being deleted.
            TooManyRequests: The pod's disruption budget is against its eviction.
        """
        self._check_subresource(kind, subresource, "create")
        with self._storage.rehearsal(is_wanted=options.dry_run):
            if subresource == "eviction":
                return self._evictor.evict(namespace, name, body)
            if subresource == "binding":
                return self._binder.bind(namespace, name, body)
            return self._writer.create(Target(kind, namespace, name, subresource), body, options)

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: bytes | JSONObject,
        *,
        subresource: str = "",
        options: WriteOptions = NO_OPTIONS,
    ) -> Answer:
        """Replace an object, or the part of it that a subresource stands for.

        Raises:
            BadRequest: The body is not that object.
            Invalid: The object breaks a rule.
            NotFound: It is not there.
            Conflict: It is not the version, or not the object, that the body comes from.
        """
        self._check_subresource(kind, subresource, "update")
        with self._storage.rehearsal(is_wanted=options.dry_run):
            return self._writer.update(Target(kind, namespace, name, subresource), body, options)

    def patch(  # noqa: PLR0913 - the parts of one request
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: bytes,
        *,
        content_type: str,
        subresource: str = "",
        options: WriteOptions = NO_OPTIONS,
    ) -> Answer:
        """Change an object by a JSON patch, a merge patch or a strategic merge patch, or apply a configuration to it.

        Raises:
            UnsupportedMediaType: The patch is of another type.
            BadRequest: The body is not such a patch, or the result is another object.
            Invalid: The patch does not fit, or the result breaks a rule.
            NotFound: The object is not there, and is not applied to.
            Conflict: The patch names a version that is not the newest, or would change what other managers own.
        """
        self._check_subresource(kind, subresource, "patch")
        with self._storage.rehearsal(is_wanted=options.dry_run):
            return self._writer.patch(Target(kind, namespace, name, subresource), body, content_type, options)

    def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions | None = None) -> Answer:
        """Delete an object, or begin to: see ``deletion``.

        Raises:
            NotFound: It is not there.
            Conflict: It does not meet the preconditions.
            Forbidden: It is a namespace that may not go.
        """
        self._check_verb(kind, "delete")
        options = options or DeleteOptions()
        with self._storage.rehearsal(is_wanted=options.dry_run):
            return self._remover.delete(kind, namespace, name, options)

    def delete_collection(
        self, kind: Kind, namespace: str, query: ListQuery | None = None, options: DeleteOptions | None = None
    ) -> Answer:
        """Delete the objects that a list would show.

        Raises:
            BadRequest: A parameter is wrong.
            Conflict: An object does not meet the preconditions; those before it are deleted.
        """
        self._check_verb(kind, "deletecollection")
        options = options or DeleteOptions()
        with self._storage.condition, self._storage.rehearsal(is_wanted=options.dry_run):
            listing = self.list(kind, namespace, query)
            self._remover.delete_all(kind, listing.items, options)
        metadata = listing.metadata
        body = Listing(self._objects.view(kind), metadata, listing.items).body()
        return Answer(200, body, deletion_warnings(kind, options))

    def create_many(self, kind: Kind, objects: Iterable[JSONObject]) -> int:
        """Create many objects in one step, and return how many.

        Each goes into the namespace that it names (``default`` if it names none), with the status that it has. They
        get their defaults, but the rules of built-in kinds are not checked: half an object will do for a test.

        Raises:
            BadRequest: One of them is not such an object; none is created then, nor in the other cases.
            Invalid: One of them breaks a rule.
            AlreadyExists: One of that name is there, or comes twice.
            NotFound: There is no such namespace.
        """
        return self._writer.create_many(kind, objects)

    def collect_garbage(self) -> tuple[Collected, ...]:
        """Do what a garbage collector would do by now, and return the objects that are gone.

        Objects go whose owners are gone, dependents that nobody waits for keep nobody waiting, orphans lose their
        references, and claims and volumes that are not in use lose what protects them. Nothing of this happens by
        itself.
        """
        return self._collector.collect()

    def compact(self, revision: int | None = None) -> None:
        """Forget the history up to a revision, or all of it: what starts from an older one gets 410.

        Watches that are open already go on.
        """
        self._storage.compact(self._storage.revision if revision is None else revision)

    def drop_history(self) -> None:
        """Forget what a restart makes an API server forget: watches can start from the newest version only."""
        self._storage.drop_history()

    def close_watches(self) -> None:
        """End every open watch."""
        self._storage.close_readers()

    @staticmethod
    def _check_verb(kind: Kind, verb: str) -> None:
        if verb not in kind.verbs:
            raise method_not_allowed(verb, kind)

    def _check_subresource(self, kind: Kind, subresource: str, verb: str) -> None:
        if not subresource:
            self._check_verb(kind, verb)
            return
        found = kind.subresource(subresource)
        if found is None:
            raise unknown_resource()
        if verb not in found.verbs:
            raise method_not_allowed(verb, kind)
