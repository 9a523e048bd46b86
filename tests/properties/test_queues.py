"""Whatever is queued and however it is popped, each queue keeps the consumer's objects equal to the server's.

The model is a plain dictionary, which each operation changes at once. Each queue feeds a store of its own, and a
handler that replays the store's changes must end with the same objects: no deletion was missed, none told twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cache.delta_fifo import DeltaFIFO, DeltaQueue, KnownObjects
from kubeprims.cache.real_fifo import RealFIFO
from kubeprims.cache.store import Store
from kubeprims.objects.record import KEY, RESOURCE_VERSION, ObjectRecord
from tests.cache.records import make_record

QUEUES: dict[str, Callable[[KnownObjects], DeltaQueue]] = {
    "DeltaFIFO": DeltaFIFO,
    "RealFIFO": RealFIFO,
    "RealFIFO, atomic": partial(RealFIFO, is_atomic=True),
}
KEYS = st.sampled_from(["a", "b", "c", "ns/a"])

Step = tuple[str, object]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.sampled_from(["add", "update", "delete"]), KEYS),
    st.tuples(st.just("replace"), st.lists(KEYS, max_size=4)),
    st.tuples(st.sampled_from(["bookmark", "resync"]), st.none()),
    st.tuples(st.just("pop"), st.sampled_from([1, 2, None])),
)


class Consumer:
    """A queue, the store that it feeds, and a handler behind that."""

    def __init__(self, make_queue: Callable[[KnownObjects], DeltaQueue]) -> None:
        self.store = Store()
        self.queue = make_queue(self.store)
        self.handler: dict[str, ObjectRecord] = {}

    def pop(self, limit: int | None) -> bool:
        depth, had_synced = self.queue.depth, self.queue.has_synced
        batch = self.queue.pop_batch(limit)
        if batch is None:
            assert len(self.queue) == self.queue.depth == 0
            return False
        assert batch.is_in_initial_list == (not had_synced)
        assert self.queue.depth <= depth
        assert self.queue.has_synced or not had_synced
        for change in self.store.apply(batch):
            if change.new is None:
                assert self.handler.pop(change.key, None) is not None, "the end of what was never there"
            else:
                assert self.handler.get(change.key) == change.old
                self.handler[change.key] = change.new
        assert self.handler == {record[KEY]: record for record in self.store.records()}
        return True


def queued(queue: DeltaQueue, step: Step, version: int) -> None:
    action, operand = step
    if action in {"add", "update", "delete"}:
        getattr(queue, action)(make_record(str(operand), version))
    elif action == "replace":
        assert isinstance(operand, list)
        queue.replace([make_record(key, version) for key in operand], str(version))
    elif action == "bookmark":
        queue.bookmark(str(version))
    else:
        queue.resync()


def modelled(model: dict[str, str], step: Step, version: int) -> dict[str, str]:
    """Return keys and versions after a step."""
    action, operand = step
    if action == "replace":
        assert isinstance(operand, list)
        return {key: str(version) for key in operand}
    if action in {"add", "update"}:
        return {**model, str(operand): str(version)}
    return {key: known for key, known in model.items() if action != "delete" or key != operand}


@given(st.lists(STEPS, max_size=40))
def test_each_queue_keeps_its_consumer_equal_to_the_server(steps: list[Step]) -> None:
    consumers = {name: Consumer(make) for name, make in QUEUES.items()}
    model: dict[str, str] = {}
    told = ""
    for version, step in enumerate(steps, 1):
        for consumer in consumers.values():
            if step[0] == "pop":
                assert step[1] is None or isinstance(step[1], int)
                consumer.pop(step[1])
            else:
                queued(consumer.queue, step, version)
        model = modelled(model, step, version)
        told = told if step[0] in {"pop", "resync"} else str(version)
    for name, consumer in consumers.items():
        while consumer.pop(None):
            pass
        stored = {record[KEY]: record[RESOURCE_VERSION] for record in consumer.store.records()}
        assert stored == model, name
        assert consumer.store.resource_version == told, name
        assert consumer.queue.has_synced == any(step[0] not in {"pop", "resync", "bookmark"} for step in steps), name
