"""Programs in the kernel: loads a ProgramSpec, makes test runs, and gives the kernel's facts about the program.

Follows bpf(2) and include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Sequence
from mmap import PAGESIZE
from typing import Any, Final

from ..backend import Backend, named
from ..btf import writer
from ..core.encoding import EncodingError
from ..core.failures import ENOTSUPP, failure
from ..core.handles import Handle
from ..exception import InternalCompilerError, KernelError, NotSupported
from ..programs import ETHERNET_HEADER, Held, ProgInfo, TestRun, bytes_of, check_repeat, encode
from ..spec import ProgramSpec
from ..uapi.map_types import Holds, kind_of
from ..uapi.operations import Operation
from . import kfuncs, pins, prog_load, syscalls, verifier
from .prog_load import BtfTarget, Code, Described, LoadResult, Purpose
from .program_info import prog_info
from .refusals import refusal

_IP_HEADERS: Final = {b"\x08\x00": ("IPv4", 20), b"\x86\xdd": ("IPv6", 40)}
"""The protocols by EtherType, and the least sizes of their headers."""


def load(
    spec: ProgramSpec, maps: Sequence[Handle] = (), target: BtfTarget | None = None, flags: int = 0
) -> LoadedProgram:
    """Loads a program; ``maps[i]`` is the map that ``spec.maps[i]`` describes. ``target`` is the function or type that
    the program is for, if its program type needs one. ``flags`` are BPF_F_SLEEPABLE and others.

    Raises VerifierError if the verifier refuses the program, NotSupported if the kernel lacks a function that the
    program calls, KernelError for lack of privileges or memory.
    """
    if len(maps) != len(spec.maps):
        raise ValueError(f"{spec.name} uses {len(spec.maps)} maps, and {len(maps)} are given")
    encoded = encode(spec)
    code = Code(encoded.slots, maps, kfuncs.numbers(spec.kfuncs))
    purpose = Purpose(spec.hook.prog_type, spec.hook.attach_type, flags, target)
    made = Handle(f"program {spec.name}")
    try:
        loaded = _load_described(made, purpose, spec, code, encoded.slot_of)
        if loaded.result < 0 and verifier.blames_btf(loaded.log):
            loaded = _load(made, purpose, spec, code)
    except EncodingError as error:
        raise InternalCompilerError("relocation", f"{spec.name}: {error}") from error
    if loaded.result < 0:
        raise refusal(spec, encoded.slot_of, loaded)
    arrays = [each.copy() for each, of in zip(maps, spec.maps, strict=True) if kind_of(of.kind).holds is Holds.PROGRAMS]
    return LoadedProgram(made, spec, arrays)


def _load_described(
    made: Handle, purpose: Purpose, spec: ProgramSpec, code: Code, slot_of: array[int]
) -> LoadResult:
    """Loads with BTF, which gives listings and logs function names and source lines; or without, if the kernel refuses
    the BTF."""
    btf = writer.program(spec, slot_of)
    loaded = syscalls.btf_load(btf.blob)
    if isinstance(loaded, int):
        return _load(made, purpose, spec, code)
    with loaded:
        return _load(made, purpose, spec, code, Described(loaded, btf.func_info, btf.line_info))


def _load(
    made: Handle, purpose: Purpose, spec: ProgramSpec, code: Code, described: Described | None = None
) -> LoadResult:
    name = syscalls.object_name(spec.name).decode()
    return prog_load.prog_load(made, purpose, code, spec.license, name, described)


class LoadedProgram(Held):
    """A program in the kernel, which lives until close() unless something else holds it: a link, a pin.

    ``arrays`` are this object's own handles of the program arrays that the program uses: without any handle, the kernel
    would empty the arrays.
    """

    def __init__(self, handle: Handle, spec: ProgramSpec, arrays: Sequence[Handle] = ()) -> None:
        self.handle = handle
        self.spec = spec
        self.arrays = arrays

    @property
    def backend(self) -> Backend:
        return named("kernel")

    @property
    def where(self) -> str:
        return f"fd {self.fd}"

    @property
    def fd(self) -> int:
        """The descriptor. Raises ClosedError after close()."""
        return self.handle.fd

    def fileno(self) -> int:
        return self.fd

    def close(self) -> None:
        """Closes the descriptors. Attached programs stay loaded until they are detached."""
        super().close()
        for each in self.arrays:
            each.close()

    def test_run(self, data: bytes = b"", ctx: Any = None, repeat: int = 1) -> TestRun:
        """Runs the program in the kernel on a given packet or context (BPF_PROG_TEST_RUN).

        ``data`` is the packet; network programs need at least an Ethernet header's 14 bytes. ``ctx`` is the context's
        bytes, or a ctypes instance, for the hooks that take one. Raises NotSupported for program types that
        can't be run (kprobes, tracepoints), DataTypeError and ValueError for wrong arguments, KernelError otherwise.
        """
        check_repeat(repeat)
        packet = bytes_of(data, "data is the packet's bytes")
        context = b"" if ctx is None else bytes_of(ctx, "ctx is the context's bytes or a ctypes structure")
        # The kernel treats 0 as 1, and types that can't repeat accept only 0. The packet may grow.
        room = len(packet) + _GROWTH if packet else 0
        run = syscalls.prog_test_run(self.handle, packet, context, repeat if repeat > 1 else 0, room)
        if isinstance(run, int):
            raise self._run_failure(run, packet, len(context))
        return TestRun(run.retval, run.data, run.duration)

    def _run_failure(self, error: int, packet: bytes, context: int) -> KernelError:
        hook, size = self.spec.hook.name, len(packet)
        if error in (ENOTSUPP, errno.EOPNOTSUPP):
            return NotSupported(errno.EOPNOTSUPP, f"test runs of {hook} programs")
        what = f"cannot run {self.spec.name}, a {hook} program, for a test"
        if error == errno.EINVAL and size < ETHERNET_HEADER:
            what += f" on {size} bytes of data (network programs need {ETHERNET_HEADER} at least, an Ethernet header)"
        if error == errno.EINVAL and size > PAGESIZE - _PACKET_OVERHEAD:
            what += (f" on {size} bytes of data (network programs take at most a page of {PAGESIZE} bytes, less what "
                     "the kernel keeps around a packet: about 3.7 kB of 4 KiB, for XDP programs about 3.5)")
        if error == errno.ENOMEM and size > _FRAGMENTS * PAGESIZE:
            what += f" on {size} bytes of data (XDP programs take at most {_FRAGMENTS + 1} pages, the first in part)"
        kind, header = _IP_HEADERS.get(packet[12:14], ("", 0))
        if error == errno.EINVAL and ETHERNET_HEADER <= size < ETHERNET_HEADER + header:
            what += (f" on {size} bytes of data (its EtherType says {kind}, and it ends within that header of {header} "
                     "bytes, which kernels may refuse)")  # fmt: skip
        if error == errno.EINVAL and context:
            what += f" with a context of {context} bytes (what the kernel itself sets must be 0 there)"
        if error == errno.EINTR:
            what += ": a signal came, and the program ran some of the times"
        return failure(error, what, Operation.TEST_RUN)

    def info(self) -> ProgInfo:
        """The kernel's facts about the program."""
        return prog_info(self.handle)

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Gives the program a name in a bpf file system, where it outlives the process. Mounts nothing.

        The program arrays that its tail calls lead to, which the kernel would empty when this process ends, get the
        same name followed by ``_array0``, ``_array1`` ... Arrays of programs that are stored later are not pinned.
        """
        pins.pin(path, self.handle, self.arrays)

    @staticmethod
    def unpin(path: str | os.PathLike[str]) -> bool:
        """Removes a name that pin() gave, and the names of the arrays. False if there was no such name."""
        return pins.unpin(path)


_GROWTH: Final = 1 << 14  # BPF_SKB_MAX_LEN and more: how many bytes programs may add to a packet
_FRAGMENTS: Final = 17  # MAX_SKB_FRAGS, as kernels are mostly built
_PACKET_OVERHEAD: Final = 1024
"""More than the part of the page that net/bpf/test_run.c reserves: NET_SKB_PAD (64) or XDP_PACKET_HEADROOM (256) before
the packet, struct skb_shared_info (320) after it."""
