"""The hook's first argument, its groups of fields, and its pointers to the packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....spec import ContextSpec
from ...ir.values import Block, Value, const
from .base import Abstract


@dataclass(slots=True, eq=False)
class Context(Abstract):
    """The hook's first argument."""

    words = "the program's context"
    instead = ("name one of its fields",)

    base: Value
    spec: ContextSpec

    def subprogram_key(self) -> tuple[Any, ...] | None:
        return ("context",)

    def truth_at(self, block: Block) -> Value | None:
        return const(1)


@dataclass(slots=True, eq=False)
class PacketEdge(Abstract):
    """One of the context's pointers to the packet: data, data_end or data_meta."""

    words = "an edge of the packet"
    instead = ("ctx.data_end - ctx.data is the packet's length; ctx.packet(Type, offset) reads it",)

    name: str


@dataclass(slots=True, eq=False)
class ContextFields(Abstract):
    """A named tuple of context fields, such as ``pt_regs.args``."""

    words = "a group of context fields"
    instead = ("name one of its items",)

    context: Context
    name: str
