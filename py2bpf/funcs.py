"""Functions that programs call: the kernel's helpers, and pseudo functions that the compiler expands.

Every helper of the table in ``py2bpf.uapi.helpers`` is an attribute of this module. Its name is the kernel's without
``bpf_``; ``help(py2bpf.funcs.NAME)`` shows what it does, and bpf-helpers(7) describes it in full. Sizes of buffers may
be left out: the compiler takes them from the buffer's ctypes type.
"""

from __future__ import annotations

from typing import Any, Final

from .checksum import csum_fold as csum_fold
from .checksum import csum_replace2 as csum_replace2
from .checksum import csum_replace4 as csum_replace4
from .intrinsics import Helper, Pseudo
from .uapi.helpers import HELPERS

addrof: Final = Pseudo(
    "addrof", "value",
    "The address of an object, or of a number that is a variable, a field or an item: if a helper writes there, the "
    "program reads the new value afterwards. For any other number it is the address of a copy, for helpers that read.",
)  # fmt: skip
memcpy: Final = Pseudo(
    "memcpy", "source, destination, size", "Copies a constant number of bytes: the source comes first."
)
mem_eq: Final = Pseudo(
    "mem_eq", "a, b, size=...", "Whether two objects (or an object and constant bytes) have the same bytes.", optional=1
)
packet_copy: Final = Pseudo(
    "packet_copy", "skb, offset, destination, size=...",
    "Copies bytes of the packet. True if the packet has them; else False, and the destination becomes zero.",
    optional=1,
)  # fmt: skip
load_skb_byte: Final = Pseudo(
    "load_skb_byte", "skb, offset", "A byte of the packet. If the packet is too short, the program ends with 0.",
    optional=1,
)  # fmt: skip
load_skb_short: Final = Pseudo(
    "load_skb_short", "skb, offset", "A 16-bit number of the packet, in host order. Otherwise like load_skb_byte.",
    optional=1,
)  # fmt: skip
load_skb_word: Final = Pseudo(
    "load_skb_word", "skb, offset", "A 32-bit number of the packet, in host order. Otherwise like load_skb_byte.",
    optional=1,
)  # fmt: skip
deref_u8: Final = Pseudo(
    "deref_u8", "address", "The byte at an address of the kernel (0 if it can't be read) or of an object."
)
deref_u16: Final = Pseudo("deref_u16", "address", "The 16-bit number at an address; see deref_u8.")
deref_u32: Final = Pseudo("deref_u32", "address", "The 32-bit number at an address; see deref_u8.")
deref_u64: Final = Pseudo("deref_u64", "address", "The 64-bit number at an address; see deref_u8.")
bswap16: Final = Pseudo("bswap16", "number", "The low 16 bits in the opposite byte order: htons() at run time.")
bswap32: Final = Pseudo("bswap32", "number", "The low 32 bits in the opposite byte order: htonl() at run time.")
bswap64: Final = Pseudo("bswap64", "number", "The 64 bits in the opposite byte order.")


def __getattr__(name: str) -> Any:
    info = HELPERS.get(name)
    if info is None:
        raise AttributeError(f"module {__name__!r} has no function {name!r}: neither a helper nor a pseudo function")
    helper = globals()[name] = Helper(info)
    return helper


def __dir__() -> list[str]:
    return sorted({*globals(), *HELPERS})
