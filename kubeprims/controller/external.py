"""Keys that come from elsewhere than informers: from a queue, or from whatever can be iterated over."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import GeneratorType
from typing import Protocol, cast, runtime_checkable

from kubeprims.errors import InvalidArgument
from kubeprims.threads import Cancel

Keys = Iterable[str] | queue.Queue[str] | queue.SimpleQueue[str] | Callable[[Cancel], Iterable[str]]
"""Where keys come from; a function is called with what is set when nobody wants them any more."""

logger = logging.getLogger(__name__)


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> None: ...


def check_source(source: object, *, of: str) -> None:
    """Refuse what gives no keys.

    Raises:
        InvalidArgument: It is no queue, no function, and cannot be iterated over.
    """
    is_one = isinstance(source, (queue.Queue, queue.SimpleQueue, Iterable)) or callable(source)
    if not is_one or isinstance(source, (str, bytes)):
        raise InvalidArgument(f"{of}: a source is a queue, an iterable of keys or a function of one, not {source!r}")


def keys_of(source: Keys, stop: Cancel) -> Iterator[str]:
    """Yield keys as they come, until there are no more or ``stop`` is set.

    What iterates is blocked while it waits for the next key. A queue, and an iterable with a ``close()`` that ends it,
    are woken by ``stop``; any other has to end by itself.

    Raises:
        InvalidArgument: A function returns a text.
    """
    given: object = source  # a function may be any of the others as well, as far as types go
    if isinstance(given, queue.Queue):
        yield from _from_queue(cast("queue.Queue[str]", given), stop)
    elif isinstance(given, queue.SimpleQueue):
        yield from _from_simple_queue(cast("queue.SimpleQueue[str]", given), stop)
    elif isinstance(given, Iterable):
        yield from _from_iterable(cast("Iterable[str]", given), stop)
    else:
        keys = cast("Callable[[Cancel], Iterable[str]]", source)(stop)
        if isinstance(keys, (str, bytes)):
            raise InvalidArgument(f"a function of keys returns an iterable of them, not one: {keys!r}")
        yield from _from_iterable(keys, stop)


def _from_queue(source: queue.Queue[str], stop: Cancel) -> Iterator[str]:
    def wake() -> None:
        with source.not_empty:
            source.not_empty.notify_all()

    take_back = stop.add_callback(wake)
    try:
        while True:
            with source.not_empty:  # the condition that get() waits on, and that a cancel can notify as well
                while not stop.is_set and not source.queue:
                    source.not_empty.wait()
            if stop.is_set:
                return
            try:
                key = source.get_nowait()
            except queue.Empty:
                continue  # somebody else was faster
            yield key
            source.task_done()
    finally:
        take_back()


def _from_simple_queue(source: queue.SimpleQueue[str], stop: Cancel) -> Iterator[str]:
    # It has no condition to notify, so that the end is put into it; only this controller reads it, or one before it,
    # whose end is passed over.
    take_back = stop.add_callback(lambda: source.put(_End()))
    try:
        while not stop.is_set:
            key = source.get()
            if not isinstance(key, _End):
                yield key
    finally:
        take_back()


class _End(str):
    """What no key is."""

    __slots__ = ()


def _from_iterable(source: Iterable[str], stop: Cancel) -> Iterator[str]:
    # A generator cannot be closed while it runs; whoever made it has the cancel, or lets it end by itself.
    take_back: Callable[[], None] | None = None
    if not isinstance(source, GeneratorType) and isinstance(source, _Closable):
        take_back = stop.add_callback(partial(_close, source))
    try:
        for key in source:
            if stop.is_set:
                return
            yield key
    finally:
        if take_back is not None:
            take_back()


def _close(source: _Closable) -> None:
    try:
        source.close()
    except Exception:  # user code, called by who ends the controller: the workers have to end as well
        logger.exception("a source of keys cannot be closed")
