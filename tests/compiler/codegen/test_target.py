"""What the instruction set of a target changes in the code."""

from __future__ import annotations

import pytest
from rule_rows import X86, assembly, check, function_of

from py2bpf.compiler.codegen.target import Isa, isa_for
from py2bpf.exception import InternalCompilerError
from py2bpf.spec import Target

V4 = Isa(unaligned=True, little_endian=True, ldsx=True)
BIG = Isa(unaligned=True, little_endian=False)
STRICT = Isa(unaligned=False, little_endian=True)

ROWS: dict[str, tuple[str, str, Isa]] = {
    "memory.load_signed: version 4 of the instruction set extends signs": ("""
        %3 = load i64 %0, offset=16, bytes=4, signed
        return %3
    """, """
            r0 = *(s32 *)(r1 + 16)
            exit
    """, V4),
    "memory.load: of eight bytes there is no such instruction": ("""
        %3 = load i64 %0, offset=16, bytes=8, signed
        return %3
    """, """
            r0 = *(u64 *)(r1 + 16)
            exit
    """, V4),
    "arith.swap: the other order of bytes": ("""
        %3 = bswap u64 %1, bytes=4
        return %3
    """, """
            r0 = *(u64 *)(r1 + 0)
            r0 = le32 r0
            exit
    """, BIG),
    "memory.copy: where the processor wants addresses aligned": ("""
        %3 = mapvalue value* map=0
        copy %3, %3, to_offset=4, from_offset=20, bytes=8
        return 0
    """, """
            r0 = map 0 value + 0 ll
            r1 = *(u32 *)(r0 + 20)
            *(u32 *)(r0 + 4) = r1
            r1 = *(u32 *)(r0 + 24)
            *(u32 *)(r0 + 8) = r1
            r0 = 0
            exit
    """, STRICT),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    ir, wanted, isa = ROWS[name]
    check(name, {name: (ir, wanted)}, isa)


@pytest.mark.parametrize(
    ("ir", "isa"),
    [
        ("%3 = alloca stack* bytes=8\n%4 = iter_new u64 %3, %1\nreturn 0", Isa(iterators=False)),
        ("%3 = alloca stack* bytes=8\niter_destroy %3\nreturn 0", Isa(iterators=False)),
        ("%3 = alloca stack* bytes=8\n%4 = loop i64 %3, %1, callback=callee\nreturn 0", Isa(loops=False)),
    ],
)
def test_what_the_target_lacks_is_no_instruction(ir: str, isa: Isa) -> None:
    """The passes make loops of what there is; where they would not, no kernel should get to see it."""
    assembly(function_of(ir), X86)
    with pytest.raises(InternalCompilerError, match=r"no rule for <(iter_new|iter_destroy|loop) "):
        assembly(function_of(ir), isa)


def test_the_instruction_set_follows_the_target() -> None:
    whole = isa_for(Target())
    assert whole.loops and whole.iterators and not whole.ldsx
    assert not isa_for(Target(bpf_loop=False)).loops
    assert not isa_for(Target(iterators=False)).iterators
