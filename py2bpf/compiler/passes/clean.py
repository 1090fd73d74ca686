"""Tidies the flow graph: trivial phis, phis of phis, chains of blocks, jumps to jumps, branches that an edge decides.

b1: jump b2              b1: ...
b2: ...             ->       (b2's body)

b3: %1 = phi 1, 0        b1: jump b4
    branch %1 b4, b5  -> b2: jump b5
"""

from __future__ import annotations

from ..ir.ops import Op, Raise
from ..ir.types import VOID
from ..ir.values import Block, Function, Value, prune, remove_edge, replace_all


def run(fn: Function) -> None:
    """Repeats the steps until none changes anything."""
    changed = True
    while changed:
        changed = _trivial_phis(fn)
        changed |= _forward_known_branches(fn)
        changed |= _skip_empty(fn)
        changed |= _skip_phis(fn)
        changed |= _merge_rows(fn)
        prune(fn)


def _trivial_phis(fn: Function) -> bool:
    new: dict[Value, Value] = {}
    for block in fn.blocks:
        kept = []
        for phi in block.phis:
            same = _only_argument(phi, new)
            if same is None:
                kept.append(phi)
            else:
                new[phi] = same
        block.phis = kept
    replace_all(fn, new)
    return bool(new)


def _only_argument(phi: Value, new: dict[Value, Value]) -> Value | None:
    """The only value among the arguments besides the phi itself, if there is just one."""
    found: Value | None = None
    for arg in phi.args:
        while arg in new:
            arg = new[arg]
        if arg is phi or arg is found:
            continue
        if found is not None and not _same_constant(arg, found):
            return None
        found = found or arg
    return found if found is not None and found.type == phi.type else None


def _same_constant(a: Value, b: Value) -> bool:
    return a.op is Op.CONST and b.op is Op.CONST and a.attr == b.attr and a.type == b.type


def _retarget(block: Block, old: Block, new: Block) -> None:
    """Makes an edge of ``block`` lead to ``new``; the caller updates predecessors and phis."""
    end = block.end
    end.attr = tuple(new if target is old else target for target in end.attr)


def _uses(fn: Function, blocks: list[Block]) -> dict[Value, list[tuple[Block, Value]]]:
    """The users of the blocks' phis, each with its block."""
    table: dict[Value, list[tuple[Block, Value]]] = {phi: [] for block in blocks for phi in block.phis}
    for block in fn.blocks:
        for value in block.values():
            for arg in value.args:
                if arg.op is Op.PHI and arg in table:
                    table[arg].append((block, value))
    return table


def _forward_known_branches(fn: Function) -> bool:
    """Redirects edges into a block that only branches on a phi, if the edge's argument is constant."""
    candidates = [b for b in fn.blocks if len(b.body) == 1 and b.end.op is Op.BRANCH and b.end.args[0] in b.phis]
    if not candidates:
        return False
    changed = False
    places = {block: i for i, block in enumerate(fn.blocks)}
    uses = _uses(fn, candidates)
    for block in candidates:
        if any(places[pred] >= places[block] for pred in block.preds):
            continue  # past its header a loop would have a second entry, or its blocks no order
        if all(_stays_here(block, phi, uses) for phi in block.phis) and _forward(block):
            changed, uses = True, _uses(fn, candidates)
    return changed


def _stays_here(block: Block, phi: Value, uses: dict[Value, list[tuple[Block, Value]]]) -> bool:
    """Whether a phi is used only by its own block's branch and its successors' phis."""
    for place, user in uses[phi]:
        if user is block.end:
            continue
        if user.op is not Op.PHI or place not in block.succs:
            return False
        if any(arg is phi and pred is not block for arg, pred in zip(user.args, place.preds, strict=True)):
            return False
    return True


