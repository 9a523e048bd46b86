"""An open watch: events, as the server sends them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from kubeprims.client.lines import LineSplitter
from kubeprims.client.status import error_from_status
from kubeprims.errors import ConnectionLost, DeadlineExceeded, DecodeError, LifecycleError, TransportError, WatchIdle
from kubeprims.objects.event import WatchEvent, WatchEventType
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Deadline, MovableDeadline
from kubeprims.transport.message import Response

logger = logging.getLogger(__name__)

LINE_BYTES_MAX = 64 << 20
"""How long a line, that is an event, may be, in bytes."""

BATCH_EVENTS_MAX = 500
"""How many events are handed over at once."""


class ObjectEvent(NamedTuple):
    """What happened to an object.

    Attributes:
        type: ADDED, MODIFIED or DELETED.
        object: The object as it is now; as it last was, if it was deleted.
    """

    type: WatchEventType
    object: Unstructured


class WatchStream:
    """An open watch; a context manager.

    Iterating gives the changes of objects, one by one, and raises on anything else that matters. Bookmarks show only in
    :attr:`resource_version`; an object that cannot be understood is logged and left out.
    :meth:`batches` gives everything as it came, for those who keep a cache.

    The iteration ends when the server ends the watch, which it does after the time that was asked for: to go on, watch
    again from :attr:`resource_version`.

    Attributes:
        resource_version: The version that iterating has come to; empty before the first event. A watch that was opened
            without a version begins with the objects that there are, in no order: it cannot be resumed among those.
        url: The URL of the watch.

    Concurrency:
        One thread iterates. :meth:`close` may be called from any thread, and ends the iteration at once.
    """

    def __init__(
        self,
        response: Response,
        split_event: Callable[[bytes], WatchEvent],
        *,
        deadline: MovableDeadline | None = None,
        line_bytes_max: int = LINE_BYTES_MAX,
    ) -> None:
        """Read an answer's body as a watch.

        Args:
            response: The answer; the watch owns it from now on.
            split_event: Reads one line: a codec's method.
            deadline: The deadline of the request; None if :meth:`expire_in` need not work.
            line_bytes_max: How long a line may be, in bytes.
        """
        self.resource_version = ""
        self.url = response.url
        self._response = response
        self._split_event = split_event
        self._line_bytes_max = line_bytes_max
        self._deadline = deadline
        self._cut_off = None if deadline is None else Deadline(deadline.at_s, deadline.clock)
        self._is_closed = False

    def batches(self) -> Iterator[list[WatchEvent]]:
        """Yield the events that each read of the socket completed, at most 500 at once and never none.

        An ERROR is an event like any other here; ``status.error_from_status`` makes the exception.

        Raises:
            DecodeError: The server sent what is not an event, or a line that is too long. The events before it were
                handed over.
            ConnectionLost: The connection ended inside an event, or without the end of the answer.
            WatchIdle: Nothing came in the time that :meth:`expire_in` gave.
            TransportError: The deadline passed, or the request was cancelled.
        """
        splitter = LineSplitter(self._line_bytes_max)
        try:
            for chunk in self._chunks():
                yield from self._decode(splitter.feed(chunk))
                if splitter.is_too_long:
                    raise self._bad(f"an event is longer than {self._line_bytes_max} bytes", b"")
            yield from self._last(splitter.finish())
        finally:
            self.close()

    def expire_in(self, timeout_s: float, /) -> None:
        """End by ``WatchIdle`` what has not come in ``timeout_s`` seconds from now; each call counts anew.

        The watch still lasts no longer than it was opened for. Only the thread that iterates may call this, between
        two batches.
        """
        if self._deadline is not None and self._cut_off is not None:
            self._deadline.move(min(timeout_s, self._cut_off.remaining_s()))

    def _chunks(self) -> Iterator[bytes]:
        try:
            for chunk in self._response.chunks():
                if self._is_closed:
                    return
                yield chunk
        except (TransportError, LifecycleError) as error:
            if self._is_closed:  # it is what close() does to a read
                return
            if isinstance(error, DeadlineExceeded) and self._cut_off is not None and not self._cut_off.has_passed:
                detail = "the watch went silent: nothing came in time"
                raise WatchIdle(detail, method=self._response.method, url=self.url, request_sent=True) from error
            raise

    def _decode(self, lines: list[bytes]) -> Iterator[list[WatchEvent]]:
        split_event = self._split_event
        batch: list[WatchEvent] = []
        bad: DecodeError | None = None
        for line in lines:
            if not line or line.isspace():
                continue
            try:
                batch.append(split_event(line))
            except DecodeError as error:
                bad = error
                break
            if len(batch) == BATCH_EVENTS_MAX:
                yield batch
                batch = []
        if batch:
            yield batch
        if bad is not None:
            raise self._bad(bad.detail, bad.raw) from bad

    def _last(self, rest: bytes) -> Iterator[list[WatchEvent]]:
        """Decode what came after the last line's end: a whole event whose line's end is missing, or a torn one."""
        if self._is_closed:
            return
        try:
            yield from self._decode([rest])
        except DecodeError as error:
            raise ConnectionLost(
                "the watch ended inside an event", method=self._response.method, url=self.url, request_sent=True
            ) from error

    def _bad(self, detail: str, raw: bytes) -> DecodeError:
        return DecodeError(f"{self._response.method} {self.url}: {detail}", raw=raw)

    def __iter__(self) -> Iterator[ObjectEvent]:
        """Yield the changes.

        Raises:
            StatusError: The server sent an ERROR event: ``ResourceExpired`` if the version became too old.
            DecodeError: As for :meth:`batches`.
            TransportError: As for :meth:`batches`.
        """
        try:
            for batch in self.batches():
                yield from self._changes(batch)
        finally:
            self.close()

    def _changes(self, batch: list[WatchEvent]) -> Iterator[ObjectEvent]:
        for event in batch:
            if event.status is not None:
                raise error_from_status(event.status, method=self._response.method, url=self.url)
            self.resource_version = event.resource_version or self.resource_version
            if event.record is not None:
                yield ObjectEvent(event.type, Unstructured(event.record))
            elif event.malformed is not None:
                key = event.malformed.key or "an object"
                logger.warning("watch %s: %s is left out: %s", self.url, key, event.malformed.detail)
            if self._is_closed:
                return

    def close(self) -> None:
        """End the watch; may be called again, and from any thread."""
        self._is_closed = True
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<WatchStream {self.url} at {self.resource_version or 'the start'}>"
