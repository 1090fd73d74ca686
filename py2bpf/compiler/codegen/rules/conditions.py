"""Comparisons, as jumps if they steer branches and as numbers otherwise; and choices between two numbers."""

from __future__ import annotations

from typing import Final

from ....asm import OPPOSITE, Alu, Jump
from ...ir.ops import INFO, MIRRORED, NEGATED, Op
from ...ir.values import Block, Value, const
from .. import machine as m
from ..machine import Machine
from ..patterns import immediate, is_condition
from ..selector import Rule, Selector

Test = tuple[Jump, int, int | None, int]
"""A condition as (jump, register, immediate or None, register)."""

_JUMP: Final = {
    Op.EQ: Jump.JEQ, Op.NE: Jump.JNE, Op.ULT: Jump.JLT, Op.ULE: Jump.JLE, Op.UGT: Jump.JGT, Op.UGE: Jump.JGE,
    Op.SLT: Jump.JSLT, Op.SLE: Jump.JSLE, Op.SGT: Jump.JSGT, Op.SGE: Jump.JSGE,
}  # fmt: skip


def steering(s: Selector, value: Value) -> bool:
    """ult x, y  ->  nothing   (only branches use it, and compare by themselves)"""
    return not s.uses.needs_register(value)


def truth(s: Selector, value: Value) -> bool:
    """ult x, y  ->  rd = 0; if rx >= ry goto La; rd = 1; La:"""
    return _either(s, value, value, const(1), const(0))


def select(s: Selector, value: Value) -> bool:
    """select x, y, z  ->  rd = ry; if rx != 0 goto La; rd = rz; La:"""
    return _either(s, value, *value.args)


def jump(s: Selector, condition: Value, target: Block | int, when: bool) -> None:
    """Goes to ``target`` if the truth of the condition is ``when``, by a jump for each of its parts."""
    if not is_condition(condition):
        s.put(_compare(*_test(s, condition, when), target))
        return
    first, second = condition.args
    if (condition.op is Op.OR) is when:  # either part decides
        jump(s, first, target, when)
        jump(s, second, target, when)
    else:
        skip = s.local_label()
        jump(s, first, skip, not when)
        jump(s, second, target, when)
        s.put(m.label(skip))


def _either(s: Selector, value: Value, condition: Value, yes: Value, no: Value) -> bool:
    """One of two numbers: the second is moved over the first, unless a jump skips that.

    A 0 that may be stored comes first. The verifier walks the path with the second move first, and the jump later. It
    distinguishes bytes of the stack that are 0 from others: a state with a 0 needs no walk after a state with another
    number there, but not the reverse. So each 0 that came second would double its work."""
    op, first, number, register = _test(s, condition, True)
    if immediate(no) == 0:
        stored = value in s.uses.stored
        if op is Jump.JSET and stored:
            op, first, number, register = Jump.JNE, _masked(s, first, number, register), 0, 0
        if op in OPPOSITE and (immediate(yes) is not None or stored):
            op, yes, no = OPPOSITE[op], no, yes
    dst, other = s.define(value), immediate(no)
    second = s.reg(no) if other is None else 0
    s.into(dst, yes)
    done = s.local_label()
    s.put(_compare(op, first, number, register, done))
    s.put(m.overwriting(m.move(dst, second) if other is None else m.mov_imm(dst, other)))
    s.put(m.label(done))
    return True


def _test(s: Selector, condition: Value, when: bool) -> Test:
    """The test that holds if the truth of the condition is ``when``."""
    if not INFO[condition.op].compare:
        if when and condition.op is Op.AND and not s.uses.needs_register(condition):
            return _bits(s, condition)
        return Jump.JNE if when else Jump.JEQ, s.reg(condition), 0, 0
    op, (left, right) = condition.op if when else NEGATED[condition.op], condition.args
    if left.op is Op.CONST:
        op, left, right = MIRRORED[op], right, left
    number = immediate(right)
    first = s.reg(left)
    return _JUMP[op], first, number, 0 if number is not None else s.reg(right)


def _bits(s: Selector, condition: Value) -> Test:
    """Whether two numbers have a bit in common. If JSET doesn't jump, the verifier (since Linux 6.17) forgets the range
    of the tested number, and then of other numbers at a known distance from it. A mask avoids that."""
    left, right = condition.args
    number, first = immediate(right), s.reg(left)
    second = 0 if number is not None else s.reg(right)
    if s.uses.is_moved(left) or s.uses.is_moved(right):
        return Jump.JNE, _masked(s, first, number, second), 0, 0
    return Jump.JSET, first, number, second


def _masked(s: Selector, first: int, number: int | None, second: int) -> int:
    """The tested bits in a register, since no jump tests that none of the bits is set."""
    register = s.fresh()
    s.put(m.move(register, first))
    s.put(m.alu(Alu.AND, register, second) if number is None else m.alu_imm(Alu.AND, register, number))
    return register


def _compare(op: Jump, first: int, number: int | None, second: int, target: Block | int) -> Machine:
    if number is not None:
        return m.branch_imm(op, first, number, target)
    return m.branch(op, first, second, target)


RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    **dict.fromkeys(_JUMP, (steering, truth)),
    Op.SELECT: (select,),
}
