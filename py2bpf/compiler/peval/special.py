"""Operations that a user's class defines by its own methods: the program calls them, in the order of Python's rules.
Each function here gives None if the built-in types' meaning applies."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable
from typing import Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ..ir.values import Block, Value
from . import arith, classes, kernel_side, overrides, presence
from .builder import PathEnds
from .machine import Machine
from .merging import Merger
from .state import State
from .values import Abstract, Const, Ref, TupleOf

_ASIDE: Final = Const(NotImplemented)
_ANY_BITS: Final = (enum.KEEP, enum.EJECT)


def call(ev: Machine, state: State, fn: types.FunctionType, *args: Abstract) -> Abstract:
    """Calls a method of a user's class. One instruction may make several such calls."""
    return apply(ev, state, Const(fn), *args)


def apply(ev: Machine, state: State, callee: Abstract, *args: Abstract) -> Abstract:
    """Calls anything that can be called, as part of the current instruction."""
    assert ev.frame is not None
    ev.frame.operations += 1
    return ev.call(state, callee, args, {}, -ev.frame.operations)


def ask(ev: Machine, state: State, name: str, owner: Abstract, *args: Abstract) -> Abstract | None:
    """``type(owner).name(owner, *args)``."""
    if _all_constant(owner, *args):
        fn = overrides.written(owner, name)
        return call(ev, state, fn, owner, *args) if fn is not None and runs(fn, owner) else None
    fn = method_of(ev, owner, name)
    return None if fn is None else call(ev, state, fn, owner, *args)


def method_of(ev: Machine, owner: Abstract, name: str) -> types.FunctionType | None:
    """The method ``name`` of the owner's class. Guards that the owner isn't None, where Python would raise a TypeError.
    """
    fn = overrides.own(owner, name)
    if fn is not None and isinstance(owner, Ref):
        ev.b.guard_not_null(owner.base, "TypeError")
    return fn


def _all_constant(*values: Abstract) -> bool:
    """Whether all values are constants, so that CPython can run the operation at compile time."""
    return all(isinstance(value, Const) for value in values)


def runs(fn: types.FunctionType, *args: Abstract) -> bool:
    """Whether a call on constants belongs into the program, since the function uses maps or helpers."""
    return kernel_side.touches_kernel(fn, ([arg.obj for arg in args if isinstance(arg, Const)], {}))


def binary(ev: Machine, state: State, op: str, left: Abstract, right: Abstract) -> Abstract | None:
    """``left op right``."""
    name = classes.BINARY[op]
    _check_flags(op, left, right)
    return _either_side(ev, state, op, (f"__{name}__", f"__r{name}__"), left, right, f"the operator {op}")


def compare(ev: Machine, state: State, op: str, left: Abstract, right: Abstract) -> Abstract | None:
    """A comparison. Values are unequal if neither side can compare them."""
    names = classes.COMPARISONS[op]
    if op == "!=" and any(_inverts(value) for value in (left, right)):
        equal = compare(ev, state, "==", left, right)
        return None if equal is None else _not(ev, state, equal)
    return _either_side(ev, state, op, names, left, right, "" if op in ("==", "!=") else f"the comparison {op}")


def _inverts(value: Abstract) -> bool:
    """Whether ``!=`` is the negation of the class's own ``==``, because the class inherits ``__ne__`` from object."""
    cls = value.python_class()
    inherited = cls is not None and classes.lookup(cls, "__ne__")[0] is object
    return inherited and overrides.own(value, "__eq__") is not None


def _not(ev: Machine, state: State, value: Abstract) -> Abstract:
    return arith.from_bool(arith.negate(ev.b, arith.to_bool(ev.b, ev.truth(state, value))))


def _either_side(
    ev: Machine, state: State, op: str, names: tuple[str, str], left: Abstract, right: Abstract, what: str
) -> Abstract | None:
    find = overrides.written if _all_constant(left, right) else overrides.own
    mine, reflected = find(left, names[0]), find(right, names[1])
    if (mine, reflected) == (None, None):
        return None
    if _all_constant(left, right) and not any(fn and runs(fn, left, right) for fn in (mine, reflected)):
        return None
    by_presence = _where_there(ev, state, op, (left, right), (mine, reflected), what)
    if by_presence is not None:
        return by_presence
    turns = [(mine, left, right), (reflected, right, left)]
    first, second = left.python_class(), right.python_class()
    if reflected is not None and left.boolean is None and issubclass(second, int):
        raise UnsupportedSyntax(
            0, f"the left side is a bool on one path and another number on another, and {second.__name__}.{names[1]}() "
            "is asked first where it is no bool", hints=("give int() of the left side",),
        )  # fmt: skip
    if first is second and names[1].startswith("__r"):
        turns = turns[:1]
    elif reflected is not None and first is not None and issubclass(second, first):
        turns = turns[::-1]
    for fn, owner, other in turns:
        if fn is None and _built_in(first, second):
            return None
        answer = _ASIDE if fn is None else call(ev, state, fn, owner, other)
        if not (isinstance(answer, Const) and answer.obj is NotImplemented):
            return answer
    if _built_in(first, second):
        return None
    if not what:
        return Const(names[0] == "__ne__")
    raise TypeMismatch(0, f"{what} is defined neither by {left.describe()} nor by {right.describe()} for the other",
                       hints=("let a method of one of their classes give a result",))  # fmt: skip


