"""What the running kernel can do, found by trying. No version numbers are compared, since distributions backport
features, and kernels can be built without some. ``since`` is for messages.

A probe has three outcomes: yes, no, and could not tell, with the reason. Only yes and no are remembered.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from enum import Enum, StrEnum
from functools import partial
from typing import Final, NamedTuple

from .. import asm
from ..core import encoding
from ..core.failures import ENOTSUPP
from ..core.handles import Handle
from ..exception import KernelError, NotSupported
from ..spec import Target
from ..uapi.helpers import HELPERS, INTERNAL
from ..uapi.hooks import HOOKS
from ..uapi.map_types import KINDS, MapType
from ..uapi.prog_types import AttachType, ProgType
from . import bpf_call, kfuncs, prog_load, syscalls
from .prog_load import Code, Purpose


class Outcome(Enum):
    """The outcome of a probe."""

    YES = "supported"
    NO = "not supported"
    UNKNOWN = "could not tell"


class Finding(NamedTuple):
    """A probe's outcome; ``why`` is the kernel's error for NO, or what prevented an answer for UNKNOWN."""

    outcome: Outcome
    why: str = ""

    def __bool__(self) -> bool:
        return self.outcome is Outcome.YES


class Feature(StrEnum):
    """The features other than kinds of maps and types of programs, which of_map() and of_program() name."""

    MAP_BATCH = "map.batch"
    LINK_PERF_EVENT = "link.perf_event"
    LINK_TCX = "link.tcx"
    INSN_ATOMICS = "insn.atomics"
    INSN_V4 = "insn.v4"
    HELPER_PROBE_READ_KERNEL = "helper.probe_read_kernel"
    HELPER_LOOP = "helper.loop"
    KFUNC_ITER_NUM = "kfunc.iter_num"
    PMU_KPROBE = "pmu.kprobe"
    PMU_UPROBE = "pmu.uprobe"
    BTF_VMLINUX = "btf.vmlinux"


def of_map(kind: MapType) -> str:
    """The name of the feature of maps of a kind."""
    return f"map.{kind.name.lower()}"


def of_program(prog_type: ProgType) -> str:
    """The name of the feature of programs of a type."""
    return f"prog.{prog_type.name.lower()}"


class Probe(NamedTuple):
    """A feature's name in messages, the Linux version that brought it, and the function that tries it."""

    title: str
    since: str
    test: Callable[[], Finding]


_YES: Final = Finding(Outcome.YES)
_cache: dict[str, Finding] = {}


def probe(feature: str) -> Finding:
    """Whether the kernel has the feature. Makes system calls until there is an answer."""
    found = _cache.get(feature)
    if found is None:
        found = PROBES[feature].test()
        if found.outcome is not Outcome.UNKNOWN:
            _cache[feature] = found
    return found


def require(feature: str) -> None:
    """Raises NotSupported unless the kernel has the feature, or may have it."""
    if probe(feature).outcome is Outcome.NO:
        row = PROBES[feature]
        raise NotSupported(errno.EOPNOTSUPP, row.title, row.since)


def _unless_no(feature: str) -> bool:
    return probe(feature).outcome is not Outcome.NO


class KernelTarget(Target):
    """The features that the compiler may use, probed when it asks. If a probe can't tell, the feature may be used."""

    def __init__(self) -> None:
        """Sets nothing: the properties replace the fields of Target."""

    @property
    def atomic_alu(self) -> bool:
        return _unless_no(Feature.INSN_ATOMICS)

    @property
    def probe_read_kernel(self) -> bool:
        return _unless_no(Feature.HELPER_PROBE_READ_KERNEL)

    @property
    def iterators(self) -> bool:
        return _unless_no(Feature.KFUNC_ITER_NUM)

    @property
    def bpf_loop(self) -> bool:
        return _unless_no(Feature.HELPER_LOOP)


def target() -> Target:
    """The target for this kernel. Nothing is probed until the compiler asks for a feature."""
    return KernelTarget()


