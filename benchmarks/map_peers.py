"""Fills and reads a hash map of u32 to u64 with another Python package, as c/map_batch.c does with libbpf.

    python benchmarks/map_peers.py bcc ENTRIES
    python benchmarks/map_peers.py pylibbpf ENTRIES OBJECT

Commands come on stdin (``fill``, ``read``), for each a line of nanoseconds (processor time) goes to stdout. What was
read is checked: entry i is 3 * i. Exit status 3 means that the package isn't there or doesn't work here; stderr tells
why.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

MISSING = 3
BCC_MAP = "BPF_HASH(table, u32, u64, {});"

Peer = tuple[Callable[[], None], Callable[[], Any], Callable[[], None]]
"""Fills the map, reads it as a list or dict, empties it."""


def bcc_peer(entries: int) -> Peer:
    """The fastest ways of BCC: arrays of ctypes to fill, batches to read."""
    from bcc import BPF

    table = BPF(text=BCC_MAP.format(entries))["table"]
    keys, values = (table.Key * entries)(*range(entries)), (table.Leaf * entries)(*range(0, 3 * entries, 3))
    return (
        lambda: table.items_update_batch(keys, values),
        lambda: [(key, value) for key, value in table.items_lookup_batch()],
        table.clear,
    )


def pylibbpf_peer(entries: int, path: str) -> Peer:
    """Entry by entry, which is all that it has."""
    from pylibbpf import BpfObject

    program = BpfObject(path)
    program.load()
    table = program["table"]

    def fill() -> None:
        for i in range(entries):
            table.update(i, 3 * i)

    def clear() -> None:
        for key in list(table.keys()):
            table.delete(key)

    return fill, table.items, clear


def total(read: Any) -> int:
    """The sum of the values, of pairs or of a dict, numbers or ctypes instances."""
    values = read.values() if isinstance(read, dict) else (value for _, value in read)
    return sum(getattr(value, "value", value) for value in values)


def answer(entries: int, peer: Peer) -> None:
    fill, read, clear = peer
    for command in sys.stdin:
        if command.strip() == "fill":
            clear()
        begin = time.thread_time_ns()
        found = fill() if command.strip() == "fill" else read()
        print(time.thread_time_ns() - begin, flush=True)
        if found is not None and (len(found) != entries or total(found) != 3 * entries * (entries - 1) // 2):
            sys.exit(f"{len(found)} entries were read, or wrong ones")


def main() -> None:
    name, entries, *more = sys.argv[1:]
    try:
        peer = bcc_peer(int(entries)) if name == "bcc" else pylibbpf_peer(int(entries), *more)
    except Exception as missing:  # noqa: BLE001  whatever keeps a foreign package from working here
        print(f"{type(missing).__name__}: {missing}", file=sys.stderr)
        sys.exit(MISSING)
    print("ready", flush=True)
    answer(int(entries), peer)


if __name__ == "__main__":
    main()
