"""snprintf in the VM and in the kernel: what is written, the length that it tells, texts that lie where it writes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from vm_programs import Held, array_of, spec_of

from py2bpf import asm
from py2bpf.asm import Insn
from py2bpf.core.failures import checked
from py2bpf.exception import VerifierError
from py2bpf.kernel import bpf_call, map_commands, syscalls
from py2bpf.kernel import kernel_program as kernel_program
from py2bpf.sim.printk import formatted
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, map_calls, vm_program

SNPRINTF, FREEZE, READ_ONLY = 165, 22, 1 << 7
FORMAT_SIZE, MEMORY_SIZE = 512, 1024
TEXTS = 256
"""Where texts begin in the memory; the output goes to its beginning."""

MAPS = (array_of(FORMAT_SIZE, READ_ONLY), array_of(MEMORY_SIZE))
ZERO = bytes(4)
Argument = int | bytes | tuple[str, int]
Printed = tuple[int, bytes]


def printing(size: int, args: Sequence[Argument], out: int = 0) -> tuple[list[Insn], bytes]:
    """Calls snprintf with map 0 as the format; what map 1 must hold. ("at", n) is the address of its byte n."""
    memory, at, code = bytearray(MEMORY_SIZE), TEXTS, list[Insn]()
    for number, arg in enumerate(args):
        if isinstance(arg, bytes):
            memory[at : at + len(arg)] = arg
            code.append(asm.ld_map_value(1, 1, at))
            at += len(arg) + 1
        elif isinstance(arg, tuple):
            code.append(asm.ld_map_value(1, 1, arg[1]))
        else:
            code.append(asm.mov_imm(1, arg))
        code.append(asm.store(8, asm.FRAME, -96 + 8 * number, 1))
    code += [
        asm.ld_map_value(1, 1, out), asm.mov_imm(2, size), asm.ld_map_value(3, 0, 0), asm.mov(4, asm.FRAME),
        asm.alu_imm(asm.Alu.ADD, 4, -96), asm.mov_imm(5, 8 * len(args)), asm.call(SNPRINTF), asm.exit_(),
    ]  # fmt: skip
    return code, bytes(memory)


def in_kernel(code: list[Insn], text: bytes, memory: bytes) -> Printed | str:
    """The result and the memory afterwards; "refused" for what the verifier finds wrong with the format."""
    with ExitStack() as stack:
        maps = [stack.enter_context(syscalls.map_create(MapType.ARRAY, 4, len(value), 1, flags))
                for value, flags in ((text, READ_ONLY), (memory, 0))]  # fmt: skip
        for made, value in zip(maps, (text, memory), strict=True):
            map_commands.map_update(made, ZERO, value)
        checked(bpf_call.bpf(FREEZE, bytearray(4), (maps[0], 0)), "cannot freeze the map")
        try:
            loaded = kernel_program.load(spec_of(code, ProgType.SCHED_CLS, maps=MAPS), maps)
        except VerifierError as error:
            assert "Invalid format string" in str(error), error
            return "refused"
        with loaded:
            retval = loaded.test_run(bytes(64)).retval
        return retval, map_commands.map_lookup(maps[1], ZERO, len(memory)) or b""


def in_vm(code: list[Insn], text: bytes, memory: bytes) -> Printed | str:
    machine = machine_calls.machine_create(1)
    maps = [map_calls.map_create(machine, MapType.ARRAY, 4, len(value), 1, flags, 1)
            for value, flags in ((text, READ_ONLY), (memory, 0))]  # fmt: skip
    for handle, value in zip(maps, (text, memory), strict=True):
        map_calls.map_update(handle, ZERO, value, 0)
    handles: Any = [Held(handle) for handle in maps]
    with vm_program.load(spec_of(code, ProgType.SCHED_CLS, maps=MAPS), handles, machine) as loaded:
        retval = loaded.test_run(bytes(64)).retval
    after = map_calls.map_lookup(maps[1], ZERO, len(memory)) or b""
    return "refused" if retval == 2**32 - 22 else (retval, after)


CASES: dict[str, list[Argument]] = {
    "plain": [],
    "%d|%i|%u|%x|%X": [-1, -2147483648, -1, 0xBEEF, 0xBEEF],
    "%ld|%lld|%lu|%llu|%lx|%llX": [-1, -(1 << 63), -1, -1, 1 << 40, -1],
    "%5d|%-5d|%05d|%+d|% d|%+5d|%-+5d|%0+5d": [42] * 8,
    "%5d|%-5d|%05d|%+d|% d|%+5d|%-+5d|%- 5d": [-42] * 8,
    "%+u|% u|%+x|% X|%08x|%-8x|%8X": [42] * 7,
    "%-05d|%0-5d|%00005d|% 05d|%+ d": [7] * 5,
    "%c%c|%3c|%-3c|": [72, 105, 33, 34],
    "%s|%8s|%-8s|%08s|": [b"text"] * 4,
    "%s": [b"x" * 100],
    "%s-%s ": [b"x" * 300, b"y" * 300],
    "%s,%d": [b"x" * 300, 5],
    "%s,%s": [b"x" * 511, b"y"],
    "%s,%c": [b"x" * 512, 65],
    "%70d": [5],
    "%-70d|": [5],
    "%070d": [-5],
    "%300d": [5],
    "%65000d": [5],
    "%100000d": [5],
    "%px|%30px|%-30px|": [0xFEED, 0xFEED, 0xFEED],
    "%pks|%pus,%s.": [b"a", 0, b"b"],
    "%%|100%%|%d%%": [5],
    "tab\tline\n%d": [1],
    "%#x": [5],
    "%d": [],
    "%d %d": [1, 2, 3],
    "%": [1],
    "%q": [1],
    "%lc": [65],
    "%ls": [b"a"],
    "%llld": [1],
    "%hd": [1],
    "%.3d": [1],
    "%*d": [1, 2],
    "%sx": [b"a"],
    "%s_%s-%s": [b"a", b"b", b"c"],
    "%pZ": [1],
    "%pksx": [b"a"],
    "a\x01b": [],
    "a\x7fb": [],
    "%5%": [1],
    "%-": [1],
    "%5": [1],
    "%l": [1],
    "%p": [],
}  # fmt: skip


def padded(text: str) -> bytes:
    return text.encode("latin-1").ljust(FORMAT_SIZE, b"\0")


@pytest.mark.kernel
@pytest.mark.parametrize("size", [0, 1, 7, 64])
@pytest.mark.parametrize("text", CASES)
def test_the_kernel_agrees(text: str, size: int) -> None:
    code, memory = printing(size, CASES[text])
    assert in_vm(code, padded(text), memory) == in_kernel(code, padded(text), memory)


@pytest.mark.kernel
@pytest.mark.parametrize("text", ["caf\xc3\xa9 %d", "%s\xc3\xa9", "%s\xa0%s\xb7%s\xd7", "\x80\xff%d\x80", "%\x80"])
def test_text_that_is_no_ascii(text: str) -> None:
    """Old kernels refuse all of it."""
    code, memory = printing(64, [b"text" if "%s" in text else 5] * 3)
    assert in_kernel(code, padded(text), memory) in (in_vm(code, padded(text), memory), "refused")


OVERLAPPING: dict[str, tuple[str, list[Argument]]] = {
    "the text where it goes": ("%s", [("at", 0)]),
    "behind itself": ("ab%s", [("at", 0)]),
    "before itself": ("%s", [("at", 2)]),
    "twice": ("%s,%s", [("at", 0), ("at", 1)]),
    "a number before it": ("%d%s%s", [12345, ("at", 0), ("at", 3)]),
    "cut": ("%90s|%s", [("at", 0), ("at", 0)]),
}


@pytest.mark.kernel
@pytest.mark.parametrize("size", [4, 64])
@pytest.mark.parametrize("name", OVERLAPPING)
def test_a_text_inside_of_the_output(name: str, size: int) -> None:
    text, args = OVERLAPPING[name]
    code, memory = printing(size, args)
    memory = b"ABCDEFGHIJKLMNOP" + memory[16:]
    assert in_vm(code, padded(text), memory) == in_kernel(code, padded(text), memory)


@pytest.mark.parametrize("text", [text for text in CASES if "p" not in text])
def test_the_simulation_agrees(text: str) -> None:
    """On what is a format: the simulation takes the others for text."""
    code, memory = printing(TEXTS, CASES[text])
    found = in_vm(code, padded(text), memory)
    if isinstance(found, tuple) and found[0] <= TEXTS:
        retval, after = found
        assert formatted(text, iter(CASES[text])) == after[: retval - 1].decode("latin-1")


def test_a_format_inside_of_the_output() -> None:
    """The kernel has formats in read-only memory alone; the VM reads all of it before it writes."""
    code, memory = printing(64, [5, ("at", 0)])
    code[code.index(asm.ld_map_value(3, 0, 0))] = asm.ld_map_value(3, 1, 0)
    memory = b"%3d|%s\0".ljust(TEXTS, b"-") + memory[TEXTS:]
    retval, after = in_vm(code, padded(""), memory)
    assert (retval, after[:11]) == (11, b"  5|%3d|%s\0")
