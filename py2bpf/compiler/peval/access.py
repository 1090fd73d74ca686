"""Attributes and items of whatever has them: ctypes objects, the context, maps, constants, sequences."""

from __future__ import annotations

import ctypes
import inspect
import types
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ...exception import LimitExceeded, TypeMismatch, UnsupportedSyntax
from ...fields import declared, is_field
from ..ir.ops import Op as IrOp
from ..ir.types import Region
from ..ir.values import const
from . import (
    arith,
    captured,
    choice,
    classes,
    contexts,
    hints,
    host,
    indices,
    integers,
    iteration,
    kernel_memory,
    maps,
    memory,
    methods,
    namedtuples,
    overrides,
    packets,
    places,
    ranges,
    sequences,
    slices,
    special,
)
from .layout import is_array, is_chars, is_record, members, scalar
from .machine import Machine
from .naming import short, type_name
from .state import State
from .values import (
    Abstract,
    Bound,
    Const,
    Context,
    ContextFields,
    DictRef,
    KernelRef,
    ListRef,
    Map,
    Method,
    NumberClass,
    Option,
    RangeOf,
    Ref,
    Run,
    SliceOf,
    TupleOf,
    wrap,
)

_NO_WALK: Final = "programs can't iterate over maps; user space can, with m.items()"
_NOT_IN_PROGRAMS: Final = {
    "update": "write m[key] = value",
    "popitem": "write m.pop(key)",
    **dict.fromkeys(("items", "keys", "values", "clear", "get_items", "get_next_key", "pop_all"), _NO_WALK),
}
"""Methods of maps that only user space has, and what a program writes."""


def load_attr(ev: Machine, state: State, owner: Abstract, name: str) -> Abstract:
    """``owner.name``."""
    if isinstance(owner, Const):
        return captured.attribute(ev, state, owner.obj, name)
    if isinstance(owner, Ref):
        return _ref_attr(ev, state, owner, name)
    if isinstance(owner, Context):
        return contexts.attribute(ev, owner, name)
    if isinstance(owner, KernelRef):
        return kernel_memory.attribute(ev, owner, name)
    if isinstance(owner, Map):
        if (own := overrides.own(owner, name)) is not None:
            return Bound(Const(own), (owner,))
        return memory.load(ev.b, maps.value(ev.b, owner)) if is_global(owner, name) else _map_attr(ev, owner, name)
    if isinstance(owner, Run) and name == "__class__":
        return Const(bool) if owner.boolean else NumberClass()
    if isinstance(owner, Run) and name in methods.INT_METHODS:
        return Method(owner, name)
    if isinstance(owner, Option) and name in methods.INT_METHODS:
        ev.b.guard(ev.b.compare(IrOp.NE, owner.present, const(0)), "AttributeError", none=True)
        return load_attr(ev, state, arith.from_ir(owner.value), name)
    if isinstance(owner, (ListRef, DictRef)):
        return Method(owner, name)
    if isinstance(owner, TupleOf) and owner.cls is not tuple:
        return _named_item(ev, state, owner, name)
    raise TypeMismatch(0, f"{owner.describe()} has no attribute {name!r}", hints=hints.for_attribute(owner, name))


def _ref_attr(ev: Machine, state: State, ref: Ref, name: str) -> Abstract:
    if is_record(ref.ctype):
        found = inspect.getattr_static(ref.ctype, name, None)
        if found is not None and not is_field(found):
            return _class_attr(ev, state, ref, name, found)
        return memory.load_member(ev.b, ref, name)
    definer, found = classes.lookup(ref.ctype, name)
    written = definer is not None and not isinstance(found, types.GetSetDescriptorType)
    if written and not classes.is_known(definer) and ref.text is False:
        return _class_attr(ev, state, ref, name, found)
    if name == "value" and (scalar(ref.ctype) is not None or is_chars(ref.ctype)):
        return memory.load(ev.b, memory.as_text(ref))
    if is_chars(ref.ctype) and name == "raw":
        raise UnsupportedSyntax(
            0, ".raw can't be read in a program", hints=("py2bpf.funcs.mem_eq(chars, b'...') compares all bytes",)
        )
    if is_chars(ref.ctype) and name in methods.CHARS_METHODS:
        ev.b.guard_not_null(ref.base)
        return Method(ref, name)
    raise TypeMismatch(0, f"a {type_name(ref.ctype)} has no attribute {name!r}", hints=hints.for_number(ref))


