"""How many bytes behind pointers into the packet are accessed."""

from __future__ import annotations

from typing import Final

from ....uapi.helpers import Arg
from ...ir.ops import Op
from ...ir.values import Function, Value
from .known_places import is_place, strip

MEMORY: Final = {Op.LOAD: (0,), Op.STORE: (0,), Op.ZERO: (0,), Op.COPY: (0, 1)}
"""The arguments of operations that are addresses; the attribute begins with their offsets."""


def needs(fn: Function) -> dict[Value, int]:
    """For each pointer that isn't another one plus a constant, the end of the farthest access through it."""
    need: dict[Value, int] = {}
    for block in fn.blocks:
        for value in block.values():
            for position, arg in enumerate(value.args):
                if is_place(arg):
                    base, offset = strip(arg)
                    need[base] = max(need.get(base, 0), offset + reached_bytes(fn, value, position))
    return need


def reached_bytes(fn: Function, user: Value, position: int) -> int:
    """How many bytes behind a pointer, its argument at ``position``, an operation accesses."""
    if user.op is Op.LOAD or user.op is Op.STORE or user.op is Op.ZERO:
        return int(user.attr[0] + user.attr[1])
    if user.op is Op.COPY:
        return int(user.attr[position] + user.attr[2])
    return _argument_bytes(fn, user, position) if user.op is Op.CALL else 0


def _argument_bytes(fn: Function, call: Value, position: int) -> int:
    kinds = call.attr.args
    if kinds[position] in (Arg.KEY, Arg.VALUE):
        number = next(arg.attr for arg in call.args if arg.op is Op.MAP)
        spec = fn.maps[number]
        size: int = spec.key_size if kinds[position] is Arg.KEY else spec.value_size
        return size
    if position + 1 < len(call.args) and call.args[position + 1].op is Op.CONST:
        return int(call.args[position + 1].attr)
    return 0
