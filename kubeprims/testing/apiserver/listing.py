"""Lists: which version of the objects a request gets, and how it is paged and rendered."""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from kubeprims.errors import ResourceExpired
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import list_frame
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.queries import ListQuery, parse_revision
from kubeprims.testing.apiserver.status import (
    ExpiredContinueToken,
    bad_request,
    expired,
    too_large_version,
)
from kubeprims.testing.apiserver.storage import Storage, Table
from kubeprims.testing.apiserver.views import Predicate, View

_CHUNK_BYTES = 512 << 10
_TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105 - names the format of the token
_AT_NEWEST = -1

_LIST_EXPIRED = "The resourceVersion for the provided list is too old."
_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class ContinueToken(NamedTuple):
    """Where a page ended.

    Attributes:
        revision: The version of which the next page is made; -1 for the newest.
        start: Where the next page starts: the rest of a key after the list's prefix.

    Source:
        apiserver pkg/storage/continue.go.
    """

    revision: int
    start: str

    def encode(self) -> str:
        """Return the text that goes to the client."""
        token = {"v": _TOKEN_VERSION, "rv": self.revision, "start": self.start}
        text = json.dumps(token, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> ContinueToken:
        """Return the token that a client sent back.

        Raises:
            BadRequest: It is none.
        """
        problem = "invalid continue token: continue key is not valid: "
        try:
            token: JSONValue = json.loads(
                base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            )
        except (binascii.Error, ValueError, RecursionError) as error:
            raise bad_request(f"{problem}{error}") from None
        if not isinstance(token, dict) or token.get("v") != _TOKEN_VERSION:
            version = token.get("v", "") if isinstance(token, dict) else ""
            raise bad_request(f"{problem}server does not recognize this encoded version {version}")
        revision, start = token.get("rv"), token.get("start")
        if not isinstance(revision, int) or isinstance(revision, bool) or revision == 0 or revision < _AT_NEWEST:
            raise bad_request(f"{problem}incorrect encoded start resourceVersion (version {_TOKEN_VERSION})")
        if not isinstance(start, str) or not start:
            raise bad_request(f"{problem}encoded start key empty (version {_TOKEN_VERSION})")
        rooted = start if start.startswith("/") else f"/{start}"
        if posixpath.normpath(rooted) != rooted:
            raise bad_request(f"{problem}{start}")
        return cls(revision, start)


class Listing:
    """A list, taken at one revision; rendering it costs only joins of bytes.

    Attributes:
        metadata: What it says of itself.
        resource_version: The version of the list.
        continue_token: What the next page is asked for with; empty on the last one.
        content_length: The size of the JSON text, in bytes.
        items: The objects.
    """

    def __init__(self, view: View, metadata: JSONObject, items: Sequence[StoredObject]) -> None:
        self.metadata = metadata
        self.resource_version = str(metadata["resourceVersion"])
        self.continue_token = str(metadata.get("continue", ""))
        self.items = items
        self._before, self._after = list_frame(view.kind, metadata)
        self._item_head = view.item_head
        self._tails = [view.tail(stored) for stored in items]
        heads = len(self._tails) * (len(self._item_head) + 1) - 1 if items else 0
        self.content_length = len(self._before) + sum(map(len, self._tails)) + heads + len(self._after)

    def __len__(self) -> int:
        return len(self._tails)

    def chunks(self) -> Iterator[bytes]:
        """Yield the JSON text in pieces of about 512 KiB."""
        separator = b"," + self._item_head
        lead = self._before + self._item_head
        for group in self._groups():
            yield lead + separator.join(group)
            lead = separator
        yield self._after if self._tails else self._before + self._after

    def _groups(self) -> Iterator[Sequence[bytes]]:
        start = size = 0
        for position, tail in enumerate(self._tails, 1):
            size += len(tail)
            if size >= _CHUNK_BYTES:
                yield self._tails[start:position]
                start, size = position, 0
        if start < len(self._tails):
            yield self._tails[start:]

    def body(self) -> bytes:
        """Return the whole JSON text."""
        return b"".join(self.chunks())


def take_list(  # noqa: PLR0913 - where from, and what
    storage: Storage,
    table: Table,
    view: View,
    predicate: Predicate,
    namespace: str,
    query: ListQuery,
    *,
    too_large_wait_s: float,
) -> Listing:
    """Take the list that a request asks for.

    Raises:
        BadRequest: The version or the continue token is wrong.
        ResourceExpired: The version, or the snapshot of an earlier page, is not known any more.
        ServerTimeout: The version lies in the future.
    """
    token = _continue_token(query)
    asked = _asked_revision(query)
    newest_wanted = token.revision if token is not None else asked
    with storage.condition:
        if not storage.wait_for_revision(newest_wanted, too_large_wait_s):
            raise too_large_version(newest_wanted, storage.revision)
        exact = token.revision if token is not None else (asked if _is_exact(query) else 0)
        revision = exact if exact > 0 else storage.revision
        if revision < table.history.list_floor and revision != storage.revision:
            raise _expired(token)
        page = _Page(table, namespace, token, predicate, revision)
        items, metadata = page.take(0 if token is None and query.resource_version == "0" else query.limit)
    # As upstream: lists of custom resources are sharded too, and do not say so.
    if predicate.shard is not None and not view.kind.custom:
        metadata["shardInfo"] = {"selector": predicate.shard.selector}
    return Listing(view, metadata, items)


class _Page:
    def __init__(
        self, table: Table, namespace: str, token: ContinueToken | None, predicate: Predicate, revision: int
    ) -> None:
        self._snapshot = table.snapshot(revision)
        self._predicate = predicate
        self._revision = revision
        # Tokens count from the namespace on, without its slash, as upstream's do.
        self._base = namespace
        self._prefix = f"{namespace}/" if namespace else ""
        self._start = self._base + token.start if token is not None else ""

    def take(self, limit: int) -> tuple[Sequence[StoredObject], JSONObject]:
        objects = self._snapshot.scan(self._prefix, self._start)
        if not self._predicate.selects_all:
            objects = filter(self._predicate.matches, objects)
        metadata: JSONObject = {"resourceVersion": str(self._revision)}
        if not limit:
            return list(objects), metadata
        items = list(islice(objects, limit))
        start = items[-1].key + "\0" if len(items) == limit and not (self._prefix and self._predicate.names_one) else ""
        # As upstream: another page is promised while anything follows, and may turn out to select nothing.
        if start and next(iter(self._snapshot.scan(self._prefix, start)), None) is not None:
            metadata["continue"] = ContinueToken(self._revision, start.removeprefix(self._base)).encode()
            if self._predicate.selects_all:
                metadata["remainingItemCount"] = self._snapshot.count(self._prefix, start)
        return items, metadata


def _continue_token(query: ListQuery) -> ContinueToken | None:
    if not query.continue_token:
        return None
    token = ContinueToken.decode(query.continue_token)
    if query.resource_version not in {"", "0"}:
        message = "specifying resource version is not allowed when using continue"
        raise bad_request(message)
    return token


def _asked_revision(query: ListQuery) -> int:
    try:
        return parse_revision(query.resource_version)
    except ValueError as error:
        raise bad_request(f"invalid resource version: {error}") from None


def _is_exact(query: ListQuery) -> bool:
    if query.resource_version_match:
        return query.resource_version_match == "Exact"
    # A page of a version without a match is one of exactly that version: what clients of old rely on.
    return query.limit > 0


def _expired(token: ContinueToken | None) -> ResourceExpired:
    if token is None:
        return expired(_LIST_EXPIRED)
    error = ExpiredContinueToken(_CONTINUE_EXPIRED, code=410, reason="Expired")
    error.continue_token = ContinueToken(_AT_NEWEST, token.start).encode()
    return error
