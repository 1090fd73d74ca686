"""Built-in functions that make sequences and iterators, and len()."""

from __future__ import annotations

from ....exception import TypeMismatch, UnsupportedSyntax
from .. import (
    arith,
    constants,
    counters,
    indices,
    integers,
    iteration,
    iterators,
    kind,
    ranges,
    sequences,
    slices,
    special,
)
from ..counters import counter_items
from ..kind import Args
from ..layout import is_array, is_chars
from ..machine import Machine
from ..state import State
from ..values import FALSE, Abstract, Const, Counter, IteratorRef, Numbered, RangeOf, Ref, Zipped
from . import numbers


def len_(ev: Machine, state: State, args: Args) -> Abstract:
    return length(ev, state, args[0])


def length(ev: Machine, state: State, value: Abstract) -> Abstract:
    """``len(value)``."""
    own = special.ask(ev, state, "__len__", value)
    if own is not None:
        return own
    if isinstance(value, Const):
        return constants.operation(ev, "len()", len, value.obj)
    return kind.of(value).length(ev, state, value)


def range_(ev: Machine, state: State, args: Args) -> Abstract:
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


def _iterator(ev: Machine, state: State, value: Abstract) -> Abstract:
    """``iter(value)`` of an iterable with a known length."""
    found = iteration.make_iterator(ev.b, state, value) if not value.is_int() else None
    if found is None or (isinstance(found, Counter) and counter_items(found) is None):
        raise TypeMismatch(0, f"the length of {value.describe()} is not known while compiling", hints=numbers.SEQUENCES)
    return found


def enumerate_(ev: Machine, state: State, args: Args) -> Abstract:
    start = indices.number(ev.b, args[1] if len(args) > 1 else Const(0))
    first = arith.to_ir(ev.b, start, "enumerate() counts from an integer")
    if kind.of(args[0]).ends_at_run_time(state, args[0]):
        numbers = Counter(Const(0), Const(0), 1, arith.from_ir(first))
        return _named_rows(ev, state, "enumerate", args, (numbers,))
    return iterators.named(state, ev.ident(), Numbered(_iterator(ev, state, args[0]), start))


def _named_rows(
    ev: Machine, state: State, name: str, args: Args, numbers: tuple[Counter, ...] = ()
) -> Abstract:
    """The iterator of an enumerate() or zip() whose length is known at run time only."""
    parts = []
    for arg in args if not numbers else args[:1]:
        part = kind.of(arg).beside(ev.b, state, arg)
        if part is None:
            raise TypeMismatch(0, f"{name}() takes ranges and ctypes arrays beside a range that ends at run time, but "
                               f"this is {arg.describe()}",
                               hints=("loop over the range, and index the rest",))  # fmt: skip
        parts.append(part)
    return iterators.named(state, ev.ident(), counters.together(ev.b, parts, numbers))


def zip_(ev: Machine, state: State, args: Args, strict: Abstract = FALSE) -> Abstract:
    if not isinstance(strict, Const):
        raise TypeMismatch(0, "the strict of zip() must be a constant", hints=("write True or False",))
    if any(kind.of(arg).ends_at_run_time(state, arg) for arg in args):
        if strict.obj:
            raise TypeMismatch(0, "the strict of zip() can't be True where a range ends at run time",
                               hints=("compare the lengths before",))  # fmt: skip
        return _named_rows(ev, state, "zip", args)
    inners = tuple(_iterator(ev, state, arg) for arg in args)
    return iterators.named(state, ev.ident(), Zipped(inners, bool(strict.obj)))


def iter_(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], IteratorRef):
        return args[0]
    return iterators.named(state, ev.ident(), _iterator(ev, state, args[0]))


def next_(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], Const):
        iterators.check_captured(args[0].obj)
    if not isinstance(args[0], IteratorRef):
        raise TypeMismatch(0, f"next() takes an iterator, but this is {args[0].describe()}",
                           hints=("make one before: items = iter(...)",))  # fmt: skip
    _, item = iterators.advance(ev.b, state, args[0])
    if item is not None:
        return item
    return args[1] if len(args) > 1 else ev.b.exit("StopIteration")


def reversed_(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        return ranges.backwards(ev.b, args[0])
    special.refuse_iteration(args[0], "__reversed__", "__len__", "__getitem__")
    found = kind.of(args[0]).backwards(ev.b, state, args[0])
    if found is None:
        raise TypeMismatch(0, f"the length of {args[0].describe()} is not known while compiling",
                           hints=numbers.SEQUENCES)  # fmt: skip
    return iterators.named(state, ev.ident(), found)


def tuple_(ev: Machine, state: State, args: Args) -> Abstract:
    return sequences.tuple_of(numbers.known_items(ev, state, args[0]) if args else ())


def list_(ev: Machine, state: State, args: Args) -> Abstract:
    if args and isinstance(args[0], Ref) and is_array(args[0].ctype) and not is_chars(args[0].ctype):
        ev.b.guard_not_null(args[0].base, "TypeError")
        return slices.copied(ev, state, args[0])
    return sequences.new_list(ev, state, numbers.known_items(ev, state, args[0]) if args else ())
