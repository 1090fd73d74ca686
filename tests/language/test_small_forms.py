"""Small forms of the language, as CPython has them: the kernel, the embedded VM and Python's simulation agree."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from py2bpf import sim, vm
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

pytestmark = pytest.mark.kernel
PACKETS = [bytes(size) for size in (14, 15, 16, 17, 18, 20, 70)]


def class_patterns(skb: Any) -> int:
    match skb.len:
        case str() | bytes():
            return 1
        case 1 | 2:
            return 2
        case int(n) if n > 3:
            return n + 3
        case int():
            return 4
    return 5


def class_patterns_of_parts(skb: Any) -> int:
    found = 1
    for pair in ((skb.len, None), [skb.len, b"x"], {1: skb.len}, (skb.len, skb.mark)):
        match pair:
            case dict():
                found = found * 10 + 1
            case list([int(a), bytes(text)]):
                found = found * 10 + a + len(text)
            case (int(a), None):
                found = found * 10 + a
            case tuple(items):
                found = found * 10 + items[0] + 2
    return found


def classes_of_values(skb: Any) -> int:
    pair, items = (skb.len, 1), [skb.len]
    return isinstance(pair, tuple) * 4 + isinstance(items, (set, list)) * 2 + isinstance({1: skb.len}, tuple)


def a_class_or_none(skb: Any) -> int:
    table = {1: 5, 2: skb.len + 5}
    value = table.get(skb.len)
    match value:
        case None:
            return 70
        case int(number):
            return number + isinstance(value, int)
    return 0


def dicts_with_none(skb: Any) -> int:
    table = {0: None, 1: 3, 2: skb.len, 3: None}
    first, second = table.get(skb.len), table.get(skb.len, 9)
    third = {0: None}.get(skb.len - 1, table.get(skb.len + 1, 8))
    found = (1 if first is None else first + 2) + (100 if second is None else second * 100)
    return found + (10000 if third is None else third * 10000)


def items_of_dicts_with_none(skb: Any) -> int:
    """KeyError for all but three of the packets."""
    value = {0: None, 1: 3, 2: skb.len}[skb.len]
    return 70 if value is None else value


def dicts_of_what_may_be_none(skb: Any) -> int:
    may_be_none = {1: 3, 5: 0}.get(skb.len)
    value = {1: may_be_none, 2: 7, 3: None}.get(skb.len & 3, 4)
    return 70 if value is None else value


class Otherwise(dict[int, Any]):
    def __missing__(self, key: int) -> int:
        return key + 1


OTHERWISE = Otherwise({0: None, 1: 3})


def captured_dicts_with_none(skb: Any) -> int:
    value = OTHERWISE[skb.len]
    return 200 if value is None else value


def items_of_ranges(skb: Any) -> int:
    """IndexError for two packets."""
    n = skb.len + 3
    return range(n)[2] + range(n)[-1] * 100 + range(n, -9, -3)[n - 6] * 10000 + range(3, 90, 2)[n - 15]


def items_beyond_ranges(skb: Any) -> int:
    """IndexError on both sides."""
    return range(1, skb.len, 2)[1] + range(skb.len, 17)[-1]


def ends_of_64_bits(skb: Any) -> int:
    n = skb.len
    top, bottom = (1 << 63) - 1 - n, -(1 << 63) + n
    far = range(bottom, top)
    last = range(bottom, top, 1 << 61)[-1]
    return (far[0] == bottom) * 4 + (far[-1] == top - 1) * 2 + (far[n] - bottom == n) + (last > n) * 8


def beyond_the_ends(skb: Any) -> int:
    return range(skb.len)[-(1 << 63) + (skb.len & 1)]


def products(items: Any, others: Any) -> int:
    total = 0
    for a, b in zip(items, others, strict=True):
        total += a * b
    return total


def strict_zips(skb: Any) -> int:
    """ValueError for three packets, at either side."""
    n = skb.len
    if n == 1:
        return products((1, n, 2), (3, n))
    if n == 2:
        return products([1], (3, n))
    if n == 3:
        return products((), (3, n))
    total = products([1, 2], (3, n))
    for a, b, c in zip((1, n), [3, 4, 5], {5: 1, 6: 2}, strict=False):
        total += a * b + c
    return total + len(tuple(zip(strict=True)))


def strict_zips_after_the_end(skb: Any) -> int:
    """What the shorter one ends at is taken from the longer one before."""
    items = iter((skb.len, 2, 3))
    total = 0
    for a, b in zip(items, (1, 2)):
        total += a * b
    return total + sum(items)


def shorter(n: int, by: int) -> int:
    return -(n % by)


def extremes_by_keys(skb: Any) -> int:
    n = skb.len
    first = min((n, 33, 61, n + 1), key=lambda x: x % 10)
    second = max(n, 14, 70, key=lambda x: shorter(x, 7))
    third = max([(n, 1), (n + 1, 3), (2, 3)], key=lambda pair: pair[1])[0]
    return first + second * 100 + third * 10000 + max([n], key=None)


def truths_by_keys(skb: Any) -> int:
    found = max((skb.len > 2, False), key=lambda truth: not truth)
    return 1 if found is False else 2 if found is True else 3


def no_extreme_by_a_key(skb: Any) -> int:
    """ValueError, where there are no items."""
    items = [skb.len]
    if skb.len > 2:
        items.pop()
        return min(items, key=lambda n: n)
    return min(items, key=lambda n: -n)


CONSTANT = {1: 7, 5: 8}


def unions_of_dicts(skb: Any) -> int:
    n = skb.len
    united = {1: n, 2: 4} | CONSTANT | {3: n + 1}
    found = united[1] + united[5] * 10 + united[3] * 100 + len(united) * 10000
    other = united
    other |= {2: n * 2} | {}
    other = other | {1: 9}
    total = 0
    for number, key in enumerate(united):
        total += number * key + united[key]
    return found + total * 100000 + other[1] + united.get(n, 3)


class Pair(NamedTuple):
    low: int
    high: int = 5

    def total(self) -> int:
        return self.low + self.high


Triple = collections.namedtuple("Triple", "a b c")


def namedtuples(skb: Any) -> int:
    n = skb.len
    pair = Pair(n)._replace(high=n + 2)
    constant = Pair(1, 2)._replace(low=n)
    triple = Triple._make([n, n + 1, 4])
    total = 0
    for name, value in triple._asdict().items():
        total += value * len(name)
    same = triple._replace() == triple and isinstance(triple, Triple) and pair._fields == ("low", "high")
    return pair.total() + constant.total() * 100 + total * 10000 + same * 4


ALL = [unions_of_dicts, namedtuples, strict_zips, strict_zips_after_the_end, extremes_by_keys,
       truths_by_keys, no_extreme_by_a_key,
       dicts_with_none, items_of_dicts_with_none, dicts_of_what_may_be_none, captured_dicts_with_none, items_of_ranges,
       items_beyond_ranges, ends_of_64_bits, beyond_the_ends,
       class_patterns, class_patterns_of_parts, classes_of_values, a_class_or_none]


@pytest.mark.parametrize("fn", ALL, ids=lambda fn: fn.__name__)
def test_all_worlds_agree(fn: Callable[[Any], int]) -> None:
    def runs() -> list[tuple[int, list[str]]]:
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
            found = []
            for packet in PACKETS:
                before = dict(prog.errors)
                retval = prog.test_run(packet).retval
                found.append((retval, [site.error for site, n in prog.errors.items() if n != before.get(site, 0)]))
        return found

    def simulated(packet: bytes) -> tuple[int, list[str]]:
        result = sim.run(fn, packet)
        return result.retval, [site.error for site in result.errors]

    with vm.backend():
        embedded = runs()
    assert runs() == embedded == [simulated(packet) for packet in PACKETS]
