"""The results of comparisons as numbers, and choices between constants: CPython, the embedded VM and the kernel agree
at the ends of every type, where they are computed without a branch and where they are not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from for_targets import compile_for
from runner import TYPES, Case

from py2bpf import vm
from py2bpf.compiler.passes import truths
from py2bpf.prog import ProgType, create_prog
from py2bpf.spec import Target
from py2bpf.xdp import XdpContext

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns")]

@pytest.fixture(autouse=True, params=[True, False], ids=["", "no branches"])
def _branches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_for(monkeypatch, Target(branches=request.param))


HEAD = "def program(ctx):\n    a = A[0]\n    b = B[0]\n"
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
PAIRS = [*itertools.combinations_with_replacement(TYPES, 2)]
CHOICES = ("1 if {} else 0", "0 if {} else 1", "-3 if {} else 4", "0x7fffffff if {} else -0x7fffffff", "not {}")


def ends(kind: str) -> tuple[int, ...]:
    bits = int(kind[1:])
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)
    return (low, low + 1, 0, 5, 6, high >> 1, high - 1, high)


def case(left: str, right: str, forms: list[str]) -> Case:
    lines = "".join(f"    OUT[{i}] = {form}\n" for i, form in enumerate(forms))
    return Case(f"{HEAD}{lines}    return 7\n", {"A": left, "B": right}, len(forms))


def check(left: str, right: str, forms: list[str]) -> None:
    with case(left, right, forms) as program:
        assert all(program.check({"A": a, "B": b}) for a in ends(left) for b in ends(right))


def constants(kind: str) -> list[int]:
    """All that may stand beside a number of the type, and two that lie outside of it."""
    return sorted({*ends(kind), ends(kind)[0] - 1, min(ends(kind)[-1] + 1, (1 << 64) - 1)} - {-(1 << 63) - 1})


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=lambda kind: kind)
def test_two_numbers(left: str, right: str) -> None:
    check(left, right, [f"a {op} b" for op in OPERATORS] + [f"(b {op} a) << {i}" for i, op in enumerate(OPERATORS)])


@pytest.mark.parametrize("kind", TYPES)
def test_a_number_and_a_constant(kind: str) -> None:
    for number in constants(kind):
        check(kind, kind, [f"a {op} {number}" for op in OPERATORS] + [f"{number} {op} b" for op in OPERATORS])


@pytest.mark.parametrize("many", [0, 1000])
@pytest.mark.parametrize("kind", TYPES)
def test_choices(kind: str, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truths, "MANY", many)
    tests = [f"a {op} {other}" for op in OPERATORS for other in ("b", 5)]
    for choice in CHOICES:
        check(kind, kind, [choice.format(test) for test in tests])


@pytest.mark.parametrize(("left", "right"), [("u32", "i32"), ("i64", "u8"), ("u64", "u64")], ids=lambda kind: kind)
def test_in_the_embedded_vm(left: str, right: str) -> None:
    with vm.backend():
        forms = [choice.format(f"a {op} b") for op in OPERATORS for choice in CHOICES]
        check(left, right, [f"(a {op} b) * 5" for op in OPERATORS] + forms)


def test_what_a_branch_takes_too_keeps_its_comparison() -> None:
    """The verifier knows then which index is left."""
    body = """
    big = a > 200
    OUT[0] = big
    if big:
        OUT[big] = (3, 4)[big]
        return b
    return big
"""
    with Case(HEAD + body, {"A": "u8", "B": "u8"}, 2) as program:
        assert all(program.check({"A": a, "B": 9}) for a in (0, 200, 201, 255))


@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_of_the_packets_length(backend: vm.Name) -> None:
    """Which is a difference of pointers."""

    def program(ctx: Any) -> int:
        size = ctx.data_end - ctx.data
        return (size > 60) + 2 * (size <= 64) + 4 * (size == 64)

    with vm.backend(backend), create_prog(ProgType.XDP, XdpContext, program) as loaded:
        assert [loaded.test_run(bytes(size)).retval for size in (14, 60, 61, 64, 65)] == [2, 2, 3, 7, 1]


WAYS = """
    t = u = 0
    if {test}:
        t = a ^ 3
        u = b
    OUT[0] = t
    if {test}:
        t += 5
    else:
        u = 9
    OUT[1] = t - u
    OUT[2] = a if {test} else b
    OUT[3] = {test} and b > 6 or a == 5
    return u & 255
"""


@pytest.mark.parametrize("kind", TYPES)
def test_ways_on_which_numbers_change(kind: str) -> None:
    for test in ("a > 5", "a <= b", "a == b", "a & 5", "not b", "a < 6 and b > 5"):
        with Case(HEAD + WAYS.format(test=test), {"A": kind, "B": kind}, 4) as program:
            assert sum(program.check({"A": a, "B": b}) for a in ends(kind) for b in ends(kind)) > 9
