"""Finds everything that a call may change: the mutable objects that the function and its arguments lead to."""

from __future__ import annotations

import enum
import functools
import gc
import itertools
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from . import classes, snapshots
from .snapshots import Kind
from .values import map_spec_of

_MOST: Final = 20_000
"""The most objects that are visited."""
_WIDEST: Final = 4096
"""The most items of a container that are followed; changes of the container itself are found at any size."""
_LEAVES: Final = (int, str, bytes, float, complex, bool, type(None), range, types.BuiltinFunctionType)
_MEMBERS: Final[dict[Any, tuple[str, ...]]] = {
    types.MethodType: ("__func__", "__self__"),
    types.MethodWrapperType: ("__self__",),
    functools.partial: ("func", "args", "keywords"),
    functools.cached_property: ("func",),
    property: ("fget", "fset"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    type(functools.lru_cache(len)): ("__wrapped__",),
}
"""Types with attributes of their own that lead to other objects."""


class Place(NamedTuple):
    """Something that may change: ``what`` describes it in words, ``kind`` reads it, ``before`` is what it held."""

    what: str
    obj: Any
    kind: Kind
    before: Any


Found = tuple[str, Any]
"""An object's name for messages, and the object."""


def walk(roots: Iterable[Found], seen: dict[int, Any]) -> Iterator[Place]:
    """The places that the roots lead to. ``seen`` holds the objects that are done."""
    work = deque(roots)
    while work and len(seen) < _MOST:
        what, obj = work.popleft()
        if isinstance(obj, _LEAVES) or id(obj) in seen:
            continue
        seen[id(obj)] = obj
        for part in _parts(what, obj):
            if isinstance(part, Place):
                yield part
            else:
                work.append(part)


def variables(code: types.CodeType, namespace: dict[str, Any]) -> Iterator[Place | Found]:
    """The global variables that code names, and the attributes of modules and classes among them."""
    names = set(code.co_names)
    for name in names & namespace.keys():
        obj = namespace[name]
        if isinstance(obj, types.ModuleType):
            yield from _of_module(obj, names)
            continue
        yield _place(repr(name), namespace, snapshots.variable(name))
        yield repr(name), obj


def _of_module(module: types.ModuleType, names: set[str]) -> Iterator[Place | Found]:
    for name in names & vars(module).keys() if not _is_ours(module.__name__) else ():
        yield _place(f"{module.__name__}.{name}", vars(module), snapshots.variable(name))
        yield f"{module.__name__}.{name}", vars(module)[name]


def _place(what: str, obj: Any, kind: Kind) -> Place:
    return Place(what, obj, kind, kind.take(obj))


def _parts(what: str, obj: Any) -> Iterator[Place | Found]:
    if isinstance(obj, types.ModuleType) or map_spec_of(obj) is not None:
        return
    if isinstance(obj, types.FunctionType):
        yield from _of_function(obj)
    elif isinstance(obj, type):
        yield from _of_class(obj)
    elif (names := _MEMBERS.get(type(obj))) is not None:
        yield from ((what, getattr(obj, name, None)) for name in names)
    elif not (_is_ours(type(obj).__module__) and classes.is_known(type(obj))):
        yield from _of_object(what, obj)


def _of_function(fn: types.FunctionType) -> Iterator[Place | Found]:
    if is_library_code(fn.__code__) or _is_our_own(fn.__module__):
        return
    yield from variables(fn.__code__, fn.__globals__)
    for inner in fn.__code__.co_consts:
        if isinstance(inner, types.CodeType):
            yield from variables(inner, fn.__globals__)
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        place = _place(repr(name), cell, snapshots.CELL)
        yield place
        yield repr(name), place.before
    for value in (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()):
        yield f"a default of {fn.__name__}()", value
    for name, value in fn.__dict__.items():
        yield _place(f"{fn.__name__}.{name}", fn.__dict__, snapshots.variable(name))
        yield f"{fn.__name__}.{name}", value


def _of_class(cls: Any) -> Iterator[Place | Found]:
    if classes.is_known(cls):
        return
    hidden = "_" if isinstance(cls, enum.EnumMeta) else ("__", "_abc_")  # attributes of Python's own code
    for name, value in list(vars(cls).items()):
        if not name.startswith(hidden):
            yield _place(f"{cls.__name__}.{name}", cls, snapshots.variable(name))
        if not name.startswith(hidden) or isinstance(value, types.FunctionType):
            yield f"{cls.__name__}.{name}", value
    yield from (("", base) for base in (*cls.__bases__, type(cls)))


def _of_object(what: str, obj: Any) -> Iterator[Place | Found]:
    kind, name = snapshots.kind_of(obj), type(obj).__name__
    if kind is not None:
        yield _place(what or f"a {name}", obj, kind)
    yield from ((what, item) for item in itertools.islice(_items(obj), _WIDEST))
    own, slots = snapshots.attributes(obj), snapshots.slots(obj)
    public = classes.is_known(type(obj))
    for attribute in own or ():
        if not (public and attribute.startswith("_")):
            yield _place(f"the {name}'s {attribute}", own, snapshots.variable(attribute))
    if own is not None and not public:
        yield _place(f"the {name}'s attributes", obj, snapshots.OWN)
    if slots and not public:
        yield _place(f"the {name}'s {' or '.join(slots)}", obj, snapshots.SLOTS)
    for attribute, value in ((own or {}) | slots).items():
        if not (public and attribute.startswith("_")):
            yield f"the {name}'s {attribute}", value
    yield "", type(obj)


def _items(obj: Any) -> Iterator[Any]:
    """The contents of a container, as its built-in base class stores them."""
    if isinstance(obj, dict):
        return itertools.chain.from_iterable(dict.items(obj))
    if isinstance(obj, types.MappingProxyType):
        return iter([_behind(obj)])
    base: Any = next((cls for cls in (list, tuple, set, frozenset, deque) if isinstance(obj, cls)), None)
    return iter(()) if base is None else base.__iter__(obj)


def _behind(proxy: Any) -> Any:
    return next((obj for obj in gc.get_referents(proxy) if isinstance(obj, Mapping)), None)


def _is_ours(name: Any) -> bool:
    return isinstance(name, str) and name.partition(".")[0] == "py2bpf"


def _is_our_own(name: Any) -> bool:
    """Whether a module is part of py2bpf, whose state (which queues are alive, for example) may change at any time."""
    return _is_ours(name) and not name.startswith("py2bpf.examples.")


def is_library_code(code: types.CodeType) -> bool:
    """Whether the code comes with Python."""
    return code.co_filename.startswith((classes.LIBRARY, "<frozen"))
