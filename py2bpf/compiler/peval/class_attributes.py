"""Attributes that the class of a run-time object defines besides its fields: methods, properties, constants."""

from __future__ import annotations

import inspect
import types
from typing import Any

from ...exception import UnsupportedSyntax
from . import special
from .machine import Machine
from .naming import type_name
from .state import State
from .values import Abstract, Bound, Const, Ref, wrap


def of_object(ev: Machine, state: State, ref: Ref, name: str, found: Any) -> Abstract:
    """``ref.name``, which the object's class defines as ``found``."""
    ev.b.guard_not_null(ref.base)
    if isinstance(found, types.FunctionType):
        return Bound(Const(found), (ref,))
    if isinstance(found, property):
        return of_property(ev, state, found, ref)
    _refuse_descriptor(ref.ctype, name, found)
    return wrap(getattr(ref.ctype, name))


def of_property(ev: Machine, state: State, found: property, owner: Abstract) -> Abstract:
    """The result of a property's getter."""
    if not isinstance(found.fget, types.FunctionType):
        raise UnsupportedSyntax(0, "a property can be read in a program if its getter is a Python function",
                                hints=("write a method",))  # fmt: skip
    return special.call(ev, state, found.fget, owner)


def _refuse_descriptor(cls: Any, name: str, found: Any) -> None:
    """Refuses descriptors that compute an attribute in their own way, such as ``functools.cached_property``."""
    known = (staticmethod, classmethod, types.FunctionType)
    if inspect.getattr_static(type(found), "__get__", None) is not None and not isinstance(found, known):
        raise UnsupportedSyntax(0, f"{type_name(cls)}.{name} is a {type(found).__name__}, which programs can't read",
                                hints=("write a property or a method",))  # fmt: skip
