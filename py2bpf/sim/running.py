"""The state of one run of a program, for maps, helpers and pseudo functions."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..codec import record_value
from ..spec import HookSpec
from .addresses import Variables
from .contexts import Context
from .environment import Environment


class Event(NamedTuple):
    """A record that the program wrote to ``queue``, as the queue's reader gets it."""

    queue: Any
    record: Any


class Run:
    """A program's surroundings while it runs, and the records and lines that it has written."""

    def __init__(self, hook: HookSpec, context: Context, environment: Environment, isolated: bool) -> None:
        self.hook, self.context, self.environment = hook, context, environment
        self.isolated = isolated
        self.events: list[Event] = []
        self.trace: list[str] = []
        self.variables = Variables()
        self.views: dict[int, Any] = {}
        """The maps as the program sees them: see map_views.view_of()."""

    def deliver(self, map: Any, data: bytes) -> Any:
        """Delivers a record to the queue's reader, and returns its chunk. An isolated run only keeps it, and gives
        None."""
        spec = map.map_spec
        record = record_value(spec.data_type, spec.variable, data)
        self.events.append(Event(map, record))
        if self.isolated:
            return None
        return map.deliver(record_value(spec.data_type, spec.variable, data))
