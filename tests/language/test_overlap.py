"""Copies of objects to places that overlap them: a copy has what its source had, in the kernel, the VM and CPython."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from py2bpf import Global, funcs, sim, vm
from py2bpf.datastructures import ArrayMap
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import XDP_MD
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel
PACKET = bytes(range(1, 65))


class Addresses(ctypes.Structure):
    _fields_ = (("macs", ctypes.c_uint8 * 12),)


class Numbers(ctypes.Structure):
    _fields_ = (("row", ctypes.c_int16 * 3),)


class Text(ctypes.Structure):
    _fields_ = (("text", ctypes.c_char * 12),)


class Flow(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("source", ctypes.c_uint32), ("port", ctypes.c_uint16))


class First(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("flow", Flow), ("row", ctypes.c_uint8 * 10))


class Second(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("kind", ctypes.c_uint8), ("flow", Flow), ("rest", ctypes.c_uint8), ("row", ctypes.c_uint8 * 8))


class Both(ctypes.Union):
    _fields_ = (("first", First), ("second", Second), ("bytes", ctypes.c_uint8 * 16))


def views(ctype: Any, name: str, source: int, target: int) -> Callable[[Any], int]:
    def program(ctx: Any) -> int:
        here, there = ctx.packet(ctype, source), ctx.packet(ctype, target)
        if here is None or there is None:
            return 1
        setattr(there, name, getattr(here, name))
        return 2

    return program


def at_run_time(ctx: Any) -> int:
    length = ctx.data_end - ctx.data
    here, there = ctx.packet(Addresses, length & 7), ctx.packet(Addresses, (length & 7) + 3)
    if here is None or there is None:
        return 1
    there.macs = here.macs
    return 2


def popped(ctx: Any) -> int:
    old, new = ctx.packet(Addresses, 0), ctx.packet(Addresses, 4)
    if old is None or new is None:
        return 1
    new.macs = old.macs
    return 2 if funcs.xdp_adjust_head(ctx, 4) == 0 else 0


def copied(ctx: Any) -> int:
    old, new = ctx.packet(Addresses, 2), ctx.packet(Addresses, 5)
    if old is None or new is None:
        return 1
    funcs.memcpy(old, new, 9)
    return 2


PACKETS: dict[str, Callable[[Any], int]] = {
    **{f"bytes by {by}": views(Addresses, "macs", 20, 20 + by) for by in (-11, -5, -1, 0, 1, 3, 4, 8, 11, 12)},
    "numbers": views(Numbers, "row", 10, 14),
    "a text": views(Text, "text", 20, 23),
    "at run time": at_run_time,
    "a tag is popped": popped,
    "memcpy": copied,
}


@pytest.mark.parametrize("backend", ["kernel", "vm"])
@pytest.mark.parametrize("name", PACKETS)
def test_in_packets(name: str, backend: vm.Name) -> None:
    fn = PACKETS[name]
    wanted = sim.run(fn, PACKET, hook="xdp")
    with vm.backend(backend), create_prog(ProgType.XDP, XDP_MD, fn) as prog:
        run = prog.test_run(PACKET)
    assert (run.retval, run.data.hex()) == (wanted.retval, wanted.data.hex())
    assert wanted.retval == 2


def _mix(data: Any) -> int:
    mixed = 0
    for byte in data:
        mixed = (mixed * 7 + byte) % 1000003
    return mixed


def _moved(both: Any) -> int:
    for i in range(16):
        both.bytes[i] = i + 1
    both.second.flow = both.first.flow
    both.first.row[:8] = both.second.row[:8]
    both.second.row = (both.second.row[1], both.second.row[0], 3, 4, 5, 6, 7, 8)
    return _mix(both.bytes)


def in_a_local(ctx: Any) -> int:
    return _moved(Both())


def in_items(ctx: Any) -> int:
    """Items of one array are one or apart: these need no detour, and get none."""
    rows = (Numbers * 4)()
    for i in range(4):
        rows[i].row[0] = i + 1
    at = ctx.rx_queue_index & 3
    rows[(at + 1) & 3].row = rows[at].row
    rows[at] = rows[(at + 2) & 3]
    return _mix([rows[0].row[0], rows[1].row[0], rows[2].row[0], rows[3].row[0]])


@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_in_unions(backend: vm.Name) -> None:
    with vm.backend(backend), ArrayMap(Both, 1) as entries, Global(Both) as single:

        def in_an_entry(ctx: Any) -> int:
            one, other = entries[0], entries[0]
            if one is None or other is None:
                return 0
            for i in range(16):
                one.bytes[i] = i + 1
            other.second.flow = one.first.flow
            return _mix(one.bytes)

        def in_a_global(ctx: Any) -> int:
            return _moved(single.value)

        for fn in (in_a_local, in_items, in_an_entry, in_a_global):
            with create_prog(ProgType.XDP, XDP_MD, fn) as prog:
                assert prog.test_run(PACKET).retval == sim.run(fn, PACKET, hook="xdp").retval, fn.__name__
