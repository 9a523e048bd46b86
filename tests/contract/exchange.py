"""A script of requests, each of whose answers is compared with what a real server answered."""

from __future__ import annotations

import contextlib
import difflib
import http.client
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.backends import TIMEOUT_S, Backend, wait_until_served
from tests.contract.known import KNOWN
from tests.contract.normal import Normaliser
from tests.contract.recording import load_steps, pretty, save_steps
from tests.waiting import eventually

USER_AGENT = "contract/1.0"
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_GROUP_VERSION = re.compile(r"[a-z0-9.-]+/v\d\w*/")
_DIFF_LINES_MAX = 60


class ContractBroken(AssertionError):
    """A server did not answer what a real one had answered."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str | list[str]]
    content: bytes

    @property
    def body(self) -> JSONObject:
        """The body, a JSON object."""
        body = json.loads(self.content)
        assert isinstance(body, dict), body
        return body

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of the object in the body; the scripts only read texts there."""
        return cast("Mapping[str, str]", self.body["metadata"])

    @property
    def version(self) -> str:
        """The resourceVersion of the object in the body."""
        return self.metadata["resourceVersion"]

    @property
    def value(self) -> JSONValue:
        """The body, decoded if it is JSON, else as text."""
        media_type = str(self.headers.get("content-type", "")).partition(";")[0]
        if media_type.endswith("json") and self.content:
            return cast("JSONValue", json.loads(self.content))
        return self.content.decode()


Select = Callable[[JSONObject], JSONValue]
"""Takes from a body what is to be compared, where the rest cannot agree."""


