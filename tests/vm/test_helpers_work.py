"""The budget and Ctrl-C include the work of helper functions, 8 bytes as an instruction: a loop around a helper whose
work grows with an argument, a map's size or its keys ends after as many turns as the budget pays for."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import pytest
from vm_programs import CTX, SAVED, Held, array_of, call, spec_of

from py2bpf import asm
from py2bpf.asm import Alu, Insn
from py2bpf.exception import VmFault
from py2bpf.spec import MapSpec
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, map_calls, vm_program

BIG, BUDGET, CPUS = 1 << 20, 4 << 20, 4
M64 = (1 << 64) - 1
PACKET = bytes(60014)
Program = tuple[ProgType, tuple[MapSpec, ...], list[Insn], int]
"""Its maps besides the one that counts turns, the loop's body, the bytes that a turn works on at least."""


def create(machine: Any, spec: MapSpec) -> Any:
    key_size = ctypes.sizeof(spec.key_type) if spec.key_type else 0
    value_size = ctypes.sizeof(spec.value_type)
    return map_calls.map_create(machine, spec.kind, key_size, value_size, spec.max_entries, spec.flags, CPUS)


def turns(prog: Program, fill: Callable[[list[Any]], None]) -> int:
    """How often the body runs until the budget is used up; the last map counts."""
    prog_type, maps, body, _ = prog
    maps = (*maps, array_of(8))
    counter = [asm.ld_map_value(1, len(maps) - 1, 0), asm.mov_imm(2, 1), asm.atomic(8, Alu.ADD, 1, 0, 2)]
    code = [SAVED, asm.label(1), *counter, *body, asm.jump(1), asm.exit_()]
    machine = machine_calls.machine_create(CPUS)
    handles = [create(machine, spec) for spec in maps]
    fill(handles)
    held: list[Any] = [Held(handle) for handle in handles]
    with vm_program.load(spec_of(code, prog_type, (), maps), held, machine) as loaded:
        with pytest.raises(VmFault, match="the instruction budget is used up"):
            loaded.test_run(b"" if prog_type is ProgType.KPROBE else PACKET, budget=BUDGET)
    return int.from_bytes(map_calls.map_lookup(handles[-1], bytes(4), 8) or b"", "little")


def at(register: int, number: int, offset: int = 0) -> Insn:
    return asm.ld_map_value(register, number, offset)


def key_on_stack(register: int, value: int) -> list[Insn]:
    return [asm.mov_imm(1, value), asm.store(8, asm.FRAME, -8, 1), asm.mov(register, asm.FRAME),
            asm.alu_imm(Alu.ADD, register, -8)]  # fmt: skip


TEXTS = (array_of(BIG), array_of(BIG))
NET = ProgType.SCHED_CLS
WORK: dict[str, Program] = {
    "csum_diff": (NET, TEXTS, [
        at(1, 0), asm.mov_imm(2, BIG), at(3, 1), asm.mov_imm(4, BIG), asm.mov_imm(5, 0), asm.call(28),
    ], 2 * BIG),
    "probe_read_kernel": (ProgType.KPROBE, TEXTS, [at(1, 0), asm.mov_imm(2, BIG), at(3, 1), asm.call(113)], BIG),
    "probe_read_kernel_str": (ProgType.KPROBE, TEXTS, [at(1, 0), asm.mov_imm(2, BIG), at(3, 1), asm.call(115)], BIG),
    "strncmp": (NET, TEXTS, [at(1, 0), asm.mov_imm(2, BIG), at(3, 1), asm.call(182)], BIG),
    "strtol": (NET, TEXTS, [
        at(1, 0), asm.mov_imm(2, BIG), asm.mov_imm(3, 10), asm.mov(4, 10), asm.alu_imm(Alu.ADD, 4, -8), asm.call(105),
    ], BIG),
    "ringbuf_output": (NET, (*TEXTS, MapSpec(MapType.RINGBUF, None, ctypes.c_char * 0, 1 << 25)), [
        asm.ld_map(1, 2), at(2, 0), asm.mov_imm(3, BIG), asm.mov_imm(4, 0), asm.call(130),
    ], BIG),
    "map_update_elem": (NET, TEXTS, [
        *key_on_stack(2, 0), asm.ld_map(1, 0), at(3, 1), asm.mov_imm(4, 0), asm.call(2),
    ], BIG),
    "map_push_elem": (NET, (*TEXTS, MapSpec(MapType.QUEUE, None, ctypes.c_char * BIG, 4)), [
        asm.ld_map(1, 2), at(2, 0), asm.mov_imm(3, 2), asm.call(87),
    ], BIG),
    "skb_load_bytes": (NET, TEXTS, [
        asm.mov(1, 6), asm.mov_imm(2, 0), at(3, 0), asm.mov_imm(4, 60000), asm.call(26),
    ], 60000),
    "skb_change_tail": (NET, (), [
        *call("skb_change_tail", CTX, 14, 0), *call("skb_change_tail", CTX, 60000, 0),
    ], 59000),
    "xdp_adjust_tail": (ProgType.XDP, (), [
        *call("xdp_adjust_tail", CTX, -3000), *call("xdp_adjust_tail", CTX, 3000),
    ], 3000),
    "perf_event_output of a packet": (NET, (MapSpec(MapType.PERF_EVENT_ARRAY, ctypes.c_int, ctypes.c_int, 4),), [
        asm.mov(1, 6), asm.ld_map(2, 0), asm.mov_imm(3, 60000 << 32 | 0xFFFFFFFF), asm.mov(4, 10),
        asm.alu_imm(Alu.ADD, 4, -8), asm.mov_imm(5, 8), asm.call(25),
    ], 60000),
    "new elements of a per-CPU map": (
        NET, (array_of(BIG), MapSpec(MapType.PERCPU_HASH, ctypes.c_uint64, ctypes.c_char * 32000, 4)), [
            *key_on_stack(2, 5), asm.ld_map(1, 1), at(3, 0), asm.mov_imm(4, 0), asm.call(2),
            *key_on_stack(2, 5), asm.ld_map(1, 1), asm.call(3),
        ], 32000 * (CPUS + 1)),
}  # fmt: skip


