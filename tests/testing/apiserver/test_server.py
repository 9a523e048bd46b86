"""The embedded API server as its users meet it: over HTTP, and by its own methods."""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import os
import pathlib
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import cast

import pytest

import kubeprims.testing
from kubeprims.clock import SystemClock
from kubeprims.errors import AlreadyExists, ConfigError, InvalidArgument, LifecycleError, NotFound, Unauthorized
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer, User, VirtualClock
from kubeprims.testing.apiserver import faults
from tests.testing.apiserver.raw import (
    TIMEOUT_S,
    connected,
    get,
    read_chunk,
    read_head,
    read_to_end,
    request,
)
from tests.waiting import eventually

JSON = {"content-type": "application/json"}


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as server:
        yield server


def config_map(name: str, **data: str) -> JSONObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": dict(data),
    }


def call(
    server: APIServer, method: str, target: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, JSONObject]:
    raw = None if body is None else json.dumps(body).encode()
    response, answer = request(server.port, method, target, raw, (JSON if raw else {}) | (headers or {}))
    assert response.headers["content-type"].startswith("application/json"), answer
    return response.status, cast("JSONObject", json.loads(answer))


MAPS = "/api/v1/namespaces/default/configmaps"

# Verbs.


def test_every_verb_over_http(server: APIServer) -> None:
    code, created = call(server, "POST", f"{MAPS}?fieldManager=test&fieldValidation=Strict", config_map("one", a="1"))
    assert code == 201
    assert call(server, "GET", f"{MAPS}/one?timeout=32s&pretty=true") == (200, created)
    code, listed = call(server, "GET", f"{MAPS}?limit=500")
    assert (code, listed["kind"]) == (200, "ConfigMapList")
    code, updated = call(server, "PUT", f"{MAPS}/one", config_map("one", a="2"))
    assert (code, updated["data"]) == (200, {"a": "2"})
    merge = {"content-type": "application/merge-patch+json; charset=utf-8"}
    code, patched = call(server, "PATCH", f"{MAPS}/one", {"data": {"b": "3"}}, merge)
    assert (code, patched["data"]) == (200, {"a": "2", "b": "3"})
    code, _ = call(server, "DELETE", f"{MAPS}/one", {"kind": "DeleteOptions", "apiVersion": "v1"})
    assert code == 200
    assert call(server, "GET", f"{MAPS}/one")[0] == 404
    call(server, "POST", MAPS, config_map("two"))
    assert call(server, "DELETE", MAPS)[0] == 200
    assert server.list("v1/configmaps", namespace="default") == []


def test_every_verb_in_the_process(server: APIServer) -> None:
    created = server.create("v1/configmaps", config_map("one", a="1"), namespace="default")
    assert server.get("v1/configmaps", "one", namespace="default") == created
    assert [item["metadata"] for item in server.list("v1/configmaps")] == [created["metadata"]]
    assert server.list("v1/configmaps", label_selector="a=b") == []
    updated = server.update("v1/configmaps", config_map("one", a="2"), namespace="default")
    assert updated["data"] == {"a": "2"}
    patched = server.patch("v1/configmaps", "one", {"data": {"a": None}}, namespace="default")
    assert patched.get("data") in (None, {})
    with pytest.raises(AlreadyExists):
        server.create("v1/configmaps", config_map("one"), namespace="default")
    server.delete("v1/configmaps", "one", namespace="default")
    with pytest.raises(NotFound):
        server.get("v1/configmaps", "one", namespace="default")
    with pytest.raises(NotFound, match="could not find the requested resource"):
        server.list("v1/nothings")
    assert len(server.requests) == 0


def test_many_objects_at_once(server: APIServer) -> None:
    assert server.create_many("v1/configmaps", (config_map(f"map-{i}") for i in range(1_000))) == 1_000
    code, listed = call(server, "GET", MAPS)
    assert code == 200
    assert len(cast("list[JSONObject]", listed["items"])) == 1_000


