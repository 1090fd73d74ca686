"""``number in network`` and ``number in MyIntEnum`` with their meaning in programs, which CPython lacks.

In CPython, only address objects can be in a network, and before 3.12 only members can be in an enumeration; a number
raises AttributeError or TypeError. In a simulated program, the number is looked up; elsewhere nothing changes.
"""

from __future__ import annotations

import enum
import functools
import ipaddress
from collections.abc import Callable
from typing import Any

from ..worlds import CURRENT


def _in_network(network: ipaddress.IPv4Network, number: int) -> bool:
    return int(network.network_address) <= number <= int(network.broadcast_address)


def _in_enum(cls: Any, number: int) -> bool:
    if issubclass(cls, enum.Flag):
        raise TypeError(f"{cls.__name__} is a class of flags, whose members don't list all combinations")
    return any(number == member.value for member in cls)


def _teach(owner: Any, found: Callable[[Any, int], bool]) -> None:
    """Makes ``in`` call ``found`` for a number in a simulated program."""
    original = owner.__contains__

    @functools.wraps(original)
    def contains(self: Any, item: Any) -> bool:
        number = isinstance(item, int) and not isinstance(item, enum.Enum) and CURRENT.get() is not None
        return found(self, item) if number else original(self, item)

    owner.__contains__ = contains


@functools.cache
def teach() -> None:
    """Installs both meanings, once in the life of the process, when the first program is simulated."""
    _teach(ipaddress.IPv4Network, _in_network)
    _teach(enum.EnumMeta, _in_enum)
