"""``number in network`` and ``number in MyIntEnum`` as programs mean it, where CPython knows neither.

CPython's networks hold address objects only, and before 3.12 enumerations hold members only: there a number raises an
AttributeError or TypeError. Within a simulated program it is looked for; elsewhere everything stays as it is.
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
    """Lets ``in`` ask ``found`` for a number within a simulated program."""
    original = owner.__contains__

    @functools.wraps(original)
    def contains(self: Any, item: Any) -> bool:
        number = isinstance(item, int) and not isinstance(item, enum.Enum) and CURRENT.get() is not None
        return found(self, item) if number else original(self, item)

    owner.__contains__ = contains


@functools.cache
def teach() -> None:
    """Once in the life of the process, when the first program is simulated."""
    _teach(ipaddress.IPv4Network, _in_network)
    _teach(enum.EnumMeta, _in_enum)
