"""Carries out the commands of a transcript on a queue and the store that it feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaQueue, KnownObjects
from kubeprims.cache.store import Store
from kubeprims.objects.record import RESOURCE_VERSION, ObjectRecord
from tests.cache.records import make_record


class Session:
    """A queue, the store that it feeds, and what can be done to both.

    =========================  ===================================================================
    known KEY[@RV] ...         put objects into the store, unseen by the queue
    add, update, delete ...    queue a change of each object
    replace rv=RV KEY[@RV] ..  queue a list; objects without a version have the list's
    bookmark rv=RV             note a version
    resync                     queue the known objects
    pop                        pop one entry and apply it to the store
    batch [LIMIT]              pop a batch and apply it to the store
    peek                       pop one entry and leave the store as it is
    store                      show the store
    state                      show the queue's counters
    =========================  ===================================================================

    Commands on one line are separated by a semicolon.
    """

    def __init__(self, make_queue: Callable[[KnownObjects], DeltaQueue]) -> None:
        self.store = Store()
        self.queue = make_queue(self.store)

    def execute(self, line: str) -> Iterator[str]:
        for command in line.split(";"):
            name, *words = command.split()
            yield from getattr(self, f"do_{name}")(words)

    def do_known(self, words: list[str]) -> Iterator[str]:
        return self._each(words, self.store.put)

    def do_add(self, words: list[str]) -> Iterator[str]:
        return self._each(words, self.queue.add)

    def do_update(self, words: list[str]) -> Iterator[str]:
        return self._each(words, self.queue.update)

    def do_delete(self, words: list[str]) -> Iterator[str]:
        return self._each(words, self.queue.delete)

    def do_replace(self, words: list[str]) -> Iterator[str]:
        version = words[0].removeprefix("rv=")
        self.queue.replace([_record(word, version) for word in words[1:]], version)
        return iter(())

    def do_bookmark(self, words: list[str]) -> Iterator[str]:
        self.queue.bookmark(words[0].removeprefix("rv="))
        return iter(())

    def do_resync(self, words: list[str]) -> Iterator[str]:
        self.queue.resync()
        return iter(())

    def do_pop(self, words: list[str]) -> Iterator[str]:
        return self._taken(self.queue.pop())

    def do_batch(self, words: list[str]) -> Iterator[str]:
        return self._taken(self.queue.pop_batch(int(words[0]) if words else None))

    def do_peek(self, words: list[str]) -> Iterator[str]:
        return _shown(self.queue.pop())

    def do_store(self, words: list[str]) -> Iterator[str]:
        yield f"store rv={self.store.resource_version or 'none'}"
        for record in sorted(self.store.records()):
            yield f"  {record[0]} rv={record[RESOURCE_VERSION]}"

    def do_state(self, words: list[str]) -> Iterator[str]:
        synced = "synced" if self.queue.has_synced else "not synced"
        yield f"{len(self.queue)} entries, {self.queue.depth} deltas, {synced}"

    def _taken(self, batch: Batch | None) -> Iterator[str]:
        if batch is not None:
            self.store.apply(batch)
        return _shown(batch)

    def _each(self, words: list[str], action: Callable[[ObjectRecord], None]) -> Iterator[str]:
        for word in words:
            action(_record(word))
        return iter(())


def _record(word: str, default_version: str = "") -> ObjectRecord:
    key, _, version = word.partition("@")
    return make_record(key, version or default_version)


def _shown(batch: Batch | None) -> Iterator[str]:
    if batch is None:
        yield "nothing"
        return
    flag = " (initial)" if batch.is_in_initial_list else ""
    if not batch.deltas and not batch.resource_version:
        yield f"no deltas{flag}"
    for deltas in batch.deltas:
        yield f"{deltas[0].key}{flag} " + ", ".join(map(_delta_text, deltas))
    if batch.resource_version:
        yield f"reached rv={batch.resource_version}"


def _delta_text(delta: Delta) -> str:
    version = "nothing" if delta.record is None else f"rv={delta.record[RESOURCE_VERSION]}"
    return f"{delta.type} DeletedFinalStateUnknown({version})" if delta.is_tombstone else f"{delta.type} {version}"
