"""The target's instructions: the only place where code generation asks what a machine or a kernel can do."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Final

from ...spec import Target

_UNALIGNED: Final = ("x86_64", "aarch64", "ppc64le", "s390x")
"""The processors on which the kernel has CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS."""


@dataclass(frozen=True)
class Isa:
    """The instruction set that rules may use.

    ``loops``: the helper bpf_loop. ``iterators``: the kernel functions that count. ``ldsx``, of version 4 of the
    instruction set: loads that extend the sign. ``unaligned``: the verifier lets packets and values of maps be accessed
    at any address. ``little_endian``: the order of the processor's bytes.
    """

    loops: bool = True
    iterators: bool = True
    ldsx: bool = False
    unaligned: bool = platform.machine() in _UNALIGNED
    little_endian: bool = sys.byteorder == "little"


def isa_for(target: Target) -> Isa:
    """The instruction set of the target kernel. Version 4 is not used yet."""
    return Isa(loops=target.bpf_loop, iterators=target.iterators)
