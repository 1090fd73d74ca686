"""The BTF writer, checked by the reader, and by what the kernel shows of a program."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from py2bpf import asm
from py2bpf.asm import FRAME, Alu, Insn
from py2bpf.btf import Btf, Kind, writer
from py2bpf.btf.types import Array, FuncProto, Ref, Scalar, Struct
from py2bpf.exception import Span, VerifierError
from py2bpf.kernel import features, prog_load, syscalls
from py2bpf.kernel.features import Feature
from py2bpf.kernel.kernel_program import LoadedProgram, load
from py2bpf.programs import encode
from py2bpf.spec import FunctionSpec, ProgramSpec
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

kernel = pytest.mark.kernel
PACKET = bytes(14)
BPFTOOL = shutil.which("bpftool")


def test_types_are_read_back() -> None:
    w = writer.Writer()
    u32 = w.integer("unsigned int", 4)
    signed = w.integer("long", 8, signed=True)
    pointer = w.pointer(u32)
    array = w.array(u32, u32, 7)
    record = w.struct("pair", 16, [("a", u32, 0), ("b", pointer, 8)])
    fn = w.function("work", signed, [("x", u32), ("y", pointer)], 0)
    btf = Btf(w.blob())
    assert btf.type(u32) == Scalar(Kind.INT, "unsigned int", 4, False, False, 32)
    assert btf.type(signed) == Scalar(Kind.INT, "long", 8, True, False, 64)
    assert btf.type(array) == Array(Kind.ARRAY, "", u32, 7)
    pair = btf.type(record)
    assert isinstance(pair, Struct) and pair.size == 16
    assert [(m.name, m.type, m.bit_offset) for m in pair.members] == [("a", u32, 0), ("b", pointer, 64)]
    found = btf.type(fn)
    assert isinstance(found, Ref) and (found.name, found.kind, found.info) == ("work", Kind.FUNC, 0)
    proto = btf.type(found.target)
    assert isinstance(proto, FuncProto)
    assert [(p.name, p.type) for p in proto.params] == [("x", u32), ("y", pointer)]


@given(st.text(max_size=200))
def test_any_name_becomes_an_identifier(name: str) -> None:
    text = writer.identifier(name)
    assert text.isascii() and text.isidentifier() and len(text) <= 127


@pytest.mark.parametrize(
    ("name", "text"), [("count", "count"), ("<lambda>", "_lambda_"), ("f.<locals>.g", "f__locals__g"), ("9a", "_9a")]
)
def test_identifiers(name: str, text: str) -> None:
    assert writer.identifier(name) == text


def lines_of(btf: writer.ProgramBtf) -> list[tuple[int, str, str, int, int]]:
    """(slot, file, text, line, column) of every row."""
    reader = Btf(btf.blob)
    return [
        (slot, reader._string(file), reader._string(text), place >> 10, place & 1023)
        for slot, file, text, place in struct.iter_unpack("=4I", btf.line_info)
    ]


def described(spec: ProgramSpec) -> writer.ProgramBtf:
    return writer.program(spec, encode(spec).slot_of)


def spec(code: list[Insn], lines: list[Span | None], **extra: Any) -> ProgramSpec:
    return ProgramSpec("the program", SPECS[ProgType.SOCKET_FILTER], tuple(code), tuple(lines), (), **extra)


def test_a_row_where_the_line_changes(tmp_path: Path) -> None:
    source = tmp_path / "user.py"
    source.write_text("def f(ctx):\n    x = 1 << 40\n    return 'ü'\n")
    x, y = Span(str(source), 2, 8), Span(str(source), 3, 4)
    code = [asm.mov_imm(1, 1 << 40), asm.mov_imm(2, 3), asm.label(0), asm.mov_imm(0, 0), asm.exit_()]
    rows = lines_of(described(spec(code, [x, x, None, y, None])))
    assert rows == [(0, str(source), "x = 1 << 40", 2, 9), (3, str(source), "return 'ü'", 3, 5)]


def test_lines_without_source_and_beyond_the_format() -> None:
    far = Span("/nowhere.py", 1 << 30, 5000)
    rows = lines_of(described(spec([asm.mov_imm(0, 0), asm.exit_()], [None, far])))
    assert rows == [(0, "/nowhere.py", "", (1 << 22) - 1, 1023)]
    assert described(spec([asm.mov_imm(0, 0), asm.exit_()], [None, None])).line_info == b""


def test_a_source_that_changed_is_read_again(tmp_path: Path) -> None:
    source = tmp_path / "user.py"
    for text in ("first = 1", "the_second = 22"):
        source.write_text(text + "\n")
        program = spec([asm.mov_imm(0, 0), asm.exit_()], [Span(str(source), 1, 0)] * 2)
        assert lines_of(described(program))[0][2] == text


def looping(linkage: str = "work") -> ProgramSpec:
    """Adds 0 + 1 + ... + 9 in a callback of bpf_loop, whose context is a number on the stack."""
    code = [
        asm.store_imm(8, FRAME, -8, 0),
        asm.mov_imm(1, 10), asm.ld_func(2, 5), asm.mov(3, FRAME), asm.alu_imm(Alu.ADD, 3, -8), asm.mov_imm(4, 0),
        asm.call(181), asm.load(8, 0, FRAME, -8), asm.exit_(),
        asm.label(5), asm.load(8, 3, 2, 0), asm.alu(Alu.ADD, 3, 1), asm.store(8, 2, 0, 3),
        asm.mov_imm(0, 0), asm.exit_(),
    ]  # fmt: skip
    lines = [Span(__file__, 1, 0)] * 9 + [None] * 6
    return spec(code, list(lines), functions=(FunctionSpec(linkage, 9, 2),))


def test_a_callback_is_a_static_function() -> None:
    btf = described(looping("a callback"))
    reader = Btf(btf.blob)
    (first, main), (start, callback) = struct.iter_unpack("=2I", btf.func_info)
    found = [reader.type(number) for number in (main, callback)]
    assert [(f.name, f.info) for f in found if isinstance(f, Ref)] == [("the_program", 1), ("a_callback", 0)]
    assert (first, start) == (0, encode(looping()).slot_of[9])
    # A function without a line of its own has a row all the same: the kernel wants one.
    assert [row[0] for row in lines_of(btf)] == [0, start]


@kernel
def test_a_callback_runs() -> None:
    if not features.probe(Feature.HELPER_LOOP):
        pytest.skip("this kernel has no bpf_loop")
    with load(looping()) as program:
        assert program.test_run(PACKET).retval == 45


@kernel
@pytest.mark.any_kernel
def test_a_call_of_a_function_that_the_spec_does_not_list() -> None:
    code = [asm.call_local(3), asm.exit_(), asm.label(3), asm.mov_imm(0, 7), asm.exit_()]
    with load(spec(code, [Span(__file__, 1, 0)] * 5)) as program:
        assert program.test_run(PACKET).retval == 7


def refuse_btf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "btf_load", lambda blob: -22)


def plain(prog_type: ProgType = ProgType.SOCKET_FILTER) -> ProgramSpec:
    return replace(spec([asm.mov_imm(0, 5), asm.exit_()], [Span(__file__, 1, 0)] * 2), hook=SPECS[prog_type])


@kernel
@pytest.mark.any_kernel
@pytest.mark.parametrize("prog_type", SPECS)
def test_every_program_type_takes_it(prog_type: ProgType) -> None:
    with load(replace(plain(prog_type), code=(asm.mov_imm(0, 0), asm.exit_()))) as program:
        assert btf_id(program) > 0


def btf_id(program: LoadedProgram) -> int:
    """The member of struct bpf_prog_info behind the lists of functions."""
    return int(struct.unpack_from("=I", syscalls.get_info(program.handle, 224), 128)[0])


@kernel
def test_a_kernel_that_takes_no_btf(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_btf(monkeypatch)
    with load(plain()) as program:
        assert btf_id(program) == 0
        assert program.test_run(PACKET).retval == 5


@kernel
@pytest.mark.any_kernel
def test_a_kernel_that_takes_no_function_info(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace_rows(described(plain()))
    monkeypatch.setattr(writer, "program", lambda *args: broken)
    with load(plain()) as program:
        assert btf_id(program) == 0


def replace_rows(btf: writer.ProgramBtf) -> writer.ProgramBtf:
    return btf._replace(func_info=btf.func_info + struct.pack("=2I", 1, 4))


@kernel
def test_no_descriptor_is_left() -> None:
    load(plain()).close()
    before = os.listdir("/proc/self/fd")
    load(plain()).close()
    with pytest.raises(VerifierError):
        load(spec([asm.exit_()], [None]))
    assert os.listdir("/proc/self/fd") == before


@kernel
def test_the_log_shows_the_source() -> None:
    line = test_the_log_shows_the_source.__code__.co_firstlineno
    with pytest.raises(VerifierError) as caught:
        load(spec([asm.exit_()], [Span(__file__, line, 0)]))
    assert "; def test_the_log_shows_the_source()" in caught.value.log or "; @kernel" in caught.value.log
    assert caught.value.line == line


@kernel
@pytest.mark.unsanitized("runs bpftool, which does not end there")
def test_bpftool_shows_the_source(
    missing: Callable[[str], None], peer_output: Callable[..., str], tmp_path: Path
) -> None:
    if BPFTOOL is None:
        missing("bpftool is not installed")
    source = tmp_path / "user.py"
    source.write_text("def f(ctx):\n    return 5\n")
    with load(spec([asm.mov_imm(0, 5), asm.exit_()], [Span(str(source), 2, 4)] * 2)) as program:
        command = [BPFTOOL or "", "-j", "prog", "dump", "xlated", "id", str(program.info().id), "linum"]
        shown = json.loads(peer_output(command))
    assert shown[0]["proto"] == "long the_program(struct __sk_buff * ctx)"
    assert (shown[0]["src"], shown[0]["file"], shown[0]["line_num"]) == ("return 5", str(source), 2)


def test_the_record_sizes_are_the_core_s() -> None:
    assert (prog_load._FUNC_INFO, prog_load._LINE_INFO) == (struct.calcsize("=2I"), struct.calcsize("=4I"))
