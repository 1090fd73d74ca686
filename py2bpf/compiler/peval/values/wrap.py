"""Python objects of the environment as abstract values."""

from __future__ import annotations

import inspect
import types
import weakref
from typing import Any, Final

from ....exception import TypeMismatch
from ....spec import MapSpec
from .base import Abstract
from .constant import Const
from .shared import Map

_NO_MAPS: Final = (type, types.ModuleType, types.FunctionType, int, str, bytes, tuple, type(None))


def map_spec_of(obj: Any) -> MapSpec | None:
    """The spec of a live map, None for any other object."""
    if isinstance(obj, _NO_MAPS) or inspect.getattr_static(obj, "map_spec", None) is None:
        return None  # a class's own __getattr__ is not asked
    spec = getattr(obj, "map_spec", None)
    return spec if isinstance(spec, MapSpec) else None


def _check_alive(proxy: Any) -> None:
    try:
        _ = proxy.__class__
    except ReferenceError:
        raise TypeMismatch(0, "the program captures a weak reference to an object that is gone",
                           hints=("capture the object itself, or keep it somewhere",)) from None  # fmt: skip


def wrap(obj: Any) -> Abstract:
    """A Python object from the environment as an abstract value."""
    if type(obj) in weakref.ProxyTypes:
        _check_alive(obj)
    spec = map_spec_of(obj)
    if spec is not None:
        return Map(obj, spec)
    return Const(obj)
