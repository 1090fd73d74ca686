"""What an augmented assignment has read, or is about to do."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Abstract


@dataclass(slots=True, eq=False)
class AugmentedItem(Abstract):
    """``container[key]`` under an augmented assignment: read only if the operation needs it."""

    words = "an item"
    by_fields = True

    container: Abstract
    key: Abstract


@dataclass(slots=True, eq=False)
class AugmentedAttr(Abstract):
    """``owner.name`` under an augmented assignment."""

    words = "an attribute"
    by_fields = True

    owner: Abstract
    name: str


@dataclass(slots=True, eq=False)
class Update(Abstract):
    """``target op= operand`` that memory can do in place, not yet done: the store that follows does it."""

    words = "an update in place"

    target: Abstract
    op: str
    operand: Abstract
