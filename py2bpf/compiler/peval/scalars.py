"""Numbers in memory: widens them when they are read, truncates them when written, swaps bytes, handles bit fields."""

from __future__ import annotations

from typing import Any

from ...exception import TypeMismatch
from ..ir.alignment import alignment
from ..ir.ops import Op
from ..ir.types import I64, U64, Ptr, Region
from ..ir.values import Value, const
from . import arith, hints
from .builder import Builder
from .layout import Scalar, scalar
from .naming import type_name
from .values import Abstract


def of(ctype: Any) -> Scalar:
    """The layout of a number's type; raises TypeMismatch for any other type."""
    kind = scalar(ctype)
    if kind is None:
        raise no_number(ctype)
    return kind


def no_number(ctype: Any) -> TypeMismatch:
    """The error for a type that is not a number."""
    return TypeMismatch(
        0, f"{type_name(ctype)} is not a type that BPF programs can compute with", hints=hints.no_number(ctype)
    )


def load(b: Builder, base: Value, offset: int, kind: Scalar) -> Value:
    """The number in memory, widened."""
    if _misaligned(base, offset, kind.size):
        ir = _load_bytes(b, base, offset, kind)
    else:
        ir = b.load(base, offset, kind.size, kind.signed and not kind.swapped)
    if not kind.swapped:
        return ir
    ir = b.emit(Op.BSWAP, [ir], U64 if kind.size == 8 else I64, kind.size)
    return b.emit(Op.TRUNC, [ir], I64, (kind.size, True)) if kind.signed else ir


def narrowed(b: Builder, ir: Value, ctype: Any) -> Abstract:
    """A number of a C type in a register whose upper bits are undefined, widened."""
    kind = of(ctype)
    if kind.size == 8:
        return arith.from_ir(b.emit(Op.CAST, [ir], I64) if kind.signed else arith.as_u64(b, ir))
    return arith.from_ir(b.emit(Op.TRUNC, [ir], I64, (kind.size, kind.signed)))


def store(b: Builder, base: Value, offset: int, kind: Scalar, ir: Value) -> None:
    """Writes the low bytes of a number."""
    if kind.kind == "bool":
        ir = arith.to_bool(b, ir)
    if kind.swapped:
        ir = b.emit(Op.BSWAP, [ir], U64 if kind.size == 8 else I64, kind.size)
    if not _misaligned(base, offset, kind.size):
        b.store(base, offset, kind.size, ir)
        return
    for i in range(kind.size):
        b.store(base, offset + i, 1, b.emit(Op.LSHR, [arith.as_u64(b, ir), const(8 * i)], U64))


def _misaligned(base: Value, offset: int, size: int) -> bool:
    """Whether an access breaks the natural alignment that the verifier requires on the stack of every architecture."""
    on_stack = isinstance(base.type, Ptr) and base.type.region is Region.STACK
    return on_stack and (offset % size != 0 or alignment(base) < size)


def _load_bytes(b: Builder, base: Value, offset: int, kind: Scalar) -> Value:
    type = U64 if kind.size == 8 else I64
    ir = b.load(base, offset, 1, False)
    for i in range(1, kind.size):
        part = b.emit(Op.SHL, [b.load(base, offset + i, 1, False), const(8 * i)], type)
        ir = b.emit(Op.OR, [ir, part], type)
    return b.emit(Op.TRUNC, [ir], I64, (kind.size, True)) if kind.signed and not kind.swapped else ir


def _check_bits(kind: Scalar, bits: tuple[int, int]) -> None:
    """Refuses bit fields outside of their own type, which ctypes before 3.14 makes for some mixed types."""
    if sum(bits) > 8 * kind.size:
        raise outside_of_type()


def outside_of_type() -> TypeMismatch:
    return TypeMismatch(
        0,
        "this Python's ctypes puts the bit field outside of its type",
        hints=("give neighbouring bit fields the same type",),
    )


def load_bits(b: Builder, base: Value, offset: int, kind: Scalar, bits: tuple[int, int]) -> Value:
    _check_bits(kind, bits)
    low, width = bits
    unit = Scalar(kind.size, False, "int", kind.swapped)
    ir = arith.as_u64(b, load(b, base, offset, unit))
    if not kind.signed:
        ir = b.emit(Op.AND, [b.emit(Op.LSHR, [ir, const(low)], U64), const((1 << width) - 1)], U64)
        return ir if width == 64 else b.emit(Op.CAST, [ir], I64)
    ir = b.emit(Op.CAST, [b.emit(Op.SHL, [ir, const(64 - low - width)], U64)], I64)
    return b.emit(Op.ASHR, [ir, const(64 - width)], I64)


def store_bits(b: Builder, base: Value, offset: int, kind: Scalar, bits: tuple[int, int], ir: Value) -> None:
    _check_bits(kind, bits)
    low, width = bits
    mask = ((1 << width) - 1) << low
    unit = Scalar(kind.size, False, "int", kind.swapped)
    old = arith.as_u64(b, load(b, base, offset, unit))
    kept = b.emit(Op.AND, [old, const(~mask & ((1 << 64) - 1))], U64)
    moved = b.emit(Op.SHL, [arith.as_u64(b, ir), const(low)], U64)
    new_bits = b.emit(Op.AND, [moved, const(mask)], U64)
    store(b, base, offset, unit, b.emit(Op.OR, [kept, new_bits], U64))
