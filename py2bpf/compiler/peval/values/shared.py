"""Maps, and locks of their entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ....spec import MapSpec
from ....uapi.map_types import title
from ...ir.values import Value
from .base import Abstract

GLOBAL_HINT: Final = ("its value is g.value",)


@dataclass(slots=True, eq=False)
class Map(Abstract):
    """A map: the live object and its spec."""

    one_object = True

    obj: Any
    spec: MapSpec

    def is_like(self, other: Map) -> bool:
        return self.obj is other.obj

    def describe(self) -> str:
        return "a Global" if self.spec.is_global else title(self.spec.kind)

    def is_value(self, name: str) -> bool:
        """Whether the map is a Global and ``name`` is the attribute that holds its value."""
        return self.spec.is_global and name == "value"

    def python_class(self) -> Any:
        return type(self.obj)

    def number_hint(self) -> tuple[str, ...]:
        return GLOBAL_HINT if self.spec.is_global else ("read one of its items: m[key]",)


@dataclass(slots=True, eq=False)
class Lock(Abstract):
    """``map.lock(key)``, a lock for a with statement; ``key`` is the key's address."""

    words = "a lock that is not taken yet"
    instead = ("take it: with m.lock(key) as entry: ...",)

    map: Map
    key: Value


@dataclass(slots=True, eq=False)
class Unlock(Abstract):
    """The exit of a with statement that took a lock; ``entry`` is locked if it is not null."""

    words = "a lock"

    entry: Value
