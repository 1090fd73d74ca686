"""Attributes and items of whatever has them: ctypes objects, the context, maps, constants, sequences."""

from __future__ import annotations

import ctypes
import inspect
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import Field
from ...uapi.map_types import MapType
from ..ir.ops import Op as IrOp
from ..ir.values import const
from . import (
    arith,
    calls,
    choice,
    hints,
    iteration,
    kernel_memory,
    locks,
    maps,
    memory,
    packets,
    places,
    semantics,
    slices,
)
from .describe import describe, type_name
from .layout import is_array, is_chars, is_record, members, scalar
from .state import State
from .values import (
    Abstract,
    AugmentedAttr,
    AugmentedItem,
    Bound,
    Const,
    Context,
    ContextFields,
    DictRef,
    KernelRef,
    ListRef,
    Map,
    Method,
    Option,
    Ref,
    Run,
    SliceOf,
    TupleOf,
    Update,
    wrap,
)

if TYPE_CHECKING:
    from .builder import Builder
    from .evaluator import Evaluator

_MUTATORS: Final[dict[Any, set[str]]] = {
    list: {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"},
    dict: {"update", "pop", "popitem", "clear", "setdefault"},
    set: {"add", "update", "remove", "discard", "pop", "clear"},
    bytearray: {"append", "extend", "insert", "pop", "remove", "clear", "reverse"},
}


def load_attr(ev: Evaluator, state: State, owner: Abstract, name: str) -> Abstract:
    """``owner.name``."""
    if isinstance(owner, Const):
        return _constant_attr(ev, owner.obj, name)
    if isinstance(owner, Ref):
        return _ref_attr(ev, state, owner, name)
    if isinstance(owner, Context):
        return _context_attr(ev, owner, name)
    if isinstance(owner, KernelRef):
        return kernel_memory.attribute(ev, owner, name)
    if isinstance(owner, Map):
        return memory.load(ev.b, maps.value(ev.b, owner)) if _is_global(owner, name) else _map_attr(ev, owner, name)
    if isinstance(owner, Run) and name in calls.INT_METHODS:
        return Method(owner, name)
    if isinstance(owner, Option) and name in calls.INT_METHODS:
        ev.b.guard(ev.b.compare(IrOp.NE, owner.present, const(0)), "AttributeError", none=True)
        return load_attr(ev, state, arith.from_ir(owner.value), name)
    if isinstance(owner, (ListRef, DictRef)):
        return Method(owner, name)
    if isinstance(owner, TupleOf) and owner.cls is not tuple:
        return _named_item(ev, state, owner, name)
    raise TypeMismatch(0, f"{describe(owner)} has no attribute {name!r}", hints=hints.for_number(owner))


def _constant_attr(ev: Evaluator, obj: Any, name: str) -> Abstract:
    if obj is None:
        ev.b.exit("AttributeError")
    for kind, names in _MUTATORS.items():
        if name in names and isinstance(obj, kind):
            raise UnsupportedSyntax(
                0,
                f"can't call .{name}() of a captured {kind.__name__}: what a program captures is constant",
                hints=("keep changing values in a map, or make the object inside the function",),
            )
    try:
        return wrap(getattr(obj, name))
    except AttributeError as error:
        near = hints.near(name, dir(obj), "help() shows what it has")
        raise TypeMismatch(0, f"{describe(Const(obj))} has no attribute {name!r}", hints=near) from error


def _ref_attr(ev: Evaluator, state: State, ref: Ref, name: str) -> Abstract:
    if is_record(ref.ctype):
        found = inspect.getattr_static(ref.ctype, name, None)
        if name not in members(ref.ctype) and found is not None:
            return _class_attr(ev, state, ref, name, found)
        return memory.load_member(ev.b, ref, name)
    if name == "value" and (scalar(ref.ctype) is not None or is_chars(ref.ctype)):
        return memory.load(ev.b, ref)
    if is_chars(ref.ctype) and name == "raw":
        raise UnsupportedSyntax(
            0, ".raw can't be read in a program", hints=("py2bpf.funcs.mem_eq(chars, b'...') compares all bytes",)
        )
    if is_chars(ref.ctype) and name in calls.CHARS_METHODS:
        return Method(ref, name)
    raise TypeMismatch(0, f"a {type_name(ref.ctype)} has no attribute {name!r}", hints=hints.for_number(ref))


def _class_attr(ev: Evaluator, state: State, ref: Ref, name: str, found: Any) -> Abstract:
    """What the struct's class defines beside its fields."""
    if isinstance(found, types.FunctionType):
        return Bound(Const(found), (ref,))
    if isinstance(found, property):
        return calls.call(ev, state, Const(found.fget), (ref,), {}, 0)
    return wrap(getattr(ref.ctype, name))


def _named_item(ev: Evaluator, state: State, owner: TupleOf, name: str) -> Abstract:
    """An item of a namedtuple by its name, or what its class defines besides."""
    if name in owner.cls._fields:
        item: Abstract = owner.items[owner.cls._fields.index(name)]
        return item
    found = inspect.getattr_static(owner.cls, name, None)
    if isinstance(found, types.FunctionType) and not name.startswith("_"):
        return Bound(Const(found), (owner,))
    if isinstance(found, property):
        return calls.call(ev, state, Const(found.fget), (owner,), {}, 0)
    near = hints.near(name, owner.cls._fields, f"it has {', '.join(owner.cls._fields)}")
    raise TypeMismatch(0, f"a {owner.cls.__name__} has no attribute {name!r}", hints=near)


def _is_global(owner: Abstract, name: str) -> bool:
    """Whether ``owner.name`` is the value of a Global."""
    return isinstance(owner, Map) and owner.spec.is_global and name == "value"


def _map_attr(ev: Evaluator, owner: Map, name: str) -> Abstract:
    if name in maps.METHODS:
        return Method(owner, name)
    if name in maps.NUMBERS and (number := maps.NUMBERS[name](ev.b, owner)) is not None:
        return number
    found = inspect.getattr_static(owner.obj, name, None)
    if found is None or callable(found):
        names = maps.known_methods(owner.spec)
        items = "" if owner.spec.data_type is not None else ", and m[key], in and del"
        known = hints.near(name, names, f"they can use {', '.join(names)}{items}")
        raise UnsupportedSyntax(0, f"programs can't use .{name} of a map", hints=known)
    return wrap(getattr(owner.obj, name))


# the context


def _context_attr(ev: Evaluator, context: Context, name: str) -> Abstract:
    extra = context.spec.fields.get(name)
    found = packets.attribute(ev, context, name)
    if found is not None:
        return found
    if isinstance(extra, tuple):
        return ContextFields(context, name)
    if extra is not None:
        return _context_field(ev, context, extra)
    if name not in members(context.spec.struct) and name not in context.spec.fields:
        known = [*members(context.spec.struct), *context.spec.fields]
        near = hints.near(name, known, f"it has {', '.join(known)}")
        raise TypeMismatch(0, f"the context ({type_name(context.spec.struct)}) has no field {name!r}", hints=near)
    return memory.load_member(ev.b, Ref(context.base, 0, context.spec.struct), name)


def _context_field(ev: Evaluator, context: Context, field: Field) -> Abstract:
    struct = context.spec.struct
    whole = Ref(context.base, 0, struct)
    if field.through_pointer is None:
        *outer, last = field.path.split(".")
        for name in outer:
            member = memory.member(whole.ctype, name)
            whole = Ref(whole.base, whole.offset + member.offset, member.ctype)
        return memory.load_member(ev.b, whole, last)
    inner = arith.to_ir(ev.b, memory.load_member(ev.b, whole, field.through_pointer))
    member = memory.member(struct, field.path)
    address = arith.as_u64(ev.b, ev.b.emit(IrOp.ADD, [inner, const(member.offset)], inner.type))
    return kernel_memory.read(ev, address, member.ctype)


def _context_item(ev: Evaluator, fields: ContextFields, key: Abstract) -> Abstract:
    table = fields.context.spec.fields[fields.name]
    assert isinstance(table, tuple)
    if not isinstance(key, Const) or not isinstance(key.obj, int):
        raise TypeMismatch(
            0, f"the index of .{fields.name}[] must be a constant", hints=("a loop over constants gives some",)
        )
    if not 0 <= key.obj < len(table):
        raise TypeMismatch(
            0,
            f".{fields.name}[{key.obj}] does not exist",
            hints=(f"there are .{fields.name}[0] to [{len(table) - 1}]",),
        )
    return _context_field(ev, fields.context, table[key.obj])


def store_attr(ev: Evaluator, owner: Abstract, name: str, value: Abstract) -> None:
    """``owner.name = value``."""
    if isinstance(owner, KernelRef):
        raise kernel_memory.read_only(owner)
    if isinstance(owner, Ref):
        if is_record(owner.ctype):
            ev.b.guard_not_null(owner.base)
            memory.store_member(ev.b, owner, name, value)
            return
        if name in ("value", "raw") and (scalar(owner.ctype) is not None or is_chars(owner.ctype)):
            memory.store(ev.b, owner, value)
            return
        raise TypeMismatch(
            0, f"a {type_name(owner.ctype)} has no attribute {name!r} to assign to", hints=hints.for_number(owner)
        )
    if isinstance(owner, Context):
        if name in owner.spec.fields:
            raise UnsupportedSyntax(
                0, f"the context's {name!r} is read-only", hints=("copy it to a variable, and change that",)
            )
        memory.store_member(ev.b, Ref(owner.base, 0, owner.spec.struct), name, value)
        return
    if isinstance(owner, Map) and _is_global(owner, name):
        memory.store(ev.b, maps.value(ev.b, owner), places.entry(ev.b, owner.spec.value_type, value))
        return
    if isinstance(owner, Const) and owner.obj is None:
        ev.b.exit("AttributeError")
    captured = ("what a program captures is constant: keep changing values in a map, or make it inside the function",)
    raise UnsupportedSyntax(
        0,
        f"can't assign to an attribute of {describe(owner)}",
        hints=captured if isinstance(owner, Const) else hints.for_number(owner),
    )


# items


def get_item(ev: Evaluator, state: State, container: Abstract, key: Abstract) -> Abstract:
    """``container[key]``."""
    if isinstance(container, Map):
        return maps.get_item(ev.b, container, key)
    if isinstance(container, ContextFields):
        return _context_item(ev, container, key)
    if isinstance(container, KernelRef):
        return kernel_memory.item(ev, container, key)
    if isinstance(container, Const) and isinstance(key, Const):
        return semantics.constant_operation(ev, "the subscript", lambda: container.obj[key.obj])
    if isinstance(container, DictRef):
        return _dict_item(ev, state, container, key)
    if isinstance(container, Ref) and is_array(container.ctype):
        return _array_item(ev, state, container, key)
    if isinstance(container, Const) and isinstance(container.obj, Mapping):
        return choice.item(ev.b, container.obj, key)
    unordered = isinstance(container, Const) and not isinstance(container.obj, Sequence)
    items = None if unordered else iteration.known_items(ev.b, state, container)
    if items is None:
        raise TypeMismatch(
            0,
            f"{describe(container)} has no items that [] reads",
            hints=("tuples, lists, ctypes arrays and maps have",),
        )
    return _sequence_item(ev, state, container, items, key)


def _dict_item(ev: Evaluator, state: State, container: DictRef, key: Abstract) -> Abstract:
    items = iteration.heap_object(state, container)
    if not isinstance(key, Const):
        return choice.item(ev.b, items, key)
    if key.obj not in items:
        ev.b.exit("KeyError")
    found: Abstract = items[key.obj]
    return found


def _array_item(ev: Evaluator, state: State, ref: Ref, key: Abstract) -> Abstract:
    if isinstance(key, Const) and isinstance(key.obj, slice):
        return slices.read(ev, state, ref, key.obj)
    if isinstance(key, SliceOf):
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=("read the items one by one: a[i]",))
    found = memory.index(ev.b, ref, key)
    if is_chars(ref.ctype):  # bytes give numbers
        return arith.from_ir(ev.b.load(found.base, found.offset, 1, False))
    return memory.load(ev.b, found)


