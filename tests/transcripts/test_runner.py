from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.transcripts.runner import check_transcript, render_transcript, transcripts

TRANSCRIPT = """\
# A comment that stands by itself.

# The first block.
say hello
say world
----
hello
world

count
----
2
"""


class Speaker:
    def __init__(self) -> None:
        self._said = 0

    def execute(self, command: str) -> Iterable[str]:
        if command == "count":
            return [str(self._said)]
        self._said += 1
        return [command.removeprefix("say ")]


def test_state_is_kept_from_block_to_block_and_comments_are_kept() -> None:
    assert render_transcript(TRANSCRIPT, Speaker().execute) == TRANSCRIPT


def test_missing_expectations_are_filled_in() -> None:
    assert render_transcript("say a\n\n\ncount", Speaker().execute) == "say a\n----\na\n\ncount\n----\n1\n"


def test_a_transcript_that_differs_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEPRIMS_REWRITE_TRANSCRIPTS", raising=False)
    path = tmp_path / "speaker.txt"
    path.write_text(TRANSCRIPT.replace("world\n\n", "moon\n\n"))
    with pytest.raises(AssertionError, match=r"speaker\.txt differs"):
        check_transcript(path, Speaker().execute)


def test_rewriting_writes_what_came_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEPRIMS_REWRITE_TRANSCRIPTS", "1")
    path = tmp_path / "speaker.txt"
    path.write_text(TRANSCRIPT.replace("world\n\n", "moon\n\n"))
    check_transcript(path, Speaker().execute)
    assert path.read_text() == TRANSCRIPT


def test_output_cannot_hold_an_empty_line() -> None:
    with pytest.raises(AssertionError, match="an empty line"):
        render_transcript("say ", Speaker().execute)


def test_a_folder_without_transcripts_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="no transcripts"):
        transcripts("no-such-folder")
