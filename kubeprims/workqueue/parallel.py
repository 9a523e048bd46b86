"""A number of pieces of work, done by a few threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kubeprims.errors import InvalidArgument
from kubeprims.threads import Cancel, Deadline, ThreadGroup


def parallelize_until(
    pieces: int, do_piece: Callable[[int], None], *, workers: int, chunk_size: int = 1, cancel: Cancel | None = None
) -> None:
    """Call ``do_piece`` once for each of ``range(pieces)``, on up to ``workers`` threads, and wait for all.

    Pieces are begun in order. Once ``cancel`` is set, or a piece has raised, no further chunk is begun.

    Args:
        pieces: How many there are.
        do_piece: Called with the number of a piece, from several threads at once.
        workers: How many threads at most; at least 1.
        chunk_size: How many pieces a thread takes at once; at least 1.
        cancel: Ends it early.

    Raises:
        InvalidArgument: A number is out of range.
        BaseException: What the first piece raised that did.

    Source:
        client-go util/workqueue/parallelizer.go, ``ParallelizeUntil``.
        Differs: a piece that raises ends the rest, where upstream logs or crashes.
    """
    if pieces < 0 or workers < 1 or chunk_size < 1:
        rule = "pieces must not be negative, and workers and chunk_size must be at least 1"
        raise InvalidArgument(f"{rule}: {pieces!r}, {workers!r}, {chunk_size!r}")
    stop = Cancel(cancel)
    lock = threading.Lock()
    chunks = iter(range(0, pieces, chunk_size))

    def work() -> None:
        while not stop.is_set:
            with lock:
                start = next(chunks, None)
            if start is None:
                return
            for piece in range(start, min(start + chunk_size, pieces)):
                do_piece(piece)

    threads = ThreadGroup("parallel", on_error=lambda _: stop.set())
    try:
        for number in range(min(workers, -(-pieces // chunk_size))):
            threads.spawn(work, name=f"worker {number}")
        threads.join(Deadline.after(None))
    finally:
        stop.set()  # interrupted: no further piece
        stop.close()
