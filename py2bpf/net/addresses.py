"""Addresses as structures, as headers contain them. ``str()`` gives an address's text, and ``of()`` parses the text."""

from __future__ import annotations

import ipaddress
import re
from ctypes import c_uint8, c_uint32, c_uint64
from typing import Annotated, Any, Final, Self

from ..borders import public
from ..exception import DataRangeError
from ..given import shown
from ..records import Struct

_OCTETS: Final = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")


class _Address(Struct):
    """The base of addresses: hashable, and shown as text."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.of({str(self)!r})"

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(bytes(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class MacAddress(_Address):
    """An EUI-48 of IEEE 802: six octets."""

    octets: Annotated[Any, c_uint8 * 6]

    @classmethod
    @public
    def of(cls, text: str) -> Self:
        """``MacAddress.of("02:00:00:00:00:01")``. Raises DataRangeError for any other text."""
        if not isinstance(text, str) or not _OCTETS.fullmatch(text):
            raise DataRangeError(f"{shown(text)} is no MAC address: it has six octets, like 02:00:00:00:00:01")
        return cls.from_buffer_copy(bytes(int(part, 16) for part in text.split(":")))

    def __str__(self) -> str:
        return ":".join(f"{octet:02x}" for octet in self.octets)


class Ipv4Address(_Address, big_endian=True):
    """``number`` equals ``int(ipaddress.IPv4Address(...))``; test it with ``address.number in ip_network(...)``."""

    number: Annotated[int, c_uint32]

    @classmethod
    @public
    def of(cls, text: str) -> Self:
        """``Ipv4Address.of("192.0.2.1")``. Raises DataRangeError for any other text."""
        try:
            return cls(int(ipaddress.IPv4Address(text)))
        except ValueError as error:
            raise DataRangeError(f"{text!r} is no IPv4 address: {error}") from None

    def __str__(self) -> str:
        return str(ipaddress.IPv4Address(self.number))


class Ipv6Address(_Address, big_endian=True):
    """``high`` and ``low`` are the first and the last 64 bits."""

    high: Annotated[int, c_uint64]
    low: Annotated[int, c_uint64]

    @classmethod
    @public
    def of(cls, text: str) -> Self:
        """``Ipv6Address.of("2001:db8::1")``. Raises DataRangeError for any other text."""
        try:
            found = ipaddress.IPv6Address(text)
            if found.scope_id is not None:
                raise DataRangeError(f"{text!r} has a zone, which no packet has: leave %{found.scope_id} out")
            return cls.from_buffer_copy(found.packed)
        except ValueError as error:
            raise DataRangeError(f"{text!r} is no IPv6 address: {error}") from None

    def __str__(self) -> str:
        return str(ipaddress.IPv6Address(bytes(self)))
