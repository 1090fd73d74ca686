"""One handler for each canonical operation; the table at the end is the evaluator's instruction set."""

from __future__ import annotations

import builtins
import difflib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ..bytecode.canonical import Instr, Op
from ..ir.ops import Op as IrOp
from ..ir.values import Value, const
from . import access, arith, calls, compare, iteration, maps
from .describe import describe
from .frames import Frame
from .layout import is_array, is_chars, scalar
from .state import State
from .values import (
    FALSE,
    NONE,
    NULL,
    TRUE,
    UNASSIGNED,
    Abstract,
    AugmentedAttr,
    AugmentedItem,
    CellRef,
    Closure,
    Const,
    DictRef,
    ListRef,
    Map,
    Null,
    Option,
    RangeOf,
    Ref,
    Run,
    SliceOf,
    Text,
    TupleOf,
    Unbound,
    Update,
    map_spec_of,
)

if TYPE_CHECKING:
    from .evaluator import Evaluator

_HINTS: Final = {
    "try": "errors of helpers are negative results: test them with if",
    "with": "call the functions directly",
    "yield": "return one value, or send records with a queue's output()",
    "await": "programs never wait",
    "import": "import outside of the function: globals are constants",
    "class": "define the class outside of the function",
    "global": "keep changing values in a map",
}


def alternatives(construct: Any) -> tuple[str, ...]:
    """What to write instead of an unsupported construct."""
    return tuple(hint for word, hint in _HINTS.items() if word in str(construct))


def wrap(obj: Any) -> Abstract:
    """A Python object from the environment as an abstract value."""
    spec = map_spec_of(obj)
    if spec is not None:
        return Map(obj, spec)
    return Const(obj)


def use(value: Abstract, name: str) -> Abstract:
    """A variable's value; raises UnsupportedSyntax if it has none."""
    if isinstance(value, Unbound):
        raise UnsupportedSyntax(0, f"{name!r} can't be used here: {value.why}",
                                hints=("give it one value of one type on every path that leads here",))  # fmt: skip
    return value


def truth(ev: Evaluator, state: State, value: Abstract) -> Value:
    """``bool(value)`` as a branch condition: any number but 0 is true."""
    b = ev.b
    if isinstance(value, Run):
        return value.ir
    if isinstance(value, Const):
        return const(int(bool(value.obj)))
    if isinstance(value, Option):
        return arith.both(b, value.present, arith.to_bool(b, value.value))
    if isinstance(value, Ref):
        if is_chars(value.ctype):
            return b.load(value.base, value.offset, 1, False)
        if scalar(value.ctype) is not None:
            return arith.to_ir(b, access.load_attr(ev, state, value, "value"))
        return b.compare(IrOp.NE, value.base, const(0)) if value.ptr.nullable else const(1)
    if isinstance(value, RangeOf):
        op = IrOp.LT if value.step > 0 else IrOp.GT
        return b.compare(op, arith.to_ir(b, value.start), arith.to_ir(b, value.stop))
    if isinstance(value, Map):
        raise UnsupportedSyntax(0, "programs can't count a map's items")
    known = iteration.length(state, value)
    if known is not None:
        return const(int(known > 0))
    if isinstance(value, Text):
        raise UnsupportedSyntax(0, "a string with run-time parts has no truth value in a program")
    return const(1)


def is_none(ev: Evaluator, value: Abstract) -> Value:
    """``value is None`` as 1 or 0."""
    if isinstance(value, Const):
        return const(int(value.obj is None))
    if isinstance(value, Ref) and value.ptr.nullable:
        return ev.b.compare(IrOp.EQ, value.base, const(0))
    if isinstance(value, Option):
        return ev.b.compare(IrOp.EQ, value.present, const(0))
    return const(0)


