"""The begin and end of functions, and the edges between blocks.

A block's last jump isn't made here: ``next`` is the following block, and emission adds a jump if that isn't next in the
code.
"""

from __future__ import annotations

from typing import Final

from ...ir.ops import Op
from ...ir.values import Block, Value, plain
from .. import machine as m
from ..patterns import is_condition, is_light
from ..selector import Rule, Selector
from . import conditions


def context(s: Selector, value: Value) -> bool:
    """ctx  ->  rd = r1"""
    s.put(m.move(s.define(value), 1))
    return True


def parameter(s: Selector, value: Value) -> bool:
    """param register=2  ->  rd = r2"""
    s.put(m.move(s.define(value), value.attr))
    return True


def guard(s: Selector, value: Value) -> bool:
    """guard x, raises=ValueError  ->  if rx == 0 goto La   (at La the error is counted)"""
    conditions.jump(s, value.args[0], s.exits.label(value), False)
    return True


def leave(s: Selector, value: Value) -> bool:
    """exit raises=ValueError  ->  goto La   (at La the error is counted)"""
    s.block.next = s.exits.label(value)
    return True


def jump_with_phis(s: Selector, value: Value) -> bool:
    """jump a  ->  rd = rx; goto La   (rd is a phi of a, rx what it has from here)"""
    (target,) = value.attr
    if not target.phis:
        return False
    _set_phis(s, target, target.preds.index(s.block.label))
    s.block.next = target
    return True


def jump(s: Selector, value: Value) -> bool:
    """jump a  ->  goto La"""
    (s.block.next,) = value.attr
    return True


def branch_over(s: Selector, value: Value) -> bool:
    """branch x and y, then=a, else=b  ->  if rx >= #i goto Lb; if ry <= #j goto Lb; goto La   (a is the next block)"""
    there, otherwise = value.attr
    if there is not s.following or not is_condition(value.args[0]):
        return False
    conditions.jump(s, value.args[0], otherwise, False)
    s.block.next = there
    return True


def branch(s: Selector, value: Value) -> bool:
    """branch x, then=a, else=b  ->  if rx != 0 goto La; goto Lb   (emission turns it round where a comes next)"""
    there, otherwise = value.attr
    conditions.jump(s, value.args[0], there, True)
    s.block.next = otherwise
    return True


def give_back(s: Selector, value: Value) -> bool:
    """return x  ->  r0 = rx; exit"""
    s.into(0, value.args[0])
    s.put(m.exit_())
    return True


def _set_phis(s: Selector, target: Block, edge: int) -> None:
    """Moves the arguments of the target's phis into the phis' registers, all at once. Constants and other values that
    read no register come last."""
    pending: dict[int, int] = {}
    others: list[tuple[int, Value]] = []
    for phi in target.phis:
        arg = plain(phi.args[edge])
        if arg.op is Op.CONST or is_light(arg):
            others.append((s.define(phi), arg))
        elif s.define(phi) != s.define(arg):
            pending[s.define(phi)] = s.define(arg)
    while pending:
        dst = next((d for d in pending if d not in pending.values()), None)
        if dst is None:  # a cycle: save one register that is about to be overwritten
            dst, saved = next(iter(pending)), s.fresh()
            s.put(m.move(saved, dst))
            pending = {d: saved if source == dst else source for d, source in pending.items()}
        s.put(m.move(dst, pending.pop(dst)))
    for register, arg in others:
        s.into(register, arg)


# A branch jumps if its condition holds; it jumps over the next block if that saves the last of several jumps.
RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    Op.CTX: (context,),
    Op.PARAM: (parameter,),
    Op.GUARD: (guard,),
    Op.EXIT: (leave,),
    Op.JUMP: (jump_with_phis, jump),
    Op.BRANCH: (branch_over, branch),
    Op.RETURN: (give_back,),
}
