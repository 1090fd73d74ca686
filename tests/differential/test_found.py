"""Functions that were once compiled wrongly, each as small as it can be."""

# ruff: noqa: E501 - a table of programs

from __future__ import annotations

import pytest
from runner import Case

from py2bpf.exception import VerifierError
from py2bpf.spec import Target

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns")]
NUMBERS = [0, 1, 2, 5, 7, 63, 64, 255, 1 << 32, (1 << 63) - 1, -1, -5, -(1 << 63)]
UNSIGNED = [number % (1 << 64) for number in NUMBERS]

CASES = {
    "comparisons as numbers": "OUT[0] = (a < b) & (b < 5)\nOUT[1] = (a < 3) | (a > 60)\nreturn 1 if (a < b) & (a < 9) else 2",
    "return nothing, or a number": "if a < 3:\n    return\nreturn 5",
    "return what may be None": "return H.get(a & 7)",
    "a shift by u64 is u64": "if a < 0:\n    return 3\nreturn 1 if (1 << (b & 63)) > 5 else 2",
    "a right shift keeps its type": "return 1 if a >> (b & 63) < 0 else 2",
    "down from u64 past zero": "n = 0\nfor i in range(b & 7, -1, -1):\n    n = n * 5 + int(i) + 1\nreturn n",
    "down from u64 over zero": "n = 0\nfor i in range(b & 63, 0, -2):\n    n = n * 3 + i & 0xffffff\nelse:\n    n += 1\nreturn n",
    "down from u64, empty": "for i in range(b & 7, 9, -1):\n    return i\nreturn 300",
    "backwards over constants": "n = 0\nfor i in reversed(range(5)):\n    n = n * 3 + i + (a & 1)\nreturn n",
    "far ranges": "return 1 if b in range(200, -300, -3) else 2",
    "ranges beyond i64": "return 1 if a in range(-(1 << 63), (1 << 63) - 1, 5) else 2",
}


@pytest.mark.parametrize("body", CASES.values(), ids=list(CASES))
def test_agrees(body: str) -> None:
    lines = ["a = A[0]", "b = B[0]", *body.splitlines()]
    source = "def program(ctx):\n" + "".join(f"    {line}\n" for line in lines)
    with Case(source, {"A": "i64", "B": "u64"}, 2) as case:
        for a in NUMBERS:
            for b in UNSIGNED:
                assert case.check({"A": a, "B": b})


def test_endless_loop_is_the_verifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without iterators a loop without end compiles, and its refusal names the line."""
    monkeypatch.setattr("py2bpf.kernel.features.target", lambda: Target(iterators=False, bpf_loop=False))
    source = "def program(ctx):\n    while True:\n        pass\n"
    with pytest.raises(VerifierError) as caught:
        Case(source, {})
    assert caught.value.line in (2, 3)
