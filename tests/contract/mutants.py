"""Embedded servers that are broken on purpose, to show that the contract sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from kubeprims.http1 import Headers
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.exchange import Application, Call, Reply
from kubeprims.testing.apiserver.faults import RequestFacts

Ask = Callable[[Call], Call]
Tell = Callable[[Call, Reply], Reply]


class _Application:
    """Answers as another application does, but hears or says something else."""

    def __init__(self, application: Application, ask: Ask, tell: Tell) -> None:
        self._application = application
        self._ask = ask
        self._tell = tell

    def facts(self, call: Call) -> RequestFacts:
        return self._application.facts(call)

    def reply(self, call: Call) -> Reply:
        return self._tell(call, self._application.reply(self._ask(call)))


class MutantServer(APIServer):
    """An API server of which one behaviour is wrong."""

    def __init__(self, *, ask: Ask = lambda call: call, tell: Tell = lambda _, reply: reply) -> None:
        """Make a server.

        Args:
            ask: Changes each request before it is looked at.
            tell: Changes each answer.
        """
        super().__init__()
        self._server = self._server._replace(application=_Application(self._server.application, ask, tell))


class ForgetfulServer(APIServer):
    """A server whose history is never compacted."""

    def compact(self, revision: int | None = None) -> None:
        del revision


def deaf_to(*names: str) -> MutantServer:
    """Return a server that does not see some fields of queries."""

    def ask(call: Call) -> Call:
        kept = [field for field in call.request.query.split("&") if field.partition("=")[0] not in names]
        return call._replace(request=dataclasses.replace(call.request, query="&".join(kept)))

    return MutantServer(ask=ask)


def mishears_query(text: str, other: str) -> MutantServer:
    """Return a server that takes one text in queries for another."""

    def ask(call: Call) -> Call:
        return call._replace(request=dataclasses.replace(call.request, query=call.request.query.replace(text, other)))

    return MutantServer(ask=ask)


def mishears_path(text: str, other: str) -> MutantServer:
    """Return a server that takes one text in the paths of writes for another."""

    def ask(call: Call) -> Call:
        if call.request.method not in {"PUT", "PATCH"}:
            return call
        return call._replace(request=dataclasses.replace(call.request, path=call.request.path.replace(text, other)))

    return MutantServer(ask=ask)


def mishears_header(name: str, text: str, other: str) -> MutantServer:
    """Return a server that takes one text in a header field for another."""

    def headers(found: Iterable[tuple[str, str]]) -> Headers:
        return Headers((key, value.replace(text, other) if key == name else value) for key, value in found)

    def ask(call: Call) -> Call:
        return call._replace(request=dataclasses.replace(call.request, headers=headers(call.request.headers)))

    return MutantServer(ask=ask)


def mishears_body(method: str, text: bytes, other: bytes) -> MutantServer:
    """Return a server that takes one text in the bodies of a method for another."""

    def ask(call: Call) -> Call:
        return call._replace(body=call.body.replace(text, other)) if call.request.method == method else call

    return MutantServer(ask=ask)


def says(text: bytes, other: bytes) -> MutantServer:
    """Return a server that says one text in place of another."""

    def tell(_: Call, reply: Reply) -> Reply:
        return reply._replace(body=reply.body.replace(text, other)) if isinstance(reply.body, bytes) else reply

    return MutantServer(tell=tell)


def answers(resource: str, code: int, other: int) -> MutantServer:
    """Return a server that answers requests for a resource with one code in place of another."""

    def tell(call: Call, reply: Reply) -> Reply:
        is_meant = reply.code == code and call.request.path.endswith(f"/{resource}")
        return reply._replace(code=other) if is_meant else reply

    return MutantServer(tell=tell)