def _class_attr(ev: Machine, state: State, ref: Ref, name: str, found: Any) -> Abstract:
    """What the object's class defines beside its fields."""
    ev.b.guard_not_null(ref.base)
    if isinstance(found, types.FunctionType):
        return Bound(Const(found), (ref,))
    if isinstance(found, property):
        return _property(ev, state, found, ref)
    _refuse_descriptor(ref.ctype, name, found)
    return wrap(getattr(ref.ctype, name))


def _property(ev: Machine, state: State, found: property, owner: Abstract) -> Abstract:
    if not isinstance(found.fget, types.FunctionType):
        raise UnsupportedSyntax(0, "a property can be read in a program if its getter is a Python function",
                                hints=("write a method",))  # fmt: skip
    return special.call(ev, state, found.fget, owner)


def _refuse_descriptor(cls: Any, name: str, found: Any) -> None:
    """What computes an attribute for each object in its own way, as ``functools.cached_property``."""
    known = (staticmethod, classmethod, types.FunctionType)
    if inspect.getattr_static(type(found), "__get__", None) is not None and not isinstance(found, known):
        raise UnsupportedSyntax(0, f"{type_name(cls)}.{name} is a {type(found).__name__}, which programs can't read",
                                hints=("write a property or a method",))  # fmt: skip


def _named_item(ev: Machine, state: State, owner: TupleOf, name: str) -> Abstract:
    """An item of a namedtuple by its name, or what its class defines besides."""
    if overrides.own(owner, "__getattribute__") is not None:
        raise UnsupportedSyntax(0, f"{owner.cls.__name__} reads its attributes by a method, which programs don't call",
                                hints=("index the items: pair[0]",))  # fmt: skip
    fields = getattr(owner.cls, "_fields", ())
    found = inspect.getattr_static(owner.cls, name, None)
    if name in fields and not isinstance(found, (types.FunctionType, property)):
        item: Abstract = owner.items[fields.index(name)]
        return item
    if namedtuples.is_given(found):
        return Method(owner, name)
    if name == "_fields":
        return Const(fields)
    if isinstance(found, types.FunctionType) and not name.startswith("_"):
        return Bound(Const(found), (owner,))
    if isinstance(found, property):
        return _property(ev, state, found, owner)
    near = hints.near(name, fields, f"it has {', '.join(fields)}")
    raise TypeMismatch(0, f"a {owner.cls.__name__} has no attribute {name!r}", hints=near)


def is_global(owner: Abstract, name: str) -> bool:
    """Whether ``owner.name`` is the value of a Global."""
    return isinstance(owner, Map) and owner.spec.is_global and name == "value"


def _map_attr(ev: Machine, owner: Map, name: str) -> Abstract:
    if name in maps.METHODS:
        return Method(owner, name)
    if name in maps.NUMBERS and (number := maps.NUMBERS[name](ev.b, owner)) is not None:
        return number
    found = inspect.getattr_static(owner.obj, name, None)
    if found is None or callable(found):
        if name in _NOT_IN_PROGRAMS:
            raise UnsupportedSyntax(0, f"programs can't use .{name} of a map", hints=(_NOT_IN_PROGRAMS[name],))
        names = maps.known_methods(owner.spec)
        items = "" if owner.spec.data_type is not None else ", and m[key], in and del"
        known = hints.near(name, maps.understood_methods(owner.spec), f"they can use {', '.join(names)}{items}")
        raise UnsupportedSyntax(0, f"programs can't use .{name} of a map", hints=known)
    return wrap(host.run(ev.b, f"reading .{name}", getattr, owner.obj, name))


