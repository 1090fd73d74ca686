"""The operands and pending results of augmented assignments."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Abstract


@dataclass(slots=True, eq=False)
class AugmentedItem(Abstract):
    """``container[key]`` as the target of an augmented assignment: loaded only if the operation needs its value."""

    words = "an item"
    by_fields = True

    container: Abstract
    key: Abstract


@dataclass(slots=True, eq=False)
class AugmentedAttr(Abstract):
    """``owner.name`` as the target of an augmented assignment: loaded only if the operation needs its value."""

    words = "an attribute"
    by_fields = True

    owner: Abstract
    name: str


@dataclass(slots=True, eq=False)
class Update(Abstract):
    """``target op= operand`` that memory can do in place. The store that follows emits the operation."""

    words = "an update in place"

    target: Abstract
    op: str
    operand: Abstract
