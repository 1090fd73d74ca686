"""A loop has up to 8,388,608 turns, and ends as in Python after them. A longer one ends the program before the turn
that exceeds the limit, and is counted as a TimeoutError. So does each kind and form of loops, in the kernel and the VM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ctypes import c_uint64
from types import FunctionType
from typing import Any

import pytest

from py2bpf import Global, vm
from py2bpf.compiler import bytecode
from py2bpf.compiler.ir.loop_policy import MAX_ITERATIONS
from py2bpf.prog import ProgType, compile_prog, load_spec
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import Target
from py2bpf.uapi.prog_types import KEEP_PACKET

wanted: Any = None
"""How many turns the loops shall have."""
begun: Any = None
"""How many have begun."""

ENDED, LEFT = 1, 2


def a_range(skb: Any) -> int:
    for i in range(wanted.value):
        begun.value = i + 1
    return ENDED


def a_range_that_goes_down(skb: Any) -> int:
    turns = 0
    for _ in range(wanted.value + 4, 4, -1):
        turns += 1
        begun.value = turns
    else:
        return ENDED


def a_range_that_is_left(skb: Any) -> int:
    """Its last turn is one of those that count, though it does not come to its end."""
    for i in range(1 << 40):
        begun.value = i + 1
        if i + 1 == wanted.value:
            return ENDED
    return LEFT


def a_while(skb: Any) -> int:
    turns = 0
    while turns < wanted.value:
        turns += 1
        begun.value = turns
    return ENDED


def a_while_with_branches(skb: Any) -> int:
    turns = odd = 0
    n = wanted.value
    while turns < n:
        turns += 1
        begun.value = turns
        if turns & 1:
            odd += 1
        else:
            odd ^= 2
    return ENDED if odd or not n else LEFT


def a_while_of_two_tests(skb: Any) -> int:
    turns = 0
    while turns < 1 << 40 and turns < wanted.value:
        turns += 1
        begun.value = turns
    return ENDED


def a_while_of_either_test(skb: Any) -> int:
    turns = 0
    while skb.mark or turns < wanted.value:
        turns += 1
        begun.value = turns
    return ENDED


def a_while_with_continue(skb: Any) -> int:
    turns = last = 0
    n = wanted.value
    while turns < n:
        turns += 1
        begun.value = turns
        if turns & 1:
            continue
        last = turns
    else:
        return ENDED if last <= n else LEFT


def a_while_that_always_continues(skb: Any) -> int:
    turns = 0
    while turns < wanted.value:
        turns += 1
        begun.value = turns
        if turns < 1 << 40:
            continue
        break
    else:
        return ENDED
    return LEFT


def a_while_that_is_left(skb: Any) -> int:
    turns = 0
    while True:
        turns += 1
        begun.value = turns
        if turns == wanted.value:
            break
        if turns & 1:
            continue
    return ENDED


def a_while_that_begins_with_its_end(skb: Any) -> int:
    turns = 0
    while True:
        if turns == wanted.value:
            return ENDED
        turns += 1
        begun.value = turns


def a_while_in_a_while(skb: Any) -> int:
    outer = turns = 0
    while outer < 2:
        outer += skb.len >> 4
        turns = 0
        while turns < wanted.value:
            turns += 1
            begun.value = turns
    return ENDED


def a_range_in_a_range(skb: Any) -> int:
    turns = 0
    for _ in range(skb.len & 1):
        for _ in range(wanted.value):
            turns += 1
            begun.value = turns
    return ENDED


def a_range_around_ranges(skb: Any) -> int:
    for i in range(wanted.value):
        begun.value = i + 1
        for j in range(skb.mark):
            if j == i:
                return LEFT
    return ENDED


def a_generator(skb: Any) -> int:
    odd = sum(i & 1 for i in range(wanted.value))
    begun.value = wanted.value
    return ENDED if odd == wanted.value // 2 else LEFT


def a_generator_that_decides(skb: Any) -> int:
    found = any(i + 1 == wanted.value for i in range(1 << 40))
    begun.value = wanted.value
    return ENDED if found else LEFT


def a_while_without_a_body(skb: Any) -> int:
    begun.value = 0
    while counted(wanted.value):
        pass
    return ENDED


def counted(limit: int) -> bool:
    """The tests are one more than the turns."""
    if begun.value == limit:
        return False
    begun.value += 1
    return True


FUNCTIONS = [fn for fn in list(globals().values()) if isinstance(fn, FunctionType) and fn.__name__.startswith("a_")]
FORMS = {"iterators": Target(), "bpf_loop": Target(iterators=False)}
LATE = {a_generator, a_generator_that_decides}
"""They tell of their turns at the end."""


@pytest.fixture(params=["kernel", "vm"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with vm.backend(request.param), Global(c_uint64) as limit, Global(c_uint64) as turns:
        monkeypatch.setitem(globals(), "wanted", limit)
        monkeypatch.setitem(globals(), "begun", turns)
        yield request.param


@pytest.mark.kernel
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_at_the_limit(fn: Callable[[Any], int], form: str, backend: str) -> None:
    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn, target=FORMS[form])
    with load_spec(spec, spec.captures) as prog:
        for turns in (1, MAX_ITERATIONS - 1, MAX_ITERATIONS)[:: 1 if backend == "kernel" else 2]:
            assert run(prog, turns) == (ENDED, turns, [])
        retval, made, errors = run(prog, MAX_ITERATIONS + 1)
        assert (retval, errors) == (KEEP_PACKET, ["TimeoutError"])
        assert fn in LATE or made in allowed(fn)


def allowed(fn: Callable[[Any], int]) -> range:
    return range(MAX_ITERATIONS, MAX_ITERATIONS + 1 + (fn is a_while_without_a_body))  # its tests count themselves


def run(prog: Any, turns: int) -> tuple[int, int, list[str]]:
    wanted.value, begun.value = turns, 0
    before = dict(prog.errors)
    retval = prog.test_run(bytes(14 + 51)).retval
    return retval, begun.value, [place.error for place, n in prog.errors.items() if n != before.get(place, 0)]


def of_constants(skb: Any) -> int:
    for i in range(8 * 1024 * 1024):
        begun.value = i + skb.mark + 1
    return ENDED


@pytest.mark.kernel
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("backend")
def test_of_constants(form: str) -> None:
    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, of_constants, target=FORMS[form])
    with load_spec(spec, spec.captures) as prog:
        assert run(prog, 0) == (ENDED, MAX_ITERATIONS, [])


@pytest.mark.parametrize("fn", [a_range, a_while], ids=lambda fn: fn.__name__)
def test_a_kernel_without_either_form(fn: Callable[[Any], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have to see the end; the VM, which need not, makes all turns."""
    with vm.backend("vm"), Global(c_uint64) as limit, Global(c_uint64) as turns:
        monkeypatch.setitem(globals(), "wanted", limit)
        monkeypatch.setitem(globals(), "begun", turns)
        target = Target(iterators=False, bpf_loop=False)
        spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn, target=target)
        with load_spec(spec, spec.captures) as prog:
            assert run(prog, MAX_ITERATIONS + 1) == (ENDED, MAX_ITERATIONS + 1, [])


@pytest.mark.parametrize("fn", [a_while_with_continue, a_while_that_always_continues, a_while_that_is_left])
def test_continue_makes_no_second_loop(fn: Callable[[Any], int]) -> None:
    assert len(bytecode.decode(fn.__code__).loops) == 1
