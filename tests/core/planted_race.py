"""Two threads walk one ring in memory, which only one thread may do: .ci/sanitize.sh checks that the thread sanitizer
reports it. The sanitizer only sees accesses at the same time, since the GIL's lock orders all others, and on a busy
machine the threads may alternate. So they go on until the sanitizer ends them, for half a minute at most.
"""

from __future__ import annotations

import threading
import time

from py2bpf._ffi import ffi, lib

memory, out = ffi.new("char[4096]"), ffi.new("char[4096]")
ring = ffi.new("struct p2b_perf_ring *", {"data": memory, "size": 4096})
batch = ffi.new("struct p2b_batch *", {"out": out, "cap": 1, "size": 8, "least": 8})
stats = ffi.new("struct p2b_ring_stats *")
begin = threading.Barrier(2)
end = time.monotonic() + 30


def walk() -> None:
    begin.wait()
    while time.monotonic() < end:
        lib.p2b_perf_ring_walk(ring, 0, batch, stats)


threads = [threading.Thread(target=walk) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
