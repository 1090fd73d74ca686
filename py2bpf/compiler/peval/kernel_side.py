"""Finds functions that must not be called at compile time, since they or their arguments use maps or helpers."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...btf.shapes import KernelType, KernelTypes
from ...intrinsics import Helper, Pseudo
from . import annotated, classes
from .values import map_spec_of


@functools.lru_cache(maxsize=1024)
def _mentions(code: types.CodeType) -> frozenset[str]:
    names = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names |= _mentions(inner)
    return frozenset(names)


def touches_kernel(fn: types.FunctionType, constants: tuple[list[Any], dict[str, Any]]) -> bool:
    """Whether the function, a function that it names, a method that it calls, or an argument uses maps or helpers. Then
    the call belongs into the program, even if all its arguments are constants."""
    args, kwargs = constants
    given = (*args, *kwargs.values())
    return _Reach(given).touches(fn) or bool(annotated.kernel_types(fn)) or any(_holds_maps(arg) for arg in given)


def _holds_maps(obj: Any) -> bool:
    """Whether an argument has maps or kernel-side callables among its attributes, or is such a callable."""
    if isinstance(obj, type):
        return any(map_spec_of(value) is not None for value in vars(obj).values())
    held = classes.own_attributes(obj)
    reach = _Reach(())
    return reach.is_kernel_side(obj) or any(reach.is_kernel_side(value) for value in held.values())


def _named(fn: types.FunctionType) -> list[Any]:
    """The objects that a function names: globals, contents of its closure, members of modules."""
    names = _mentions(fn.__code__)
    found = [fn.__globals__[name] for name in names if name in fn.__globals__]
    for cell in fn.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    modules = [obj for obj in found if isinstance(obj, types.ModuleType)]
    return found + [vars(module)[name] for module in modules for name in names if name in vars(module)]


class _Reach:
    """Everything that a function reaches by the names that it mentions. ``objects`` are its arguments, in whose classes
    methods are looked up."""

    def __init__(self, objects: Iterable[Any]) -> None:
        self._classes = list(dict.fromkeys(filter(_is_written, map(type, objects))))
        self._seen: set[types.FunctionType] = set()  # not code objects: closures of one code hold different things

    def touches(self, fn: types.FunctionType) -> bool:
        if fn in self._seen:
            return False
        self._seen.add(fn)
        if any(self.is_kernel_side(obj) for obj in _named(fn)):
            return True
        return any(self.touches(method) for method in self._methods(fn))

    def is_kernel_side(self, obj: Any) -> bool:
        if isinstance(obj, (Helper, Pseudo, KernelType, KernelTypes)) or map_spec_of(obj) is not None:
            return True
        if isinstance(obj, types.MethodType):
            return self.is_kernel_side(obj.__func__) or self.is_kernel_side(obj.__self__)
        if isinstance(obj, types.FunctionType):
            return self.touches(obj)
        return isinstance(obj, types.ModuleType) and obj.__name__ == "py2bpf.funcs"

    def _methods(self, fn: types.FunctionType) -> Iterator[types.FunctionType]:
        """The methods of the arguments' classes whose names the function mentions."""
        for name in _mentions(fn.__code__):
            for each in self._classes:
                member = inspect.getattr_static(each, name, None)
                inner = next((getattr(member, part, None) for part in ("fget", "__func__", "func")
                              if hasattr(member, part)), member)  # fmt: skip
                if isinstance(inner, types.FunctionType):
                    yield inner


def _is_written(each: type) -> bool:
    """Whether a class was made by a class statement, not in C."""
    return bool(each.__flags__ & _HEAP_TYPE)


_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE of Include/object.h."""
