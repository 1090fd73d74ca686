"""Where a program's function runs when Python itself calls it: nowhere, or in a simulated world (``py2bpf.sim``).

What exists in programs only (helpers), and what means something else in programs (a map's ``m[k]`` of a missing key),
asks CURRENT. It is a context variable: a simulation in one thread or task leaves the others alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar

from .borders import mark, meant, shorten


class World(Protocol):
    """What simulates the kernel around a program."""

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a helper or pseudo function of ``py2bpf.funcs``."""

    def operate(self, map: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the method ``name`` of a map means in a program."""

    def view(self, map: Any) -> Any:
        """The map as the program sees it."""


CURRENT: Final[ContextVar[World | None]] = ContextVar("py2bpf_world", default=None)

_Method = TypeVar("_Method", bound=Callable[..., Any])


def in_programs(method: _Method) -> _Method:
    """Marks a method of a map that programs may use: within a simulated one it means what it means there."""
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
