"""Packet epochs: the parts of a function in which the packet stays at the same address.

Some helpers may move the packet, and the verifier then forgets all pointers into it. An epoch is named by the call that
may have moved the packet last, or by the block where paths with different such calls meet; it is None before all.
"""

from __future__ import annotations

from ..ir.dominators import Dominators
from ..ir.ops import Op
from ..ir.values import Block, Function, Value

Epoch = Value | Block | None


def moves_packet(value: Value) -> bool:
    """Whether the operation invalidates pointers into the packet (bpf_helper_changes_pkt_data): it calls such a helper,
    or a function that does."""
    if value.op in (Op.CALL_SUB, Op.LOOP):
        return any(moves_packet(inner) for block in value.attr.blocks for inner in block.body)
    return value.op is Op.CALL and value.attr.writes_packet


class Epochs:
    """The epoch in which each block begins; ``moving`` says whether anything moves the packet at all."""

    def __init__(self, fn: Function) -> None:
        last = {block: next((v for v in reversed(block.body) if moves_packet(v)), None) for block in fn.blocks}
        self.moving = any(call is not None for call in last.values())
        self.entry: dict[Block, Epoch] = {fn.blocks[0]: None}
        leave: dict[Block, Epoch] = {}
        changed = True
        while changed:
            changed = False
            for block in fn.blocks:
                if block.preds:
                    met = {leave[pred] for pred in block.preds if pred in leave}
                    self.entry[block] = met.pop() if len(met) == 1 and self.entry.get(block) is not block else block
                end: Epoch = last[block] or self.entry[block]
                if block not in leave or leave[block] is not end:
                    leave[block] = end
                    changed = True


def meeting_place(tree: Dominators, fn: Function, blocks: set[Block], loops: list[tuple[int, int]]) -> Block:
    """The last block that all paths to ``blocks`` pass, outside of the given loops (first, last block)."""
    numbers = {tree.index[block] for block in blocks}
    while len(numbers) > 1:
        highest = max(numbers)
        numbers.remove(highest)
        numbers.add(tree.idom[highest])
    (number,) = numbers
    for first, last in sorted(loops, reverse=True):
        if first <= number <= last and first:
            number = tree.idom[first]
    return fn.blocks[number]


def still_loops(fn: Function, epochs: Epochs, epoch: Epoch) -> list[tuple[int, int]]:
    """The loops in which an epoch lasts from the header through every turn, as numbers of first and last blocks."""
    index = {block: i for i, block in enumerate(fn.blocks)}
    found: dict[int, int] = {}
    for i, block in enumerate(fn.blocks):
        for succ in block.succs:
            if index[succ] <= i and epochs.entry[succ] is epoch is not succ:
                found[index[succ]] = max(found.get(index[succ], 0), i)
    return list(found.items())
