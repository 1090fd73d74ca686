"""Measures how fast ring buffers are read, next to libbpf in C, and to BCC if it is installed.

    python benchmarks/bench_ringbuf.py [--rounds N] [--seconds S] [--json FILE] [--plot FILE] [--quick]

Everybody adds up one field of all events, and the sums are checked. A burst fills the buffer, then times emptying it;
sustained, another processor writes as fast as it can, and the events that arrived and those counted as lost must add up
to the written ones. Needs root.
"""

from drains import measure

if __name__ == "__main__":
    measure("ring", "reading a ring buffer", {"ring32": 1_600_000, "ring256": 240_000})
