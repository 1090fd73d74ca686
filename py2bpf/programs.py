"""What programs of the kernel and of the embedded VM have in common: their code, and facts about their runs."""

from __future__ import annotations

import errno
from array import array
from typing import Any, Final, NamedTuple, Self

from . import asm
from .core import encoding
from .core.handles import Handle
from .exception import DataTypeError, InternalCompilerError, Span
from .given import plain_memory, shown
from .spec import ProgramSpec

ETHERNET_HEADER: Final = 14
"""The least number of bytes in the packet of a test run."""
_REPEAT_MAX: Final = (1 << 32) - 1


class Encoded(NamedTuple):
    """A program in the kernel's encoding, with maps still by number. ``slot_of[i]`` is where ``spec.code[i]``
    begins."""

    slots: bytearray
    slot_of: array[int]


class _Run(NamedTuple):
    retval: int
    data: bytes
    duration_ns: int


class TestRun(_Run):
    """The outcome of a test run: the program's result, the packet afterwards, the mean time of a run in nanoseconds."""

    __slots__ = ()
    __test__ = False  # tells pytest that this is no class of tests, despite its name


class ProgInfo(NamedTuple):
    """What the kernel knows about a program.

    ``run_cnt`` and ``run_time_ns`` count while statistics are on (sysctl kernel.bpf_stats_enabled);
    ``verified_insns`` and ``recursion_misses`` are 0 on kernels before 5.16 and 5.12.
    """

    id: int
    name: str
    tag: str
    type: int
    run_cnt: int
    run_time_ns: int
    verified_insns: int
    recursion_misses: int


class Held:
    """A loaded program that a handle owns.

    A context manager. close() is idempotent, and any later use raises ClosedError.
    """

    handle: Handle
    spec: ProgramSpec

    @property
    def where(self) -> str:
        """For people: ``fd 7``, ``in the VM``."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        return self.handle.closed

    def ensure_open(self) -> None:
        """Raises ClosedError after close()."""
        self.handle.check_open()

    def close(self) -> None:
        """Releases the program, which stays loaded as long as something else holds it."""
        self.handle.close()

    def __enter__(self) -> Self:
        self.ensure_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.spec.name} {'closed' if self.closed else self.where}>"


def encode(spec: ProgramSpec) -> Encoded:
    """Encodes a program, resolving its jumps.

    Raises LimitExceeded if a conditional jump spans too many instructions, InternalCompilerError for a malformed spec.
    """
    try:
        return Encoded(*encoding.encode(asm.pack(spec.code)))
    except encoding.EncodingError as error:
        raise _unencodable(spec, error) from error


def _unencodable(spec: ProgramSpec, error: encoding.EncodingError) -> Exception:
    span = spec.lines[error.index] if error.index < len(spec.lines) else None
    if error.errno == errno.ERANGE and spec.code[error.index].kind == asm.Kind.JUMP:
        return asm.out_of_reach(error.value, span)
    from .disasm import text  # needed by few

    insn = f", in `{text(spec.code[error.index])}`" if error.index < len(spec.code) else ""
    return InternalCompilerError("encoding", f"{error}{insn}", span)


def span_at(spec: ProgramSpec, slot_of: array[int], slot: int) -> Span | None:
    """The source of the instruction at a slot, or of the nearest instruction before it that has a source."""
    found = None
    for begin, span, insn in zip(slot_of, spec.lines, spec.code, strict=True):
        if begin > slot:
            break
        if span is not None and insn.kind != asm.Kind.LABEL:
            found = span
    return found


def check_repeat(repeat: int) -> None:
    if isinstance(repeat, bool) or not isinstance(repeat, int):
        raise DataTypeError(f"repeat is the number of runs, an int, not {shown(repeat)}")
    if repeat < 1:
        raise ValueError(f"a test run takes place at least once, not {shown(repeat)} times")
    if repeat > _REPEAT_MAX:
        raise ValueError(f"a test run takes place at most {_REPEAT_MAX} times, not {shown(repeat)}")


def bytes_of(value: Any, what: str) -> bytes:
    return bytes(plain_memory(value, what))
