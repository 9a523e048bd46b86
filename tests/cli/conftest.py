"""A server and its kubeconfig, and commands run in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeprims.cli.main import main
from kubeprims.testing import APIServer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as made:
        yield made


@pytest.fixture
def kubeconfig(server: APIServer, tmp_path: Path) -> str:
    return str(server.write_kubeconfig(tmp_path / "config"))


@pytest.fixture
def run(kubeconfig: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command, and return its exit code and what it wrote."""

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main([*arguments, "--kubeconfig", kubeconfig])
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
