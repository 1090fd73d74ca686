"""Programs in the embedded VM, without descriptors and privileges: see backend.LoadedProgram."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import threading
import weakref
from array import array
from collections.abc import Sequence
from typing import Any, Final, NoReturn, Protocol

from ..backend import Backend, named
from ..core.handles import Handle
from ..exception import KernelError, NotInVm, VmFault
from ..given import path_bytes
from ..programs import ETHERNET_HEADER, Held, ProgInfo, TestRun, bytes_of, check_repeat, encode, span_at
from ..spec import ProgramSpec
from ..uapi.hooks import Trait, row_of
from . import program_calls

_ids: Final = itertools.count(1)
_programs: Final[weakref.WeakValueDictionary[int, VmProgram]] = weakref.WeakValueDictionary()
"""The programs by their address in the core: after a tail call, the fault may be another program's."""

_NO_CONTEXT: Final = bytes(4096)
"""The default context for programs of types that the kernel can't test-run."""


class HasHandle(Protocol):
    """A map of the VM."""

    @property
    def handle(self) -> Handle: ...


def load(spec: ProgramSpec, maps: Sequence[HasHandle], machine: Any) -> VmProgram:
    """Loads a program into a machine; ``maps[i]`` is the map, of the same machine, that ``spec.maps[i]`` describes.

    Raises VmFault if the program uses what the machine lacks, such as a helper function, and for malformed code.
    """
    if len(maps) != len(spec.maps):
        raise ValueError(f"{spec.name} uses {len(spec.maps)} maps, and {len(maps)} are given")
    encoded = encode(spec)
    handles = [map_.handle for map_ in maps]
    made = program_calls.prog_create(
        machine, encoded.slots, spec.hook.prog_type, handles, spec.kfuncs, f"program {spec.name}")
    if isinstance(made, program_calls.Fault):
        raise _fault(spec, encoded.slot_of, made, f"the embedded VM can't run {spec.name}")
    return VmProgram(made, spec, encoded.slot_of, encoded.slots)


def _fault(spec: ProgramSpec, slot_of: array[int], fault: program_calls.Fault, what: str) -> VmFault:
    return VmFault(fault.slot, fault.reason, fault.value, what, span_at(spec, slot_of, fault.slot))


class VmProgram(Held):
    """A program in the embedded VM, which keeps its maps alive. Program arrays that contain the program keep it."""

    arrays: Sequence[Handle] = ()

    def __init__(self, handle: Handle, spec: ProgramSpec, slot_of: array[int], slots: bytearray) -> None:
        self.handle = handle
        self._slot_of = slot_of
        self._tag = hashlib.sha256(slots).hexdigest()[:16]
        self._id = next(_ids)
        self._runs = self._time = 0
        self._counting = threading.Lock()
        self.spec = spec
        self._row = row_of(spec.hook)
        _programs[program_calls.address(handle)] = self

    @property
    def where(self) -> str:
        return "in the VM"

    @property
    def backend(self) -> Backend:
        return named("vm")

    @property
    def fd(self) -> NoReturn:
        """Raises NotInVm, or ClosedError after close()."""
        self.ensure_open()
        raise self._not_here("file descriptors")

    def fileno(self) -> NoReturn:
        """As fd."""
        self.ensure_open()
        raise self._not_here("file descriptors")

    def _not_here(self, what: str) -> NotInVm:
        return NotInVm(f"the program {self.spec.name} lives in the embedded VM, which has no {what} and attaches to "
                       "nothing", "run it by test_run()")

    def test_run(self, data: bytes = b"", ctx: Any = None, repeat: int = 1, budget: int = 0) -> TestRun:
        """Runs the program on a given packet or context, by the rules of the kernel's BPF_PROG_TEST_RUN.

        Like kernel_program.LoadedProgram.test_run, with two additions: packets may have up to 65535 bytes, and probes
        run too, on the context ``ctx`` or on zeros. ``budget`` is about how many instructions a run may take
        (0: 2**30); helper functions count as one instruction for each 8 bytes that they process.
        Raises VmFault if the program does something that the verifier would have refused, or exceeds its budget.
        """
        run = self.run(data, ctx, repeat, budget)
        return TestRun(run.retval, run.data, run.duration)

    def run(self, data: bytes = b"", ctx: Any = None, repeat: int = 1, budget: int = 0) -> program_calls.RunResult:
        """Like test_run(), but also gives the context afterwards and the number of instructions."""
        check_repeat(repeat)
        packet = bytes_of(data, "data is the packet's bytes")
        context = self._context() if ctx is None else bytes_of(ctx, "ctx is the context's bytes or a ctypes structure")
        result = program_calls.prog_run(self.handle, packet, context, repeat, budget)
        if isinstance(result, program_calls.Fault):
            raise self.fault(result)
        if isinstance(result, int):
            raise self._run_failure(result, len(packet))
        with self._counting:
            self._runs += repeat
            self._time += repeat * result.duration
        return result

    def _context(self) -> bytes:
        return _NO_CONTEXT if self._row is not None and Trait.TEST_RUN not in self._row.traits else b""

    def fault(self, fault: program_calls.Fault) -> VmFault:
        """The exception for a fault of this program, or of a program to which it made a tail call."""
        at_fault = _programs.get(fault.program, self)
        what = f"{at_fault.spec.name} ended in the embedded VM"
        return _fault(at_fault.spec, at_fault._slot_of, fault, what)

    def _run_failure(self, error: int, size: int) -> KernelError:
        what = f"cannot run {self.spec.name}, a {self.spec.hook.name} program, for a test"
        if error == errno.EDEADLK:
            return KernelError(error, f"{what} from a signal handler: this thread is running a program of the VM")
        if size and self._row is not None and self._row.packet is None:
            what += ": it takes a context and no packet"
        elif size < ETHERNET_HEADER:
            what += f" on {size} bytes of data (network programs need {ETHERNET_HEADER} at least, an Ethernet header)"
        elif size > program_calls.PACKET_MAX:
            what += f" on {size} bytes of data (the embedded VM takes {program_calls.PACKET_MAX} at most)"
        return KernelError(error, f"{what}: {os.strerror(error)}")

    def info(self) -> ProgInfo:
        """Like the facts about a program in the kernel. All runs are counted, and ``verified_insns`` is 0."""
        self.ensure_open()
        name, kind = self.spec.name[:15], int(self.spec.hook.prog_type)
        return ProgInfo(self._id, name, self._tag, kind, self._runs, self._time, 0, 0)

    def pin(self, path: str | os.PathLike[str]) -> NoReturn:
        """Raises NotInVm, since nothing in the VM outlives the process."""
        self.ensure_open()
        raise self._not_here(f"{os.fsdecode(path_bytes(path, 'a path to pin at'))} to pin it at")
