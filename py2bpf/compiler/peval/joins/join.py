"""The protocol for joining values of several paths, where paths meet and at the header of a run-time loop."""

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
        """One value for all paths; a NoValue with the reason if there is none."""

    def phi(self, args: list[Value]) -> Value:
        """A phi of integers, u64 if one of them is."""

    def phi_of(self, args: list[Value], kind: Type) -> Value:
        """A phi of the type that all arguments have, or of addresses."""


class Header(Protocol):
    """The header of a loop. ``edge`` is the block before the loop in open(), and a block that leads back in close()."""

    @property
    def edge(self) -> Block: ...

    def wanted(self, slot: Slot) -> Wanted | None:
        """The form that the phi must have, as an earlier attempt found out."""

    def is_mixed(self, slot: Slot) -> bool:
        """Whether the variable is a bool on some paths only."""

    def phi(self, initial: Value) -> Value:
        """A phi with its value on entry."""

    def open(self, slot: Slot, value: Abstract) -> Abstract:
        """The value of a variable at the header."""

    def close(self, slot: Slot, mine: Abstract, back: Abstract) -> None:
        """Completes the variable, which is ``mine`` at the header and ``back`` on the way back."""

    def replan(self, slot: Slot, wanted: Wanted) -> NoReturn:
        """Starts another attempt, with another phi for the variable."""

    def mix(self, slot: Slot) -> NoReturn:
        """Starts another attempt, which knows that the variable is a bool on some paths only."""


class Join:
    """One family of values that a phi, or several, can hold. The methods decline values of other families."""

    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        """One value of the family for all paths, or a NoValue that says why the values can't be joined. None if the
        values aren't of the family."""
        return None

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        """The variable at the loop's header. None if the value on entry isn't of the family."""
        return None

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        """Gives the phis of ``mine`` their values on the way back, or has the loop planned anew if the values need
        another phi. False if the two aren't of the family."""
        return False
