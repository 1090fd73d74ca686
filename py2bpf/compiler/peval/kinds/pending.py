"""The kinds of values that no operation sees: operands of augmented assignments, and items loaded at each use."""

from __future__ import annotations

from typing import Final

from ..kind import Hidden, Kinds
from ..values import AugmentedAttr, AugmentedItem, Stored, Update

KINDS: Final[Kinds] = {
    AugmentedAttr: Hidden(),
    AugmentedItem: Hidden(),
    Stored: Hidden(),
    Update: Hidden(),
}
