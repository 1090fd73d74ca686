"""A new kind of value is one module, with its data and operations, and one line that registers it.

The kind here is an interval of integers. The operations of its class work in programs, also in loops and where paths
meet; missing ones are errors of the base class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from py2bpf import vm
from py2bpf.compiler.ir.ops import Op
from py2bpf.compiler.ir.values import Value
from py2bpf.compiler.peval import arith, callables, kind
from py2bpf.compiler.peval.kind import Object
from py2bpf.compiler.peval.machine import Machine
from py2bpf.compiler.peval.state import State
from py2bpf.compiler.peval.values import Abstract
from py2bpf.exception import TypeMismatch
from py2bpf.socket_filter import SocketFilter


class Interval(NamedTuple):
    """What the kind is for CPython."""

    low: int
    high: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.low <= number <= self.high


@dataclass(slots=True, eq=False)
class IntervalOf(Abstract):
    words = "an interval"
    by_fields = True

    low: Abstract
    high: Abstract


class IntervalKind(Object[IntervalOf]):
    def attribute(self, ev: Machine, state: State, value: IntervalOf, name: str) -> Abstract:
        return getattr(value, name) if name in ("low", "high") else super().attribute(ev, state, value, name)

    def contains(self, ev: Machine, state: State, value: IntervalOf, item: Abstract) -> Value:
        number = arith.to_ir(ev.b, item)
        low, high = (arith.to_ir(ev.b, end) for end in (value.low, value.high))
        return arith.both(ev.b, ev.b.compare(Op.GE, number, low), ev.b.compare(Op.LE, number, high))


def made(call: callables.Call) -> Abstract | None:
    return IntervalOf(*call.args) if call.fn is Interval and call.objects is None else None


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(callables, "_ROWS", (made, *callables._ROWS))
    monkeypatch.setattr(kind, "_KINDS", dict(kind._KINDS))
    kind.register({IntervalOf: IntervalKind()})
    yield


def answers(fn: Callable[[Any], int], length: int) -> int:
    """What a program gives for a packet of that many bytes behind its Ethernet header."""
    with vm.backend(), SocketFilter(fn) as filter:
        return filter.prog.test_run(bytes(length + 14)).retval


def in_program(skb: Any) -> int:
    bounds = Interval(skb.len - 3, skb.len + 3)
    return (bounds.low in bounds) + 2 * (skb.len + 4 in bounds) + 4 * bool(bounds)


def at_paths(skb: Any) -> int:
    bounds = Interval(skb.len, 70) if skb.len > 64 else Interval(10, skb.len)
    found = 0
    for number in range(skb.len * 2):
        found += number in bounds
    return found


@pytest.mark.parametrize("length", [40, 66])
def test_what_it_defines(length: int) -> None:
    assert answers(in_program, length) == 5
    low, high = (length, 70) if length > 64 else (10, length)
    assert answers(at_paths, length) == len(range(low, high + 1))


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda skb: len(Interval(skb.len, 1)), "an interval has no length that a program knows"),
        (lambda skb: Interval(skb.len, 1)[0], "an interval can't be indexed with []"),
        (lambda skb: Interval(skb.len, 1)(), "an interval can't be called"),
        (lambda skb: Interval(skb.len, 1).middle, "an interval has no attribute 'middle'"),
        (lambda skb: Interval(skb.len, 1) + 1, "the operator + needs integers, but this is an interval"),
        (lambda skb: Interval(skb.len, 1) == 1, "can't compare an interval with the int 1"),
        (lambda skb: sum(Interval(skb.len, 1)), "can't add up an interval"),
        (lambda skb: print(Interval(skb.len, 1)), "can't print an interval"),
        (lambda skb: Interval(skb.len, 1), "a program returns an integer, but this is an interval"),
    ],
)
def test_what_it_leaves_out(fn: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(TypeMismatch) as raised:
        answers(fn, 40)
    assert message in str(raised.value)
