"""The documentation is true: its Python runs, in the order of each page, and its links lead somewhere."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SYBIL = Sybil([PythonCodeBlockParser()])

# A line that prints, and says in a comment what.
_SHOWN = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def name_of(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def a_pod(namespace: str) -> JSONObject:
    return {
        "metadata": {"name": "web-0", "namespace": namespace, "labels": {"app": "web"}},
        "spec": {"nodeName": "node-7", "containers": [{"name": "web", "image": "web:1"}]},
        "status": {"phase": "Running"},
    }


@pytest.fixture
def cluster(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[APIServer]:
    """Be the cluster of the reader's kubeconfig."""
    with APIServer() as server:
        server.create("v1/namespaces", {"metadata": {"name": "prod"}})
        server.create_many("v1/pods", [a_pod("default"), a_pod("prod")])
        monkeypatch.setenv("KUBECONFIG", str(server.write_kubeconfig(tmp_path / "config")))
        yield server


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.read_text()], ids=name_of)
def test_the_python_of_a_page_runs_as_it_stands(
    page: pathlib.Path, cluster: APIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for example in SYBIL.parse(page).examples():
        example.evaluate()
    printed = capsys.readouterr().out
    for shown in _SHOWN.findall(page.read_text()):
        assert shown in printed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_to_files(page: pathlib.Path) -> None:
    targets = _LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_has_the_two_commands_of_a_newcomer_first() -> None:
    demo, tests, *_ = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert "kubeprims demo" in demo
    assert "pytest" in tests
