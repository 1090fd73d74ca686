"""Arranges the blocks in the order of their code, with as few jumps at their ends as possible.

Registers are known here, so moves of a register to itself are dropped, and blocks that contained nothing else.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from ...asm import OPPOSITE, Jump
from ..ir.values import Block
from .machine import JUMP, Machine, MachineBlock, MachineFunction


def arrange(code: MachineFunction, registers: Mapping[int, int], aside: Container[Block]) -> list[MachineBlock]:
    """The blocks in order; blocks ``aside`` come last. If a block's ``next`` isn't the block after it, a jump is still
    missing."""

    def is_needed(instruction: Machine) -> bool:
        if not instruction.is_move:
            return True
        dst, src = instruction.dst, instruction.src
        return registers.get(dst, dst) != registers.get(src, src)

    for block in code.blocks:
        block.code = [instruction for instruction in block.code if is_needed(instruction)]
    blocks = sorted(_without_empty(code.blocks), key=lambda block: block.label in aside)
    for block, following in zip(blocks, (*blocks[1:], None), strict=True):
        _shorten(block, following.label if following else None)
    return blocks


def _without_empty(blocks: list[MachineBlock]) -> list[MachineBlock]:
    """Drops empty blocks, and redirects jumps to them."""
    onward: dict[Block, Block | int] = {}
    kept = []
    for block in blocks:
        if block.code or block.next is None or block is blocks[0]:
            kept.append(block)
            continue
        onward[block.label] = block.next
        if _leads_back(onward, block.label):  # an endless loop, which stays for the verifier to refuse
            del onward[block.label]
            kept.append(block)

    def final(target: Block | int) -> Block | int:
        while isinstance(target, Block) and target in onward:
            target = onward[target]
        return target

    for block in kept:
        if block.next is not None:
            block.next = final(block.next)
        for instruction in block.code:
            if isinstance(instruction.target, Block):
                instruction.target = final(instruction.target)
    return kept


def _leads_back(onward: dict[Block, Block | int], start: Block) -> bool:
    target = onward[start]
    while target is not start and isinstance(target, Block) and target in onward:
        target = onward[target]
    return target is start


def _shorten(block: MachineBlock, following: Block | None) -> None:
    """``if c goto next; goto next`` needs no condition, and ``if c goto following; goto next`` becomes one jump by the
    opposite of c."""
    code = block.code
    if code and code[-1].kind == JUMP and code[-1].target == block.next:
        del code[-1]
    if not code or block.next is None or block.next is following:
        return
    last = code[-1]
    if last.kind != JUMP or last.target is not following:
        return
    operation = Jump(last.code & 0xF0)
    if operation in OPPOSITE:
        last.code = last.code & 0x0F | OPPOSITE[operation]
        last.target, block.next = block.next, following