def test_garbage_is_collected_on_request(server: APIServer) -> None:
    owner = cast("JSONObject", server.create("v1/configmaps", config_map("owner"), namespace="default")["metadata"])
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    owned: JSONObject = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    server.create("v1/configmaps", owned, namespace="default")
    assert server.collect_garbage() == ()
    server.delete("v1/configmaps", "owner", namespace="default")
    assert [gone.name for gone in server.collect_garbage()] == ["owned"]


def test_a_large_list_comes_in_chunks(server: APIServer) -> None:
    server.create_many("v1/configmaps", [config_map(f"map-{i}", a="x" * 10_000) for i in range(100)])
    response, body = request(server.port, "GET", MAPS)
    assert response.headers["transfer-encoding"] == "chunked"
    assert len(json.loads(body)["items"]) == 100


def test_a_watch_over_http(server: APIServer) -> None:
    with connected(server.port) as sock:
        sock.sendall(get(f"{MAPS}?watch=1&fieldSelector=metadata.name%3Done"))
        read_head(sock)
        server.create("v1/configmaps", config_map("other"), namespace="default")
        server.create("v1/configmaps", config_map("one"), namespace="default")
        server.delete("v1/configmaps", "one", namespace="default")
        events = [json.loads(read_chunk(sock)) for _ in range(2)]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "one"),
        ("DELETED", "one"),
    ]


def test_the_old_path_of_a_watch_on_one_object(server: APIServer) -> None:
    with connected(server.port) as sock:
        sock.sendall(get("/api/v1/watch/namespaces/default/configmaps/one?fieldSelector=metadata.namespace=default"))
        read_head(sock)
        server.create("v1/configmaps", config_map("other"), namespace="default")
        server.create("v1/configmaps", config_map("one"), namespace="default")
        assert json.loads(read_chunk(sock))["object"]["metadata"]["name"] == "one"
    assert server.requests[0].verb == "watch"


def test_bookmarks_and_the_end_of_a_watch_go_by_the_servers_clock() -> None:
    clock = VirtualClock()
    with APIServer(clock=clock) as server, connected(server.port) as sock:
        sock.sendall(get(f"{MAPS}?watch=1&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=200"))
        read_head(sock)

        def ended_after_10_s_more() -> bool:
            clock.advance(10)
            return server.faults.open_watches == 0

        eventually(lambda: server.faults.open_watches == 1, 10, "the watch is open")
        eventually(ended_after_10_s_more, 10, "the end of the watch")
        types = []
        while chunk := read_chunk(sock):
            types.append(json.loads(chunk)["type"])
        assert set(types) == {"BOOKMARK"}
        assert clock.monotonic() >= 1_200


# What is refused.


@pytest.mark.parametrize(
    ("method", "target", "code", "reason"),
    [
        ("GET", "/api/v1/nothings", 404, "NotFound"),
        ("GET", "/apis/apps/v1/nothings", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/pods/a/nothing", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/nodes/a", 404, "NotFound"),
        ("GET", "/api/v1/pods/a", 404, "NotFound"),
        ("PUT", "/api/v1/pods", 405, "MethodNotAllowed"),
        ("POST", "/api/v1/pods", 405, "MethodNotAllowed"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("POST", "/api/v1/namespaces/default/pods/a/status", 405, "MethodNotAllowed"),
        ("GET", "/api/v1/pods?limit=abc", 400, "BadRequest"),
        ("GET", "/api/v1/pods?" + "&".join(["a=b"] * 200), 400, "BadRequest"),
        ("GET", "/api/v1/%zz", 400, "BadRequest"),
    ],
)
def test_what_cannot_be_done_is_a_status(server: APIServer, method: str, target: str, code: int, reason: str) -> None:
    answered, status = call(server, method, target)
    assert (answered, status["kind"], status["reason"], status["code"]) == (code, "Status", reason, code)


@pytest.mark.parametrize("target", ["/nothing", "/apis/example.com/v1/widgets", "/openapi/v2"])
def test_other_paths_are_a_plain_404(server: APIServer, target: str) -> None:
    response, body = request(server.port, "GET", target)
    assert (response.status, body) == (404, b"404 page not found\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_bodies_that_are_not_json_are_refused(server: APIServer) -> None:
    for method, target in (("POST", MAPS), ("PUT", f"{MAPS}/a"), ("DELETE", f"{MAPS}/a")):
        response, body = request(server.port, method, target, b"k8s\0", {"content-type": "application/cbor"})
        assert response.status == 415
        assert b"accepted media types include: application/json" in body


def test_bodies_may_be_yaml(server: APIServer) -> None:
    headers = {"content-type": "application/yaml"}
    response, _ = request(server.port, "POST", MAPS, b"metadata:\n  name: y\ndata: {k: 'on'}\n", headers)
    assert response.status == 201
    assert server.get("v1/configmaps", "y", namespace="default")["data"] == {"k": "on"}
    response, body = request(server.port, "POST", MAPS, b"{", headers)
    assert response.status == 400
    assert b"error converting YAML to JSON" in body


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 200),
        ("application/vnd.kubernetes.protobuf, application/json;q=0.5", 200),
        ("application/json;stream=watch", 200),
        ("application/vnd.kubernetes.protobuf", 406),
        ("application/json;as=Table;v=v2;g=meta.k8s.io", 406),
        ("text/html", 406),
    ],
)
def test_only_json_is_offered(server: APIServer, accept: str, code: int) -> None:
    assert call(server, "GET", MAPS, headers={"accept": accept})[0] == code


