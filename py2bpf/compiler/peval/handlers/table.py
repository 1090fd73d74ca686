"""The type of the handler tables."""

from __future__ import annotations

from collections.abc import Callable

from ...bytecode.canonical import Instr, Op
from ..frames import Frame
from ..machine import Machine
from ..state import State

Table = dict[Op, "Callable[[Machine, Frame, State, Instr], None]"]
"""The handler of each operation, which changes the state and emits the IR for run time."""
