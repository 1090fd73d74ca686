"""What to write instead: hints for error messages about values of the wrong kind."""

from __future__ import annotations

import ctypes
import difflib
import types
from collections.abc import Iterable
from typing import Any

from .describe import type_name
from .layout import is_array, is_chars, is_record, members
from .values import (
    Abstract,
    Bound,
    Closure,
    Const,
    Context,
    ContextFields,
    DictRef,
    ExceptionOf,
    KernelRef,
    ListRef,
    Lock,
    Map,
    Method,
    PacketEdge,
    Ref,
    Text,
    TupleOf,
)

_INTEGERS = ("only integers can be computed with at run time",)
_STRINGS = "strings exist while compiling: print them, or compare char arrays with constant bytes"


def near(name: str, known: Iterable[str], otherwise: str) -> tuple[str, ...]:
    """The known names that resemble ``name``, else ``otherwise``."""
    found = difflib.get_close_matches(name, list(known), 3)
    return (f"did you mean {' or '.join(found)}?" if found else otherwise,)


def for_number(value: Abstract) -> tuple[str, ...]:
    """For a value that stands where an integer is needed."""
    if isinstance(value, Const):
        return _for_constant(value.obj)
    if isinstance(value, Ref):
        return _for_object(value.ctype)
    if isinstance(value, Text):
        return (_STRINGS,)
    if isinstance(value, ExceptionOf):
        return ("raise ends the program",)
    if isinstance(value, Map):
        return ("read one of its items: m[key]",)
    if isinstance(value, (TupleOf, ListRef, DictRef, ContextFields)):
        return ("name one of its items",)
    if isinstance(value, Context):
        return ("name one of its fields",)
    if isinstance(value, KernelRef):
        return ("read something in it: task.pid, array[0]", "its address is int(pointer)")
    if isinstance(value, PacketEdge):
        return ("ctx.data_end - ctx.data is the packet's length; ctx.packet(Type, offset) reads it",)
    if isinstance(value, (Method, Closure, Bound)):
        return ("call it",)
    if isinstance(value, Lock):
        return ("take it: with m.lock(key) as entry: ...",)
    return _INTEGERS


def _for_constant(obj: Any) -> tuple[str, ...]:
    if isinstance(obj, float):
        return ("BPF has no floating point; use integers, with // for division",)
    if isinstance(obj, (str, bytes)):
        return (_STRINGS, f"or write its number: ord({obj!r})") if len(obj) == 1 else (_STRINGS,)
    if obj is None:
        return ("test it for None first",)
    if isinstance(obj, type) and issubclass(obj, (ctypes._SimpleCData, ctypes.Structure, ctypes.Union, ctypes.Array)):
        return (f"the length of an array must be a constant, as in {type_name(obj)} * 64",)
    if isinstance(obj, (tuple, list, dict)):
        return ("name one of its items",)
    if isinstance(obj, (types.FunctionType, types.BuiltinFunctionType)):
        return ("call it",)
    return _INTEGERS


def _for_object(ctype: Any) -> tuple[str, ...]:
    if is_record(ctype):
        return (f"name one of its fields: {_fields(ctype)}",)
    if is_array(ctype):
        return ("name one of its items: a[i]",)
    return ("a ctypes object's number is its .value",)


def _fields(ctype: Any) -> str:
    return ", ".join(members(ctype)) or "it has none"


def for_object(ctype: Any, value: Abstract) -> tuple[str, ...]:
    """For a value that stands where an object of ``ctype`` is needed."""
    if is_chars(ctype):
        if isinstance(value, Const) and isinstance(value.obj, str):
            return (f"write b{value.obj!r}",)
        return (f"give it constant bytes, as in b'...', or a {type_name(ctype)}",)
    if is_record(ctype):
        return (f"make one, {type_name(ctype)}(...), or give a tuple of its fields: {_fields(ctype)}",)
    if is_array(ctype):
        return (f"give a tuple of its {ctype._length_} items, or an array of the same type",)
    return (f"make one: {type_name(ctype)}(...)",)


def no_number(ctype: Any) -> tuple[str, ...]:
    """For a ctypes type without a meaning in programs."""
    if issubclass(ctype, ctypes._SimpleCData):
        return ("use c_uint8 to c_uint64, c_int8 to c_int64, c_bool, or arrays of c_char",)
    return ("declare an address as c_uint64: it is a number",)


def count(number: int, what: str) -> str:
    """``1 value``, ``2 values``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
