"""The base of every exception, and those that have nothing to do with an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class KubeprimsError(Exception):
    """Base of every exception that kubeprims raises on purpose."""


class ConfigError(KubeprimsError, ValueError):
    """The configuration breaks a rule; nothing was sent.

    Attributes:
        source: Where it was read: a file's path, ``in-cluster``, ``environment``, or empty for a value from code.
        entry: Which part of the source, such as ``user "jane"`` or ``context "prod"``; may be empty.
        field: The field at fault, as it is spelled there; may be empty.
        rule: What is wrong with it. Never holds a secret value.
    """

    def __init__(self, rule: str, *, source: str = "", entry: str = "", field: str = "") -> None:
        super().__init__(rule, source, entry, field)
        self.source = source
        self.entry = entry
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.entry, self.field, self.rule) if part)


class InvalidArgument(KubeprimsError, ValueError):
    """A call's argument breaks a rule; nothing was sent."""


class InvalidSelector(InvalidArgument):
    """A label or field selector that cannot be parsed.

    Attributes:
        selector: The text of the selector.
        detail: What is wrong with it, in the API server's words.
    """

    def __init__(self, selector: str, detail: str) -> None:
        super().__init__(selector, detail)
        self.selector = selector
        self.detail = detail

    def __str__(self) -> str:
        return f"selector {self.selector!r}: {self.detail}"


