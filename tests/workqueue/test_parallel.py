from __future__ import annotations

import threading
from collections import Counter

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.threads import Cancel
from kubeprims.workqueue.parallel import parallelize_until
from tests.parity import case


@case("IN-201")
@pytest.mark.parametrize(
    ("pieces", "workers", "chunk_size"),
    [(1000, 10, 1), (1000, 10, 10), (1000, 10, 100), (999, 10, 13), (0, 3, 1), (2, 9, 5)],
)
def test_every_piece_is_done_once(pieces: int, workers: int, chunk_size: int) -> None:
    lock = threading.Lock()
    done: Counter[int] = Counter()

    def do(piece: int) -> None:
        with lock:
            done[piece] += 1

    parallelize_until(pieces, do, workers=workers, chunk_size=chunk_size)
    assert done == Counter(range(pieces))


def test_no_chunk_is_begun_once_it_is_cancelled() -> None:
    cancel = Cancel()
    done: list[int] = []

    def do(piece: int) -> None:
        done.append(piece)
        if piece == 2:
            cancel.set()

    parallelize_until(100, do, workers=1, chunk_size=2, cancel=cancel)
    assert done == [0, 1, 2, 3], "a chunk that was begun is finished"


def test_what_a_piece_raises_ends_the_rest_and_reaches_the_caller() -> None:
    done: list[int] = []

    def do(piece: int) -> None:
        done.append(piece)
        if piece == 1:
            raise ValueError("bad piece")

    with pytest.raises(ValueError, match="bad piece"):
        parallelize_until(100, do, workers=1)
    assert done == [0, 1]


@pytest.mark.parametrize(("pieces", "workers", "chunk_size"), [(-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_numbers_that_make_no_sense_are_refused(pieces: int, workers: int, chunk_size: int) -> None:
    with pytest.raises(InvalidArgument, match="must"):
        parallelize_until(pieces, print, workers=workers, chunk_size=chunk_size)
