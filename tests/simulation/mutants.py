"""Informers with one planted bug each: the simulation has to find every one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubeprims.cache.delta_fifo import Batch as DeltaBatch
from kubeprims.cache.delta_fifo import DeltaFIFO, DeltaQueue, DeltaType
from kubeprims.cache.indexer import Indexer
from kubeprims.cache.store import Change
from kubeprims.clock import Clock, Rng
from kubeprims.errors import KubeprimsError, ResourceExpired
from kubeprims.informer.buffer import Batch, NotificationBuffer
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.effects import Effect, ListPage, Sleep, Watch, WatchList
from kubeprims.informer.handlers import Reason, Tell
from kubeprims.informer.initial_events import InitialEvents
from kubeprims.informer.machine import ReflectorMachine, ReflectorOptions
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.refetch import Refetcher
from kubeprims.informer.reflector import ListerWatcher, Reflector, WatchedEvents
from kubeprims.informer.source import Source
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, ObjectRecord
from kubeprims.testing.simulator.assembly import Assembly
from kubeprims.testing.simulator.schedule import Manner
from kubeprims.threads import Cancel

# -- the machine ---------------------------------------------------------------------------------------------------


class ForgetsExpiry(ReflectorMachine):
    """Goes on from a version that the server has said is too old."""

    def on_watch_ended(
        self, error: KubeprimsError | None, *, lasted_s: float | None, now_s: float, seen: str = ""
    ) -> Effect:
        if isinstance(error, ResourceExpired):
            super().on_watch_ended(error, lasted_s=lasted_s, now_s=now_s, seen=seen)
            return self._watch()
        return super().on_watch_ended(error, lasted_s=lasted_s, now_s=now_s, seen=seen)


class ResumesFromTheList(ReflectorMachine):
    """Watches from the version of the last list, whatever was read since."""

    def _watch(self) -> Watch:
        return super()._watch() if not self._listed_version else self._from_the_list()

    def _from_the_list(self) -> Watch:
        watch = super()._watch()
        return Watch(self._listed_version, watch.timeout_s)


class RunsAhead(ReflectorMachine):
    """Skips a version whenever it resumes: one event is lost."""

    def on_watch_ended(
        self, error: KubeprimsError | None, *, lasted_s: float | None, now_s: float, seen: str = ""
    ) -> Effect:
        effect = super().on_watch_ended(error, lasted_s=lasted_s, now_s=now_s, seen=seen)
        if isinstance(effect, Watch):
            return Watch(str(int(effect.resource_version) + 1_000), effect.timeout_s)
        return effect


class TakesThePageForTheList(ReflectorMachine):
    """Never asks for a second page."""

    def on_page(self, *, resource_version: str, continue_token: str) -> Effect:
        return super().on_page(resource_version=resource_version, continue_token="")


class DoesNotWait(ReflectorMachine):
    """Tries again at once after every failure."""

    def _sleep(self, *args: object, **kwargs: object) -> Sleep:
        slept = super()._sleep(*args, **kwargs)  # type: ignore[arg-type]
        return Sleep(0.0, slept.error)


class GivesUpNoVersion(ReflectorMachine):
    """Lists at the same version for ever, though it has expired or is too large."""

    def on_list_failed(self, error: KubeprimsError, *, was_answered: bool = False) -> Effect:
        self._version_unavailable = True
        effect = super().on_list_failed(error, was_answered=was_answered)
        self._version_unavailable = False
        return effect


class IgnoresTheProbe(ReflectorMachine):
    """Goes on though the server's version went back."""

    def on_probed(self, *, resource_version: str, seen: str = "") -> Effect:
        return super().on_probed(resource_version=self.last_resource_version)


class WaitsForTheServer(ReflectorMachine):
    """Has no watchdog."""

    @property
    def idle_s(self) -> float:
        return 1e9


class InsistsOnWatchLists(ReflectorMachine):
    """Never falls back to lists."""

    def _list(self) -> ListPage:
        return self._watch_list()  # type: ignore[return-value]


# -- the reflector -------------------------------------------------------------------------------------------------


class Hoards(Reflector):
    """Keeps the pages of a list that failed, and adds those of the next try."""

    def _list_page(self, page: ListPage, cancel: Cancel) -> Effect:
        kept = self._records
        effect = super()._list_page(page, cancel)
        if self._records is not kept:
            self._records = [*kept, *self._records]
        return effect


class StoresEveryOther(Reflector):
    """Lets the version go on though a batch could not be stored."""

    _batches = 0

    def _store(self, batch: Sequence[WatchEvent]) -> None:
        self._batches += 1
        lost = self._batches % 10 == 0
        super()._store([_without_object(event) for event in batch] if lost else batch)


class TakesAnyBookmarkForTheEnd(Reflector):
    """Does not look whether the bookmark of a watch-list is the one that ends it."""

    def _read_watch_list(
        self, watched: WatchedEvents, gathered: InitialEvents, effect: WatchList
    ) -> KubeprimsError | None:
        return super()._read_watch_list(_Marked(watched), gathered, effect)