def _where_there(
    ev: Machine, state: State, op: str, sides: tuple[Abstract, Abstract],
    found: tuple[types.FunctionType | None, types.FunctionType | None], what: str,
) -> Abstract | None:
    """The operation if a side may be None and its class defines the method: two operations, of the object and of None,
    or a guard if None would only raise a TypeError. Gives None if no such side may be None."""
    for at, side in enumerate(sides):
        if found[at] is None or not isinstance(side, Ref) or not presence.may_be_null(ev.b, side):
            continue
        if what and found[1 - at] is None:
            ev.b.guard_not_null(side.base, "TypeError")
            continue
        other = (Const(None), sides[1]) if at == 0 else (sides[0], Const(None))
        return if_there(ev, state, side, functools.partial(_again, ev, op, sides),
                        functools.partial(_again, ev, op, other))  # fmt: skip
    return None


def _again(ev: Machine, op: str, sides: tuple[Abstract, Abstract], state: State) -> Abstract:
    return ev.operate(state, op, *sides)


def _built_in(first: Any, second: Any) -> bool:
    """Whether a built-in type defines the operation for both classes."""
    return first is not None and any(
        issubclass(first, kind) and issubclass(second, kind) for kind in (int, tuple, list, str, bytes)
    )


def _check_flags(op: str, left: Abstract, right: Abstract) -> None:
    for value in (left, right):
        flag = value.obj if isinstance(value, Const) and op in ("|", "^") and not _all_constant(left, right) else None
        if isinstance(flag, enum.IntFlag) and getattr(flag, "_boundary_", None) not in _ANY_BITS:
            raise UnsupportedSyntax(
                0, f"{type(flag).__name__} accepts only bits that have names, and a program can't check that",
                hints=("compute with its .value",),
            )  # fmt: skip


def truth(ev: Machine, state: State, value: Abstract) -> Abstract | None:
    """``bool(value)`` by ``__bool__``, or else by ``__len__``."""
    cls = value.python_class()
    if cls is None or cls in overrides.PLAIN:
        return None
    for name in ("__bool__", "__len__"):
        if classes.lookup(cls, name)[0] is not None:
            return _truth_by(ev, state, name, value)
    return None


def _truth_by(ev: Machine, state: State, name: str, value: Abstract) -> Abstract | None:
    """The truth by a method of the class; if the value is None, it is false without a call."""
    fn = overrides.own(value, name)
    if fn is None or not isinstance(value, Ref) or not presence.may_be_null(ev.b, value):
        return ask(ev, state, name, value)
    return if_there(ev, state, value, lambda there: call(ev, there, fn, value), lambda absent: Const(False))


_WALKS: Final = {TupleOf: ("__iter__",), Ref: ("__iter__", "__getitem__")}
"""The methods by which Python iterates over a tuple, and over a ctypes array."""


def refuse_iteration(value: Abstract, *more: str) -> None:
    """Refuses to iterate over run-time items if the class defines how, since programs read them from memory. ``more``:
    other methods that Python would call."""
    if not isinstance(value, (TupleOf, Ref)):
        return
    for name in (*_WALKS[type(value)], *more):
        if overrides.own(value, name) is not None:
            raise UnsupportedSyntax(
                0, f"{value.python_class().__name__}.{name}() can't go through run-time values",
                hints=("index the items, or name them",),
            )  # fmt: skip


def missing(ev: Machine, state: State, mapping: Any) -> Callable[[State, Abstract], Abstract] | None:
    """The function that a captured dict calls for a missing key; None if a missing key is a KeyError."""
    owner, found = classes.lookup(type(mapping), "__missing__")
    if owner is None:
        return None
    if hasattr(owner, "default_factory"):  # defaultdict, written in C
        factory = mapping.default_factory
        return None if factory is None else lambda state, key: made(ev, state, factory)
    if not isinstance(found, types.FunctionType):
        classes.method(type(mapping), "__missing__")
        return None
    return lambda state, key: call(ev, state, found, Const(mapping), key)


def made(ev: Machine, state: State, factory: Any) -> Abstract:
    """``factory()``."""
    assert ev.frame is not None
    ev.frame.operations += 1
    return ev.call(state, Const(factory), (), {}, -ev.frame.operations)


def either(
    ev: Machine, state: State, condition: Value, yes: Callable[[], Abstract], no: Callable[[State], Abstract]
) -> Abstract:
    """``yes()`` if the condition holds, else ``no()``; both may run any code."""
    return _in_two_ways(ev, state, condition, lambda _: yes(), no, None)


def if_there(
    ev: Machine, state: State, ref: Ref, yes: Callable[[State], Abstract], no: Callable[[State], Abstract]
) -> Abstract:
    """``yes()`` if the object is not None, else ``no()``; both may run any code."""
    return _in_two_ways(ev, state, ref.base, yes, no, ref.base)


def _in_two_ways(
    ev: Machine, state: State, condition: Value, yes: Callable[[State], Abstract], no: Callable[[State], Abstract],
    pointer: Value | None,
) -> Abstract:  # fmt: skip
    """Branches to ``yes()`` or ``no()`` and merges their states. ``pointer`` isn't null where ``yes()`` runs."""
    known, done, ends = ev.b.checked, Block(), []
    ways = ((Block(), state.copy(), yes), (Block(), state.copy(), no))
    ev.b.branch(condition, ways[0][0], ways[1][0])
    for block, there, way in ways:
        ev.b.start(block)
        ev.b.checked = known | {pointer} if way is yes and pointer is not None else known.copy()
        try:
            there.stack.append(way(there))
            ev.b.jump(done)
            ends.append(there)
        except PathEnds:
            pass
    if not ends:
        raise PathEnds
    ev.b.start(done)
    ev.b.checked = known
    merged = Merger(done).states(ends)
    result = merged.stack[-1]
    state.stack[:] = merged.stack[:-1]  # a caller may be about to add to it
    state.locals, state.cells, state.heap = merged.locals, merged.cells, merged.heap
    return result
