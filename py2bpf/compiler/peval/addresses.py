"""addrof(): the places of objects, copies of numbers, and which variables' addresses a program takes.

The first ``addrof(x)`` of a variable that isn't in memory starts another attempt, which puts the variable there.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

from ...exception import TypeMismatch
from ...intrinsics import Pseudo
from ..bytecode.canonical import Op
from ..ir.values import Value, const
from . import arith, memory, variables
from .builder import Builder
from .decisions import Name, Restart
from .frames import Frame
from .machine import Machine
from .state import State
from .values import Abstract, CellId, Const, Null, OptionalInt, Ref, RuntimeInt, Variable


def enter(ev: Machine, frame: Frame, names: dict[str, Abstract], cells: dict[CellId, Abstract]) -> None:
    """At the start of a function, gives its variables whose address is taken their places, and stores parameters."""
    for code, name in sorted(ev.decisions.addressed, key=lambda each: each[1]):
        if code != frame.code:
            continue
        ident = (frame.path, name)
        slot = frame.slots[name] = ev.slots[ident] = ev.b.alloca(variables.SIZE)
        ev.b.store(slot, 0, variables.SIZE, const(0))
        if name in names:
            names[name] = variables.assigned(ev.b, slot, names[name])
        elif ident in cells:
            cells[ident] = variables.assigned(ev.b, slot, cells[ident])


def is_addressed(ev: Machine, state: State) -> bool:
    """Whether the value that is loaded onto the stack now is the argument of addrof()."""
    following = ev.following
    if following is None or following.op is not Op.CALL or following.arg != (1, ()):
        return False
    called = [slot for slot in state.stack[-2:] if not isinstance(slot, Null)]
    return len(called) == 1 and isinstance(called[0], Const) and _is_addrof(called[0].obj)


def _is_addrof(fn: object) -> bool:
    return isinstance(fn, Pseudo) and fn.__name__ == "addrof"


def address(ev: Machine, name: Name, slot: Value | None, held: dict[Any, Abstract], key: object) -> Abstract:
    """The argument of addrof() for the variable ``held[key]``: the place of a number, any other value itself. Ends the
    program if an OptionalInt is None."""
    value = held[key]
    if isinstance(value, Variable):
        return value.ref
    if not isinstance(value, OptionalInt) and not variables.is_number(value):
        return value
    if name not in ev.decisions.addressed:
        ev.decisions.addressed.add(name)
        raise Restart(f"the address of {name[1]} is taken")
    if isinstance(value, OptionalInt):
        value = held[key] = variables.assigned(ev.b, slot, RuntimeInt(arith.to_ir(ev.b, value)))
    return value.ref if isinstance(value, Variable) else value


def of_number(b: Builder, value: Abstract) -> Ref:
    """A copy in memory of a number that has no place."""
    ir = arith.to_ir(b, value)
    place = memory.new(b, ctypes.c_int64 if arith.int_type(ir).signed else ctypes.c_uint64, zero=False)
    b.store(place.base, 0, variables.SIZE, ir)
    return replace(place, copied=True, addressed=True)


def given_whole(value: Abstract, *instead: str) -> TypeMismatch:
    """The error for addrof() of an object that helpers take directly."""
    return TypeMismatch(
        0,
        f"addrof() needs a number or ctypes object, but this is {value.describe()}",
        hints=instead or ("helpers take it as it is",),
    )
