"""Abstract values in the user's words, for error messages."""

from __future__ import annotations

import types
from typing import Any

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
    Numbered,
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
    Walk,
    Zipped,
)

_WORDS: dict[type[Abstract], str] = {
    Run: "an integer known at run time only",
    Option: "an integer or None",
    Context: "the program's context",
    PacketEdge: "an edge of the packet",
    ContextFields: "a group of context fields",
    Map: "a map",
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
        if "0x" in repr(value.obj) and " at 0x" in repr(value.obj):  # says nothing to users
            return f"a captured {type(value.obj).__name__}"
        return f"the {type(value.obj).__name__} {short(value.obj)}"
    if isinstance(value, Ref):
        return f"a {type_name(value.ctype)}" + (" or None" if value.ptr.nullable else "")
    if isinstance(value, KernelRef):
        return f"a {value.shape.text} in the kernel's memory" + (" or None" if value.pointer else "")
    if isinstance(value, Unbound):
        return f"no single value ({value.why})"
    return _WORDS.get(type(value), type(value).__name__)


def differ(first: Abstract, second: Abstract) -> tuple[str, str]:
    """``describe`` of two values that are not the same one; of lists and dicts, which have an identity, it says so."""
    here, there = describe(first), describe(second)
    if isinstance(first, (ListRef, DictRef)) and type(first) is type(second):
        kind = here.removeprefix("a ")
        return f"one {kind}", f"another {kind}"
    return here, there


def short(obj: Any) -> str:
    """repr() in at most 60 characters."""
    text = repr(obj)
    return text if len(text) <= 60 else text[:57] + "..."


def type_name(ctype: Any) -> str:
    return str(getattr(ctype, "__name__", ctype))
