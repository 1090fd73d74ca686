"""Texts and arrays of variable length, and C's types in registers: the simulation against the embedded VM."""

from __future__ import annotations

import ctypes
import platform
import struct
from ctypes import c_char, c_int32, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import kprobe, sim, tracepoint, vm
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.exception import DataTypeError
from py2bpf.kernel import tracefs
from py2bpf.prog import create_prog
from py2bpf.uapi.prog_types import ProgType

FORMAT = """\
name: e
ID: 42
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:__data_loc char[] name;	offset:8;	size:4;	signed:0;
	field:int pid;	offset:12;	size:4;	signed:1;
	field:__data_loc u32[] numbers;	offset:16;	size:4;	signed:0;
	field:__rel_loc char[] other;	offset:20;	size:4;	signed:0;
	field:__rel_loc short[] shorts;	offset:24;	size:4;	signed:0;

print fmt: ""
"""
SPEC = tracepoint.context(tracefs.parse_format(FORMAT), "e", {"name": 8, "numbers": 3, "other": 16})


class Record(ctypes.Structure):
    _fields_ = (("name", c_char * 12), ("numbers", c_uint32 * 3))


def both(event: Any, reads: Any) -> list[Any]:
    """What a program leaves in its maps, in the simulation and in the VM."""
    found = []
    for where in ("sim", "vm"):
        with vm.backend(), HashMap(c_char * 8, c_uint64, 4) as names, ArrayMap(c_uint64, 16) as seen, \
                HashMap(c_uint32, Record, 4) as records:  # fmt: skip
            program = reads(names, seen, records)
            if where == "sim":
                run = sim.run(program, event, hook="tracepoint", raise_errors=True)
                assert not run.errors
            else:
                with create_prog(ProgType.TRACEPOINT, SPEC, program) as prog:
                    prog.test_run(ctx=bytes(event))
                    assert not prog.errors
            found.append((dict(names.items()), list(seen.values()), [(record.name, list(record.numbers))
                                                                     for record in records.values()]))  # fmt: skip
    assert found[0] == found[1]
    return found[0]


def reads(names: Any, seen: Any, records: Any) -> Any:
    def program(event: Any) -> int:
        names[event.name] = event.pid
        record = Record(numbers=event.numbers)
        record.name = event.name
        records[1] = record
        seen[0] = event.name == b"bash"
        seen[1] = not event.name
        seen[2] = event.other.startswith(b"a/")
        seen[3] = event.other in (b"a/b", b"c")
        seen[4] = event.numbers[0] + event.numbers[2]
        seen[5] = event.shorts[0] < 0
        seen[6] = event.shorts[1]
        seen[7] = event.__data_loc_name >> 16
        seen[8] = event.name == event.other
        return 0

    return program


def test_all_of_an_event() -> None:
    event = sim.context(SPEC, name=b"bash", pid=-5, numbers=(1, 2, 1 << 31), other="a/b", shorts=[-3, 9])
    names, seen, records = both(event, reads)
    assert names == {b"bash": (1 << 64) - 5}
    assert seen[:9] == [1, 0, 1, 1, 1 + (1 << 31), 1, 9, 5, 0]
    assert records == [(b"bash", [1, 2, 1 << 31])]


def test_what_is_longer_is_cut_and_what_is_shorter_filled_up() -> None:
    event = sim.context(SPEC, name=b"x" * 100, pid=1, numbers=range(1, 10), other=b"x" * 7)
    names, seen, records = both(event, reads)
    assert names == {b"x" * 7: 1} and records == [(b"x" * 7, [1, 2, 3])]
    assert seen[7] == 101 and seen[8] == 1
    names, seen, records = both(sim.context(SPEC, numbers=[7]), reads)
    assert names == {b"": 0} and records == [(b"", [7, 0, 0])]
    assert seen[:2] == [0, 1]


def test_a_text_ends_at_its_nul_or_with_the_array() -> None:
    """Arrays of char need not end with a NUL; what lies behind is another's."""
    for data, text in ((b"ab\0cd", b"ab"), (b"abcd", b"abcd"), (b"abcdefgh", b"abcdefg")):
        raw = bytes(8) + struct.pack("=IiIII", len(data) << 16 | 28, 3, 0, 0, 0) + data + b"XYZ"
        event = sim.context(SPEC)
        event.__dict__.update(
            struct=SPEC.struct.from_buffer_copy(raw), tail=bytearray(raw[ctypes.sizeof(SPEC.struct) :])
        )
        assert both(event, reads)[0] == {text: 3}


