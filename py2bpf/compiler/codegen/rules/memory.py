"""Loads, stores and pointers. Constant offsets become part of each access; places on the stack are offsets from r10."""

from __future__ import annotations

from typing import Final

from ....asm import Alu, fits
from ...ir.alignment import alignment, pieces
from ...ir.fold import signed
from ...ir.ops import Op
from ...ir.values import Value, plain
from .. import machine as m
from ..patterns import folds_into_accesses, immediate, is_light, is_strict
from ..selector import FAR, Rule, Selector
from .arith import ALU

_PIECE: Final = 8
"""The bytes of the widest access."""


def load_signed(s: Selector, value: Value) -> bool:
    """load x, offset=#o, bytes=4, signed  ->  rd = *(s32 *)(rx + #o)   (version 4 of the instruction set)"""
    offset, size, is_signed = value.attr
    if not (is_signed and size < _PIECE and s.isa.ldsx):
        return False
    dst = s.define(value)
    s.put(m.load_signed(size, dst, *s.address(value.args[0], offset, size)))
    return True


def load_extended(s: Selector, value: Value) -> bool:
    """load x, offset=#o, bytes=4, signed  ->  rd = *(u32 *)(rx + #o); rd <<= 32; rd s>>= 32"""
    offset, size, is_signed = value.attr
    if not (is_signed and size < _PIECE):
        return False
    dst, shift = s.define(value), 64 - 8 * size
    s.put(m.load(size, dst, *s.address(value.args[0], offset, size)))
    s.put(m.alu_imm(Alu.LSH, dst, shift))
    s.put(m.alu_imm(Alu.ARSH, dst, shift))
    return True


def load(s: Selector, value: Value) -> bool:
    """load x, offset=#o, bytes=4, unsigned  ->  rd = *(u32 *)(rx + #o)"""
    offset, size, _ = value.attr
    dst = s.define(value)
    s.put(m.load(size, dst, *s.address(value.args[0], offset, size)))
    return True


def store_immediate(s: Selector, value: Value) -> bool:
    """store x, #i, offset=#o, bytes=4  ->  *(u32 *)(rx + #o) = #i   (the stored bytes of i fit 32 bits)"""
    offset, size = value.attr
    stored = plain(value.args[1])
    if stored.op is not Op.CONST:
        return False
    unused = 64 - 8 * size
    number = signed(signed(stored.attr) << unused) >> unused
    if not fits(number):
        return False
    s.put(m.store_imm(size, number, *s.address(value.args[0], offset, size)))
    return True


def store(s: Selector, value: Value) -> bool:
    """store x, y, offset=#o, bytes=4  ->  *(u32 *)(rx + #o) = ry"""
    offset, size = value.attr
    register = s.reg(value.args[1])
    s.put(m.store(size, register, *s.address(value.args[0], offset, size)))
    return True


def zero(s: Selector, value: Value) -> bool:
    """zero x, offset=#o, bytes=12  ->  *(u64 *)(rx + #o) = 0; *(u32 *)(rx + #n) = 0"""
    offset, size = value.attr
    base, start, slot = s.address(value.args[0], offset, _PIECE)
    for at, piece in pieces(offset, offset, size, alignment(value.args[0])):
        if start + at > FAR - _PIECE:
            base, start = s.moved(base, start + at), -at
        s.put(m.store_imm(piece, 0, base, start + at, slot))
    return True


def copy(s: Selector, value: Value) -> bool:
    """copy x, y, to_offset=#o, from_offset=#n, bytes=8  ->  rd = *(u64 *)(ry + #n); *(u64 *)(rx + #o) = rd"""
    to, source, size = value.attr
    to_base, to_offset, to_slot = s.address(value.args[0], to, size)
    base, offset, slot = s.address(value.args[1], source, size)
    strict = [is_strict(pointer, s.isa) for pointer in value.args]
    widest = min([alignment(pointer) for pointer, rule in zip(value.args, strict, strict=True) if rule], default=8)
    for at, piece in pieces(to if strict[0] else 0, source if strict[1] else 0, size, widest):
        register = s.fresh()
        s.put(m.load(piece, register, base, offset + at, slot))
        s.put(m.store(piece, register, to_base, to_offset + at, to_slot))
    return True


def atomic(s: Selector, value: Value) -> bool:
    """atomic x, y, offset=#o, bytes=8, op=add  ->  lock *(u64 *)(rx + #o) += ry"""
    offset, size, op = value.attr
    register = s.reg(value.args[1])
    s.put(m.atomic(size, ALU[op], register, *s.address(value.args[0], offset, size)))
    return True


def made_where_used(s: Selector, value: Value) -> bool:
    """alloca bytes=8  ->  nothing   (maps, functions and places on the stack, unless they are used often)"""
    return is_light(value) and not s.uses.is_shared(value)


def made_once(s: Selector, value: Value) -> bool:
    """alloca bytes=8  ->  rd = r10; rd += #o   (maps, functions and places on the stack that are used often)"""
    if not is_light(value):
        return False
    s.put(s.made(value, s.define(value)))
    return True


def map_value(s: Selector, value: Value) -> bool:
    """mapvalue map=#n  ->  rd = map #n value + 0 ll   (unlike a map always in a register, as a base of addresses)"""
    s.put(m.ld_map_value(s.define(value), value.attr))
    return True


def folded(s: Selector, value: Value) -> bool:
    """ptradd x, #i  ->  nothing   (only loads and stores use it, and add i by themselves)"""
    return not s.uses.needs_register(value) and folds_into_accesses(value)


def pointer_immediate(s: Selector, value: Value) -> bool:
    """ptradd x, #i  ->  rd = rx; rd += #i   (i fits 32 bits)"""
    number = immediate(value.args[1])
    if number is None:
        return False
    dst = s.define(value)
    s.into(dst, value.args[0])
    s.put(m.alu_imm(Alu.ADD, dst, number))
    return True


def pointer_register(s: Selector, value: Value) -> bool:
    """ptradd x, y  ->  rd = rx; rd += ry"""
    dst, second = s.define(value), s.reg(value.args[1])
    s.into(dst, value.args[0])
    s.put(m.alu(Alu.ADD, dst, second))
    return True


_LIGHT: Final = (made_where_used, made_once)

# A pointer into the stack is never folded otherwise: if it is used often, its register serves other uses as well.
RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    Op.LOAD: (load_signed, load_extended, load),
    Op.STORE: (store_immediate, store),
    Op.ZERO: (zero,),
    Op.COPY: (copy,),
    Op.ATOMIC: (atomic,),
    **dict.fromkeys((Op.ALLOCA, Op.MAP, Op.FUNC), _LIGHT),
    Op.MAPVALUE: (map_value,),
    Op.PTRADD: (*_LIGHT, folded, pointer_immediate, pointer_register),
}
