"""ctypes objects in the program's own memory: numbers, arrays, char arrays, structures and unions."""

from __future__ import annotations

import ctypes
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ....fields import declared, is_field
from ...ir.ops import Op
from ...ir.values import Value, const
from .. import (
    access,
    arith,
    class_attributes,
    classes,
    contents,
    equality,
    hints,
    identity,
    iterators,
    kind,
    locks,
    map_updates,
    memory,
    methods,
    nevers,
    objects,
    presence,
    searches,
    sequences,
    slices,
    special,
    stores,
)
from ..builder import Builder
from ..kind import Args, Kind, Kinds, Kwargs
from ..layout import is_array, is_char, is_chars, is_integer, is_record, members, scalar
from ..machine import Machine
from ..naming import type_name
from ..state import State
from ..values import FALSE, Abstract, Const, Counter, Method, Ref

_CHARS_METHODS: Final = ("startswith",)


class RefKind(Kind[Ref]):
    def truth(self, ev: Machine, state: State, value: Ref) -> Value:
        """None is false; the truth of texts and numbers depends on their contents, and other objects are true."""
        b = ev.b
        if is_record(value.ctype):
            memory.check_plain(value.ctype)
        if is_chars(value.ctype) and value.text is None:
            raise UnsupportedSyntax(
                0, "whether this char array is text, or an object that is always true, depends on the path",
                hints=("test the text: if chars.value",),
            )  # fmt: skip
        if is_array(value.ctype) and not value.ctype._length_:
            return const(0)
        if is_chars(value.ctype) and value.text:
            first = lambda: b.load(value.base, value.offset, 1, False)  # noqa: E731
            return presence.where_there(b, value.base, first, lambda: const(0))
        if scalar(value.ctype) is not None and not is_char(value.ctype):  # a c_char is bytes of length 1, b"\0" too
            number = lambda: arith.to_bool(b, arith.to_ir(b, memory.load(b, value)))  # noqa: E731
            return presence.where_there(b, value.base, number, lambda: const(0))
        return b.compare(Op.NE, value.base, const(0)) if value.ptr.nullable else const(1)

    def is_instance(self, ev: Machine, value: Ref, classes: Any) -> Abstract:
        if value.text is None:
            return super().is_instance(ev, value, classes)
        there, none = issubclass(bytes if value.text else value.ctype, classes), isinstance(None, classes)
        missing = self.is_none(ev, value)
        return Const(there) if there is none else arith.from_bool(arith.negate(ev.b, missing) if there else missing)

    def precedence(self, b: Builder, value: Ref) -> int:
        return 3 if presence.may_be_null(b, value) else 0

    def equals(self, ev: Machine, state: State, value: Ref, other: Abstract) -> Value | None:
        if presence.may_be_null(ev.b, value):
            return presence.where_there(ev.b, value.base, lambda: equality.equal(ev, state, value, other),
                                        lambda: kind.of(other).is_none(ev, other))  # fmt: skip
        return _equal_chars(ev, value, other) if is_chars(value.ctype) or is_char(value.ctype) else None

    def identical(self, ev: Machine, value: Ref, other: Abstract) -> Value | None:
        return identity.of_memory(ev, value, other)

    def contains(self, ev: Machine, state: State, value: Ref, item: Abstract) -> Value:
        return searches.through(ev, state, value, item)

    def known_length(self, state: State, value: Ref) -> int | None:
        if not is_array(value.ctype):
            return None
        return int(ctypes.sizeof(value.ctype) // ctypes.sizeof(value.ctype._type_))

    def length(self, ev: Machine, state: State, value: Ref) -> Abstract:
        if is_array(value.ctype):
            ev.b.guard_not_null(value.base, "TypeError")
        return super().length(ev, state, value)

    def items(self, b: Builder, state: State, value: Ref) -> Iterator[Abstract] | None:
        if not _is_items(value):
            return None
        special.refuse_iteration(value)
        b.guard_not_null(value.base, "TypeError")
        if value.ctype._length_ > sequences.MAX_ITEMS:
            raise iterators.too_many()
        return (memory.load(b, memory.element(value, i)) for i in range(value.ctype._length_))

    def iterator(self, b: Builder, state: State, value: Ref) -> Abstract:
        if is_chars(value.ctype):
            raise TypeMismatch(0, f"can't iterate over {value.describe()}",
                               hints=("index its bytes with a constant range instead",))  # fmt: skip
        return self.beside(b, state, value) or super().iterator(b, state, value)

    def backwards(self, b: Builder, state: State, value: Ref) -> Abstract | None:
        if not _is_items(value):
            return None
        b.guard_not_null(value.base, "TypeError")
        return Counter(Const(value.ctype._length_ - 1), Const(-1), -1, array=value)

    def beside(self, b: Builder, state: State, value: Ref) -> Counter | None:
        if not _is_items(value):
            return None
        special.refuse_iteration(value)
        b.guard_not_null(value.base, "TypeError")
        return Counter(Const(0), Const(value.ctype._length_), 1, array=value)

    def attribute(self, ev: Machine, state: State, value: Ref, name: str) -> Abstract:
        return (_field if is_record(value.ctype) else _attribute)(ev, state, value, name)

    def method(self, ev: Machine, state: State, value: Ref, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        methods.check_arguments("bytes", {}, name, args, kwargs)
        if len(args) != 1 or not isinstance(args[0], Const) or not isinstance(args[0].obj, bytes):
            raise TypeMismatch(0, "startswith() of a char array takes constant bytes", hints=("write b'...'",))
        prefix = args[0].obj
        if not nevers.text_test(ev, value, prefix):
            return FALSE
        return arith.from_bool(contents.equal_bytes(ev.b, value, prefix))

    def set_attribute(self, ev: Machine, state: State, value: Ref, name: str, given: Abstract) -> None:
        if is_record(value.ctype):
            ev.b.guard_not_null(value.base)
            _set_field(ev, state, value, name, given)
        elif name in ("value", "raw") and (scalar(value.ctype) is not None or is_chars(value.ctype)):
            memory.check_place(value, "this assignment")
            (stores.store_raw if name == "raw" else stores.store)(ev.b, value, given)
        else:
            raise TypeMismatch(
                0, f"a {type_name(value.ctype)} has no attribute {name!r} to assign to", hints=hints.for_number(value)
            )

    def has_attribute(self, b: Builder, value: Ref, name: str) -> bool:
        return hasattr(value.ctype, name)

    def item(self, ev: Machine, state: State, value: Ref, key: Abstract) -> Abstract:
        if not is_array(value.ctype):
            return super().item(ev, state, value, key)
        if isinstance(key, Const) and isinstance(key.obj, slice):
            return slices.read(ev, state, value, key.obj)
        slices.check_bounds(key, slices.READ_ONE_BY_ONE)
        found = memory.index(ev.b, value, key)
        if is_chars(value.ctype):  # bytes give numbers
            return arith.from_ir(ev.b.load(found.base, found.offset, 1, False))
        return memory.load(ev.b, found)

    def set_item(self, ev: Machine, state: State, value: Ref, key: Abstract, given: Abstract) -> None:
        if not is_array(value.ctype):
            super().set_item(ev, state, value, key, given)
        elif isinstance(key, Const) and isinstance(key.obj, slice):
            slices.write(ev, state, value, key.obj, given)
        else:
            slices.check_bounds(key, slices.WRITE_ONE_BY_ONE)
            stores.store(ev.b, memory.index(ev.b, value, key), given)

    def attribute_is_shared(self, b: Builder, value: Ref, name: str) -> bool:
        if not map_updates.is_shared(value) or not is_record(value.ctype) or not access.has_field(value.ctype, name):
            return False
        member, locked = members(value.ctype)[name], locks.protects(b, value)
        if member.bits is None:
            return _is_shared(Ref(value.base, value.offset + member.offset, member.ctype), locked)
        if locked:
            return False
        raise TypeMismatch(0, "a bit field of a shared map value can't be changed atomically",
                           hints=("use a whole c_uint32 or c_uint64 field, a per-CPU map, or a SpinLock",))  # fmt: skip

    def item_is_shared(self, b: Builder, value: Ref) -> bool:
        if not map_updates.is_shared(value) or not is_array(value.ctype):
            return False
        return _is_shared(Ref(value.base, value.offset, value.ctype._type_), locks.protects(b, value))

    def update_attribute(self, b: Builder, value: Ref, name: str, op: str, operand: Abstract) -> None:
        member = memory.member(value.ctype, name)
        map_updates.update_in_place(b, Ref(value.base, value.offset + member.offset, member.ctype), op, operand)

    def update_item(self, b: Builder, value: Ref, key: Abstract, op: str, operand: Abstract) -> None:
        map_updates.update_in_place(b, memory.index(b, value, key), op, operand)

    def store_into(self, b: Builder, place: Ref, value: Ref, by_items: bool) -> bool:
        stores.store_object(b, place, value)
        return True

    def fills(self, value: Ref, ctype: Any) -> bool:
        return value.ctype is ctype

    def address(self, ev: Machine, value: Ref) -> Ref:
        ev.b.guard_not_null(value.base, "TypeError")
        return replace(value, addressed=True)

    def shown_as(self, ev: Machine, value: Ref, conversion: str, spec: str) -> tuple[Value, Any, Any] | None:
        if spec or not presence.may_be_null(ev.b, value):
            return None
        return value.base, (value, conversion, spec), "None"

    def directive(self, ev: Machine, value: Ref, conversion: str, spec: str) -> tuple[str, Value | None]:
        if not is_chars(value.ctype):
            return super().directive(ev, value, conversion, spec)
        if spec:
            raise UnsupportedSyntax(
                0, f"the kernel can't format a string with {spec!r}", hints=("write {name} without a format",)
            )
        return "%s", objects.address_of(ev.b, value)


def _is_shared(place: Ref, locked: bool) -> bool:
    """Whether a number in a map must be changed atomically. Under the entry's lock, only if BPF has an atomic
    instruction for it."""
    return is_integer(place.ctype) and (map_updates.can_be_atomic(place) or not locked)


def _equal_chars(ev: Machine, chars: Ref, other: Abstract) -> Value:
    if isinstance(other, Const):
        if isinstance(other.obj, str):
            raise TypeMismatch(0, "a char array holds bytes, and bytes never equal a str",
                               hints=hints.for_bytes(other.obj))  # fmt: skip
        if not isinstance(other.obj, bytes):
            return const(0)
        if is_char(chars.ctype):
            return contents.equal_bytes(ev.b, chars, other.obj) if len(other.obj) == 1 else const(0)
        return contents.equals_text(ev.b, chars, other.obj) if nevers.text_test(ev, chars, other.obj) else const(0)
    if isinstance(other, Ref) and is_chars(chars.ctype) and is_chars(other.ctype):
        return contents.equal_texts(ev.b, chars, other)
    raise TypeMismatch(0, f"a char array can be compared with bytes, but this is {other.describe()}",
                       hints=("compare two arrays' bytes with py2bpf.funcs.mem_eq",))  # fmt: skip


def _is_items(ref: Ref) -> bool:
    """Whether it is an array that can be iterated over: char arrays can't."""
    return is_array(ref.ctype) and not is_chars(ref.ctype)


def _field(ev: Machine, state: State, ref: Ref, name: str) -> Abstract:
    """``record.name``."""
    found = classes.lookup(ref.ctype, name)[1]
    if found is not None and not is_field(found):
        return class_attributes.of_object(ev, state, ref, name, found)
    return memory.load_member(ev.b, ref, name)


def _attribute(ev: Machine, state: State, ref: Ref, name: str) -> Abstract:
    """``object.name`` of a number or an array."""
    definer, found = classes.lookup(ref.ctype, name)
    written = definer is not None and not isinstance(found, types.GetSetDescriptorType)
    if written and not classes.is_known(definer) and ref.text is False:
        return class_attributes.of_object(ev, state, ref, name, found)
    if name == "value" and (scalar(ref.ctype) is not None or is_chars(ref.ctype)):
        return memory.load(ev.b, memory.as_text(ref))
    if is_chars(ref.ctype) and name == "raw":
        raise UnsupportedSyntax(
            0, ".raw can't be read in a program", hints=("py2bpf.funcs.mem_eq(chars, b'...') compares all bytes",)
        )
    if is_chars(ref.ctype) and name in _CHARS_METHODS:
        ev.b.guard_not_null(ref.base)
        return Method(ref, name)
    raise TypeMismatch(0, f"a {type_name(ref.ctype)} has no attribute {name!r}", hints=hints.for_number(ref))


def _set_field(ev: Machine, state: State, owner: Ref, name: str, value: Abstract) -> None:
    found = classes.lookup(owner.ctype, name)[1]
    if found is None or is_field(found):
        stores.store_member(ev.b, owner, name, value)
    elif isinstance(found, property) and isinstance(found.fset, types.FunctionType):
        special.call(ev, state, found.fset, owner, value)
    elif all(name != field.name for field in declared(owner.ctype)):
        raise UnsupportedSyntax(0, f"{type_name(owner.ctype)}.{name} is no field, and no property that can be set",
                                hints=(f"it has {', '.join(members(owner.ctype))}",))  # fmt: skip
    else:
        raise UnsupportedSyntax(
            0, f"{type_name(owner.ctype)}.{name} is no longer a field: its class defines the name again",
            hints=("give one of the two another name",),
        )  # fmt: skip


KINDS: Final[Kinds] = {Ref: RefKind()}
