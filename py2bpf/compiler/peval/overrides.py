"""Finds the function of a user's class that implements one of Python's operations: the only place that decides this.

The compiler knows the operations of captured objects, named tuples, ctypes objects and maps, as long as their classes
don't redefine them. If a user's class defines one in Python, the program calls that function (the evaluator inlines it,
with a captured object as a constant). Redefinitions that aren't Python functions are refused, never ignored.
"""

from __future__ import annotations

import types
from typing import Final

from ...exception import UnsupportedSyntax
from . import classes
from .values import Abstract, Ref

PLAIN: Final = frozenset({
    int, bool, str, bytes, float, tuple, list, dict, set, frozenset, range, type(None), type, types.FunctionType,
    types.ModuleType, types.BuiltinFunctionType,
})  # fmt: skip
"""Classes that have no methods of users."""


def own(value: Abstract, name: str) -> types.FunctionType | None:
    """The function of a user's class that implements the method ``name``; None if the built-in type's method does. For
    a value that may be None, the function is called if the object is present.

    Raises UnsupportedSyntax if the method is not a Python function.
    """
    cls = value.python_class()
    found = None if cls is None or cls in PLAIN else classes.method(cls, name)
    if found is not None and isinstance(value, Ref) and value.text is not False:
        raise UnsupportedSyntax(
            0, f"{cls.__name__}.{name}() is asked of objects, and fields and map values of chars are read as bytes",
            hints=(f"declare it as c_char * {cls._length_}, and write functions for what the class does",),
        )  # fmt: skip
    return found


def written(value: Abstract, name: str) -> types.FunctionType | None:
    """Like ``own()``, for an operation that CPython may run: methods that aren't Python functions give None."""
    cls = value.python_class()
    if cls is None or cls in PLAIN:
        return None
    owner, found = classes.lookup(cls, name)
    return found if isinstance(found, types.FunctionType) and not classes.is_known(owner) else None
