"""The last step: registers and stack places filled in, jumps named by labels, and the code that counts errors."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from ... import asm
from ...asm import Alu, Insn, Source
from ...exception import LimitExceeded, Span
from ..ir.values import Block
from . import layout, spills
from .exits import COUNT_LABEL, EXIT_LABEL, error_label
from .frame import SIZE, Frame
from .machine import FRAME, JUMP, LABEL, LEA, Machine, MachineBlock, MachineFunction
from .regalloc import Allocation

_REGISTER: Final = int(Source.X)
_GOTO: Final = asm.jump(0).code


class Emitter:
    """Turns allocated machine code into symbolic instructions and their source lines; blocks ``aside`` come last."""

    def __init__(
        self, code: MachineFunction, allocation: Allocation, frame: Frame, aside: Container[Block] = ()
    ) -> None:
        self.code = code
        self.aside = aside
        self.registers = allocation.registers
        self.frame = frame
        self.fallback = code.fn.hook.fallback
        self.error_map = len(code.fn.maps)
        self.insns: list[Insn] = []
        self.lines: list[Span | None] = []
        self.labels: dict[Block | int, int] = {}
        places = spills.share(code, allocation.spills)
        for number, place in enumerate(places):
            frame.spill(spills.FIRST + number, 8 * (place + 1))
        self.stack = frame.size + 8 * len(set(places))

    def run(self) -> tuple[tuple[Insn, ...], tuple[Span | None, ...]]:
        """Raises LimitExceeded if the spilled values do not fit the stack."""
        if self.stack > SIZE:
            span = spills.busiest(self.code)
            raise LimitExceeded(
                span.line if span else 0,
                f"the program needs {self.stack} bytes of stack, and BPF has {SIZE}; most of the numbers that wait "
                "there for their use are made here",
                span=span,
                hints=("use them sooner; list(array) copies an array as it is, tuple(array) makes numbers of 8 bytes",),
            )  # fmt: skip
        blocks = layout.arrange(self.code, self.registers, self.aside)
        for block, following in zip(blocks, (*blocks[1:], None), strict=True):
            self._block(block, following.label if following else None)
        if self.code.exits.used:
            self._exit_stubs()
        return self._referenced()

    def _block(self, block: MachineBlock, following: Block | None) -> None:
        self._label(block.label)
        for instruction in block.code:
            self._instruction(instruction)
        if block.next is not None and block.next is not following:
            span = block.code[-1].span if block.code else block.label.end.span
            self._add(asm.jump(self._number(block.next)), span)

    # instructions

    def _reg(self, number: int) -> int:
        return self.registers.get(number, number)

    def _number(self, target: Block | int) -> int:
        return self.labels.setdefault(target, len(self.labels))

    def _label(self, target: Block | int) -> None:
        self._add(asm.label(self._number(target)), None)

    def _add(self, insn: Insn, span: Span | None) -> None:
        self.insns.append(insn)
        self.lines.append(span)

    def _instruction(self, i: Machine) -> None:
        if i.kind == LABEL:
            assert i.target is not None
            self._label(i.target)
            return
        dst, src, off = self._reg(i.dst), self._reg(i.src), i.off
        if i.slot is not None:
            off += self.frame.offsets[i.slot]
        if i.kind == LEA:
            self._add(asm.mov(dst, FRAME), i.span)
            self._add(asm.alu_imm(Alu.ADD, dst, off), i.span)
        elif i.kind == JUMP:
            assert i.target is not None
            self._add(
                Insn(JUMP, i.code, dst, src if i.code & _REGISTER else 0, 0, i.imm, self._number(i.target)), i.span
            )
        else:
            self._add(Insn(i.kind, i.code, dst, src, off, i.imm, i.ref), i.span)

    def _exit_stubs(self) -> None:
        """Emits the targets of failing guards: for each error, code that loads the address of its counter, and once the
        code that counts and returns."""
        sites = self.code.exits.raised_here()
        if self.insns[-1].code == _GOTO:  # the error that the code before ends in comes first, and needs no jump to it
            sites.sort(key=lambda site: self._number(error_label(site[0])) != self.insns[-1].ref)
            if sites and self._number(error_label(sites[0][0])) == self.insns[-1].ref:
                del self.insns[-1], self.lines[-1]
        common = self._number(COUNT_LABEL)
        for number, span in sites:
            self._label(error_label(number))
            self._add(asm.ld_map_value(1, self.error_map, 8 * number), span)
            if number != sites[-1][0]:
                self._add(asm.jump(common), span)
        if sites:
            self._label(COUNT_LABEL)
            self._add(asm.mov_imm(2, 1), None)
            self._add(asm.atomic(8, Alu.ADD, 1, 0, 2), None)
        self._safe_return()

    def _safe_return(self) -> None:
        """Ends with the fallback result: uses an existing return of it if there is one, else emits one."""
        for at in range(len(self.insns) - 1):
            load, leave = self.insns[at], self.insns[at + 1]
            if leave == asm.exit_() and load == asm.mov_imm(0, self.fallback) and self._numbered_before(at):
                label = self.insns[at - 1].ref
                number = self._number(EXIT_LABEL)
                self.insns = [i._replace(ref=label) if i.kind == JUMP and i.ref == number else i for i in self.insns]
                if self.code.exits.raised:
                    self._add(asm.jump(label), None)
                return
        self._label(EXIT_LABEL)
        self._add(asm.mov_imm(0, self.fallback), None)
        self._add(asm.exit_(), None)

    def _numbered_before(self, at: int) -> bool:
        return at > 0 and self.insns[at - 1].kind == LABEL

    def _referenced(self) -> tuple[tuple[Insn, ...], tuple[Span | None, ...]]:
        """The code without unused labels, and with the others numbered in order."""
        used = {i.ref for i in self.insns if i.kind == JUMP}
        names: dict[int, int] = {}
        for insn in self.insns:
            if insn.kind == LABEL and insn.ref in used:
                names[insn.ref] = len(names)
        insns: list[Insn] = []
        lines: list[Span | None] = []
        for insn, line in zip(self.insns, self.lines, strict=True):
            if insn.kind == LABEL and insn.ref not in used:
                continue
            if insn.kind in (LABEL, JUMP):
                insn = insn._replace(ref=names[insn.ref])
            insns.append(insn)
            lines.append(line)
        return tuple(insns), tuple(lines)
