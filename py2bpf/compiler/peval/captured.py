"""Attributes and items of objects that a program captures: constants, unless methods of their classes use maps or
helpers. Programs can't change such objects: the change would happen once, at compile time."""

from __future__ import annotations

import collections
import functools
import gc
import inspect
import operator
import types
from collections.abc import Mapping
from typing import Any, Final

from ...btf.shapes import UnknownName
from ...exception import TypeMismatch, UnsupportedSyntax
from . import changes, choice, classes, constants, hints, host, kernel_memory, overrides, special, storage
from .machine import Machine
from .naming import asked
from .state import State
from .values import Abstract, Const, wrap

CONSTANT: Final = "what a program captures is constant: keep changing values in a map, or make it inside the function"
_IN_A_MAP: Final = "make it a map: HashMap(c_uint32, c_uint64, 1024) counts by m[key] += 1"


def attribute(ev: Machine, state: State, obj: Any, name: str) -> Abstract:
    """``obj.name``."""
    if obj is None:
        ev.b.exit("AttributeError")
    computed = _computed(ev, state, obj, name)
    if computed is not None:
        return computed
    _refuse_mutator(obj, name)
    try:
        return wrap(host.run(ev.b, f"reading .{name}", getattr, obj, name, raises=(AttributeError,)))
    except UnknownName as error:
        raise kernel_memory.unknown(error) from None
    except AttributeError as error:
        near = hints.near(name, asked(dir, obj, []), "help() shows what it has")
        raise TypeMismatch(0, f"{Const(obj).describe()} has no attribute {name!r}", hints=near) from error


def _refuse_mutator(obj: Any, name: str) -> None:
    for kind, names in changes.MUTATORS.items():
        if name in names and isinstance(obj, kind) and overrides.written(Const(obj), name) is None:
            raise UnsupportedSyntax(
                0,
                f"can't call .{name}() of a captured {kind.__name__}: what a program captures is constant",
                hints=("keep changing values in a map, or make the object inside the function",),
            )


def _computed(ev: Machine, state: State, obj: Any, name: str) -> Abstract | None:
    """The attribute, if a property, a descriptor or ``__getattribute__`` of the class computes it with maps or helpers.
    """
    if isinstance(obj, (type, types.ModuleType, types.FunctionType)):
        return None
    owner = Const(obj)
    reader = overrides.written(owner, "__getattribute__")
    if reader is not None:
        return _if_it_runs(ev, state, reader, owner, Const(name))
    found = inspect.getattr_static(type(obj), name, None)
    if not hasattr(type(found), "__set__") and name in classes.own_attributes(obj):
        return None
    if isinstance(found, (property, functools.cached_property)):
        getter = found.fget if isinstance(found, property) else found.func
        return _if_it_runs(ev, state, getter, owner)
    if found is None:
        hook = overrides.written(owner, "__getattr__")
        return None if hook is None else _if_it_runs(ev, state, hook, owner, Const(name))
    if classes.is_known(type(found)):
        return None
    getter = inspect.getattr_static(type(found), "__get__", None)
    return _if_it_runs(ev, state, getter, Const(found), owner, Const(type(obj)))


def _if_it_runs(ev: Machine, state: State, fn: Any, *args: Abstract) -> Abstract | None:
    if isinstance(fn, types.FunctionType) and special.runs(fn, *args):
        return special.call(ev, state, fn, *args)
    return None


def set_attribute(ev: Machine, state: State, obj: Any, name: str, value: Abstract) -> None:
    """``obj.name = value``: for a property whose setter writes to maps, say."""
    owner = Const(obj)
    found = inspect.getattr_static(type(obj), name, None)
    hook = overrides.own(owner, "__setattr__")
    if hook is not None:
        special.call(ev, state, hook, owner, Const(name), value)
    elif isinstance(found, property) and isinstance(found.fset, types.FunctionType):
        special.call(ev, state, found.fset, owner, value)
    elif isinstance(setter := inspect.getattr_static(type(found), "__set__", None), types.FunctionType):
        special.call(ev, state, setter, Const(found), owner, value)
    else:
        raise UnsupportedSyntax(0, f"can't assign to an attribute of {owner.describe()}", hints=(CONSTANT,))


# items


def merged(ev: Machine, mapping: Any) -> dict[Any, Abstract]:
    """The items that ``{**mapping}`` copies."""
    for name in ("keys", "__getitem__"):
        reader = overrides.written(Const(mapping), name)
        if reader is not None and special.runs(reader, Const(mapping)):
            raise UnsupportedSyntax(0, f"{type(mapping).__name__}.{name}() uses maps, so ** can't unpack it",
                                    hints=("name the keys: {'a': mapping['a']}",))  # fmt: skip
    found = constants.operation(ev, "unpacking with **", storage.merged, mapping)
    assert isinstance(found, Const)
    return {key: wrap(value) for key, value in found.obj.items()}


def constant_item(ev: Machine, state: State, obj: Any, key: Any) -> Abstract:
    """``obj[key]`` with a constant key. A missing key of a defaultdict is not inserted."""
    by_default = type(obj) is collections.defaultdict and obj.default_factory is not None
    if by_default and host.key(ev.b, Const(key)) not in obj:
        return special.made(ev, state, obj.default_factory)
    return constants.operation(ev, "the subscript", operator.getitem, obj, key)


def item(ev: Machine, state: State, mapping: Mapping[Any, Any], key: Abstract) -> Abstract:
    """``mapping[key]`` with a run-time key."""
    fallback = special.missing(ev, state, underlying(mapping))
    items = entries(mapping)
    if fallback is None:
        return choice.item(ev.b, items, key)
    entry = choice.search(ev.b, items, key)
    return special.either(
        ev, state, entry.present, lambda: choice.found(items, entry), lambda other: fallback(other, key)
    )


def entries(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The items of a dict, read without methods of its class."""
    return storage.mapped(underlying(mapping))


def underlying(mapping: Any) -> Any:
    """The dict behind a read-only view; any other mapping itself."""
    if isinstance(mapping, types.MappingProxyType):
        return next((obj for obj in gc.get_referents(mapping) if isinstance(obj, Mapping)), mapping)
    return mapping


def no_change(obj: Any) -> UnsupportedSyntax:
    """The error for ``obj[key] = value`` and the like."""
    hints_ = (CONSTANT, _IN_A_MAP) if isinstance(obj, Mapping) else (CONSTANT,)
    return UnsupportedSyntax(0, f"can't assign to an item of {Const(obj).describe()}", hints=hints_)