def _judge(result: int, no: frozenset[int], yes: frozenset[int] = frozenset()) -> Finding:
    """The finding for a system call's result or -errno. Errnos in ``no`` and ``yes`` decide; others tell nothing."""
    if result >= 0 or -result in yes:
        return _YES
    name = f"{errno.errorcode.get(-result, -result)}: {os.strerror(-result)}"
    return Finding(Outcome.NO if -result in no else Outcome.UNKNOWN, name)


_REFUSED: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP, ENOTSUPP})
_UNVERIFIED: Final = frozenset({errno.EINVAL, errno.EACCES})


def _create(kind: MapType) -> Handle | int:
    """A map, or -errno."""
    try:
        return syscalls.map_create(kind, *KINDS[kind].smallest)
    except KernelError as error:
        return -(error.errno or errno.EIO)


def _map(kind: MapType) -> Finding:
    made = _create(kind)
    return _judge(made if isinstance(made, int) else 0, frozenset({errno.EINVAL}))


_LOOKUP_BATCH: Final = 24
_BATCH: Final = struct.Struct("=4Q2I2Q")
_BATCH_MAP: Final = 36


def _batch() -> Finding:
    map = _create(MapType.HASH)
    if isinstance(map, int):
        return _judge(map, frozenset())
    room = bytearray(64)
    keys, values, cursor = (bpf_call.address(room) + at for at in (0, 16, 32))
    result = bpf_call.bpf(_LOOKUP_BATCH, bytearray(_BATCH.pack(0, cursor, keys, values, 1, 0, 0, 0)), (map, _BATCH_MAP))
    return _judge(result, _REFUSED, yes=frozenset({errno.ENOENT}))


def _load(prog_type: ProgType, code: list[asm.Insn], ids: tuple[int, ...] = ()) -> tuple[Handle, int]:
    """A program, and 0 or -errno."""
    slots, _ = encoding.encode(asm.pack([*code, asm.mov_imm(0, 0), asm.exit_()]))
    made = Handle("a program")
    return made, prog_load.prog_load(made, Purpose(prog_type), Code(slots, (), ids), "GPL", "probe").result


def _program(prog_type: ProgType, code: list[asm.Insn]) -> Finding:
    return _judge(_load(prog_type, code)[1], _UNVERIFIED)


def _link(prog_type: ProgType, attach_type: int, nowhere: int, found: int) -> Finding:
    """Tries to link to a target that doesn't exist: a kernel that knows this kind of link answers errno ``found``."""
    prog, result = _load(prog_type, [])
    if result < 0:
        return _judge(result, frozenset())
    try:
        syscalls.link_create(prog, nowhere, attach_type)
    except KernelError as error:
        return _judge(-(error.errno or errno.EIO), _REFUSED, yes=frozenset({found}))
    return Finding(Outcome.UNKNOWN, "a link to nothing was made")


def _file(path: str) -> Finding:
    if os.access(path, os.R_OK):
        return _YES
    if not os.path.exists("/sys/kernel"):
        return Finding(Outcome.UNKNOWN, "sysfs is not mounted on /sys")
    exists = os.path.exists(path)
    return Finding(Outcome.UNKNOWN if exists else Outcome.NO, f"{path} {'is not readable' if exists else 'is missing'}")


_ON_STACK: Final = [asm.mov_imm(1, 1), asm.store(8, asm.FRAME, -8, 1)]
_FETCH_AND_OTHERS: Final = [
    *_ON_STACK,
    *(asm.atomic(8, op, asm.FRAME, -8, 1) for op in (asm.Alu.AND, asm.Alu.OR, asm.Alu.XOR)),
    asm.atomic(8, asm.Alu.ADD | asm.FETCH, asm.FRAME, -8, 1),
]
_SIGNED_DIVISION: Final = [asm.mov_imm(1, 4), asm.alu_imm(asm.Alu.DIV, 1, 2)._replace(off=1)]
_PROBE_READ_KERNEL: Final = [
    asm.mov(1, asm.FRAME),
    asm.alu_imm(asm.Alu.ADD, 1, -8),
    asm.mov_imm(2, 8),
    asm.mov_imm(3, 0),
    asm.call(HELPERS["probe_read_kernel"].id),
]
_LOOP_OVER_NO_FUNCTION: Final = [
    *(asm.mov_imm(argument, 0) for argument in range(1, 5)),
    asm.call(INTERNAL["loop"].id),
]
_ITERATOR: Final = [asm.mov(1, asm.FRAME), asm.alu_imm(asm.Alu.ADD, 1, -8)]
_ITERATE: Final = [
    *_ITERATOR,
    asm.mov_imm(2, 0),
    asm.mov_imm(3, 1),
    asm.call_kfunc(0),
    *_ITERATOR,
    asm.call_kfunc(1),
]
_NO_INTERFACE: Final = 0x7FFFFFFF
_NO_DESCRIPTOR: Final = 0xFFFFFFFF


