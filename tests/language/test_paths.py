"""Values where paths meet and in loops, and rare forms: all worlds agree on small programs."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from ctypes import c_char, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import Struct, sim, vm
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

PACKETS = [bytes(size) for size in (14, 15, 16, 17, 70)]
Pair = namedtuple("Pair", "low high")


class Name(Struct):
    text: c_char * 6
    number: c_uint32


def powers(skb: Any) -> int:
    n = skb.len
    return (n**0 + n**1 + n**3 * 5 + n**4 + n**7) & 0xFFFFFF


def a_namedtuple_of_two_paths(skb: Any) -> int:
    pair = Pair(3, 4)
    if skb.len > 15:
        pair = Pair(skb.len, 5)
    return pair.low * 100 + pair.high


def a_constant_namedtuple_of_two_paths(skb: Any) -> int:
    pair = Pair(skb.len, 5) if skb.len > 15 else FIXED
    return pair.low * 100 + pair.high


FIXED = Pair(8, 9)


def a_constant_tuple_that_a_loop_changes(skb: Any) -> int:
    numbers, n = (1, 2), skb.len
    while n > 3:
        numbers, n = (numbers[1], numbers[0] + n), n // 2
    return numbers[0] * 1000 + numbers[1]


def a_constant_tuple_that_a_loop_brings_back(skb: Any) -> int:
    n = skb.len
    numbers = (n, 2)
    while n > 3:
        n = n // 2
        if n == 5:
            numbers = (7, 8)
    return numbers[0] * 1000 + numbers[1]


def a_sum_that_begins_elsewhere(skb: Any) -> int:
    return sum((skb.len * n for n in (1, 2, 3)), 1000) + sum(skb.len + n for n in (4, 5))


def an_iterator_that_is_searched(skb: Any) -> int:
    items = iter((1, 2, 3, skb.len))
    return next(items) * 100 + next(items) if 2 in items else 0


def a_dict_with_none_as_a_key(skb: Any) -> int:
    table = {None: 7, 14: 1, 16: 2}
    wanted = skb.len if skb.len & 1 == 0 else None
    return table.get(wanted, 50) * 100 + table.get(skb.len, 60)


def a_range_of_numbers_of_unlike_types(skb: Any) -> int:
    start, found = skb.len - 15, 0
    for number in (0, 1, 2, 3, 20, (1 << 63) + 7, (1 << 64) - 1):
        unsigned = c_uint64(number + (skb.len & 0)).value
        found = found << 2 | (unsigned in range(start, 1 << 62, 3)) << 1 | (unsigned in range(start, (1 << 64) - 1, 2))
    return found


def a_range_of_more_turns_than_63_bits_hold(skb: Any) -> int:
    total, stop = 0, c_uint64((1 << 63) + skb.len).value
    for number in range(skb.len - 20, stop):
        if number > 2:
            break
        total += number + 10
    return total


def texts_and_bytes(skb: Any) -> int:
    name = Name(b"ab", skb.len)
    name.text = b"abcdef"
    found = name.text == b"abcdef"
    name.text = b"abc"
    return found << 3 | (name.text == b"abc") << 2 | name.text.startswith(b"abcd") << 1 | name.text.startswith(b"ab")


ALL = [powers, a_namedtuple_of_two_paths, a_constant_namedtuple_of_two_paths, a_constant_tuple_that_a_loop_changes,
       a_constant_tuple_that_a_loop_brings_back, a_sum_that_begins_elsewhere, an_iterator_that_is_searched,
       a_dict_with_none_as_a_key, a_range_of_numbers_of_unlike_types,
       a_range_of_more_turns_than_63_bits_hold, texts_and_bytes]  # fmt: skip


def compiled(fn: Callable[[Any], int]) -> list[tuple[int, list[str]]]:
    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        return [(prog.test_run(packet).retval, [site.error for site in prog.errors]) for packet in PACKETS]


def simulated(fn: Callable[[Any], int]) -> list[tuple[int, list[str]]]:
    found = [sim.run(fn, packet) for packet in PACKETS]
    return [(run.retval, [site.error for site in run.errors]) for run in found]


@pytest.mark.parametrize("fn", ALL, ids=lambda fn: fn.__name__)
def test_the_embedded_vm_agrees(fn: Callable[[Any], int]) -> None:
    with vm.backend():
        assert compiled(fn) == simulated(fn)


@pytest.mark.kernel
@pytest.mark.parametrize("fn", ALL, ids=lambda fn: fn.__name__)
def test_the_kernel_agrees(fn: Callable[[Any], int]) -> None:
    assert compiled(fn) == simulated(fn)
