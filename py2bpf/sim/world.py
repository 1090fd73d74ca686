"""One run of a program in CPython, with its maps and helpers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..btf.shapes import KernelType
from ..intrinsics import Helper
from . import helpers, kernel_memory, map_views, pseudo, texts
from .errors import SimulationError
from .map_views import MapView
from .running import Run


class Simulation(Run):
    """A run that answers the program's calls of helpers and of methods of maps."""

    def view(self, map: Any) -> MapView:
        """A map as this program sees it."""
        return map_views.view_of(self, map)

    def operate(self, map: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A map's method, called by the program."""
        if kwargs and not (name == "output" and list(kwargs) == ["size"]):
            raise SimulationError(f".{name}() of a map takes no keyword arguments in programs")
        try:
            return map_views.OPERATIONS[name](self, self.view(map), *args, **kwargs)
        finally:
            self._refresh()

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A helper or pseudo function, called by the program."""
        if kwargs:
            raise SimulationError(f"{function.__name__}() takes no keyword arguments in programs")
        if isinstance(function, KernelType):
            return kernel_memory.construct(self.environment.memory, function, *args)
        self.variables.pull()
        args = tuple(texts.place(arg) for arg in args)
        if isinstance(function, Helper):
            result = helpers.call(self, function.info, args)
        else:
            result = pseudo.call(self, function, args)
        self.variables.push()
        self._refresh()
        return result

    def _refresh(self) -> None:
        """Updates the texts of all maps."""
        for view in self.views.values():
            texts.refresh(view.texts)

    def end(self) -> None:
        """Writes changes that the program made through references to the maps, and discards reserved records."""
        for view in self.views.values():
            view.flush()
            if view.ring is not None:
                view.ring.forget(self)


def items(views: Sequence[MapView], map: Any) -> list[tuple[Any, Any]]:
    """A map's entries after the run."""
    found = next((view for view in views if view.map is map), None)
    return found.items() if found is not None and found.isolated else list(map.items())
