"""Finds changes made by code that CPython runs at compile time: they would happen once, and never in the kernel.

Before the first user's function runs that may change something, everything it can reach is recorded, and compared when
the call is done. Code that changes nothing costs nothing.
"""

from __future__ import annotations

import array
import collections
import dis
import functools
import inspect
import itertools
import types
from collections.abc import Iterable
from typing import Any, Final

from . import reach, snapshots
from .naming import asked
from .reach import Place

_SEQUENCE: Final = {"append", "extend", "insert", "pop", "remove", "clear", "reverse", "__setitem__", "__delitem__"}
MUTATORS: Final[dict[Any, set[str]]] = {
    list: _SEQUENCE | {"sort", "__iadd__", "__imul__"},
    dict: {"update", "pop", "popitem", "clear", "setdefault", "move_to_end", "subtract", "__setitem__", "__delitem__",
           "__ior__"},
    set: {"add", "update", "remove", "discard", "pop", "clear", "difference_update", "intersection_update",
          "symmetric_difference_update"},
    bytearray: _SEQUENCE,
    collections.deque: _SEQUENCE | {"appendleft", "extendleft", "popleft", "rotate"},
    array.array: _SEQUENCE | {"frombytes", "fromfile", "fromlist", "byteswap"},
}  # fmt: skip
"""The methods that change a container."""
_CHANGING: Final = frozenset().union(*MUTATORS.values()) | {
    "setattr", "delattr", "__setattr__", "__dict__", "vars", "globals", "exec", "eval", "setitem", "delitem", "next",
    "__next__", "send", "heappush", "heappop", "heapify", "heapreplace", "heappushpop", "shuffle", "insort",
    "insort_left", "insort_right", "memmove", "memset", "pack_into", "readinto", "iadd", "ior",
}  # fmt: skip
"""Names whose use in a function means that it may change something."""
_STORES: Final = frozenset({
    "STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL",
})  # fmt: skip
_PASSED: Final[tuple[type, ...]] = (types.GeneratorType, itertools.count, collections.defaultdict, *snapshots.ITERATORS)
"""Types of objects that reading changes."""


class Memory:
    """Everything that can be reached from the captured objects ``roots``, as it was before the first change."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self.roots = [(_named(obj), obj) for obj in roots]
        self.codes: dict[types.CodeType, dict[str, Any]] = {}
        self.seen: dict[int, Any] = {}
        self.places: list[Place] | None = None

    def enter(self, frame: types.FrameType) -> None:
        """Called before a function runs for the first time in this call."""
        code = frame.f_code
        if reach.is_library_code(code):
            return
        known, self.codes[code] = tuple(self.codes), frame.f_globals
        if self.places is not None:
            self._add(reach.variables(code, frame.f_globals))
        elif _may_change(frame, known):
            self.look()

    def look(self) -> None:
        """Records the present contents."""
        self.places = []
        self._add(self.roots)
        for code, namespace in self.codes.items():
            self._add(reach.variables(code, namespace))

    def _add(self, found: Iterable[Any]) -> None:
        assert self.places is not None
        parts = list(found)
        self.places += [part for part in parts if isinstance(part, Place)]
        self.places += reach.walk([part for part in parts if not isinstance(part, Place)], self.seen)

    def changed(self) -> str | None:
        """The first place that has changed since, in words."""
        return next((place.what for place in self.places or () if not _is_same(place)), None)


def _is_same(place: Place) -> bool:
    return place.kind.same(place.obj, place.before, place.kind.take(place.obj))


def _named(obj: Any) -> str:
    return f"a {type(obj).__name__} that it is given"


def changes_itself(fn: Any) -> bool:
    """Whether a function of Python's library may change its arguments: functions in C have no frame to watch."""
    if isinstance(fn, types.MethodType):
        return changes_itself(fn.__func__)
    if isinstance(fn, types.FunctionType):
        return reach.is_library_code(fn.__code__)
    return asked(lambda given: given.__name__ in _CHANGING, fn, False)


def _may_change(frame: types.FrameType, known: tuple[types.CodeType, ...]) -> bool:
    """Whether a function may change objects that it didn't make."""
    code = frame.f_code
    if writes(code):
        return True
    if code.co_flags & inspect.CO_GENERATOR:  # one that a function made belongs to that function
        return not any(code in outer.co_consts for outer in known)
    return any(isinstance(frame.f_globals.get(name), _PASSED) for name in code.co_names)


@functools.lru_cache(maxsize=1024)
def writes(code: types.CodeType) -> bool:
    """Whether code has an instruction or a name that may change objects that the code didn't make."""
    if _CHANGING & set(code.co_names):
        return True
    for instr in dis.get_instructions(code):
        outer = instr.opname in ("STORE_DEREF", "DELETE_DEREF") and instr.argval in code.co_freevars
        in_place = instr.opname == "BINARY_OP" and instr.argrepr.endswith("=")
        if outer or in_place or instr.opname in _STORES:
            return True
    return False