class _Marked:
    def __init__(self, watched: WatchedEvents) -> None:
        self._watched = watched
        self.expire_in = watched.expire_in

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        for batch in self._watched.batches():
            yield [event._replace(initial_events_end=event.type is WatchEventType.BOOKMARK) for event in batch]


def _without_object(event: WatchEvent) -> WatchEvent:
    return WatchEvent(WatchEventType.BOOKMARK, None, event.resource_version, False, None, None)


# -- the queue and the cache ---------------------------------------------------------------------------------------


class LosesTombstones(DeltaFIFO):
    """Infers no deletion."""

    def pop_batch(self, limit: int | None = None) -> DeltaBatch | None:
        batch = super().pop_batch(limit)
        if batch is None:
            return None
        return batch._replace(deltas=tuple(deltas for deltas in batch.deltas if not deltas[-1].is_tombstone))


class ReportsNoOld(Indexer):
    """Says of each change that there was nothing before."""

    def apply(self, batch: DeltaBatch) -> list[Change]:
        return [change if change.new is None else change._replace(old=None) for change in super().apply(batch)]


# -- the pipeline --------------------------------------------------------------------------------------------------


class TellsBackwards(Pipeline):
    """Tells what came together in the opposite order."""

    def _push(self, batch: Batch) -> None:
        super()._push(batch._replace(changes=list(reversed(batch.changes))))


class TellsBeforeStoring(Pipeline):
    """Takes the old states from the cache as it is before the batch is in it."""

    def drain(self, queue: DeltaQueue, reason: Reason, *, is_final_state_known: bool = True) -> None:
        while (batch := queue.pop_batch()) is not None:
            changes = [
                Change(
                    delta.type,
                    delta.key,
                    self.indexer.record(delta.key),
                    None if delta.type is DeltaType.DELETED else delta.record,
                    delta.is_tombstone,
                )
                for deltas in batch.deltas
                for delta in deltas
            ]
            self._push(Batch([change for change in changes if change.old is not change.new], reason))
            self.indexer.apply(batch)


class ForgetsLateHandlers(Pipeline):
    """Tells a handler that is added late of changes only."""

    def add(self, registration: HandlerRegistration) -> None:
        registration.push(Batch((), Reason.INITIAL, ends_initial_list=self.has_synced))
        self._registrations = (*self._registrations, registration)


class TellsUnchanged(Pipeline):
    """Tells of every object of a relist, changed or not."""

    def drain(self, queue: DeltaQueue, reason: Reason, *, is_final_state_known: bool = True) -> None:
        super().drain(queue, reason, is_final_state_known=is_final_state_known)
        if reason is Reason.RELIST:
            records = self.indexer.records()
            self._push(Batch([Change(DeltaType.REPLACED, record[KEY], record, record) for record in records], reason))


class WaitsForNobody(Pipeline):
    """Does not wait for a handler that blocks, so that what it has not had grows without a bound."""

    def wait_for_room(self, source: Source) -> None:
        pass


class KeepsMalformedOnes(Source):
    """Overlooks the deletion of an object whose final state cannot be decoded."""

    def _delete_malformed(self, malformed: MalformedObject) -> None:
        assert malformed.key is not None
        self._dirty.pop(malformed.key, None)


class TakesWhatIsLate(Source):
    """Applies what the watch brings though a re-fetch has brought something newer."""

    def _admit(self, event: WatchEvent) -> WatchEvent:
        self._ahead.clear()
        return super()._admit(event)


class TakesLateAnswers(Source):
    """Applies what a re-fetch brings though the watch has brought something newer."""

    def refetched(self, key: str, record: ObjectRecord | MalformedObject | None, resource_version: str) -> None:
        self._dirty[key] = "1"
        super().refetched(key, record, resource_version)


class NeverAsksAgain(Refetcher):
    """Leaves an object that arrived damaged as it was."""

    def next_delay_s(self) -> float | None:
        return None


class DeletesMalformedOnes(Source):
    """Takes what a list holds in a form that cannot be decoded for deleted."""

    def replace(
        self, records: Sequence[ObjectRecord], resource_version: str, malformed: Sequence[MalformedObject] = ()
    ) -> None:
        super().replace(records, resource_version, ())


# -- the handlers --------------------------------------------------------------------------------------------------


class KeepsTheLastOld(NotificationBuffer):
    """Merges from the last old state, not from the first."""

    def _merge(self) -> None:
        last_old = {change.key: change.old for batch in self._batches for change in batch.changes}
        super()._merge()
        for index, batch in enumerate(self._batches):
            changes = [
                change if None in {change.old, change.new} else change._replace(old=last_old[change.key])
                for change in batch.changes
            ]
            self._batches[index] = batch._replace(changes=changes)


class DropsTheOldest(NotificationBuffer):
    """Makes room by throwing away."""

    def _merge(self) -> None:
        while self.depth > self._limit and len(self._batches) > 1:
            self.pop()


