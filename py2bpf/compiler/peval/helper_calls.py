"""Calls of kernel helpers: turns Python's arguments into the kernel's, and fills in sizes of buffers."""

from __future__ import annotations

import ctypes
from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.helpers import Arg, HelperInfo, Ret
from ...uapi.map_types import title
from ..ir.ops import Op
from ..ir.types import I64, U64, VOID, Ptr, Region, Type
from ..ir.values import Value, const
from . import arith, contents, hints, kernel_memory, maps, memory, objects, overlap, paddings, stores
from .kind import Args
from .layout import scalar
from .machine import Machine
from .values import GLOBAL_HINT, NONE, Abstract, Const, Context, KernelRef, Map, Ref, RuntimeInt

_COPIED: Final = 128
"""The most bytes that are copied for a helper whose input overlaps its output."""


_POINTERS: Final = frozenset({Arg.MEM, Arg.OUT, Arg.FMT})


_READ_PACKETS: Final = frozenset({
    "csum_diff", "tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4",
    "tcp_raw_check_syncookie_ipv6",
})  # fmt: skip
"""Helpers whose MEM may lie in the packet (pkt_access in their bpf_func_proto)."""


_INTS: Final = frozenset({
    "map_update_elem", "map_delete_elem", "map_push_elem", "map_pop_elem", "map_peek_elem",
})  # fmt: skip
"""Helpers for which the kernel calls the map's own function, which was of type int before Linux 6.4."""


_WITHOUT_RODATA: Final = {
    "strncmp": "compare char arrays with == and .startswith()",
    "snprintf": "send the numbers to Python, and format them there: queue.output(ctx, (a, b)); or print(f'{a} {b}')",
}
"""Replacements for helpers that take a string in read-only memory."""


PARAMETERS: Final = {
    Arg.CTX: "context",
    Arg.MAP: "map",
    Arg.KEY: "key",
    Arg.VALUE: "value",
    Arg.MEM: "object",
    Arg.OUT: "object to fill",
    Arg.FMT: "string",
    Arg.INT: "integer",
    Arg.ADDR: "address",
}


def call_of(info: HelperInfo) -> str:
    """The call of a helper as Python code, for messages; sizes are left out, since the compiler fills them in."""
    return f"{info.name}({', '.join(PARAMETERS[role] for role in info.args if role is not Arg.SIZE)})"


