"""Helpers that read and write packets, and checksums; see net/core/filter.c and RFC 1071, RFC 1624."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable
from typing import Any, Final

from ..uapi.hooks import Setup, row_of
from ..uapi.tc import TcAction
from ..uapi.xdp import XdpAction
from .contexts import refresh
from .errors import SimulationError
from .packet import ETHERNET, Packet
from .pseudo import packet_of
from .running import Run

_EINVAL, _EFAULT, _ENOMEM = -errno.EINVAL, -errno.EFAULT, -errno.ENOMEM
_PSEUDO_HEADER, _MANGLED_0, _ENFORCE = 0x10, 0x20, 0x40
_XDP_OFFSET_MAX: Final = 0xFFFF
_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1


def _load_bytes(s: Run, _ctx: Any, offset: int, out: memoryview) -> int:
    found = packet_of(s, "skb_load_bytes").read(offset & _U32, len(out)) if len(out) else b""
    out[:] = bytes(len(out)) if found is None else found
    return _EFAULT if found is None else 0


def _load_relative(s: Run, _ctx: Any, offset: int, out: memoryview, header: int) -> int:
    """``header`` is the start of the offset: the link header (0) or the network header (1)."""
    packet = packet_of(s, "skb_load_bytes_relative")
    begin = {0: 0, 1: ETHERNET}.get(header)
    at = None if begin is None else begin + (offset & _U32)
    if at is None or at + len(out) > len(packet.buffer):
        out[:] = bytes(len(out))
        return _EFAULT
    out[:] = packet.buffer[at : at + len(out)]
    return 0


def _writable(s: Run, name: str) -> Packet:
    packet: Packet = packet_of(s, name)
    if not s.hook.packet_stores:
        row = row_of(s.hook)
        who = row.program if row is not None else f"{s.hook.name} program"
        raise SimulationError(f"{name}() is for programs that may change packets; a {who} may not")
    return packet


def _store_bytes(s: Run, _ctx: Any, offset: int, data: bytes, flags: int) -> int:
    if flags & ~3:
        return _EINVAL
    packet = _writable(s, "skb_store_bytes")
    return 0 if (offset & _U32) < 1 << 31 and packet.write(offset & _U32, data) else _EFAULT


def _xdp_store(s: Run, _ctx: Any, offset: int, data: bytes) -> int:
    packet = _writable(s, "xdp_store_bytes")
    if offset & _U32 > _XDP_OFFSET_MAX:
        return _EFAULT
    return 0 if packet.write(offset & _U32, data) else _EINVAL


def _xdp_load(s: Run, _ctx: Any, offset: int, out: memoryview) -> int:
    found = packet_of(s, "xdp_load_bytes").read(offset & _U32, len(out))
    if offset & _U32 > _XDP_OFFSET_MAX:
        return _EFAULT
    if found is None:
        return _EINVAL
    out[:] = found
    return 0


def _length(s: Run, _ctx: Any) -> int:
    return len(packet_of(s, "xdp_get_buff_len"))


def _pull(s: Run, _ctx: Any, size: int) -> int:
    return 0 if (size & _U32) <= len(packet_of(s, "skb_pull_data")) else _ENOMEM


def _change_tail(s: Run, _ctx: Any, length: int, flags: int) -> int:
    packet = _writable(s, "skb_change_tail")
    length &= _U32
    if flags or not ETHERNET <= length <= packet.room:
        return _EINVAL
    packet.resize(length)
    refresh(s.context)
    return 0


def _adjust_tail(s: Run, _ctx: Any, delta: int) -> int:
    packet = _writable(s, "xdp_adjust_tail")
    delta = ctypes.c_int32(delta).value
    if not ETHERNET - len(packet) <= delta <= packet.tailroom:
        return _EINVAL
    packet.resize(len(packet) + delta)
    refresh(s.context)
    return 0


def _adjust_head(s: Run, _ctx: Any, delta: int) -> int:
    packet = _writable(s, "xdp_adjust_head")
    delta = ctypes.c_int32(delta).value
    if not -len(packet.front) <= delta <= packet.direct - ETHERNET:
        return _EINVAL
    packet.move_front(delta)
    refresh(s.context)
    return 0


def _field(name: str) -> Callable[..., int]:
    def read(_s: Run, ctx: Any) -> int:
        return int(getattr(ctx, name))

    return read


def _set_hash(_s: Run, ctx: Any, value: int) -> int:
    ctx.struct.hash = value & _U32
    return 0


def _invalidate_hash(_s: Run, ctx: Any) -> None:
    ctx.struct.hash = 0


def _change_type(s: Run, ctx: Any, kind: int) -> int:
    """Allows only the types of received packets, both before and after: PACKET_HOST to PACKET_OTHERHOST."""
    if (kind & _U32) > 3 or ctx.struct.pkt_type > 3:
        return _EINVAL
    ctx.struct.pkt_type = kind
    return 0


def _redirect(s: Run, ifindex: int, flags: int) -> int:
    row = row_of(s.hook)
    if row is not None and row.setup is Setup.XDP:
        return int(XdpAction.ABORTED if flags else XdpAction.REDIRECT)
    return int(TcAction.SHOT if flags & ~1 else TcAction.REDIRECT)


# Checksums. Numbers of 16 and 32 bits are in the packet's byte order, which makes no difference to one's complement.


def fold(total: int) -> int:
    """A sum's 16 bits, with the carries added (csum_from32to16)."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def add32(a: int, b: int) -> int:
    """One's complement addition of 32 bits (csum_add)."""
    total = (a & _U32) + (b & _U32)
    return (total & _U32) + (total >> 32)


