"""How fast a watch-like body comes through the transport: one chunk of 8 KiB per event.

    python -m benchmarks.transport.watch_decode

Prints two rates: the decoding by itself, fed from memory, and the whole way over a loopback socket, server included
(the server only sends prepared bytes).
"""

from __future__ import annotations

import itertools
import threading
import time

from kubeprims.transport.body import Read, frame
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.connection import READ_BYTES_MAX
from kubeprims.transport.listen import listen
from kubeprims.transport.message import Headers, Request
from kubeprims.transport.transport import Transport

CHUNK_BYTES = 8 << 10
CHUNKS = 200_000
_CHUNK = b"%x\r\n%b\r\n" % (CHUNK_BYTES, b"x" * (CHUNK_BYTES - 1) + b"\n")
_BLOCK_CHUNKS = 1000
_BLOCK = _CHUNK * _BLOCK_CHUNKS


def _from_memory() -> Read:
    stream = _BLOCK * 2
    reads = [stream[at : at + READ_BYTES_MAX] for at in range(0, len(_BLOCK), READ_BYTES_MAX)]
    reads[-1] = _BLOCK[(len(reads) - 1) * READ_BYTES_MAX :]
    blocks = itertools.chain.from_iterable(itertools.repeat(reads, CHUNKS // _BLOCK_CHUNKS))
    source = itertools.chain(blocks, [b"0\r\n\r\n"])
    return lambda: next(source)


def decode() -> float:
    """Return chunks per second of the decoding alone."""
    body = frame(Headers([("Transfer-Encoding", "chunked")]), read=_from_memory(), has_body=True, unpack=True)
    begun = time.perf_counter()
    size = sum(map(len, body.parts()))
    elapsed = time.perf_counter() - begun
    assert size == CHUNKS * CHUNK_BYTES
    return CHUNKS / elapsed


def over_loopback() -> float:
    """Return chunks per second over a socket."""
    with listen("127.0.0.1", 0) as listener:

        def run() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(CHUNKS // _BLOCK_CHUNKS):
                    sock.sendall(_BLOCK)
                sock.sendall(b"0\r\n\r\n")

        server = threading.Thread(target=run)
        server.start()
        config = TransportConfig(server=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with Transport(config) as transport, transport.round_trip(Request("GET", "/")) as response:
            begun = time.perf_counter()
            size = sum(map(len, response.chunks()))
            elapsed = time.perf_counter() - begun
        server.join()
    assert size == CHUNKS * CHUNK_BYTES
    return CHUNKS / elapsed


if __name__ == "__main__":
    print(f"decoding      {max(decode() for _ in range(3)):>10,.0f} chunks/s")
    print(f"over loopback {max(over_loopback() for _ in range(3)):>10,.0f} chunks/s")
