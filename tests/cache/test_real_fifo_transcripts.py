from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from kubeprims.cache.real_fifo import RealFIFO
from tests.cache.queue_session import Session
from tests.transcripts.runner import check_transcript, transcripts


@pytest.mark.parametrize("path", transcripts("real_fifo"), ids=lambda path: path.stem)
def test_transcript_of_the_plain_mode(path: Path) -> None:
    check_transcript(path, Session(RealFIFO).execute)


@pytest.mark.parametrize("path", transcripts("real_fifo_atomic"), ids=lambda path: path.stem)
def test_transcript_of_the_atomic_mode(path: Path) -> None:
    check_transcript(path, Session(partial(RealFIFO, is_atomic=True)).execute)
