"""client-go's primitives for Python.

The map of the package::

    Client, Resource                     the API as verbs on resources              kubeprims.client
    SharedInformerFactory, SharedInformer  a local copy, always current             kubeprims.informer
    Indexer, Lister, DeltaFIFO           what the copy is made of                   kubeprims.cache
    Controller, ControllerManager        what reconciles, and runs as one           kubeprims.controller
    WorkQueue, RateLimitingQueue         keys to be worked on                       kubeprims.workqueue
    LeaderElector, ElectionGate          one of several works at a time             kubeprims.leaderelection
    resource_lock and its kinds          what candidates contend for                kubeprims.leaderelection
    Unstructured, WatchEvent             objects as the API has them                kubeprims.objects
    Transport, TransportConfig           the one road to the network                kubeprims.transport
    KubeprimsError and its kinds         every error, in one tree                   kubeprims.errors
    PrometheusMetrics                    figures about all of these                 kubeprims.metrics
    testing.APIServer                    an API server for tests                    kubeprims.testing

The names below are loaded when they are first used: ``import kubeprims`` alone loads none of the libraries that it
stands on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from kubeprims.version import __version__

if TYPE_CHECKING:
    from kubeprims import (
        cache,
        client,
        controller,
        errors,
        http1,
        informer,
        leaderelection,
        metrics,
        objects,
        testing,
        transport,
        workqueue,
    )
    from kubeprims.backoff import Backoff, BackoffPolicy
    from kubeprims.cache.delta_fifo import Delta, DeltaFIFO, Deltas, DeltaType
    from kubeprims.cache.indexer import Indexer
    from kubeprims.cache.lister import Lister
    from kubeprims.cache.real_fifo import RealFIFO
    from kubeprims.client.client import Client
    from kubeprims.client.conflict import retry_on_conflict
    from kubeprims.client.events import EventRecorder
    from kubeprims.client.list_watch import ListWatch
    from kubeprims.client.options import ALL_NAMESPACES, ListOptions, PatchType, WatchOptions
    from kubeprims.client.resource import Resource
    from kubeprims.client.retry_watcher import RetryWatcher
    from kubeprims.client.tables import Table
    from kubeprims.client.until import until
    from kubeprims.client.watch import WatchStream
    from kubeprims.clock import Clock, SystemClock
    from kubeprims.controller.context import ReconcileContext
    from kubeprims.controller.controller import Controller
    from kubeprims.controller.manager import ControllerManager
    from kubeprims.controller.options import ManagerOptions
    from kubeprims.controller.probes import Probes
    from kubeprims.controller.result import Result
    from kubeprims.errors import (
        AlreadyExists,
        ApplyConflict,
        BadRequest,
        CacheSyncTimeout,
        Cancelled,
        ConfigError,
        Conflict,
        ConnectError,
        ConnectionLost,
        ContentUnavailable,
        CredentialError,
        DeadlineExceeded,
        DecodeError,
        FieldConflict,
        Forbidden,
        HandlerOverflow,
        Invalid,
        InvalidArgument,
        KubeprimsError,
        LifecycleError,
        NotFound,
        OwnWriteUnseen,
        ResourceExpired,
        ResourceVersionRewound,
        ServerError,
        StatusError,
        StopTimeout,
        TerminalError,
        TLSError,
        TooManyRequests,
        TransportError,
        Unauthorized,
        UnexpectedContent,
        UnknownIndex,
        UnknownResource,
        UnsupportedOperation,
        WaitTimeout,
        WatchClosed,
        WatchIdle,
        WatchListIncomplete,
        WatchTooShort,
    )
    from kubeprims.informer.buffer import BufferPolicy
    from kubeprims.informer.dispatch import HandlerRegistration
    from kubeprims.informer.factory import SharedInformerFactory
    from kubeprims.informer.handlers import Notification, Reason, ResourceEventHandler
    from kubeprims.informer.lease import InformerLease
    from kubeprims.informer.machine import ReflectorMachine, ReflectorOptions
    from kubeprims.informer.options import InformerOptions
    from kubeprims.informer.reflector import ListerWatcher, Reflector
    from kubeprims.informer.shared import SharedInformer
    from kubeprims.informer.status import ReflectorState
    from kubeprims.informer.typed import DeletedObject, typed_handler
    from kubeprims.informer.until import until_with_sync
    from kubeprims.leaderelection.config import ElectionConfig
    from kubeprims.leaderelection.elector import LeaderElector
    from kubeprims.leaderelection.gate import ElectionGate
    from kubeprims.leaderelection.lock import ResourceLock
    from kubeprims.leaderelection.locks import ConfigMapLock, EndpointsLock, LeaseLock
    from kubeprims.leaderelection.multi_lock import MultiLock
    from kubeprims.leaderelection.resource_lock import resource_lock
    from kubeprims.leaderelection.term import Term
    from kubeprims.meta import GroupVersionKind, GroupVersionResource, ObjectKey, compare_resource_versions
    from kubeprims.metrics import Metrics, PrometheusMetrics
    from kubeprims.objects.event import WatchEvent, WatchEventType
    from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
    from kubeprims.selectors import FieldSelector, LabelSelector
    from kubeprims.sharding import Shard
    from kubeprims.threads import Cancel, Deadline
    from kubeprims.transport.addresses import AddressPolicy
    from kubeprims.transport.config import TransportConfig
    from kubeprims.transport.exec_policy import ExecPolicy
    from kubeprims.transport.identity import Identity
    from kubeprims.transport.rate_limit import RateLimit
    from kubeprims.transport.transport import Transport
    from kubeprims.workqueue.queue import RateLimitingQueue, WorkQueue

_HOME = {
    "kubeprims.backoff": "Backoff BackoffPolicy",
    "kubeprims.cache.delta_fifo": "Delta DeltaFIFO DeltaType Deltas",
    "kubeprims.cache.indexer": "Indexer",
    "kubeprims.cache.lister": "Lister",
    "kubeprims.cache.real_fifo": "RealFIFO",
    "kubeprims.client.client": "Client",
    "kubeprims.client.conflict": "retry_on_conflict",
    "kubeprims.client.events": "EventRecorder",
    "kubeprims.client.list_watch": "ListWatch",
    "kubeprims.client.options": "ALL_NAMESPACES ListOptions PatchType WatchOptions",
    "kubeprims.client.resource": "Resource",
    "kubeprims.client.retry_watcher": "RetryWatcher",
    "kubeprims.client.tables": "Table",
    "kubeprims.client.until": "until",
    "kubeprims.client.watch": "WatchStream",
    "kubeprims.clock": "Clock SystemClock",
    "kubeprims.controller.context": "ReconcileContext",
    "kubeprims.controller.controller": "Controller",
    "kubeprims.controller.manager": "ControllerManager",
    "kubeprims.controller.options": "ManagerOptions",
    "kubeprims.controller.probes": "Probes",
    "kubeprims.controller.result": "Result",
    "kubeprims.errors": (
        "AlreadyExists ApplyConflict BadRequest CacheSyncTimeout Cancelled ConfigError Conflict ConnectError "
        "ConnectionLost ContentUnavailable CredentialError DeadlineExceeded DecodeError FieldConflict Forbidden "
        "HandlerOverflow Invalid InvalidArgument KubeprimsError LifecycleError NotFound OwnWriteUnseen ResourceExpired "
        "ResourceVersionRewound ServerError StatusError StopTimeout TLSError TerminalError TooManyRequests "
        "TransportError Unauthorized UnexpectedContent UnknownIndex UnknownResource UnsupportedOperation "
        "WaitTimeout WatchClosed WatchIdle WatchListIncomplete WatchTooShort"
    ),
    "kubeprims.informer.buffer": "BufferPolicy",
    "kubeprims.informer.dispatch": "HandlerRegistration",
    "kubeprims.informer.factory": "SharedInformerFactory",
    "kubeprims.informer.handlers": "Notification Reason ResourceEventHandler",
    "kubeprims.informer.lease": "InformerLease",
    "kubeprims.informer.machine": "ReflectorMachine ReflectorOptions",
    "kubeprims.informer.options": "InformerOptions",
    "kubeprims.informer.reflector": "ListerWatcher Reflector",
    "kubeprims.informer.shared": "SharedInformer",
    "kubeprims.informer.status": "ReflectorState",
    "kubeprims.informer.typed": "DeletedObject typed_handler",
    "kubeprims.informer.until": "until_with_sync",
    "kubeprims.leaderelection.config": "ElectionConfig",
    "kubeprims.leaderelection.elector": "LeaderElector",
    "kubeprims.leaderelection.gate": "ElectionGate",
    "kubeprims.leaderelection.lock": "ResourceLock",
    "kubeprims.leaderelection.locks": "ConfigMapLock EndpointsLock LeaseLock",
    "kubeprims.leaderelection.multi_lock": "MultiLock",
    "kubeprims.leaderelection.resource_lock": "resource_lock",
    "kubeprims.leaderelection.term": "Term",
    "kubeprims.meta": "GroupVersionKind GroupVersionResource ObjectKey compare_resource_versions",
    "kubeprims.metrics": "Metrics PrometheusMetrics",
    "kubeprims.objects.event": "WatchEvent WatchEventType",
    "kubeprims.objects.unstructured": "DeletedFinalStateUnknown Unstructured",
    "kubeprims.selectors": "FieldSelector LabelSelector",
    "kubeprims.sharding": "Shard",
    "kubeprims.threads": "Cancel Deadline",
    "kubeprims.transport.config": "TransportConfig",
    "kubeprims.transport.exec_policy": "ExecPolicy",
    "kubeprims.transport.identity": "Identity",
    "kubeprims.transport.addresses": "AddressPolicy",
    "kubeprims.transport.rate_limit": "RateLimit",
    "kubeprims.transport.transport": "Transport",
    "kubeprims.workqueue.queue": "RateLimitingQueue WorkQueue",
}
_MODULE_BY_NAME = {name: module for module, names in _HOME.items() for name in names.split()}
_PACKAGES = frozenset(
    {
        "cache",
        "client",
        "controller",
        "errors",
        "http1",
        "informer",
        "leaderelection",
        "metrics",
        "objects",
        "testing",
        "transport",
        "workqueue",
    }
)


def __getattr__(name: str) -> object:
    if name in _MODULE_BY_NAME:
        value: object = getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
    elif name in _PACKAGES:
        value = importlib.import_module(f"kubeprims.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_BY_NAME, *_PACKAGES})


__all__ = [
    "ALL_NAMESPACES",
    "AddressPolicy",
    "AlreadyExists",
    "ApplyConflict",
    "Backoff",
    "BackoffPolicy",
    "BadRequest",
    "BufferPolicy",
    "CacheSyncTimeout",
    "Cancel",
    "Cancelled",
    "Client",
    "Clock",
    "ConfigError",
    "ConfigMapLock",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "ContentUnavailable",
    "Controller",
    "ControllerManager",
    "CredentialError",
    "Deadline",
    "DeadlineExceeded",
    "DecodeError",
    "DeletedFinalStateUnknown",
    "DeletedObject",
    "Delta",
    "DeltaFIFO",
    "DeltaType",
    "Deltas",
    "ElectionConfig",
    "ElectionGate",
    "EndpointsLock",
    "EventRecorder",
    "ExecPolicy",
    "FieldConflict",
    "FieldSelector",
    "Forbidden",
    "GroupVersionKind",
    "GroupVersionResource",
    "HandlerOverflow",
    "HandlerRegistration",
    "Identity",
    "Indexer",
    "InformerLease",
    "InformerOptions",
    "Invalid",
    "InvalidArgument",
    "KubeprimsError",
    "LabelSelector",
    "LeaderElector",
    "LeaseLock",
    "LifecycleError",
    "ListOptions",
    "ListWatch",
    "Lister",
    "ListerWatcher",
    "ManagerOptions",
    "Metrics",
    "MultiLock",
    "NotFound",
    "Notification",
    "ObjectKey",
    "OwnWriteUnseen",
    "PatchType",
    "Probes",
    "PrometheusMetrics",
    "RateLimit",
    "RateLimitingQueue",
    "RealFIFO",
    "Reason",
    "ReconcileContext",
    "Reflector",
    "ReflectorMachine",
    "ReflectorOptions",
    "ReflectorState",
    "Resource",
    "ResourceEventHandler",
    "ResourceExpired",
    "ResourceLock",
    "ResourceVersionRewound",
    "Result",
    "RetryWatcher",
    "ServerError",
    "Shard",
    "SharedInformer",
    "SharedInformerFactory",
    "StatusError",
    "StopTimeout",
    "SystemClock",
    "TLSError",
    "Table",
    "Term",
    "TerminalError",
    "TooManyRequests",
    "Transport",
    "TransportConfig",
    "TransportError",
    "Unauthorized",
    "UnexpectedContent",
    "UnknownIndex",
    "UnknownResource",
    "Unstructured",
    "UnsupportedOperation",
    "WaitTimeout",
    "WatchClosed",
    "WatchEvent",
    "WatchEventType",
    "WatchIdle",
    "WatchListIncomplete",
    "WatchOptions",
    "WatchStream",
    "WatchTooShort",
    "WorkQueue",
    "__version__",
    "cache",
    "client",
    "compare_resource_versions",
    "controller",
    "errors",
    "http1",
    "informer",
    "leaderelection",
    "metrics",
    "objects",
    "resource_lock",
    "retry_on_conflict",
    "testing",
    "transport",
    "typed_handler",
    "until",
    "until_with_sync",
    "workqueue",
]
