"""The object on the caller's stack that a loop's caller and its callback share, with a slot for each value."""

from __future__ import annotations

from typing import Final

from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import STACK, Int
from ...ir.values import Block, Function, Value, append
from ..shared.callback_values import SLOT

RAN_DRY: Final = 0
"""The end of a loop in slot 0: the callback was called as often as allowed. 1 means that Python would raise."""
LAST_TEST: Final = -1
"""The same while the tests run once more: no turn may begin after them."""
FIRST_EXIT: Final = 2
"""The first way out; the others follow."""


class CallbackContext:
    """``unseen`` is 0, but the verifier does not know that. ``shared`` is the object, ``param`` its address in the
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
        """The offset of a value's slot."""
        return self.slots.setdefault(value, SLOT * (1 + len(self.slots)))

    def load(self, block: Block, value: Value, base: Value) -> Value:
        """Loads a shared value, in the caller or in the callback."""
        signed = isinstance(value.type, Int) and value.type.signed
        return append(block, Op.LOAD, [base], value.type, (self.slot(value), SLOT, signed), self.span)