class HelperCall:
    """Turns the caller's arguments into the helper's, filling in sizes."""

    def __init__(self, ev: Machine, info: HelperInfo) -> None:
        self.ev = ev
        self.b = ev.b
        self.info = info
        self.map: Map | None = None
        self.texts: list[Ref] = []
        self.given = 0  # how many of the caller's arguments are done, not counting sizes that are filled in

    def call(self, args: Args) -> Abstract:
        values: list[Value] = []
        size: int | None = None
        for position, (role, arg) in enumerate(self._pair(args)):
            if role is Arg.SIZE and arg is None:
                assert size is not None
                values.append(const(size))
            elif role is Arg.SIZE:
                assert arg is not None
                values.append(self._given_size(position, arg, size or 0))
            else:
                assert arg is not None
                value, size = self._argument(position, role, arg)
                values.append(value)
            self.given += arg is not None
        for ref in self.texts:
            contents.blank(self.b, ref, self.info.gpl_only)
        return self._result(self.b.emit(Op.CALL, values, self._type(), self.info))

    def _pair(self, args: Args) -> list[tuple[Arg, Abstract | None]]:
        """Each parameter with its argument; None for a size to be filled in."""
        kinds = self.info.args
        sizes = kinds.count(Arg.SIZE)
        for missing in range(self.info.optional + 1):
            wanted = kinds[: len(kinds) - missing]
            if len(args) == len(wanted):
                return list(zip(wanted, args, strict=True))
            if len(args) == len(wanted) - wanted.count(Arg.SIZE):
                rest = iter(args)
                return [(role, None if role is Arg.SIZE else next(rest)) for role in wanted]
        raise TypeMismatch(
            0,
            f"{self.info.name}() takes {hints.count(len(kinds) - sizes, 'argument')}"
            f"{f' (or {len(kinds)} with sizes)' if sizes else ''}, but {len(args)} are given",
            hints=(f"call it as {call_of(self.info)}",),
        )

    def _argument(self, position: int, role: Arg, arg: Abstract) -> tuple[Value, int | None]:
        if role is Arg.CTX:
            if not isinstance(arg, Context):
                raise self._wrong("the program's context", arg)
            return arg.base, None
        if role is Arg.MAP:
            if not isinstance(arg, Map):
                raise self._wrong(self._wanted_map(), arg)
            if arg.spec.is_global:
                raise TypeMismatch(0, "a Global has no items and no methods", hints=GLOBAL_HINT)
            if self.info.maps and arg.spec.kind not in self.info.maps:
                raise self._wrong(self._wanted_map(), arg)
            self.map = arg
            return maps.pointer(self.b, arg), None
        if role is Arg.KEY:
            assert self.map is not None
            return maps.key_address(self.b, self.map, arg), None
        if role is Arg.VALUE:
            assert self.map is not None
            place = objects.materialise(self.b, self.map.spec.value_type, arg)
            return objects.address_of(self.b, place), None
        if role in _POINTERS:
            return self._pointer(position, role, arg)
        return self._number(position, arg), None

    def _given_size(self, position: int, arg: Abstract, limit: int) -> Value:
        """A size that the caller gives, checked against the object before it."""
        size = self._number(position, arg)
        if size.op is not Op.CONST:
            self.b.guard_size(size, limit)
        elif not min(limit, 1) <= size.attr <= limit:
            raise TypeMismatch(
                0, f"{self.info.name}() of {size.attr} bytes does not fit an object of {limit}",
                hints=(f"leave the size out, or give 1 to {limit}" if limit else "leave the size out",),
            )  # fmt: skip
        return size

    def _number(self, position: int, arg: Abstract) -> Value:
        is_address = self.info.args[position] is Arg.ADDR
        if is_address and isinstance(arg, Ref) and (arg.addressed or scalar(arg.ctype) is None):  # of our own memory
            self.b.guard_not_null(arg.base, "TypeError")
            return objects.address_of(self.b, self._beside_texts(arg))
        if is_address and isinstance(arg, KernelRef):
            return kernel_memory.number(self.b, arg)
        return arith.to_ir(self.b, arg, f"argument {self.given + 1} of {self.info.name}() is an integer")

    def _beside_texts(self, source: Ref) -> Ref:
        """The object that the helper reads, or a copy if clearing the place of the result would clear the object too.
        """
        if all(overlap.apart(ref, source) or overlap.in_other_map(ref, source) for ref in self.texts):
            return source
        if ctypes.sizeof(source.ctype) > _COPIED:
            self.texts.clear()
            return source
        copy = memory.new(self.b, source.ctype, zero=False)
        stores.store(self.b, copy, source)
        return copy

    def _pointer(self, position: int, role: Arg, arg: Abstract) -> tuple[Value, int | None]:
        if position in self.info.rodata:
            raise UnsupportedSyntax(
                0, f"{self.info.name}() wants a constant string in read-only memory, which programs don't have",
                hints=(_WITHOUT_RODATA[self.info.name],),
            )  # fmt: skip
        if position in self.info.nullable and isinstance(arg, Const) and arg.obj in (None, 0):
            return const(0), 0
        if isinstance(arg, Ref):
            return self._object(position, role, arg)
        if role is Arg.OUT:
            raise self._no_place(position, arg)
        if isinstance(arg, Const) and isinstance(arg.obj, (str, bytes)):
            return contents.text_for_c(self.b, arg.obj)
        if self.map is not None and self.map.spec.data_type is not None:
            return self._record(self.map, arg)
        if isinstance(arg, Const) or arg.is_int():
            place = self.b.alloca(8)
            self.b.store(place, 0, 8, arith.to_ir(self.b, arg, "this buffer holds an integer"))
            return place, 8
        raise self._wrong("a ctypes object or bytes", arg)

    def _object(self, position: int, role: Arg, arg: Ref) -> tuple[Value, int | None]:
        """The address and size of an object of the program, or of its copy."""
        if not ctypes.sizeof(arg.ctype) and Arg.SIZE in self.info.args[position + 1 : position + 2]:
            raise TypeMismatch(0, f"{self.info.name}() is given {arg.describe()}, which has no bytes",
                               hints=("give it an object of at least one",))  # fmt: skip
        self.b.guard_not_null(arg.base, "TypeError")
        if role is Arg.OUT:
            memory.check_place(arg, f"{self.info.name}()")
            paddings.overwritten(self.b, arg.ctype)
        arg = self._reachable(position, role, arg)
        if position in self.info.texts:
            self.texts.append(arg)
        if self.map is not None and self.map.spec.data_type is not None and scalar(arg.ctype) is not None:
            return self._record(self.map, memory.load(self.b, arg))
        return objects.address_of(self.b, arg), ctypes.sizeof(arg.ctype)

    def _reachable(self, position: int, role: Arg, arg: Ref) -> Ref:
        """The object, or a copy of it if it is in the packet and the helper can't read there."""
        if not memory.in_packet(arg) or self.info.name in _READ_PACKETS:
            return arg
        if role is Arg.OUT:
            raise TypeMismatch(
                0, f"{self.info.name}() can't write into the packet",
                hints=("give it an object of the program's own, and assign that to the packet's",),
            )  # fmt: skip
        copy = memory.new(self.b, arg.ctype, zero=False)
        stores.store(self.b, copy, arg)
        return copy

    def _record(self, map: Map, arg: Abstract) -> tuple[Value, int]:
        """The address and size of a queue's record, made from the given value."""
        place = objects.materialise(self.b, map.spec.data_type, arg)
        return objects.address_of(self.b, place), ctypes.sizeof(map.spec.data_type)

    def _wanted_map(self) -> str:
        kinds = self.info.maps
        return " or ".join(map(title, kinds)) if kinds else "a map"

    def _no_place(self, position: int, arg: Abstract) -> TypeMismatch:
        error = self._wrong("a ctypes array or struct to write to", arg)
        if arg.is_int():
            error.hints = (*error.hints, "the place of a number is its address: addrof(n), addrof(s.field)")
        return error

    def _wrong(self, wanted: str, arg: Abstract) -> TypeMismatch:
        return TypeMismatch(
            0,
            f"argument {self.given + 1} of {self.info.name}() must be {wanted}, not {arg.describe()}",
            hints=(f"call it as {call_of(self.info)}",),
        )

    def _type(self) -> Type:
        ret = self.info.ret
        if ret is Ret.MAP_VALUE:
            assert self.map is not None
            return Ptr(Region.VALUE, True, self.map.spec)
        if ret is Ret.U64 or ret is Ret.PTR:
            return U64
        return VOID if ret is Ret.VOID else I64

    def _result(self, value: Value) -> Abstract:
        ret = self.info.ret
        if ret is Ret.VOID:
            return NONE
        if ret is Ret.MAP_VALUE:
            assert self.map is not None
            return maps.entry(value, self.map.spec)
        if ret is Ret.MEM:
            raise TypeMismatch(
                0, f"{self.info.name}() is not available as a plain function", hints=("use the map's methods",)
            )
        return RuntimeInt(value)
