"""What is changed under running clients: authorities, certificates, tokens and the proxy, and no request that fails."""

from __future__ import annotations

import functools
import itertools
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.client.retry_watcher import RetryWatcher
from kubeprims.clock import SystemClock
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.auth import User
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.auth import Credentials
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.transport import certificates
from tests.transport.peer import WAIT_S
from tests.transport.proxy_server import ProxyServer, proxy_server
from tests.waiting import eventually

REQUESTS_PER_S = 50.0
PHASE_REQUESTS = 60
READ = "read-all-the-time"


class Load:
    """Two clients of a server, one with a token and one with a certificate: each lists, gets and watches all the time.

    Attributes:
        done: How many requests were answered.
        failures: What a request or a watch ended with.
        seen: The names that each watch has told of.
    """

    def __init__(self, server: APIServer, proxy: ProxyServer, folder: pathlib.Path) -> None:
        self.done = 0
        self.failures: list[BaseException] = []
        self.seen: dict[str, list[str]] = {}
        ca_file = str(folder / "ca.crt")
        by_token = TransportConfig(
            server=server.url,
            tls=TLSOptions(ca_file=ca_file),
            credentials=Credentials(token_file=str(folder / "token")),
            proxy_url=proxy.url,
        )
        pair = TLSOptions(ca_file=ca_file, certificate_file=str(folder / "tls.crt"), key_file=str(folder / "tls.key"))
        by_certificate = TransportConfig(server=server.url, tls=pair, proxy_url=proxy.url)
        self._clients = {
            "token": Client(Transport(by_token)),
            "certificate": Client(Transport(by_certificate)),
        }
        self._watchers: list[RetryWatcher] = []
        self._stop = Cancel()
        self._threads = ThreadGroup("load")
        for name, client in self._clients.items():
            maps = client.resource("v1/configmaps", "default")
            watcher = RetryWatcher(ListWatch(maps), maps.list().resource_version)
            self._watchers.append(watcher)
            self.seen[name] = []
            self._threads.spawn(functools.partial(self._guard, functools.partial(self._read, client)), name="read")
            self._threads.spawn(
                functools.partial(self._guard, functools.partial(self._follow, watcher, self.seen[name])), name="watch"
            )

    def _guard(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to tell of it
            self.failures.append(error)

    def _read(self, client: Client) -> None:
        maps = client.resource("v1/configmaps", "default")
        reads = itertools.cycle((maps.list, functools.partial(maps.get, READ)))
        clock = SystemClock()
        # By a timetable: what took long is made up for, so that the rate is kept while something changes, too.
        next_at_s = clock.monotonic()
        while not self._stop.wait(max(0.0, next_at_s - clock.monotonic())):
            next(reads)()
            self.done += 1
            next_at_s += len(self._clients) / REQUESTS_PER_S

    @staticmethod
    def _follow(watcher: RetryWatcher, names: list[str]) -> None:
        # One by one: the test looks at them meanwhile.
        names.extend(event.object.name for event in watcher)

    def go_on(self, requests: int = PHASE_REQUESTS) -> None:
        """Return once so many more requests were answered."""
        until = self.done + requests
        eventually(lambda: bool(self.failures) or self.done >= until, 60.0, f"{requests} requests answered")
        assert self.failures == []

    def close(self) -> None:
        self._stop.set()
        for watcher in self._watchers:
            watcher.close()
        assert self._threads.join(Deadline.after(WAIT_S)) == ()
        for client in self._clients.values():
            client.transport.close()


@dataclass(frozen=True)
class Files:
    """What the clients are given, in files that are replaced under them."""

    folder: pathlib.Path
    server: APIServer

    def write_authorities(self) -> None:
        assert self.server.ca_pem is not None
        (self.folder / "new").write_bytes(self.server.ca_pem + certificates.CA.cert_pem.bytes())  # the proxy's, too
        (self.folder / "new").replace(self.folder / "ca.crt")

    def write_client(self, name: str) -> None:
        certificate = self.server.client_certificate(name, groups=["system:masters"])
        (self.folder / "tls.crt").write_bytes(certificate.certificate_pem)
        (self.folder / "tls.key").write_bytes(certificate.key_pem)

    def write_token(self, token: str) -> None:
        (self.folder / "token").write_text(token)


def changes(server: APIServer, files: Files, proxy: ProxyServer) -> Iterator[str]:
    """Change one thing after the other, and say what was done."""

    def reconnect() -> None:
        proxy.stop()
        proxy.start()

    jane = User("jane", groups=("system:masters",))
    yield "nothing"
    server.prepare_authority()
    files.write_authorities()
    yield "authorities"
    reconnect()
    yield "reconnected"
    files.write_client("new")
    yield "client-certificate"
    server.rotate_certificates(new_authority=True)
    files.write_client("newest")
    files.write_authorities()
    yield "server-certificate"
    reconnect()
    yield "reconnected-again"
    server.set_tokens({"first": jane, "second": jane})
    files.write_token("second")
    server.set_tokens({"second": jane})
    yield "token"
    reconnect()
    yield "reconnected-at-last"


@pytest.mark.parametrize("kind", ["http", pytest.param("https", marks=pytest.mark.nightly)])
def test_nothing_fails_while_certificates_tokens_and_the_proxy_change(tmp_path: pathlib.Path, kind: str) -> None:
    jane = User("jane", groups=("system:masters",))
    with APIServer(tls=True, tokens={"first": jane}) as server, proxy_server(kind) as proxy:
        files = Files(tmp_path, server)
        files.write_token("first")
        files.write_authorities()
        files.write_client("old")
        server.create("v1/configmaps", {"metadata": {"name": READ}}, namespace="default")
        load = Load(server, proxy, tmp_path)
        made: list[str] = []
        try:
            for name in changes(server, files, proxy):
                load.go_on()
                server.create("v1/configmaps", {"metadata": {"name": name}}, namespace="default")
                made.append(name)
            eventually(lambda: all(len(seen) == len(made) for seen in load.seen.values()), WAIT_S, "all was seen")
        finally:
            load.close()
        assert load.failures == []
        assert load.seen == {"token": made, "certificate": made}
        # What was changed came into use: "newest" is known by the last certificate alone.
        assert {"jane", "old", "newest"} <= {request.user for request in server.requests}