def _sequence_item(
    ev: Evaluator, state: State, container: Abstract, items: tuple[Abstract, ...], key: Abstract
) -> Abstract:
    if isinstance(key, Const) and isinstance(key.obj, slice):
        chosen = items[key.obj]
        return semantics.new_list(ev, state, chosen) if isinstance(container, ListRef) else semantics.tuple_of(chosen)
    if isinstance(key, Const):
        return _known_item(ev, items, key.obj)
    if isinstance(key, SliceOf):
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=("read the items one by one: a[i]",))
    if items and all(isinstance(item, Const) and isinstance(item.obj, int) for item in items):
        return _table_item(ev, [int(item.obj) for item in items if isinstance(item, Const)], key)
    if items and all(isinstance(item, (Const, Run)) and arith.is_int(item) for item in items):
        return choice.numbered(ev.b, items, key)
    raise TypeMismatch(0, f"the index into {describe(container)} must be a constant",
                       hints=("tuples and lists of numbers, ctypes arrays and maps take others",))  # fmt: skip


def _known_item(ev: Evaluator, items: tuple[Abstract, ...], index: Any) -> Abstract:
    if not isinstance(index, int):
        raise TypeMismatch(0, f"a sequence is indexed with integers, not {describe(Const(index))}",
                           hints=("write the item's number; dicts and maps have other keys",))  # fmt: skip
    if not -len(items) <= index < len(items):
        ev.b.exit("IndexError")
    return items[index]


