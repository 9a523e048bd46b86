"""Golden transcripts: text files of commands and what a machine answered, reviewed as a diff.

A file is a sequence of blocks with empty lines between them; lines that begin with ``#`` before the commands are
comments::

    # A relist that omits a known object yields a tombstone.
    known default/a rv=3
    replace rv=7 default/b
    ----
    default/b Replaced rv=7
    default/a Deleted DeletedFinalStateUnknown(rv=3)

Each file gets a fresh machine, which keeps its state from block to block. ``KUBEPRIMS_REWRITE_TRANSCRIPTS=1`` writes
what came out into the files instead of comparing. A test module looks like this::

    @pytest.mark.parametrize("path", transcripts("http1"), ids=lambda path: path.stem)
    def test_transcript(path: Path) -> None:
        check_transcript(path, Session().execute)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

SEPARATOR = "----"

Execute = Callable[[str], Iterable[str]]
"""Carries out one command line and returns the lines that came out."""


def transcripts(folder: str) -> list[Path]:
    """Return the transcript files of a folder beside this module; a folder without any is a mistake."""
    paths = sorted((Path(__file__).parent / folder).glob("*.txt"))
    assert paths, f"no transcripts in {folder}"
    return paths


def check_transcript(path: Path, execute: Execute) -> None:
    """Run the commands of a file through ``execute`` and compare what comes out with what the file says."""
    expected = path.read_text("utf-8")
    actual = render_transcript(expected, execute)
    if os.environ.get("KUBEPRIMS_REWRITE_TRANSCRIPTS") == "1":
        path.write_text(actual, "utf-8")
        return
    assert actual == expected, f"{path.name} differs; KUBEPRIMS_REWRITE_TRANSCRIPTS=1 rewrites it"


def render_transcript(text: str, execute: Execute) -> str:
    """Return the transcript with the expected output replaced by what comes out of ``execute``."""
    blocks = [block.strip("\n") for block in text.split("\n\n")]
    return "\n\n".join(_render_block(block, execute) for block in blocks if block) + "\n"


def _render_block(block: str, execute: Execute) -> str:
    given = block.split("\n")
    if SEPARATOR in given:
        given = given[: given.index(SEPARATOR)]
    commands = [line for line in given if not line.startswith("#")]
    if not commands:
        return "\n".join(given)
    output = [line for command in commands for line in execute(command)]
    assert all(output), "an empty line of output would end the block"
    return "\n".join([*given, SEPARATOR, *output])
