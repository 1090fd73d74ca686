"""Fills and reads a hash map of u32 to u64 with another Python package, as c/map_batch.c does with libbpf.

    python benchmarks/map_peers.py bcc ENTRIES
    python benchmarks/map_peers.py pylibbpf ENTRIES OBJECT

Commands come on stdin (``fill``, ``read``), for each a line of nanoseconds (processor time) goes to stdout. What was
read is checked: entry i is 3 * i. Exit status 3 means that the package is missing or doesn't work here; stderr says
why.
"""

from __future__ import annotations

import sys
import time
from typing import Any

MISSING = 3
BCC_MAP = "BPF_HASH(table, u32, u64, {});"

class Bcc:
    """The fastest ways of BCC: arrays of ctypes to fill, batches to read."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._program: Any = None
        self.empty()
        self._keys = (self._table.Key * entries)(*range(entries))
        self._values = (self._table.Leaf * entries)(*range(0, 3 * entries, 3))

    def empty(self) -> None:
        """Makes a new map, since clear() takes minutes."""
        from bcc import BPF

        if self._program is not None:
            self._program.cleanup()
        self._program = BPF(text=BCC_MAP.format(self._entries))
        self._table = self._program["table"]

    def fill(self) -> None:
        self._table.items_update_batch(self._keys, self._values)

    def read(self) -> Any:
        return list(self._table.items_lookup_batch())


class Pylibbpf:
    """Entry by entry: pylibbpf has no other way."""

    def __init__(self, entries: int, path: str) -> None:
        self._entries = entries
        self._path = path
        self.empty()

    def empty(self) -> None:
        from pylibbpf import BpfObject

        self._object = BpfObject(self._path)
        self._object.load()
        self._table = self._object["table"]

    def fill(self) -> None:
        for i in range(self._entries):
            self._table.update(i, 3 * i)

    def read(self) -> Any:
        return self._table.items()


def total(read: Any) -> int:
    """The sum of the values, of pairs or of a dict, numbers or ctypes instances."""
    values = read.values() if isinstance(read, dict) else (value for _, value in read)
    return sum(getattr(value, "value", value) for value in values)


def answer(entries: int, peer: Bcc | Pylibbpf) -> None:
    for command in sys.stdin:
        filling = command.strip() == "fill"
        if filling:
            peer.empty()
        begin = time.thread_time_ns()
        found = peer.fill() if filling else peer.read()
        print(time.thread_time_ns() - begin, flush=True)
        if not filling and (len(found) != entries or total(found) != 3 * entries * (entries - 1) // 2):
            sys.exit(f"{len(found)} entries were read, or wrong ones")


def main() -> None:
    name, entries, *more = sys.argv[1:]
    try:
        peer = Bcc(int(entries)) if name == "bcc" else Pylibbpf(int(entries), *more)
    except Exception as missing:  # noqa: BLE001  whatever keeps a foreign package from working here
        print(f"{type(missing).__name__}: {missing}", file=sys.stderr)
        sys.exit(MISSING)
    print("ready", flush=True)
    answer(int(entries), peer)


if __name__ == "__main__":
    main()