class InvalidFieldPath(InvalidArgument):
    """A field path that cannot be parsed, or that names a field which must stay.

    Attributes:
        path: The text of the path.
        detail: What is wrong with it.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"field path {self.path!r}: {self.detail}"


class UnknownResource(KubeprimsError, LookupError):
    """Discovery knows no such resource.

    Attributes:
        name: What was asked for.
        server: The URL of the server that was asked.
        unavailable: Groups with versions that the server could not tell about: it may be one of theirs.
    """

    def __init__(self, name: str, *, server: str, unavailable: Sequence[str] = ()) -> None:
        super().__init__(name, server)
        self.name = name
        self.server = server
        self.unavailable = tuple(unavailable)

    def __str__(self) -> str:
        but = f" (but cannot tell about {', '.join(self.unavailable)})" if self.unavailable else ""
        return f'the server {self.server} has no resource "{self.name}"{but}'


class UnknownIndex(KubeprimsError, LookupError):
    """The indexer has no index of that name."""


class LifecycleError(KubeprimsError, RuntimeError):
    """The call does not fit the state of the object: started twice, changed after start, used after stop."""


class UnsupportedOperation(KubeprimsError):
    """Neither done nor silently skipped: kubeprims, or the server in use, does not support it."""


class DecodeError(KubeprimsError, ValueError):
    """Bytes that are not what they should be.

    Attributes:
        detail: What is wrong, without quoting the content.
        raw: The first bytes of the input, for a debugger; not part of the text.
    """

    def __init__(self, detail: str, *, raw: bytes = b"") -> None:
        super().__init__(detail)
        self.detail = detail
        self.raw = bytes(raw[:256])


class ContentUnavailable(KubeprimsError):
    """The content of a deleted object is not known: only its key survived the gap in the watch."""


class WatchTooShort(KubeprimsError):
    """A watch ended at once, without an event or time and again: the server, or a proxy before it, would not serve it.

    Attributes:
        lasted_s: For how long it was open, in seconds.
        events: How many events it brought.
    """

    def __init__(self, *, lasted_s: float, events: int = 0) -> None:
        super().__init__(lasted_s, events)
        self.lasted_s = lasted_s
        self.events = events

    def __str__(self) -> str:
        brought = f"and {self.events} events, as the one before" if self.events else "without an event"
        return f"the watch ended after {self.lasted_s:.3f} s {brought}"


class WatchListIncomplete(KubeprimsError):
    """A watch-list did not say that it was complete: something on the way does not know it, or holds things back.

    Attributes:
        lasted_s: For how long it was open, in seconds.
        events: How many events it brought.
        last_event_s: How many seconds before its end the last of them came; None if there was none.
    """

    def __init__(self, *, lasted_s: float, events: int, last_event_s: float | None = None) -> None:
        super().__init__(lasted_s, events, last_event_s)
        self.lasted_s = lasted_s
        self.events = events
        self.last_event_s = last_event_s

    def __str__(self) -> str:
        last = "" if self.last_event_s is None else f", the last of them {self.last_event_s:.3g} s before"
        brought = f"and {self.events} events{last}" if self.events else "without an event"
        return f"the watch-list ended after {self.lasted_s:.3g} s {brought}: no bookmark said that it was complete"


class ResourceVersionRewound(KubeprimsError):
    """The server's version is older than the last one that it gave, as after its data was restored from a backup.

    Attributes:
        known: The last version.
        found: The server's.
    """

    def __init__(self, *, known: str, found: str) -> None:
        super().__init__(known, found)
        self.known = known
        self.found = found

    def __str__(self) -> str:
        what = "as after a restore: everything is listed anew"
        return f"the server went back from version {self.known} to {self.found}, {what}"


class WatchClosed(KubeprimsError):
    """The changes ended before they had been what was waited for.

    Attributes:
        met: How many conditions had held.
        conditions: How many there were.
    """

    def __init__(self, *, met: int, conditions: int) -> None:
        super().__init__(met, conditions)
        self.met = met
        self.conditions = conditions

    def __str__(self) -> str:
        return f"the watch ended when {self.met} of {self.conditions} conditions had been met"


class HandlerOverflow(KubeprimsError):
    """An event handler was too slow for its buffer, and is removed, as it asked to be: add it again to start over.

    Attributes:
        handler: Its name.
        limit: How many changes its buffer may hold.
    """

    def __init__(self, handler: str, *, limit: int) -> None:
        super().__init__(handler, limit)
        self.handler = handler
        self.limit = limit

    def __str__(self) -> str:
        return f"event handler {self.handler} is removed: more than {self.limit} changes were waiting for it"


class CacheSyncTimeout(KubeprimsError, TimeoutError):
    """Informers that did not sync in time.

    Attributes:
        waiting: One ``(informer, last error)`` pair for each that is not synced; the error is empty if there was none.
        timeout_s: How long was waited, in seconds.
    """

    def __init__(self, waiting: Sequence[tuple[str, str]], *, timeout_s: float) -> None:
        super().__init__(tuple(waiting), timeout_s)
        self.waiting = tuple(waiting)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        rows = "; ".join(f"{name}: {error or 'no error so far'}" for name, error in self.waiting)
        return f"not synced after {self.timeout_s:g} s: {rows}"


class WaitTimeout(KubeprimsError, TimeoutError):
    """An object did not come to the state that was waited for. What was last in the way of seeing it is the cause.

    Attributes:
        what: The resource and the object's name.
        condition: What was waited for.
        timeout_s: For how long, in seconds.
        last: The object as it was last seen; None if it was not there.
        seen: The same in a few words.
    """

    def __init__(
        self, what: str, *, condition: str, timeout_s: float, last: Mapping[str, object] | None, seen: str
    ) -> None:
        super().__init__(what, condition, timeout_s)
        self.what = what
        self.condition = condition
        self.timeout_s = timeout_s
        self.last = last
        self.seen = seen

    def __str__(self) -> str:
        return f"{self.what}: not {self.condition} after {self.timeout_s:g} s; last seen: {self.seen}"


class StopTimeout(KubeprimsError, TimeoutError):
    """Threads that did not end in time: user code that does not return.

    Attributes:
        running: The names of the threads that still run.
        timeout_s: How long was waited, in seconds.
    """

    def __init__(self, running: Sequence[str], *, timeout_s: float) -> None:
        super().__init__(tuple(running), timeout_s)
        self.running = tuple(running)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"still running after {self.timeout_s:g} s: {', '.join(self.running)}"
