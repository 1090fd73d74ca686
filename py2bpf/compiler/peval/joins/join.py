"""What values of several paths may become where these meet, and at the header of a loop that runs at run time."""

from __future__ import annotations

from typing import NoReturn, Protocol

from ...ir.types import Type
from ...ir.values import Block, Value
from ..plans import Slot, Wanted
from ..values import Abstract


class Meeting(Protocol):
    """A block where paths meet."""

    target: Block

    def values(self, values: list[Abstract]) -> Abstract:
        """One value for all paths; a NoValue, which says why, where there is none."""

    def phi(self, args: list[Value]) -> Value:
        """A phi of integers, u64 if one of them is."""

    def phi_of(self, args: list[Value], kind: Type) -> Value:
        """A phi of a type that all arguments have, or of addresses."""


class Header(Protocol):
    """The header of a loop. While it opens, ``edge`` is the block before the loop, later one that leads back."""

    @property
    def edge(self) -> Block: ...

    def wanted(self, slot: Slot) -> Wanted | None:
        """What an earlier attempt found out that the phi must hold."""

    def is_mixed(self, slot: Slot) -> bool:
        """Whether the variable is a bool on some paths only."""

    def phi(self, initial: Value) -> Value:
        """A phi with its value on entry."""

    def open(self, slot: Slot, value: Abstract) -> Abstract:
        """What a variable is at the header."""

    def close(self, slot: Slot, mine: Abstract, back: Abstract) -> None:
        """The variable, ``mine`` at the header, comes back as ``back``."""

    def replan(self, slot: Slot, wanted: Wanted) -> NoReturn:
        """All begins again with another phi for the variable."""

    def mix(self, slot: Slot) -> NoReturn:
        """All begins again, knowing that the variable is a bool on some paths only."""


class Join:
    """One family of values that a phi, or several, can hold. Each says no to what isn't in it."""

    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        """One value of the family for all paths, or a NoValue that says why they can't be one. None where they aren't
        of the family."""
        return None

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        """The variable at the loop's header. None where the value on entry isn't of the family."""
        return None

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        """Gives the phis of ``mine`` their values on the way back, or has the loop planned anew where another phi
        holds them. False where the two aren't of the family."""
        return False
