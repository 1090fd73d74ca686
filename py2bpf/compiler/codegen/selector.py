"""The machine code of one function during selection: which register holds which value, and how values get there.

This is the interface for the rules in ``rules/``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...asm import Alu, fits
from ...exception import Span
from ..ir.fold import signed
from ..ir.ops import Op
from ..ir.types import Void
from ..ir.values import Block, Function, Value, plain
from . import machine as m
from .exits import Exits
from .machine import FRAME, Machine, MachineBlock, MachineFunction
from .patterns import address_mode, is_light
from .target import Isa
from .uses import Uses

FAR: Final = 1 << 15
"""Offsets in instructions are below this."""


class Selector:
    """``slots`` numbers the stack objects. ``block`` is the current block, ``following`` the one after it."""

    def __init__(self, fn: Function, isa: Isa, slots: dict[Value, int], exits: Exits) -> None:
        self.fn = fn
        self.isa = isa
        self.slots = slots
        self.exits = exits
        self.uses = Uses(fn)
        self.code = MachineFunction(fn, exits)
        self.span: Span | None = None
        self.following: Block | None = None
        self._registers: dict[Value, int] = {}
        self._wide: dict[int, int] = {}  # the wide constants of this block, and their registers
        self._labels = 0

    def begin(self, block: Block, depth: int, following: Block | None) -> None:
        """Starts the code of a block, ``depth`` loops deep."""
        self.block = MachineBlock(block, depth, block.succs)
        self.code.blocks.append(self.block)
        self._out = self.block.code
        self._wide.clear()
        self.following = following

    def put(self, instruction: Machine) -> None:
        instruction.span = self.span
        self._out.append(instruction)
        if instruction.kind == m.LABEL:  # a jump to the label may have skipped the loads of constants before
            self._wide.clear()

    def local_label(self) -> int:
        self._labels += 1
        return self._labels

    # registers

    def fresh(self) -> int:
        """A new register."""
        return self.code.fresh()

    def define(self, value: Value) -> int:
        """The register that holds a value."""
        number = self._registers.get(value)
        if number is None:
            number = self._registers[value] = self.code.fresh()
        return number

    def reg(self, value: Value) -> int:
        """A register that holds the value; constants, maps and stack addresses are made here."""
        value = plain(value)
        if value.op is Op.CONST:
            return self._constant(signed(value.attr))
        if is_light(value) and not self.uses.is_shared(value):
            number = self.fresh()
            self.put(self.made(value, number))
            return number
        return self.define(value)

    def into(self, register: int, value: Value) -> None:
        """Puts a value into a given register."""
        value = plain(value)
        if value.op is Op.CONST:
            self.put(m.mov_imm(register, signed(value.attr)))
        elif is_light(value) and not self.uses.is_shared(value):
            self.put(self.made(value, register))
        else:
            self.put(m.move(register, self.define(value)))

    def take_result(self, value: Value) -> None:
        """Moves a call's result from r0 to the value's register, if the value is used."""
        if self.uses.is_used(value) and not isinstance(value.type, Void):
            self.put(m.move(self.define(value), 0))

    def _constant(self, number: int) -> int:
        """A register with a constant. Wide constants, which take two slots, are loaded once in each block."""
        wide = not fits(number) and not 0 <= number < 1 << 32
        register = self._wide.get(number) if wide else None
        if register is None:
            register = self.fresh()
            self.put(m.mov_imm(register, number))
            if wide:
                self._wide[number] = register
        return register

    # addresses

    def made(self, value: Value, register: int) -> Machine:
        """The instruction that makes a map, a function or a place on the stack without reading a register."""
        if value.op is Op.MAP:
            return m.ld_map(register, value.attr)
        if value.op is Op.FUNC:
            return m.ld_func(register, self.fn.subprograms.index(value.attr))
        offset = 0
        while value.op is Op.PTRADD:
            offset += value.args[1].attr
            value = value.args[0]
        return m.frame_address(register, self.slots[value], offset)

    def address(self, pointer: Value, offset: int, size: int) -> tuple[int, int, int | None]:
        """(base register, offset, stack object) of an access. An instruction holds offsets of 16 bits."""
        pointer, offset = address_mode(pointer, offset)
        if pointer.op is Op.ALLOCA:
            return FRAME, offset, self.slots[pointer]
        base = self.reg(pointer)
        if offset >= -FAR and offset + size <= FAR:
            return base, offset, None
        return self.moved(base, offset), 0, None

    def moved(self, base: int, offset: int) -> int:
        """A register that points ``offset`` bytes behind another."""
        register = self.fresh()
        self.put(m.move(register, base))
        self.put(m.alu_imm(Alu.ADD, register, offset))
        return register


Rule = Callable[[Selector, Value], bool]
"""Emits a value's instructions, or gives False if the rule does not fit. See ``rules/``."""
