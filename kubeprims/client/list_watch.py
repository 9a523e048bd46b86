"""What an informer needs of a resource: pages of a list, and watches."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

from kubeprims.client.options import ListOptions, WatchOptions, joined_selectors
from kubeprims.client.resource import Resource
from kubeprims.client.watch import WatchStream
from kubeprims.objects.codec import ListStream
from kubeprims.selectors import FieldSelector, LabelSelector
from kubeprims.sharding import Shard
from kubeprims.threads import Cancel


class ListWatch:
    """Lists and watches one resource, narrowed by selectors that are added to those of each request.

    Of a shard, the server may well give more than was asked for: one that does not know of shards gives all objects,
    and one that does may be replaced by one that does not. Whoever reads sorts out what the shard does not cover.
    That the list's ``metadata.shardInfo`` is not there says nothing: lists of custom resources, lists of metadata and
    watch-lists lack it even where the server shards (seen at 1.37).

    Concurrency:
        Immutable: any number of threads at once.

    Source:
        client-go tools/cache/listwatch.go, ``NewFilteredListWatchFromClient``.
    """

    __slots__ = ("_field_selector", "_label_selector", "_metadata_only", "_resource", "_shard")

    def __init__(
        self,
        resource: Resource,
        *,
        label_selector: str = "",
        field_selector: str = "",
        shard: Shard | None = None,
        metadata_only: bool = False,
    ) -> None:
        """Narrow a resource.

        Args:
            resource: What to list and watch.
            label_selector: Only objects with such labels.
            field_selector: Only objects with such fields.
            shard: Only objects of this part.
            metadata_only: Ask for the objects' metadata alone.

        Raises:
            InvalidSelector: A selector cannot be parsed.
        """
        LabelSelector.parse(label_selector)
        FieldSelector.parse(field_selector)
        self._resource = resource
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._shard = shard
        self._metadata_only = metadata_only

    def list(self, options: ListOptions, *, cancel: Cancel | None = None) -> AbstractContextManager[ListStream]:
        """Ask for one page, whose items come in while it is iterated over; leaving it lets go of the connection.

        Raises:
            StatusError: The server refuses.
            TransportError: No complete answer comes.
            DecodeError: The answer is not a list.
        """
        narrowed = replace(
            options,
            label_selector=joined_selectors(self._label_selector, options.label_selector),
            field_selector=joined_selectors(self._field_selector, options.field_selector),
            shard=self._shard,
            metadata_only=self._metadata_only,
        )
        return self._resource.open_list(narrowed, cancel=cancel, may_retry=False)

    def watch(self, options: WatchOptions, *, cancel: Cancel | None = None) -> WatchStream:
        """Open a watch; leaving it, as a context manager, closes it.

        Raises:
            StatusError: The server refuses.
            TransportError: No answer comes.
        """
        narrowed = replace(
            options,
            label_selector=joined_selectors(self._label_selector, options.label_selector),
            field_selector=joined_selectors(self._field_selector, options.field_selector),
            shard=self._shard,
            metadata_only=self._metadata_only,
        )
        return self._resource.open_watch(narrowed, cancel=cancel, may_retry=False)

    def __repr__(self) -> str:
        selectors = joined_selectors(self._label_selector, self._field_selector)
        what = "metadata of " if self._metadata_only else ""
        shard = "" if self._shard is None else f", {self._shard!r}"
        return f"<ListWatch of {what}{self._resource!r}{' where ' if selectors else ''}{selectors}{shard}>"
