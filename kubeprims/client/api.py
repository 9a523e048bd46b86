"""Requests to the API server and what comes back: what every verb is made of."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from kubeprims.client.options import JSON_TYPE, REQUEST_TIMEOUT_S, Query, check_timeout_s
from kubeprims.client.status import check_success, error_from_status
from kubeprims.clock import Clock
from kubeprims.errors import DecodeError, LifecycleError
from kubeprims.meta import JSONObject, ObjectKey, check_path_segment
from kubeprims.objects.codec import Codec, ListStream
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.message import Headers, Request, Response, RoundTripper

# What RFC 3986 lets stand in a segment; the rest is percent-encoded.
_SEGMENT_CHARACTERS = "!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API.

    Attributes:
        method: The HTTP method.
        path: The path, encoded.
        query: The parameters.
        body: The body; None: none.
        content_type: What the body is.
        accept: What the answer should be.
        timeout_s: How long it may take, its answer included, in seconds; None: the client's time-out.
        deadline: The same as a deadline, which its maker may move meanwhile; counts in place of the time-out.
        cancel: Ends it at once when set.
        is_watch: It is a watch; see :class:`~kubeprims.transport.message.Request`.
        may_retry: Whether the transport may send it again; see there.

    Raises:
        InvalidArgument: The time-out is not positive.
    """

    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    content_type: str = JSON_TYPE
    accept: str = JSON_TYPE
    timeout_s: float | None = None
    deadline: Deadline | None = None
    cancel: Cancel | None = None
    is_watch: bool = False
    may_retry: bool = True

    def __post_init__(self) -> None:
        check_timeout_s(self.timeout_s)

    def request(self, default_timeout_s: float, clock: Clock, default_cancel: Cancel | None) -> Request:
        """Return the request, whose time starts now."""
        headers = [("Accept", self.accept)]
        if self.body is not None:
            headers.append(("Content-Type", self.content_type))
        timeout_s = default_timeout_s if self.timeout_s is None else self.timeout_s
        return Request(
            self.method,
            self.path,
            self.query,
            Headers(headers),
            self.body,
            deadline=self.deadline or Deadline.after(timeout_s, clock=clock),
            cancel=default_cancel if self.cancel is None else self.cancel,
            is_watch=self.is_watch,
            may_retry=self.may_retry,
        )


class API:
    """Carries calls to one API server and reads the answers.

    Attributes:
        server: The server's URL, without credentials; for error texts.
        codec: Reads and writes objects.
        clock: What deadlines are measured with.
        timeout_s: How long a call may take that does not say, in seconds.
        cancel: Ends the calls that bring none of their own; None: nothing does.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_is_closed", "_transport", "cancel", "clock", "codec", "server", "timeout_s")

    def __init__(
        self,
        transport: RoundTripper,
        *,
        server: str,
        codec: Codec,
        clock: Clock,
        timeout_s: float = REQUEST_TIMEOUT_S,
        cancel: Cancel | None = None,
    ) -> None:
        """Make calls over ``transport``; ``timeout_s`` and ``cancel`` are for those that have none of their own.

        Raises:
            InvalidArgument: The time-out is not positive.
        """
        check_timeout_s(timeout_s)
        self.server = server
        self.codec = codec
        self._transport = transport
        self.clock = clock
        self.timeout_s = timeout_s
        self.cancel = cancel
        self._is_closed = False

    def close(self) -> None:
        """Refuse every call from now on."""
        self._is_closed = True

    def send(self, call: Call) -> Response:
        """Make a call, and return the answer if it is a success and does not say that it is not JSON.

        The caller closes it.

        Raises:
            StatusError: The server answered with a failure.
            UnexpectedContent: The answer is not the API's.
            TransportError: No answer came.
            LifecycleError: The client is closed.
        """
        if self._is_closed:
            raise LifecycleError("the client is closed")
        response = self._transport.round_trip(call.request(self.timeout_s, self.clock, self.cancel))
        try:
            check_success(response)
        except BaseException:
            response.close()
            raise
        return response

    def read_json(self, call: Call) -> JSONObject:
        """Make a call, and return the JSON object that it is answered with.

        Raises:
            DecodeError: The answer is not a JSON object.
            KubeprimsError: As :meth:`send`.
        """
        with self.send(call) as response, _located(response):
            return self.codec.decode(response.read())

    def read_object(self, call: Call) -> Unstructured:
        """Make a call, and return the object that it is answered with.

        Some answers are objects without a name (``Status``, reviews): their key is empty.

        Raises:
            DecodeError: The answer is not an object.
            KubeprimsError: As :meth:`send`.
        """
        with self.send(call) as response, _located(response):
            return self._object(response, response.read())

    def _object(self, response: Response, raw: bytes) -> Unstructured:
        try:
            return Unstructured(self.codec.to_record(raw))
        except DecodeError:
            content = self.codec.decode(raw)
            if not _is_nameless(content):
                raise
        if content.get("kind") == "Status" and content.get("status") == "Failure":
            raise error_from_status(content, method=response.method, url=response.url)
        return Unstructured((ObjectKey(""), "", "", (), raw))

    @contextmanager
    def open_list(self, call: Call) -> Generator[ListStream]:
        """Make a call, and give the items of the list that it is answered with while they come in.

        Raises:
            DecodeError: While iterating: the answer is not a list, or breaks off.
            KubeprimsError: As :meth:`send`.
        """
        with self.send(call) as response, _located(response):
            yield self.codec.split_list(response.chunks())


@contextmanager
def _located(response: Response) -> Generator[None]:
    """Have a ``DecodeError`` say where the bytes came from."""
    try:
        yield
    except DecodeError as error:
        raise DecodeError(f"{response.method} {response.url}: {error.detail}", raw=error.raw) from error


def _is_nameless(content: JSONObject) -> bool:
    metadata = content.get("metadata")
    if metadata is None:
        return True
    return isinstance(metadata, dict) and (metadata.get("name") is None or metadata["name"] == "")


def join_path(base: str, *segments: str) -> str:
    """Return ``base`` and the segments below it, percent-encoded; each was checked to be one."""
    return "/".join((base, *(quote(segment, safe=_SEGMENT_CHARACTERS) for segment in segments)))


def check_name(name: str, *, what: str = "a name") -> str:
    """Return a name that can stand in a URL.

    Raises:
        InvalidArgument: It is empty, or could change the meaning of the URL: ``/``, ``%``, ``.``, ``..``.
    """
    return check_path_segment(name, what=what)
