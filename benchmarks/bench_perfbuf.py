"""How fast perf buffers are read, beside libbpf in C, and BCC and pylibbpf where they are installed.

    python benchmarks/bench_perfbuf.py [--rounds N] [--seconds S] [--json FILE] [--plot FILE] [--quick]

As bench_ringbuf.py does it. Needs root.
"""

from drains import measure

if __name__ == "__main__":
    measure("perf", "reading a perf buffer", {"perf32": 300_000, "perf256": 200_000})
