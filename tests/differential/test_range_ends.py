"""Ranges whose bounds lie at the ends of 64 bits have as many turns as in CPython, in every form and world."""

from __future__ import annotations

import itertools

import pytest
from loop_forms import FORMS
from runner import Case

from py2bpf import vm
from py2bpf.compiler.passes.shared import loop_plan
from py2bpf.exception import TranslationError

pytestmark = [pytest.mark.kernel]

INPUTS = {"A": "i64", "B": "u64", "C": "i64", "D": "u64"}
LOW, HIGH, TOP = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
SIGNED = (LOW, LOW + 1, LOW + 5, -2, 0, 1, 7, HIGH - 4, HIGH - 1, HIGH)
UNSIGNED = (0, 1, 2, 6, HIGH - 1, HIGH, HIGH + 1, HIGH + 4, TOP - 3, TOP - 1, TOP)

BOUNDS = {
    "signed": "a, c", "unsigned": "b, d", "signed to unsigned": "a, d", "unsigned to signed": "b, c",
    "from a constant": "3, c", "from a constant to unsigned": "3, d", "from the least": f"{LOW}, c",
    "to a constant": "a, 3", "unsigned to a constant": "b, 3", "to minus one": "b, -1", "to the greatest": f"a, {HIGH}",
    "to the least": f"a, {LOW}", "to the greatest of all": f"b, {TOP}", "from a large constant": f"{HIGH}, d",
    "signed to a large constant": f"a, {HIGH + 4}",
}  # fmt: skip
STEPS = (1, 2, 3, -1, -2, -5, 1 << 20, -(1 << 20), 1 << 62, -(1 << 62))
MIXED = ("signed to unsigned", "unsigned to signed", "to minus one", "signed to a large constant")

LOOP = """
    t = 0
    for i in {numbers}:
        OUT[{at} + 1] = i
        t += 1
        if t > 40:
            break
    OUT[{at}] = t
"""
def case(*ranges: str) -> Case:
    head = "def program(ctx):\n    a = A[0]\n    b = B[0]\n    c = C[0]\n    d = D[0]\n"
    bodies = [LOOP.format(numbers=numbers, at=2 * i) for i, numbers in enumerate(ranges)]
    return Case(head + "".join(bodies) + "    return 7\n", INPUTS, 2 * len(ranges))


def samples() -> list[dict[str, int]]:
    pairs = list(itertools.product(SIGNED, SIGNED))
    others = list(itertools.product(UNSIGNED, UNSIGNED))
    return [{"A": a, "C": c, "B": b, "D": d}
            for (a, c), (b, d) in zip(itertools.cycle(pairs), others + others[::-1], strict=False)]  # fmt: skip


def check(numbers: Case) -> None:
    with numbers:
        assert sum(numbers.check(values) for values in samples()) == len(samples())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_a_loop_makes_the_turns_of_python(bounds: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if (chosen := FORMS[form]) is not None:
        monkeypatch.setattr(loop_plan, "choose", chosen)
    check(case(*(f"range({BOUNDS[bounds]}, {step})" for step in STEPS)))


HUGE = """
def program(ctx):
    a, b, c, d = A[0], B[0], C[0], D[0]
    t = 0
    for k in range({bounds}, {step}):
        t += (k & 0xff) + 1
        if t & 64:
            t ^= c & 0xffff
    OUT[0] = t
    return t & 0xffff
"""
STEEP = (1 << 60, -(1 << 60), 1 << 61, -(1 << 62), 1 << 62, HIGH, -HIGH, LOW)


@pytest.mark.parametrize("bounds", [name for name in BOUNDS if name not in MIXED])
@pytest.mark.parametrize("step", STEEP)
def test_the_verifier_need_not_see_where_a_few_huge_steps_end(bounds: str, step: int) -> None:
    """It loses sight of the counter: "infinite loop detected", or "8193 jumps"."""
    check(Case(HUGE.format(bounds=BOUNDS[bounds], step=step), INPUTS, 2))


@pytest.mark.parametrize("bounds", BOUNDS)
def test_in_the_embedded_vm(bounds: str) -> None:
    with vm.backend():
        check(case(*(f"range({BOUNDS[bounds]}, {step})" for step in STEPS)))


@pytest.mark.parametrize("bounds", BOUNDS)
def test_backwards(bounds: str) -> None:
    check(case(*(f"reversed(range({BOUNDS[bounds]}, {step}))" for step in STEPS)))


CONSTANTS = [
    f"range({HIGH - 300}, {HIGH + 300})", f"range({HIGH + 300}, {HIGH - 300}, -1)", f"range({TOP - 99}, {TOP}, 2)",
    f"range({LOW + 99}, {LOW}, -2)", f"range({HIGH - 99}, {HIGH}, 2)",
    f"range({LOW}, {HIGH}, {1 << 58})", f"range({LOW}, {TOP}, {1 << 58})", f"range({TOP}, {LOW}, {-(1 << 58)})",
    f"range({HIGH - 9}, round(2.0**64))", f"range({TOP}, -1, -1)", "range(2**63)",
    f"range({TOP - 5}, round(2.0**64))", "range(round(2.0**65))", "range(-3, round(2.0**70))",
]  # fmt: skip


@pytest.mark.parametrize("numbers", CONSTANTS)
def test_of_constants(numbers: str) -> None:
    check(case(numbers))


def test_a_loop_through_numbers_of_both_signs_and_65_bits_is_refused() -> None:
    source = f"def program(ctx):\n    for i in range({LOW}, {TOP}, {1 << 50}):\n        OUT[0] += i & A[0]\n"
    with pytest.raises(TranslationError, match="do not fit one 64-bit type"):
        Case(source, INPUTS)


@pytest.mark.parametrize("bounds", MIXED)
def test_a_long_step_between_both_signs_is_refused(bounds: str) -> None:
    with pytest.raises(TranslationError, match="a range from a signed to an unsigned bound, or back, takes steps of"):
        case(f"range({BOUNDS[bounds]}, {(1 << 62) + 1})", f"range({BOUNDS[bounds]}, {-(1 << 62) - 1})")


QUESTIONS = """
    r = range({bounds}, {step})
    OUT[{at}] = a in r
    OUT[{at} + 1] = d in r
    OUT[{at} + 2] = 1 if r else 0
    OUT[{at} + 3] = len(r)
    OUT[{at} + 4] = sum(r)
    OUT[{at} + 5] = min(r)
    OUT[{at} + 6] = max(r)
"""


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("step", [1, 2, -3])
def test_what_ranges_know_of_themselves(bounds: str, step: int) -> None:
    head = "def program(ctx):\n    a = A[0]\n    b = B[0]\n    c = C[0]\n    d = D[0]\n"
    body = QUESTIONS.format(bounds=BOUNDS[bounds], step=step, at=0)
    with Case(head + body + "    return 7\n", INPUTS, 7) as numbers:
        for values in samples():
            length = len_of(BOUNDS[bounds], step, values)
            if length < 10_000 or length > HIGH:  # sum() of the simulation walks; len() raises
                assert numbers.check(values)


def len_of(bounds: str, step: int, values: dict[str, int]) -> int:
    start, stop = eval(bounds, {name.lower(): value for name, value in values.items()})
    return max(0, -((start - stop) // step))
