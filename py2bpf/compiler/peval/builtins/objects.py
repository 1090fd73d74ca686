"""Built-in functions about classes and attributes, and about texts."""

from __future__ import annotations

import ctypes
from typing import Any

from ....exception import TypeMismatch, UnsupportedSyntax
from .. import access, arith, host, kind, overrides, presence, semantics, special, text
from ..kind import Args
from ..layout import is_char
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, Context, Ref, Text


def _check_classes(classes: Any) -> None:
    for cls in classes if isinstance(classes, tuple) else (classes,):
        overridden = overrides.own(Const(cls), "__instancecheck__") if isinstance(cls, type) else None
        if overridden is not None:
            raise UnsupportedSyntax(0, f"{cls.__name__} defines __instancecheck__(), which a program "
                                    "doesn't call", hints=("call a function that takes the value",))  # fmt: skip


def is_instance(ev: Machine, state: State, args: Args) -> Abstract:
    """``isinstance(value, classes)``."""
    value, classes = args
    if not isinstance(classes, Const):
        raise TypeMismatch(0, "isinstance() needs constant classes", hints=("name the class, or some in a tuple",))
    _check_classes(classes.obj)
    host.run(ev.b, "isinstance()", isinstance, None, classes.obj)  # fails if one is not a class
    return kind.of(value).is_instance(ev, value, classes.obj)


def print_(ev: Machine, state: State, args: Args) -> Abstract:
    return text.print_values(ev, args)


def sizeof(ev: Machine, state: State, args: Args) -> Abstract:
    value = args[0]
    if isinstance(value, Ref):
        return Const(ctypes.sizeof(value.ctype))
    if isinstance(value, Context):
        return Const(ctypes.sizeof(value.spec.struct))
    raise TypeMismatch(0, f"sizeof() needs a ctypes object, but this is {value.describe()}",
                       hints=("give it an object, or a type as in sizeof(c_uint32)",))  # fmt: skip


def str_(ev: Machine, state: State, args: Args) -> Abstract:
    return Text(((args[0], "", ""),))


def ord_(ev: Machine, state: State, args: Args) -> Abstract:
    if not isinstance(args[0], Ref) or not is_char(args[0].ctype):
        raise TypeMismatch(
            0,
            f"ord() of a run-time value takes a c_char, but this is {args[0].describe()}",
            hints=("the items of a char array are integers",),
        )
    return arith.from_ir(ev.b.load(args[0].base, args[0].offset, 1, False))


def _attribute_name(value: Abstract) -> str:
    if not isinstance(value, Const) or not isinstance(value.obj, str):
        raise TypeMismatch(0, f"an attribute's name is a constant str, not {value.describe()}", hints=("write it out",))
    return value.obj


def hasattr_(ev: Machine, state: State, args: Args) -> Abstract:
    value, name = args[0], _attribute_name(args[1])
    there, none = kind.of(value).has_attribute(ev.b, value, name), hasattr(None, name)
    if there is none or isinstance(value, Const):
        return Const(there)
    missing = semantics.is_none(ev, value)
    return arith.from_bool(arith.negate(ev.b, missing) if there else missing)


def getattr_(ev: Machine, state: State, args: Args) -> Abstract:
    value, name = args[0], _attribute_name(args[1])
    if len(args) > 2 and not kind.of(value).has_attribute(ev.b, value, name):
        return args[2]
    if len(args) > 2 and isinstance(value, Ref) and presence.may_be_null(ev.b, value) and not hasattr(None, name):
        return special.if_there(
            ev, state, value, lambda there: access.load_attr(ev, there, value, name), lambda _state: args[2]
        )
    return access.load_attr(ev, state, value, name)


def setattr_(ev: Machine, state: State, args: Args) -> Abstract:
    access.store_attr(ev, state, args[0], _attribute_name(args[1]), args[2])
    return Const(None)
