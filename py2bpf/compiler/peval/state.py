"""The state: the abstract values of all variables and the stack at one place of a function."""

from __future__ import annotations

from typing import Any

from .values import Abstract, CellId

Heap = dict[int, Any]


class State:
    """``stack`` and ``locals`` belong to the frame that runs. ``cells`` and ``heap`` (the contents of lists, dicts and
    iterators) belong to the whole program, since calls change them."""

    __slots__ = ("cells", "heap", "locals", "stack")

    def __init__(
        self, stack: list[Abstract], locals: dict[str, Abstract], cells: dict[CellId, Abstract], heap: Heap
    ) -> None:
        self.stack = stack
        self.locals = locals
        self.cells = cells
        self.heap = heap

    def pop(self, count: int) -> list[Abstract]:
        """Takes the top ``count`` values off the stack."""
        if not count:
            return []
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def copy(self) -> State:
        return State(self.stack.copy(), self.locals.copy(), self.cells.copy(), self.heap.copy())
