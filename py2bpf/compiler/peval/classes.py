"""Methods of users' classes: which class defines a method, and whether the compiler knows its meaning."""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from typing import Any, Final

from ...exception import UnsupportedSyntax

BINARY: Final = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "<<": "lshift",
    ">>": "rshift", "&": "and", "|": "or", "^": "xor", "@": "matmul",
}  # fmt: skip
"""Operators, with the common part of their methods' names: ``__add__``, ``__radd__``, ``__iadd__``."""
COMPARISONS: Final = {
    "==": ("__eq__", "__eq__"), "!=": ("__ne__", "__ne__"), "<": ("__lt__", "__gt__"), ">": ("__gt__", "__lt__"),
    "<=": ("__le__", "__ge__"), ">=": ("__ge__", "__le__"),
}  # fmt: skip
"""Comparisons, with the left operand's method and the reflected method of the right operand."""
LIBRARY: Final = sysconfig.get_path("stdlib")
_MISSING: Final = object()


def method(cls: Any, name: str) -> types.FunctionType | None:
    """The Python function that implements the method ``name`` of a class; None if the built-in type's method does.

    Raises UnsupportedSyntax if the method is not a Python function.
    """
    owner, found = lookup(cls, name)
    if owner is None or found is None or is_known(owner) or is_inherited(cls, name, found):
        return None
    if isinstance(found, types.FunctionType):
        return found
    if getattr(found, "__objclass__", None) is owner:
        return None  # a method of a type that is written in C
    raise UnsupportedSyntax(0, f"{cls.__name__}.{name} is no Python function, and so can't become part of a program",
                            hints=(f"define it by def {name}(self, ...)",))  # fmt: skip


def own_attributes(obj: Any) -> dict[str, Any]:
    """An object's own attributes. The object's class is not asked, whose __getattr__ may answer every name."""
    try:
        held = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return {}
    return held if isinstance(held, dict) else {}


def lookup(cls: Any, name: str) -> tuple[Any, Any]:
    """The class that defines ``name`` for instances of ``cls``, and the attribute; (None, None) if none does."""
    for base in cls.__mro__:
        found = vars(base).get(name, _MISSING)
        if found is not _MISSING:
            return base, found
    return None, None


def is_inherited(cls: Any, name: str, found: Any) -> bool:
    """Whether a class only repeats a known base class's method: ``__hash__ = int.__hash__``."""
    return any(vars(base).get(name) is found for base in cls.__mro__ if is_known(base))


def is_known(cls: Any) -> bool:
    """Whether the class comes with Python or py2bpf, so that the compiler knows what its methods mean, or that they
    don't work on run-time values."""
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
