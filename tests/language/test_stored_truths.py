"""Numbers of two kinds that are chosen and stored, many times: the verifier must not walk on for each combination."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from layouts import function

from py2bpf import tc
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import compile_prog, create_prog, load_spec
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel

COUNT = 18
NUMBERS = [5, 6, 0, 4, 2**31, 3, 2**32 - 1, 9, 1, 12, 4, 0, 7, 5, 2, 77, 8, 6]
STEPS = 1000

FORMS = [
    "v[{i}] > 5", "v[{i}] <= v[{j}]", "v[{i}] == 5", "v[{i}] != 0", "not v[{i}]", "bool(v[{i}] & 4)",
    "v[{i}] > 5 and v[{j}] < 9", "v[{i}] > 5 or v[{j}] < 9", "v[{i}] > 5 and 7", "v[{i}] or 7",
    "7 if v[{i}] > 5 else 0", "0 if v[{i}] > 5 else 7", "9 if v[{i}] > 5 else 7", "7 if v[{i}] & 4 else 0",
    "0 if v[{i}] & 4 else 7", "v[{i}] if v[{j}] < 4 else 0", "0 if v[{j}] < 4 else v[{i}]",
    "7 if v[{i}] > 5 and v[{j}] < 3 else 0", "0 if v[{i}] > 5 and v[{j}] < 3 else 7",
    "0 if v[{i}] > 5 else 1 if v[{j}] < 3 else 7", "1 << v[{i}]",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [ctypes.c_uint8, ctypes.c_int32, ctypes.c_uint64], ids=lambda kind: kind.__name__)
def test_each_stored_choice_takes_a_few_steps(kind: Any, form: str) -> None:
    """Into an object on the stack, which the verifier follows byte by byte."""
    with ArrayMap(ctypes.c_uint32 * COUNT, 1) as source:
        source[0] = (ctypes.c_uint32 * COUNT)(*NUMBERS)
        stores(form, kind, NUMBERS, lambda: source[0])


def stores(form: str, kind: Any, given: Any, in_programs: Callable[[], Any]) -> None:
    """A program that stores the form's results, of what is given in Python and what a program reads instead."""
    lines = (f"    out[{i}] = {form.format(i=i, j=(i + 1) % COUNT)}\n" for i in range(COUNT))
    body = function("def body(v, out):\n" + "".join(lines))
    array = kind * COUNT
    expected = array()
    body(given, expected)
    with ArrayMap(array, 1) as results:
        def prog(skb: Any) -> Any:
            out = array()
            body(in_programs(), out)
            results[0] = out

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            loaded.test_run(bytes(64))
            assert list(results[0]) == list(expected)
            assert loaded.info.verified_insns < STEPS


LOOKED_UP = [
    "v[{i}] > 5", "v[{i}] == 5", "bool(v.get({i}))", "v.get({i}) is None", "v.get({i}, 3) > 5", "v.get({i}) or 9",
    "{i} in v", "bool(v[{i}])", "v[{i}] and 7", "v.get({i}, v[{j}])", "not v.get({i})", "v.get({i}) == 5",
]  # fmt: skip


class _Zeros(dict[int, int]):
    """As maps: 0 for what is missing."""

    def __missing__(self, key: int) -> int:
        return 0


@pytest.mark.parametrize("form", LOOKED_UP)
@pytest.mark.parametrize("kind", [ctypes.c_uint8, ctypes.c_int32, ctypes.c_uint64], ids=lambda kind: kind.__name__)
def test_each_stored_look_up_takes_a_few_steps(kind: Any, form: str) -> None:
    """Where the key may be missing, what stands for its number is no reason to walk on twice."""
    with HashMap(ctypes.c_uint32, ctypes.c_uint32, 64) as looked_up:
        for key in range(0, COUNT, 2):
            looked_up[key] = NUMBERS[key]
        stores(form, kind, _Zeros(looked_up.items()), lambda: looked_up)


WAYS = [
    "if v[{i}] > 5:\n    p[{i}] = 0\nelse:\n    p[{i}] = 1",
    "if v[{i}] > 5:\n    p[{i}] = 1\nelse:\n    p[{i}] = 0",
    "if v[{i}] > 5:\n    p[{i}] = 0\n    t += 1\nelse:\n    p[{i}] = 1",
    "if v[{i}] > 5:\n    p[{i}] = 0\nelif v[{i}] > 3:\n    p[{i}] = 1\nelse:\n    p[{i}] = 2",
    "if v[{i}] > 5:\n    p[{i}] = 0\nelse:\n    p[{i}] = v[{i}] & 7",
    "p[{i}] = 3\nif v[{i}] > 5:\n    p[{i}] = 0",
]  # fmt: skip
"""What each number of v does to the objects p and t."""