def _forward(block: Block) -> bool:
    condition = block.end.args[0]
    index = block.phis.index(condition)
    changed = False
    for pred in list(block.preds):
        at = block.preds.index(pred)
        known = block.phis[index].args[at]
        if known.op is not Op.CONST or pred is block:
            continue
        target = block.succs[0 if known.attr else 1]
        if pred in target.preds or pred.succs.count(block) > 1 or target is block:
            continue
        values = {phi: phi.args[at] for phi in block.phis}
        via = target.preds.index(block)
        for phi in target.phis:
            arg = phi.args[via]
            phi.args.append(values.get(arg, arg))
        target.preds.append(pred)
        _retarget(pred, block, target)
        del block.preds[at]
        for phi in block.phis:
            del phi.args[at]
        changed = True
    return changed


def _skip_empty(fn: Function) -> bool:
    """Redirects edges around blocks that only jump."""
    changed = False
    gone: set[Block] = set()
    for block in fn.blocks[1:]:
        if len(block.body) != 1 or block.phis or block.end.op is not Op.JUMP:
            continue
        (target,) = block.succs
        if target is block:
            continue
        via = target.preds.index(block)
        for pred in list(block.preds):
            if pred in target.preds or pred.succs.count(block) > 1:
                continue
            for phi in target.phis:
                phi.args.append(phi.args[via])
            target.preds.append(pred)
            _retarget(pred, block, target)
            block.preds.remove(pred)
            changed = True
        if not block.preds:  # at once: in a long chain, each block would get the edges of all blocks before
            remove_edge(block, target)
            gone.add(block)
    fn.blocks = [block for block in fn.blocks if block not in gone]
    return changed


def _skip_phis(fn: Function) -> bool:
    """Redirects edges around blocks whose phis only feed the next block's phis."""
    places = {block: i for i, block in enumerate(fn.blocks)}
    candidates = [b for b in fn.blocks[1:] if b.phis and len(b.body) == 1 and b.end.op is Op.JUMP
                  and places[b.succs[0]] > places[b]]  # fmt: skip
    if not candidates:
        return False
    uses = _uses(fn, candidates)
    changed = False
    for block in candidates:
        (target,) = block.succs
        via = target.preds.index(block)
        picked = [phi.args[via] for phi in target.phis]
        if set(picked) != set(block.phis) or any(places[pred] >= places[block] for pred in block.preds):
            continue  # each edge would have to bring the other arguments itself
        if not all(_stays_here(block, phi, uses) for phi in block.phis):
            continue
        if _bypass(block, target, via):
            changed, uses = True, _uses(fn, candidates)
    return changed


def _bypass(block: Block, target: Block, via: int) -> bool:
    changed = False
    for pred in list(block.preds):
        if pred in target.preds or pred.succs.count(block) > 1:
            continue
        at = block.preds.index(pred)
        values = {phi: phi.args.pop(at) for phi in block.phis}
        for phi in target.phis:
            phi.args.append(values[phi.args[via]])
        block.preds.remove(pred)
        target.preds.append(pred)
        _retarget(pred, block, target)
        changed = True
    return changed


def _merge_rows(fn: Function) -> bool:
    """Joins a block with its only successor if that has no other predecessor."""
    gone: set[Block] = set()
    for block in fn.blocks:
        if block in gone:
            continue
        while block.end.op is Op.JUMP:
            (succ,) = block.succs
            if (
                len(succ.preds) != 1
                or succ is block
                or succ is fn.blocks[0]
                or (not block.preds and block is not fn.blocks[0])
            ):
                break
            _take(block, succ, fn)
            gone.add(succ)
    fn.blocks = [block for block in fn.blocks if block not in gone]
    return bool(gone)


def _take(block: Block, succ: Block, fn: Function) -> None:
    if succ.phis:
        replace_all(fn, {phi: phi.args[0] for phi in succ.phis})
    block.body = block.body[:-1] + succ.body
    for target in succ.succs:
        target.preds[target.preds.index(succ)] = block
    succ.body = [Value(Op.EXIT, [], VOID, Raise(""))]
