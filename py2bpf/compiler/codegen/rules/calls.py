"""Calls of helpers, of the kernel's functions and of subprograms, and loads from packets, which destroy registers too.

Arguments go to r1 to r5, the result comes in r0, and r0 to r5 are destroyed.
"""

from __future__ import annotations

from typing import Final

from ....asm import Alu
from ....uapi.helpers import HELPERS, INTERNAL
from ...ir.ops import Op
from ...ir.values import Value
from .. import machine as m
from ..selector import Rule, Selector

_KFUNCS: Final = {
    Op.ITER_NEW: "bpf_iter_num_new", Op.ITER_NEXT: "bpf_iter_num_next", Op.ITER_DESTROY: "bpf_iter_num_destroy",
}  # fmt: skip
_LOOP: Final = INTERNAL["loop"].id
_RANDOM: Final = HELPERS["get_prandom_u32"].id


def helper(s: Selector, value: Value) -> bool:
    """call x, y, helper=ktime_get_ns  ->  r1 = rx; r2 = ry; call ktime_get_ns; rd = r0"""
    _pass_arguments(s, value)
    s.put(m.call(value.attr.id, len(value.args)))
    s.take_result(value)
    return True


def subprogram(s: Selector, value: Value) -> bool:
    """call_sub x, y, function=a  ->  r1 = rx; r2 = ry; call La; rd = r0"""
    _pass_arguments(s, value)
    s.put(m.call_local(s.fn.subprograms.index(value.attr), len(value.args)))
    s.take_result(value)
    return True


def begin_counting(s: Selector, value: Value) -> bool:
    """iter_new x, y  ->  r1 = r10; r1 += #o; r2 = 0; r3 = ry; call kfunc #n; rd = r0"""
    if not s.isa.iterators:
        return False
    s.into(1, value.args[0])
    s.put(m.mov_imm(2, 0))
    s.into(3, value.args[1])
    s.put(m.call_kfunc(s.fn.kfunc(_KFUNCS[value.op]), 3))
    s.take_result(value)
    return True


def count(s: Selector, value: Value) -> bool:
    """iter_next x  ->  r1 = r10; r1 += #o; call kfunc #n; rd = r0"""
    if not s.isa.iterators:
        return False
    s.into(1, value.args[0])
    s.put(m.call_kfunc(s.fn.kfunc(_KFUNCS[value.op]), 1))
    s.take_result(value)
    return True


def loop(s: Selector, value: Value) -> bool:
    """loop x, y, callback=a  ->  r1 = ry; r2 = function La ll; r3 = r10; r3 += #o; r4 = 0; call 181; rd = r0"""
    if not s.isa.loops:
        return False
    s.into(1, value.args[1])
    s.put(m.ld_func(2, s.fn.subprograms.index(value.attr)))
    s.into(3, value.args[0])
    s.put(m.mov_imm(4, 0))
    s.put(m.call(_LOOP, 4))
    s.take_result(value)
    return True


def unseen(s: Selector, value: Value) -> bool:
    """unseen  ->  call get_prandom_u32; rx = r0; rx >>= 32; rd = rx; rd <<= 32; rd |= rx

    The upper half of a 32-bit random number, twice: for the verifier, it may be any 64-bit number."""
    half, dst = s.fresh(), s.define(value)
    s.put(m.call(_RANDOM, 0))
    s.put(m.move(half, 0))
    s.put(m.alu_imm(Alu.RSH, half, 32))
    s.put(m.move(dst, half))
    s.put(m.alu_imm(Alu.LSH, dst, 32))
    s.put(m.alu(Alu.OR, dst, half))
    return True


def packet_at_index(s: Selector, value: Value) -> bool:
    """packet x, y, bytes=2, offset=#o  ->  r6 = rx; r0 = *(u16 *)skb[ry + #o]; rd = r0"""
    if len(value.args) == 1:
        return False
    size, offset = value.attr
    index = s.reg(value.args[1])
    s.into(6, value.args[0])
    s.put(m.packet_load(size, offset, index))
    s.take_result(value)
    return True


def packet(s: Selector, value: Value) -> bool:
    """packet x, bytes=2, offset=#o  ->  r6 = rx; r0 = *(u16 *)skb[#o]; rd = r0"""
    size, offset = value.attr
    s.into(6, value.args[0])
    s.put(m.packet_load(size, offset))
    s.take_result(value)
    return True


def _pass_arguments(s: Selector, value: Value) -> None:
    for position, arg in enumerate(value.args):
        s.into(1 + position, arg)


RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    Op.CALL: (helper,),
    Op.CALL_SUB: (subprogram,),
    Op.ITER_NEW: (begin_counting,),
    Op.ITER_NEXT: (count,),
    Op.ITER_DESTROY: (count,),
    Op.LOOP: (loop,),
    Op.UNSEEN: (unseen,),
    Op.PACKET: (packet_at_index, packet),
}
