"""Functions that need more registers than there are: spills, calls, loops that permute, checked by running them."""

# ruff: noqa: E501 - a table of programs

from __future__ import annotations

import pytest
from runner import Case

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns")]
INPUTS = {"A": "i64", "B": "u32", "C": "i16"}
VALUES = [
    {"A": a, "B": b, "C": c} for a in (0, 1, -1, 12345, -(1 << 40)) for b in (0, 3, 0xFFFFFFFF) for c in (-7, 0, 9)
]  # fmt: skip


def names(count: int) -> list[str]:
    return [f"v{i}" for i in range(count)]


def many(count: int, between: str = "") -> list[str]:
    """``count`` values alive at once, then all used, first and last operands alike."""
    made = [f"v{i} = (a & {(i * 37 + 5) % 4096}) + b * {i + 1} - (c ^ {i})" for i in range(count)]
    used = [f"OUT[{i % 3}] = v{i} ^ (v{count - 1 - i} << 1)" for i in range(count)]
    return [*made, *between.splitlines(), *used, "return " + " ^ ".join(names(count))]


def rotating(count: int, trips: str) -> list[str]:
    """A loop whose phis exchange their values in a cycle of ``count``."""
    left, right = ", ".join(names(count)), ", ".join([*names(count)[1:], "v0"])
    return [
        *(f"v{i} = a + {i * 11}" for i in range(count)),
        f"for k in range({trips}):", f"    {left} = {right}", "    v0 ^= k",
        *(f"OUT[{i % 3}] = v{i} * {i + 1}" for i in range(count)), f"return {' ^ '.join(names(count))}",
    ]  # fmt: skip


def phases(count: int, values: int) -> list[str]:
    """Many values alive over a call, one set after the other: without sharing their places would exceed the stack."""
    lines = ["total = 0"]
    for phase in range(count):
        lines += [f"v{i} = (a & {phase * 31 + i + 7}) + b * {i + 1}" for i in range(values)]
        lines += ["H[total & 7] = c", f"total += {' + '.join(f'(v{i} ^ {i})' for i in range(values))}"]
    return [*lines, "OUT[0] = total", "return total & 0xffff"]


PROGRAMS = {
    "ten sets of values over calls": phases(10, 16),
    **{f"{n} values": many(n) for n in (5, 9, 10, 11, 16, 30, 45)},
    **{f"{n} values over calls": many(n, "H[a & 7] = c\nOUT[3] = H[b & 7]") for n in (4, 5, 6, 12, 30)},
    **{f"{n} values over a loop of calls": many(n, "for k in range(40):\n    H[k & 7] += k\nOUT[3] = H[3]") for n in (3, 6, 12, 25)},
    **{f"{n} values over branches": many(n, "if a > 5:\n    v0, v1 = v1, v0\nelif c < 0:\n    v2 = v0 ^ v1") for n in (9, 14)},
    **{f"a cycle of {n}": rotating(n, "40") for n in (2, 3, 5, 9, 12, 20)},
    **{f"a cycle of {n}, run-time trips": rotating(n, "(b & 31) + 1") for n in (2, 3, 8, 13)},
    "two cycles and a copy": [
        "v, w, x, y, z = a, b, c, 4, 5", "for k in range(50):", "    v, w, x, y, z = w, v, y, x, v",
        "OUT[0] = v ^ w", "OUT[1] = x - y", "return z",
    ],
    "a chain of copies": [
        "v, w, x, y = a, b, c, 7", "for k in range(b & 15, 40):", "    v, w, x, y = w, x, y, y + k & 0xff",
        "OUT[0] = v", "OUT[1] = w", "OUT[2] = x", "return y",
    ],
    "fibonacci": ["v, w = 0, 1", "k = (b & 63) + 1", "while k:", "    v, w = w, v + w", "    k -= 1", "return v & 0xfffffff"],
    "a nested rotation": [
        "v, w, x = a & 255, b & 255, c", "for i in range(8):", "    for k in range(i & 3):", "        v, w, x = x, v, w",
        "        H[k] += 1", "    x += i", "OUT[0] = v", "OUT[1] = w", "return x",
    ],
    "selects under pressure": [
        *(f"v{i} = min(a + {i}, b * {i + 1}, {i * 99})" for i in range(14)),
        *(f"w{i} = v{i} if v{13 - i} > c else v{(i + 5) % 14}" for i in range(14)),
        *(f"OUT[{i % 3}] = w{i} + v{i}" for i in range(14)), "return sum((" + ", ".join(f"w{i}" for i in range(14)) + "))",
    ],
    "division under pressure": [
        *(f"v{i} = (a + {i}) // (c * 2 + {2 * i + 1})" for i in range(12)), *(f"w{i} = v{i} % (c * 2 + 3)" for i in range(12)),
        *(f"OUT[{i % 3}] = w{i} ^ v{11 - i}" for i in range(12)), "return sum((" + ", ".join(f"w{i}" for i in range(12)) + "))",
    ],
}  # fmt: skip


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=list(PROGRAMS))
def test_agrees(body: list[str]) -> None:
    lines = [f"{name.lower()} = {name}[0]" for name in INPUTS] + body
    source = "def program(ctx):\n" + "".join(f"    {line}\n" for line in lines)
    with Case(source, INPUTS, 4) as case:
        assert sum(case.check(values) for values in VALUES) > 20


def test_spills() -> None:
    source = "def program(ctx):\n    a = A[0]\n    b = B[0]\n    c = C[0]\n" + "".join(f"    {line}\n" for line in many(30))
    with Case(source, INPUTS, 4) as case:
        stores = [line for line in case.prog.pretty.splitlines() if "*(u64 *)(r10" in line and "= r" in line]
    assert len(stores) > 15
