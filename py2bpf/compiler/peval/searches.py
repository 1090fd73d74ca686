"""What ``x in ...`` of a number of run time means for captured objects that Python searches by code of its library:
networks and enumerations become the numbers that are in them."""

from __future__ import annotations

import enum
import ipaddress
import numbers
from typing import Any

from ...exception import TypeMismatch
from .values import Abstract, Const


def of_numbers(container: Abstract) -> Abstract:
    """The range or tuple of numbers that a container holds; anything else as it is."""
    obj = container.obj if isinstance(container, Const) else None
    if type(obj) is ipaddress.IPv4Network:
        return Const(range(int(obj.network_address), int(obj.broadcast_address) + 1))
    if isinstance(obj, ipaddress.IPv6Network):
        raise TypeMismatch(0, "an IPv6 address has 128 bits, and a number 64 at most",
                           hints=("use an LpmTrieMap whose keys are c_uint8 * 16",))  # fmt: skip
    return Const(_values(obj)) if type(obj) is enum.EnumMeta else container


def _values(cls: Any) -> tuple[Any, ...]:
    """The numbers that an enumeration has names for, as Python 3.12 looks for them."""
    if issubclass(cls, enum.Flag):
        raise TypeMismatch(0, f"flags are combined, and {cls.__name__} doesn't list what a number may be",
                           hints=("test its bits: n & flag",))  # fmt: skip
    return tuple(value for member in cls if isinstance(value := member.value, numbers.Number))
