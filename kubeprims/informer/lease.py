"""A share in a running informer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kubeprims.errors import LifecycleError
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.shared import STOP_TIMEOUT_S, SharedInformer


class InformerLease:
    """Somebody's share in a running informer, which stops with its last lease; a context manager.

    Attributes:
        informer: The informer. Handlers that are added to it stay for as long as it runs, unless they are attached to a
            lease.

    Concurrency:
        Every method may be called from any thread, handlers of the informer included.
    """

    def __init__(self, informer: SharedInformer, give_back: Callable[[], bool]) -> None:
        """Hold a share; ``SharedInformerFactory.acquire`` makes it.

        Args:
            informer: The informer.
            give_back: Called once, when the share is given back; returns whether it was the last.
        """
        self.informer = informer
        self._give_back = give_back
        self._lock = threading.Lock()
        self._is_released = False
        self._attached: list[HandlerRegistration] = []

    @property
    def is_released(self) -> bool:
        """Whether the share was given back."""
        return self._is_released

    def attach(self, registration: HandlerRegistration) -> HandlerRegistration:
        """Have a handler of the informer removed when this lease is released; return it.

        Raises:
            LifecycleError: The lease is released; the handler is removed at once.
        """
        with self._lock:
            if not self._is_released:
                self._attached.append(registration)
                return registration
        self.informer.remove_event_handler(registration)
        raise LifecycleError(f"the lease on informer {self.informer.name} is released")

    def release(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Give the share back; the last one stops the informer and waits for its threads. Later calls do nothing.

        Handlers that are attached are told no more; a call that is running goes on.

        Raises:
            StopTimeout: A handler's call did not return in time; the informer ends when it does.
            BaseException: What a thread of the informer died of.
        """
        with self._lock:
            if self._is_released:
                return
            self._is_released = True
        for registration in self._attached:
            self.informer.remove_event_handler(registration)
        if self._give_back():
            self.informer.stop(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
