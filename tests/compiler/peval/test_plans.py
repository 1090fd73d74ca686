"""Plans of loops are values: their transitions, and the count of paths that wait for evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from py2bpf.compiler.bytecode import decode
from py2bpf.compiler.ir.loop_policy import UNROLL_INSTRUCTIONS, UNROLL_ITERATIONS, is_short
from py2bpf.compiler.ir.types import U64
from py2bpf.compiler.ir.values import Block
from py2bpf.compiler.peval import Decisions, Evaluator, plans
from py2bpf.compiler.peval.frames import Frame, Node
from py2bpf.compiler.peval.plans import Forced, Plan, RunTime, Unrolled
from py2bpf.compiler.peval.state import State
from py2bpf.compiler.peval.waiting import Waiting
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.hooks import BY_NAME

HOOK = BY_NAME["socket_filter"].spec
FORCED = Forced("its body failed")


def test_nothing_leaves_a_loop_at_first() -> None:
    assert plans.left(Unrolled()) != Unrolled()


@pytest.mark.parametrize(
    ("plan", "left", "given_up", "without_end", "forced"),
    [
        (Unrolled(), Unrolled(leaves=True), RunTime(), RunTime(can_unroll=False), Unrolled()),
        (RunTime(), RunTime(), RunTime(), RunTime(), FORCED),
        (RunTime(can_unroll=False), *3 * [RunTime(can_unroll=False)], RunTime(can_unroll=False)),
        (FORCED, FORCED, FORCED, RunTime(can_unroll=False), FORCED),
    ],
)
def test_transitions(plan: Plan, left: Plan, given_up: Plan, without_end: Plan, forced: Plan) -> None:
    assert plans.left(plan) == left
    assert plans.given_up(plan) == given_up
    assert plans.without_end(plan) == without_end
    assert plans.forced(plan, FORCED.reason) == forced


def test_a_long_loop_is_tried() -> None:
    assert plans.given_up(Unrolled(), tried=True) == RunTime(tried=True)
    assert plans.given_up(RunTime(), tried=True) == RunTime()


def test_a_plan_that_changes_leaves_the_old_one_alone() -> None:
    plan = RunTime(tried=True)
    slot, cell = ("local", "n"), (("program",), "m")
    changed = plan.holding(slot, U64).mixing(slot).carrying(cell)
    assert plan == RunTime(tried=True)
    assert changed == RunTime(tried=True, types={slot: U64}, mixed=frozenset({slot}), cells=frozenset({cell}))


def test_short_loops() -> None:
    assert is_short(UNROLL_ITERATIONS, UNROLL_INSTRUCTIONS // UNROLL_ITERATIONS)
    assert not is_short(UNROLL_ITERATIONS + 1, 1)
    assert not is_short(UNROLL_ITERATIONS, UNROLL_INSTRUCTIONS // UNROLL_ITERATIONS + 1)


def keeps_lists(skb: Any) -> int:
    sizes = [skb.len, 2, 3]
    total = 0
    for size in sizes:
        if skb.mark == size:
            return len(sizes)
        pair = [size, total]
        total += pair[0]
    return total + any(skb.len == size for size in sizes)


def test_nothing_waits_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    take = Waiting.take

    def counted(waiting: Waiting, frame: Frame, node: Node) -> tuple[Block, list[State]]:
        counts.append(waiting.kept)
        return take(waiting, frame, node)

    monkeypatch.setattr(Waiting, "take", counted)
    evaluator = Evaluator.of_program("keeps_lists", HOOK, Target(), decode, Decisions())
    evaluator.program(keeps_lists, SK_BUFF)
    assert max(counts) > 5
    assert evaluator.waiting.kept == 0
