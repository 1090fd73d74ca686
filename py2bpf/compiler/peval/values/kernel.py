"""Objects in the kernel's memory, whose types BTF tells."""

from __future__ import annotations

from dataclasses import dataclass

from ....btf.shapes import Items as KernelItems
from ....btf.shapes import Record
from ...ir.ops import Op
from ...ir.types import U64
from ...ir.values import Block, Value, const
from .. import block_ends
from .base import Abstract


@dataclass(slots=True, eq=False)
class KernelRef(Abstract):
    """Memory of the kernel at ``address + offset``, whose type BTF tells. ``pointer``: reached through a pointer, so
    None if the address is null; else a part of such an object."""

    instead = ("read something in it: task.pid, array[0]", "its address is int(pointer)")

    address: Value
    offset: int
    shape: Record | KernelItems
    pointer: bool

    def address_at(self, block: Block) -> Value:
        """The object's address as one value, at the end of ``block``."""
        if not self.offset:
            return block_ends.cast(block, self.address, U64)
        return block_ends.offset(block, Op.ADD, self.address, self.offset, U64)

    def describe(self) -> str:
        return f"a {self.shape.text} in the kernel's memory" + (" or None" if self.pointer else "")

    def null_where_none(self) -> Value | None:
        return self.address if self.pointer else None

    def truth_at(self, block: Block) -> Value | None:
        return block_ends.is_not_zero(block, self.address) if self.pointer else const(1)