class StopsAtAnError(HandlerRegistration):
    """Leaves out the rest of a batch in which a call raised."""

    def _deliver_batch(self, batch: Batch) -> None:
        before = self.errors
        for change in batch.changes:
            if self.errors == before:
                super()._deliver_batch(batch._replace(changes=[change], ends_initial_list=False))
        super()._deliver_batch(batch._replace(changes=()))


class SyncsOnlyWithoutErrors(HandlerRegistration):
    """Counts a handler that raised as never synced, as client-go does (k/k#129024)."""

    @property
    def has_synced(self) -> bool:
        return super().has_synced and not self.errors


# -- one informer each ---------------------------------------------------------------------------------------------


def with_machine(machine: type[ReflectorMachine]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_reflector(
            self, lister_watcher: ListerWatcher, *, options: ReflectorOptions, clock: Clock, rng: Rng
        ) -> Reflector:
            reflector = super().make_reflector(lister_watcher, options=options, clock=clock, rng=rng)
            reflector._machine.__class__ = machine
            return reflector

    return Mutant


def with_reflector(reflector: type[Reflector]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_reflector(
            self, lister_watcher: ListerWatcher, *, options: ReflectorOptions, clock: Clock, rng: Rng
        ) -> Reflector:
            made = super().make_reflector(lister_watcher, options=options, clock=clock, rng=rng)
            made.__class__ = reflector
            return made

    return Mutant


def with_queue(queue: type[DeltaFIFO] | None) -> type[Assembly]:
    class Mutant(Assembly):
        def make_pipeline(self) -> Pipeline:
            make_queue = (lambda known: DeltaFIFO()) if queue is None else queue
            return Pipeline(self.indexer, make_queue=make_queue, clock=self._clock)

    return Mutant


def with_indexer(indexer: type[Indexer]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_indexer(self) -> Indexer:
            return indexer()

    return Mutant


def with_pipeline(pipeline: type[Pipeline]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_pipeline(self) -> Pipeline:
            made = super().make_pipeline()
            made.__class__ = pipeline
            return made

    return Mutant


def with_source(source: type[Source]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_source(self) -> Source:
            made = self.pipeline.source()
            made.__class__ = source
            return made

    return Mutant


def with_refetcher(refetcher: type[Refetcher]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_refetcher(self, lister_watcher: ListerWatcher) -> Refetcher:
            made = super().make_refetcher(lister_watcher)
            made.__class__ = refetcher
            return made

    return Mutant


def with_buffer(buffer: type[NotificationBuffer]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_registration(self, tell: Tell, manner: Manner) -> HandlerRegistration:
            made = super().make_registration(tell, manner)
            made._buffer = buffer(limit=manner.buffer_limit, policy=manner.policy)
            return made

    return Mutant


def with_registration(registration: type[HandlerRegistration]) -> type[Assembly]:
    class Mutant(Assembly):
        def make_registration(self, tell: Tell, manner: Manner) -> HandlerRegistration:
            made = super().make_registration(tell, manner)
            made.__class__ = registration
            return made

    return Mutant


MUTANTS: dict[str, type[Assembly]] = {
    "forgets that a version has expired": with_machine(ForgetsExpiry),
    "resumes from the version of the list": with_machine(ResumesFromTheList),
    "resumes one version ahead": with_machine(RunsAhead),
    "takes the first page for the list": with_machine(TakesThePageForTheList),
    "does not wait after a failure": with_machine(DoesNotWait),
    "never gives up a version": with_machine(GivesUpNoVersion),
    "goes on from a version that the server has not": with_machine(IgnoresTheProbe),
    "waits for a server that has fallen silent": with_machine(WaitsForTheServer),
    "insists on watch-lists": with_machine(InsistsOnWatchLists),
    "takes any bookmark for the end of the list": with_reflector(TakesAnyBookmarkForTheEnd),
    "keeps the pages of a failed list": with_reflector(Hoards),
    "moves the version past what was not stored": with_reflector(StoresEveryOther),
    "drops tombstones": with_queue(LosesTombstones),
    "replaces without the known keys": with_queue(None),
    "says that nothing was there before": with_indexer(ReportsNoOld),
    "tells in the opposite order": with_pipeline(TellsBackwards),
    "tells before it has stored": with_pipeline(TellsBeforeStoring),
    "forgets what a late handler has to be told": with_pipeline(ForgetsLateHandlers),
    "tells of what a relist did not change": with_pipeline(TellsUnchanged),
    "does not wait for a handler that blocks": with_pipeline(WaitsForNobody),
    "overlooks the deletion of a malformed object": with_source(KeepsMalformedOnes),
    "takes late events of what was asked for again": with_source(TakesWhatIsLate),
    "takes late answers for what was asked for again": with_source(TakesLateAnswers),
    "never asks again": with_refetcher(NeverAsksAgain),
    "deletes what it cannot decode": with_source(DeletesMalformedOnes),
    "merges from the last old state": with_buffer(KeepsTheLastOld),
    "drops what a slow handler has not had": with_buffer(DropsTheOldest),
    "leaves out what comes after an error": with_registration(StopsAtAnError),
    "never counts a raising handler as synced": with_registration(SyncsOnlyWithoutErrors),
}
