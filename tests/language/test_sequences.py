"""Tuples, lists and ranges with numbers of run time: the kernel, the embedded VM and Python's simulation agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from py2bpf import sim, vm
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

pytestmark = pytest.mark.kernel
PACKETS = [bytes(size) for size in (14, 15, 16, 17, 70)]


def by_a_test(skb: Any) -> int:
    return (skb.len, skb.mark)[skb.len > 15]


def by_a_number(skb: Any) -> int:
    """IndexError for the long packet, items from the end for the short ones."""
    return [skb.len * 3, 7, skb.mark, skb.len + 1][skb.len - 16]


def of_truths(skb: Any) -> int:
    chosen = (skb.len > 14, skb.len < 16)[skb.len & 1]
    return 1 if chosen is True else 2 if chosen is False else 3


def ends_of_a_range(skb: Any) -> int:
    """ValueError where the last range is empty."""
    n = skb.len
    upwards = max(range(1, n)) * 3 + min(range(n, 100, 7))
    return upwards + max(range(n, -50, -9)) * 5 + min(range(n, 3, -4)) + max(range(n, 70, 2))


def of_a_slice(skb: Any) -> int:
    items = [1, 2, skb.len, 4]
    items[1:3] = [9]
    items[:0] = (skb.len, 5)
    items[::2] = [skb.len + 1, 6, 8]
    return items[0] + 10 * items[1] + 100 * items[2] + 1000 * items[3] + 10000 * len(items)


def with_a_step_and_too_few(skb: Any) -> int:
    items = [1, 2, skb.len, 4]
    items[::2] = [9]
    return items[0]


def total(items: Any) -> Any:
    if not items:
        return 0
    return items[0] + total(items[1:])


def by_recursion(skb: Any) -> int:
    return total((skb.len, 5, skb.len * 2)) + total([skb.len, 1])


ALL = [by_a_test, by_a_number, of_truths, ends_of_a_range, of_a_slice, with_a_step_and_too_few, by_recursion]


@pytest.mark.parametrize("fn", ALL, ids=lambda fn: fn.__name__)
def test_all_worlds_agree(fn: Callable[[Any], int]) -> None:
    def runs() -> list[tuple[int, list[str]]]:
        found = []
        for packet in PACKETS:
            with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
                found.append((prog.test_run(packet).retval, [site.error for site in prog.errors]))
        return found

    def simulated(packet: bytes) -> tuple[int, list[str]]:
        result = sim.run(fn, packet)
        return result.retval, [site.error for site in result.errors]

    with vm.backend():
        embedded = runs()
    assert runs() == embedded == [simulated(packet) for packet in PACKETS]
