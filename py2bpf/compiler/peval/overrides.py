"""The one place that says by which function an object's class does an operation of Python itself.

A captured object, a named tuple, a ctypes object and a map are what the compiler knows them for, as long as their
classes leave the operations of the built-in types alone. Where a user's class defines one in Python, the program calls
that function (the evaluator inlines it, with a captured object as a constant); what a class takes from elsewhere is
refused, never ignored.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from typing import Any, Final

from ...exception import UnsupportedSyntax
from .values import Abstract, Const, Map, Option, Ref, Run, TupleOf

BINARY: Final = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "<<": "lshift",
    ">>": "rshift", "&": "and", "|": "or", "^": "xor", "@": "matmul",
}  # fmt: skip
"""Operators, and what their methods are named after: ``__add__``, ``__radd__``, ``__iadd__``."""
COMPARISONS: Final = {
    "==": ("__eq__", "__eq__"), "!=": ("__ne__", "__ne__"), "<": ("__lt__", "__gt__"), ">": ("__gt__", "__lt__"),
    "<=": ("__le__", "__ge__"), ">=": ("__ge__", "__le__"),
}  # fmt: skip
"""The method of the left operand, and what the right one is asked for instead."""
_NUMERIC: Final = (
    *(f"__{prefix}{name}__" for name in BINARY.values() for prefix in ("", "r")),
    *(names[0] for names in COMPARISONS.values()), "__bool__", "__neg__", "__pos__", "__invert__", "__abs__",
)  # fmt: skip
_PLAIN: Final = frozenset({
    int, bool, str, bytes, float, tuple, list, dict, set, frozenset, range, type(None), type, types.FunctionType,
    types.ModuleType, types.BuiltinFunctionType,
})  # fmt: skip
LIBRARY: Final = sysconfig.get_path("stdlib")
_MISSING: Final = object()


def class_of(value: Abstract) -> Any:
    """The class of the object in Python, None for what has no methods of a user."""
    if isinstance(value, (Const, Map)):
        return type(value.obj)
    if isinstance(value, TupleOf):
        return value.cls
    if isinstance(value, Ref):
        return value.ctype
    return (bool if value.boolean else int) if isinstance(value, (Run, Option)) else None


def own(value: Abstract, name: str) -> types.FunctionType | None:
    """The function by which a user's class does ``name``; None where it means what the built-in type does. Of what may
    be None it is the function that is called where the object is there.

    Raises UnsupportedSyntax for what is no Python function.
    """
    if isinstance(value, (Run, Option)):
        return None
    cls = class_of(value)
    found = None if cls is None or cls in _PLAIN else method(cls, name)
    if found is not None and isinstance(value, Ref) and value.text is not False:
        raise UnsupportedSyntax(
            0, f"{cls.__name__}.{name}() is asked of objects, and fields and map values of chars are read as bytes",
            hints=(f"declare it as c_char * {cls._length_}, and write functions for what the class does",),
        )  # fmt: skip
    return found


def written(value: Abstract, name: str) -> types.FunctionType | None:
    """The same for an operation that CPython may do: what is no Python function is none of the program's business."""
    cls = class_of(value)
    if cls is None or cls in _PLAIN:
        return None
    owner, found = lookup(cls, name)
    return found if isinstance(found, types.FunctionType) and not is_known(owner) else None


def method(cls: Any, name: str) -> types.FunctionType | None:
    """The same of a class."""
    owner, found = lookup(cls, name)
    if owner is None or found is None or is_known(owner) or _is_inherited(cls, name, found):
        return None
    if isinstance(found, types.FunctionType):
        return found
    if getattr(found, "__objclass__", None) is owner:
        return None  # of a type that is written in C
    raise UnsupportedSyntax(0, f"{cls.__name__}.{name} is no Python function, and so can't become part of a program",
                            hints=(f"define it by def {name}(self, ...)",))  # fmt: skip


def lookup(cls: Any, name: str) -> tuple[Any, Any]:
    """The class that defines ``name`` for the instances of ``cls``, and what it is; two None where none does."""
    for base in cls.__mro__:
        found = vars(base).get(name, _MISSING)
        if found is not _MISSING:
            return base, found
    return None, None


def _is_inherited(cls: Any, name: str, found: Any) -> bool:
    """Whether a class only repeats what a known base class has: ``__hash__ = int.__hash__``."""
    return any(vars(base).get(name) is found for base in cls.__mro__ if is_known(base))


def is_known(cls: Any) -> bool:
    """Whether the class comes with Python or py2bpf: the compiler knows what its methods mean, or that they don't work
    on run-time values."""
    return _is_known(cls)


@functools.lru_cache(maxsize=1024)
def _is_known(cls: Any) -> bool:
    root = cls.__module__.partition(".")[0] if isinstance(cls.__module__, str) else ""
    if root == "py2bpf":
        return cls.__module__.partition(".")[2].partition(".")[0] not in ("examples",)
    if root not in sys.stdlib_module_names:
        return False
    origin = getattr(getattr(sys.modules.get(cls.__module__), "__spec__", None), "origin", None)
    return origin in ("built-in", "frozen") or str(origin).startswith(LIBRARY)


def raw(number: int) -> int:
    """The plain number that an object of a class of integers is, which C code sees of it."""
    return int.__pos__(number)


LEAST: Final = -(1 << 63)
MOST: Final = (1 << 64) - 1
"""Between them are the integers that programs compute, signed or unsigned."""


def is_beyond(obj: Any) -> bool:
    """Whether it is an integer that doesn't fit 64 bits."""
    return isinstance(obj, int) and not LEAST <= raw(obj) <= MOST


def is_plain_int(obj: Any) -> bool:
    """Whether a constant is an integer that computes as int does: once it is a number of run time, nobody knows its
    class any more."""
    if type(obj) is int or type(obj) is bool:
        return True
    cls: Any = type(obj)
    return isinstance(obj, int) and not _has_arithmetic(cls)


@functools.lru_cache(maxsize=1024)
def _has_arithmetic(cls: Any) -> bool:
    """Whether a user's class computes or compares in its own way."""
    for name in _NUMERIC:
        owner, found = lookup(cls, name)
        if owner is not None and not is_known(owner) and not _is_inherited(cls, name, found):
            return True
    return False