def _table_item(ev: Evaluator, numbers: list[int], key: Abstract) -> Abstract:
    """A constant table of integers indexed at run time: a ctypes array on the stack."""
    wide = ctypes.c_uint64 if max(numbers) >= 1 << 63 else ctypes.c_int64
    if min(numbers) < -(1 << 63) or max(numbers) >= 1 << 64 or (wide is ctypes.c_uint64 and min(numbers) < 0):
        raise TypeMismatch(0, "the table's integers do not fit one 64-bit type",
                           hints=("it may have negative numbers, or some from 2**63 up, and not both",))  # fmt: skip
    table = memory.new(ev.b, wide * len(numbers), zero=False)
    for i, number in enumerate(numbers):
        memory.store(ev.b, memory.element(table, i), Const(number))
    return memory.load(ev.b, memory.index(ev.b, table, key))


def set_item(ev: Evaluator, state: State, container: Abstract, key: Abstract, value: Abstract) -> None:
    """``container[key] = value``."""
    if isinstance(container, KernelRef):
        raise kernel_memory.read_only(container)
    if isinstance(container, Map):
        maps.set_item(ev.b, container, key, value)
    elif isinstance(container, Ref) and is_array(container.ctype):
        if isinstance(key, Const) and isinstance(key.obj, slice):
            slices.write(ev, state, container, key.obj, value)
        else:
            memory.store(ev.b, memory.index(ev.b, container, key), value)
    elif isinstance(container, ListRef) and isinstance(key, Const) and isinstance(key.obj, int):
        items = list(iteration.heap_object(state, container))
        if not -len(items) <= key.obj < len(items):
            ev.b.exit("IndexError")
        items[key.obj] = value
        state.heap[container.ident] = tuple(items)
    elif isinstance(container, ListRef) and isinstance(key, Const) and isinstance(key.obj, slice):
        slices.replace(ev, state, container, key.obj, value)
    elif isinstance(container, ListRef) and isinstance(key, SliceOf):
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=("assign the items one by one",))
    elif isinstance(container, DictRef) and isinstance(key, Const):
        state.heap[container.ident] = {**iteration.heap_object(state, container), key.obj: value}
    else:
        captured = "what a program captures is constant: keep changing values in a map, or make it inside the function"
        own = "lists and dicts of a program take constant keys only: use a ctypes array or a map"
        hint = (captured if isinstance(container, Const) else own,)
        raise UnsupportedSyntax(0, f"can't assign to an item of {describe(container)}", hints=hint)


