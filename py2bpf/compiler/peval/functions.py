"""Built-in functions that work on run-time values too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op
from ..ir.types import I64, join_ints
from ..ir.values import Value, const
from . import (
    access,
    arith,
    constants,
    counters,
    generators,
    hints,
    host,
    indices,
    integers,
    iteration,
    iterators,
    kernel_memory,
    kind,
    library,
    mixed,
    overrides,
    presence,
    ranges,
    semantics,
    sequences,
    slices,
    special,
    text,
)
from .builder import Builder
from .counters import counter_items
from .layout import is_array, is_char, is_chars
from .machine import Machine
from .state import State
from .values import (
    FALSE,
    Abstract,
    Const,
    Context,
    Counter,
    GeneratorOf,
    IteratorRef,
    KernelRef,
    Mixed,
    Numbered,
    Option,
    RangeOf,
    Ref,
    Text,
    Zipped,
    is_none,
)

Args = tuple[Abstract, ...]

_SEQUENCES: Final = ("tuples, lists and ctypes arrays have a known length",)


def _abs(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_ir(arith.magnitude(ev.b, arith.to_ir(ev.b, args[0], "abs() needs an integer")))


def _extreme(op: Op) -> Callable[[Machine, State, Args], Abstract]:
    def handler(ev: Machine, state: State, args: Args) -> Abstract:
        if len(args) == 1 and isinstance(args[0], RangeOf):
            return arith.from_ir(ranges.extreme(ev.b, args[0], op is Op.GT))
        items = iter(args) if len(args) > 1 else iteration.each(ev.b, state, args[0])
        if items is None:
            raise TypeMismatch(0, f"min() and max() can't go through {args[0].describe()}", hints=_SEQUENCES)
        best, seen = None, []
        for item in items:
            arith.check_plain(item, "min() and max")
            seen.append(item)
            number = arith.to_ir(ev.b, item)
            best = number if best is None else arith.extreme(ev.b, op, [best, number])
        if best is None:
            raise TypeMismatch(0, "min() and max() need at least one integer",
                               hints=("give them integers, or a tuple, list or ctypes array of some",))  # fmt: skip
        return arith.number(best, arith.booleans(seen))

    return handler


def _extreme_by(op: Op) -> Callable[[Machine, State, Args, Abstract], Abstract]:
    """min() and max() with a key: the first of those whose key is the least or the greatest."""

    def handler(ev: Machine, state: State, args: Args, key: Abstract) -> Abstract:
        if isinstance(key, Const) and key.obj is None:
            return _HANDLERS[min if op is Op.LT else max][0](ev, state, args)
        items = args if len(args) > 1 else _items(ev, state, args[0])
        if not items:
            ev.b.exit("ValueError")
        best, least = items[0], _rank(ev, state, key, items[0])
        for item in items[1:]:
            rank = _rank(ev, state, key, item)
            better = ev.b.compare(op, rank, least)
            best, least = _chosen(ev, better, item, best), arith.extreme(ev.b, op, [least, rank])
        return best

    return handler


def _extreme_or_default(op: Op) -> Callable[[Machine, State, Args, Abstract], Abstract]:
    def handler(ev: Machine, state: State, args: Args, default: Abstract) -> Abstract:
        if len(args) > 1:
            raise TypeMismatch(0, "min() and max() of several arguments have no default",
                               hints=("leave it out: there is one to choose",))  # fmt: skip
        items = _items(ev, state, args[0])
        return _HANDLERS[min if op is Op.LT else max][0](ev, state, (args[0],)) if items else default

    return handler


def _rank(ev: Machine, state: State, key: Abstract, item: Abstract) -> Value:
    return arith.to_ir(ev.b, special.apply(ev, state, key, item), "the key of min() and max() gives an integer")


def _chosen(ev: Machine, condition: Value, yes: Abstract, no: Abstract) -> Abstract:
    if condition.op is Op.CONST:
        return yes if condition.attr else no
    ways = [_maybe(ev.b, each) for each in (yes, no)]
    kind = join_ints(arith.int_type(ways[0].value), arith.int_type(ways[1].value))
    chosen = ev.b.emit(Op.SELECT, [condition, *(arith.cast(ev.b, way.value, kind) for way in ways)], kind)
    boolean = arith.booleans(way for each, way in zip((yes, no), ways, strict=True) if not is_none(each))
    there = [arith.to_bool(ev.b, way.present) for way in ways]
    if all(each.op is Op.CONST and each.attr for each in there):
        return arith.number(chosen, boolean)
    return Option(ev.b.emit(Op.SELECT, [condition, *there], I64), chosen, boolean)


def _maybe(b: Builder, value: Abstract) -> Option:
    """An integer, or None, which stays that."""
    if isinstance(value, Option):
        return value
    if is_none(value):
        return Option(const(0), const(0))
    what = "min() and max() choose among integers, where the key is known at run time only"
    return Option(const(1), arith.to_ir(b, value, what), value.boolean)


def _divmod(ev: Machine, state: State, args: Args) -> Abstract:
    for arg in args:
        arith.check_plain(arg, "divmod")
        if not arg.is_int():
            raise TypeMismatch(0, f"divmod() of a run-time value takes integers, but this is {arg.describe()}",
                               hints=("compute a // b and a % b, which ask the methods of classes",))  # fmt: skip
    return sequences.tuple_of([semantics.operate(ev, state, op, args[0], args[1]) for op in ("//", "%")])


def _pow(ev: Machine, state: State, args: Args) -> Abstract:
    if len(args) == 3:
        raise UnsupportedSyntax(
            0, "pow() with a modulus needs numbers of any size, and a program has 64 bits",
            hints=("write (base ** exponent) % modulus where the power fits 64 bits",),
        )  # fmt: skip
    return semantics.operate(ev, state, "**", args[0], args[1])


def _int(ev: Machine, state: State, args: Args) -> Abstract:
    if len(args) == 1 and isinstance(args[0], KernelRef):
        return arith.from_ir(kernel_memory.number(ev.b, args[0]))
    if len(args) > 1 or not args[0].is_int():
        raise TypeMismatch(0, f"int() of a run-time value takes an integer, but this is {args[0].describe()}",
                           hints=("give it one integer; int() of a constant str is constant",))  # fmt: skip
    return arith.from_ir(arith.to_ir(ev.b, args[0]))


def _bool(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_bool(arith.to_bool(ev.b, semantics.truth(ev, state, args[0])))


def _len(ev: Machine, state: State, args: Args) -> Abstract:
    own = special.ask(ev, state, "__len__", args[0])
    if own is not None:
        return own
    return kind.of(args[0]).length(ev, state, args[0])


def length(ev: Machine, state: State, value: Abstract) -> Abstract:
    """``len(value)``."""
    own = special.ask(ev, state, "__len__", value)
    if own is None and isinstance(value, Const):
        return constants.operation(ev, "len()", len, value.obj)
    return _len(ev, state, (value,)) if own is None else own


def _sum(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        total = arith.from_ir(ranges.total(ev.b, args[0]))
        return semantics.operate(ev, state, "+", total, args[1]) if len(args) > 1 else total
    items = iteration.each(ev.b, state, args[0])
    if items is None:
        raise TypeMismatch(0, f"can't add up {args[0].describe()}", hints=_SEQUENCES)
    total = args[1] if len(args) > 1 else Const(0)
    for item in items:
        total = semantics.operate(ev, state, "+", total, item)
    return total


def _any_all(is_any: bool) -> Callable[[Machine, State, Args], Abstract]:
    def handler(ev: Machine, state: State, args: Args) -> Abstract:
        items = iteration.each(ev.b, state, args[0])
        if items is None:
            raise TypeMismatch(0, f"can't iterate over {args[0].describe()}", hints=_SEQUENCES)
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


def _range(ev: Machine, state: State, args: Args) -> Abstract:
    args = tuple(indices.number(ev.b, arg) for arg in args)
    start, stop = (Const(0), args[0]) if len(args) == 1 else args[:2]
    step = args[2] if len(args) > 2 else Const(1)
    if not isinstance(step, Const) or not isinstance(step.obj, int) or step.obj == 0:
        raise UnsupportedSyntax(
            0, "the step of range() must be a constant other than 0", hints=("multiply the loop variable by the step",)
        )
    integers.constant(step.obj)
    for bound in (start, stop):
        arith.to_ir(ev.b, bound, "range() needs integers")
    return RangeOf(start, stop, step.obj)


def _items(ev: Machine, state: State, value: Abstract) -> tuple[Abstract, ...]:
    items = iteration.known_items(ev.b, state, value)
    if items is None:
        raise TypeMismatch(0, f"the length of {value.describe()} is not known while compiling", hints=_SEQUENCES)
    return items


def _iterator(ev: Machine, state: State, value: Abstract) -> Abstract:
    """``iter(value)`` of what has a known length."""
    found = iteration.make_iterator(ev.b, state, value) if not value.is_int() else None
    if found is None or (isinstance(found, Counter) and counter_items(found) is None):
        raise TypeMismatch(0, f"the length of {value.describe()} is not known while compiling", hints=_SEQUENCES)
    return found


def _enumerate(ev: Machine, state: State, args: Args) -> Abstract:
    start = indices.number(ev.b, args[1] if len(args) > 1 else Const(0))
    first = arith.to_ir(ev.b, start, "enumerate() counts from an integer")
    if kind.of(args[0]).ends_at_run_time(state, args[0]):
        numbers = Counter(Const(0), Const(0), 1, arith.from_ir(first))
        return _named_rows(ev, state, "enumerate", args, (numbers,))
    return iterators.named(state, ev.ident(), Numbered(_iterator(ev, state, args[0]), start))


def _named_rows(
    ev: Machine, state: State, name: str, args: Args, numbers: tuple[Counter, ...] = ()
) -> Abstract:
    """The iterator of an enumerate() or zip() whose end only run time knows."""
    parts = []
    for arg in args if not numbers else args[:1]:
        part = kind.of(arg).beside(ev.b, state, arg)
        if part is None:
            raise TypeMismatch(0, f"{name}() takes ranges and ctypes arrays beside a range that ends at run time, but "
                               f"this is {arg.describe()}",
                               hints=("loop over the range, and index the rest",))  # fmt: skip
        parts.append(part)
    return iterators.named(state, ev.ident(), counters.together(ev.b, parts, numbers))


def _zip(ev: Machine, state: State, args: Args, strict: Abstract = FALSE) -> Abstract:
    if not isinstance(strict, Const):
        raise TypeMismatch(0, "the strict of zip() must be a constant", hints=("write True or False",))
    if any(kind.of(arg).ends_at_run_time(state, arg) for arg in args):
        if strict.obj:
            raise TypeMismatch(0, "the strict of zip() can't be True where a range ends at run time",
                               hints=("compare the lengths before",))  # fmt: skip
        return _named_rows(ev, state, "zip", args)
    inners = tuple(_iterator(ev, state, arg) for arg in args)
    return iterators.named(state, ev.ident(), Zipped(inners, bool(strict.obj)))


def _iter(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], IteratorRef):
        return args[0]
    return iterators.named(state, ev.ident(), _iterator(ev, state, args[0]))


def _next(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], Const):
        iterators.check_captured(args[0].obj)
    if not isinstance(args[0], IteratorRef):
        raise TypeMismatch(0, f"next() takes an iterator, but this is {args[0].describe()}",
                           hints=("make one before: items = iter(...)",))  # fmt: skip
    _, item = iterators.advance(ev.b, state, args[0])
    if item is not None:
        return item
    return args[1] if len(args) > 1 else ev.b.exit("StopIteration")


def _reversed(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        return ranges.backwards(ev.b, args[0])
    special.refuse_iteration(args[0], "__reversed__", "__len__", "__getitem__")
    found = kind.of(args[0]).backwards(ev.b, state, args[0])
    if found is None:
        raise TypeMismatch(0, f"the length of {args[0].describe()} is not known while compiling", hints=_SEQUENCES)
    return iterators.named(state, ev.ident(), found)


def _tuple(ev: Machine, state: State, args: Args) -> Abstract:
    return sequences.tuple_of(_items(ev, state, args[0]) if args else ())


def _list(ev: Machine, state: State, args: Args) -> Abstract:
    if args and isinstance(args[0], Ref) and is_array(args[0].ctype) and not is_chars(args[0].ctype):
        ev.b.guard_not_null(args[0].base, "TypeError")
        return slices.copied(ev, state, args[0])
    return sequences.new_list(ev, state, _items(ev, state, args[0]) if args else ())


def _check_classes(classes: Any) -> None:
    for cls in classes if isinstance(classes, tuple) else (classes,):
        overridden = overrides.own(Const(cls), "__instancecheck__") if isinstance(cls, type) else None
        if overridden is not None:
            raise UnsupportedSyntax(0, f"{cls.__name__} defines __instancecheck__(), which a program "
                                    "doesn't call", hints=("call a function that takes the value",))  # fmt: skip


def is_instance(ev: Machine, state: State, args: Args) -> Abstract:
    """``isinstance(value, classes)``."""
    value, classes = args
    if not isinstance(classes, Const):
        raise TypeMismatch(0, "isinstance() needs constant classes", hints=("name the class, or some in a tuple",))
    _check_classes(classes.obj)
    host.run(ev.b, "isinstance()", isinstance, None, classes.obj)  # tells of what is no class
    return kind.of(value).is_instance(ev, value, classes.obj)


def _print(ev: Machine, state: State, args: Args) -> Abstract:
    return text.print_values(ev, args)


def _sizeof(ev: Machine, state: State, args: Args) -> Abstract:
    value = args[0]
    if isinstance(value, Ref):
        return Const(ctypes.sizeof(value.ctype))
    if isinstance(value, Context):
        return Const(ctypes.sizeof(value.spec.struct))
    raise TypeMismatch(0, f"sizeof() needs a ctypes object, but this is {value.describe()}",
                       hints=("give it an object, or a type as in sizeof(c_uint32)",))  # fmt: skip


def _str(ev: Machine, state: State, args: Args) -> Abstract:
    return Text(((args[0], "", ""),))


def _ord(ev: Machine, state: State, args: Args) -> Abstract:
    if not isinstance(args[0], Ref) or not is_char(args[0].ctype):
        raise TypeMismatch(
            0,
            f"ord() of a run-time value takes a c_char, but this is {args[0].describe()}",
            hints=("the items of a char array are integers",),
        )
    return arith.from_ir(ev.b.load(args[0].base, args[0].offset, 1, False))


def _attribute_name(value: Abstract) -> str:
    if not isinstance(value, Const) or not isinstance(value.obj, str):
        raise TypeMismatch(0, f"an attribute's name is a constant str, not {value.describe()}", hints=("write it out",))
    return value.obj


def _hasattr(ev: Machine, state: State, args: Args) -> Abstract:
    value, name = args[0], _attribute_name(args[1])
    there, none = kind.of(value).has_attribute(ev.b, value, name), hasattr(None, name)
    if there is none or isinstance(value, Const):
        return Const(there)
    missing = semantics.is_none(ev, value)
    return arith.from_bool(arith.negate(ev.b, missing) if there else missing)


def _getattr(ev: Machine, state: State, args: Args) -> Abstract:
    value, name = args[0], _attribute_name(args[1])
    if len(args) > 2 and not kind.of(value).has_attribute(ev.b, value, name):
        return args[2]
    if len(args) > 2 and isinstance(value, Ref) and presence.may_be_null(ev.b, value) and not hasattr(None, name):
        return special.if_there(
            ev, state, value, lambda there: access.load_attr(ev, there, value, name), lambda _state: args[2]
        )
    return access.load_attr(ev, state, value, name)


def _setattr(ev: Machine, state: State, args: Args) -> Abstract:
    access.store_attr(ev, state, args[0], _attribute_name(args[1]), args[2])
    return Const(None)


_HANDLERS: Final[dict[Any, tuple[Callable[[Machine, State, Args], Abstract], int, int]]] = {
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
    isinstance: (is_instance, 2, 2),
    print: (_print, 0, 255),
    str: (_str, 1, 1),
    ord: (_ord, 1, 1),
    getattr: (_getattr, 2, 3),
    setattr: (_setattr, 3, 3),
    hasattr: (_hasattr, 2, 2),
    ctypes.sizeof: (_sizeof, 1, 1),
    **library.TABLE,
}
_KEYWORDS: Final[dict[tuple[Any, str], Callable[[Machine, State, Args, Abstract], Abstract]]] = {
    (zip, "strict"): _zip,
    (min, "key"): _extreme_by(Op.LT),
    (max, "key"): _extreme_by(Op.GT),
    (min, "default"): _extreme_or_default(Op.LT),
    (max, "default"): _extreme_or_default(Op.GT),
}
"""What takes one keyword argument."""
_SECOND: Final = {(sum, "start"), (enumerate, "start")}
"""Second arguments that may be given by name."""
_INSTEAD: Final[dict[Any, str]] = {
    iter: "write the calls out: while (item := f()) != last: ...",
    round: "to round to tens, halves up, write (n + 5) // 10 * 10",
}
"""What to write for forms that take more arguments."""
_ALWAYS: Final = {print, list, enumerate, zip, reversed, iter, next, setattr}
"""Translated even with constant arguments: they print, change something, or make iterators that must not outlive a
path."""


def names() -> list[str]:
    """Of Python's own functions that work on run-time values, and of its types."""
    return [fn.__name__ for fn in _HANDLERS if fn.__module__ == "builtins"]


