"""VmProgram: the interface of LoadedProgram, and the VM's additions."""

from __future__ import annotations

import ctypes
import struct
import time
from array import array
from typing import Any

import pytest
from vm_programs import CTX, SAVED, call, spec_of

from py2bpf import asm
from py2bpf.asm import Alu, Insn
from py2bpf.exception import ClosedError, DataTypeError, KernelError, NotSupported, Span, VmFault
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.contexts import PtRegsX86
from py2bpf.uapi.helpers import HELPERS, Arg
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, program_calls, vm_program
from py2bpf.vm.batch import run_many

ONE = [asm.mov_imm(0, 1), asm.exit_()]


@pytest.fixture
def machine() -> Any:
    return machine_calls.machine_create(2)


def load(code: list[Insn], machine: Any, prog_type: ProgType = ProgType.SOCKET_FILTER) -> vm_program.VmProgram:
    return vm_program.load(spec_of(code, prog_type), (), machine)


def test_life(machine: Any) -> None:
    with load(ONE, machine) as prog:
        assert not prog.closed and "in the VM" in repr(prog)
        assert prog.test_run(bytes(14)).retval == 1
        info = prog.info()
        assert (info.name, info.type, info.run_cnt) == ("byhand", ProgType.SOCKET_FILTER, 1)
        for use in (lambda: prog.fd, prog.fileno, lambda: prog.pin("/sys/fs/bpf/x")):
            with pytest.raises(NotSupported, match="embedded VM"):
                use()
    assert prog.closed
    prog.close()
    for use in (lambda: prog.fd, prog.fileno, lambda: prog.test_run(bytes(14)), prog.info, lambda: prog.pin("x")):
        with pytest.raises(ClosedError, match="program byhand is closed"):
            use()


def test_programs_outlive_their_machine(machine: Any) -> None:
    prog = load(ONE, machine)
    del machine
    assert prog.test_run(bytes(14)).retval == 1


