"""The abstract values of partial evaluation: what a local variable or stack slot may hold at compile time.

A Const is any Python object; a Run is an integer known at run time only; a Ref is a place in the program's
memory with a ctypes type, the compile-time image of a ctypes instance. The others exist only while
compiling: each either vanishes, or is an error with the user's line where a run-time value is needed.
"""

from __future__ import annotations

import ctypes
import inspect
import types
import weakref
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from ...btf.shapes import Items as KernelItems
from ...btf.shapes import Record
from ...exception import TypeMismatch
from ...spec import ContextSpec, MapSpec
from ...uapi.map_types import title
from ..ir.types import Ptr
from ..ir.values import Value
from .naming import short, type_name

CellId = tuple[Any, str]
"""A variable that functions share: the path of calls to the function that has it, and its name. The same in every
attempt at evaluating a program."""


GLOBAL_HINT: Final = ("its value is g.value",)


class Abstract:
    """The base of all abstract values. They are immutable; two may be the same value without being equal."""

    __slots__ = ()
    words: ClassVar[str]
    """What it is, as the object of a sentence; where that depends on the value, its describe() tells."""

    instead: ClassVar[tuple[str, ...]] = ("only integers can be computed with at run time",)
    """What to write where a number is needed; where that depends on the value, its number_hint() tells."""

    def describe(self) -> str:
        """The value as the object of a sentence: "the str 'abc'", "an integer known at run time only"."""
        return self.words

    def number_hint(self) -> tuple[str, ...]:
        """What to write where a number is needed."""
        return self.instead


@dataclass(slots=True, eq=False)
class Const(Abstract):
    """A Python object known when compiling."""

    obj: Any

    def describe(self) -> str:
        if self.obj is None:
            return "None"
        if isinstance(self.obj, type):
            return f"the type {self.obj.__name__}"
        if isinstance(self.obj, types.ModuleType):
            return f"the module {self.obj.__name__}"
        if isinstance(self.obj, types.FunctionType):
            return f"the function {self.obj.__name__}()"
        if " at 0x" in short(self.obj):  # says nothing to users
            return f"a captured {type(self.obj).__name__}"
        return f"the {type(self.obj).__name__} {short(self.obj)}"


@dataclass(slots=True, eq=False)
class Run(Abstract):
    """An integer (i64 or u64) that the program computes. ``boolean``: whether in Python it is a bool, and so 0 or 1;
    None where that depends on the path that the program took."""

    words = "an integer known at run time only"

    ir: Value
    boolean: bool | None = False


@dataclass(slots=True, eq=False)
class Option(Abstract):
    """An integer or None: ``value`` where ``present`` is not 0. ``boolean``: as a Run's, where it isn't None."""

    words = "an integer or None"

    present: Value
    value: Value
    boolean: bool | None = False


@dataclass(slots=True, eq=False)
class Ref(Abstract):
    """Memory of type ``ctype`` at ``base + offset``: a ctypes instance. None where a nullable base is null.

    ``text``: an array of chars that Python reads as bytes up to the NUL, since it is a field or a map's value, and no
    object that the program made; None where that depends on the path. ``copied``: a copy of a value that has no
    place, or of what the kernel has: nobody may write there. ``addressed``: what addrof() gives, of which a number's
    address is meant.
    """

    base: Value
    offset: int
    ctype: Any
    text: bool | None = False
    copied: bool = False
    addressed: bool = False

    @property
    def ptr(self) -> Ptr:
        assert isinstance(self.base.type, Ptr)
        return self.base.type

    def describe(self) -> str:
        return f"a {type_name(self.ctype)}" + (" or None" if self.ptr.nullable else "")


@dataclass(slots=True, eq=False)
class OneOf(Abstract):
    """Constant bytes, or a constant str; which one, ``options[number]``, depends on the path."""

    number: Value
    options: tuple[Any, ...]

    def describe(self) -> str:
        return f"the {type(self.options[0]).__name__} {' or '.join(map(short, self.options))}"


@dataclass(slots=True, eq=False)
class Variable(Abstract):
    """What a local or cell variable holds whose address the program takes: the integer in 8 bytes at ``slot``. It is
    never on the stack."""

    words = "an integer known at run time only"

    slot: Value
    signed: bool

    @property
    def ref(self) -> Ref:
        return Ref(self.slot, 0, ctypes.c_int64 if self.signed else ctypes.c_uint64)


@dataclass(slots=True, eq=False)
class KernelRef(Abstract):
    """Memory of the kernel at ``address + offset``, known by its BTF. ``pointer``: from a pointer, None where it is
    null; else a part of such an object."""

    instead = ("read something in it: task.pid, array[0]", "its address is int(pointer)")

    address: Value
    offset: int
    shape: Record | KernelItems
    pointer: bool

    def describe(self) -> str:
        return f"a {self.shape.text} in the kernel's memory" + (" or None" if self.pointer else "")