def is_special(fn: Any) -> bool:
    try:
        return fn in _HANDLERS
    except TypeError:  # unhashable
        return False


def _all_constant(*args: Abstract) -> bool:
    return all(isinstance(arg, Const) for arg in args)


def call(ev: Machine, state: State, fn: Any, args: Args, kwargs: dict[str, Abstract]) -> Abstract | None:
    """Translates the call; None if all is constant and CPython can make it now."""
    if fn not in _ALWAYS and _all_constant(*args, *kwargs.values()):
        return None
    if len(args) == 1 and len(kwargs) == 1 and (fn, next(iter(kwargs))) in _SECOND:
        args, kwargs = (*args, *kwargs.values()), {}
    if args and isinstance(args[0], GeneratorOf):
        return generators.consume(ev, state, fn, args[0], args[1:], kwargs)
    handler, fewest, most = _HANDLERS[fn]
    for arg in (*args, *kwargs.values()):
        if fn is not bool or not isinstance(arg, Mixed):
            mixed.use(arg, f"the argument of {fn.__name__}()")
    named = _KEYWORDS.get((fn, next(iter(kwargs)))) if len(kwargs) == 1 else None
    if kwargs and named is None:
        raise UnsupportedSyntax(
            0,
            f"{fn.__name__}() takes no keyword argument {next(iter(kwargs))!r} in a compiled function",
            hints=("leave it out",),
        )
    if not fewest <= len(args) <= most:
        raise TypeMismatch(
            0,
            f"{fn.__name__}() takes {hints.arguments(fewest, most)}, but {len(args)} are given",
            hints=(_INSTEAD.get(fn, f"help({fn.__name__}) shows them"),),
        )
    return handler(ev, state, args) if named is None else named(ev, state, args, next(iter(kwargs.values())))
