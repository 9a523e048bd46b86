"""HTTP/1.1 as a pure state machine: bytes in, events out."""
