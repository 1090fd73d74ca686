"""Functions that become BPF subprograms: the answers stay those of CPython, also where one raises."""

# ruff: noqa: E501, ISC004 - a table of programs

from __future__ import annotations

import ctypes
import dis
from typing import Any

import pytest
from runner import Case

from py2bpf import sim
from py2bpf.compiler.ir import loop_policy
from py2bpf.datastructures import HashMap
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.hooks import SPECS

pytestmark = pytest.mark.kernel

FALLBACK = SPECS[ProgType.SOCKET_FILTER].fallback
INPUTS = {"A": "i64", "B": "u64"}
SAMPLES = [
    {"A": a, "B": b}
    for a in (0, 1, -1, 5, 17, 1 << 40, -(1 << 63), (1 << 63) - 1)
    for b in (0, 1, 9, 63, 1 << 63, (1 << 64) - 1)
]

PROGRAMS = {
    "integers of both kinds": (
        "def f(x, y):\n    return -1 if x < y else y\n",
        "OUT[0] = f(a & 0xff, b)\nOUT[1] = f(b, a >> 3)\nOUT[2] = f(a >> 1, a & 7)\nOUT[0] += f(a & 3, b)\n"
        "OUT[1] += f(b, a & 1)\nreturn f(a >> 2, 5 - a % 7) & 0xff",
        3,
    ),
    "constants make functions of their own": (
        "def f(x, k, name='one'):\n    return (x & 0xffff) * k + len(name)\n",
        "OUT[0] = f(a, 3) + f(a + 1 if a < 0 else a - 1, 3)\nOUT[1] = f(a, 5) + f(a >> 1, 5) + f(a >> 2, 5, name='three')\n"
        "return 1",
        2,
    ),
    "what raises ends the program": (
        "def f(x, y):\n    assert x != 5\n    return 1000 // y + x % 16\n",
        "OUT[0] = f(a & 31, (a & 7) - 3)\nOUT[1] = f(a & 15, (a >> 4 & 3) - 1)\nOUT[2] = f(6, a & 1) + f(7, b & 1)\nreturn 9",
        1,
    ),
    "raising in the callee of a callee": (
        "def g(x):\n    return 100 // (x & 7)\ndef f(x):\n    return g(x) * 10 + g(x >> 3)\n",
        "OUT[0] = f(a & 0xffff)\nOUT[1] = f(b & 0xffff)\nOUT[2] = g(a & 0xffff)\nreturn 9",
        2,
    ),
    "loops": (
        "def f(x):\n    n = 0\n    while x:\n        n += x & 1\n        x >>= 1\n        if n > 40:\n            return -n\n    return n\n",
        "OUT[0] = f(b)\nOUT[1] = f(b ^ (a & 0xffff))\nfor i in range(a & 15):\n    OUT[2] += f(b & i)\nreturn 1",
        1,
    ),
    "all bits of constants": (
        "def f(x):\n    if x == 3:\n        return 0x123456789abcdef0\n    if x == 4:\n        return 0x1234567_9abcdef0 - (1 << 62)\n    return 0x9abcdef0\n",
        "OUT[0] = f(a & 3) & 0xffffffffffffff\nOUT[1] = f(a & 7) & 0xffffffffffffff\nreturn 1",
        1,
    ),
    "maps": (
        "def f(k, v):\n    H[k & 7] += v & 0xffff\n    return H[k & 7]\n",
        "OUT[0] = f(a & 0xff, b & 0xff)\nOUT[1] = f(a >> 3 & 0xff, b & 0xf)\nreturn f(3, a & 3) & 0xff",
        1,
    ),
    "None is no integer: inlined": (
        "def f(x):\n    if x > 3:\n        return None\n    return x\n",
        "OUT[0] = 7 if f(a & 7) is None else 8\nOUT[1] = 7 if f(b & 7) is None else 8\nreturn 1",
        0,
    ),
    "an argument that isn't an integer: inlined": (
        "def f(pair):\n    return pair[0] ^ pair[1]\n",
        "OUT[0] = f((a & 7, 3))\nOUT[1] = f((5, a & 3))\nreturn 1",
        0,
    ),
    "a loop over a constant argument": (
        "def f(x, table):\n    for entry in table:\n        if x == entry:\n            return 1\n    return 0\n",
        "OUT[0] = f(a & 7, TABLE)\nOUT[1] = f(a & 3, TABLE) + f(5 - (a & 1), TABLE)\nreturn 1",
        1,
    ),
    "a loop over a constant list": (
        "LIST = [1, 3, 4]\ndef f(x, table):\n    for entry in table:\n        if x == entry:\n            return 1\n    return 0\n",
        "OUT[0] = f(a & 7, LIST)\nOUT[1] = f(a & 3, LIST)\nreturn 1",
        1,
    ),
    "equal constants that are made apart": (
        "def f(x, k):\n    return (x & 0xffff) * k\n",
        "OUT[0] = f(a, 1000) + f(a ^ b, 1000)\nOUT[1] = f(b, len(range(1000)))\nreturn 1",
        1,
    ),
    "what gives no number": (
        "def f(x):\n    OUT[2] = x & 7\n",
        "f(a)\nOUT[0] = f(a >> 3) is None\nreturn 1",
        0,
    ),
}  # fmt: skip


