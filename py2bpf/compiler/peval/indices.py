"""Objects with ``__index__`` as numbers, where Python accepts them: in subscripts and ranges."""

from __future__ import annotations

import operator
import types

from ...exception import UnsupportedSyntax
from . import classes, host, integers, special
from .builder import Builder
from .values import Abstract, Const


def number(b: Builder, value: Abstract) -> Abstract:
    """The plain int that a captured object stands for; any other value unchanged."""
    if not isinstance(value, Const):
        return value
    if isinstance(value.obj, int):
        return value if type(value.obj) in (int, bool) else Const(integers.raw(value.obj))
    maker = classes.lookup(type(value.obj), "__index__")[1]
    if maker is None:
        return value
    if isinstance(maker, types.FunctionType) and special.runs(maker, value):
        raise UnsupportedSyntax(
            0, f"{type(value.obj).__name__}.__index__() uses maps, but would be called while compiling",
            hints=("write a method with another name, and index by what that gives",),
        )  # fmt: skip
    return Const(host.run(b, f"{type(value.obj).__name__}.__index__()", operator.index, value.obj))