@dataclass(slots=True, eq=False)
class Context(Abstract):
    """The hook's first argument."""

    words = "the program's context"
    instead = ("name one of its fields",)

    base: Value
    spec: ContextSpec


@dataclass(slots=True, eq=False)
class PacketEdge(Abstract):
    """One of the context's pointers to the packet: data, data_end or data_meta."""

    words = "an edge of the packet"
    instead = ("ctx.data_end - ctx.data is the packet's length; ctx.packet(Type, offset) reads it",)

    name: str


@dataclass(slots=True, eq=False)
class ContextFields(Abstract):
    """A named tuple of context fields, such as ``pt_regs.args``."""

    words = "a group of context fields"
    instead = ("name one of its items",)

    context: Context
    name: str


@dataclass(slots=True, eq=False)
class Map(Abstract):
    """A map: the live object, its spec, its number in the program."""

    obj: Any
    spec: MapSpec

    def describe(self) -> str:
        return "a Global" if self.spec.is_global else title(self.spec.kind)

    def number_hint(self) -> tuple[str, ...]:
        return GLOBAL_HINT if self.spec.is_global else ("read one of its items: m[key]",)


@dataclass(slots=True, eq=False)
class Lock(Abstract):
    """``map.lock(key)``, which a with statement takes; ``key`` is the key's address."""

    words = "a lock that is not taken yet"
    instead = ("take it: with m.lock(key) as entry: ...",)

    map: Map
    key: Value


@dataclass(slots=True, eq=False)
class Unlock(Abstract):
    """What ends the with statement that took a lock: the entry, held where it isn't null."""

    words = "a lock"

    entry: Value


@dataclass(slots=True, eq=False)
class Method(Abstract):
    """A method of a run-time object, looked up but not yet called."""

    words = "a method"
    instead = ("call it",)

    owner: Abstract
    name: str


@dataclass(slots=True, eq=False)
class Bound(Abstract):
    """A Python function with leading arguments bound."""

    words = "a function"
    instead = ("call it",)

    fn: Abstract
    args: tuple[Abstract, ...]
    kwargs: tuple[tuple[str, Abstract], ...] = ()


@dataclass(slots=True, eq=False)
class TupleOf(Abstract):
    """A tuple with run-time elements; of the class ``cls`` where that is a namedtuple."""

    words = "a tuple"
    instead = ("name one of its items",)

    items: tuple[Abstract, ...]
    cls: Any = tuple


@dataclass(slots=True, eq=False)
class ListRef(Abstract):
    """A list made in the program; its items live in the state's heap, since they change."""

    words = "a list"
    instead = ("name one of its items",)

    ident: int


@dataclass(slots=True, eq=False)
class DictRef(Abstract):
    """A dict made in the program, keys constant; its items live in the state's heap."""

    words = "a dict"
    instead = ("name one of its items",)

    ident: int


@dataclass(slots=True, eq=False)
class SliceOf(Abstract):
    """A slice."""

    words = "a slice"

    start: Abstract
    stop: Abstract
    step: Abstract


@dataclass(slots=True, eq=False)
class Text(Abstract):
    """A str with run-time parts: from an f-string. ``parts`` are str or (value, conversion, format spec)."""

    words = "a string with run-time parts"
    instead = ("strings exist while compiling: print them, or compare char arrays with constant bytes",)

    parts: tuple[Any, ...]


@dataclass(slots=True, eq=False)
class ExceptionOf(Abstract):
    """An exception made of run-time values: it can only be raised, which ends the program."""

    words = "an exception made of run-time values"
    instead = ("raise ends the program",)

    kind: type[BaseException]


@dataclass(slots=True, eq=False)
class NumberClass(Abstract):
    """``number.__class__`` of an integer of run time: int or bool, which nobody knows."""

    words = "the class of an integer known at run time only"


@dataclass(slots=True, eq=False)
class RangeOf(Abstract):
    """A range() with a run-time bound. ``turns``, where it is no None, says how many numbers it has instead of
    ``stop``, which no integer of 64 bits may be able to."""

    words = "a range"

    start: Abstract
    stop: Abstract
    step: int
    turns: Abstract = field(default_factory=lambda: Const(None))


@dataclass(slots=True, eq=False)
class Stored(Abstract):
    """An item of a copied array, which nobody changes: read where it is used, since many don't fit the registers."""

    words = "an item of an array"

    ref: Ref


@dataclass(slots=True, eq=False)
class DictView(Abstract):
    """What keys(), values() and items() (``kind``) of a dict made in the program give: what it holds then."""

    words = "a view of a dict"

    owner: DictRef
    kind: str


@dataclass(slots=True, eq=False)
class Items(Abstract):
    """An iterator over what can't change: constants and tuples."""

    words = "an iterator"

    items: tuple[Abstract, ...]
    position: int = 0


@dataclass(slots=True, eq=False)
class Walk(Abstract):
    """An iterator over a list or dict made in the program, whose items are those of the moment. ``size`` is what the
    dict had at the beginning."""

    words = "an iterator"

    source: Abstract
    position: int
    step: int = 1
    size: int | None = None


