"""What can be asked of the API server, as values checked before anything is sent.

Everything here is pure and immutable, so it is safe in any thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject
from kubeprims.selectors import FieldSelector, LabelSelector
from kubeprims.sharding import Shard

REQUEST_TIMEOUT_S = 60.0
"""How long a request may take, its answer included, unless told otherwise."""

WATCH_TIMEOUT_S = 1800.0
"""After how long the server is asked to end a watch unless told otherwise: the shortest that it would choose itself."""

WATCH_GRACE_S = 30.0
"""How much longer than asked for a watch may last before it is cut off."""

PAGE_SIZE = 500
"""How many objects a page of a list holds unless told otherwise."""

JSON_TYPE: Final = "application/json"
"""The type of bodies, unless something else is asked for."""

_METADATA_ACCEPT = "application/json;as={};g=meta.k8s.io;v=v1"

Query = tuple[tuple[str, str], ...]
"""The parameters of a request, in order."""


class AllNamespaces(Enum):
    """The type of :data:`ALL_NAMESPACES`, which is its only value."""

    ALL_NAMESPACES = "all namespaces"

    def __repr__(self) -> str:
        return self.name


ALL_NAMESPACES: Final = AllNamespaces.ALL_NAMESPACES
"""Every namespace at once. A value of its own, so that an empty text can never come to mean it."""

NamespaceOption = str | AllNamespaces | None
"""A namespace, all of them, or None for that of the context."""


class PatchType(StrEnum):
    """How a patch describes the change; the value is its content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class PropagationPolicy(StrEnum):
    """What becomes of the objects that a deleted object owns."""

    ORPHAN = "Orphan"
    BACKGROUND = "Background"
    FOREGROUND = "Foreground"


