"""Encoding in the C core: turns symbolic instructions into the kernel's, and resolves jumps."""

from __future__ import annotations

from array import array
from typing import Any

from .._ffi import ffi, lib


class EncodingError(Exception):
    """Instruction number ``index`` can't be encoded: ``value`` is the number at fault, ``what`` the reason."""

    def __init__(self, error: int, index: int, value: int, what: str) -> None:
        super().__init__(f"instruction {index}: {what}: {value}")
        self.errno = error
        self.index = index
        self.value = value
        self.what = what


def fault_of(result: int, fault: Any) -> EncodingError:
    return EncodingError(-result, fault.index, fault.value, ffi.string(fault.what).decode())


def encode(syms: bytes) -> tuple[bytearray, array[int]]:
    """Encodes the result of asm.pack(). Returns the slots' bytes, and the slot where each instruction begins.

    Raises EncodingError.
    """
    source = ffi.from_buffer("struct p2b_sym[]", syms)
    count = len(source)
    slots = bytearray(16 * count)
    slot_of = array("I", bytes(4 * count))
    fault = ffi.new("struct p2b_fault *")
    n: int = lib.p2b_encode(
        source, count, ffi.from_buffer(slots), 2 * count, ffi.from_buffer("uint32_t[]", slot_of), fault
    )
    if n < 0:
        raise fault_of(n, fault)
    return slots[: 8 * n], slot_of


def relocate(slots: bytearray, fds: tuple[int, ...], kfuncs: tuple[int, ...] = ()) -> None:
    """Puts the maps' descriptors and the kernel functions' BTF numbers into freshly encoded slots.

    Raises EncodingError, whose ``index`` is a slot.
    """
    fault = ffi.new("struct p2b_fault *")
    result: int = lib.p2b_relocate(ffi.from_buffer(slots), len(slots) // 8, fds, len(fds), kfuncs, len(kfuncs), fault)
    if result < 0:
        raise fault_of(result, fault)