def attr_place(ev: Machine, owner: Abstract, name: str) -> Ref | None:
    """Where the number ``owner.name`` is, for addrof(); None for what isn't a number in the program's memory."""
    if is_global(owner, name) and isinstance(owner, Map):
        return _number(maps.value(ev.b, owner))
    if not isinstance(owner, Ref) or owner.ptr.region is Region.CTX:
        return None
    if is_record(owner.ctype) and has_field(owner.ctype, name):
        ev.b.guard_not_null(owner.base)
        return _number(memory.member_place(owner, name))
    return owner if name == "value" and scalar(owner.ctype) is not None else None


def item_place(ev: Machine, container: Abstract, key: Abstract) -> Ref | None:
    """Where the array's item ``container[key]`` is; see attr_place."""
    if not isinstance(container, Ref) or container.ptr.region is Region.CTX or not is_array(container.ctype):
        return None
    if isinstance(key, SliceOf) or (isinstance(key, Const) and isinstance(key.obj, slice)):
        return None
    if overrides.own(container, "__getitem__") is not None:
        return None
    return _number(memory.index(ev.b, container, indices.number(ev.b, key)))


def has_field(ctype: Any, name: str) -> bool:
    """Whether a struct has that field, and its class defines nothing else by the name."""
    return name in members(ctype) and is_field(inspect.getattr_static(ctype, name, None))


def _number(place: Ref) -> Ref | None:
    return place if scalar(place.ctype) is not None else None


def store_attr(ev: Machine, state: State, owner: Abstract, name: str, value: Abstract) -> None:
    """``owner.name = value``."""
    if isinstance(owner, KernelRef):
        raise kernel_memory.read_only(owner)
    if isinstance(owner, Ref):
        if is_record(owner.ctype):
            ev.b.guard_not_null(owner.base)
            _store_field(ev, state, owner, name, value)
            return
        if name in ("value", "raw") and (scalar(owner.ctype) is not None or is_chars(owner.ctype)):
            memory.check_place(owner, "this assignment")
            (memory.store_raw if name == "raw" else memory.store)(ev.b, owner, value)
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
    if isinstance(owner, Map) and is_global(owner, name):
        memory.store(ev.b, maps.value(ev.b, owner), places.entry(ev.b, owner.spec.value_type, value))
        return
    if isinstance(owner, Const) and owner.obj is None:
        ev.b.exit("AttributeError")
    if isinstance(owner, Const):
        captured.set_attribute(ev, state, owner.obj, name, value)
        return
    raise UnsupportedSyntax(
        0, f"can't assign to an attribute of {owner.describe()}", hints=hints.for_number(owner)
    )  # fmt: skip


def _declared(ctype: Any) -> set[str]:
    """The names of a structure's fields, also of those that its class defines anew."""
    return {field.name for field in declared(ctype)}


def _store_field(ev: Machine, state: State, owner: Ref, name: str, value: Abstract) -> None:
    found = inspect.getattr_static(owner.ctype, name, None)
    if found is None or is_field(found):
        memory.store_member(ev.b, owner, name, value)
    elif isinstance(found, property) and isinstance(found.fset, types.FunctionType):
        special.call(ev, state, found.fset, owner, value)
    elif name not in _declared(owner.ctype):
        raise UnsupportedSyntax(0, f"{type_name(owner.ctype)}.{name} is no field, and no property that can be set",
                                hints=(f"it has {', '.join(members(owner.ctype))}",))  # fmt: skip
    else:
        raise UnsupportedSyntax(0, f"{type_name(owner.ctype)}.{name} is no field any more: its class defines it anew",
                                hints=("give one of the two another name",))  # fmt: skip


# items


