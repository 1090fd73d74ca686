"""Instruction selection: lowered IR to machine code over virtual registers.

Comparisons are fused into the branches that use them, constants into immediates, constant offsets into
addresses; maps and stack addresses are made where they are used unless that is often.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import Final

from ...asm import SIZES, Alu, Class, Jump, Mode, Source, fits
from ...exception import InternalCompilerError, Span
from ...spec import ErrorSite
from ...uapi.helpers import HELPERS, INTERNAL
from ..ir.alignment import alignment, pieces
from ..ir.fold import signed
from ..ir.ops import INFO, MIRRORED, NEGATED, Op
from ..ir.types import Ptr, Region, Void
from ..ir.values import Block, Function, Value, const, plain
from . import machine as m
from .machine import FRAME, LEA, VIRTUAL, Machine, MachineBlock

_SHIFTS: Final = (Alu.LSH, Alu.RSH, Alu.ARSH)
_ALU: Final = {
    Op.ADD: Alu.ADD, Op.SUB: Alu.SUB, Op.MUL: Alu.MUL, Op.AND: Alu.AND, Op.OR: Alu.OR, Op.XOR: Alu.XOR,
    Op.UDIV: Alu.DIV, Op.UMOD: Alu.MOD, Op.SHL: Alu.LSH, Op.LSHR: Alu.RSH, Op.ASHR: Alu.ARSH,
}  # fmt: skip
_JUMP: Final = {
    Op.EQ: Jump.JEQ, Op.NE: Jump.JNE, Op.ULT: Jump.JLT, Op.ULE: Jump.JLE, Op.UGT: Jump.JGT, Op.UGE: Jump.JGE,
    Op.SLT: Jump.JSLT, Op.SLE: Jump.JSLE, Op.SGT: Jump.JSGT, Op.SGE: Jump.JSGE,
}  # fmt: skip
_OPPOSITE: Final = {jump: _JUMP[NEGATED[op]] for op, jump in _JUMP.items()}
"""The jump on the condition that holds where the given one doesn't."""
_FAR: Final = 1 << 15
"""Offsets in instructions end before it."""
_DEEPEST: Final = 64
"""So many conditions in one another are jumps; of more a number is computed."""
_PIECE: Final = 8
"""The bytes of the widest access."""
_KFUNCS: Final = {
    Op.ITER_NEW: "bpf_iter_num_new", Op.ITER_NEXT: "bpf_iter_num_next", Op.ITER_DESTROY: "bpf_iter_num_destroy",
}  # fmt: skip
_UNALIGNED: Final = platform.machine() in ("x86_64", "aarch64", "ppc64le", "s390x")
"""The processors on which the kernel has CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS."""
_SHARE: Final = 3
"""From so many uses on, a map or stack address gets a register of its own: 2 + n slots instead of 2 n."""


class Selection:
    """The result: machine blocks, and how many virtual registers they use. ``errors`` are the whole program's,
    ``raised`` the numbers of those that this function raises."""

    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.blocks: list[MachineBlock] = []
        self.registers = VIRTUAL
        self.exit_used = False
        self.errors: dict[ErrorSite, Span | None] = {}
        self.raised: set[int] = set()


