"""Objects in the kernel's memory, whose types BTF tells."""

from __future__ import annotations

from typing import Final

from ....btf.shapes import Items, Record
from ...ir.ops import Op
from ...ir.values import Value, const
from .. import identity, kernel_memory
from ..builder import Builder
from ..kind import Kind, Kinds
from ..machine import Machine
from ..state import State
from ..values import Abstract, KernelRef


class KernelRefKind(Kind[KernelRef]):
    def truth(self, ev: Machine, state: State, value: KernelRef) -> Value:
        return ev.b.compare(Op.NE, value.address, const(0)) if value.pointer else const(1)

    def equals(self, ev: Machine, state: State, value: KernelRef, other: Abstract) -> Value | None:
        if not isinstance(other, KernelRef):
            return None
        return ev.b.compare(Op.EQ, kernel_memory.address(ev.b, value), kernel_memory.address(ev.b, other))

    def identical(self, ev: Machine, value: KernelRef, other: Abstract) -> Value | None:
        return identity.of_memory(ev, value, other)

    def known_length(self, state: State, value: KernelRef) -> int | None:
        return value.shape.length if isinstance(value.shape, Items) else None

    def attribute(self, ev: Machine, state: State, value: KernelRef, name: str) -> Abstract:
        return kernel_memory.attribute(ev, value, name)

    def set_attribute(self, ev: Machine, state: State, value: KernelRef, name: str, given: Abstract) -> None:
        raise kernel_memory.read_only(value)

    def has_attribute(self, b: Builder, value: KernelRef, name: str) -> bool:
        return isinstance(value.shape, Record) and name in value.shape.members

    def item(self, ev: Machine, state: State, value: KernelRef, key: Abstract) -> Abstract:
        return kernel_memory.item(ev, value, key)

    def set_item(self, ev: Machine, state: State, value: KernelRef, key: Abstract, given: Abstract) -> None:
        raise kernel_memory.read_only(value)


KINDS: Final[Kinds] = {KernelRef: KernelRefKind()}
