"""Callables that are not constants, generator expressions and cells."""

from __future__ import annotations

import inspect
import types
from typing import Any, Final

from .. import generators, inlining, kind
from ..builder import Builder
from ..kind import Args, Hidden, Kinds, Kwargs, NotConstant, Object
from ..machine import Machine
from ..state import State
from ..values import Abstract, Bound, CellRef, Closure, ExceptionOf, GeneratorOf, Method


class GeneratorKind(Object[GeneratorOf]):
    no_items = ("write a list comprehension, in brackets: [... for item in items]",)


class ClosureKind(Object[Closure]):
    def call(self, ev: Machine, state: State, value: Closure, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        if value.code.co_name == generators.NAME and value.code.co_flags & inspect.CO_GENERATOR:
            return generators.make(ev, state, value, args, inlining.path(ev, unit))
        return inlining.inline_closure(ev, state, value, args, kwargs, unit)

    def as_object(self, b: Builder, state: State, value: Closure) -> Any:
        if value.cells or value.kwdefaults:
            raise NotConstant
        defaults = tuple(kind.of(item).as_object(b, state, item) for item in value.defaults)
        return types.FunctionType(value.code, value.globals, value.code.co_name, defaults)


class BoundKind(Object[Bound]):
    def call(self, ev: Machine, state: State, value: Bound, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        return ev.call(state, value.fn, value.args + args, dict(value.kwargs) | kwargs, unit)


class MethodKind(Object[Method]):
    def call(self, ev: Machine, state: State, value: Method, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        return kind.of(value.owner).method(ev, state, value.owner, value.name, args, kwargs)


KINDS: Final[Kinds] = {
    Bound: BoundKind(),
    CellRef: Hidden(),
    Closure: ClosureKind(),
    ExceptionOf: Object(),
    GeneratorOf: GeneratorKind(),
    Method: MethodKind(),
}