class FieldValidation(StrEnum):
    """What the server does about unknown and duplicate fields."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


class ResourceVersionMatch(StrEnum):
    """How the version of a list relates to the one that was asked for."""

    EXACT = "Exact"
    NOT_OLDER_THAN = "NotOlderThan"


def check_timeout_s(value: float | None, *, what: str = "timeout_s") -> float | None:
    """Return a time-out that can be waited for; None is none.

    Raises:
        InvalidArgument: It is not a positive, finite number.
    """
    if value is None or (value > 0 and math.isfinite(value)):
        return value
    raise InvalidArgument(f"{what} is a positive number of seconds, not {value!r}")


def _check_selectors(label_selector: str, field_selector: str) -> None:
    LabelSelector.parse(label_selector)
    FieldSelector.parse(field_selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What one page of a list is asked for with.

    Attributes:
        resource_version: What version to list at; None leaves it out: the newest.
        resource_version_match: How to take that version; None leaves it to the server.
        limit: The most objects in the page; None: all.
        continue_token: The token of the page before; empty for a first page.
        label_selector: Only objects with such labels; empty: any.
        field_selector: Only objects with such fields; empty: any.
        shard: Only objects of this part. A server that does not know of shards gives all objects, and does not say so:
            who asks has to sort them out.
        metadata_only: The objects come as ``PartialObjectMetadata``, which has nothing else.
        timeout_s: How long the request may take, in seconds; None: the client's time-out.

    Raises:
        InvalidArgument: The limit or the time-out is not positive.
        InvalidSelector: A selector cannot be parsed.
    """

    resource_version: str | None = None
    resource_version_match: ResourceVersionMatch | None = None
    limit: int | None = None
    continue_token: str = ""
    label_selector: str = ""
    field_selector: str = ""
    shard: Shard | None = None
    metadata_only: bool = False
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InvalidArgument(f"limit is 1 or more, or None for no limit, not {self.limit!r}")
        check_timeout_s(self.timeout_s)
        _check_selectors(self.label_selector, self.field_selector)

    @property
    def accept(self) -> str:
        """What the answer should be, as the header ``Accept`` has it."""
        return _METADATA_ACCEPT.format("PartialObjectMetadataList") if self.metadata_only else JSON_TYPE

    def query(self) -> Query:
        """Return the request's parameters."""
        return _query(
            ("resourceVersion", self.resource_version),
            ("resourceVersionMatch", self.resource_version_match),
            ("limit", self.limit),
            ("continue", self.continue_token or None),
            ("labelSelector", self.label_selector or None),
            ("fieldSelector", self.field_selector or None),
            ("shardSelector", None if self.shard is None else self.shard.selector),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """What a watch is asked for with.

    Attributes:
        resource_version: The version after which events are wanted; None leaves it out: the server then starts with an
            ADDED event for each object that there is.
        allow_bookmarks: Whether the server may send bookmarks.
        send_initial_events: Ask for a watch-list: every object as an ADDED event, then a marked bookmark.
        resource_version_match: Needed for a watch-list, where it is ``NotOlderThan`` unless given; servers refuse it on
            a plain watch.
        label_selector: Only objects with such labels; empty: any.
        field_selector: Only objects with such fields; empty: any.
        shard: Only objects of this part, as for :class:`ListOptions`.
        metadata_only: The objects come as ``PartialObjectMetadata``.
        timeout_s: After how many seconds the server is asked to end the watch; parts of a second count as a whole one.

    Raises:
        InvalidArgument: The time-out is not positive.
        InvalidSelector: A selector cannot be parsed.
    """

    resource_version: str | None = None
    allow_bookmarks: bool = True
    send_initial_events: bool = False
    resource_version_match: ResourceVersionMatch | None = None
    label_selector: str = ""
    field_selector: str = ""
    shard: Shard | None = None
    metadata_only: bool = False
    timeout_s: float = WATCH_TIMEOUT_S

    def __post_init__(self) -> None:
        check_timeout_s(self.timeout_s)
        _check_selectors(self.label_selector, self.field_selector)

    @property
    def deadline_s(self) -> float:
        """How long the watch may last on our side, in seconds: a server that forgets to end it is cut off."""
        return math.ceil(self.timeout_s) + WATCH_GRACE_S

    @property
    def accept(self) -> str:
        """What the answer should be, as the header ``Accept`` has it."""
        return _METADATA_ACCEPT.format("PartialObjectMetadata") if self.metadata_only else JSON_TYPE

    def query(self) -> Query:
        """Return the request's parameters."""
        match_rule = self.resource_version_match
        if self.send_initial_events and match_rule is None:
            match_rule = ResourceVersionMatch.NOT_OLDER_THAN
        return _query(
            ("watch", True),
            ("resourceVersion", self.resource_version),
            ("resourceVersionMatch", match_rule),
            ("sendInitialEvents", self.send_initial_events or None),
            ("allowWatchBookmarks", self.allow_bookmarks or None),
            ("timeoutSeconds", math.ceil(self.timeout_s)),
            ("labelSelector", self.label_selector or None),
            ("fieldSelector", self.field_selector or None),
            ("shardSelector", None if self.shard is None else self.shard.selector),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What a create, update or patch is asked for with.

    Attributes:
        field_manager: Who the written fields are said to belong to; empty leaves it to the server.
        field_validation: What to do about unknown fields; None leaves it to the server.
        dry_run: Do everything but keep the result.
        force: Take fields over from other managers; for an apply patch alone, None elsewhere.

    Raises:
        InvalidArgument: The field manager is longer than the server allows, or not printable.
    """

    field_manager: str = ""
    field_validation: FieldValidation | None = None
    dry_run: bool = False
    force: bool | None = None

    _FIELD_MANAGER_LENGTH_MAX = 128

    def __post_init__(self) -> None:
        if len(self.field_manager) > self._FIELD_MANAGER_LENGTH_MAX or not self.field_manager.isprintable():
            raise InvalidArgument(f"a field manager is up to 128 printable characters, not {self.field_manager!r}")

    def query(self) -> Query:
        """Return the request's parameters."""
        return _query(
            ("dryRun", "All" if self.dry_run else None),
            ("fieldManager", self.field_manager or None),
            ("fieldValidation", self.field_validation),
            ("force", self.force),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """What must still hold of an object for it to be deleted; else the server answers 409.

    Attributes:
        uid: It is still this very object; empty: any.
        resource_version: It has not changed since; empty: any.
    """

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """What a deletion is asked for with.

    Attributes:
        preconditions: What must still hold of the object; None: nothing.
        grace_period_s: How many whole seconds the object may take to end; None: its own default; 0: at once.
        propagation_policy: What becomes of the objects that it owns; None: the resource's default.
        dry_run: Do everything but keep the object.

    Raises:
        InvalidArgument: The grace period is negative.
    """

    preconditions: Preconditions | None = None
    grace_period_s: int | None = None
    propagation_policy: PropagationPolicy | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.grace_period_s is not None and self.grace_period_s < 0:
            raise InvalidArgument(f"grace_period_s is 0 or more, not {self.grace_period_s!r}")

    def body(self) -> JSONObject:
        """Return the ``DeleteOptions`` object."""
        body: JSONObject = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if self.grace_period_s is not None:
            body["gracePeriodSeconds"] = self.grace_period_s
        if self.preconditions is not None:
            given = (("uid", self.preconditions.uid), ("resourceVersion", self.preconditions.resource_version))
            body["preconditions"] = {name: value for name, value in given if value}
        if self.propagation_policy is not None:
            body["propagationPolicy"] = self.propagation_policy.value
        if self.dry_run:
            body["dryRun"] = ["All"]
        return body


def joined_selectors(first: str, second: str) -> str:
    """Return the selector that selects what both select."""
    return ",".join(part for part in (first, second) if part)


def _query(*pairs: tuple[str, str | int | bool | None]) -> Query:
    return tuple(_spelled(pairs))


def _spelled(pairs: Sequence[tuple[str, str | int | bool | None]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        match value:
            case None:
                continue
            case bool():
                yield name, "true" if value else "false"
            case _:
                yield name, str(value)
