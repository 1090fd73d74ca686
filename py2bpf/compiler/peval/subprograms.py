"""Large functions that are called often become BPF subprograms instead of being inlined.

A subprogram takes the context and up to four integers, is specialised on constant arguments, and returns an integer. If
Python may raise in it, its last parameter is the address of a raise flag. The subprogram sets the flag where Python
would raise, and the caller then ends the program.
"""

from __future__ import annotations

import types
from typing import Any, Final

from ...exception import TranslationError
from ..ir.loop_policy import SUBPROGRAM_CALLS, SUBPROGRAM_INSTRUCTIONS
from ..ir.natural_loops import find_loops
from ..ir.ops import Op
from ..ir.types import STACK, Int
from ..ir.values import Function, Value, const
from . import arith
from .builder import Builder, PathEnds
from .decisions import Called, Decisions, Restart
from .frames import Frame
from .machine import Machine
from .state import State
from .values import Abstract, Const, Context, RuntimeInt

MAX_INTEGERS: Final = 4
"""The most integer arguments: r2 to r5, since r1 holds the context."""
FLAG_BYTES: Final = 8


def check(decisions: Decisions, program: Function) -> None:
    """Starts another attempt without subprograms if the program uses BPF_LD_ABS, since the kernel allows only one of
    the two."""
    functions = (program, *program.subprograms)
    called = not all(function.callback for function in program.subprograms)  # with callbacks, loads become helper calls
    if called and any(v.op is Op.PACKET for f in functions for block in f.blocks for v in block.body):
        decisions.inline = True
        raise Restart("a program with subprograms can't load from the packet by BPF_LD_ABS")


def call(ev: Machine, fn: types.FunctionType, frame: Frame, names: dict[str, Abstract]) -> Abstract | None:
    """The call of a subprogram; None if the function is to be inlined."""
    registry, decisions = ev.registry, ev.decisions
    if decisions.inline or frame.size() < SUBPROGRAM_INSTRUCTIONS or ev.b.held is not None:  # no calls under a lock
        return None
    key = _key(fn, names)
    if key is None or key in decisions.refused:
        return None
    sites = decisions.sites.setdefault(key, set())
    news = frame.path not in sites
    sites.add(frame.path)
    if len(sites) < SUBPROGRAM_CALLS:
        return None
    if news and len(sites) == SUBPROGRAM_CALLS:  # the earlier ones are inlined already
        raise Restart(f"{fn.__name__}() is called often enough to be a subprogram")
    if key not in registry.made:
        registry.made[key] = None
        registry.made[key] = _make(ev, fn, frame, names, key)
    made = registry.made[key]
    if made is None:  # it calls itself
        decisions.refuse(key)
    result = _emit(ev.b, made, [value.ir for value in names.values() if isinstance(value, RuntimeInt)])
    return RuntimeInt(result, registry.booleans[key])


def _key(fn: types.FunctionType, names: dict[str, Abstract]) -> Called | None:
    """The key of the function with these arguments: calls with equal keys share a subprogram. None for arguments that a
    subprogram can't take."""
    parts: list[Any] = [fn]
    integers = 0
    for name, value in names.items():
        part = value.subprogram_key()
        if part is None:
            return None
        integers += isinstance(value, RuntimeInt)
        parts.append((name, *part))
    return tuple(parts) if integers <= MAX_INTEGERS else None


def _make(ev: Machine, fn: types.FunctionType, site: Frame, names: dict[str, Abstract], key: Called) -> Function:
    """Evaluates the function as a subprogram."""
    b = Builder(fn.__name__, ev.hook, ev.b.target, ev.b)
    inner = ev.nested(b)
    frame = inner.real_frame(fn, ("subprogram", key), site.site)
    try:
        result = inner.run(frame, {name: _parameter(b, value) for name, value in names.items()}, State([], {}, {}, {}))
    except PathEnds:
        ev.decisions.refuse(key)
    except TranslationError as error:
        if not error.final:
            ev.decisions.refuse(key)
        inner.located(error)
        raise
    if not isinstance(result, (RuntimeInt, Const)) or not result.is_int():
        ev.decisions.refuse(key)
    b.ret(arith.to_ir(b, result))
    ev.registry.booleans[key] = result.boolean
    b.fn.result = arith.int_type(b.block.end.args[0])
    if _may_raise(b.fn):
        if b.fn.params == MAX_INTEGERS:
            ev.decisions.refuse(key)
        b.fn.flag = b.parameter(STACK)
    return b.fn


def _parameter(b: Builder, value: Abstract) -> Abstract:
    if isinstance(value, RuntimeInt):
        return RuntimeInt(b.parameter(arith.int_type(value.ir)), value.boolean)
    if isinstance(value, Context):
        return Context(b.context, value.spec)
    return value


def _may_raise(fn: Function) -> bool:
    """Whether the program may end in the subprogram. A loop may get an iterator, which may be exhausted."""
    ends = any(value.op in (Op.GUARD, Op.EXIT) for block in fn.blocks for value in block.body)
    return ends or bool(find_loops(fn))


def _emit(b: Builder, callee: Function, integers: list[Value]) -> Value:
    assert isinstance(callee.result, Int)
    args = [b.context, *integers]
    if callee.flag is None:
        return b.emit(Op.CALL_SUB, args, callee.result, callee)
    flag = b.alloca(FLAG_BYTES)
    b.store(flag, 0, FLAG_BYTES, const(0))
    result = b.emit(Op.CALL_SUB, [*args, flag], callee.result, callee)
    b.guard(b.compare(Op.EQ, b.load(flag, 0, FLAG_BYTES, False), const(0)), "")  # the subprogram counted the error
    return result
