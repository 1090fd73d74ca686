"""Writers of events, one a run: ../c/drain.bpf.c has the same in C. A value is its number's low 8 bits."""

from __future__ import annotations

from ctypes import Structure, c_uint8, c_uint64
from typing import Any

from frames import UDP

from py2bpf import Global
from py2bpf.datastructures import BpfQueue, RingBuffer
from py2bpf.xdp import XDP_PASS, XdpProgram

ROOM = 64 << 20
PAGE = 4096


class Small(Structure):
    _fields_ = [("number", c_uint64), ("value", c_uint64), ("time", c_uint64), ("zero", c_uint64)]


class Large(Structure):
    _fields_ = [*Small._fields_, ("more", c_uint8 * 224)]


class Writer:
    """A queue and the program that writes to it."""

    def __init__(self, queue: Any, made: Global, write: Any) -> None:
        self.queue = queue
        self._made = made
        self._program = XdpProgram(write)

    @property
    def made(self) -> int:
        return int(self._made.value)

    def make(self, count: int) -> None:
        self._program.prog.test_run(UDP, repeat=count)

    def close(self) -> None:
        for each in (self._program, self.queue, self._made):
            each.close()


def ring(event_type: type[Structure]) -> Writer:
    queue, made = RingBuffer(event_type, ROOM, wakeup="never"), Global(c_uint64)

    def write(ctx):
        number = made.value
        made.value = number + 1
        event = queue.reserve()
        if event is None:
            return XDP_PASS
        event.number = number
        event.value = number & 255
        queue.submit(event)
        return XDP_PASS

    return Writer(queue, made, write)


def perf(event_type: type[Structure]) -> Writer:
    queue, made = BpfQueue(event_type, ROOM // PAGE), Global(c_uint64)

    def write(ctx):
        number = made.value
        made.value = number + 1
        event = event_type()
        event.number = number
        event.value = number & 255
        queue.output(ctx, event)
        return XDP_PASS

    return Writer(queue, made, write)


MAKERS = {
    "ring32": lambda: ring(Small),
    "ring256": lambda: ring(Large),
    "perf32": lambda: perf(Small),
    "perf256": lambda: perf(Large),
}
