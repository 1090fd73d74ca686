"""The sizes and signs of C's numbers, by the text of a declaration or by a type's number in BTF.

C's own words mean the same in every 64-bit kernel. Typedefs and enumerations are looked up in the kernel's BTF, or, if
the kernel has none, in a table of the typedefs that system calls use.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final, NamedTuple

from ..exception import NotSupported
from .reader import Btf
from .types import Enum, Kind, Scalar


class Number(NamedTuple):
    """A number type of C. A pointer counts as the number that is its address."""

    size: int
    signed: bool

    @property
    def ctype(self) -> Any:
        """The ctypes type; a bool is the number 0 or 1. None for sizes that no register has."""
        return (_SIGNED if self.signed else _UNSIGNED).get(self.size)


_SIGNED: Final = {1: ctypes.c_int8, 2: ctypes.c_int16, 4: ctypes.c_int32, 8: ctypes.c_int64}
_UNSIGNED: Final = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
_POINTER: Final = Number(8, False)
_QUALIFIERS: Final = re.compile(r"\b(const|volatile|restrict|__user|__kernel|__iomem|__percpu|__rcu|__seg_\w+)\b")
_WORDS: Final = frozenset({"signed", "unsigned", "char", "short", "int", "long"})

_S32, _U32, _S64, _U64 = Number(4, True), Number(4, False), Number(8, True), Number(8, False)
_TYPEDEFS: Final = {
    **dict.fromkeys(("bool", "_Bool"), Number(1, False)),
    **dict.fromkeys(("u8", "__u8", "uint8_t"), Number(1, False)),
    **dict.fromkeys(("s8", "__s8", "int8_t"), Number(1, True)),
    **dict.fromkeys(("u16", "__u16", "uint16_t", "__be16", "__le16", "umode_t", "sa_family_t"), Number(2, False)),
    **dict.fromkeys(("s16", "__s16", "int16_t"), Number(2, True)),
    **dict.fromkeys(("u32", "__u32", "uint32_t", "__be32", "__le32", "uint", "uid_t", "gid_t", "dev_t"), _U32),
    **dict.fromkeys(("qid_t", "gfp_t"), _U32),
    **dict.fromkeys(("s32", "__s32", "int32_t", "pid_t", "key_t", "mqd_t", "clockid_t", "timer_t"), _S32),
    **dict.fromkeys(("key_serial_t", "rwf_t"), _S32),
    **dict.fromkeys(("u64", "__u64", "uint64_t", "__be64", "__le64", "size_t", "aio_context_t"), _U64),
    **dict.fromkeys(("s64", "__s64", "int64_t", "loff_t", "off_t", "ssize_t"), _S64),
    **dict.fromkeys(("__kernel_old_time_t", "time64_t"), _S64),
    **dict.fromkeys(("cap_user_header_t", "cap_user_data_t"), _POINTER),
}
"""Typedefs for kernels without BTF."""


def kernel_btf() -> Btf | None:
    """The running kernel's types; None if the kernel was built without BTF."""
    try:
        return Btf.kernel()
    except NotSupported:
        return None


def by_text(text: str, btf: Btf | None) -> Number | None:
    """The number for the text of a C type; None for structures and for unknown types."""
    name = " ".join(_QUALIFIERS.sub(" ", text).split())
    if name.endswith("*"):
        return _POINTER
    words = name.split()
    if words and _WORDS.issuperset(words):
        return _plain_char(btf) if words == ["char"] else _of_words(words)
    if btf is not None and words:
        for kind in (Kind.ENUM, Kind.ENUM64) if words[:1] == ["enum"] else (Kind.TYPEDEF,):
            if (number := btf.number(kind, words[-1])) is not None:
                return by_number(number, btf)
    return _TYPEDEFS.get(name)


def _of_words(words: list[str]) -> Number:
    """The number for ``unsigned long`` and the like, with the words in any order."""
    signed = "unsigned" not in words
    if "char" in words:
        return Number(1, signed)
    return Number(2 if "short" in words else 8 if "long" in words else 4, signed)


def _plain_char(btf: Btf | None) -> Number | None:
    """The number for ``char``. Before Linux 6.2 its sign depends on the processor, so BTF has to tell it."""
    found = btf.find(Kind.INT, "char") if btf is not None else None
    return Number(1, found.signed) if isinstance(found, Scalar) else None


def by_number(number: int, btf: Btf) -> Number | None:
    """The number for type ``number`` of BTF; None for structures, arrays and void."""
    found = btf.type(btf.resolve(number))
    if found.kind is Kind.PTR:
        return _POINTER
    if isinstance(found, Scalar) and found.kind is Kind.INT:
        return Number(found.size, found.signed)
    if isinstance(found, Enum):
        return Number(found.size, found.signed or any(value < 0 for value in found.values.values()))
    return None
