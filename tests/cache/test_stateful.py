from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kubeprims.cache.delta_fifo import Batch, DeltaFIFO, DeltaType
from kubeprims.cache.index import label_index
from kubeprims.cache.indexer import Indexer
from kubeprims.objects.record import KEY, RAW, RESOURCE_VERSION, ObjectRecord, labels_of, plain
from kubeprims.objects.storage import CompactStorage, PlainStorage
from kubeprims.objects.unstructured import Unstructured
from tests.cache.records import make_record

KEYS = st.sampled_from(["one/a", "one/b", "two/a", "node"])
APPS = st.sampled_from(["web", "db", "boom", ""])


def fragile(obj: Unstructured) -> Iterable[str]:
    app = obj.labels.get("app", "")
    if app == "boom":
        raise ValueError(app)
    return [app, obj.namespace]


class CacheMachine(RuleBasedStateMachine):
    """A server, a watch that may be down, the queue, the indexer behind it, and a handler that replays the changes."""

    make_storage: type[PlainStorage | CompactStorage] = PlainStorage

    def __init__(self) -> None:
        super().__init__()
        self.storage = self.make_storage()
        self.version = 0
        self.server: dict[str, ObjectRecord] = {}
        self.is_watching = False
        self.received = ""
        self.indexer = Indexer({"app": label_index("app")})
        self.fifo = DeltaFIFO(self.indexer)
        self.handler: dict[str, ObjectRecord] = {}
        self.lives: dict[str, int] = defaultdict(int)
        self.has_late_index = False

    # -- the server and its watch ---------------------------------------------------------------------------------

    @rule(key=KEYS, app=APPS)
    def write(self, key: str, app: str) -> None:
        is_new = key not in self.server
        self.version += 1
        record = make_record(key, self.version, uid=f"uid-{key}", labels={"app": app} if app else {})
        self.server[key] = record
        if self.is_watching:
            (self.fifo.add if is_new else self.fifo.update)(self.storage.pack(record))
            self.received = record[RESOURCE_VERSION]

    @precondition(lambda self: self.server)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.server)))
        self.version += 1
        final = make_record(key, self.version, uid=f"uid-{key}", labels=labels_of(self.server.pop(key)))
        if self.is_watching:
            self.fifo.delete(self.storage.pack(final))
            self.received = final[RESOURCE_VERSION]

    @rule()
    def lose_the_watch(self) -> None:
        self.is_watching = False

    @rule()
    def relist(self) -> None:
        # A list brings bytes of its own.
        copies = [self.storage.pack((*record[:RAW], bytes(bytearray(record[RAW])))) for record in self.server.values()]
        self.version += 1
        self.fifo.replace(copies, str(self.version))
        self.received = str(self.version)
        self.is_watching = True

    @precondition(lambda self: self.is_watching)
    @rule()
    def bookmark(self) -> None:
        self.fifo.bookmark(str(self.version))
        self.received = str(self.version)

    @rule()
    def resync(self) -> None:
        self.fifo.resync()

    # -- the consumer ---------------------------------------------------------------------------------------------

    @rule(limit=st.sampled_from([1, 2, None]))
    def pop(self, limit: int | None) -> None:
        had_synced = self.fifo.has_synced
        batch = self.fifo.pop_batch(limit)
        if batch is None:
            assert len(self.fifo) == 0
        else:
            assert batch.is_in_initial_list == (not had_synced)
            self.consume(batch)

    def consume(self, batch: Batch) -> None:
        for deltas in batch.deltas:
            kinds = [delta.type for delta in deltas]
            assert (DeltaType.DELETED, DeltaType.DELETED) not in pairwise(kinds)
            assert DeltaType.SYNC not in kinds[1:]
        for change in self.indexer.apply(batch):
            if change.new is None:
                assert change.old is not None
                assert self.handler.pop(change.key) is not None
                assert change.is_tombstone or change.old[RESOURCE_VERSION] != ""
            else:
                before = self.handler.get(change.key)
                assert (before is None) == (change.old is None)
                assert before is None or change.old == before
                self.handler[change.key] = change.new
        if batch.resource_version:
            assert len(self.fifo) == 0
            assert batch.resource_version == self.received

    @precondition(lambda self: not self.has_late_index)
    @rule()
    def add_an_index(self) -> None:
        self.indexer.add_indexers({"fragile": fragile})
        self.has_late_index = True

    # -- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def the_handler_has_what_the_store_has(self) -> None:
        assert {record[KEY]: record for record in self.indexer.records()} == self.handler
        assert {obj.key: obj.resource_version for obj in self.indexer.list()} == {
            key: record[RESOURCE_VERSION] for key, record in self.handler.items()
        }

    @invariant()
    def the_store_has_what_the_server_has_once_all_is_popped(self) -> None:
        if self.is_watching and not len(self.fifo):
            assert {record[KEY]: plain(record) for record in self.indexer.records()} == self.server

    @invariant()
    def the_depth_is_the_number_of_deltas(self) -> None:
        assert self.fifo.depth == sum(map(len, self.fifo._deltas_by_key.values()))

    @invariant()
    def indices_are_what_a_scan_finds(self) -> None:
        apps: dict[str, set[str]] = defaultdict(set)
        namespaces: dict[str, set[str]] = defaultdict(set)
        either: dict[str, set[str]] = defaultdict(set)
        failed = set()
        for key, record in self.handler.items():
            labels = labels_of(record)
            namespace = key.rpartition("/")[0]
            namespaces[namespace].add(key)
            if "app" in labels:
                apps[labels["app"]].add(key)
            if labels.get("app") == "boom":
                failed.add(key)
            else:
                either[labels.get("app", "")].add(key)
                either[namespace].add(key)
        assert self.index("app") == apps
        assert self.index("namespace") == namespaces
        if self.has_late_index:
            assert self.index("fragile") == either
            errors = self.indexer.index_errors.get("fragile")
            assert set(errors.keys if errors else ()) == failed

    def index(self, name: str) -> dict[str, set[str]]:
        found = {}
        for value in self.indexer.index_values(name):
            keys = self.indexer.index_keys(name, value)
            assert sorted(obj.key for obj in self.indexer.by_index(name, value)) == keys
            found[value] = set(keys)
        return found


class CompactCacheMachine(CacheMachine):
    """The same with what the cache holds packed."""

    make_storage = CompactStorage


TestCache = CacheMachine.TestCase
TestCompactCache = CompactCacheMachine.TestCase
TestCache.settings = settings(stateful_step_count=40)
TestCompactCache.settings = settings(stateful_step_count=40)
