"""Helpers for the tests of programs that use kubeprims, an API server among them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubeprims.testing.apiserver.auth import User
    from kubeprims.testing.apiserver.server import APIServer
    from kubeprims.testing.clock import VirtualClock
    from kubeprims.testing.waiting import eventually

__all__ = ["APIServer", "User", "VirtualClock", "eventually"]

_MODULES = {
    "APIServer": "kubeprims.testing.apiserver.server",
    "User": "kubeprims.testing.apiserver.auth",
    "VirtualClock": "kubeprims.testing.clock",
    "eventually": "kubeprims.testing.waiting",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return __all__