def test_who_does_not_say_who_it_is_is_unknown(server: APIServer) -> None:
    _, created = call(server, "POST", MAPS, config_map("one", a="1"))
    metadata = created["metadata"]
    assert isinstance(metadata, dict)
    assert [entry["manager"] for entry in cast("list[JSONObject]", metadata["managedFields"])] == ["unknown"]


# Who may.


def test_with_tokens_only_their_users_are_let_in() -> None:
    with APIServer(tokens={"jane-token": User("jane", ("dev",)), "bob-token": User("bob")}) as server:
        code, status = call(server, "GET", MAPS, headers={"user-agent": "probe"})
        assert (code, status["message"], status["reason"]) == (401, "Unauthorized", "Unauthorized")
        assert call(server, "GET", MAPS, headers={"authorization": "Bearer jane-token"})[0] == 200
        assert call(server, "GET", "/version", headers={"authorization": "Bearer bob-token"})[0] == 200
        assert [(logged.user, logged.status) for logged in server.requests] == [("", 401), ("jane", 200), ("bob", 200)]
        assert "jane-token" in json.dumps(server.kubeconfig())
        assert "bob-token" in json.dumps(server.kubeconfig(token="bob-token"))
        server.set_tokens({"new": User("jane")})
        assert call(server, "GET", MAPS, headers={"authorization": "Bearer jane-token"})[0] == 401


def test_a_token_that_cannot_be_one_is_an_error() -> None:
    with pytest.raises(ConfigError):
        APIServer(tokens={"": User("jane")})


def test_tls_with_a_kubeconfig_that_trusts_it() -> None:
    with APIServer(tls=True) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert "certificate-authority-data" in json.dumps(server.kubeconfig())
        assert server.ca_pem is not None
        context = ssl.create_default_context(cadata=server.ca_pem.decode())
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", MAPS)
            response = connection.getresponse()
            assert response.status == 200
            response.read()


# Faults, by what the request is.


def test_faults_go_by_verb_and_resource(server: APIServer) -> None:
    fault = server.faults.add(
        faults.too_many_requests(5), faults.Match(verb="list", resource="configmaps", path="/api/v1/namespaces/*")
    )
    assert call(server, "GET", "/api/v1/namespaces")[0] == 200
    assert call(server, "GET", f"{MAPS}/none")[0] == 404
    assert call(server, "GET", MAPS)[0] == 429
    assert call(server, "GET", MAPS)[0] == 200
    assert fault.hits == 1


