"""Simulations of the pseudo functions of ``py2bpf.funcs``."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable
from typing import Any, Final

from ..given import shown
from . import addresses, places, values
from .errors import ProgramEnd, SimulationError
from .running import Run
from .views import used

_SKF_NET_OFF, _SKF_LL_OFF = -0x100000, -0x200000
"""Offsets that count from the network and the link header, include/uapi/linux/filter.h."""
_OBJECTS: Final = (ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._SimpleCData)


def call(run: Run, function: Any, args: tuple[Any, ...]) -> Any:
    if len(args) not in function.counts:
        raise SimulationError(f"{function.signature} is called with {len(args)} arguments")
    return PSEUDO[function.__name__](run, args)


def target(args: tuple[Any, ...], index: int, name: str) -> Any:
    """The ctypes object of an argument. For a char array, the field itself, since ctypes passes a copy of its bytes."""
    value = args[index]
    if value is None:
        raise TypeError(f"argument {index + 1} of {name}() must be a ctypes object, not None")
    if isinstance(value, _OBJECTS):
        return used(value)
    found = places.argument(index) if isinstance(value, bytes) else None
    if found is None:
        raise SimulationError(
            f"argument {index + 1} of {name}() must be a ctypes object, not {shown(value)}"
            + ("; write the struct and its field in the call itself, as in get_current_comm(event.comm)"
               if isinstance(value, bytes) else "")
        )  # fmt: skip
    return found


def raw(value: Any) -> memoryview:
    """An object's bytes, to be read and written in place."""
    return memoryview(value).cast("B")


def _addrof(run: Run, args: tuple[Any, ...]) -> Any:
    number = isinstance(args[0], int)
    return addresses.meant(run.variables.address(args[0]) if number else target(args, 0, "addrof"))


def written(
    run: Run, args: tuple[Any, ...], index: int, name: str, in_packet: bool = False
) -> memoryview:
    """The bytes of an object to be written. Raises SimulationError for objects that the compiler refuses to write."""
    found = target(args, index, name)
    addresses.check_place(found, f"{name}()", run.context, in_packet)
    return raw(found)


def _memcpy(run: Run, args: tuple[Any, ...]) -> None:
    source, destination = raw(target(args, 0, "memcpy")), written(run, args, 1, "memcpy", in_packet=True)
    size = _size(args[2], "memcpy", source, destination)
    destination[:size] = bytes(source[:size])


def _mem_eq(_: Run, args: tuple[Any, ...]) -> bool:
    if args[0] is None or args[1] is None:
        raise TypeError("mem_eq() compares ctypes objects and bytes, not None")
    sides = [places.argument(index) or args[index] if isinstance(args[index], bytes) else args[index]
             for index in (0, 1)]  # fmt: skip
    data = [memoryview(used(side)).cast("B") for side in sides]
    constant = [len(memory) for memory, side in zip(data, sides, strict=True) if isinstance(side, bytes)]
    if len(args) == 2 and not constant and len(data[0]) != len(data[1]):
        raise SimulationError(f"mem_eq() of objects of {len(data[0])} and {len(data[1])} bytes needs a size")
    size = _size(args[2] if len(args) == 3 else constant[0] if constant else len(data[0]), "mem_eq", *data)
    return data[0][:size] == data[1][:size]


def _size(given: Any, name: str, *objects: memoryview) -> int:
    size = operator.index(values.plain(given))
    if size < 0 or any(size > len(each) for each in objects):
        raise SimulationError(f"{name}() of {size} bytes exceeds an object of {min(map(len, objects))}")
    return size


def packet_of(run: Run, name: str) -> Any:
    """The program's packet."""
    packet = run.context._packet
    if packet is None:
        raise SimulationError(f"{name}() needs a packet, and a {run.hook.name} program has none")
    return packet


def _packet_copy(run: Run, args: tuple[Any, ...]) -> bool:
    destination = written(run, args, 2, "packet_copy")
    size = _size(args[3] if len(args) == 4 else len(destination), "packet_copy", destination)
    found = packet_of(run, "packet_copy").read(operator.index(args[1]), size)
    destination[:size] = bytes(size) if found is None else found
    return found is not None


def _load_skb(size: int) -> Callable[[Run, tuple[Any, ...]], int]:
    def load(run: Run, args: tuple[Any, ...]) -> int:
        packet = packet_of(run, "load_skb_*")
        if not run.hook.packet_loads:
            raise SimulationError(f"load_skb_*() work in socket filters and traffic control, not in a "
                                  f"{run.hook.name} program")  # fmt: skip
        offset = ctypes.c_int32(args[-1]).value
        if offset < 0:
            begin, base = (14, _SKF_NET_OFF) if offset >= _SKF_NET_OFF else (0, _SKF_LL_OFF)
            at = offset - base
            found = bytes(packet.buffer[begin + at : begin + at + size]) if at >= 0 else b""
        else:
            found = packet.read(offset, size) or b""
        if len(found) < size:
            raise ProgramEnd(0)
        return int.from_bytes(found, "big")

    return load


def _deref(ctype: Any) -> Callable[[Run, tuple[Any, ...]], int]:
    size = ctypes.sizeof(ctype)

    def deref(run: Run, args: tuple[Any, ...]) -> int:
        if isinstance(args[0], (*_OBJECTS, bytes)):
            found: bytes | None = bytes(raw(target(args, 0, "deref"))[:size])
        else:
            found = run.environment.memory.read(args[0] & (1 << 64) - 1, size)
        return int(ctype.from_buffer_copy(found or bytes(size)).value)

    return deref


def _bswap(size: int) -> Callable[[Run, tuple[Any, ...]], int]:
    mask = (1 << 8 * size) - 1

    def bswap(_: Run, args: tuple[Any, ...]) -> int:
        return int.from_bytes((operator.index(args[0]) & mask).to_bytes(size, "little"), "big")

    return bswap


PSEUDO: Final[dict[str, Callable[[Run, tuple[Any, ...]], Any]]] = {
    "addrof": _addrof,
    "memcpy": _memcpy,
    "mem_eq": _mem_eq,
    "packet_copy": _packet_copy,
    "load_skb_byte": _load_skb(1),
    "load_skb_short": _load_skb(2),
    "load_skb_word": _load_skb(4),
    "deref_u8": _deref(ctypes.c_uint8),
    "deref_u16": _deref(ctypes.c_uint16),
    "deref_u32": _deref(ctypes.c_uint32),
    "deref_u64": _deref(ctypes.c_uint64),
    "bswap16": _bswap(2),
    "bswap32": _bswap(4),
    "bswap64": _bswap(8),
}
