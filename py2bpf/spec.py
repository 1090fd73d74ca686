"""The data between the compiler and the backends: pure data, made without privileges, equal for equal input.

The compiler turns a function into a ProgramSpec; the kernel side or the embedded VM loads the ProgramSpec.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

from .asm import Insn
from .exception import Span
from .fields import declared


class SpinLock(ctypes.Structure):
    """``struct bpf_spin_lock`` (include/uapi/linux/bpf.h): a field of this type makes a map's value lockable."""

    _fields_ = (("val", ctypes.c_uint32),)


def lock_offset(ctype: Any) -> int | None:
    """The offset of the structure's lock, which must be one of its own fields; None if it has no lock."""
    if not (isinstance(ctype, type) and issubclass(ctype, ctypes.Structure)):
        return None
    locks = [field for field in declared(ctype) if field.ctype is SpinLock]
    return getattr(ctype, locks[0].name).offset if locks else None


@dataclass(frozen=True, eq=False)
class MapSpec:
    """Describes a map. Any object with a ``map_spec`` attribute is a map for the compiler.

    ``key_type`` and ``value_type`` are ctypes types (None where the kind has none). For an LPM trie
    ``key_type`` is the address alone: the kernel's key has a 32-bit prefix length before it. A perf event
    array has its records' type as ``data_type``. ``default`` is the result of reading a missing scalar.
    ``is_global`` marks an array of one entry that programs use as ``object.value``, not as an item.

    A ring buffer is ``variable`` if each record has its own size, up to the size of the type. ``wakeup`` says when
    programs wake the reader: 0: at every record that the reader may be waiting for; -1: never; else: when this many
    bytes wait.
    """

    kind: int
    key_type: Any
    value_type: Any
    max_entries: int
    flags: int = 0
    name: str = ""
    default: int | None = None
    data_type: Any = None
    per_cpu: bool = False
    is_global: bool = False
    variable: bool = False
    wakeup: int = 0

    @property
    def key_size(self) -> int:
        return ctypes.sizeof(self.key_type) if self.key_type is not None else 0

    @property
    def value_size(self) -> int:
        return ctypes.sizeof(self.value_type) if self.value_type is not None else 0

    @cached_property
    def lock_offset(self) -> int | None:
        """The offset of a value's spin lock; None if values have none."""
        return lock_offset(self.value_type)


@dataclass(frozen=True)
class Field:
    """A context field that is no plain member of the context's structure.

    ``path`` names the plain member that holds the field. With ``through_pointer``, that member is in another structure,
    to which the context's member ``through_pointer`` points (a syscall wrapper's own registers), and is read from
    kernel memory. ``ctype`` is the type of the member's low bytes, if it is a register that holds a narrower or signed
    number.
    """

    path: str
    through_pointer: str | None = None
    ctype: Any = None


@dataclass(frozen=True)
class Located:
    """A text or array of an event whose length varies: the 32-bit member ``path`` has the offset in its low 16 bits,
    and the length in bytes in its high 16 bits.

    Offsets count from byte ``begin`` of the event. ``ctype`` is the array that programs see: longer data is cut, and
    shorter data is followed by zeros.
    """

    path: str
    ctype: Any
    begin: int = 0


@dataclass(frozen=True)
class ContextSpec:
    """The type of a hook's first argument: a ctypes structure laid out as the kernel's, and its extra names.

    ``fields`` maps a name to one Field or Located, or to a tuple of Fields (``pt_regs.args[0]``). Names in ``fields``
    win over the structure's own.
    """

    struct: type[ctypes.Structure]
    fields: dict[str, Field | Located | tuple[Field, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class HookSpec:
    """What the compiler must know about a program type.

    ``default`` is the result of ``return`` and ``return None``, ``fallback`` the result where Python would raise.
    ``packet_loads`` says that load_skb_* works (BPF_LD_ABS), ``packet_access`` that ctx.packet() gives views of the
    packet, ``packet_stores`` that programs can write to the views. ``results`` are the least and the greatest number
    that the kernel takes as the program's result; None if it takes any.
    """

    prog_type: int
    name: str
    default: int = 0
    fallback: int = 0
    packet_loads: bool = False
    attach_type: int = 0
    packet_access: bool = False
    packet_stores: bool = False
    results: tuple[int, int] | None = None


@dataclass(frozen=True)
class Target:
    """The features of the kernel that the compiler may use; the default has all of them, as Linux 6.4 has.

    ``iterators``: the open-coded iterator over numbers (kernel functions bpf_iter_num_*, Linux 6.4). ``bpf_loop``:
    the helper of that name (Linux 5.17). ``branches``: jumps may choose between numbers, which gives the shortest code.
    Without ``branches``, arithmetic chooses, so that the verifier has fewer paths to explore.
    """

    atomic_alu: bool = True
    probe_read_kernel: bool = True
    iterators: bool = True
    bpf_loop: bool = True
    branches: bool = True

    def without(self, feature: str) -> Target:
        """The same target without one feature. Reads all the others, even if a subclass looks them up in the kernel."""
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        return Target(**{**known, feature: False})


class ErrorSite(NamedTuple):
    """A line of a program where Python would raise ``error``, the exception's name."""

    filename: str
    line: int
    error: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}: {self.error}"


class LossMap(NamedTuple):
    """Map number ``counter``, a 64-bit number, counts the entries that map number ``of`` could not take. All programs
    that share the map share its counter, so the loader asks the map for it."""

    counter: int
    of: int


@dataclass(frozen=True)
class FunctionSpec:
    """A BPF subprogram: ``code[start]`` is the label that calls refer to. The subprogram takes ``args`` 64-bit numbers
    or pointers and returns a 64-bit number. The main program has no FunctionSpec."""

    name: str
    start: int
    args: int


@dataclass(frozen=True)
class ProgramSpec:
    """A compiled program: no file descriptor, no privileges, the same for the same function.

    ``lines[i]`` is the source of ``code[i]``. ``captures[i]`` is the live map that ``maps[i]`` describes,
    opaque to the compiler. ``functions`` are the subprograms, ``kfuncs[i]`` the name of the kernel function that
    Kind.CALL_KFUNC number i calls.

    Runs that end where Python would raise are counted: map number ``error_map`` (an array of one value with
    len(errors) 64-bit counters; None if nothing can be raised) has the count of ``errors[i]`` at byte 8 * i. The loader
    makes this map, whose place in ``captures`` is None. The same holds for the counters of ``loss_maps``.
    """

    name: str
    hook: HookSpec
    code: tuple[Insn, ...]
    lines: tuple[Span | None, ...]
    maps: tuple[MapSpec, ...]
    captures: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    license: str = "GPL"
    functions: tuple[FunctionSpec, ...] = ()
    kfuncs: tuple[str, ...] = ()
    errors: tuple[ErrorSite, ...] = ()
    error_map: int | None = None
    loss_maps: tuple[LossMap, ...] = ()
