"""What can be called, and is no constant."""

from __future__ import annotations

import types
from typing import Any, Final

from .. import kind
from ..builder import Builder
from ..kind import Hidden, Kinds, NotConstant, Object
from ..state import State
from ..values import Bound, CellRef, Closure, ExceptionOf, GeneratorOf, Method


class GeneratorKind(Object[GeneratorOf]):
    no_items = ("write a list comprehension, in brackets: [... for item in items]",)


class ClosureKind(Object[Closure]):
    def as_object(self, b: Builder, state: State, value: Closure) -> Any:
        if value.cells or value.kwdefaults:
            raise NotConstant
        defaults = tuple(kind.of(item).as_object(b, state, item) for item in value.defaults)
        return types.FunctionType(value.code, value.globals, value.code.co_name, defaults)


KINDS: Final[Kinds] = {
    Bound: Object(),
    CellRef: Hidden(),
    Closure: ClosureKind(),
    ExceptionOf: Object(),
    GeneratorOf: GeneratorKind(),
    Method: Object(),
}