def get_item(ev: Machine, state: State, container: Abstract, key: Abstract) -> Abstract:
    """``container[key]``."""
    own = special.ask(ev, state, "__getitem__", container, key)
    if own is not None:
        return own
    key = _number_of_item(ev, container, key)
    if isinstance(container, Map):
        return maps.get_item(ev.b, container, key)
    if isinstance(container, ContextFields):
        return contexts.item(ev, container, key)
    if isinstance(container, KernelRef):
        return kernel_memory.item(ev, container, key)
    if isinstance(container, Const) and isinstance(key, Const):
        return captured.constant_item(ev, state, container.obj, key.obj)
    if isinstance(container, DictRef):
        return _dict_item(ev, state, container, key)
    if isinstance(container, Ref) and is_array(container.ctype):
        return _array_item(ev, state, container, key)
    if isinstance(container, Const) and isinstance(container.obj, Mapping):
        return captured.item(ev, state, container.obj, key)
    if isinstance(container, RangeOf) or _is_constant_range(container):
        return _number_of_range(ev, container, key)
    unordered = isinstance(container, Const) and not isinstance(container.obj, Sequence)
    items = None if unordered else iteration.stored(ev.b, state, container)
    if items is None:
        raise TypeMismatch(0, f"{container.describe()} has no items that [] reads", hints=_items_of(ev, container, key))
    return _sequence_item(ev, state, container, tuple(items), key)


def _is_constant_range(container: Abstract) -> bool:
    return isinstance(container, Const) and type(container.obj) is range


def _number_of_range(ev: Machine, container: Abstract, key: Abstract) -> Abstract:
    if isinstance(key, SliceOf) or (isinstance(key, Const) and isinstance(key.obj, slice)):
        raise UnsupportedSyntax(0, "a range that isn't constant has no slices", hints=("write range(start, stop)",))
    numbers = container if isinstance(container, RangeOf) else ranges.of_constant(cast("Const", container).obj)
    index = arith.to_ir(ev.b, key, "the index into a range is an integer")
    return arith.from_ir(ranges.item(ev.b, numbers, index))


def _number_of_item(ev: Machine, container: Abstract, key: Abstract) -> Abstract:
    """The key as a number, where an object stands for one; dicts ask for its hash and its == instead."""
    return key if isinstance(container, (DictRef, Const)) else indices.number(ev.b, key)


def _items_of(ev: Machine, container: Abstract, key: Abstract) -> tuple[str, ...]:
    """What has items instead; the packet's bytes are no items of the context."""
    if isinstance(container, Context) or packets.is_edge(ev, container):
        return packets.how_to_read(ev, key)
    return ("tuples, lists, ctypes arrays and maps have",)


def _dict_item(ev: Machine, state: State, container: DictRef, key: Abstract) -> Abstract:
    items = iteration.heap_object(state, container)
    if not isinstance(key, Const):
        return choice.item(ev.b, items, key)
    found: Abstract | None = items.get(host.key(ev.b, key))
    if found is None:
        ev.b.exit("KeyError")
    return found


def _array_item(ev: Machine, state: State, ref: Ref, key: Abstract) -> Abstract:
    if isinstance(key, Const) and isinstance(key.obj, slice):
        return slices.read(ev, state, ref, key.obj)
    if isinstance(key, SliceOf):
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=slices.READ_ONE_BY_ONE)
    found = memory.index(ev.b, ref, key)
    if is_chars(ref.ctype):  # bytes give numbers
        return arith.from_ir(ev.b.load(found.base, found.offset, 1, False))
    return memory.load(ev.b, found)


def _sequence_item(
    ev: Machine, state: State, container: Abstract, items: tuple[Abstract, ...], key: Abstract
) -> Abstract:
    if isinstance(key, Const) and isinstance(key.obj, slice):
        chosen = tuple(items[place] for place in slices.chosen(ev.b, key.obj, len(items)))
        return sequences.new_list(ev, state, chosen) if isinstance(container, ListRef) else sequences.tuple_of(chosen)
    if isinstance(key, Const):
        return _known_item(ev, items, key.obj)
    if isinstance(key, SliceOf):
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=slices.READ_ONE_BY_ONE)
    if items and all(isinstance(item, Const) and isinstance(item.obj, int) for item in items):
        return _table_item(ev, [int(item.obj) for item in items if isinstance(item, Const)], key)
    if items and all(_may_be_chosen(item) for item in items):
        return choice.numbered(ev.b, items, key)
    wanted = "tuples and lists of numbers, ctypes arrays and maps take others"
    if isinstance(container, Const) and isinstance(container.obj, str) and container.obj.isascii():
        wanted = f"bytes have numbers as items, and take others: b{short(container.obj)}[i]"
    raise TypeMismatch(0, f"the index into {container.describe()} must be a constant", hints=(wanted,))


