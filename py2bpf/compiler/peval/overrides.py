"""The one place that says by which function an object's class does an operation of Python itself.

A captured object, a named tuple, a ctypes object and a map are what the compiler knows them for, as long as their
classes leave the operations of the built-in types alone. Where a user's class defines one in Python, the program calls
that function (the evaluator inlines it, with a captured object as a constant); what a class takes from elsewhere is
refused, never ignored.
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
"""Classes that have no method of a user."""


def own(value: Abstract, name: str) -> types.FunctionType | None:
    """The function by which a user's class does ``name``; None where it means what the built-in type does. Of what may
    be None it is the function that is called where the object is there.

    Raises UnsupportedSyntax for what is no Python function.
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
    """The same for an operation that CPython may do: what is no Python function is none of the program's business."""
    cls = value.python_class()
    if cls is None or cls in PLAIN:
        return None
    owner, found = classes.lookup(cls, name)
    return found if isinstance(found, types.FunctionType) and not classes.is_known(owner) else None
