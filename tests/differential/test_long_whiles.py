"""``while`` loops that count from a constant, too often to be unrolled: CPython, its simulation, the embedded VM and
the kernel agree, and the code that is left is short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from py2bpf import sim, vm
from py2bpf.exception import TranslationError
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext

PACKETS = [bytes(size) for size in (14, 15, 70, 200)]


def upwards(skb: Any) -> int:
    n = total = 0
    while n < 5000:
        n += 1
        total += skb.len
    return total


def downwards(skb: Any) -> int:
    total, n = skb.len, 5000
    while n:
        n -= 1
        total ^= n
    return total


def left_early(skb: Any) -> int:
    n = total = 0
    while n < 6000:
        n += 1
        total += n if total & 1 else skb.len
        if total > 70_000:
            break
    else:
        total += 1
    return total + n


def skipping(skb: Any) -> int:
    n, total = 0, skb.len
    while n < 5000:
        n += 1
        if n % 3 == 0:
            continue
        total += n
    else:
        total += 7
    return total


def with_loops_inside(skb: Any) -> int:
    n = total = 0
    while n < 1000:
        for i in range(10):
            if skb.len >> i & 1:
                total += n
        k = 0
        while k < 6:
            k += 1
            total ^= skb.len >> k
        n += 1
    return total


def a_tables_number_after_it(skb: Any) -> int:
    """Needs the constant that the loop ends with: it is unrolled after all."""
    n = total = 0
    while n < 400:
        n += 1
        total += skb.len
    names = ("a", "bc", "def")
    return total + len(names[n - 398])


def halved(n: int) -> int:
    while n > 3:
        n //= 2
    return n


def calling_loops(skb: Any) -> int:
    """Each of its turns finds out anew that the loop in what it calls has no known end."""
    n = total = 0
    while n < 250:
        total += halved(skb.len + n)
        n += 1
    return total


def nothing_but_constants(skb: Any) -> int:
    n = digits = 0
    while n < 3000:
        n += 1
        digits += len(str(n))
    return digits + skb.len


RUN_TIME = (upwards, downwards, left_early, skipping, with_loops_inside, calling_loops)


@pytest.mark.kernel
@pytest.mark.parametrize("fn", [*RUN_TIME, a_tables_number_after_it, nothing_but_constants], ids=lambda fn: fn.__name__)
def test_all_worlds_agree(fn: Callable[[Any], int]) -> None:
    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        kernel = [prog.test_run(packet).retval for packet in PACKETS]
    with vm.backend(), create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        embedded = [prog.test_run(packet).retval for packet in PACKETS]
    assert kernel == embedded == [sim.run(fn, packet).retval for packet in PACKETS]


@pytest.mark.parametrize("fn", RUN_TIME, ids=lambda fn: fn.__name__)
def test_the_loop_runs_in_the_kernel(fn: Callable[[Any], int]) -> None:
    assert len(compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn).code) < 150


def test_what_leaves_no_code_is_done_while_compiling() -> None:
    assert len(compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, nothing_but_constants).code) < 10


def test_a_long_loop_whose_body_needs_constants_is_refused_for_that() -> None:
    def grows(skb: Any) -> int:
        items = [skb.len]
        while len(items) < 5000:
            items.append(skb.len)
        return items[-1]

    with pytest.raises(TranslationError, match="a list or dict changes in a loop that runs at run time"):
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, grows)
