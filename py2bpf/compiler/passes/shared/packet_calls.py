"""Turns loads from the packet, which may end the program at once, into helper calls."""

from __future__ import annotations

from typing import Final

from ....uapi.helpers import HELPERS
from ...ir.ops import Op
from ...ir.types import I64, STACK, VOID
from ...ir.values import Block, Function, Value, connect, const, split_block

_LINK, _NETWORK = -0x200000, -0x100000  # SKF_LL_OFF, SKF_NET_OFF
_FROM_LINK, _FROM_NETWORK = 0, 1  # BPF_HDR_START_MAC, BPF_HDR_START_NET
_HEADERS: Final = {_NETWORK: _FROM_NETWORK, _LINK: _FROM_LINK}
"""Constant offsets from each of these on count from a header."""


def has_any(fn: Function) -> bool:
    """Whether the function loads from the packet."""
    return any(value.op is Op.PACKET for block in fn.blocks for value in block.body)


def rewrite(fn: Function) -> None:
    """Rewrites all loads of a function."""
    blocks: list[Block] = []
    ends: list[Block] = []
    for block in fn.blocks:
        blocks.append(block)
        while (at := _first(block)) is not None:
            block = _split(block, at, ends)
            blocks.append(block)
    fn.blocks = blocks + ends


def _first(block: Block) -> int | None:
    return next((i for i, value in enumerate(block.body) if value.op is Op.PACKET), None)


def _split(block: Block, at: int, ends: list[Block]) -> Block:
    """Makes the block end with the call's test; gives the block with the operations after the load."""
    rest, end = split_block(block, at + 1), Block()
    load = block.body.pop()
    place = Value(Op.ALLOCA, [], STACK, load.attr[0], load.span)
    status = _call(load, place)
    fine = Value(Op.EQ, [status, const(0)], I64, None, load.span)
    block.body += [place, status, fine]
    connect(block, Op.BRANCH, [fine], (rest, end), load.span)
    end.body = [Value(Op.RETURN, [const(0)], VOID, None, load.span)]
    ends.append(end)
    _read(load, place, rest)
    return rest


def _call(load: Value, place: Value) -> Value:
    """skb_load_bytes, or the helper that counts from a header."""
    size, offset = load.attr
    context, *index = load.args
    name, first, last = "skb_load_bytes", index[0] if index else const(offset), []
    start = next((start for start in _HEADERS if offset >= start), None) if not index and offset < 0 else None
    if start is not None:
        name, first, last = "skb_load_bytes_relative", const(offset - start), [const(_HEADERS[start])]
    return Value(Op.CALL, [context, first, place, const(size), *last], I64, HELPERS[name], load.span)


def _read(load: Value, place: Value, block: Block) -> None:
    """Replaces the load by the number that the helper stored, in host order."""
    size = load.attr[0]
    plain = (0, size, False)
    if size == 1:
        load.op, load.args, load.attr = Op.LOAD, [place], plain
        block.body.insert(0, load)
        return
    number = Value(Op.LOAD, [place], I64, plain, load.span)
    load.op, load.args, load.attr = Op.BSWAP, [number], size
    block.body[:0] = [number, load]