def test_what_no_event_has() -> None:
    with pytest.raises(DataTypeError, match="a text of an event is bytes or a str, not 5"):
        sim.context(SPEC, name=5)
    with pytest.raises(DataTypeError, match=r"an array of an event is a sequence of \w+, not 'x'"):
        sim.context(SPEC, numbers="x")
    with pytest.raises(sim.SimulationError, match="room for 65535 bytes"):
        sim.context(SPEC, name=b"x" * 70000)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64")
def test_registers_hold_numbers_of_c_types(monkeypatch: pytest.MonkeyPatch) -> None:
    from py2bpf.kernel import signatures

    types = signatures.Signature((c_int32, ctypes.c_int64, c_uint16, None), c_int32)
    monkeypatch.setattr(signatures, "of_symbol", lambda symbol: types)

    @kprobe.probe("f")
    def on_entry(regs: Any) -> int:
        seen[0] = (regs.args[0] < 0) + 2 * (regs.args[1] < 0) + 4 * (regs.args[2] < 0) + 8 * (regs.args[3] < 0)
        seen[1] = -regs.args[0]
        seen[2] = regs.args[2]
        return 0

    @kprobe.probe("f", exit_probe=True)
    def on_return(regs: Any) -> int:
        seen[3] = -regs.ret if regs.ret < 0 else 0
        return 0

    garbage = 0xABCD << 32
    given = sim.registers((garbage | 0xFFFFFFFD, -9, garbage | 0x1FFFF, -1))
    result = sim.registers(ret=garbage | 0xFFFFFFF2)
    for where in ("sim", "vm"):
        with vm.backend(), ArrayMap(c_uint64, 4) as seen:
            for probe, context in ((on_entry, given), (on_return, result)):
                if where == "sim":
                    sim.run(probe, context, raise_errors=True)
                else:
                    with create_prog(ProgType.KPROBE, probe.expected_context, probe.fn) as prog:
                        prog.test_run(ctx=bytes(context))
            assert list(seen.values()) == [3, 3, 0xFFFF, 14], where


@pytest.mark.kernel
@pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64")
def test_a_kprobe_knows_the_signs_of_this_kernels_functions() -> None:
    @kprobe.probe("vfs_llseek")
    def on_seek(regs: Any) -> int:
        return (regs.args[1] < 0) + 2 * (regs.args[2] < 0) + 4 * (regs.args[0] < 0)

    @kprobe.probe("sys_openat")
    def on_open(regs: Any) -> int:
        return regs.args[0] == -100

    garbage = 0xFFFFFFFF << 32
    assert sim.run(on_seek, sim.registers((-1, -1, garbage | 0xFFFFFFFF))).retval == 3
    assert sim.run(on_open, sim.registers((0xFFFFFF9C,), syscall=True)).retval == 1
    assert sim.run(on_open, {"args": (0xFFFFFF9C,)}).retval == 1
    with vm.backend(), on_seek.load() as prog:
        given = bytes(sim.registers((-1, -1, garbage | 0xFFFFFFFF)))
        assert prog.test_run(ctx=given).retval == 3


def test_a_declared_type_where_the_kernel_tells_none() -> None:
    """ctypes says how wide a register's number is, and whether it has a sign."""

    @kprobe.probe("nonesuch", exit_probe=True)
    def on_return(regs: Any) -> int:
        seen[0] = -ctypes.c_int(regs.ret).value
        return 0

    result = sim.registers(ret=0xABCD << 32 | 0xFFFFFFF2)
    with vm.backend(), ArrayMap(c_uint64, 1) as seen:
        sim.run(on_return, result, raise_errors=True)
        assert seen[0] == 14
        seen[0] = 0
        with create_prog(ProgType.KPROBE, on_return.expected_context, on_return.fn) as prog:
            prog.test_run(ctx=bytes(result))
        assert seen[0] == 14
