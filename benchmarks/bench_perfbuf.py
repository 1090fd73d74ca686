"""Measures how fast perf buffers are read, next to libbpf in C, and to BCC and pylibbpf if they are installed.

    python benchmarks/bench_perfbuf.py [--rounds N] [--seconds S] [--json FILE] [--plot FILE] [--quick]

Works like bench_ringbuf.py. Needs root.
"""

from drains import measure

if __name__ == "__main__":
    measure("perf", "reading a perf buffer", {"perf32": 300_000, "perf256": 200_000})
