"""Abstract values in the user's words, for error messages."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ...borders import of_a_signal
from ...uapi.map_types import title
from . import overrides
from .values import (
    Abstract,
    AugmentedAttr,
    AugmentedItem,
    Bound,
    Closure,
    Const,
    Context,
    ContextFields,
    Counter,
    DictRef,
    DictView,
    Ended,
    ExceptionOf,
    GeneratorOf,
    Items,
    IteratorRef,
    KernelRef,
    ListRef,
    Lock,
    Map,
    Method,
    NumberClass,
    Numbered,
    OneOf,
    Option,
    PacketEdge,
    RangeOf,
    Ref,
    Run,
    SliceOf,
    Stored,
    Text,
    TupleOf,
    Unbound,
    Unlock,
    Variable,
    Walk,
    Zipped,
)

T = TypeVar("T")

_WORDS: dict[type[Abstract], str] = {
    Run: "an integer known at run time only",
    Variable: "an integer known at run time only",
    Option: "an integer or None",
    Context: "the program's context",
    PacketEdge: "an edge of the packet",
    ContextFields: "a group of context fields",
    Lock: "a lock that is not taken yet",
    Unlock: "a lock",
    Method: "a method",
    Bound: "a function",
    Closure: "a function",
    GeneratorOf: "a generator expression",
    TupleOf: "a tuple",
    ListRef: "a list",
    DictRef: "a dict",
    SliceOf: "a slice",
    Text: "a string with run-time parts",
    NumberClass: "the class of an integer known at run time only",
    ExceptionOf: "an exception made of run-time values",
    RangeOf: "a range",
    **dict.fromkeys((Items, Walk, Numbered, Zipped, Ended, IteratorRef, Counter), "an iterator"),
    DictView: "a view of a dict",
    Stored: "an item of an array",
    AugmentedItem: "an item",
    AugmentedAttr: "an attribute",
}


def describe(value: Abstract) -> str:
    """The value as the object of a sentence: "the str 'abc'", "an integer known at run time only"."""
    if isinstance(value, Const):
        if value.obj is None:
            return "None"
        if isinstance(value.obj, type):
            return f"the type {value.obj.__name__}"
        if isinstance(value.obj, types.ModuleType):
            return f"the module {value.obj.__name__}"
        if isinstance(value.obj, types.FunctionType):
            return f"the function {value.obj.__name__}()"
        if " at 0x" in short(value.obj):  # says nothing to users
            return f"a captured {type(value.obj).__name__}"
        return f"the {type(value.obj).__name__} {short(value.obj)}"
    if isinstance(value, Map):
        return "a Global" if value.spec.is_global else title(value.spec.kind)
    if isinstance(value, Ref):
        return f"a {type_name(value.ctype)}" + (" or None" if value.ptr.nullable else "")
    if isinstance(value, KernelRef):
        return f"a {value.shape.text} in the kernel's memory" + (" or None" if value.pointer else "")
    if isinstance(value, OneOf):
        return f"the {type(value.options[0]).__name__} {' or '.join(map(short, value.options))}"
    if isinstance(value, Unbound):
        return f"no single value ({value.why})"
    return _WORDS.get(type(value), type(value).__name__)


def differ(first: Abstract, second: Abstract) -> tuple[str, str]:
    """``describe`` of two values that are not the same one. Where that tells them alike, it says that they are two."""
    here, there = _of_a_path(first), _of_a_path(second)
    if here == there and here.startswith("a "):
        kind = here.removeprefix("a ")
        return f"one {kind}", f"another {kind}"
    return here, there


def _of_a_path(value: Abstract) -> str:
    beyond = isinstance(value, Const) and overrides.is_beyond(value.obj)
    return f"{describe(value)}, which does not fit 64 bits," if beyond else describe(value)


_BITS_SHOWN: Final = 1 << 12
"""Python itself refuses to show numbers of 4300 digits."""


def short(obj: Any) -> str:
    """repr() in at most 60 characters."""
    if type(obj) is int and obj.bit_length() > _BITS_SHOWN:
        return f"<a number of {obj.bit_length()} bits>"
    text = asked(repr, obj, "<its repr() fails>")
    return text if len(text) <= 60 else text[:57] + "..."


def asked(fn: Callable[[Any], T], obj: Any, otherwise: T) -> T:
    """What an object's class has to say for a message, or something else where that fails."""
    try:
        return fn(obj)
    except Exception as error:  # of the class's own method
        if of_a_signal(error):
            raise
        return otherwise


def type_name(ctype: Any) -> str:
    return str(getattr(ctype, "__name__", ctype))
