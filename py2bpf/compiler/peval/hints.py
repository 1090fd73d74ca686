"""Hints in error messages about values of the wrong kind: what to write instead."""

from __future__ import annotations

import ctypes
import difflib
import types
from collections.abc import Iterable
from typing import Any, Final

from ..ir.types import U64
from .layout import is_array, is_chars, is_record, members, scalar
from .naming import short, type_name
from .values import (
    Abstract,
    Const,
    ListRef,
    Map,
    Mixed,
    OptionalInt,
    RangeOf,
    Ref,
    RuntimeInt,
    Text,
    TupleOf,
)

READ_TEXT: Final = (
    "if it is the address of a text, copy that first: text = (c_char * 64)(), then "
    "funcs.probe_read_user_str(text, address), or probe_read_kernel_str for one of the kernel's"
)
_LIKENESS = 0.65
"""The least similarity of names for a hint. Less is a coincidence, as between lookup and lock."""
_OF_BUILTINS = 0.8
"""The least similarity to names of built-ins, for names longer than three letters: ip resembles zip, and val all."""
_INTEGERS = Abstract.instead
_ITEMS = "the list of its items is a[:]"
_TEXT = "a text is compared by == and startswith(), up to its NUL; its bytes are numbers: text[i]"
_METHODS = "numbers known at run time have bit_length() and bit_count()"
_NO_FLOAT = ("BPF has no floating point; use integers, with // for division",)
_VALUE = "a ctypes object's number is its .value"
_STRINGS = Text.instead[0]


def may_be_address(value: Abstract) -> bool:
    """Whether the value is a u64, as pointers in fields of contexts and structures are."""
    return isinstance(value, RuntimeInt) and value.ir.type == U64


def near(name: str, known: Iterable[str], otherwise: str, builtins: Iterable[str] = ()) -> tuple[str, ...]:
    """The known names that resemble ``name``, else ``otherwise``."""
    found = difflib.get_close_matches(name, list(known), 3, _LIKENESS)
    found += difflib.get_close_matches(name, list(builtins), 1, _OF_BUILTINS) if len(name) > 3 else []
    return (f"did you mean {' or '.join(found)}?" if found else otherwise,)


def for_number(value: Abstract) -> tuple[str, ...]:
    """For a value where an integer is needed."""
    if isinstance(value, Const):
        return _for_constant(value.obj)
    if isinstance(value, Ref):
        return _for_object(value.ctype)
    return value.number_hint()


def for_attribute(value: Abstract, name: str) -> tuple[str, ...]:
    """For a value that has no attribute of that name."""
    if may_be_address(value) and name in dir(bytes):
        return (READ_TEXT,)
    return (_METHODS,) if isinstance(value, (RuntimeInt, OptionalInt)) else for_number(value)


def _for_constant(obj: Any) -> tuple[str, ...]:
    if isinstance(obj, float):
        return _NO_FLOAT
    if isinstance(obj, (str, bytes)):
        return (_STRINGS, f"or write its number: ord({short(obj)})") if len(obj) == 1 else (_STRINGS,)
    if obj is None:
        return ("test it for None first",)
    if isinstance(obj, type) and issubclass(obj, (ctypes._SimpleCData, ctypes.Structure, ctypes.Union, ctypes.Array)):
        return (f"the length of an array must be a constant, as in {type_name(obj)} * 64",)
    if isinstance(obj, (tuple, list, dict)):
        return ("name one of its items",)
    if isinstance(obj, (types.FunctionType, types.BuiltinFunctionType)):
        return ("call it",)
    if isinstance(obj, ctypes.Array):
        return _for_object(type(obj))
    return ("its __index__() gives a number where it is asked for one: int(...)",) if _has_index(obj) else _INTEGERS


def _has_index(obj: Any) -> bool:
    return hasattr(type(obj), "__index__")


def _for_object(ctype: Any) -> tuple[str, ...]:
    if is_record(ctype):
        return (f"name one of its fields: {_fields(ctype)}",)
    if is_chars(ctype):
        return (_TEXT,)
    if is_array(ctype):
        return ("name one of its items: a[i]", _ITEMS)
    return (_VALUE,)


