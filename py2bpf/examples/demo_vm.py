"""The demo without a kernel: its programs run in the embedded VM, on a capture or invented packets and system calls."""

from __future__ import annotations

import ctypes
import os
import random
import struct
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, ClassVar, Final

from py2bpf.pcap import Batch, Capture
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.socket_filter import SocketFilter
from py2bpf.testing import packets
from py2bpf.vm.batch import run_many

CALLS: Final = {
    "nanosleep": ("rqtp", "rmtp"),
    "clock_nanosleep": ("which_clock", "flags", "rqtp", "rmtp"),
    "execve": ("filename", "argv", "envp"),
    "execveat": ("fd", "filename", "argv", "envp", "flags"),
}
"""The arguments of the system calls that the demo's programs watch, as the events in syscalls: name them."""

PACKETS_A_STEP: Final = 40
_SLEEP: Final = 0.002


class Event(ctypes.Structure):
    """The first fields of all events of system calls: see a format file in /sys/kernel/tracing/events/syscalls."""

    _fields_: ClassVar[Any] = (("common", ctypes.c_uint64), ("nr", ctypes.c_int64))


def _event(name: str, fields: tuple[str, ...], ctype: Any) -> type[ctypes.Structure]:
    return type(name, (Event,), {"_fields_": tuple((field, ctype) for field in fields)})


class Vm:
    """Packets of a capture, or like those of the loopback interface, and occasional system calls."""

    def __init__(self, capture: Capture | None) -> None:
        self.packets_of = (
            "packets such as the loopback interface has" if capture is None else f"packets of {capture.name}"
        )
        self.own = {os.getpid()}
        self._batches = iter(capture) if capture is not None else _made_up()
        self._filters: list[Prog] = []
        self._ends: dict[str, tuple[Prog, Prog]] = {}
        self._traced: list[Prog] = []
        self._turn = 0

    def watch(self, stack: ExitStack, count: Callable[[Any], Any]) -> None:
        """Adds a socket filter, which step() runs."""
        self._filters.append(stack.enter_context(SocketFilter(count)).prog)

    def attach(
        self, stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any]
    ) -> None:
        """Adds the programs at both ends of a system call, which step() runs."""
        enter = _event(f"sys_enter_{call}", CALLS[call], ctypes.c_uint64)
        leave = _event(f"sys_exit_{call}", ("ret",), ctypes.c_int64)
        self._ends[call] = (
            stack.enter_context(create_prog(ProgType.TRACEPOINT, enter, on_enter)),
            stack.enter_context(create_prog(ProgType.TRACEPOINT, leave, on_exit)),
        )

    def trace(self, stack: ExitStack, event: str, fn: Callable[[Any], Any]) -> Prog:
        """Adds a program that reads no field of its event, which step() runs."""
        self._traced.append(stack.enter_context(create_prog(ProgType.TRACEPOINT, Event, fn)))
        return self._traced[-1]

    def step(self) -> None:
        """Runs the programs for some packets, one event of each traced kind, and one system call."""
        for each in self._traced:
            each.test_run(ctx=bytes(ctypes.sizeof(Event)))
        batch = next(self._batches, None)
        if batch is not None:
            for each in self._filters:
                run = run_many(each, batch.data, batch.offsets, batch.sizes, batch.times)
                if run.fault is not None:
                    raise run.fault
        call = list(self._ends)[self._turn % len(self._ends)]
        self._turn += 1
        enter, leave = self._ends[call]
        enter.test_run(ctx=bytes(16 + 8 * len(CALLS[call])))
        time.sleep(_SLEEP)
        leave.test_run(ctx=bytes(24))


def _made_up() -> Iterator[Batch]:
    """Datagrams to unused ports, the answers to them, and connections, over both versions of IP."""
    rng = random.Random(1)
    while True:
        frames = [frame for _ in range(PACKETS_A_STEP // 8) for frame in _exchange(rng.randrange(32768, 61000))]
        sizes = array("I", map(len, frames))
        offsets = array("Q", [0])
        for size in sizes[:-1]:
            offsets.append(offsets[-1] + size)
        now = array("Q", [time.monotonic_ns()] * len(frames))
        yield Batch(bytearray(b"".join(frames)), memoryview(offsets), memoryview(sizes), memoryview(now))


def _exchange(port: int) -> Iterator[bytes]:
    for host, unreachable in (("127.0.0.1", (3, 3)), ("::1", (1, 4))):
        datagram = packets.udp(host, host, port, 9, b"py2bpf")
        yield datagram
        yield packets.icmp(host, host, *unreachable, payload=datagram[14:])
        yield packets.tcp(host, host, port, 80, flags="S", options=struct.pack("!BBH", 2, 4, 65495))
        yield packets.tcp(host, host, 80, port, flags="RA")
