"""Comparisons that never hold: ``is None`` of a value that is never None, and ``==`` of a char array with bytes that
don't fit.

A place in the source may be evaluated many times, for each call of its function and each turn of an unrolled loop. The
user is warned only if the comparison is pointless each time.
"""

from __future__ import annotations

import ctypes
from typing import Final

from ...exception import NeverTrue
from ..ir.ops import Op
from ..ir.values import Function
from .builder import Builder
from .machine import Machine
from .naming import short
from .registry import Notice, Places
from .values import Abstract, Const, Ref, RuntimeInt

_LEAVE_OUT: Final = ("leave the test out, it is a number",)


def tell(places: Places, program: Function) -> None:
    """Adds the notices to the program after its evaluation."""
    program.notices += [(NeverTrue, span, *notice) for (span, _), notice in places.items() if notice is not None]


def none_test(ev: Machine, value: Abstract) -> None:
    """Notes a test ``value is None``. Arguments of a function give no notice: another caller may pass None."""
    if isinstance(value, Const) and value.obj is not None:
        return
    if not isinstance(value, RuntimeInt) or value.ir.op is Op.PARAM or (ev.frame is not None and ev.frame.gets(value)):
        _note(ev, None, None)
        return
    origin = ev.b.stand_ins.get(value.ir)
    _note(ev, None, ("this is never None", _LEAVE_OUT) if origin is None else origin)


def text_test(ev: Machine, chars: Ref, data: bytes) -> bool:
    """Whether a char array may equal constant bytes, or begin with them."""
    notice = _misfit(ctypes.sizeof(chars.ctype), data)
    _note(ev, data, notice)
    return notice is None


def _misfit(size: int, data: bytes) -> Notice | None:
    """Why no array of ``size`` chars can equal the bytes; None if one can."""
    if b"\0" in data:
        hint = "py2bpf.funcs.mem_eq(chars, b'...') compares bytes, NULs among them"
        return f"a text ends at its NUL, and so is never {short(data)}", (hint,)
    if len(data) > size:
        hint = f"where a longer text is cut to fit, with a NUL at its end, compare with {data[: size - 1]!r}"
        return f"an array of {size} chars never holds the {len(data)} bytes of {short(data)}", (hint,)
    return None


def stand_in(b: Builder, value: Abstract, default: int, instead: str) -> Abstract:
    """Notes that a number was read from a map which gives ``default`` for missing keys; ``instead`` is the hint."""
    if isinstance(value, RuntimeInt):
        b.stand_ins[value.ir] = (f"this is never None: a missing key is read as {default}", (instead,))
    return value


def _note(ev: Machine, constant: bytes | None, notice: Notice | None) -> None:
    if ev.b.span is not None:
        place, places = (ev.b.span, constant), ev.registry.compared
        places[place] = places.get(place, notice) if notice is not None else None