class Exchange:
    """One test's requests, in a namespace of its own.

    Paths that begin with ``/`` are taken as they are, with ``{ns}`` for the namespace; others are below the namespace:
    ``pods/web``, ``apps/v1/deployments/web/status``.
    """

    def __init__(
        self, backend: Backend, name: str, *, is_recording: bool = False, patience_s: float = TIMEOUT_S
    ) -> None:
        """Prepare an exchange.

        Args:
            backend: The server.
            name: ``chapter/test``; names the recording.
            is_recording: Keep the answers instead of comparing them.
            patience_s: How many seconds an event may let itself be waited for.
        """
        assert not is_recording or backend.name == "real", "the embedded server is judged; it does not set the rule"
        self.backend = backend
        self.name = name
        self.namespace = name.partition("/")[2].replace("_", "-")[:63].strip("-")
        self.differences: list[str] = []
        self.patience_s = patience_s
        self._is_recording = is_recording
        self._expected = [] if is_recording else load_steps(name)
        self._steps: list[JSONObject] = []
        self._normaliser = Normaliser()
        self._connection = backend.connect()

    def __enter__(self) -> Self:
        namespaced = {"metadata": {"name": self.namespace}}
        answer = self._send("POST", "/api/v1/namespaces", json.dumps(namespaced).encode(), {"Content-Type": JSON})
        if answer.status != http.HTTPStatus.CREATED:
            self._connection.close()
            raise ContractBroken(f"no namespace for {self.name}: {answer.content!r}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def finish(self) -> None:
        """Keep what was recorded, or say what was different.

        Raises:
            ContractBroken: Something was.
        """
        if self._is_recording:
            save_steps(self.name, self._steps)
            return
        missing = len(self._expected) - len(self._steps)
        if missing > 0:
            self.differences.append(f"{missing} more steps are recorded than were taken")
        self.raise_differences()

    def raise_differences(self) -> None:
        """Raise what has been found different so far.

        Raises:
            ContractBroken: Something was.
        """
        if self.differences:
            raise ContractBroken(f"{self.name} on {self.backend.name}:\n" + "\n".join(self.differences))

    # Requests.

    def request(
        self,
        method: str,
        path: str,
        body: JSONValue | bytes = None,
        *,
        content_type: str = JSON,
        accept: str = "",
        select: Select | None = None,
    ) -> Answered:
        """Send a request, compare its answer, and return it as it came.

        Args:
            method: Such as ``GET``.
            path: With the query; see the class.
            body: Bytes as they are; anything else but None as JSON.
            content_type: Of the body, if there is one.
            accept: The Accept header; empty for none.
            select: What of a body to compare; None for all of it.
        """
        target = self.target(path)
        headers = {"Content-Type": content_type} if body is not None and content_type else {}
        if accept:
            headers["Accept"] = accept
        answer = self._send(method, target, body if isinstance(body, bytes) else _encoded(body), headers)
        step: JSONObject = {"request": self._normaliser.text(f"{method} {target}")}
        step |= {name: value for name, value in headers.items() if value != JSON}
        if body is not None:
            step["sent"] = body.decode("latin-1") if isinstance(body, bytes) else self._normaliser.sent(body)
        value = answer.value
        if select is not None and isinstance(value, dict):
            value = select(value)
        self._compare(step | self._normaliser.answer(answer.status, answer.headers, value))
        return answer

    def get(self, path: str, *, accept: str = "", select: Select | None = None) -> Answered:
        """Send a GET."""
        return self.request("GET", path, accept=accept, select=select)

    def post(self, path: str, body: JSONValue | bytes, *, content_type: str = JSON, accept: str = "") -> Answered:
        """Send a POST."""
        return self.request("POST", path, body, content_type=content_type, accept=accept)

    def put(self, path: str, body: JSONValue | bytes, *, content_type: str = JSON) -> Answered:
        """Send a PUT."""
        return self.request("PUT", path, body, content_type=content_type)

    def patch(self, path: str, body: JSONValue | bytes, content_type: str = MERGE_PATCH) -> Answered:
        """Send a PATCH."""
        return self.request("PATCH", path, body, content_type=content_type)

    def apply(self, path: str, body: JSONObject, manager: str = "applier", *, force: bool = False) -> Answered:
        """Send a server-side apply."""
        path += ("&" if "?" in path else "?") + f"fieldManager={manager}" + ("&force=true" if force else "")
        return self.patch(path, body, APPLY_PATCH)

    def delete(self, path: str, options: JSONObject | None = None) -> Answered:
        """Send a DELETE, with DeleteOptions if there are any."""
        return self.request("DELETE", path, options)

    def define(self, definition: JSONObject) -> None:
        """Create a CustomResourceDefinition, uncompared, and wait until every served version of it is served."""
        answer = self._send("POST", _DEFINITIONS, _encoded(definition), {"Content-Type": JSON})
        assert answer.status == http.HTTPStatus.CREATED, answer.content
        for path in _served_paths(definition):
            wait_until_served(self.backend, path)

    def remove_definition(self, name: str, path: str) -> None:
        """Delete a CustomResourceDefinition, uncompared, and wait until the group and version at a path is gone."""
        answer = self._send("DELETE", f"{_DEFINITIONS}/{name}", None, {})
        assert answer.status == http.HTTPStatus.OK, answer.content
        wait_until_served(self.backend, path, http.HTTPStatus.NOT_FOUND)

    def wait_for_effect(
        self, path: str, probe: JSONObject, is_there: Callable[[Answered], bool], *, method: str = "POST"
    ) -> None:
        """Rehearse a write, uncompared, until the answer shows that admission has heard of a change.

        A real server's admission reads from caches, which come a moment later.
        """
        target, headers = f"{self.target(path)}?dryRun=All", {"Content-Type": JSON if method == "POST" else MERGE_PATCH}
        eventually(
            lambda: is_there(self._send(method, target, _encoded(probe), headers)), TIMEOUT_S, f"an effect on {path}"
        )

    def settle(self, path: str) -> None:
        """Wait, uncompared, until the server's cache of a collection has what was written last.

        An update of a real server begins with what the cache has. If that is older, it begins again, and whatever
        admission has charged by then stays charged. A list without a version is answered once the cache has caught up.
        """
        self._send("GET", self.target(path), None, {})

    def reconnect_after(self, break_connections: Callable[[], None]) -> None:
        """Do something to the server that may cost the connection, and have a new one."""
        self._connection.close()
        break_connections()

    def watch(self, path: str, *, accept: str = "") -> Watching:
        """Open a watch on a connection of its own, and compare the head of the answer, or all of an error.

        The query is to have ``watch=1``.
        """
        return Watching(self, self.target(path), accept)

    def target(self, path: str) -> str:
        """Return the full path that a short one stands for."""
        if path.startswith("/"):
            return path.replace("{ns}", self.namespace)
        match = _GROUP_VERSION.match(path)
        if match is None:
            return f"/api/v1/namespaces/{self.namespace}/{path}"
        return f"/apis/{match[0]}namespaces/{self.namespace}/{path[match.end() :]}"

    def _send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answered:
        connection = self._connection
        connection.putrequest(method, target, skip_accept_encoding=True)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in {"User-Agent": USER_AGENT, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Answered(response.status, collected_headers(response), response.read())

    # Comparing.

    def compare_open(self, target: str, answer: Answered | None, response: http.client.HTTPResponse) -> None:
        """Compare how a watch was answered; the body only if it is an error."""
        body = None if answer is None else answer.value
        step: JSONObject = {"request": self._normaliser.text(f"GET {target}")}
        self._compare(step | self._normaliser.answer(response.status, collected_headers(response), body))

    def compare_events(self, target: str, events: list[JSONObject], *, ended: bool) -> None:
        """Compare what a watch gave."""
        step: JSONObject = {
            "events of": self._normaliser.text(target),
            "events": [self._normaliser.event(event) for event in events],
        }
        if ended:
            step["then"] = "the end"
        self._compare(step)

    def _compare(self, step: JSONObject) -> None:
        number = len(self._steps)
        self._steps.append(step)
        if self._is_recording:
            return
        expected = self._expected[number] if number < len(self._expected) else None
        if expected is None:
            self.differences.append(f"step {number} is not recorded: {step.get('request')}")
            return
        known = KNOWN.get((self.name, number)) if self.backend.name == "embedded" else None
        if known is not None:
            assert any(expected.get(key) != value for key, value in known.answer.items()), f"no difference: {known}"
            expected = expected | known.answer
        if self.backend.name == "real" and _differ_in_the_number_of_bookmarks(step, expected):
            return  # how many come is a matter of timing, and no promise of a real server's
        if step != expected:
            self.differences.append(_difference(number, expected, step))


class Watching:
    """An open watch.

    Concurrency:
        One thread.
    """

    def __init__(self, exchange: Exchange, target: str, accept: str) -> None:
        self._exchange = exchange
        self._target = target
        self._connection = exchange.backend.connect()
        self._connection.timeout = exchange.patience_s
        asked = {"User-Agent": USER_AGENT} | ({"Accept": accept} if accept else {})
        self._connection.request("GET", target, headers=asked)
        self._response = self._connection.getresponse()
        answer = None
        if self._response.status != http.HTTPStatus.OK:
            headers = collected_headers(self._response)
            answer = Answered(self._response.status, headers, self._response.read())
        exchange.compare_open(target, answer, self._response)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._response.close()
        self._connection.close()

    def take(self, count: int, *, select: Select | None = None) -> list[JSONObject]:
        """Compare the next ``count`` events, or what is selected of their objects; return them as they came."""
        events: list[JSONObject] = []
        with contextlib.suppress(TimeoutError):  # those that did not come are missing in the comparison
            for event in self._events():
                events.append(event)
                if len(events) == count:
                    break
        shown = events
        if select is not None:
            shown = [event | {"object": select(cast("JSONObject", event["object"]))} for event in events]
        self._exchange.compare_events(self._target, shown, ended=False)
        return events

    def take_until(self, name: str) -> list[JSONObject]:
        """Compare the events up to one about an object of that name, and return them as they came."""
        events: list[JSONObject] = []
        with contextlib.suppress(TimeoutError):
            for event in self._events():
                events.append(event)
                if _name_in(event) == name:
                    break
        self._exchange.compare_events(self._target, events, ended=False)
        return events

    def take_to_end(self) -> list[JSONObject]:
        """Compare the events up to the end of the watch, and return them as they came."""
        events: list[JSONObject] = []
        ended = False
        with contextlib.suppress(TimeoutError):
            events.extend(self._events())
            ended = True
        self._exchange.compare_events(self._target, events, ended=ended)
        return events

    def _events(self) -> Iterator[JSONObject]:
        while line := self._response.readline():
            event = json.loads(line)
            assert isinstance(event, dict), line
            yield event


def _differ_in_the_number_of_bookmarks(step: JSONObject, expected: JSONObject) -> bool:
    """Return whether the events are the same but for bookmarks that are missing, or come again."""
    got, wanted = step.get("events"), expected.get("events")
    if not isinstance(got, list) or not isinstance(wanted, list):
        return False
    is_known = all(event in wanted for event in got if _is_bookmark(event))
    changes = [event for event in got if not _is_bookmark(event)]
    wanted_changes = [event for event in wanted if not _is_bookmark(event)]
    return is_known and {**step, "events": changes} == {**expected, "events": wanted_changes}


def _is_bookmark(event: JSONValue) -> bool:
    return isinstance(event, dict) and event.get("type") == "BOOKMARK"


def _name_in(event: JSONObject) -> JSONValue:
    obj = event["object"]
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    return metadata.get("name") if isinstance(metadata, dict) else None


def collected_headers(response: http.client.HTTPResponse) -> dict[str, str | list[str]]:
    """Return the header fields of a response, in lower case; a list for one that is repeated."""
    names = {name.lower() for name in response.headers}
    values = {name: response.headers.get_all(name, []) for name in names}
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _encoded(body: JSONValue) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def exchange_name(function: object) -> str:
    """Return ``chapter/test`` for a test function."""
    chapter = str(getattr(function, "__module__", "")).rpartition(".test_")[2]
    return f"{chapter}/{str(getattr(function, '__name__', '')).removeprefix('test_')}"


def quoted(text: str) -> str:
    """Return a text as it stands in a query."""
    return urllib.parse.quote(text, safe="")


_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _served_paths(definition: JSONObject) -> Iterator[str]:
    spec = cast("Mapping[str, JSONValue]", definition["spec"])
    names = cast("Mapping[str, str]", spec["names"])
    for version in cast("list[JSONObject]", spec["versions"]):
        if version["served"]:
            yield f"/apis/{spec['group']}/{version['name']}/{names['plural']}"


def _difference(number: int, expected: JSONObject, actual: JSONObject) -> str:
    lines = difflib.unified_diff(
        pretty(expected).splitlines(), pretty(actual).splitlines(), "recorded", "answered", lineterm="", n=2
    )
    found = list(lines)[:_DIFF_LINES_MAX]
    title = actual.get("request") or f"events of {actual.get('events of')}"
    return f"--- step {number}: {title}\n" + "\n".join(found)
