"""The type of the handler tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...bytecode.canonical import Instr, Op
from ..frames import Frame
from ..state import State

if TYPE_CHECKING:
    from ..evaluator import Evaluator

Table = dict[Op, "Callable[[Evaluator, Frame, State, Instr], None]"]
"""The effect of each operation on the state; what is left of it is emitted."""