def constant_operation(ev: Evaluator, what: str, operation: Callable[..., Any], *args: Any) -> Abstract:
    """Runs an operation on constants now. What the program itself would raise at run time ends the path."""
    try:
        return wrap(operation(*args))
    except (ArithmeticError, IndexError, KeyError):
        ev.b.exit()
    except ValueError as error:
        if "shift" in str(error):
            ev.b.exit()
        raise TypeMismatch(0, f"{what} fails while compiling: {error}") from error
    except TypeError as error:
        raise TypeMismatch(0, f"{what} fails while compiling: {error}") from error
    raise AssertionError("exit() does not return")


# constants, variables


def _load_const(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(Const(instr.arg))


def _load_fast(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.locals.get(instr.arg, UNASSIGNED)
    if isinstance(value, Unbound):
        ev.b.span = instr.span
        use(value, instr.arg)
    state.stack.append(value)


def _store_fast(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    if instr.arg in frame.cell_ids:  # what LOAD_FAST_AND_CLEAR saved of a cell variable
        ident = frame.cell_ids[instr.arg]
        if isinstance(value, (Null, Unbound)):
            state.cells.pop(ident, None)
        else:
            state.cells[ident] = value
    elif isinstance(value, (Null, Unbound)):
        state.locals.pop(instr.arg, None)
    else:
        state.locals[instr.arg] = value


def _delete_fast(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    use(state.locals.get(instr.arg, UNASSIGNED), instr.arg)
    del state.locals[instr.arg]


def _load_and_clear(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    if instr.arg in frame.cell_ids:
        state.stack.append(state.cells.pop(frame.cell_ids[instr.arg], NULL))
    else:
        state.stack.append(state.locals.pop(instr.arg, NULL))


def _make_cell(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    frame.cell_ids.setdefault(instr.arg, ev.ident())


def _load_global(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    name = instr.arg
    if name in frame.globals:
        state.stack.append(wrap(frame.globals[name]))
        return
    found = getattr(builtins, name, ev)
    if found is ev:
        near = difflib.get_close_matches(name, [*frame.globals, *dir(builtins)], 2)
        hint = f"did you mean {' or '.join(near)}?" if near else "define it before compiling the function"
        raise UnsupportedSyntax(0, f"the name {name!r} is not defined", hints=(hint,))
    state.stack.append(Const(found))


def _store_global(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, f"can't assign to the global {instr.arg!r}: globals are constants of a program",
                            hints=("keep changing values in a map",))  # fmt: skip


def _load_deref(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(use(ev.cell(frame, state, instr.arg), instr.arg))


def _store_deref(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    if instr.arg not in frame.cell_ids:
        raise UnsupportedSyntax(
            0, f"can't assign to {instr.arg!r} of the enclosing function: closures are constants of a program",
            hints=("keep changing values in a map",),
        )  # fmt: skip
    state.cells[frame.cell_ids[instr.arg]] = state.stack.pop()


def _delete_deref(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    use(ev.cell(frame, state, instr.arg), instr.arg)
    state.cells.pop(frame.cell_ids.get(instr.arg, -1), None)


def _load_closure(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    if instr.arg in frame.cell_ids:
        state.stack.append(ev.cell_ref(frame, instr.arg))
        return
    ident = frame.cell_ids[instr.arg] = ev.ident()  # a constant of the enclosing real function, passed inwards
    state.cells[ident] = use(ev_constant(frame, instr.arg), instr.arg)
    state.stack.append(CellRef(ident))


def ev_constant(frame: Frame, name: str) -> Abstract:
    """The contents of a real function's cell."""
    try:
        return wrap(frame.constants[name].cell_contents)
    except ValueError:
        return Unbound("the enclosing function has not assigned it yet")


# attributes, items


def _load_attr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(access.load_attr(ev, state, state.stack.pop(), instr.arg))


def _load_method(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    owner = state.stack.pop()
    state.stack += [NULL, access.load_attr(ev, state, owner, instr.arg)]


def _aug_attr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    owner = state.stack[-1]
    if access.updates_in_place(owner, instr.arg):
        state.stack.append(AugmentedAttr(owner, instr.arg))
    else:
        state.stack.append(access.load_attr(ev, state, owner, instr.arg))


def _store_attr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    owner, value = state.stack.pop(), state.stack.pop()
    if isinstance(value, Update):
        access.update(ev, state, value)
    else:
        access.store_attr(ev, owner, instr.arg, _settled(ev, state, value))


def _delete_attr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, "attributes can't be deleted in compiled functions")


def _load_subscr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    key, container = state.stack.pop(), state.stack.pop()
    state.stack.append(access.get_item(ev, state, container, key))


def _aug_subscr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    container, key = state.stack[-2:]
    if access.item_updates_in_place(container):
        state.stack.append(AugmentedItem(container, key))
    else:
        state.stack.append(access.get_item(ev, state, container, key))


def _store_subscr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    key, container, value = state.stack.pop(), state.stack.pop(), state.stack.pop()
    if isinstance(value, Update):
        access.update(ev, state, value)
    else:
        access.set_item(ev, state, container, key, _settled(ev, state, value))


def _delete_subscr(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    key, container = state.stack.pop(), state.stack.pop()
    if not isinstance(container, Map):
        raise TypeMismatch(0, f"can't delete items of {describe(container)}")
    maps.delete_item(ev.b, container, key)


def _settled(ev: Evaluator, state: State, value: Abstract) -> Abstract:
    """The value itself: a pending read of an augmented assignment is made now."""
    if isinstance(value, AugmentedItem):
        return access.get_item(ev, state, value.container, value.key)
    if isinstance(value, AugmentedAttr):
        return access.load_attr(ev, state, value.owner, value.name)
    return value


# collections


def _pop(state: State, count: int) -> list[Abstract]:
    if not count:
        return []
    items = state.stack[-count:]
    del state.stack[-count:]
    return items


def tuple_of(items: list[Abstract] | tuple[Abstract, ...]) -> Abstract:
    """A tuple; a constant if its items are."""
    if all(isinstance(item, Const) for item in items):
        return Const(tuple(item.obj for item in items if isinstance(item, Const)))
    return TupleOf(tuple(items))


def _build_tuple(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(tuple_of(_pop(state, instr.arg)))


def new_list(ev: Evaluator, state: State, items: list[Abstract] | tuple[Abstract, ...]) -> ListRef:
    ref = ListRef(ev.ident())
    state.heap[ref.ident] = tuple(items)
    return ref


def _build_list(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(new_list(ev, state, _pop(state, instr.arg)))


def _build_set(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    items = _pop(state, instr.arg)
    if not all(isinstance(item, Const) for item in items):
        raise UnsupportedSyntax(0, "a set in a compiled function holds constants only", hints=("use a tuple",))
    state.stack.append(Const({item.obj for item in items if isinstance(item, Const)}))


def _new_dict(ev: Evaluator, state: State, keys: list[Abstract], values: list[Abstract]) -> None:
    for key in keys:
        if not isinstance(key, Const):
            raise UnsupportedSyntax(0, "a dict in a compiled function has constant keys only", hints=("use a map",))
    ref = DictRef(ev.ident())
    state.heap[ref.ident] = {key.obj: value for key, value in zip(keys, values, strict=True) if isinstance(key, Const)}
    state.stack.append(ref)


def _build_map(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    items = _pop(state, 2 * instr.arg)
    _new_dict(ev, state, items[::2], items[1::2])


def _build_const_key_map(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    keys = state.stack.pop()
    assert isinstance(keys, Const)
    _new_dict(ev, state, [Const(key) for key in keys.obj], _pop(state, instr.arg))


def _build_slice(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    parts = _pop(state, instr.arg)
    if all(isinstance(part, Const) for part in parts):
        state.stack.append(Const(slice(*(part.obj for part in parts if isinstance(part, Const)))))
    else:
        state.stack.append(SliceOf(parts[0], parts[1], parts[2] if len(parts) > 2 else NONE))


def _list_extend(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    iterable = state.stack.pop()
    target = state.stack[-instr.arg]
    access.extend(ev, state, target, iterable)


def _list_append(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    target = state.stack[-instr.arg]
    assert isinstance(target, ListRef)
    state.heap[target.ident] = (*iteration.heap_object(state, target), value)


def _set_add(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    target = state.stack[-instr.arg]
    if not isinstance(value, Const) or not isinstance(target, Const):
        raise UnsupportedSyntax(0, "a set in a compiled function holds constants only", hints=("use a tuple",))
    state.stack[-instr.arg] = Const(target.obj | {value.obj})


def _set_update(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    target = state.stack[-instr.arg]
    if not isinstance(value, Const) or not isinstance(target, Const):
        raise UnsupportedSyntax(0, "a set in a compiled function holds constants only", hints=("use a tuple",))
    state.stack[-instr.arg] = Const(target.obj | set(value.obj))


def _map_add(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value, key = state.stack.pop(), state.stack.pop()
    target = state.stack[-instr.arg]
    assert isinstance(target, DictRef)
    if not isinstance(key, Const):
        raise UnsupportedSyntax(0, "a dict in a compiled function has constant keys only", hints=("use a map",))
    state.heap[target.ident] = {**iteration.heap_object(state, target), key.obj: value}


def _dict_update(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    other = state.stack.pop()
    target = state.stack[-instr.arg]
    assert isinstance(target, DictRef)
    if isinstance(other, DictRef):
        items = iteration.heap_object(state, other)
    elif isinstance(other, Const) and isinstance(other.obj, dict):
        items = {key: wrap(value) for key, value in other.obj.items()}
    else:
        raise TypeMismatch(0, f"a dict is needed here, but this is {describe(other)}")
    state.heap[target.ident] = {**iteration.heap_object(state, target), **items}


def _list_to_tuple(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    assert isinstance(value, ListRef)
    state.stack.append(tuple_of(iteration.heap_object(state, value)))


# strings


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {"": lambda obj: obj, "s": str, "r": repr, "a": ascii}


def _format_value(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    conversion, has_spec = instr.arg
    spec = state.stack.pop() if has_spec else Const("")
    value = state.stack.pop()
    if not isinstance(spec, Const):
        raise UnsupportedSyntax(0, "a format specification must be a constant")
    if isinstance(value, Const):
        converted = _CONVERSIONS[conversion](value.obj)
        state.stack.append(constant_operation(ev, "formatting", format, converted, spec.obj))
    else:
        state.stack.append(Text(((value, conversion, spec.obj),)))


def _build_string(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    parts: list[Any] = []
    for piece in _pop(state, instr.arg):
        parts += piece.parts if isinstance(piece, Text) else [piece.obj if isinstance(piece, Const) else piece]
    if all(isinstance(part, str) for part in parts):
        state.stack.append(Const("".join(parts)))
    else:
        state.stack.append(Text(tuple(parts)))


# operators


def _unary(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    if instr.arg == "not":
        state.stack.append(arith.from_bool(arith.negate(ev.b, truth(ev, state, value))))
    elif isinstance(value, Const):
        state.stack.append(constant_operation(ev, f"the operator {instr.arg}", arith.UNARY[instr.arg], value.obj))
    else:
        state.stack.append(arith.unary(ev.b, instr.arg, value))


def operate(ev: Evaluator, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    if isinstance(left, Const) and isinstance(right, Const):
        return constant_operation(ev, f"the operator {op}", arith.PYTHON[op], left.obj, right.obj)
    if op == "+" and not (arith.is_int(left) and arith.is_int(right)):
        joined = access.concatenate(ev, state, left, right)
        if joined is not None:
            return joined
    return arith.binary(ev.b, op, left, right)


def _binary(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    state.stack.append(operate(ev, state, instr.arg, left, right))


def _inplace(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    op = instr.arg
    if isinstance(left, (AugmentedItem, AugmentedAttr)) and op in maps.ATOMIC:
        state.stack.append(Update(left, op, right))
        return
    left = _settled(ev, state, left)
    if isinstance(left, ListRef) and op == "+":
        access.extend(ev, state, left, right)
        state.stack.append(left)
        return
    if isinstance(left, Const) and isinstance(left.obj, (list, dict, set, bytearray)):
        raise UnsupportedSyntax(0, f"can't change {describe(left)}: what a program captures is constant")
    state.stack.append(operate(ev, state, op, left, right))


def _compare(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    state.stack.append(compare.compare(ev, state, instr.arg, left, right))


def _is(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    result = compare.identical(ev, left, right)
    state.stack.append(arith.from_bool(arith.negate(ev.b, result) if instr.arg else result))


def _contains(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    container, item = state.stack.pop(), state.stack.pop()
    result = compare.contains(ev, state, container, item)
    state.stack.append(arith.from_bool(arith.negate(ev.b, result) if instr.arg else result))


# stack


def _copy(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(state.stack[-instr.arg])


def _swap(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    stack = state.stack
    stack[-1], stack[-instr.arg] = stack[-instr.arg], stack[-1]


def _pop_top(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.pop()


def _push_null(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(NULL)


def _unpack_sequence(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    items = iteration.unpack(ev.b, state, state.stack.pop(), instr.arg)
    state.stack += items[::-1]


def _unpack_ex(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    before, after = instr.arg
    value = state.stack.pop()
    items = iteration.known_items(ev.b, state, value)
    if items is None or len(items) < before + after:
        raise TypeMismatch(0, f"can't unpack {describe(value)} into {before + after} names and a starred one")
    end = len(items) - after
    middle = new_list(ev, state, items[before:end])
    state.stack += [*items[end:][::-1], middle, *items[:before][::-1]]


def _get_iter(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(iteration.make_iterator(ev.b, state, state.stack.pop()))


# calls


def _callee(state: State) -> tuple[Abstract, list[Abstract]]:
    slots = [slot for slot in _pop(state, 2) if not isinstance(slot, Null)]
    return slots[0], slots[1:]


def _call(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    count, names = instr.arg
    values = _pop(state, len(names))
    args = _pop(state, count)
    callee, leading = _callee(state)
    kwargs = dict(zip(names, values, strict=True))
    state.stack.append(calls.call(ev, state, callee, tuple(leading + args), kwargs, instr.unit))


def _call_ex(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    kwargs: dict[str, Abstract] = {}
    if instr.arg:
        named = state.stack.pop()
        if isinstance(named, DictRef):
            kwargs = dict(iteration.heap_object(state, named))
        elif isinstance(named, Const):
            kwargs = {key: wrap(value) for key, value in named.obj.items()}
        else:
            raise TypeMismatch(0, f"** needs a dict, but this is {describe(named)}")
    packed = state.stack.pop()
    args = iteration.known_items(ev.b, state, packed)
    if args is None:
        raise TypeMismatch(0, f"* needs a sequence of known length, but this is {describe(packed)}")
    callee, leading = _callee(state)
    state.stack.append(calls.call(ev, state, callee, (*leading, *args), kwargs, instr.unit))


def _make_function(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    code = state.stack.pop()
    assert isinstance(code, Const) and isinstance(code.obj, types.CodeType)
    cells = state.stack.pop() if "closure" in instr.arg else None
    if "annotations" in instr.arg:
        state.stack.pop()
    kwdefaults = state.stack.pop() if "kwdefaults" in instr.arg else None
    defaults = state.stack.pop() if "defaults" in instr.arg else None
    keywords: dict[str, Abstract] = {}
    if isinstance(kwdefaults, DictRef):
        keywords = iteration.heap_object(state, kwdefaults)
    idents = (
        tuple(cell.ident for cell in cells.items if isinstance(cell, CellRef)) if isinstance(cells, TupleOf) else ()
    )
    items = iteration.known_items(ev.b, state, defaults) if defaults is not None else ()
    state.stack.append(Closure(code.obj, frame.globals, items or (), tuple(keywords.items()), idents))


def _load_assertion_error(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(Const(AssertionError))


# match


def _match_sequence(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    subject = state.stack[-1]
    sequence = isinstance(subject, (TupleOf, ListRef)) or (
        isinstance(subject, Const) and isinstance(subject.obj, (tuple, list))
    )
    sequence = sequence or (isinstance(subject, Ref) and is_array(subject.ctype) and not is_chars(subject.ctype))
    state.stack.append(TRUE if sequence else FALSE)


def _get_len(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    items = iteration.known_items(ev.b, state, state.stack[-1])
    if items is None:
        raise TypeMismatch(0, f"{describe(state.stack[-1])} has no length")
    state.stack.append(Const(len(items)))


def _match_other(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, "match works on integers, tuples and constants",
                            hints=("compare attributes with if",))  # fmt: skip


HANDLERS: Final[dict[Op, Callable[[Evaluator, Frame, State, Instr], None]]] = {
    Op.LOAD_CONST: _load_const,
    Op.LOAD_FAST: _load_fast,
    Op.STORE_FAST: _store_fast,
    Op.DELETE_FAST: _delete_fast,
    Op.LOAD_FAST_AND_CLEAR: _load_and_clear,
    Op.MAKE_CELL: _make_cell,
    Op.LOAD_GLOBAL: _load_global,
    Op.STORE_GLOBAL: _store_global,
    Op.LOAD_DEREF: _load_deref,
    Op.STORE_DEREF: _store_deref,
    Op.DELETE_DEREF: _delete_deref,
    Op.LOAD_CLOSURE: _load_closure,
    Op.LOAD_ATTR: _load_attr,
    Op.LOAD_METHOD: _load_method,
    Op.AUG_ATTR: _aug_attr,
    Op.STORE_ATTR: _store_attr,
    Op.DELETE_ATTR: _delete_attr,
    Op.LOAD_SUBSCR: _load_subscr,
    Op.AUG_SUBSCR: _aug_subscr,
    Op.STORE_SUBSCR: _store_subscr,
    Op.DELETE_SUBSCR: _delete_subscr,
    Op.BUILD_TUPLE: _build_tuple,
    Op.BUILD_LIST: _build_list,
    Op.BUILD_SET: _build_set,
    Op.BUILD_MAP: _build_map,
    Op.BUILD_CONST_KEY_MAP: _build_const_key_map,
    Op.BUILD_SLICE: _build_slice,
    Op.BUILD_STRING: _build_string,
    Op.LIST_EXTEND: _list_extend,
    Op.LIST_APPEND: _list_append,
    Op.SET_ADD: _set_add,
    Op.SET_UPDATE: _set_update,
    Op.MAP_ADD: _map_add,
    Op.DICT_UPDATE: _dict_update,
    Op.DICT_MERGE: _dict_update,
    Op.LIST_TO_TUPLE: _list_to_tuple,
    Op.FORMAT_VALUE: _format_value,
    Op.UNARY: _unary,
    Op.BINARY: _binary,
    Op.INPLACE: _inplace,
    Op.COMPARE: _compare,
    Op.IS: _is,
    Op.CONTAINS: _contains,
    Op.COPY: _copy,
    Op.SWAP: _swap,
    Op.POP_TOP: _pop_top,
    Op.PUSH_NULL: _push_null,
    Op.UNPACK_SEQUENCE: _unpack_sequence,
    Op.UNPACK_EX: _unpack_ex,
    Op.GET_ITER: _get_iter,
    Op.CALL: _call,
    Op.CALL_FUNCTION_EX: _call_ex,
    Op.MAKE_FUNCTION: _make_function,
    Op.LOAD_ASSERTION_ERROR: _load_assertion_error,
    Op.MATCH_SEQUENCE: _match_sequence,
    Op.GET_LEN: _get_len,
    Op.MATCH_MAPPING: _match_other,
    Op.MATCH_KEYS: _match_other,
    Op.MATCH_CLASS: _match_other,
}

QUIET: Final = frozenset((
    Op.LOAD_CONST, Op.LOAD_FAST, Op.STORE_FAST, Op.COPY, Op.SWAP, Op.POP_TOP, Op.PUSH_NULL, Op.BUILD_TUPLE,
))  # fmt: skip
"""Operations that emit nothing and fail on nothing: no need to note their place."""
