"""Fields far from the beginning of their object: instructions have offsets of 16 bits, while objects may be larger."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from py2bpf import Global, sim, vm
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel
PACKET = bytes(64)


class Large(ctypes.Structure):
    _fields_ = (
        ("history", ctypes.c_uint8 * 32760), ("last", ctypes.c_uint64), ("count", ctypes.c_uint64),
        ("more", ctypes.c_uint8 * 32752), ("name", ctypes.c_char * 24), ("pair", ctypes.c_uint32 * 2),
        ("text", ctypes.c_char * 600), ("end", ctypes.c_int16),
    )  # fmt: skip


def _used(entry: Any, number: int) -> int:
    entry.last = number
    entry.count += 3
    entry.count ^= 1 << 40
    entry.name = b"far away"
    entry.pair[1] = number * 5
    entry.pair[number & 1] += 1
    entry.text = entry.name
    entry.end = -number
    entry.history[-1] = entry.more[number & 255] = 7
    same = (entry.name == b"far away") + 2 * (entry.text == entry.name)
    return (entry.last + entry.count + sum(entry.pair) + entry.end + entry.history[-1] + same) & 0xFFFFFF


@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_in_maps(backend: vm.Name) -> None:
    with vm.backend(backend), ArrayMap(Large, 2) as array, HashMap(ctypes.c_uint32, Large, 2) as table, \
            Global(Large) as single:  # fmt: skip
        table[5] = Large()

        def in_an_array(ctx: Any) -> int:
            entry = array[1]
            return 0 if entry is None else _used(entry, ctx.rx_queue_index + 3)

        def in_a_hash(ctx: Any) -> int:
            entry = table.get(5)
            return 0 if entry is None else _used(entry, ctx.rx_queue_index + 4)

        def in_a_global(ctx: Any) -> int:
            return _used(single.value, ctx.rx_queue_index + 5)

        for fn in (in_an_array, in_a_hash, in_a_global):
            wanted = sim.run(fn, PACKET, hook="xdp", isolated=True).retval
            with create_prog(ProgType.XDP, XDP_MD, fn) as prog:
                assert (prog.test_run(PACKET).retval, wanted > 20) == (wanted, True), fn.__name__
        stored = array[1]
        assert (stored.last, stored.name, stored.text, stored.end) == (3, b"far away", b"far away", -3)


OFFSETS = [32765, 32766, 32767, 32768, 40000, 65532, 65533, 65534, 65535, 65536, 1 << 20]


@pytest.mark.parametrize("backend", ["kernel", "vm"])
@pytest.mark.parametrize("offset", OFFSETS)
def test_in_packets(offset: int, backend: vm.Name) -> None:
    """No packet of a test run is as long, so that the view is None."""

    def program(ctx: Any) -> int:
        view = ctx.packet(ctypes.c_uint16 * 2, offset)
        if view is None:
            return 7
        return view[1]

    with vm.backend(backend), create_prog(ProgType.XDP, XDP_MD, program) as prog:
        assert prog.test_run(PACKET).retval == sim.run(program, PACKET, hook="xdp").retval == 7


@pytest.mark.parametrize("offset", [32767, 40000, 65500])
def test_in_a_long_packet(offset: int) -> None:
    """The VM's packets have up to 65,535 bytes; those of XDP programs lie in several buffers."""
    packet = bytes(offset) + bytes([1, 2, 3, 4]) + bytes(20)

    def program(ctx: Any) -> int:
        view = ctx.packet(ctypes.c_uint8 * 4, offset)
        if view is None:
            return 7
        view[3] += view[0] + view[2]
        return view[3]

    with vm.backend("vm"), create_prog(ProgType.SCHED_CLS, SK_BUFF, program) as prog:
        run = prog.test_run(packet)
    assert run.retval == 8 and run.data[offset : offset + 4] == bytes([1, 2, 3, 8])
