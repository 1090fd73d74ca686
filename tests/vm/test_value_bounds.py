"""Map values have bounds of their own: an access beyond a value's end faults, and doesn't reach the next value."""

from __future__ import annotations

import struct
from ctypes import Structure, c_uint8, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import asm, vm
from py2bpf.asm import Alu, Insn
from py2bpf.datastructures import ArrayMap, HashMap, LpmTrieMap, PerCpuArrayMap, PerCpuHashMap
from py2bpf.exception import Span, VmFault
from py2bpf.spec import MapSpec, ProgramSpec
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapFlags, MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import vm_map, vm_program
from py2bpf.vm.machine import machine

PACKET = bytes(64)
LOOKUP, UPDATE = 1, 2
SIZES = (1, 7, 8, 12, 24, 56, 64, 100)
KINDS = (MapType.HASH, MapType.ARRAY, MapType.LRU_HASH, MapType.PERCPU_HASH, MapType.PERCPU_ARRAY,
         MapType.LRU_PERCPU_HASH)  # fmt: skip


def storage(kind: MapType, value_size: int, entries: int = 4, flags: int = 0) -> tuple[MapSpec, vm_map.VmMap]:
    per_cpu = kind in (MapType.PERCPU_HASH, MapType.PERCPU_ARRAY, MapType.LRU_PERCPU_HASH)
    passed = (value_size + 7 & ~7) * machine().n_cpus if per_cpu else value_size
    spec = MapSpec(kind, c_uint32, c_uint8 * value_size, entries, flags, "m", per_cpu=per_cpu)
    made = vm_map.VmMap(spec, 4, passed)
    for key in range(entries):
        made.update(struct.pack("=I", key), b"\xaa" * passed)
    return spec, made


def run(code: list[Insn], spec: MapSpec, storage_: vm_map.VmMap, lines: tuple[Span | None, ...] | None = None) -> int:
    made = ProgramSpec("byhand", SPECS[ProgType.SOCKET_FILTER], tuple(code), lines or (None,) * len(code), (spec,))
    with vm_program.load(made, (storage_,), machine().handle) as loaded:
        return loaded.test_run(PACKET).retval


def looked_up(key: int, *then: Insn) -> list[Insn]:
    """The key's value in r0, or the result 77."""
    return [asm.store_imm(4, asm.FRAME, -4, key), asm.ld_map(1, 0), asm.mov(2, asm.FRAME), asm.alu_imm(Alu.ADD, 2, -4),
            asm.call(LOOKUP), asm.branch_imm(asm.Jump.JNE, 0, 0, 1), asm.mov_imm(0, 77), asm.exit_(), asm.label(1),
            *then, asm.exit_()]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_past_a_value(kind: MapType, size: int) -> None:
    for key in (0, 1, 3):
        map_ = storage(kind, size)
        assert run(looked_up(key, asm.load(1, 0, 0, size - 1)), *map_) == 0xAA
        for past in (asm.load(1, 0, 0, size), asm.load(8, 0, 0, size - 7), asm.load(1, 0, 0, -1)):
            code = looked_up(key, past)
            with pytest.raises(VmFault, match=r"read behind the end of a map's value|none of the program's") as caught:
                run(code, *map_)
            assert caught.value.index == 9  # in slots: the map's load has two, the label none
        for past in (asm.store_imm(1, 0, size, 5), asm.store(8, 0, max(size - 7, 1), 0)):
            with pytest.raises(VmFault, match="write behind the end of a map's value"):
                run(looked_up(key, past), *map_)
        assert set(map_[1].lookup(struct.pack("=I", key))[:size]) == {0xAA}


def test_the_fault_names_the_line(tmp_path: Any) -> None:
    source = tmp_path / "user.py"
    source.write_text("def f(ctx):\n    return m[2].x\n")
    code = looked_up(2, asm.load(1, 0, 0, 12))
    lines = (*(None,) * (len(code) - 2), Span(str(source), 2, 11, 2, 17), None)
    with pytest.raises(VmFault) as caught:
        run(code, *storage(MapType.HASH, 12), lines)
    assert caught.value.line == 2 and "return m[2].x" in str(caught.value)