def _may_be_chosen(item: Abstract) -> bool:
    """Whether it is a number, or None."""
    return isinstance(item, Option) or choice.is_none(item) or (isinstance(item, (Const, Run)) and item.is_int())


def _known_item(ev: Machine, items: tuple[Abstract, ...], index: Any) -> Abstract:
    if not isinstance(index, int):
        raise TypeMismatch(0, f"a sequence is indexed with integers, not {Const(index).describe()}",
                           hints=("write the item's number; dicts and maps have other keys",))  # fmt: skip
    number = integers.raw(index)
    if not -len(items) <= number < len(items):
        ev.b.exit("IndexError")
    return items[number]


_STORED_AS: Final = tuple(
    (kind, range(low, high))
    for bits, unsigned, signed in (
        (8, ctypes.c_uint8, ctypes.c_int8), (16, ctypes.c_uint16, ctypes.c_int16),
        (32, ctypes.c_uint32, ctypes.c_int32), (64, ctypes.c_uint64, ctypes.c_int64),
    )
    for kind, low, high in ((signed, -(1 << bits - 1), 1 << bits - 1), (unsigned, 0, 1 << bits))
)  # fmt: skip
"""What a table's numbers may be stored as: the first that holds them all, since the stack is small."""
_STACK: Final = 512


def _table_item(ev: Machine, numbers: list[int], key: Abstract) -> Abstract:
    """A constant table of integers indexed at run time: a ctypes array on the stack."""
    kind = next((kind for kind, held in _STORED_AS if min(numbers) in held and max(numbers) in held), None)
    if kind is None:
        raise TypeMismatch(0, "the table's integers do not fit one 64-bit type",
                           hints=("it may have negative numbers, or some from 2**63 up, and not both",))  # fmt: skip
    size = ctypes.sizeof(kind) * len(numbers)
    if size > _STACK:
        raise LimitExceeded(
            0, f"a table of {len(numbers)} numbers that is asked with a run-time index needs {size} bytes of stack, "
            f"and BPF has {_STACK}",
            hints=("keep it in a map: m = ArrayMap(c_int64, len(table)); m.update(enumerate(table))",),
        )  # fmt: skip
    table = memory.new(ev.b, kind * len(numbers), zero=False)
    for i, number in enumerate(numbers):
        memory.store(ev.b, memory.element(table, i), Const(number))
    return memory.load(ev.b, memory.index(ev.b, table, key))


def set_item(ev: Machine, state: State, container: Abstract, key: Abstract, value: Abstract) -> None:
    """``container[key] = value``."""
    if (own := special.method_of(ev, container, "__setitem__")) is not None:
        special.call(ev, state, own, container, key, value)
        return
    key = _number_of_item(ev, container, key)
    if isinstance(container, KernelRef):
        raise kernel_memory.read_only(container)
    if isinstance(container, Map):
        maps.set_item(ev.b, container, key, value)
    elif isinstance(container, Ref) and is_array(container.ctype):
        if isinstance(key, Const) and isinstance(key.obj, slice):
            slices.write(ev, state, container, key.obj, value)
        elif isinstance(key, SliceOf):
            raise TypeMismatch(0, "the bounds of a slice must be constants", hints=slices.WRITE_ONE_BY_ONE)
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
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=slices.WRITE_ONE_BY_ONE)
    elif isinstance(container, DictRef) and isinstance(key, Const):
        state.heap[container.ident] = {**iteration.heap_object(state, container), host.key(ev.b, key): value}
    elif isinstance(container, Const):
        captured.refuse_change(container.obj)
    else:
        hint = ("lists and dicts of a program take constant keys only: use a ctypes array or a map",)
        raise UnsupportedSyntax(0, f"can't assign to an item of {container.describe()}", hints=hint)