def extend(ev: Evaluator, state: State, target: Abstract, iterable: Abstract) -> None:
    """``target.extend(iterable)`` on a list made in the program."""
    items = iteration.known_items(ev.b, state, iterable)
    if not isinstance(target, ListRef) or items is None:
        raise TypeMismatch(
            0, f"can't extend {describe(target)} by {describe(iterable)}", hints=("the length must be known",)
        )
    state.heap[target.ident] = iteration.heap_object(state, target) + items


# augmented assignment


def updates_in_place(b: Builder, owner: Abstract, name: str) -> bool:
    """Whether ``owner.name op= v`` must be one atomic step. Under the entry's lock it need not be, and where BPF has
    no such step it is none."""
    if isinstance(owner, Map) and _is_global(owner, name):
        whole = scalar(owner.spec.value_type)
        return whole is not None and whole.kind == "int"
    if not isinstance(owner, Ref) or not maps.is_shared(owner) or not is_record(owner.ctype):
        return False
    member = members(owner.ctype).get(name)
    if member is None:
        return False
    locked = locks.protects(b, owner)
    if member.bits is not None:
        if locked:
            return False
        raise TypeMismatch(0, "a bit field of a shared map value can't be changed atomically",
                           hints=("use a whole c_uint32 or c_uint64 field, a per-CPU map, or a SpinLock",))  # fmt: skip
    place = Ref(owner.base, owner.offset + member.offset, member.ctype)
    kind = scalar(member.ctype)
    return kind is not None and kind.kind == "int" and (maps.can_be_atomic(place) or not locked)