def test_the_log_names_verbs(server: APIServer) -> None:
    call(server, "GET", MAPS)
    call(server, "PUT", "/api/v1/namespaces/default/pods/a/status", {})
    request(server.port, "GET", "/%zz")
    request(server.port, "GET", "/api/v1/pods?" + "&".join(["a=b"] * 200))
    request(server.port, "GET", "/healthz")
    assert [logged.verb for logged in server.requests] == ["list", "update", "get", "get", "get"]
    assert {logged.user for logged in server.requests if logged.status == 200} == {"system:anonymous"}


# Running, stopping, crashing.


def test_a_crash_loses_connections_and_history_and_a_restart_brings_the_objects_back() -> None:
    with APIServer() as server, connected(server.port) as sock:
        server.create("v1/configmaps", config_map("one"), namespace="default")
        version = cast("JSONObject", server.get("v1/configmaps", "one", namespace="default")["metadata"])
        server.create("v1/configmaps", config_map("two"), namespace="default")
        sock.sendall(get(f"{MAPS}?watch=1"))
        read_head(sock)
        port = server.port
        server.crash()
        assert not server.is_running
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        server.restart()
        assert server.port == port
        code, listed = call(server, "GET", MAPS)
        assert (code, len(cast("list[JSONObject]", listed["items"]))) == (200, 2)
        with connected(port) as again:
            again.sendall(get(f"{MAPS}?watch=1&resourceVersion={version['resourceVersion']}"))
            read_head(again)
            error = json.loads(read_chunk(again))
            assert (error["type"], error["object"]["code"]) == ("ERROR", 410)
            assert read_chunk(again) == b""


def test_restart_of_a_running_server_crashes_it_first(server: APIServer) -> None:
    with connected(server.port) as sock:
        sock.sendall(get(f"{MAPS}?watch=1"))
        read_head(sock)
        server.restart()
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)
    assert server.is_running
    assert call(server, "GET", MAPS)[0] == 200


def test_compaction_makes_old_watches_expire(server: APIServer) -> None:
    first = cast("JSONObject", server.create("v1/configmaps", config_map("one"), namespace="default")["metadata"])
    server.create("v1/configmaps", config_map("two"), namespace="default")
    server.create("v1/configmaps", config_map("three"), namespace="default")
    server.compact()
    with connected(server.port) as sock:
        sock.sendall(get(f"{MAPS}?watch=1&resourceVersion={first['resourceVersion']}"))
        read_head(sock)
        assert b'"code":410' in read_chunk(sock)


