"""What an augmented assignment has read, or is about to do, and what is read where it is used."""

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