@dataclass(slots=True, eq=False)
class Numbered(Abstract):
    """The iterator of enumerate(): its next number."""

    words = "an iterator"

    inner: Abstract
    number: Abstract


@dataclass(slots=True, eq=False)
class Zipped(Abstract):
    """The iterator of zip(); ``strict``: a ValueError where the inner ones have different lengths."""

    words = "an iterator"

    inners: tuple[Abstract, ...]
    strict: bool = False


@dataclass(slots=True, eq=False)
class Ended(Abstract):
    """An iterator that has come to its end, and stays there."""

    words = "an iterator"


@dataclass(slots=True, eq=False)
class IteratorRef(Abstract):
    """An iterator that a program can name, and take items from in several places: how far it is, the state's heap
    knows."""

    words = "an iterator"

    ident: int


@dataclass(slots=True, eq=False)
class Counter(Abstract):
    """An iterator over a range at run time: the next number, the bound, a constant step. The item is ``base`` plus
    ``scale`` times the number, or the item of that number of an ``array``, or a tuple of what each of the ``parts`` has
    for that number. ``wraps``: the number after the last one may not fit 64 bits."""

    words = "an iterator"

    current: Abstract
    stop: Abstract
    step: int
    base: Abstract = field(default_factory=lambda: Const(0))
    scale: int = 1
    array: Ref | None = None
    wraps: bool = False
    parts: tuple[Abstract, ...] = ()


@dataclass(slots=True, eq=False)
class Closure(Abstract):
    """A function made in the program; ``cells`` name the variables that it shares with its maker."""

    words = "a function"
    instead = ("call it",)

    code: types.CodeType
    globals: dict[str, Any]
    defaults: tuple[Abstract, ...]
    kwdefaults: tuple[tuple[str, Abstract], ...]
    cells: tuple[CellId, ...]


@dataclass(slots=True, eq=False)
class GeneratorOf(Abstract):
    """A generator expression; ``path`` is where it was made. The state's heap knows whether its items are taken."""

    words = "a generator expression"

    closure: Closure
    args: tuple[Abstract, ...]
    path: tuple[Any, ...]
    ident: int


@dataclass(slots=True, eq=False)
class CellRef(Abstract):
    """The cell itself of a variable, on its way into a closure."""

    words = "a variable of an enclosing function"

    ident: CellId


@dataclass(slots=True, eq=False)
class AugmentedItem(Abstract):
    """``container[key]`` under an augmented assignment: read only if the operation needs it."""

    words = "an item"

    container: Abstract
    key: Abstract


@dataclass(slots=True, eq=False)
class AugmentedAttr(Abstract):
    """``owner.name`` under an augmented assignment."""

    words = "an attribute"

    owner: Abstract
    name: str


@dataclass(slots=True, eq=False)
class Update(Abstract):
    """``target op= operand`` that memory can do in place, not yet done: the store that follows does it."""

    words = "an update in place"

    target: Abstract
    op: str
    operand: Abstract


@dataclass(slots=True, eq=False)
class Null(Abstract):
    """CPython's NULL beside a callable."""

    words = "nothing"


@dataclass(slots=True, eq=False)
class Unbound(Abstract):
    """No value: ``why`` completes "can't use 'x': ..."."""

    why: str

    def describe(self) -> str:
        return f"no single value ({self.why})"


@dataclass(slots=True, eq=False)
class Mixed(Unbound):
    """Values of several types, one for each path, as ``entry and entry.count`` is: it can be tested and compared with
    None. ``truth`` is 1 or 0, or None where that takes more than an operation or two; ``none`` is 1 for None."""

    truth: Value | None
    none: Value


NULL: Final = Null()
UNASSIGNED: Final = Unbound("it is not assigned yet")
NONE: Final = Const(None)
TRUE: Final = Const(True)
FALSE: Final = Const(False)


_NO_MAPS: Final = (type, types.ModuleType, types.FunctionType, int, str, bytes, tuple, type(None))


def map_spec_of(obj: Any) -> MapSpec | None:
    """The spec of a live map, None for any other object."""
    if isinstance(obj, _NO_MAPS) or inspect.getattr_static(obj, "map_spec", None) is None:
        return None  # a class's own __getattr__ is not asked
    spec = getattr(obj, "map_spec", None)
    return spec if isinstance(spec, MapSpec) else None


def _check_alive(proxy: Any) -> None:
    try:
        _ = proxy.__class__
    except ReferenceError:
        raise TypeMismatch(0, "the program captures a weak reference to an object that is gone",
                           hints=("capture the object itself, or keep it somewhere",)) from None  # fmt: skip


def wrap(obj: Any) -> Abstract:
    """A Python object from the environment as an abstract value."""
    if type(obj) in weakref.ProxyTypes:
        _check_alive(obj)
    spec = map_spec_of(obj)
    if spec is not None:
        return Map(obj, spec)
    return Const(obj)