def fill(handles: list[Any], specs: tuple[MapSpec, ...]) -> None:
    for handle, spec in zip(handles[:-1], specs, strict=True):
        if spec in TEXTS:
            map_calls.map_update(handle, bytes(4), b"1" * BIG, 0)


@pytest.mark.parametrize("name", WORK)
def test_the_budget_pays_for_bytes(name: str) -> None:
    maps, size = WORK[name][1], WORK[name][3]
    assert 1 <= turns(WORK[name], lambda handles: fill(handles, maps)) <= BUDGET * 8 // size + 1


def test_the_budget_pays_for_wide_fields() -> None:
    """What is written counts, not the width, which is as wide as the output at most."""
    body = [at(1, 1), asm.mov_imm(2, BIG), at(3, 0), asm.mov(4, 10), asm.alu_imm(Alu.ADD, 4, -8), asm.mov_imm(5, 8),
            asm.store_imm(8, asm.FRAME, -8, 7), asm.call(165)]  # fmt: skip
    prog: Program = (NET, TEXTS, body, BIG)

    def put_format(handles: list[Any]) -> None:
        map_calls.map_update(handles[0], bytes(4), b"%2000000000d".ljust(BIG, b"\0"), 0)

    assert 1 <= turns(prog, put_format) <= BUDGET * 8 // BIG + 1


def colliding(count: int) -> list[bytes]:
    """Keys of 8 bytes that the VM's hash function (csrc/vm/map/hash.c) gives the same 32 bits."""
    begin, first, last = 8 * 0x9E3779B97F4A7C15 & M64, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
    keys = []
    for low in range(count):
        mixed = (0x12345678 << 32 | low) * pow(last, -1, 1 << 64) & M64
        word = (mixed ^ mixed >> 32) * pow(first, -1, 1 << 64) & M64 ^ begin
        keys.append(struct.pack("=Q", word))
    return keys


@pytest.mark.parametrize("call_", [1, 3], ids=["lookup", "delete"])
def test_the_budget_pays_for_chains_of_a_hash_map(call_: int) -> None:
    """All keys are in one bucket, and one that is not there is looked for."""
    *keys, missing = colliding(3001)
    body = [*key_on_stack(2, int.from_bytes(missing, "little")), asm.ld_map(1, 0), asm.call(call_)]
    spec = MapSpec(MapType.HASH, ctypes.c_uint64, ctypes.c_uint64, 4096)

    def insert(handles: list[Any]) -> None:
        map_calls.map_store(handles[0], b"".join(keys), 8, bytes(8 * len(keys)), 8, len(keys))

    assert 1 <= turns((NET, (spec,), body, 0), insert) <= BUDGET // len(keys)


def test_the_budget_pays_for_prefix_lengths() -> None:
    """2048 lengths are there, and a lookup tries them all."""
    class Prefix(ctypes.Structure):
        _fields_ = [("length", ctypes.c_uint32), ("address", ctypes.c_uint8 * 256)]

    spec = MapSpec(MapType.LPM_TRIE, Prefix, ctypes.c_uint64, 4096, 1)
    body = [at(2, 1), asm.ld_map(1, 0), asm.call(1)]

    def insert(handles: list[Any]) -> None:
        keys = b"".join(struct.pack("=I", n) + b"\xff" * 256 for n in range(1, 2049))
        map_calls.map_store(handles[0], keys, 260, bytes(8 * 2048), 8, 2048)
        map_calls.map_update(handles[1], bytes(4), struct.pack("=I", 2048) + bytes(256), 0)

    assert 1 <= turns((NET, (spec, array_of(260)), body, 0), insert) <= BUDGET * 8 // (2048 * 260)


def test_work_is_not_counted_as_instructions() -> None:
    code = [at(1, 0), asm.mov_imm(2, BIG), at(3, 0), asm.mov_imm(4, BIG), asm.mov_imm(5, 0), asm.call(28), asm.exit_()]
    machine = machine_calls.machine_create(1)
    held: list[Any] = [Held(create(machine, array_of(BIG)))]
    with vm_program.load(spec_of(code, NET, (), (array_of(BIG),)), held, machine) as loaded:
        assert loaded.run(bytes(64), repeat=3).insns == 3 * len(code)
