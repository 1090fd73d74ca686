"""One run of a program in CPython: what its maps and helpers answer, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..btf.shapes import KernelType
from ..intrinsics import Helper
from ..kernel.variable import record_value
from ..spec import HookSpec
from . import helpers, kernel_memory, maps, pseudo, texts
from .addresses import Variables
from .contexts import Context
from .environment import Environment
from .errors import SimulationError
from .maps import MapView


class Event(NamedTuple):
    """A record that the program wrote: to ``queue``, as the queue's reader gets it."""

    queue: Any
    record: Any


class Simulation:
    """The world around one run of a program."""

    def __init__(self, hook: HookSpec, context: Context, environment: Environment, isolated: bool) -> None:
        self.hook, self.context, self.environment = hook, context, environment
        self.isolated = isolated
        self.events: list[Event] = []
        self.trace: list[str] = []
        self.views: dict[int, MapView] = {}
        self.variables = Variables()

    def view(self, map: Any) -> MapView:
        """A map as this program sees it."""
        view = self.views.get(id(map))
        if view is None:
            if not hasattr(map, "map_spec"):
                raise SimulationError(f"{map!r} is no map")
            view = self.views[id(map)] = MapView(map, self.environment.cpu, self.isolated)
        return view

    def operate(self, map: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A map's method, called by the program."""
        if kwargs and not (name == "output" and list(kwargs) == ["size"]):
            raise SimulationError(f".{name}() of a map takes no keyword arguments in programs")
        try:
            return maps.OPERATIONS[name](self, self.view(map), *args, **kwargs)
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
        """What refers to texts in maps has what is there now."""
        for view in self.views.values():
            texts.refresh(view.texts)

    def emit(self, view: MapView, data: bytes) -> int:
        """Writes a record to a queue or ring buffer: 0, or a negative error number."""
        if view.ring is not None:
            return view.ring.output(self, data)
        self.deliver(view, data)
        return 0

    def deliver(self, view: MapView, data: bytes) -> Any:
        """Delivers a record; its reader finds it in the queue, unless the run is isolated (which gives None)."""
        record = record_value(view.spec.data_type, view.spec.variable, data)
        self.events.append(Event(view.map, record))
        if self.isolated:
            return None
        return view.map.deliver(record_value(view.spec.data_type, view.spec.variable, data))

    def end(self) -> None:
        """Gives the maps what the program wrote through references."""
        for view in self.views.values():
            view.flush()
            if view.ring is not None:
                view.ring.forget(self)


def items(views: Sequence[MapView], map: Any) -> list[tuple[Any, Any]]:
    """A map's entries after the run."""
    found = next((view for view in views if view.map is map), None)
    return found.items() if found is not None and found.isolated else list(map.items())
