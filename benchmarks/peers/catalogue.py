"""Who is measured, and how each is got: an environment of its own for Python, a program of its own for Go."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
GO_FOLDER = ROOT / "benchmarks" / "peers" / "clientgo"
_OURS = ("kubernetes==37.0.2", "urllib3==2.8.0", "websocket-client==1.9.2", "typing-extensions==4.16.0")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One row of the table.

    Attributes:
        name: What ``--peers`` calls it.
        title: What the table calls it.
        program: The Python module, or the kind of Go informer.
        arguments: What the program is told behind URL and number of objects.
        packages: What is installed for it; nothing: this interpreter is used as it is.
        is_go: Whether it is the Go program.
        leaves_out: The kinds of runs that it has no part in.
    """

    name: str
    title: str
    program: str
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    is_go: bool = False
    leaves_out: tuple[str, ...] = ()

    @property
    def wants_protobuf(self) -> bool:
        return self.is_go and self.program == "typed"


_WITH_KUBEPRIMS = "benchmarks.peers.with_kubeprims"
_FAST = (*_OURS, "msgspec==0.22.0")
_OURS_ALONE = ("soak", "idle")

PEERS = {
    peer.name: peer
    for peer in (
        Peer(name="here", title="kubeprims, as installed here", program=_WITH_KUBEPRIMS),
        Peer(name="fast", title="kubeprims[fast]", program=_WITH_KUBEPRIMS, packages=_FAST),
        Peer(name="plain", title="kubeprims", program=_WITH_KUBEPRIMS, packages=_OURS),
        Peer(
            name="fast-lists",
            title="kubeprims[fast], paged lists",
            program=_WITH_KUBEPRIMS,
            arguments=("plain", "lists"),
            packages=_FAST,
            leaves_out=("failures", "gc", *_OURS_ALONE),  # only the start is another one
        ),
        Peer(
            name="compact",
            title="kubeprims[fast], compact",
            program=_WITH_KUBEPRIMS,
            arguments=("compact",),
            packages=_FAST,
        ),
        Peer(
            name="kubernetes",
            title="kubernetes 37 informer",
            program="benchmarks.peers.with_kubernetes",
            packages=("kubernetes==37.0.2",),
            leaves_out=("gc", *_OURS_ALONE),  # so many objects take it minutes and gigabytes
        ),
        Peer(
            name="lightkube",
            title="lightkube 1.0 list and watch",
            program="benchmarks.peers.with_lightkube",
            packages=("lightkube==1.0.1", "lightkube-models==1.37.0.8"),
            leaves_out=("failures", *_OURS_ALONE),  # it ends at the first failure: there are no tries to count
        ),
        Peer(
            name="client-go",
            title="client-go 0.37 typed, protobuf",
            program="typed",
            is_go=True,
            leaves_out=_OURS_ALONE,
        ),
        Peer(
            name="client-go-dynamic",
            title="client-go 0.37 dynamic, JSON",
            program="dynamic",
            is_go=True,
            leaves_out=_OURS_ALONE,
        ),
    )
}


class Absent(Exception):
    """A peer cannot be had on this machine."""


def command(peer: Peer, cache: pathlib.Path) -> list[str]:
    """Return what starts a peer, but for URL and number of objects; get it first if need be.

    Raises:
        Absent: It is not to be had.
    """
    if peer.is_go:
        return [str(clientgo(cache)), peer.program]
    return [str(_python(peer.packages, cache)), "-m", peer.program]


def _python(packages: tuple[str, ...], cache: pathlib.Path) -> pathlib.Path:
    """Return the interpreter of an environment with these packages."""
    if not packages:
        return pathlib.Path(sys.executable)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256("\n".join((version, *packages)).encode()).hexdigest()[:12]
    folder = cache / f"venv-{digest}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", *packages])
    (folder / "complete").touch()
    return python


def clientgo(cache: pathlib.Path) -> pathlib.Path:
    """Return the Go program, built.

    Raises:
        Absent: There is no Go, or it does not build.
    """
    go = shutil.which("go")
    if go is None:
        message = "there is no Go here"
        raise Absent(message)
    program = cache / "clientgo"
    _run([go, "build", "-o", str(program), "."], cwd=GO_FOLDER)
    return program


def _run(words: list[str], cwd: pathlib.Path | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()[-500:]}")


def default_cache() -> pathlib.Path:
    """Return the folder for environments, programs and rendered objects."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "kubeprims" / "benchmarks"