def _loop() -> Finding:
    """Calls bpf_loop() without a callback, which would need BTF. A kernel that knows the helper then answers EACCES."""
    _, result = _load(ProgType.SOCKET_FILTER, _LOOP_OVER_NO_FUNCTION)
    return _judge(result, frozenset({errno.EINVAL}), yes=frozenset({errno.EACCES}))


def _iterators() -> Finding:
    names = ("bpf_iter_num_new", "bpf_iter_num_destroy")
    try:
        ids = kfuncs.numbers(names)
    except NotSupported as error:
        return Finding(Outcome.NO, str(error))
    except OSError as error:
        return Finding(Outcome.UNKNOWN, str(error))
    return _judge(_load(ProgType.SOCKET_FILTER, _ITERATE, ids)[1], _UNVERIFIED)


def _pmu(name: str) -> Finding:
    return _file(f"/sys/bus/event_source/devices/{name}/type")


PROBES: Final[dict[str, Probe]] = {
    **{
        of_map(kind): Probe(f"maps of the kind {row.title}", row.since, partial(_map, kind))
        for kind, row in KINDS.items()
    },
    **{
        of_program(hook.prog_type): Probe(
            f"{hook.name} programs", hook.since, partial(_program, hook.prog_type, [])
        )
        for hook in HOOKS
    },
    Feature.MAP_BATCH: Probe("batches of map elements", "5.6", _batch),
    Feature.LINK_PERF_EVENT: Probe(
        "links to perf events",
        "5.15",
        partial(_link, ProgType.TRACEPOINT, AttachType.PERF_EVENT, _NO_DESCRIPTOR, errno.EBADF),
    ),
    Feature.LINK_TCX: Probe(
        "tcx links", "6.6", partial(_link, ProgType.SCHED_CLS, AttachType.TCX_INGRESS, _NO_INTERFACE, errno.ENODEV)
    ),
    Feature.INSN_ATOMICS: Probe(
        "atomic and, or, xor and fetch",
        "5.12",
        partial(_program, ProgType.SOCKET_FILTER, _FETCH_AND_OTHERS),
    ),
    Feature.INSN_V4: Probe(
        "version 4 of the instruction set (signed division, gotol)",
        "6.6",
        partial(_program, ProgType.SOCKET_FILTER, _SIGNED_DIVISION),
    ),
    Feature.HELPER_PROBE_READ_KERNEL: Probe(
        "the helper probe_read_kernel", "5.5", partial(_program, ProgType.TRACEPOINT, _PROBE_READ_KERNEL)
    ),
    Feature.HELPER_LOOP: Probe("the helper loop", "5.17", _loop),
    Feature.KFUNC_ITER_NUM: Probe("open-coded iterators over numbers (bpf_iter_num_new)", "6.4", _iterators),
    Feature.PMU_KPROBE: Probe("kprobes as perf events", "4.17", partial(_pmu, "kprobe")),
    Feature.PMU_UPROBE: Probe("uprobes as perf events", "4.17", partial(_pmu, "uprobe")),
    Feature.BTF_VMLINUX: Probe(
        "type information of the kernel (BTF)", "5.4", partial(_file, "/sys/kernel/btf/vmlinux")
    ),
}
