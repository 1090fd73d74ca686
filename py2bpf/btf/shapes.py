"""The kernel's structures as programs see them: the layout of the memory to which a typed pointer leads.

kernel.sock is a type of the running kernel, which is looked up in the kernel's BTF when a program with that name is
compiled. A KernelTypes with another Btf describes another kernel. Each type of a BTF has a single Shape object.
"""

from __future__ import annotations

import ctypes
import difflib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final, NamedTuple

from ..exception import NotSupported, Py2BpfError
from ..worlds import CURRENT
from .reader import Btf, BtfError
from .types import Array, Enum, Fwd, Kind, Member, Ref, Scalar, Struct

MAX_COPY: Final = 128
"""The most bytes of a char array that programs copy to their stack of 512 bytes. Longer ones are ordinary arrays."""
_ELSEWHERE: Final = frozenset({"user", "percpu"})
"""Type tags of pointers that don't hold an address of kernel memory: __user, __percpu."""
_NUMBERS: Final[dict[tuple[int, bool], Any]] = {
    (ctypes.sizeof(of), of(-1).value < 0): of
    for of in (ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64,
               ctypes.c_int8, ctypes.c_int16, ctypes.c_int32, ctypes.c_int64)
}  # fmt: skip


class Shape:
    """The base of all shapes. ``text`` is the type as C writes it, ``size`` its size in bytes."""

    def __init__(self, text: str, size: int) -> None:
        self.text = text
        self.size = size


class Number(Shape):
    """A number, of type ``ctype``: an integer, bool or enumeration, or an address that is not followed."""

    def __init__(self, text: str, ctype: Any, is_char: bool = False) -> None:
        super().__init__(text, ctypes.sizeof(ctype))
        self.ctype = ctype
        self.is_char = is_char

    @property
    def signed(self) -> bool:
        return self.ctype is not ctypes.c_bool and self.ctype(-1).value < 0


class Items(Shape):
    """An array of ``length`` elements; 0 if the type doesn't tell the number."""

    def __init__(self, element: Shape, length: int) -> None:
        super().__init__(f"{element.text}[{length or ''}]", element.size * length)
        self.element = element
        self.length = length

    @property
    def has_chars(self) -> bool:
        """Whether the items have C's type char."""
        return isinstance(self.element, Number) and self.element.is_char

    @property
    def is_text(self) -> bool:
        """Whether programs read the array as a text, which ends at its NUL."""
        return self.has_chars and 0 < self.length <= MAX_COPY


class Pointer(Shape):
    """The address of a structure or union; 0 is a null pointer."""

    def __init__(self, target: Record) -> None:
        super().__init__(f"{target.text} *", ctypes.sizeof(ctypes.c_void_p))
        self.target = target


class Other(Shape):
    """A type that programs can't compute with: floating point, 128-bit integers."""


class Place(NamedTuple):
    """A member: its shape, its ``offset`` in bits from the record's start, and its width in bits (0 unless it is a bit
    field)."""

    shape: Shape
    offset: int
    bits: int


class Record(Shape):
    """A structure or union."""

    def __init__(self, types: KernelTypes, type: Struct | Fwd) -> None:
        kind = "union" if type.kind is Kind.UNION or (isinstance(type, Fwd) and type.is_union) else "struct"
        super().__init__(f"{kind} {type.name or '(anonymous)'}", type.size if isinstance(type, Struct) else 0)
        self._types = types
        self._type = type

    @cached_property
    def members(self) -> dict[str, Member]:
        """The members by name, including those of nested anonymous structures and unions. Empty for a type that is only
        declared."""
        if isinstance(self._type, Fwd):
            return {}
        return {member.name: member for member in self._types.btf.members(self._type)}

    def place(self, name: str) -> Place | None:
        """The place of the member of that name; None if there is no such member."""
        member = self.members.get(name)
        if member is None:
            return None
        return Place(self._types.shape(member.type), member.bit_offset, member.bit_size)


class UnknownName(Py2BpfError, AttributeError):  # noqa: N818 - named as what it tells
    """The kernel has neither a type nor an enumerator of that name; ``hint`` suggests similar names."""

    def __init__(self, name: str, near: list[str]) -> None:
        known = " or ".join(f"kernel.{each}" for each in near)
        self.hint = f"did you mean {known}?" if known else "bpftool btf dump shows all"
        super().__init__(f"the kernel has no struct, union or enumerator {name!r}: {self.hint}")
        self.name = name


