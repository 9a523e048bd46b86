"""Objects from files."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cli import manifests
from kubeprims.cli.manifests import read_manifests
from kubeprims.errors import InvalidArgument


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


def names(*files: object, recursive: bool = False) -> list[str]:
    found = read_manifests([str(file) for file in files], recursive=recursive)
    return [str(manifest.obj["metadata"]["name"]) for manifest in found]  # type: ignore[index,call-overload]


def test_a_file_may_hold_many_objects_lists_and_nothing_between(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    listed = {
        "kind": "List",
        "apiVersion": "v1",
        "items": [json.loads('{"apiVersion": "v1", "kind": "X", "metadata": {"name": "c"}}')],
    }
    path.write_text("---\n".join([config_map("a"), "", config_map("b"), json.dumps(listed) + "\n"]))
    assert names(path) == ["a", "b", "c"]
    assert [manifest.source for manifest in read_manifests([str(path)])] == [str(path)] * 3


def test_a_folder_is_read_in_the_order_of_names_and_deeper_if_told_so(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, content in {"b.yaml": "b", "a.yml": "a", "deep/d.yaml": "d"}.items():
        (tmp_path / name).write_text(config_map(content))
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "X", "metadata": {"name": "c"}}')
    (tmp_path / "README.md").write_text("not: read: at all")
    (tmp_path / "folder.yaml").mkdir()
    assert names(tmp_path) == ["a", "b", "c"]
    assert names(tmp_path, recursive=True) == ["a", "b", "c", "d"]
    assert names(tmp_path / "b.yaml", tmp_path / "a.yml") == ["b", "a"]


def test_standard_input_is_a_file() -> None:
    found = read_manifests(["-"], stdin=io.BytesIO(config_map("a").encode()))
    assert [manifest.source for manifest in found] == ["standard input"]


def test_errors_call_standard_input_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, problem in ((b"{", "standard input is not YAML"), (b"", "no objects in standard input")):
        with pytest.raises(InvalidArgument, match=problem):
            read_manifests(["-"], stdin=io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", None)  # what the interpreter sets where it was closed
    with pytest.raises(InvalidArgument, match="standard input is closed"):
        read_manifests(["-"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "is not YAML"),
        ("", "no objects in"),
        ("---\n---\n", "no objects in"),
        ("[]", "holds a document that is no object"),
        ("kind: X\nmetadata: {name: a}", "without apiVersion or kind"),
        ("apiVersion: v1\nmetadata: {name: a}", "without apiVersion or kind"),
        ("apiVersion: v1\nkind: 7\nmetadata: {name: a}", "without apiVersion or kind"),
        ("apiVersion: v1\nkind: X", "holds a X without a name"),
        ("apiVersion: v1\nkind: X\nmetadata: {generateName: a}", "holds a X without a name"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: 7}", "holds a X without a name"),
        ("apiVersion: v1\nkind: List\nitems: [7]", "holds a document that is no object"),
    ],
)
def test_what_is_no_object_is_named_with_its_file(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(InvalidArgument) as caught:
        read_manifests([str(path)])
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="nothing-here: No such file or directory"):
        read_manifests([str(tmp_path / "nothing-here")])
    with pytest.raises(InvalidArgument, match="no objects in"):
        read_manifests([str(tmp_path)])
    with pytest.raises(InvalidArgument, match=r"'a\\x00b'"):
        read_manifests(["a\0b"])
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(InvalidArgument, match="loop"):
        read_manifests([str(tmp_path / "loop.yaml")])


def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=f"/dev/zero is longer than {manifests.FILE_BYTES_MAX} bytes"):
        read_manifests(["/dev/zero"])


@given(st.binary())
def test_any_bytes_are_objects_or_one_error(content: bytes) -> None:
    try:
        read_manifests(["-"], stdin=io.BytesIO(content))
    except InvalidArgument:
        return
