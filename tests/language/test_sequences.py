"""Tuples, lists and ranges with numbers of run time: the kernel, the embedded VM and Python's simulation agree."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable
from ctypes import c_int16, c_uint8
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


PRIVATE = ipaddress.ip_network("10.0.0.0/8")
HOST = ipaddress.IPv4Network("255.255.255.255/32")
BASE = int(PRIVATE.network_address) - 16


class Size(enum.IntEnum):
    TINY = 1
    SMALL = 3
    LITTLE = 3
    LARGE = 56


class Plain(enum.Enum):
    NAME = "x"
    ONE = 1
    TRUE = 1.0


def in_networks(skb: Any) -> int:
    """The packet's length decides which side of the edges of a network a number is on."""
    n, found = skb.len, 0
    for number in (BASE + n, BASE + n + (1 << 24), n, -n, BASE + n + (1 << 32), 0xFFFF_FFFF - (n & 1)):
        found = found << 2 | (number in PRIVATE) << 1 | (number not in HOST)
    return found


def in_enumerations(skb: Any) -> int:
    n, found = skb.len, 0
    for number in (n, n - 13, n - 14, n + 1):
        found = found << 2 | (number in Size) << 1 | (number not in Plain)
    return found


def through_an_enumeration(skb: Any) -> int:
    total = len(Size) * 1000
    for number, size in enumerate(Size):
        total += (skb.len + size) * (number + 1) + size.value
        if skb.len == size:
            total += 100
    return total + sum(Size) + max(Size) + list(Size)[1]


FOUND = {0: 5, 1: 7, 56: -3}


def among_some_none(skb: Any) -> int:
    chosen = [FOUND.get(skb.len), skb.len, None, True, skb.len > 3][skb.len % 6]
    return 99 if chosen is None else chosen + 1


def after_a_test(skb: Any) -> int:
    found = FOUND.get(skb.len)
    return (1, found if found is not None else 7, skb.len)[skb.len % 3]


def none_where_a_number_is_needed(skb: Any) -> int:
    return (None, 3, FOUND.get(skb.len))[skb.len] + 1


BYTES = bytes(i * 7 % 251 for i in range(500))
TABLES = (BYTES, [i % 200 - 100 for i in range(500)], [i * i % 40000 for i in range(250)],
          tuple(-i * 100 for i in range(250)), [i << 24 for i in range(120)], [i << 56 for i in range(60)],
          [(i << 63) + i for i in (0, 1, 1, 0)], [True, False, True])  # fmt: skip


def tables_as_narrow_as_their_numbers(skb: Any) -> int:
    total = BYTES[skb.len * 7] + BYTES[-skb.len]
    for table in TABLES[1:]:
        total = total * 3 + (table[skb.len % 3] >> 1) + (table[-1 - skb.len % 3] < 0)
    return total


def ranges_with_their_numbers(skb: Any) -> int:
    total = 0
    for i, x in enumerate(range(skb.len)):
        total += i * x
    for i, x in enumerate(range(skb.len, 3, -7), 5):
        total = (total * 3 + i * x) & 0xFFFFFF
    for pair in enumerate(range(3, skb.len, 2), start=skb.len):
        total = (total * 3 + pair[0] * pair[1]) & 0xFFFFFF
    return total


def ranges_side_by_side(skb: Any) -> int:
    total = sum(i * x for i, x in zip(range(skb.len), range(10), strict=False))
    for i, x in zip(range(5, 100, 9), range(skb.len, -skb.len, -3), strict=False):
        total = (total * 3 + i * x) & 0xFFFFFF
    for i, x, y in zip(range(5, 100, 9), range(skb.len, -1, -3), range(skb.len // 9), strict=False):
        total = (total * 3 + i * x + y) & 0xFFFFFF
        for j, z in enumerate(range(y, skb.len % 7)):
            total += j * z + i
    return total


def extremes_with_defaults(skb: Any) -> int:
    n = skb.len
    least = min([n, 16], default=7) * 3 + min((c_uint8 * 3)(n, 2, 7), default=n)
    return max([], default=n) + max((), default=n > 15) * 5 + least + max([x * 2 for x in (n, 20)], default=1)


def among_bytes(skb: Any) -> int:
    """ValueError where the number is none that a byte can be."""
    n = skb.len
    return (n in b"\x02\x38\x02") * 2 + (n not in BYTES) + (n - 2 in bytes(2)) * 4


def classes_of_numbers(skb: Any) -> int:
    n, found = skb.len, FOUND.get(skb.len)
    told = isinstance(n, bool) + isinstance(n > 3, bool) * 2 + isinstance(n, (str, bool)) * 4 + isinstance(n, int) * 8
    told += isinstance(found, (bool, type(None))) * 16 + isinstance(found, int) * 32
    return told + isinstance(not n, bool) * 64


def arrays_beside_ranges(skb: Any) -> int:
    first, second = (c_uint8 * 8)(*range(8)), (c_int16 * 5)(-1, 5, 7, 9, -3)
    total = 0
    for i, x, y in zip(range(skb.len), first, second, strict=False):
        total = total * 3 + i * x - y
    rows = enumerate(zip(first, range(skb.len % 7), strict=False))
    for k, (i, x) in rows:
        if k == 5:
            break
        total = total * 3 + i * x + k
    else:
        total += 1
    return total & 0xFFFFFF


ALL = [extremes_with_defaults, among_bytes, classes_of_numbers,
       ranges_with_their_numbers, ranges_side_by_side, arrays_beside_ranges, among_some_none, after_a_test,
       none_where_a_number_is_needed, tables_as_narrow_as_their_numbers, in_networks, in_enumerations,
       through_an_enumeration, by_a_test, by_a_number, of_truths, ends_of_a_range, of_a_slice,
       with_a_step_and_too_few, by_recursion]


@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
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
