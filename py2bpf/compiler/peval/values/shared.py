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
    """A map: the live object, its spec, its number in the program."""

    one_object = True

    obj: Any
    spec: MapSpec

    def is_like(self, other: Map) -> bool:
        return self.obj is other.obj

    def describe(self) -> str:
        return "a Global" if self.spec.is_global else title(self.spec.kind)

    def is_value(self, name: str) -> bool:
        """Whether its attribute ``name`` is the value of a Global."""
        return self.spec.is_global and name == "value"

    def python_class(self) -> Any:
        return type(self.obj)

    def number_hint(self) -> tuple[str, ...]:
        return GLOBAL_HINT if self.spec.is_global else ("read one of its items: m[key]",)


@dataclass(slots=True, eq=False)
class Lock(Abstract):
    """``map.lock(key)``, which a with statement takes; ``key`` is the key's address."""

    words = "a lock that is not taken yet"
    instead = ("take it: with m.lock(key) as entry: ...",)

    map: Map
    key: Value


@dataclass(slots=True, eq=False)
class Unlock(Abstract):
    """What ends the with statement that took a lock: the entry, held where it isn't null."""

    words = "a lock"

    entry: Value
