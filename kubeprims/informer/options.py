"""How one informer works: the settings that its parts are made with, as one value.

Being one value, it can be handed on, compared and varied (``dataclasses.replace``) wherever one informer becomes
several, or several callers share one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Literal, cast

from kubeprims.cache.delta_fifo import DeltaFIFO, DeltaQueue, KnownObjects
from kubeprims.cache.real_fifo import RealFIFO
from kubeprims.errors import ConfigError, InvalidArgument
from kubeprims.informer.intake import Intake, Transform
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.metrics import Metrics
from kubeprims.objects.projection import Projection
from kubeprims.objects.record import KEY, UID, ObjectRecord
from kubeprims.objects.storage import Storage, storage_of
from kubeprims.sharding import Shard

RESYNC_PERIOD_MIN_S = 1.0

MakeQueue = Callable[[KnownObjects], DeltaQueue]
"""Makes an empty queue between what is known and what is read."""

QUEUES: Mapping[str, MakeQueue] = MappingProxyType(
    {"in_order": partial(RealFIFO, is_atomic=True), "delta_fifo": DeltaFIFO}
)
"""The queues by the names that :class:`InformerOptions` has for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerOptions:
    """How an informer keeps its copy, and tells of it.

    Attributes:
        resync_period_s: How often the cache is replayed to handlers that name no period, in seconds; 0 is never.
        reflector: Page size, watch time-outs, delays.
        shard: The part of the objects that is this informer's; the others are left out, even if the server sends them.
            None is all of them.
        transform: Gets each version of an object once, as a dictionary of its own, and returns what the cache shall
            hold instead; it must leave name and namespace. If it fails, the last good state stays, as when an object
            cannot be decoded. About 65 us for a pod with msgspec, 160 without; ``keep`` and ``strip`` cost less.
            Called on the informer's thread, of which an informer over several namespaces has one for each.
        keep: All that stays of each object, as field paths, such as ``("spec.nodeName", "status.phase")``; nothing
            named keeps everything. See :class:`~kubeprims.objects.projection.Projection`.
        strip: What goes of that, such as ``("status.conditions", "metadata.annotations[example.com/long]")``.
        storage: ``plain``, ``compact`` (a pod in 1.4 KB, for 55 us when it comes and 17 us when it is read), or a
            storage of your own, for one informer each.
        queue: In which order handlers are told: ``in_order`` is the server's own, across objects; ``delta_fifo`` has
            what happened to one object in a batch of events together, where the first of it came.
        metrics: Where its figures go, under its name, from start to stop; None is nowhere.
    """

    resync_period_s: float = 0.0
    reflector: ReflectorOptions = field(default_factory=ReflectorOptions)
    shard: Shard | None = None
    transform: Transform | None = None
    keep: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    storage: Storage | str = "plain"
    queue: Literal["in_order", "delta_fifo"] = "in_order"
    metrics: Metrics | None = None

    def __post_init__(self) -> None:
        if self.queue not in QUEUES:
            raise ConfigError(f"must be one of {', '.join(QUEUES)}, not {self.queue!r}", field="queue")
        if not is_resync_period(self.resync_period_s):
            rule = f"must be 0 (never) or at least {RESYNC_PERIOD_MIN_S:g} s"
            raise ConfigError(f"{rule}, not {self.resync_period_s!r}", field="resync_period_s")
        if not isinstance(cast("object", self.shard), Shard | None):
            raise InvalidArgument(f"shard must be a Shard, not {self.shard!r}")
        self.make_intake()  # checks the rest

    def make_intake(self) -> Intake:
        """Return what every object passes on its way to the cache of one informer.

        Raises:
            InvalidFieldPath: ``keep`` or ``strip`` holds a path that breaks the grammar, or that must stay.
            InvalidArgument: ``transform`` cannot be called, or ``storage`` is none.
        """
        return Intake(
            covers=None if self.shard is None else partial(_covers, self.shard),
            transform=self.transform,
            projection=Projection(self.keep, self.strip),
            storage=storage_of(self.storage),
        )


def _covers(shard: Shard, record: ObjectRecord) -> bool:
    return shard.covers(uid=record[UID], namespace=record[KEY].rpartition("/")[0])


def checked_resync_period(period_s: float) -> float:
    """Return a period.

    Raises:
        InvalidArgument: The cache cannot be replayed this often.
    """
    if not is_resync_period(period_s):
        rule = f"a resync period is 0 (never) or at least {RESYNC_PERIOD_MIN_S:g} s"
        raise InvalidArgument(f"{rule}, not {period_s!r}")
    return period_s


def is_resync_period(period_s: float) -> bool:
    """Return whether the cache can be replayed this often; 0 is never."""
    return period_s == 0 or RESYNC_PERIOD_MIN_S <= period_s < float("inf")