def item_updates_in_place(b: Builder, container: Abstract) -> bool:
    """Whether ``container[key] op= v`` must be one atomic step."""
    if isinstance(container, Map):
        if container.spec.kind == MapType.LPM_TRIE:
            raise UnsupportedSyntax(
                0,
                "an augmented assignment would read the longest prefix, but write the whole address",
                hints=("make the values structs: entry = m[address]; if entry: entry.packets += 1",),
            )
        kind = scalar(container.spec.value_type)
        return kind is not None and kind.kind == "int"
    if not isinstance(container, Ref) or not maps.is_shared(container) or not is_array(container.ctype):
        return False
    kind = scalar(container.ctype._type_)
    atomic = maps.can_be_atomic(Ref(container.base, container.offset, container.ctype._type_))
    return kind is not None and kind.kind == "int" and (atomic or not locks.protects(b, container))


def settled(ev: Evaluator, state: State, value: Abstract) -> Abstract:
    """The value itself: a pending read of an augmented assignment is made now."""
    if isinstance(value, AugmentedItem):
        return get_item(ev, state, value.container, value.key)
    if isinstance(value, AugmentedAttr):
        return load_attr(ev, state, value.owner, value.name)
    return value


def update(ev: Evaluator, state: State, change: Update) -> None:
    """Carries out a pending in-place update."""
    target = change.target
    if isinstance(target, AugmentedAttr) and isinstance(target.owner, Map):
        maps.update_in_place(ev.b, maps.value(ev.b, target.owner), change.op, change.operand)
    elif isinstance(target, AugmentedAttr):
        assert isinstance(target.owner, Ref)
        member = memory.member(target.owner.ctype, target.name)
        place = Ref(target.owner.base, target.owner.offset + member.offset, member.ctype)
        maps.update_in_place(ev.b, place, change.op, change.operand)
    elif isinstance(target, AugmentedItem) and isinstance(target.container, Map):
        maps.update_item(ev.b, target.container, target.key, change.op, change.operand)
    else:
        assert isinstance(target, AugmentedItem) and isinstance(target.container, Ref)
        place = memory.index(ev.b, target.container, target.key)
        maps.update_in_place(ev.b, place, change.op, change.operand)