@pytest.mark.parametrize("size", SIZES)
def test_addresses_inside_of_the_only_value(size: int) -> None:
    map_ = storage(MapType.ARRAY, size, 1)
    assert run([asm.ld_map_value(1, 0, size - 1), asm.load(1, 0, 1, 0), asm.exit_()], *map_) == 0xAA
    for past in (asm.load(1, 0, 1, 1), asm.store_imm(1, 1, 1, 0), asm.load(8, 0, 1, 1 - 7)):
        with pytest.raises(VmFault, match=r"behind the end of a map's value|none of the program's"):
            run([asm.ld_map_value(1, 0, size - 1), past, asm.exit_()], *map_)
    with pytest.raises(VmFault, match="an address inside the value of a map that has no such place"):
        run([asm.ld_map_value(1, 0, size), asm.exit_()], *map_)
    with pytest.raises(VmFault, match="an address inside the value of a map that has no such place"):
        run([asm.ld_map_value(1, 0, 0), asm.exit_()], *storage(MapType.ARRAY, size, 2))


def test_helpers_arguments_have_the_bounds_too() -> None:
    map_ = storage(MapType.HASH, 16)
    with pytest.raises(VmFault, match="read behind the end of a map's value"):  # of 16 bytes from the ninth on
        run(looked_up(1, asm.mov(3, 0), asm.alu_imm(Alu.ADD, 3, 9), asm.ld_map(1, 0), asm.mov(2, asm.FRAME),
                      asm.alu_imm(Alu.ADD, 2, -4), asm.mov_imm(4, 0), asm.call(UPDATE)), *map_)  # fmt: skip
    assert run(looked_up(1, asm.mov(3, 0), asm.ld_map(1, 0), asm.mov(2, asm.FRAME), asm.alu_imm(Alu.ADD, 2, -4),
                         asm.mov_imm(4, 0), asm.call(UPDATE)), *map_) == 0  # fmt: skip


def test_read_only_maps_stay_so() -> None:
    map_ = storage(MapType.ARRAY, 8, 4, MapFlags.RDONLY_PROG)
    assert run(looked_up(1, asm.load(1, 0, 0, 0)), *map_) == 0xAA
    with pytest.raises(VmFault, match="write to memory that is read-only"):
        run(looked_up(1, asm.store_imm(1, 0, 0, 0)), *map_)


class Twelve(Structure):
    _fields_ = [("a", c_uint32), ("b", c_uint32), ("c", c_uint8 * 4)]


def test_user_space_sees_no_gaps() -> None:
    """Values of every CPU as they were written, whatever lies between them."""
    with vm.backend(), PerCpuArrayMap(c_uint64, 3) as numbers, PerCpuHashMap(c_uint32, Twelve, 4) as things, \
            HashMap(c_uint32, Twelve, 4) as plain, ArrayMap(c_uint8, 5) as small, \
            LpmTrieMap(c_uint32, c_uint32, 4) as routes:  # fmt: skip
        cpus = len(numbers[0])
        for key in range(3):
            numbers[key] = [100 * key + cpu for cpu in range(cpus)]
            things[key] = [Twelve(key, cpu) for cpu in range(cpus)]
            plain[key] = Twelve(key, 7)
            small[key] = key
        routes["10.0.0.0/8"] = 9
        assert [list(values) for key, values in numbers.items()] == [
            [100 * key + cpu for cpu in range(cpus)] for key in range(3)]  # fmt: skip
        assert [[(v.a, v.b) for v in things[key]] for key in range(3)] == [
            [(key, cpu) for cpu in range(cpus)] for key in range(3)]  # fmt: skip
        assert {key: (v.a, v.b) for key, v in plain.items()} == {key: (key, 7) for key in range(3)}
        assert list(small.values()) == [0, 1, 2, 0, 0] and dict(routes.items())
