"""A throw-away cluster of real processes on loopback: one etcd and one kube-apiserver, with faults on demand.

There is no container, kubelet, scheduler or controller manager: nothing collects garbage, binds pods or makes service
accounts. A cluster is a folder; keys, data and logs stay in it, and its ports stay the same across restarts.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping, Sequence

import trustme

from kubeprims.meta import JSONObject
from tests.waiting import eventually

USERS: Mapping[str, tuple[str, ...]] = {"admin": ("system:masters",), "jane": ("dev", "qa"), "bob": ()}
"""The users with a static token, and their groups. RBAC is on, and only admin has rights at first."""

BINARIES = ("etcd", "kube-apiserver")

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 15.0
_REQUEST_TIMEOUT_S = 30.0

# Below the range that the kernel takes the ports of outgoing connections from: otherwise one of those could sit on the
# API server's port while it is down.
_PORTS = range(20_000, 32_000)


def default_assets() -> pathlib.Path:
    """Return the folder where ``build.sh`` puts what it builds."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.environ.get("KUBEPRIMS_ASSETS") or f"{cache}/kubeprims/assets").expanduser()


def find_assets() -> pathlib.Path | None:
    """Return the folder with the binaries, or None if there is none and none was promised.

    Raises:
        FileNotFoundError: ``KUBEBUILDER_ASSETS`` is set, and lacks one of them: not a reason to test less in silence.
    """
    promised = os.environ.get("KUBEBUILDER_ASSETS")
    folder = pathlib.Path(promised) if promised else default_assets()
    missing = [name for name in BINARIES if not os.access(folder / name, os.X_OK)]
    if not missing:
        return folder
    if promised:
        message = f"KUBEBUILDER_ASSETS={promised} has no {' and no '.join(missing)}"
        raise FileNotFoundError(message)
    return None