@pytest.mark.parametrize(("arguments", "error", "says"), [
    ({"data": bytes(13)}, KernelError, "14 at least"), ({"data": bytes(65536)}, KernelError, "65535 at most"),
    ({"data": "text"}, DataTypeError, "packet's bytes"), ({"ctx": 5}, DataTypeError, "context's bytes"),
    ({"repeat": 0}, ValueError, "not 0"), ({"repeat": 1.0}, DataTypeError, "an int"),
    ({"repeat": True}, DataTypeError, "an int"),
])  # fmt: skip
def test_wrong_arguments(machine: Any, arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        load(ONE, machine).test_run(**{"data": bytes(14), **arguments})


ON_THE_CONTEXT = {
    ProgType.SCHED_CLS: (
        "tail_call", "skb_load_bytes", "skb_load_bytes_relative", "skb_pull_data", "get_hash_recalc", "skb_store_bytes",
        "l3_csum_replace", "l4_csum_replace", "csum_level", "skb_vlan_push", "skb_vlan_pop", "skb_change_type",
        "skb_change_tail", "skb_change_head", "skb_adjust_room", "skb_ecn_set_ce", "set_hash_invalid", "set_hash",
    ),
    ProgType.XDP: (
        "xdp_adjust_head", "xdp_adjust_tail", "xdp_adjust_meta", "xdp_get_buff_len", "xdp_load_bytes",
        "xdp_store_bytes",
    ),
}  # fmt: skip
"""The helpers that do something with their context."""


@pytest.mark.parametrize(
    ("prog_type", "name"), [(kind, name) for kind, names in ON_THE_CONTEXT.items() for name in names]
)
def test_another_pointer_is_no_context(machine: Any, prog_type: ProgType, name: str) -> None:
    pointers = (Arg.MEM, Arg.OUT)
    args = [("stack", -64) if arg in pointers else 0 for arg in HELPERS[name].args[1:]]
    code = [*(asm.store_imm(8, asm.FRAME, -8 * i, 0) for i in range(1, 9)), SAVED]
    code += [*call(name, ("stack", -64), *args), asm.exit_()]
    with pytest.raises(VmFault, match="argument is not the program's context"):
        load(code, machine, prog_type).test_run(bytes(64))


@pytest.mark.parametrize(
    ("address", "says"),
    [(0, "without the bytes that its size says"), (("stack", -4), "read outside of the stack frame")],
)
def test_a_neighbour_has_the_bytes_that_its_size_says(machine: Any, address: Any, says: str) -> None:
    code = [*call("redirect_neigh", 1, address, 8, 0), asm.exit_()]
    with pytest.raises(VmFault, match=says):
        load(code, machine, ProgType.SCHED_CLS).test_run(bytes(64))


def test_large_packets(machine: Any) -> None:
    code = [SAVED, *call("skb_load_bytes", CTX, 65530, ("stack", -8), 4), asm.load(4, 0, asm.FRAME, -8), asm.exit_()]
    data = bytes(65530) + b"abcde"
    assert load(code, machine).test_run(data).retval == 0  # 14 bytes fewer: the link header is not the filter's
    run = load(code, machine, ProgType.SCHED_CLS).test_run(data)
    assert run.retval == int.from_bytes(b"abcd", "little") and run.data == data


def test_probes_run_on_a_context(machine: Any) -> None:
    code = [asm.load(8, 0, 1, PtRegsX86.rdi.offset), asm.exit_()]
    with load(code, machine, ProgType.KPROBE) as prog:
        assert prog.test_run().retval == 0
        assert prog.test_run(ctx=PtRegsX86(rdi=77)).retval == 77
        with pytest.raises(KernelError, match="takes a context and no packet"):
            prog.test_run(bytes(14))
    with pytest.raises(VmFault, match="behind the end of the context"):
        load(code, machine, ProgType.RAW_TRACEPOINT).test_run(ctx=bytes(8))


def test_the_context_comes_back(machine: Any) -> None:
    code = [asm.store_imm(4, 1, 8, 7), asm.mov_imm(0, 0), asm.exit_()]
    run = load(code, machine, ProgType.SCHED_CLS).run(bytes(14), bytes(60))
    assert struct.unpack_from("=I", run.ctx, 8) == (7,) and run.insns == 3


def test_a_fault_names_the_line(machine: Any, tmp_path: Any) -> None:
    source = tmp_path / "user.py"
    source.write_text("def f(ctx):\n    return ctx[9].x\n")
    code = (asm.mov_imm(1, 0), asm.label(7), asm.load(4, 0, 1, 8), asm.exit_())
    lines = (None, None, Span(str(source), 2, 11, 2, 19), None)
    spec = ProgramSpec("f", SPECS[ProgType.SOCKET_FILTER], code, lines, ())
    with pytest.raises(VmFault) as caught:
        vm_program.load(spec, (), machine).test_run(bytes(14))
    fault = caught.value
    assert (fault.index, fault.line, fault.value) == (1, 2, 8)
    assert str(fault).splitlines() == [
        "f ended in the embedded VM: read through a null pointer (instruction 1, 0x8)",
        f"{source}:2: the instruction comes from here",
        "    2 |     return ctx[9].x",
        "      |            ^^^^^^^^",
    ]


def printing(text: str, *args: int) -> list[Insn]:
    raw = text.encode() + b"\0"
    code = [SAVED]
    for at in range(0, len(raw), 8):
        code += [asm.mov_imm(1, int.from_bytes(raw[at : at + 8].ljust(8, b"\0"), "little")),
                 asm.store(8, asm.FRAME, -64 + at, 1)]
    return [*code, *call("trace_printk", ("stack", -64), len(raw), *args), asm.exit_()]


@pytest.mark.parametrize(("text", "args", "wanted"), [
    ("plain", (), "plain"), ("%d %u", (-1, -1), "-1 4294967295"), ("%lld %llu", (-1, -1), f"-1 {2**64 - 1}"),
    ("%5d|%-5d|%05d", (42, 42, 42), "   42|42   |00042"), ("%x %X %lx", (255, 255, 1 << 40), "ff FF 10000000000"),
    ("%c%c%%", (72, 105), "Hi%"), ("%%", (), "%"), ("%%%d", (3,), "%3"), ("%s", (0,), ""),
])  # fmt: skip
def test_printing(machine: Any, text: str, args: tuple[int, ...], wanted: str) -> None:
    run = load(printing(text, *args), machine, ProgType.SCHED_CLS).test_run(bytes(14))
    assert (machine_calls.trace(machine), run.retval) == (([wanted], 0), len(wanted))
    assert machine_calls.trace(machine) == ([], 0)


@pytest.mark.parametrize("text", ["%d %d %d %d", "%q", "%", "\x01"])
def test_refused_formats(machine: Any, text: str) -> None:
    assert load(printing(text), machine, ProgType.SCHED_CLS).test_run(bytes(14)).retval == (1 << 32) - 22
    assert machine_calls.trace(machine) == ([], 0)


def test_what_programs_see_is_settable(machine: Any) -> None:
    machine_calls.machine_set(machine, machine_calls.Setting.CPU, 1)
    machine_calls.machine_set(machine, machine_calls.Setting.CLOCK, 12345)
    assert load([*call("get_smp_processor_id"), asm.exit_()], machine).test_run(bytes(14)).retval == 1
    assert load([*call("ktime_get_ns"), asm.exit_()], machine).test_run(bytes(14)).retval == 12345
    chance = load([*call("get_prandom_u32"), asm.exit_()], machine)
    found = []
    for _ in range(2):
        machine_calls.machine_set(machine, machine_calls.Setting.SEED, 1)
        found.append([chance.test_run(bytes(14)).retval for _ in range(3)])
    assert found[0] == found[1] and len(set(found[0])) == 3
    for setting, value in ((machine_calls.Setting.CPU, 2), (99, 0)):
        with pytest.raises(KernelError, match="cannot set"):
            machine_calls.machine_set(machine, setting, value)


def test_many_packets_in_one_call(machine: Any) -> None:
    """The result is the packet's size and the time's seconds; a short packet is padded."""
    code = [SAVED, *call("ktime_get_ns"), asm.alu_imm(Alu.DIV, 0, 1_000_000_000), asm.alu_imm(Alu.MUL, 0, 1000),
            asm.load(4, 1, 6, 0), asm.alu(Alu.ADD, 0, 1), asm.exit_()]  # fmt: skip
    prog = load(code, machine, ProgType.SCHED_CLS)
    data = bytes(300)
    offsets, sizes = struct.pack("=3Q", 0, 10, 290), struct.pack("=3I", 100, 200, 10)
    times = struct.pack("=3Q", 1_000_000_000, 2_000_000_000, 3_000_000_000)
    retvals = bytearray(12)
    batch = program_calls.prog_run_many(prog.handle, data, offsets, sizes, times, retvals)
    assert (batch.done, batch.failure) == (3, None)
    assert struct.unpack("=3I", retvals) == (1100, 2200, 3014)
    outside = program_calls.prog_run_many(prog.handle, data, offsets, struct.pack("=3I", 100, 200, 11), None, retvals)
    assert (outside.done, outside.failure) == (2, 22)


def test_the_context_afterwards(machine: Any) -> None:
    """As the kernel's xdp_convert_buff_to_md: counted from where the metadata begins."""
    prog = load([SAVED, *call("xdp_adjust_meta", CTX, -8), asm.mov_imm(0, 2), asm.exit_()], machine, ProgType.XDP)
    run = prog.run(bytes(64), struct.pack("=6I", 0, 64, 0, 1, 0, 0))
    assert struct.unpack("=6I", run.ctx) == (8, 72, 0, 1, 0, 0)


def test_packets_of_any_size_in_one_call(machine: Any) -> None:
    """Short ones are padded, long ones cut; only what is in the VM can be called so."""
    prog = load([asm.load(4, 0, 1, 0), asm.exit_()], machine, ProgType.SCHED_CLS)
    sizes, offsets, times = array("I", [3, program_calls.PACKET_MAX + 5]), array("Q", [0, 0]), array("Q", [0, 0])
    ran = run_many(prog, bytes(program_calls.PACKET_MAX + 5), *map(memoryview, (offsets, sizes, times)))
    assert ran.retvals.tolist() == [14, program_calls.PACKET_MAX] and ran.fault is None
    with pytest.raises(DataTypeError, match="no program of the embedded VM"):
        run_many(object(), b"", *map(memoryview, (offsets, sizes, times)))


def test_speed(machine: Any) -> None:
    """At least 50 million instructions a second, also while others use the processors: the best of some."""
    code = [
        asm.mov_imm(1, 1_000_000), asm.mov_imm(0, 1), asm.label(1), asm.store(8, asm.FRAME, -8, 0),
        asm.load(8, 2, asm.FRAME, -8), asm.alu_imm(Alu.ADD, 0, 3), asm.alu(Alu.XOR, 0, 2), asm.alu_imm(Alu.SUB, 1, 1),
        asm.branch_imm(asm.Jump.JNE, 1, 0, 1), asm.exit_(),
    ]  # fmt: skip
    prog = load(code, machine)

    def rate() -> float:
        begin = time.perf_counter()
        insns = prog.run(bytes(14)).insns
        return insns / (time.perf_counter() - begin)

    assert max(rate() for _ in range(5)) > 50e6


def test_sizes_of_contexts() -> None:
    """The core has the offsets of the contexts' fields, and their sizes."""
    from py2bpf.uapi.contexts import SkBuff, XdpMd

    assert (ctypes.sizeof(SkBuff), SkBuff.hwtstamp.offset, SkBuff.data_meta.offset) == (192, 184, 140)
    assert ctypes.sizeof(XdpMd) == 24
