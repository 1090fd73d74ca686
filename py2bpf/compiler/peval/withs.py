"""The with statement: ``with map.lock(key) as entry``."""

from __future__ import annotations

from ...exception import UnsupportedSyntax
from . import maps
from .machine import Machine
from .state import State
from .values import Lock, Ref, Unlock


def enter(ev: Machine, state: State) -> None:
    """[manager] -> [exit, value]."""
    manager = state.stack.pop()
    if not isinstance(manager, Lock):
        raise UnsupportedSyntax(
            0, f"with takes a map's lock in a compiled function, but this is {manager.describe()}",
            hints=("write: with m.lock(key) as entry: ...; files and the like belong outside of the function",),
        )  # fmt: skip
    if ev.b.held is not None:
        raise UnsupportedSyntax(
            0, "a spin lock is held already, and the kernel allows one at a time",
            hints=("end the outer with statement first",),
        )  # fmt: skip
    entry = maps.lookup(ev.b, manager.map, manager.key)
    ev.b.lock(entry)
    state.stack += [Unlock(entry), Ref(entry, 0, manager.map.spec.value_type)]
