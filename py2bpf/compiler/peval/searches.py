"""``x in ...``: compares items one after the other, and replaces captured objects that the library searches in Python.

Networks and enumerations become the numbers in them.
"""

from __future__ import annotations

import enum
import ipaddress
import numbers
from typing import Any

from ...exception import TypeMismatch
from ..ir.ops import Op
from ..ir.values import Value, const
from . import arith, hints, iterators, kind
from .machine import Machine
from .state import State
from .values import Abstract, Const, RuntimeInt


def of_numbers(container: Abstract) -> Abstract:
    """The range or tuple of the numbers in a network or enumeration; any other container itself."""
    obj = container.obj if isinstance(container, Const) else None
    if type(obj) is ipaddress.IPv4Network:
        return Const(range(int(obj.network_address), int(obj.broadcast_address) + 1))
    if isinstance(obj, ipaddress.IPv6Network):
        raise TypeMismatch(0, "an IPv6 address has 128 bits, and a number 64 at most",
                           hints=("use an LpmTrieMap whose keys are c_uint8 * 16",))  # fmt: skip
    return Const(_values(obj)) if type(obj) is enum.EnumMeta else container


def _values(cls: Any) -> tuple[Any, ...]:
    """The numbers that an enumeration has names for, as ``in`` finds them since Python 3.12."""
    if issubclass(cls, enum.Flag):
        raise TypeMismatch(0, f"{cls.__name__} is a class of flags, whose members don't list all combinations",
                           hints=("test its bits: n & flag",))  # fmt: skip
    return tuple(value for member in cls if isinstance(value := member.value, numbers.Number))


def through(ev: Machine, state: State, container: Abstract, item: Abstract, hashed: bool = False) -> Value:
    """``item in container``, item by item. ``hashed``: the container is a dict or set, where texts never equal numbers.
    """
    items = kind.of(container).stored(ev.b, state, container)
    if items is None:
        raise TypeMismatch(0, f"can't search {container.describe()}", hints=(hints.for_search(container),))
    result, known = const(0), True
    for candidate in items:
        if hashed and isinstance(item, RuntimeInt) and _is_text(candidate):
            continue
        equal = arith.condition(ev.b, ev.operate(state, "==", item, candidate))
        result = ev.b.emit(Op.OR, [result, equal], equal.type)
        known = known and equal.op is Op.CONST
        if known and equal.attr:
            break
    if not known:
        iterators.lose(state, container, "in")
    return result


def _is_text(value: Abstract) -> bool:
    return isinstance(value, Const) and isinstance(value.obj, (str, bytes))
