"""Exceptions that other people's code has raised."""

from __future__ import annotations


def text_of(error: BaseException) -> str:
    """Return the class of an exception and what it says, which may itself be code that raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - user code: who reports an error must not die of its text
        return f"{type(error).__name__}, whose text cannot be had"