PRECISE = [
    "t |= (v[{i}] > 5) << {i}", "t += v[{i}] <= 5", "t |= (v[{i}] == 5) << {i}", "t ^= (v[{i}] >= v[{j}]) << {i}",
    "t |= (7 if v[{i}] > 5 else 2) << {i}", "t |= (not v[{i}]) << {i}", "p[{i}] = v[{i}] > 5\nt += q[p[{i}]]",
    "p[{i}] = v[{i}] != 5\nt += q[p[{i}] + p[{i} // 2] & 15]",
]  # fmt: skip
"""An index follows from the results, so that the verifier must tell them apart."""


@pytest.mark.parametrize("form", [*WAYS, *PRECISE])
@pytest.mark.parametrize("kind", [ctypes.c_uint8, ctypes.c_int32, ctypes.c_uint64], ids=lambda kind: kind.__name__)
def test_each_result_takes_a_few_steps(kind: Any, form: str) -> None:
    lines = [line for i in range(COUNT) for line in form.format(i=i, j=(i + 1) % COUNT).splitlines()]
    end = "return q[t & 15] + t" if form in PRECISE else "return t"
    body = function("def body(v, p, q):\n    t = 0\n" + "".join(f"    {line}\n" for line in (*lines, end)))
    array = kind * COUNT
    expected, table = array(), range(3, 19)
    answer = body(NUMBERS, expected, table)
    with ArrayMap(ctypes.c_uint32 * COUNT, 1) as source, ArrayMap(array, 1) as results, \
            ArrayMap(ctypes.c_uint32 * 16, 1) as tables:  # fmt: skip
        source[0] = (ctypes.c_uint32 * COUNT)(*NUMBERS)
        tables[0] = (ctypes.c_uint32 * 16)(*table)

        def prog(skb: Any) -> Any:
            out = array()
            answer = body(source[0], out, tables[0])
            results[0] = out
            return answer

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            assert loaded.test_run(bytes(64)).retval == answer
            assert list(results[0]) == list(expected)
            assert loaded.info.verified_insns < STEPS


LONG = [
    "t |= (v[{i}] > 5) << {i}", "t |= (v[{i}] == 5) << {i}", "t |= (v[{i}] < v[{j}]) << {i}",
    "t |= (not v[{i}]) << {i}", "t |= (v[{i}] > 5 or v[{j}] < 3) << {i}", "t |= (3 < v[{i}] < 9) << {i}",
    "if v[{i}] > 5:\n    t |= 1 << {i}",
    "if v[{i}] > 5:\n    t |= 1 << {i}\nelse:\n    t ^= 2", "if v[{i}] != 5 and t < 77:\n    t += 3\n    u ^= t",
]  # fmt: skip
"""What takes branches to compute in the shortest way, though an index follows from it."""


@pytest.mark.slow
@pytest.mark.parametrize("form", LONG)
def test_where_the_verifier_gives_up_results_are_computed(form: str) -> None:
    lines = [line for i in range(COUNT) for line in form.format(i=i, j=(i + 1) % COUNT).splitlines()]
    ends = ("t &= 15", "return q[t] + u")
    body = function("def body(v, q):\n    t = u = 0\n" + "".join(f"    {line}\n" for line in (*lines, *ends)))
    table = range(3, 19)
    numbers = (ctypes.c_uint64 * COUNT, ctypes.c_uint32 * 16)
    with ArrayMap(numbers[0], 1) as source, ArrayMap(numbers[1], 1) as tables:
        source[0] = numbers[0](*NUMBERS)
        tables[0] = numbers[1](*table)

        def prog(skb: Any) -> Any:
            return body(source[0], tables[0])

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            assert loaded.test_run(bytes(64)).retval == body(NUMBERS, table)
            assert loaded.info.verified_insns < 5 * STEPS


@pytest.mark.parametrize("form", ["skb.packet(ctypes.c_uint8, m[0])", "skb.packet(ctypes.c_uint8 * 4, m[0] * 8)"])
def test_the_limit_of_an_offset_stays_a_branch(form: str) -> None:
    """Or the verifier would refuse whatever is compiled a second time."""
    with ArrayMap(ctypes.c_uint64, 1) as m:
        body = function(f"def body(skb):\n    found = {form}\n    return 7 if found is None else 3\n",
                        ctypes=ctypes, m=m)  # fmt: skip
        spec = compile_prog(ProgType.SCHED_CLS, tc.SkBuffContext, body, target=Target().without("branches"))
        with load_spec(spec, spec.captures) as loaded:
            answers = []
            for number in (1, 2**40):
                m[0] = number
                answers.append(loaded.test_run(bytes(64)).retval)
            assert answers == [3, 7]