@pytest.mark.usefixtures("all_are_called")
@pytest.mark.parametrize("name", PROGRAMS)
def test_subprograms_answer_as_python_does(name: str) -> None:
    functions, body, wanted = PROGRAMS[name]
    lines = ["a = A[0]", "b = B[0]", "OUT[2] = 0", *body.splitlines()]
    source = "TABLE = (1, 3, 4)\n" + functions + "\ndef program(ctx):\n" + "".join(f"    {line}\n" for line in lines)
    with Case(source, INPUTS, 3) as case:
        assert len(case.prog.spec.functions) == wanted, [function.name for function in case.prog.spec.functions]
        assert sum(case.check(values) for values in SAMPLES) > 20


def program(fn: Any) -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)


@pytest.mark.usefixtures("all_are_called")
def test_the_context_and_errors_by_line() -> None:
    def share(skb: Any, part: int) -> int:
        return 100 // (skb.len - part)

    def prog(skb: Any) -> Any:
        return share(skb, skb.len & 15) + share(skb, skb.len - 10)

    with program(prog) as loaded:
        assert loaded.spec.functions[0].args == 3  # the context, a number, the flag
        assert loaded.test_run(bytes(14 + 20)).retval == 100 // 16 + 10
        assert loaded.test_run(bytes(14 + 10)).retval == FALLBACK
        line = share.__code__.co_firstlineno + 1
        assert {(site.line, site.error): number for site, number in loaded.errors.items()} == {
            (line, "ZeroDivisionError"): 1
        }


@pytest.mark.usefixtures("all_are_called")
def test_frames_that_don_t_fit_the_stack_together_are_inlined() -> None:
    Big = ctypes.c_uint64 * 40

    with HashMap(ctypes.c_uint32, Big, 4) as table:

        def keep(n: int) -> int:
            row = Big()
            row[n & 7] = n
            table[n & 1] = row
            return row[n & 3]

        def prog(skb: Any) -> Any:
            mine = Big()
            mine[skb.len & 7] = 5
            table[2] = mine  # from here on its place is free
            return keep(skb.len) + keep(skb.len + 1) + 300

        with program(prog) as loaded:
            assert loaded.spec.functions == ()
            assert loaded.test_run(bytes(14 + 50)).retval == 300 + 50 + 51
            assert table[0][2] == 50 and table[1][3] == 51 and table[2][2] == 5 and list(table[2]).count(0) == 39


@pytest.mark.usefixtures("all_are_called")
def test_packet_loads_don_t_mix_with_subprograms() -> None:
    from py2bpf import funcs

    def double(n: int) -> int:
        return n * 2 + 1

    def prog(skb: Any) -> Any:
        return double(funcs.load_skb_byte(skb, 14)) + double(skb.len)

    with program(prog) as loaded:
        assert loaded.spec.functions == ()
        assert loaded.test_run(bytes(14) + b"\x09" * 20).retval in (19 + 41, 1 + 41, 19 + 69)


def _many(statements: int) -> Any:
    body = "".join(f"    x = x * 3 ^ y + {i}\n" for i in range(statements))
    names: dict[str, Any] = {}
    exec(f"def f(x, y):\n{body}    return x\ndef prog(skb):\n    return f(skb.len, 3) + f(skb.mark, 3) & 0xff\n", names)
    return names["prog"]


def test_only_large_functions_become_subprograms() -> None:
    found: dict[int, ProgramSpec] = {}
    for statements in (2, 60):
        with program(_many(statements)) as loaded:
            found[statements] = loaded.spec
    assert found[2].functions == () and len(found[60].functions) == 1
    size = len(list(dis.get_instructions(_many(60).__globals__["f"])))
    assert size > loop_policy.SUBPROGRAM_INSTRUCTIONS


def test_loops_of_calls_are_as_long_as_the_calls() -> None:
    """The verifier walks a function at each call of it, here 2,000 times for each way to the loop: an iterator's loop it
    walks a few times only."""
    straight = "    x = (x * 3 ^ y) & 0xffffff\n" * 10
    steps = "".join(f"    if x & {1 << i}:\n        x ^= y + {i}\n{straight}" for i in range(5))
    names: dict[str, Any] = {}
    exec(f"def f(x, y):\n{steps}    return x\ndef prog(skb):\n    n = skb.len\n    m = f(n, 2) if skb.mark else 5\n"
         "    for i in range(40):\n        for j in range(50):\n            n = f(n, j) ^ f(j, n) ^ m\n    return n & 0xffff\n", names)  # fmt: skip
    with program(names["prog"]) as loaded:
        assert len(loaded.spec.functions) == 1 and "bpf_iter_num_new" in loaded.spec.kfuncs
        assert loaded.test_run(bytes(40)).retval == names["prog"](sim.context(SkBuffContext, len=26))
