"""One road to the network: every outgoing socket is made by ``dial()``, every listening one by ``listen()``."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import kubeprims

ROOT = pathlib.Path(str(kubeprims.__file__)).parent
MAKERS = {
    "socket": {"socket", "create_connection", "create_server", "socketpair", "fromfd", "SocketType"},
    "ssl": {"SSLSocket", "wrap_socket", "create_default_context", "SSLContext", "get_server_certificate"},
}
SOCKETS_MAY_BE_MADE_IN = {
    "transport/dial.py": {"DeadlineSocket"},
    "transport/listen.py": {"socket.socket"},
    "transport/program.py": {"socket.socketpair"},  # both ends are ours: what wakes a thread
}
CONTEXTS_MAY_BE_MADE_IN = {
    "transport/tls.py": {"ssl.SSLContext", "ssl.create_default_context"},
    "testing/apiserver/tls.py": {"ssl.SSLContext"},
}
CONNECT_BY_THEMSELVES = {
    *("PoolManager", "ProxyManager", "HTTPConnectionPool", "HTTPSConnectionPool", "create_connection"),  # urllib3
    *("HTTPConnection", "HTTPSConnection", "urlopen", "build_opener", "open_connection", "start_server"),
}
HAVE_ROADS_OF_THEIR_OWN = {  # what .importlinter cannot tell from its harmless neighbours, or does not name
    *("urllib.request", "http.server", "multiprocessing", "concurrent", "imaplib", "poplib", "telnetlib", "nntplib"),
    *("logging.handlers", "logging.config", "wsgiref", "webbrowser", "_socket", "_ssl"),
}


def calls(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def made(names: set[str]) -> dict[str, set[str]]:
    """Return, by module, which of the named things it calls, by its full name or the last part of it."""
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        called = {name for name in calls(ast.parse(path.read_text())) if name in names}
        if called:
            found[path.relative_to(ROOT).as_posix()] = called
    return found


def test_sockets_that_lead_out_or_listen_are_made_in_two_places() -> None:
    names = {f"socket.{name}" for name in MAKERS["socket"]} | {"DeadlineSocket", "socket", "create_connection"}
    assert made(names) == SOCKETS_MAY_BE_MADE_IN


def test_tls_contexts_are_made_in_one_place_for_clients_and_one_for_servers() -> None:
    names = {f"ssl.{name}" for name in MAKERS["ssl"]} | {"SSLContext", "create_default_context"}
    assert made(names) == CONTEXTS_MAY_BE_MADE_IN


def test_no_library_connects_or_listens_by_itself() -> None:
    for path in ROOT.rglob("*.py"):
        names = {name.rpartition(".")[2] for name in calls(ast.parse(path.read_text()))}
        assert not names & CONNECT_BY_THEMSELVES, path


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of every module that is imported, and of what is imported from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_library_is_imported_that_has_a_road_of_its_own() -> None:
    for path in ROOT.rglob("*.py"):
        names = set(imports(ast.parse(path.read_text())))
        assert not names & HAVE_ROADS_OF_THEIR_OWN, path
        assert {name for name in names if name.startswith("socket.")} <= {"socket.AddressFamily"}, "by another name"


SCRIPT = """
import sys, traceback

made = []

def hook(event, args):
    if event in ("socket.connect", "socket.bind"):
        frames = [frame for frame in traceback.extract_stack() if "kubeprims" in frame.filename]
        made.append((event, frames[-1].filename.rpartition("kubeprims/")[2] if frames else "?"))

from kubeprims.client.client import Client
from kubeprims.testing import APIServer
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport

sys.addaudithook(hook)  # only now: urllib3 tries out IPv6 on loopback while it is imported

for secure in (False, True):
    with APIServer(tls=secure) as server:
        tls = TLSOptions(ca_data=server.ca_pem) if secure else TLSOptions()
        config = TransportConfig(server=server.url, tls=tls)
        with Transport(config) as transport:
            pods = Client(transport).resource("v1/pods", "default")
            assert pods.list().resource_version
            with pods.watch(resource_version="1", timeout_s=1) as watch:
                pass
print(sorted(set(made)))
"""


def test_a_program_that_lists_and_watches_connects_through_dial_alone() -> None:

    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert ast.literal_eval(answer.stdout.splitlines()[-1]) == [
        ("socket.bind", "transport/listen.py"),
        ("socket.connect", "transport/sockets.py"),
    ]
