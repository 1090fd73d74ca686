"""Internet checksums (RFC 1071, RFC 1624) as plain functions, for programs and for Python alike.

Sums of 16-bit words work in either byte order, as long as checksum and fields have the same one: both as a
BigEndianStructure gives them, or both as they lie in memory.
"""

from __future__ import annotations

__all__ = ["csum_fold", "csum_replace2", "csum_replace4"]


def csum_fold(total: int) -> int:
    """The checksum of data whose 16-bit (or 32-bit) words add up to ``total``, an unsigned 64-bit number."""
    total = (total >> 32) + (total & 0xFFFFFFFF)
    total = (total >> 32) + (total & 0xFFFFFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def csum_replace2(checksum: int, old: int, new: int) -> int:
    """A 16-bit checksum after a 16-bit word of the data has changed from ``old`` to ``new``."""
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + (new & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def csum_replace4(checksum: int, old: int, new: int) -> int:
    """Like csum_replace2, for a 32-bit word, for example an IPv4 address."""
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + (~old >> 16 & 0xFFFF) + (new & 0xFFFF) + (new >> 16 & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF
