"""What is known of values of several types that meet on the stack: whether they are true, and whether they are None.

Both are computed on the path that each comes from, where its type is known.
"""

from __future__ import annotations

from typing import Final, NoReturn

from ...exception import UnsupportedSyntax
from ..ir.ops import Op
from ..ir.types import I64, Ptr
from ..ir.values import Block, Value, const
from . import overrides
from .layout import is_array, is_char, is_chars, is_record, scalar
from .values import Abstract, Closure, Const, Context, KernelRef, Mixed, Option, Ref, Run, TupleOf, Unbound

_PLAIN: Final = (int, bool, float, str, bytes, tuple, type(None))


def refuse(value: Unbound) -> NoReturn:
    """For whoever asks more of values of several types than can be told."""
    raise UnsupportedSyntax(0, f"a value of several types can't be used here: {value.why}",
                            hints=("give it one type on every path, or test it with if",))  # fmt: skip


def use(value: Abstract, name: str) -> Abstract:
    """A variable's value; raises UnsupportedSyntax if it has none."""
    if isinstance(value, Unbound):
        raise UnsupportedSyntax(0, f"{name!r} can't be used here: {value.why}",
                                hints=("give it one value of one type on every path that leads here",))  # fmt: skip
    return value


def truth_at(block: Block, value: Abstract) -> Value | None:
    """``bool(value)`` at the end of a block; None where it takes more than an operation or two."""
    if isinstance(value, Mixed):
        return value.truth
    if isinstance(value, Const):
        return const(int(bool(value.obj))) if type(value.obj) in _PLAIN else None
    if isinstance(value, Run):
        return _differs(block, value.ir)
    if isinstance(value, Option):
        there, number = _differs(block, value.present), _differs(block, value.value)
        return _put(block, Op.AND, there, number)
    if isinstance(value, KernelRef):
        return _differs(block, value.address) if value.pointer else const(1)
    if isinstance(value, Ref):
        return _truth_of_object(block, value)
    if isinstance(value, TupleOf) and value.cls is tuple:
        return const(int(bool(value.items)))
    return const(1) if isinstance(value, (Closure, Context)) else None


def _truth_of_object(block: Block, ref: Ref) -> Value | None:
    """Of what is true by being there."""
    own = overrides.class_of(ref)
    if own is not None and any(overrides.lookup(own, name)[0] is not None for name in ("__bool__", "__len__")):
        return None
    text = is_chars(ref.ctype) and ref.text is not False
    number = scalar(ref.ctype) is not None and not is_char(ref.ctype)
    if text or number or not (is_record(ref.ctype) or is_array(ref.ctype)):
        return None
    if is_array(ref.ctype) and not ref.ctype._length_:
        return const(0)
    return _differs(block, ref.base) if ref.ptr.nullable else const(1)


def none_at(block: Block, value: Abstract) -> Value:
    """``value is None`` at the end of a block."""
    if isinstance(value, Mixed):
        return value.none
    if isinstance(value, Const):
        return const(int(value.obj is None))
    asked = none_where_null(value)
    return const(0) if asked is None else _put(block, Op.EQ, asked, const(0))


def none_where_null(value: Abstract) -> Value | None:
    """What is 0, or null, where the value is None; None for what never is, and for constants."""
    if isinstance(value, Option):
        return value.present
    if isinstance(value, Ref) and value.ptr.nullable:
        return value.base
    return value.address if isinstance(value, KernelRef) and value.pointer else None


def _differs(block: Block, value: Value) -> Value:
    """Whether it isn't 0, or null."""
    if value.op is Op.CONST and not isinstance(value.type, Ptr):
        return const(int(bool(value.attr)))
    return _put(block, Op.NE, value, const(0))


def _put(block: Block, op: Op, *args: Value) -> Value:
    made = Value(op, list(args), I64, None, block.end.span)
    block.body.insert(len(block.body) - 1, made)
    return made
