"""Two threads walk one ring in memory, which is one thread's: .ci/sanitize.sh sees that the thread sanitizer tells."""

from __future__ import annotations

import threading

from py2bpf._ffi import ffi, lib

memory, out = ffi.new("char[4096]"), ffi.new("char[4096]")
ring = ffi.new("struct p2b_perf_ring *", {"data": memory, "size": 4096})
batch = ffi.new("struct p2b_batch *", {"out": out, "cap": 1, "size": 8, "least": 8})
stats = ffi.new("struct p2b_ring_stats *")
begin = threading.Barrier(2)


def walk() -> None:
    begin.wait()
    for _ in range(2000):
        lib.p2b_perf_ring_walk(ring, 0, batch, stats)


threads = [threading.Thread(target=walk) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