def test_stop_is_quick_with_open_watches_and_stalled_clients() -> None:
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(APIServer())
        server.create_many("v1/configmaps", [config_map(f"map-{i}", a="x" * 100_000) for i in range(200)])
        for _ in range(5):
            watching = stack.enter_context(connected(server.port))
            watching.sendall(get(f"{MAPS}?watch=1"))
            read_head(watching)
            stuck = stack.enter_context(connected(server.port))
            stuck.sendall(get(MAPS))
            read_head(stuck)
        fault = server.faults.add(faults.Stall())
        stalled = stack.enter_context(connected(server.port))
        stalled.sendall(get(MAPS))
        assert fault.wait_for_hits()
        begun_s = clock.monotonic()
        server.stop()
        assert clock.monotonic() - begun_s < 1
        assert server.connections == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [25, pytest.param(1_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("tls", [False, True])
def test_starts_and_stops_leave_nothing_behind(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, count: int, *, tls: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the standard library puts temporary files

    def footprint() -> tuple[int, int, list[pathlib.Path]]:
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
        return threading.active_count(), descriptors, list(tmp_path.iterdir())

    def once() -> None:
        with APIServer(tls=tls) as server, contextlib.ExitStack() as stack:
            sock = stack.enter_context(connected(server.port))
            if server.ca_pem is not None:
                context = ssl.create_default_context(cadata=server.ca_pem.decode())
                sock = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
            sock.sendall(get(f"{MAPS}?watch=1"))
            read_head(sock)

    for _ in range(10):  # until what is imported, cached and pooled once is there
        once()
    before, before_bytes = footprint(), _resident_bytes()
    for _ in range(count):
        once()
    assert footprint() == before
    # The allocator keeps some of what was freed, but not by the server.
    assert _resident_bytes() - before_bytes < 16e6


def _resident_bytes() -> int:
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize(("tls", "limit_s"), [(False, 0.05), (True, 0.15)])
def test_it_starts_fast(limit_s: float, *, tls: bool) -> None:
    clock = SystemClock()
    fastest_s = 10.0
    for _ in range(5):
        begun_s = clock.monotonic()
        with APIServer(tls=tls) as server:
            assert server.is_running
            fastest_s = min(fastest_s, clock.monotonic() - begun_s)
    assert fastest_s < limit_s


def test_calls_that_do_not_fit_the_state_are_errors() -> None:
    server = APIServer(port=0)
    assert server.port == 0
    assert server.connections == 0
    with pytest.raises(LifecycleError, match="not started"):
        server.crash()
    with pytest.raises(LifecycleError, match="not started"):
        server.restart()
    with server.start():
        assert repr(server) == f"<APIServer http://127.0.0.1:{server.port} running>"
        with pytest.raises(LifecycleError, match="running"):
            server.start()
        server.crash()
        with pytest.raises(LifecycleError, match="crashed"):
            server.crash()
    server.stop()
    with pytest.raises(LifecycleError, match="stopped"):
        server.restart()


def test_a_port_that_is_taken_is_a_config_error(server: APIServer) -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        APIServer(port=server.port).start()


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert APIServer(host="::1", port=1).url == "http://[::1]:1"


def test_the_package_offers_its_names_lazily() -> None:
    assert set(dir(kubeprims.testing)) >= {"APIServer", "User", "VirtualClock"}
    with pytest.raises(AttributeError, match="nothing"):
        kubeprims.testing.nothing  # noqa: B018 - looked up for its error


def test_a_bug_does_not_pass_for_a_refusal() -> None:
    with pytest.raises(Unauthorized), APIServer(tokens={}) as server:
        server._authenticator.authenticate(None, None, SystemClock())


DRAIN = """
import socket, sys, time
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
buffer = bytearray(1 << 20)
best = 0.0
for _ in range(5):
    begun = time.perf_counter()
    sock.sendall(b"GET /api/v1/pods HTTP/1.1\\r\\nhost: test\\r\\n\\r\\n")
    size, tail = 0, b""
    while not tail.endswith(b"\\r\\n0\\r\\n\\r\\n"):
        count = sock.recv_into(buffer)
        size += count
        tail = (tail + bytes(buffer[max(0, count - 8) : count]))[-8:]
    best = max(best, size / (time.perf_counter() - begun))
print(best)
"""


@pytest.mark.nightly
def test_ten_thousand_pods_are_listed_faster_than_any_client_reads_them(
    server: APIServer, tmp_path: pathlib.Path
) -> None:
    pod = {"metadata": {"namespace": "default", "annotations": {"a": "x" * 8_000}}, "spec": {}}
    server.create_many("v1/pods", ({**pod, "metadata": {**pod["metadata"], "name": f"pod-{i}"}} for i in range(10_000)))
    script = tmp_path / "drain.py"
    script.write_text(DRAIN)
    done = subprocess.run(
        [sys.executable, str(script), str(server.port)], capture_output=True, check=True, timeout=50, text=True
    )
    assert float(done.stdout) > 100e6


def test_an_object_without_a_request_is_in_the_namespace_that_it_says_or_that_is_named(server: APIServer) -> None:
    created = server.create("v1/configmaps", {"metadata": {"name": "a", "namespace": "kube-system"}})
    assert server.update("v1/configmaps", created) == created
    assert server.get("v1/configmaps", "a", namespace="kube-system") == created
    for call_without in (
        lambda: server.create("v1/configmaps", {"metadata": {"name": "b"}}),
        lambda: server.get("v1/configmaps", "a"),
        lambda: server.patch("v1/configmaps", "a", {}),
        lambda: server.delete("v1/configmaps", "a"),
    ):
        with pytest.raises(InvalidArgument, match="v1/configmaps live in namespaces: say which one"):
            call_without()
