"""What a loop's caller and its callback share: an object on the caller's stack, with a slot for each value."""

from __future__ import annotations

from typing import Final

from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import STACK, Int
from ...ir.values import Block, Function, Value, append
from ..shared.callback_values import SLOT

RAN_DRY: Final = 0
"""How a loop ended, in slot 0: it was called as often as it may be. 1 is left by what Python would raise."""
LAST_TEST: Final = -1
"""The same where its tests have been asked once more: no turn may begin after them."""
FIRST_EXIT: Final = 2
"""The first way out; the others follow."""


class CallbackContext:
    """``unseen`` is 0, which the verifier does not know. ``shared`` is the object, ``param`` its address in the
    callback."""

    def __init__(self, fn: Function, loop: Loop, unseen: Value) -> None:
        self.fn = fn
        self.loop = loop
        self.unseen = unseen
        self.span = loop.header.end.span
        self.slots: dict[Value, int] = {}
        self.shared = Value(Op.ALLOCA, [], STACK, 0, self.span)
        self.param = Value(Op.PARAM, [], STACK, 2, self.span)
        self.callback = Function(f"{fn.name}_loop{1 + len(fn.subprograms)}", fn.hook, fn.target)

    def slot(self, value: Value) -> int:
        """Where a value is shared."""
        return self.slots.setdefault(value, SLOT * (1 + len(self.slots)))

    def load(self, block: Block, value: Value, base: Value) -> Value:
        """What is shared of a value, on either side."""
        signed = isinstance(value.type, Int) and value.type.signed
        return append(block, Op.LOAD, [base], value.type, (self.slot(value), SLOT, signed), self.span)
