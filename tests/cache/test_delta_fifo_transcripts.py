from __future__ import annotations

from pathlib import Path

import pytest

from kubeprims.cache.delta_fifo import DeltaFIFO
from tests.cache.queue_session import Session
from tests.transcripts.runner import check_transcript, transcripts


@pytest.mark.parametrize("path", transcripts("delta_fifo"), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    check_transcript(path, Session(DeltaFIFO).execute)