def total_of(data: bytes, seed: int = 0) -> int:
    """The one's complement sum of the data in the machine's order, in 32 bits. Adds 64 bits at a time like
    csum_partial(), which decides which of the two zeros of one's complement a sum is.
    """
    total = seed & _U32
    for word in memoryview(data + bytes(-len(data) % 8)).cast("Q"):
        total += word
        total = (total & _U64) + (total >> 64)
    return add32(total >> 32, total)


def _replaced(checksum: int, old: int, new: int) -> int:
    """csum_replace4()."""
    return ~fold(add32(add32(~checksum & _U32, ~old & _U32), new)) & 0xFFFF


def _replaced_by_difference(checksum: int, difference: int) -> int:
    """csum_replace_by_diff()."""
    return ~fold(add32(difference, ~checksum & _U32)) & 0xFFFF


def _replaced16(checksum: int, old: int, new: int) -> int:
    """csum_replace2()."""
    return ~_add16(_add16(~checksum & 0xFFFF, ~old & 0xFFFF), new & 0xFFFF) & 0xFFFF


def _add16(a: int, b: int) -> int:
    total = a + b
    return (total & 0xFFFF) + (total >> 16)


def _csum_at(packet: Packet, offset: int) -> memoryview | None:
    """The two bytes of a checksum in the packet, as a number in the machine's order."""
    offset &= _U32
    at = packet.start + offset
    if offset > 0xFFFF or offset & 1 or at + 2 > len(packet.buffer):
        return None
    return memoryview(packet.buffer)[at : at + 2].cast("H")


def _l3_replace(s: Run, _ctx: Any, offset: int, old: int, new: int, flags: int) -> int:
    if flags & ~0xF:
        return _EINVAL
    place = _csum_at(_writable(s, "l3_csum_replace"), offset)
    if place is None:
        return _EFAULT
    if flags == 0 and old == 0:
        place[0] = _replaced_by_difference(place[0], new)
    elif flags == 2:
        place[0] = _replaced16(place[0], old, new)
    elif flags == 4:
        place[0] = _replaced(place[0], old, new)
    else:
        return _EINVAL
    return 0


def _l4_replace(s: Run, _ctx: Any, offset: int, old: int, new: int, flags: int) -> int:
    """A UDP checksum of 0 means no checksum, and is kept unless flags say otherwise. A result of 0 becomes 0xffff."""
    size = flags & 0xF
    if flags & ~(_PSEUDO_HEADER | _MANGLED_0 | _ENFORCE | 0xF):
        return _EINVAL
    place = _csum_at(_writable(s, "l4_csum_replace"), offset)
    if place is None:
        return _EFAULT
    if flags & _MANGLED_0 and not flags & _ENFORCE and not place[0]:
        return 0
    if size == 0 and old == 0:
        place[0] = _replaced_by_difference(place[0], new)
    elif size in (2, 4):
        mask = (1 << 8 * size) - 1
        place[0] = _replaced(place[0], old & mask, new & mask)
    else:
        return _EINVAL
    if flags & _MANGLED_0 and not place[0]:
        place[0] = 0xFFFF
    return 0


def _csum_diff(_s: Run, old: bytes, new: bytes, seed: int) -> int:
    """Works for all sizes, as since Linux 6.13; before, sizes that are no multiples of 4 gave -EINVAL."""
    if old and new:
        return fold(add32(total_of(new, seed), ~total_of(old) & _U32))
    if new:
        return fold(total_of(new, seed))
    return fold(~total_of(old, ~seed) & _U32) if old else seed & _U32


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "skb_load_bytes": _load_bytes,
    "skb_load_bytes_relative": _load_relative,
    "skb_store_bytes": _store_bytes,
    "skb_pull_data": _pull,
    "skb_change_tail": _change_tail,
    "skb_change_type": _change_type,
    "xdp_load_bytes": _xdp_load,
    "xdp_store_bytes": _xdp_store,
    "xdp_get_buff_len": _length,
    "xdp_adjust_tail": _adjust_tail,
    "xdp_adjust_head": _adjust_head,
    "get_hash_recalc": _field("hash"),
    "set_hash": _set_hash,
    "set_hash_invalid": _invalidate_hash,
    "redirect": _redirect,
    "redirect_peer": _redirect,
    "l3_csum_replace": _l3_replace,
    "l4_csum_replace": _l4_replace,
    "csum_diff": _csum_diff,
    "csum_update": lambda _s, _ctx, _checksum: -524,
    "csum_level": lambda _s, _ctx, _level: -13,
    "skb_set_tstamp": lambda _s, _ctx, _time, _kind: -95,
}
"""The simulations of these helpers."""
