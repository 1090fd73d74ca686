"""What the peers in Python share: test runs by bpf(2), and the commands and answers of c/drain.c.

They run under the Python that has the peer's package, which need not be ours.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from abc import ABC, abstractmethod

AT_ONCE = 50_000
MAP_LOOKUP, TEST_RUN, GET_INFO = 1, 10, 15
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
LIBC = ctypes.CDLL(None, use_errno=True)


class RunAttributes(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("retval", ctypes.c_uint32), ("size_in", ctypes.c_uint32),
                ("size_out", ctypes.c_uint32), ("data_in", ctypes.c_uint64), ("data_out", ctypes.c_uint64),
                ("repeat", ctypes.c_uint32), ("duration", ctypes.c_uint32), ("rest", ctypes.c_uint64 * 8)]  # fmt: skip


class InfoAttributes(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("size", ctypes.c_uint32), ("info", ctypes.c_uint64)]


class Info(ctypes.Structure):
    """struct bpf_prog_info as far as the name."""

    _fields_ = [("before", ctypes.c_uint8 * 64), ("name", ctypes.c_char * 16)]


class ElementAttributes(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint64), ("key", ctypes.c_uint64), ("value", ctypes.c_uint64),
                ("flags", ctypes.c_uint64)]  # fmt: skip


class Totals(ctypes.Structure):
    """What the programs count."""

    _fields_ = [("made", ctypes.c_uint64), ("lost", ctypes.c_uint64)]


def bpf(command: int, attributes: ctypes.Structure) -> None:
    if LIBC.syscall(SYS_BPF, command, ctypes.byref(attributes), ctypes.sizeof(attributes)) < 0:
        sys.exit(f"bpf({command}): {os.strerror(ctypes.get_errno())}")


def run(fd: int, count: int) -> None:
    frame = ctypes.create_string_buffer(64)
    bpf(TEST_RUN, RunAttributes(fd=fd, size_in=64, data_in=ctypes.addressof(frame), repeat=count))


def lookup_totals(fd: int) -> Totals:
    """The first value of an array."""
    key, value = ctypes.c_uint32(0), Totals()
    bpf(MAP_LOOKUP, ElementAttributes(fd=fd, key=ctypes.addressof(key), value=ctypes.addressof(value)))
    return value


def loaded_programs() -> dict[str, int]:
    """Descriptors of this process's programs, by their names."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            is_program = os.readlink(f"/proc/self/fd/{name}") == "anon_inode:bpf-prog"
        except FileNotFoundError:  # the listing's own
            continue
        if is_program:
            info = Info()
            bpf(GET_INFO, InfoAttributes(fd=int(name), size=ctypes.sizeof(info), info=ctypes.addressof(info)))
            found[info.name.decode()] = int(name)
    return found


class PeerDrain(ABC):
    """Takes events and adds up their values."""

    def __init__(self) -> None:
        self.events = self.sum = 0

    @abstractmethod
    def totals(self) -> Totals: ...

    @abstractmethod
    def program(self, name: str) -> int:
        """Its descriptor."""

    @abstractmethod
    def take(self, program: str) -> None:
        """What the program wrote until now."""

    def burst(self, program: str, count: str) -> dict[str, int]:
        before = self._begin()
        run(self.program(program), int(count))
        begin = time.perf_counter_ns()
        self.take(program)
        return self._answer(begin, before)

    def sustained(self, program: str, seconds: str, cpu: str) -> dict[str, int]:
        stop = threading.Event()

        def keep_making() -> None:
            os.sched_setaffinity(0, {int(cpu)})
            while not stop.is_set():
                run(self.program(program), AT_ONCE)

        before = self._begin()
        thread = threading.Thread(target=keep_making)
        begin = time.perf_counter_ns()
        thread.start()
        threading.Timer(float(seconds), stop.set).start()  # a call may not return while events come faster than it goes
        while thread.is_alive():
            self.take(program)
        thread.join()
        self.take(program)
        return self._answer(begin, before)

    def _begin(self) -> Totals:
        self.events = self.sum = 0
        return self.totals()

    def _answer(self, begin: int, before: Totals) -> dict[str, int]:
        ns, after = time.perf_counter_ns() - begin, self.totals()
        return {"events": self.events, "sum": self.sum, "ns": ns, "made": after.made - before.made,
                "lost": after.lost - before.lost, "first": before.made}

    def serve(self) -> None:
        print("ready", flush=True)
        for line in sys.stdin:
            command, *words = line.split()
            print(json.dumps(self.burst(*words) if command == "burst" else self.sustained(*words)), flush=True)
        os._exit(0)  # the ends of some peers raise errors