class KernelTypes:
    """A kernel's types and enumerators as attributes: ``kernel.sock`` is ``struct sock``, ``kernel.nf_inet_addr`` a
    union, and ``kernel.XDP_PASS`` the number 2.

    ``btf`` describes the kernel; by default it is the running kernel's BTF, read when the first attribute is used. If
    the kernel was built without BTF, any name gives a type, and using the type raises NotSupported.
    """

    def __init__(self, btf: Btf | None = None) -> None:
        self._btf = btf
        self._shapes: dict[int, Shape] = {}
        self._made: dict[str, KernelType] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if name in self._made or self._declares(name):
            return self.named(name)
        number = self.btf.enumerators.get(name)
        if number is None:
            raise UnknownName(name, self.near(name))
        return number

    def __dir__(self) -> Iterator[str]:
        yield from {*super().__dir__(), *self.names(), *self.btf.enumerators}

    def named(self, name: str) -> KernelType:
        """The structure or union of that name. Whether it exists is checked when it is used."""
        return self._made.setdefault(name, KernelType(self, name))

    def _declares(self, name: str) -> bool:
        """Whether there is such a structure or union; also True if the kernel has no BTF."""
        try:
            return self.record(name) is not None or self.btf.number(Kind.FWD, name) is not None
        except NotSupported:
            return True

    def __repr__(self) -> str:
        return "<the types of a kernel>"

    @property
    def btf(self) -> Btf:
        if self._btf is None:
            self._btf = Btf.kernel()
        return self._btf

    def shape(self, number: int) -> Shape:
        """The shape of the BTF type of that number."""
        number, _ = self._behind(number)
        found = self._shapes.get(number)
        if found is None:
            try:
                found = self._shapes[number] = self._make(number)
            except RecursionError:
                raise BtfError(f"type {number} is made of itself") from None
        return found

    def _behind(self, number: int) -> tuple[int, set[str]]:
        """The type behind typedefs and qualifiers, and the type tags on the way."""
        tags = set()
        inner = self.btf.resolve(number)
        while number != inner:
            ref = self.btf.type(number)
            assert isinstance(ref, Ref)
            if ref.kind is Kind.TYPE_TAG:
                tags.add(ref.name)
            number = ref.target
        return inner, tags

    def _make(self, number: int) -> Shape:
        type = self.btf.type(number)
        match type:
            case Scalar(kind=Kind.INT, is_bool=True, size=1):
                return Number(type.name, ctypes.c_bool)
            case Scalar(kind=Kind.INT) if (type.size, type.signed) in _NUMBERS:
                return Number(type.name, _NUMBERS[type.size, type.signed], type.name == "char")
            case Enum() if (type.size, type.signed) in _NUMBERS:
                return Number(f"enum {type.name}", _NUMBERS[type.size, type.signed])
            case Array():
                return Items(self.shape(type.element), type.length)
            case Struct():
                return Record(self, type)
            case Ref(kind=Kind.PTR):
                return self._pointer(type.target)
            case Fwd():
                return self._declared(type)
        return Other(type.name or type.kind.name.lower(), self.btf.size(number) if isinstance(type, Scalar) else 0)

    def _pointer(self, target: int) -> Shape:
        number, tags = self._behind(target)
        followed = isinstance(self.btf.type(number), (Struct, Fwd)) and not tags & _ELSEWHERE
        shape = self.shape(number) if followed else None
        return Pointer(shape) if isinstance(shape, Record) else Number("address", ctypes.c_uint64)

    def _declared(self, type: Fwd) -> Record:
        """The shape of a declared type, which may be defined elsewhere in the same BTF."""
        number = self.btf.number(Kind.UNION if type.is_union else Kind.STRUCT, type.name)
        found = self.shape(number) if number is not None else None
        return found if isinstance(found, Record) else Record(self, type)

    def record(self, name: str) -> Record | None:
        """The structure or union of that name, or the one behind a typedef; None if there is none."""
        for kind in (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF):
            number = self.btf.number(kind, name)
            if number is not None and isinstance(found := self.shape(number), Record):
                return found
        return None

    def names(self) -> Iterator[str]:
        """The names of all structures and unions."""
        for kind in (Kind.STRUCT, Kind.UNION):
            yield from self.btf.names(kind)

    def near(self, name: str) -> list[str]:
        """At most three names of types that resemble ``name``."""
        return difflib.get_close_matches(name, sorted(set(self.names())), 3)


class KernelType:
    """A structure or union of the kernel. Called in a program with an address, it gives a typed pointer."""

    def __init__(self, types: KernelTypes, name: str) -> None:
        self.types = types
        self.__name__ = name

    def __repr__(self) -> str:
        return f"<kernel.{self.__name__}>"

    def record(self) -> Record | None:
        """The shape of the type; None if the kernel has no type of that name."""
        return self.types.record(self.__name__)

    def __call__(self, address: int) -> Any:
        """The object at an address of the kernel's memory; None for 0."""
        world = CURRENT.get()
        if world is None:
            raise Py2BpfError(
                f"kernel.{self.__name__}() runs inside BPF programs only, because Python can't read the kernel's "
                "memory; compile the function that calls it, or run it in py2bpf.sim"
            )
        return world.call(self, (address,), {})


kernel: Final = KernelTypes()
"""The running kernel's types."""
