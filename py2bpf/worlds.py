"""The simulated world (``py2bpf.sim``), if any, in which Python runs a program's function.

Functions that exist in programs only (helpers), and operations with another meaning in programs (a map's ``m[k]`` of a
missing key), ask CURRENT. It is a context variable, so a simulation in one thread or task doesn't affect others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar

from .borders import mark, meant, shorten


class World(Protocol):
    """Simulates the kernel around a program."""

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a helper or pseudo function of ``py2bpf.funcs``."""

    def operate(self, map: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Does what the method ``name`` of a map does in a program."""

    def view(self, map: Any) -> Any:
        """The map as the program sees it."""


CURRENT: Final[ContextVar[World | None]] = ContextVar("py2bpf_world", default=None)

_Method = TypeVar("_Method", bound=Callable[..., Any])


def in_programs(method: _Method) -> _Method:
    """Marks a method of a map that programs may use: in a simulation, the method does what it does in programs."""
    name = method.__name__

    @functools.wraps(method)
    def either(self: Any, *args: Any, **kwargs: Any) -> Any:
        world = CURRENT.get()
        try:
            return method(self, *args, **kwargs) if world is None else world.operate(self, name, args, kwargs)
        except Exception as error:
            if meant(error):
                shorten(error)
            raise

    mark(either)
    return either  # type: ignore[return-value]  # the same signature
