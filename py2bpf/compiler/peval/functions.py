"""Built-in functions that work on run-time values too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ...btf.shapes import Record
from ...exception import TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op
from ..ir.values import const
from . import arith, generators, iteration, iterators, kernel_memory, library, ranges, semantics, slices, text
from .describe import describe
from .frames import counter_items
from .layout import is_array, is_char, is_chars, members
from .state import State
from .values import (
    Abstract,
    Const,
    Context,
    Counter,
    GeneratorOf,
    IteratorRef,
    KernelRef,
    Map,
    Numbered,
    RangeOf,
    Ref,
    Run,
    Text,
    Zipped,
)

if TYPE_CHECKING:
    from .evaluator import Evaluator

Args = tuple[Abstract, ...]

_SEQUENCES: Final = ("tuples, lists and ctypes arrays have a known length",)


def _abs(ev: Evaluator, state: State, args: Args) -> Abstract:
    return arith.from_ir(arith.magnitude(ev.b, arith.to_ir(ev.b, args[0], "abs() needs an integer")))


def _extreme(op: Op) -> Callable[[Evaluator, State, Args], Abstract]:
    def handler(ev: Evaluator, state: State, args: Args) -> Abstract:
        if len(args) == 1 and isinstance(args[0], RangeOf):
            return arith.from_ir(ranges.extreme(ev.b, args[0], op is Op.GT))
        items = iter(args) if len(args) > 1 else iteration.each(ev.b, state, args[0])
        if items is None:
            raise TypeMismatch(0, f"min() and max() can't go through {describe(args[0])}", hints=_SEQUENCES)
        best, boolean = None, True
        for item in items:
            number, boolean = arith.to_ir(ev.b, item), boolean and arith.is_bool(item)
            best = number if best is None else arith.extreme(ev.b, op, [best, number])
        if best is None:
            raise TypeMismatch(0, "min() and max() need at least one integer",
                               hints=("give them integers, or a tuple, list or ctypes array of some",))  # fmt: skip
        return arith.number(best, boolean)

    return handler


def _divmod(ev: Evaluator, state: State, args: Args) -> Abstract:
    return semantics.tuple_of([semantics.operate(ev, state, op, args[0], args[1]) for op in ("//", "%")])


def _pow(ev: Evaluator, state: State, args: Args) -> Abstract:
    if len(args) == 3:
        raise UnsupportedSyntax(
            0, "pow() with a modulus needs numbers of any size, and a program has 64 bits",
            hints=("write (base ** exponent) % modulus where the power fits 64 bits",),
        )  # fmt: skip
    return semantics.operate(ev, state, "**", args[0], args[1])


def _int(ev: Evaluator, state: State, args: Args) -> Abstract:
    if len(args) == 1 and isinstance(args[0], KernelRef):
        return arith.from_ir(kernel_memory.number(ev.b, args[0]))
    if len(args) > 1 or not arith.is_int(args[0]):
        raise TypeMismatch(0, f"int() of a run-time value takes an integer, but this is {describe(args[0])}",
                           hints=("give it one integer; int() of a constant str is constant",))  # fmt: skip
    return arith.from_ir(arith.to_ir(ev.b, args[0]))


def _bool(ev: Evaluator, state: State, args: Args) -> Abstract:
    return arith.from_bool(arith.to_bool(ev.b, semantics.truth(ev, state, args[0])))


def _len(ev: Evaluator, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        return arith.from_ir(ranges.count(ev.b, args[0]))
    known = iteration.length(state, args[0])
    if known is None:
        hint = ("user space can count a map's items; programs can keep a count in another map",)
        if isinstance(args[0], Text):
            hint = ("strings exist while compiling: print run-time values with f-strings",)
        elif not isinstance(args[0], Map):
            hint = ("tuples, lists and ctypes arrays have one",)
        raise TypeMismatch(0, f"{describe(args[0])} has no length that a program knows", hints=hint)
    return Const(known)


def _sum(ev: Evaluator, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        total = arith.from_ir(ranges.total(ev.b, args[0]))
        return semantics.operate(ev, state, "+", total, args[1]) if len(args) > 1 else total
    items = iteration.each(ev.b, state, args[0])
    if items is None:
        raise TypeMismatch(0, f"can't add up {describe(args[0])}", hints=_SEQUENCES)
    total = args[1] if len(args) > 1 else Const(0)
    for item in items:
        total = semantics.operate(ev, state, "+", total, item)
    return total


def _any_all(is_any: bool) -> Callable[[Evaluator, State, Args], Abstract]:
    def handler(ev: Evaluator, state: State, args: Args) -> Abstract:
        items = iteration.each(ev.b, state, args[0])
        if items is None:
            raise TypeMismatch(0, f"can't iterate over {describe(args[0])}", hints=_SEQUENCES)
        result, known = const(int(not is_any)), True
        for item in items:
            condition = arith.to_bool(ev.b, semantics.truth(ev, state, item))
            result = ev.b.emit(Op.OR if is_any else Op.AND, [result, condition], condition.type)
            known = known and condition.op is Op.CONST
            if known and bool(condition.attr) is is_any:
                break
        if not known:
            iterators.lose(state, args[0], "any() or all()")
        return arith.from_bool(result)

    return handler


def _range(ev: Evaluator, state: State, args: Args) -> Abstract:
    start, stop = (Const(0), args[0]) if len(args) == 1 else args[:2]
    step = args[2] if len(args) > 2 else Const(1)
    if not isinstance(step, Const) or not isinstance(step.obj, int) or step.obj == 0:
        raise UnsupportedSyntax(
            0, "the step of range() must be a constant other than 0", hints=("multiply the loop variable by the step",)
        )
    for bound in (start, stop):
        arith.to_ir(ev.b, bound, "range() needs integers")
    return RangeOf(start, stop, step.obj)


def _items(ev: Evaluator, state: State, value: Abstract) -> tuple[Abstract, ...]:
    items = iteration.known_items(ev.b, state, value)
    if items is None:
        raise TypeMismatch(0, f"the length of {describe(value)} is not known while compiling", hints=_SEQUENCES)
    return items


def _iterator(ev: Evaluator, state: State, value: Abstract) -> Abstract:
    """``iter(value)`` of what has a known length."""
    found = iteration.make_iterator(ev.b, state, value) if not arith.is_int(value) else None
    if found is None or (isinstance(found, Counter) and counter_items(found) is None):
        raise TypeMismatch(0, f"the length of {describe(value)} is not known while compiling", hints=_SEQUENCES)
    return found


def _enumerate(ev: Evaluator, state: State, args: Args) -> Abstract:
    start = args[1] if len(args) > 1 else Const(0)
    arith.to_ir(ev.b, start, "enumerate() counts from an integer")
    return iterators.named(state, ev.ident(), Numbered(_iterator(ev, state, args[0]), start))


def _zip(ev: Evaluator, state: State, args: Args) -> Abstract:
    return iterators.named(state, ev.ident(), Zipped(tuple(_iterator(ev, state, arg) for arg in args)))


def _iter(ev: Evaluator, state: State, args: Args) -> Abstract:
    if isinstance(args[0], IteratorRef):
        return args[0]
    return iterators.named(state, ev.ident(), _iterator(ev, state, args[0]))


def _next(ev: Evaluator, state: State, args: Args) -> Abstract:
    if isinstance(args[0], Const):
        iterators.check_captured(args[0].obj)
    if not isinstance(args[0], IteratorRef):
        raise TypeMismatch(0, f"next() takes an iterator, but this is {describe(args[0])}",
                           hints=("make one before: items = iter(...)",))  # fmt: skip
    _, item = iterators.advance(ev.b, state, args[0])
    if item is not None:
        return item
    return args[1] if len(args) > 1 else ev.b.exit("StopIteration")


def _reversed(ev: Evaluator, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        return ranges.backwards(ev.b, args[0])
    found = iteration.make_reversed(ev.b, state, args[0])
    if found is None:
        raise TypeMismatch(0, f"the length of {describe(args[0])} is not known while compiling", hints=_SEQUENCES)
    return iterators.named(state, ev.ident(), found)


def _tuple(ev: Evaluator, state: State, args: Args) -> Abstract:
    return semantics.tuple_of(_items(ev, state, args[0]) if args else ())


def _list(ev: Evaluator, state: State, args: Args) -> Abstract:
    if args and isinstance(args[0], Ref) and is_array(args[0].ctype) and not is_chars(args[0].ctype):
        ev.b.guard_not_null(args[0].base, "TypeError")
        return slices.copied(ev, state, args[0])
    return semantics.new_list(ev, state, _items(ev, state, args[0]) if args else ())


def _isinstance(ev: Evaluator, state: State, args: Args) -> Abstract:
    value, classes = args
    if not isinstance(classes, Const):
        raise TypeMismatch(0, "isinstance() needs constant classes", hints=("name the class, or some in a tuple",))
    if isinstance(value, Ref):
        return Const(issubclass(value.ctype, classes.obj))
    if isinstance(value, Run) and isinstance(True, classes.obj) != isinstance(2, classes.obj):
        raise TypeMismatch(0, "whether a run-time integer is a bool is not known", hints=("ask for int",))
    if isinstance(value, (Run, Const)):
        return Const(isinstance(value.obj if isinstance(value, Const) else 0, classes.obj))
    if isinstance(value, Map):
        return Const(isinstance(value.obj, classes.obj))
    raise TypeMismatch(0, f"isinstance() can't tell the class of {describe(value)}",
                       hints=("it can of constants, integers, ctypes objects and maps",))  # fmt: skip


def _print(ev: Evaluator, state: State, args: Args) -> Abstract:
    return text.print_values(ev, args)


def _sizeof(ev: Evaluator, state: State, args: Args) -> Abstract:
    value = args[0]
    if isinstance(value, Ref):
        return Const(ctypes.sizeof(value.ctype))
    if isinstance(value, Context):
        return Const(ctypes.sizeof(value.spec.struct))
    raise TypeMismatch(0, f"sizeof() needs a ctypes object, but this is {describe(value)}",
                       hints=("give it an object, or a type as in sizeof(c_uint32)",))  # fmt: skip


def _str(ev: Evaluator, state: State, args: Args) -> Abstract:
    return Text(((args[0], "", ""),))


def _ord(ev: Evaluator, state: State, args: Args) -> Abstract:
    if not isinstance(args[0], Ref) or not is_char(args[0].ctype):
        raise TypeMismatch(
            0,
            f"ord() of a run-time value takes a c_char, but this is {describe(args[0])}",
            hints=("the items of a char array are integers",),
        )
    return arith.from_ir(ev.b.load(args[0].base, args[0].offset, 1, False))


def _attribute_name(value: Abstract) -> str:
    if not isinstance(value, Const) or not isinstance(value.obj, str):
        raise TypeMismatch(0, f"an attribute's name is a constant str, not {describe(value)}", hints=("write it out",))
    return value.obj


def _has(value: Abstract, name: str) -> bool:
    if isinstance(value, Const):
        return hasattr(value.obj, name)
    if isinstance(value, Context):
        return name in value.spec.fields or name in members(value.spec.struct)
    if isinstance(value, Ref):
        return hasattr(value.ctype, name)
    if isinstance(value, KernelRef):
        return isinstance(value.shape, Record) and name in value.shape.members
    raise TypeMismatch(0, f"{describe(value)} has no attributes", hints=("structs and the context have",))


def _hasattr(ev: Evaluator, state: State, args: Args) -> Abstract:
    return Const(_has(args[0], _attribute_name(args[1])))


def _getattr(ev: Evaluator, state: State, args: Args) -> Abstract:
    from . import access

    name = _attribute_name(args[1])
    if len(args) > 2 and not _has(args[0], name):
        return args[2]
    return access.load_attr(ev, state, args[0], name)


def _setattr(ev: Evaluator, state: State, args: Args) -> Abstract:
    from . import access

    access.store_attr(ev, args[0], _attribute_name(args[1]), args[2])
    return Const(None)


_HANDLERS: Final[dict[Any, tuple[Callable[[Evaluator, State, Args], Abstract], int, int]]] = {
    abs: (_abs, 1, 1),
    min: (_extreme(Op.LT), 1, 255),
    max: (_extreme(Op.GT), 1, 255),
    divmod: (_divmod, 2, 2),
    pow: (_pow, 2, 3),
    int: (_int, 1, 2),
    bool: (_bool, 1, 1),
    len: (_len, 1, 1),
    sum: (_sum, 1, 2),
    any: (_any_all(True), 1, 1),
    all: (_any_all(False), 1, 1),
    range: (_range, 1, 3),
    iter: (_iter, 1, 1),
    next: (_next, 1, 2),
    enumerate: (_enumerate, 1, 2),
    zip: (_zip, 0, 255),
    reversed: (_reversed, 1, 1),
    tuple: (_tuple, 0, 1),
    list: (_list, 0, 1),
    isinstance: (_isinstance, 2, 2),
    print: (_print, 0, 255),
    str: (_str, 1, 1),
    ord: (_ord, 1, 1),
    getattr: (_getattr, 2, 3),
    setattr: (_setattr, 3, 3),
    hasattr: (_hasattr, 2, 2),
    ctypes.sizeof: (_sizeof, 1, 1),
    **library.TABLE,
}
_ALWAYS: Final = {print, list, enumerate, zip, reversed, iter, next}
"""Translated even with constant arguments: they print, or make iterators that must not outlive a path."""


def is_special(fn: Any) -> bool:
    try:
        return fn in _HANDLERS
    except TypeError:  # unhashable
        return False


def call(ev: Evaluator, state: State, fn: Any, args: Args, kwargs: dict[str, Abstract]) -> Abstract | None:
    """Translates the call; None if all is constant and CPython can make it now."""
    if fn not in _ALWAYS and all(isinstance(arg, Const) for arg in (*args, *kwargs.values())):
        return None
    if args and isinstance(args[0], GeneratorOf):
        return generators.consume(ev, state, fn, args[0], args[1:], kwargs)
    handler, fewest, most = _HANDLERS[fn]
    for arg in (*args, *kwargs.values()):
        semantics.use(arg, f"the argument of {fn.__name__}()")
    if fn is enumerate and "start" in kwargs:
        args = (*args, kwargs.pop("start"))
    if kwargs:
        raise UnsupportedSyntax(
            0,
            f"{fn.__name__}() takes no keyword argument {next(iter(kwargs))!r} in a compiled function",
            hints=("leave it out",),
        )
    if not fewest <= len(args) <= most:
        raise TypeMismatch(
            0,
            f"{fn.__name__}() takes {fewest} to {most} arguments, but {len(args)} are given",
            hints=(f"help({fn.__name__}) shows them",),
        )
    return handler(ev, state, args)