class Selector:
    """Selects one function; ``slots`` numbers the stack objects, ``errors`` are those of the functions before."""

    def __init__(
        self, fn: Function, depths: dict[Block, int], slots: dict[Value, int], errors: dict[ErrorSite, Span | None]
    ) -> None:
        self.fn = fn
        self.depths = depths
        self.slots = slots
        self.result = Selection(fn)
        self.result.errors = errors
        self.registers: dict[Value, int] = {}
        self.out: list[Machine] = []
        self.span: Span | None = None
        self.unless = False  # whether the block's branch goes away where its condition doesn't hold
        self.labels = 0
        self.uses: dict[Value, int] = {}
        self.plain_uses: dict[Value, int] = {}
        self.tested: set[Value] = set()  # conjunctions that a select tests bit by bit
        self.stored: set[Value] = set()  # choices that are stored
        self._count_uses()

    def _count_uses(self) -> None:
        """All uses, and those that need the value in a register (not fused into a branch or an address).

        Users are met before what they use, but for phis, whose uses are always plain.
        """
        for block in self.fn.blocks:
            for phi in block.phis:
                self._count(phi)
        for block in reversed(self.fn.blocks):
            for value in reversed(block.body):
                self._count(value)

    def _count(self, user: Value) -> None:
        if user.op is Op.STORE:
            self.stored.add(plain(user.args[1]))
        for position, arg in enumerate(user.args):
            self.uses[arg] = self.uses.get(arg, 0) + 1
            if not self._fused(user, position, arg):
                self.plain_uses[arg] = self.plain_uses.get(arg, 0) + 1
            elif user.op is Op.SELECT and arg.op is Op.AND:
                self.tested.add(arg)

    def _fused(self, user: Value, position: int, arg: Value) -> bool:
        steers = user.op in (Op.BRANCH, Op.GUARD) or (user.op is Op.SELECT and position == 0)
        if INFO[arg.op].compare:
            return steers or self._taken_apart(user)
        if arg.op in (Op.AND, Op.OR) and (steers or self._taken_apart(user)):
            testable = arg.op is Op.AND and user.op in (Op.BRANCH, Op.SELECT)
            return testable or (self._is_condition(arg) and user.op is not Op.SELECT)
        if user.op in _KFUNCS:  # its place on the stack is worth no register
            return position == 0
        if arg.op in (Op.ALLOCA, Op.PTRADD):
            accesses = user.op in (Op.LOAD, Op.STORE, Op.ZERO, Op.COPY, Op.ATOMIC)
            return user.op is Op.LOOP or (accesses and (position == 0 or user.op is Op.COPY))
        return False

    def _taken_apart(self, value: Value) -> bool:
        """Whether only branches use the condition, so that its parts are needed in no register."""
        return self._is_condition(value) and not self.plain_uses.get(value) and value not in self.tested

    def _is_condition(self, value: Value) -> bool:
        """A conjunction or disjunction of comparisons, which a branch can take apart. Of as many as a branch can name,
        since each takes a step into the other."""
        return value.op in (Op.AND, Op.OR) and self._is_tree(value, _DEEPEST)

    def _is_tree(self, value: Value, depth: int) -> bool:
        inner = value.op in (Op.AND, Op.OR) and depth > 0
        return inner and all(INFO[arg.op].compare or self._is_tree(arg, depth - 1) for arg in value.args)

    def _takes_several_jumps(self, end: Value) -> bool:
        return end.op is Op.BRANCH and self._is_condition(end.args[0])

    def run(self) -> Selection:
        for block, following in zip(self.fn.blocks, (*self.fn.blocks[1:], None), strict=True):
            self._block(block, following)
        self.result.registers = max(self.result.registers, VIRTUAL)
        return self.result

    def _block(self, block: Block, following: Block | None) -> None:
        code = MachineBlock(block, self.depths[block])
        self.unless = self._takes_several_jumps(block.end) and block.succs[0] is following
        self.wide: dict[int, int] = {}
        self.result.blocks.append(code)
        self.out = code.code
        for value in block.body:
            self.span = value.span
            handler = _HANDLERS.get(value.op)
            if handler is None:
                raise InternalCompilerError("codegen", f"no instruction for {value!r}", value.span)
            handler(self, value)
        end = block.end
        for succ in block.succs:
            if succ.phis:
                self._copies(succ, succ.preds.index(block))
        code.succs = list(block.succs)
        if end.op is Op.JUMP:
            code.next = end.attr[0]
        elif end.op is Op.BRANCH:
            code.next = end.attr[not self.unless]
        elif end.op is Op.EXIT:
            code.next = self._exit_label(end)

    def _copies(self, target: Block, edge: int) -> None:
        """The arguments of the target's phis into the phis' registers, all at once."""
        pending: dict[int, int] = {}
        others: list[tuple[int, Value]] = []
        for phi in target.phis:
            arg = phi.args[edge]
            arg = plain(arg)
            if arg.op is Op.CONST or self._is_light(arg):
                others.append((self.define(phi), arg))
            elif self.define(phi) != self.define(arg):
                pending[self.define(phi)] = self.define(arg)
        while pending:
            dst = next((d for d in pending if d not in pending.values()), None)
            if dst is None:  # a cycle: save one register that is about to be overwritten
                dst, saved = next(iter(pending)), self.fresh()
                self.put(m.move(saved, dst))
                pending = {d: saved if s == dst else s for d, s in pending.items()}
            self.put(m.move(dst, pending.pop(dst)))
        for register, arg in others:
            self.into(register, arg)

    # registers

    def fresh(self) -> int:
        number = self.result.registers
        self.result.registers += 1
        return number

    def put(self, instruction: Machine) -> None:
        instruction.span = self.span
        self.out.append(instruction)
        if instruction.kind == m.LABEL:  # what was loaded just before may have been jumped over
            self.wide.clear()

    def define(self, value: Value) -> int:
        """The register that holds a value."""
        number = self.registers.get(value)
        if number is None:
            number = self.registers[value] = self.fresh()
        return number

    def reg(self, value: Value) -> int:
        """A register with the value in it; constants, maps and stack addresses are made on the spot."""
        if value.op is Op.CONST:
            return self._constant(signed(value.attr))
        if value.op is Op.CAST:
            return self.reg(value.args[0])
        if self._is_light(value) and not self._shared(value):
            number = self.fresh()
            self.put(self._make(value, number))
            return number
        return self.define(value)

    def _constant(self, number: int) -> int:
        """A register with a constant; wide ones, which take two slots, are loaded once a block."""
        wide = not -(1 << 31) <= number < 1 << 32
        register = self.wide.get(number) if wide else None
        if register is None:
            register = self.fresh()
            self.put(m.mov_imm(register, number))
            if wide:
                self.wide[number] = register
        return register

    def into(self, register: int, value: Value) -> None:
        """Puts a value into a given register."""
        value = plain(value)
        if value.op is Op.CONST:
            self.put(m.mov_imm(register, signed(value.attr)))
        elif self._is_light(value) and not self._shared(value):
            self.put(self._make(value, register))
        else:
            self.put(m.move(register, self.define(value)))

    def _shared(self, value: Value) -> bool:
        return self.plain_uses.get(value, 0) >= _SHARE

    @staticmethod
    def _is_light(value: Value) -> bool:
        """A map, or a place on the stack: made from nothing wherever it is needed."""
        while value.op is Op.PTRADD and value.args[1].op is Op.CONST:
            value = value.args[0]
            if value.op is Op.ALLOCA:
                return True
        return value.op in (Op.MAP, Op.FUNC, Op.ALLOCA)

    def _make(self, value: Value, register: int) -> Machine:
        if value.op is Op.MAP:
            return Machine(m.LD_MAP, m.WIDE_IMM, register, ref=value.attr, writes=(register,))
        if value.op is Op.FUNC:
            number = self.fn.subprograms.index(value.attr)
            return Machine(m.LD_FUNC, m.WIDE_IMM, register, ref=number, writes=(register,))
        offset = 0
        while value.op is Op.PTRADD:
            offset += value.args[1].attr
            value = value.args[0]
        return Machine(LEA, 0, register, off=offset, slot=self.slots[value], writes=(register,))

    def immediate(self, value: Value) -> int | None:
        """The value as an immediate operand, if it is one."""
        value = plain(value)
        if value.op is Op.CONST:
            number = signed(value.attr)
            if fits(number):
                return number
        return None

    # arithmetic

    def shareable(self, value: Value) -> None:
        """Maps and stack addresses: a register only where they are used often."""
        if self._shared(value):
            self.put(self._make(value, self.define(value)))

    def map_value(self, value: Value) -> None:
        """Unlike a map, it is a base of addresses: a register for it serves all accesses."""
        register = self.define(value)
        self.put(Machine(m.LD_MAP_VALUE, m.WIDE_IMM, register, ref=value.attr, writes=(register,)))

    def context(self, value: Value) -> None:
        self.put(m.move(self.define(value), 1))

    def parameter(self, value: Value) -> None:
        self.put(m.move(self.define(value), value.attr))

    def call_subprogram(self, value: Value) -> None:
        for position, arg in enumerate(value.args):
            self.into(1 + position, arg)
        self.put(m.call_local(self.fn.subprograms.index(value.attr), len(value.args)))
        self._take_result(value)

    def binary(self, value: Value) -> None:
        if value.op in (Op.AND, Op.OR) and not self.plain_uses.get(value):
            return  # the branches that it steers take it apart
        left, right = value.args
        op = _ALU[value.op]
        if INFO[value.op].commutative and (left.op is Op.CONST or self._prefer_right(left, right)):
            left, right = right, left
        dst = self.define(value)
        number = self.immediate(right)
        if value.op is Op.AND and right.op is Op.CONST and right.attr == 0xFFFFFFFF:
            self.put(m.zero_extend(dst, self.reg(left)))
            return
        if number is not None and not (op in (Alu.DIV, Alu.MOD) and number < 0):
            self.into(dst, left)
            if op in _SHIFTS:
                number &= 63  # as of a register's; the kernel refuses others, even where nobody uses the result
            if op is Alu.SUB and fits(-number):
                op, number = Alu.ADD, -number
            self.put(m.alu_imm(op, dst, number))
            return
        second = self.reg(right)
        self.into(dst, left)
        self.put(m.alu(op, dst, second))

    def _prefer_right(self, left: Value, right: Value) -> bool:
        """Overwriting an operand that is used no more saves a copy."""
        return self.uses.get(left, 0) > 1 == self.uses.get(right, 0) and right.op is not Op.CONST

    def negative(self, value: Value) -> None:
        dst = self.define(value)
        self.into(dst, value.args[0])
        self.put(Machine(m.PLAIN, Class.ALU64 | Alu.NEG, dst, reads=(dst,), writes=(dst,)))

    def swap(self, value: Value) -> None:
        dst = self.define(value)
        self.into(dst, value.args[0])
        order = Source.X if sys.byteorder == "little" else Source.K
        bits = 8 * value.attr
        self.put(Machine(m.PLAIN, Class.ALU | Alu.END | order, dst, imm=bits, reads=(dst,), writes=(dst,)))

    def cast(self, value: Value) -> None:
        """The same register: nothing to do."""

    def comparison(self, value: Value) -> None:
        """A comparison's result as a number; where it only steers branches, they make it."""
        if self.plain_uses.get(value):
            self._either(value, value, const(1), const(0))

    def select(self, value: Value) -> None:
        self._either(value, *value.args)

    def _either(self, value: Value, condition: Value, yes: Value, no: Value) -> None:
        """One of two numbers: the second is moved over the first, unless a jump skips that.

        A 0 that may be stored comes first. The verifier follows the way with the second move, and the jump later.
        It tells bytes of the stack that are 0 from others, and a state with a 0 needs no walk after one with another
        number there, but not the other way round: each 0 that came second would double its walk."""
        op, first, number, register = self._operands(condition)
        if op is Jump.JSET and self.immediate(no) == 0 and value in self.stored:
            op, first, number, register = Jump.JNE, self._masked(first, number, register), 0, 0
        if self.immediate(no) == 0 and op in _OPPOSITE and (self.immediate(yes) is not None or value in self.stored):
            op, yes, no = _OPPOSITE[op], no, yes
        dst, other = self.define(value), self.immediate(no)
        second = self.reg(no) if other is None else 0
        self.into(dst, yes)
        done = self._local_label()
        self.put(self._compare(op, first, number, register, done))
        self._overwrite(m.move(dst, second) if other is None else m.mov_imm(dst, other), dst)
        self.put(m.label(done))

    def _masked(self, first: int, number: int | None, second: int) -> int:
        """What is tested bit by bit, in a register: there is no jump where none of the bits is set."""
        register = self.fresh()
        self.put(m.move(register, first))
        self.put(m.alu(Alu.AND, register, second) if number is None else m.alu_imm(Alu.AND, register, number))
        return register

    def _overwrite(self, instruction: Machine, dst: int) -> None:
        """A write that a jump may skip: the old contents stay alive up to it."""
        instruction.reads += (dst,)
        self.put(instruction)

    def _local_label(self) -> int:
        self.labels += 1
        return self.labels

    # conditions

    def _operands(self, condition: Value) -> tuple[Jump, int, int | None, int]:
        """A condition as (jump, register, immediate or None, register)."""
        if not INFO[condition.op].compare:
            if condition.op is Op.AND and not self.plain_uses.get(condition):
                return self._test(condition)
            return Jump.JNE, self.reg(condition), 0, 0
        op, (left, right) = condition.op, condition.args
        if left.op is Op.CONST:
            op, left, right = MIRRORED[op], right, left
        number = self.immediate(right)
        first = self.reg(left)
        return _JUMP[op], first, number, 0 if number is not None else self.reg(right)

    def _test(self, condition: Value) -> tuple[Jump, int, int | None, int]:
        left, right = condition.args
        number, first = self.immediate(right), self.reg(left)
        second = 0 if number is not None else self.reg(right)
        if self._is_moved(left) or self._is_moved(right):
            return Jump.JNE, self._masked(first, number, second), 0, 0
        return Jump.JSET, first, number, second

    def _is_moved(self, value: Value) -> bool:
        """Whether it is a number that is used elsewhere too, plus a constant: where JSET doesn't jump, the verifier
        (since Linux 6.17) forgets the range of what is tested, and then that of the number, of which it knows the
        distance."""
        value = plain(value)
        if value.op not in (Op.ADD, Op.SUB) or value.args[1].op is not Op.CONST:
            return False
        return self.uses.get(value.args[0], 0) > 1

    @staticmethod
    def _compare(op: Jump, first: int, number: int | None, second: int, target: Block | int) -> Machine:
        if number is not None:
            return m.branch_imm(op, first, number, target)
        return m.branch(op, first, second, target)

    def jump_if(self, condition: Value, target: Block | int) -> None:
        """Goes to ``target`` where the condition holds."""
        if self._is_condition(condition):
            first, second = condition.args
            if condition.op is Op.OR:
                self.jump_if(first, target)
                self.jump_if(second, target)
            else:
                skip = self._local_label()
                self.jump_unless(first, skip)
                self.jump_if(second, target)
                self.put(m.label(skip))
            return
        self.put(self._compare(*self._operands(condition), target))

    def jump_unless(self, condition: Value, target: Block | int) -> None:
        """Goes to ``target`` where the condition does not hold."""
        if self._is_condition(condition):
            first, second = condition.args
            if condition.op is Op.AND:
                self.jump_unless(first, target)
                self.jump_unless(second, target)
            else:
                skip = self._local_label()
                self.jump_if(first, skip)
                self.jump_unless(second, target)
                self.put(m.label(skip))
            return
        if not INFO[condition.op].compare:
            self.put(m.branch_imm(Jump.JEQ, self.reg(condition), 0, target))
            return
        op, (left, right) = NEGATED[condition.op], condition.args
        if left.op is Op.CONST:
            op, left, right = MIRRORED[op], right, left
        number = self.immediate(right)
        first_register = self.reg(left)
        second_register = 0 if number is not None else self.reg(right)
        self.put(self._compare(_JUMP[op], first_register, number, second_register, target))

    # memory

    def address(self, value: Value, offset: int, size: int) -> tuple[int, int, int | None]:
        """(base register, offset, stack object) of an access. An instruction holds offsets of 16 bits."""
        while value.op is Op.PTRADD and value.args[1].op is Op.CONST and -0x4000 < offset + value.args[1].attr < 0x4000:
            offset += value.args[1].attr
            value = value.args[0]
        if value.op is Op.ALLOCA:
            return FRAME, offset, self.slots[value]
        base = self.reg(value)
        if offset >= -_FAR and offset + size <= _FAR:
            return base, offset, None
        return self._moved(base, offset), 0, None

    def _moved(self, base: int, offset: int) -> int:
        """A register that points as many bytes behind another."""
        register = self.fresh()
        self.put(m.move(register, base))
        self.put(m.alu_imm(Alu.ADD, register, offset))
        return register

    def load(self, value: Value) -> None:
        offset, size, is_signed = value.attr
        dst = self.define(value)
        self._load(dst, size, *self.address(value.args[0], offset, size))
        if is_signed and size < 8:
            shift = 64 - 8 * size
            self.put(m.alu_imm(Alu.LSH, dst, shift))
            self.put(m.alu_imm(Alu.ARSH, dst, shift))

    def _load(self, dst: int, size: int, base: int, offset: int, slot: int | None) -> None:
        self.put(Machine(m.PLAIN, m.LOAD[size], dst, base, offset, reads=(base,), writes=(dst,), slot=slot))

    def store(self, value: Value) -> None:
        offset, size = value.attr
        stored = value.args[1]
        stored = plain(stored)
        if stored.op is Op.CONST:
            number = signed(stored.attr)
            if size < 8:
                number = signed(number << (64 - 8 * size)) >> (64 - 8 * size)
            if fits(number):
                self._store_imm(size, number, *self.address(value.args[0], offset, size))
                return
        register = self.reg(stored)
        self._store(size, register, *self.address(value.args[0], offset, size))

    def _store(self, size: int, register: int, base: int, offset: int, slot: int | None) -> None:
        self.put(Machine(m.PLAIN, m.STORE[size], base, register, offset, reads=(base, register), slot=slot))

    def _store_imm(self, size: int, number: int, base: int, offset: int, slot: int | None) -> None:
        self.put(Machine(m.PLAIN, m.STORE_IMM[size], base, 0, offset, number, reads=(base,), slot=slot))

    def zero(self, value: Value) -> None:
        offset, size = value.attr
        base, start, slot = self.address(value.args[0], offset, _PIECE)
        for at, piece in pieces(offset, offset, size, alignment(value.args[0])):
            if start + at > _FAR - _PIECE:
                base, start = self._moved(base, start + at), -at
            self._store_imm(piece, 0, base, start + at, slot)

    def copy(self, value: Value) -> None:
        to, source, size = value.attr
        to_base, to_offset, to_slot = self.address(value.args[0], to, size)
        base, offset, slot = self.address(value.args[1], source, size)
        strict = [_is_strict(pointer) for pointer in value.args]
        widest = min([alignment(pointer) for pointer, rule in zip(value.args, strict, strict=True) if rule], default=8)
        for at, piece in pieces(to if strict[0] else 0, source if strict[1] else 0, size, widest):
            register = self.fresh()
            self._load(register, piece, base, offset + at, slot)
            self._store(piece, register, to_base, to_offset + at, to_slot)

    def atomic(self, value: Value) -> None:
        offset, size, op = value.attr
        register = self.reg(value.args[1])
        base, offset, slot = self.address(value.args[0], offset, size)
        code = m.ATOMIC[size]
        self.put(Machine(m.PLAIN, code, base, register, offset, _ALU[op], reads=(base, register), slot=slot))

    def pointer(self, value: Value) -> None:
        if self._is_light(value):
            self.shareable(value)
            return
        if not self.plain_uses.get(value) and value.args[1].op is Op.CONST and self._folds(value):
            return
        dst = self.define(value)
        number = self.immediate(value.args[1])
        if number is not None:
            self.into(dst, value.args[0])
            self.put(m.alu_imm(Alu.ADD, dst, number))
            return
        second = self.reg(value.args[1])
        self.into(dst, value.args[0])
        self.put(m.alu(Alu.ADD, dst, second))

    @staticmethod
    def _folds(value: Value) -> bool:
        return bool(-0x2000 < value.args[1].attr < 0x2000)

    # calls

    def call(self, value: Value) -> None:
        for position, arg in enumerate(value.args):
            self.into(1 + position, arg)
        self.put(m.call(value.attr.id, len(value.args)))
        self._take_result(value)

    def iterator(self, value: Value) -> None:
        """bpf_iter_num_new(it, 0, count), bpf_iter_num_next(it), bpf_iter_num_destroy(it)."""
        self.into(1, value.args[0])
        if value.op is Op.ITER_NEW:
            self.put(m.mov_imm(2, 0))
            self.into(3, value.args[1])
        self.put(m.call_kfunc(self.fn.kfunc(_KFUNCS[value.op]), 3 if value.op is Op.ITER_NEW else 1))
        self._take_result(value)

    def loop(self, value: Value) -> None:
        """bpf_loop(count, callback, its context, 0)."""
        self.into(1, value.args[1])
        callback = self.fn.subprograms.index(value.attr)
        self.put(Machine(m.LD_FUNC, m.WIDE_IMM, 2, ref=callback, writes=(2,)))
        self.into(3, value.args[0])
        self.put(m.mov_imm(4, 0))
        self.put(m.call(INTERNAL["loop"].id, 4))
        self._take_result(value)

    def unseen(self, value: Value) -> None:
        """The upper half of a random number of 32 bits, twice: the verifier takes it for any number of 64 bits."""
        half, dst = self.fresh(), self.define(value)
        self.put(m.call(HELPERS["get_prandom_u32"].id, 0))
        self.put(m.move(half, 0))
        self.put(m.alu_imm(Alu.RSH, half, 32))
        self.put(m.move(dst, half))
        self.put(m.alu_imm(Alu.LSH, dst, 32))
        self.put(m.alu(Alu.OR, dst, half))

    def held(self, value: Value) -> None:
        self.put(m.mov_imm(self.define(value), signed(value.args[0].attr)))

    def hide(self, value: Value) -> None:
        """An addition of registers: that of a constant the verifier sees through."""
        number, zero = value.args
        dst, second = self.define(value), self.reg(zero)
        self.into(dst, number)
        self.put(m.alu(Alu.ADD, dst, second))

    def packet(self, value: Value) -> None:
        size, offset = value.attr
        index = self.reg(value.args[1]) if len(value.args) > 1 else None
        self.into(6, value.args[0])
        mode = Mode.ABS if index is None else Mode.IND
        reads = (6,) if index is None else (6, index)
        self.put(Machine(m.PLAIN, Class.LD | mode | SIZES[size], 0, index or 0, imm=offset, reads=reads,
                         writes=(0,), clobbers=m.CALLER_SAVED))  # fmt: skip
        self._take_result(value)

    def _take_result(self, value: Value) -> None:
        if self.uses.get(value) and not isinstance(value.type, Void):
            self.put(m.move(self.define(value), 0))

    # control

    def guard(self, value: Value) -> None:
        self.jump_unless(value.args[0], self._exit_label(value))

    def leave(self, value: Value) -> None:
        """The block's ``next`` says it."""

    def _exit_label(self, value: Value) -> int:
        """The local label of the code that counts what a guard or exit raises."""
        self.result.exit_used = True
        if not value.attr.error:
            return EXIT_LABEL
        span = value.span
        site = ErrorSite(span.filename if span else "", span.line if span else 0, value.attr.error)
        self.result.errors.setdefault(site, span)
        number = list(self.result.errors).index(site)
        self.result.raised.add(number)
        return error_label(number)

    def jump(self, value: Value) -> None:
        """The block's ``next`` says it."""

    def branch(self, value: Value) -> None:
        if self.unless:
            self.jump_unless(value.args[0], value.attr[1])
        else:
            self.jump_if(value.args[0], value.attr[0])

    def ret(self, value: Value) -> None:
        self.into(0, value.args[0])
        self.put(m.exit_())