def _fields(ctype: Any) -> str:
    return ", ".join(members(ctype)) or "it has none"


def for_bytes(text: str | bytes) -> tuple[str, ...]:
    """For a str where bytes are needed."""
    try:
        return (f"write {text.encode()!r}" if isinstance(text, str) else f"write {text!r}",)
    except UnicodeEncodeError:
        return ("write the bytes that are meant, as in b'...'",)


def for_object(ctype: Any, value: Abstract) -> tuple[str, ...]:
    """For a value where an object of ``ctype`` is needed."""
    if isinstance(value, Const) and isinstance(value.obj, float):
        return _NO_FLOAT
    if is_chars(ctype) and isinstance(value, Mixed):
        return (f"give it constant bytes, or a {type_name(ctype)}, on each path by itself: with an if statement",)
    if is_chars(ctype):
        return _for_chars(ctype, value)
    if is_record(ctype):
        return (f"make one, {type_name(ctype)}(...), or give a tuple of its fields: {_fields(ctype)}",)
    if is_array(ctype):
        return (f"give a tuple of its {ctype._length_} items, or an array of the same type",)
    return (f"make one: {type_name(ctype)}(...)",)


def _for_chars(ctype: Any, value: Abstract) -> tuple[str, ...]:
    """For a value where chars are needed."""
    if may_be_address(value):
        return (READ_TEXT,)
    if isinstance(value, Const) and isinstance(value.obj, str):
        return for_bytes(value.obj)
    known = f"give it constant bytes, as in b'...', or a {type_name(ctype)}"
    longer = isinstance(value, Ref) and is_chars(value.ctype) and value.ctype._length_ > ctype._length_
    return (known, f"or cut it: text[:{ctype._length_}]") if longer else (known,)


def for_comparison(*values: Abstract) -> tuple[str, ...]:
    """For values that == can't compare."""
    if (number := next(filter(_is_number_of_its_own, values), None)) is not None:
        return for_number(number)
    if any(map(_is_sequence, values)) and any(map(_is_array, values)):
        return ("a ctypes array equals no list, and no tuple; compare the list of its items: a[:]",)
    if any(isinstance(value, RangeOf) for value in values):
        return ("compare their len(), and the numbers that they were made of",)
    return ("compare their fields, or the bytes with py2bpf.funcs.mem_eq",)


def _is_number_of_its_own(value: Abstract) -> bool:
    """Whether the value is a map, or a ctypes object that holds a number."""
    return isinstance(value, Map) or (isinstance(value, Ref) and scalar(value.ctype) is not None)


def _is_sequence(value: Abstract) -> bool:
    return isinstance(value, (ListRef, TupleOf))


def _is_array(value: Abstract) -> bool:
    return isinstance(value.obj if isinstance(value, Const) else value, ctypes.Array) or (
        isinstance(value, Ref) and is_array(value.ctype)
    )


def for_search(value: Abstract) -> str:
    """For a container that ``in`` can't search."""
    if isinstance(value, Ref) and is_chars(value.ctype):
        return "compare all of a text, text == b'...', its beginning, text.startswith(b'...'), or single bytes, text[0]"
    return "tuples, lists, ranges, ctypes arrays and maps can be searched"


def for_print(value: Abstract) -> tuple[str, ...]:
    """For a value that f-strings can't show."""
    if _is_number_of_its_own(value):
        return for_number(value)
    return ("integers and char arrays can be printed",)


def no_number(ctype: Any) -> tuple[str, ...]:
    """For a ctypes type without a meaning in programs."""
    if issubclass(ctype, ctypes._SimpleCData):
        return ("use c_uint8 to c_uint64, c_int8 to c_int64, c_bool, or arrays of c_char",)
    return ("declare an address as c_uint64: it is a number",)


def arguments(fewest: int, most: int) -> str:
    """``1 argument``, ``2 to 3 arguments``."""
    return count(most, "argument") if fewest == most else f"{fewest} to {most} arguments"


def count(number: int, what: str) -> str:
    """``1 value``, ``2 values``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
