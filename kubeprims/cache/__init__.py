"""The cache of an informer: the queues, store, indexer and listers. Pure, but for the one lock in ``store``."""

from __future__ import annotations

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaFIFO, DeltaQueue, Deltas, DeltaType, KnownObjects
from kubeprims.cache.index import (
    NAMESPACE_INDEX,
    IndexErrors,
    IndexFunc,
    IndexValue,
    composite_index,
    field_index,
    label_index,
    owner_index,
)
from kubeprims.cache.indexer import Indexer
from kubeprims.cache.lister import Lister, Reader
from kubeprims.cache.real_fifo import RealFIFO
from kubeprims.cache.store import Change, Store

__all__ = [
    "NAMESPACE_INDEX",
    "Batch",
    "Change",
    "Delta",
    "DeltaFIFO",
    "DeltaQueue",
    "DeltaType",
    "Deltas",
    "IndexErrors",
    "IndexFunc",
    "IndexValue",
    "Indexer",
    "KnownObjects",
    "Lister",
    "Reader",
    "RealFIFO",
    "Store",
    "composite_index",
    "field_index",
    "label_index",
    "owner_index",
]