_LENIENT: Final = frozenset({Region.VALUE, Region.MEM, Region.PACKET, Region.RECORD})
"""Memory that the verifier lets be accessed at any address."""
EXIT_LABEL: Final = 0
"""The local label of the stub that returns the hook's safe value."""
COUNT_LABEL: Final = -1
"""The local label of the stub that counts an error at the address in r1, and returns the safe value."""


def error_label(number: int) -> int:
    """The local label of the stub that counts error number ``number``."""
    return -2 - number


def _is_strict(pointer: Value) -> bool:
    """Whether the verifier wants accesses aligned: on the stack and in contexts, elsewhere as the processor does."""
    while pointer.op is Op.PTRADD:
        pointer = pointer.args[0]
    if pointer.op is Op.PHI:  # it may be on the stack on one of the paths
        return True
    known = isinstance(pointer.type, Ptr) and pointer.type.region in _LENIENT
    return not (known and _UNALIGNED)


_HANDLERS: Final[dict[Op, Callable[[Selector, Value], None]]] = {
    Op.CTX: Selector.context,
    Op.PARAM: Selector.parameter,
    Op.CALL_SUB: Selector.call_subprogram,
    **dict.fromkeys(_ALU, Selector.binary),
    **dict.fromkeys(_JUMP, Selector.comparison),
    Op.NEG: Selector.negative,
    Op.BSWAP: Selector.swap,
    Op.CAST: Selector.cast,
    Op.SELECT: Selector.select,
    Op.LOAD: Selector.load,
    Op.STORE: Selector.store,
    Op.ZERO: Selector.zero,
    Op.COPY: Selector.copy,
    Op.ATOMIC: Selector.atomic,
    Op.PTRADD: Selector.pointer,
    Op.MAP: Selector.shareable,
    Op.FUNC: Selector.shareable,
    Op.MAPVALUE: Selector.map_value,
    Op.ALLOCA: Selector.shareable,
    Op.CALL: Selector.call,
    Op.PACKET: Selector.packet,
    **dict.fromkeys(_KFUNCS, Selector.iterator),
    Op.HIDE: Selector.hide,
    Op.LOOP: Selector.loop,
    Op.UNSEEN: Selector.unseen,
    Op.HELD: Selector.held,
    Op.GUARD: Selector.guard,
    Op.JUMP: Selector.jump,
    Op.BRANCH: Selector.branch,
    Op.RETURN: Selector.ret,
    Op.EXIT: Selector.leave,
}
