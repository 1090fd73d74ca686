"""Programs of more instructions than the VM executes between looks at the clock (65,536, or 5: .ci/short-slices.sh),
with calls, callbacks and tail calls: CPython, the embedded VM and the kernel agree."""

from __future__ import annotations

from collections import Counter
from ctypes import c_uint64
from typing import Any

import pytest
from fuzz import LOOPS
from grammar import Program
from pools import Pool
from samples import samples
from verdicts import Kind, examine

from py2bpf import funcs, vm
from py2bpf.datastructures import ArrayMap, ProgArray
from py2bpf.prog import ProgType, compile_prog, load_spec
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import Target

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns", "ignore::py2bpf.exception.PossiblyNone"),
]

FUNCTIONS = """
def mixed(x, y):
    n = x & 0xffff
    if y & 1:
        n += y & 0xff
    for i in range(x & 3):
        n ^= i << 2
    return n * 3 & 0xffffff

def twice(x, y):
    return mixed(x, y) + mixed(y, x) & 0xffff

def outer(x, y):
    return twice(x, y) ^ twice(x + y & 0xffff, 5)
"""

PROGRAMS = {
    "calls in a loop": """
t = d
for k in range(9000 + d):
    t = mixed(t, k) + twice(k, t & 0xff) & 0xffffff
return t & 0xffff""",
    "calls in calls": """
t = c & 0xffff
for k in range(4000 + d):
    t = outer(t, k & 0xff)
    OUT[1] += t
return t""",
    "a loop in a loop, with a call in each": """
t = d
for k in range(150 + d):
    for v in range(20):
        t = mixed(t, k ^ v) & 0xffff
    t += twice(t, k) & 0xff
    t &= 0xffff
return t""",
    "a map in each turn": """
t = d
for k in range(6000 + d):
    H[k & 7] += mixed(k, t)
    t = H[k & 3] & 0xffff
return t""",
    "a record now and then": """
t = d
for k in range(9000 + d):
    t = mixed(t, k)
    if k % 1000 == 7:
        G.value = t
    if k & 1023 == d:
        OUT[2] ^= t + k
return t & 0xff""",
    "a long while": """
t, k = d, e & 0xff
while k < 30000:
    k += 1 + (t & 1)
    t = mixed(t, k) & 0xffff
return t""",
}


@pytest.mark.usefixtures("all_are_called")
@pytest.mark.parametrize("body", PROGRAMS.values(), ids=list(PROGRAMS))
@pytest.mark.parametrize("loops", ["iterators", "bpf_loop"])
def test_agrees(body: str, loops: str, pools: list[Pool]) -> None:
    lines = ["sample = IN[0]", *(f"{name} = sample.{name}" for name in "abcdef"), "OUT[1] = OUT[2] = 0"]
    source = f"{FUNCTIONS}\ndef program(ctx):\n" + "".join(f"    {line}\n" for line in (*lines, *body.splitlines()))
    verdict = examine(Program(source, "sched_cls", Counter()), samples(body, 3), pools, LOOPS[loops])
    assert verdict.kind is Kind.AGREE, f"{verdict.kind.value}\n{verdict.detail}\n{source}"
    assert verdict.samples


@pytest.mark.parametrize("target", [Target(), Target(iterators=False)], ids=["iterators", "bpf_loop"])
@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_tail_calls(backend: vm.Name, target: Target) -> None:
    """Each program counts long before it goes to the next one, and the last one ends."""
    with vm.backend(backend), ProgArray(4) as progs, ArrayMap(c_uint64, 4) as sums:
        def stage(number: int) -> Any:
            def prog(skb: Any) -> Any:
                total = sums[number]
                for i in range(20000 + skb.len):
                    total += i ^ number
                sums[number] = total
                funcs.tail_call(skb, progs, number + 1)
                return number

            return prog

        stages = [load_spec(*compiled(stage(number), target)) for number in range(4)]
        for number in range(1, 4):
            progs[number] = stages[number]
        assert stages[0].test_run(bytes(14 + 50)).retval == 3
        assert list(sums.values()) == [sum(i ^ number for i in range(20050)) for number in range(4)]
        for prog in stages:
            prog.close()


@pytest.mark.parametrize("target", [Target(), Target(iterators=False)], ids=["iterators", "bpf_loop"])
@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_a_tail_call_in_a_loop(backend: vm.Name, target: Target) -> None:
    """Without such a call it would be a loop of the kernel's, which allow none."""
    with vm.backend(backend), ProgArray(64) as progs, ArrayMap(c_uint64, 64) as seen:
        def first(skb: Any) -> Any:
            last = 0
            for i in range(skb.len & 63):
                seen[i] = last = i * 2 + seen[63]
                if i & 1 or last > 70:
                    funcs.tail_call(skb, progs, i)
            return last

        def second(skb: Any) -> Any:
            return 1000

        one, other = (load_spec(*compiled(function, target)) for function in (first, second))
        with one, other:
            assert one.test_run(bytes(14 + 50)).retval == 98
            progs[21] = other
            assert one.test_run(bytes(14 + 50)).retval == 1000


def compiled(function: Any, target: Target) -> Any:
    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, function, target=target)
    return spec, spec.captures