class RealCluster:
    """One etcd and one kube-apiserver.

    Concurrency:
        One thread, the test's, starts it, stops it and breaks it; everybody may talk to it.
    """

    def __init__(self, folder: pathlib.Path, assets: pathlib.Path, *, api_flags: Sequence[str] = ()) -> None:
        """Prepare a cluster; nothing runs before :meth:`start`.

        Args:
            folder: Where its keys, data and logs go.
            assets: Where the binaries are.
            api_flags: More flags for kube-apiserver, such as ``--min-request-timeout=5``.
        """
        self.folder = folder
        self._assets = assets
        self._api_flags = tuple(api_flags)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        ports = _free_ports(3)
        self._etcd_address = f"127.0.0.1:{ports[0]}"
        self._peer_url = f"http://127.0.0.1:{ports[1]}"
        self.port = ports[2]
        self.url = f"https://127.0.0.1:{self.port}"
        self.tokens = {user: f"{user}-token" for user in USERS}
        self.ca_file = folder / "ca.pem"
        self.kubeconfig_file = folder / "admin.kubeconfig"
        self._write_keys()
        self.kubeconfig_file.write_text(json.dumps(self.kubeconfig(), indent=2))

    def start(self) -> None:
        """Start what does not run, and return when it serves."""
        if not self._runs("etcd"):
            self._spawn("etcd", self._etcd_arguments())
            eventually(self._etcd_is_healthy, _START_TIMEOUT_S, "a healthy etcd")
        if not self._runs("kube-apiserver"):
            self._spawn("kube-apiserver", self._api_arguments())
        eventually(self._is_ready, _START_TIMEOUT_S, "a ready kube-apiserver")

    def kill(self) -> None:
        """Kill the API server, as ``kill -9`` does; etcd stays."""
        self._end("kube-apiserver", signal.SIGKILL)

    def restart(self) -> None:
        """Stop the API server in an orderly way, if it runs, and start it again on the same data and port."""
        self.resume()
        self._end("kube-apiserver", signal.SIGTERM)
        self.start()

    def stall(self) -> None:
        """Stop the API server's process in its tracks: connections stay open, nothing is answered."""
        process = self._processes["kube-apiserver"]
        process.send_signal(signal.SIGSTOP)
        # The signal is on its way to each thread: one of them may answer a request that is sent meanwhile.
        tasks = pathlib.Path(f"/proc/{process.pid}/task")
        eventually(
            lambda: all(_is_stopped(task / "stat") for task in tasks.iterdir()), _START_TIMEOUT_S, "a stopped server"
        )

    def resume(self) -> None:
        """Let a stalled API server go on."""
        if self._runs("kube-apiserver"):
            self._processes["kube-apiserver"].send_signal(signal.SIGCONT)

    def compact(self) -> None:
        """Throw away etcd's history up to now.

        A running API server still answers from its own memory: only after :meth:`restart`, or after :meth:`kill` and
        :meth:`start`, do watches from an older version get their 410.
        """
        revision = self._etcd("/v3/kv/range", {"key": base64.b64encode(b"/").decode()})["header"]
        assert isinstance(revision, dict)
        self._etcd("/v3/kv/compaction", {"revision": revision["revision"], "physical": True})

    def save_data(self) -> None:
        """Make a backup of all data; everything is down for a moment, and runs again on return."""
        self._end("kube-apiserver", signal.SIGTERM)
        self._end("etcd", signal.SIGTERM)
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        shutil.copytree(self.folder / "etcd", self.folder / "backup")
        self.start()

    def restore_data(self) -> None:
        """Kill everything, and start it on the data of :meth:`save_data`: what was written since never was."""
        self._end("kube-apiserver", signal.SIGKILL)
        self._end("etcd", signal.SIGKILL)
        shutil.rmtree(self.folder / "etcd")
        shutil.copytree(self.folder / "backup", self.folder / "etcd")
        self.start()

    def stop(self) -> None:
        """Kill everything; the data is not needed any more."""
        for name in reversed(list(self._processes)):
            self._end(name, signal.SIGKILL)

    def kubeconfig(self, user: str = "admin") -> JSONObject:
        """Return a kubeconfig with everything inline: a client certificate for admin, a token for the others."""
        identity: JSONObject = {"token": self.tokens[user]}
        if user == "admin":
            identity = {
                "client-certificate-data": _base64(self.folder / "admin.pem"),
                "client-key-data": _base64(self.folder / "admin.key"),
            }
        cluster: JSONObject = {"server": self.url, "certificate-authority-data": _base64(self.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": user,
            "clusters": [{"name": "real", "cluster": cluster}],
            "users": [{"name": user, "user": identity}],
            "contexts": [{"name": user, "context": {"cluster": "real", "user": user}}],
        }

    def connect(self, timeout_s: float = _REQUEST_TIMEOUT_S) -> http.client.HTTPSConnection:
        """Return a new connection for raw requests as admin; the caller closes it."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(self.folder / "admin.pem", self.folder / "admin.key")
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout_s, context=context)

    def request(self, method: str, path: str, body: JSONObject | None = None) -> tuple[int, JSONObject]:
        """Send one raw request as admin, and return the status and the decoded answer."""
        connection = self.connect()
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            is_json = response.headers.get_content_type() == "application/json"  # a path not served yet: plain text
            answer: JSONObject = json.loads(content) if is_json else {}
            return response.status, answer
        finally:
            connection.close()

    def _write_keys(self) -> None:
        authority = trustme.CA(organization_name="kubeprims tests")
        authority.cert_pem.write_to_path(self.ca_file)
        server = authority.issue_cert("127.0.0.1", "localhost", common_name="kube-apiserver")
        # The name is not used; without one the certificate has an empty critical extension, which Go refuses.
        admin = authority.issue_cert("admin.test", common_name="kubernetes-admin", organization_name="system:masters")
        for name, leaf in {"server": server, "admin": admin}.items():
            leaf.cert_chain_pems[0].write_to_path(self.folder / f"{name}.pem")
            leaf.private_key_pem.write_to_path(self.folder / f"{name}.key")
        (self.folder / "tokens.csv").write_text(
            "".join(f'{self.tokens[user]},{user},{user}-uid,"{",".join(groups)}"\n' for user, groups in USERS.items())
        )

    def _etcd_arguments(self) -> list[str]:
        url = f"http://{self._etcd_address}"
        return [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={self._peer_url}",
            f"--initial-advertise-peer-urls={self._peer_url}",
            f"--initial-cluster=default={self._peer_url}",
            "--unsafe-no-fsync",  # the data need not outlive the machine
        ]

    def _api_arguments(self) -> list[str]:
        keys = self.folder
        return [
            f"--etcd-servers=http://{self._etcd_address}",
            "--bind-address=127.0.0.1",
            "--external-hostname=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",  # the others refuse a loopback address
            f"--tls-cert-file={keys / 'server.pem'}",
            f"--tls-private-key-file={keys / 'server.key'}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={keys / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={keys / 'server.key'}",
            f"--service-account-signing-key-file={keys / 'server.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",  # as every installer has it
            "--disable-admission-plugins=ServiceAccount",  # no controller here makes the account it asks for
            *self._api_flags,
        ]

    def _spawn(self, name: str, arguments: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [self._assets / name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Less garbage collection for more memory: a tenth of the processor time, of which there is little.
                env={"GOGC": "400", **os.environ},
                start_new_session=True,  # a Ctrl-C is for the test run, which ends them in its own order
            )

    def _runs(self, name: str) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # an orderly stop waits for requests that may never end
            process.kill()
            process.wait()

    def _etcd(self, path: str, body: JSONObject) -> JSONObject:
        connection = http.client.HTTPConnection(self._etcd_address, timeout=_REQUEST_TIMEOUT_S)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        assert response.status == http.HTTPStatus.OK, text
        answer: JSONObject = json.loads(text)
        return answer

    def _etcd_is_healthy(self) -> bool:
        self._check_runs("etcd")
        try:
            return bool(self._etcd("/v3/kv/range", {"key": base64.b64encode(b"/").decode()}))
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def _is_ready(self) -> bool:
        self._check_runs("kube-apiserver")
        # The namespaces come from a loop that "ready" does not wait for.
        paths = ("/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system")
        try:
            return all(self._status(path) == http.HTTPStatus.OK for path in paths)
        except (OSError, http.client.HTTPException):
            return False

    def _status(self, path: str) -> int:
        connection = self.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def _check_runs(self, name: str) -> None:
        if not self._runs(name):
            log = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
            message = f"{name} ended by itself; the end of its log:\n" + "\n".join(log[-15:])
            raise RuntimeError(message)


def _is_stopped(stat: pathlib.Path) -> bool:
    """Return whether a thread is stopped, by its line in /proc; one that has ended is."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in {"T", "t", "Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at the moment."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError("no free port on 127.0.0.1")


def _base64(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
