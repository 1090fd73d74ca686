"""The operations of the kernel: the privileges that they need, and the meanings of their errors.

Privileges follow capabilities(7), kernel/bpf/syscall.c and kernel/events/core.c. CAP_BPF and CAP_PERFMON came with
Linux 5.8 as parts of CAP_SYS_ADMIN, which still includes both. docs/troubleshooting.md has the same table.
"""

from __future__ import annotations

import errno
from enum import Enum, IntEnum, auto
from typing import Final, NamedTuple

from ..exception import KernelError
from ..spec import MapSpec
from .map_types import kind_of
from .prog_types import ProgType


class Capability(IntEnum):
    """The capabilities of include/uapi/linux/capability.h that are used here."""

    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    NET_ADMIN = 12
    NET_RAW = 13
    IPC_LOCK = 14
    SYS_ADMIN = 21
    PERFMON = 38
    BPF = 39

    def __str__(self) -> str:
        return f"CAP_{self.name}"


C = Capability


class Operation(Enum):
    """One step that the kernel may refuse."""

    MAKE_MAP = auto()
    USE_MAP = auto()
    DESCRIBE = auto()
    LOAD_FILTER = auto()
    LOAD_NETWORK = auto()
    LOAD_TRACING = auto()
    USE_POWERFUL_HELPER = auto()
    READ_QUEUE = auto()
    READ_TRACEFS = auto()
    WRITE_TRACEFS = auto()
    OPEN_EVENT = auto()
    ATTACH_EVENT = auto()
    ATTACH_SOCKET = auto()
    USE_LINK = auto()
    OPEN_PACKET_SOCKET = auto()
    ATTACH_XDP = auto()
    ATTACH_XDP_BY_NETLINK = auto()
    ATTACH_TC = auto()
    ATTACH_TO_QDISC = auto()
    FIND_PROGRAM = auto()
    PIN = auto()
    OPEN_PIN = auto()
    MOUNT = auto()
    TEST_RUN = auto()


class Need(NamedTuple):
    """The capabilities that an operation needs, and the operation in words."""

    title: str
    capabilities: tuple[Capability, ...] = ()


NEEDS: Final[dict[Operation, Need]] = {
    Operation.MAKE_MAP: Need("making maps, queues and variables", (C.BPF,)),
    Operation.USE_MAP: Need("reading and changing maps"),
    Operation.DESCRIBE: Need("describing types to the kernel, for maps with spin locks", (C.BPF,)),
    Operation.LOAD_FILTER: Need("loading socket filters", (C.BPF,)),
    Operation.LOAD_NETWORK: Need("loading programs for XDP and traffic control", (C.BPF, C.NET_ADMIN)),
    Operation.LOAD_TRACING: Need("loading programs for tracepoints and kernel probes", (C.BPF, C.PERFMON)),
    Operation.USE_POWERFUL_HELPER: Need("loading programs that print, or read others' memory", (C.BPF, C.PERFMON)),
    Operation.READ_QUEUE: Need("making a `BpfQueue`", (C.BPF, C.PERFMON)),
    Operation.READ_TRACEFS: Need("reading about tracepoints in tracefs, for anybody but root", (C.DAC_READ_SEARCH,)),
    Operation.WRITE_TRACEFS: Need("kernel probes before Linux 4.17, for anybody but root", (C.DAC_OVERRIDE,)),
    Operation.OPEN_EVENT: Need("opening tracepoints and kernel probes", (C.PERFMON,)),
    Operation.ATTACH_EVENT: Need("attaching to what was opened"),
    Operation.ATTACH_SOCKET: Need("attaching socket filters"),
    Operation.USE_LINK: Need("replacing a link's program, detaching it, reading by it"),
    Operation.OPEN_PACKET_SOCKET: Need("sockets that see a whole device (AF_PACKET)", (C.NET_RAW,)),
    Operation.ATTACH_XDP: Need("attaching XDP programs"),
    Operation.ATTACH_XDP_BY_NETLINK: Need("attaching XDP programs before Linux 5.9", (C.NET_ADMIN,)),
    Operation.ATTACH_TC: Need("installing in traffic control, and removing it by the same object", (C.NET_ADMIN,)),
    Operation.ATTACH_TO_QDISC: Need("the same before Linux 6.6 (clsact)", (C.NET_ADMIN,)),
    Operation.FIND_PROGRAM: Need(
        "removing what else py2bpf installed in traffic control, since Linux 6.6", (C.SYS_ADMIN, C.NET_ADMIN)
    ),
    Operation.PIN: Need("pinning, where the bpf file system lets one write"),
    Operation.OPEN_PIN: Need("opening what is pinned, where its mode lets one read and write"),
    Operation.MOUNT: Need("mounting tracefs and bpffs (`ensure_resources()`)", (C.SYS_ADMIN,)),
    Operation.TEST_RUN: Need("running a loaded program for a test"),
}

_FILTERS: Final = (ProgType.SOCKET_FILTER, ProgType.CGROUP_SKB, ProgType.SK_REUSEPORT)
_TRACING: Final = (ProgType.KPROBE, ProgType.TRACEPOINT, ProgType.PERF_EVENT, ProgType.RAW_TRACEPOINT,
                   ProgType.RAW_TRACEPOINT_WRITABLE, ProgType.TRACING, ProgType.STRUCT_OPS, ProgType.EXT, ProgType.LSM)

POWERFUL: Final = frozenset({
    "trace_printk", "trace_vprintk", "probe_read_user", "probe_read_kernel", "probe_read_user_str",
    "probe_read_kernel_str", "get_current_task", "get_current_task_btf", "snprintf", "snprintf_btf", "task_pt_regs",
})  # fmt: skip
"""Helpers that bpf_base_func_proto() of kernel/bpf/helpers.c offers with CAP_PERFMON only."""


def loading(prog_type: int) -> Operation:
    """The operation of loading a program of a type."""
    if prog_type in _FILTERS:
        return Operation.LOAD_FILTER
    return Operation.LOAD_TRACING if prog_type in _TRACING else Operation.LOAD_NETWORK


_TOO_LARGE: Final = "it has more instructions than the kernel takes"
_NOT_BPFFS: Final = "the path has to be on a bpf file system (mount -t bpf bpf /sys/fs/bpf)"
_GONE: Final = "the device is gone"
O = Operation

MEANINGS: Final[dict[tuple[Operation, int], str]] = {
    (O.MAKE_MAP, errno.E2BIG): "keys, values or entries of more bytes than the kernel takes",
    (O.MAKE_MAP, errno.EINVAL): "this kernel has no maps of that kind, or not of such sizes",
    (O.USE_MAP, errno.EBUSY): "the kernel was interrupted while it changed that part of the map: try again",
    (O.USE_MAP, errno.EOPNOTSUPP): "maps of this kind can't do that on this kernel",
    (O.DESCRIBE, errno.EINVAL): "this kernel takes no such types",
    (O.LOAD_FILTER, errno.E2BIG): _TOO_LARGE,
    (O.LOAD_NETWORK, errno.E2BIG): _TOO_LARGE,
    (O.LOAD_TRACING, errno.E2BIG): _TOO_LARGE,
    (O.OPEN_EVENT, errno.ENOSPC): "the processor has no counter left for it",
    (O.ATTACH_EVENT, errno.E2BIG): "64 programs are on that event, as many as fit",
    (O.ATTACH_EVENT, errno.EEXIST): "the program is on that event already",
    (O.ATTACH_EVENT, errno.EINVAL): "the program is of another kind than the event takes, or reads what it lacks",
    (O.USE_LINK, errno.EPERM): "the link has another program by now",
    (O.USE_LINK, errno.EINVAL): "links of that kind can't, or not with a program of that kind",
    (O.USE_LINK, errno.EOPNOTSUPP): "links of that kind can't",
    (O.USE_LINK, errno.ENOLINK): "what it was attached to is gone",
    (O.ATTACH_SOCKET, errno.EBADF): "there is no such descriptor, or the socket is closed",
    (O.ATTACH_SOCKET, errno.ENOTSOCK): "that descriptor is no socket's",
    (O.ATTACH_SOCKET, errno.ENOMEM): "it has more instructions than net.core.optmem_max lets a socket have",
    (O.ATTACH_XDP, errno.ENODEV): _GONE,
    (O.ATTACH_TC, errno.ENODEV): _GONE,
    (O.ATTACH_TC, errno.ERANGE): "64 programs are at that place of the device, as many as fit",
    (O.ATTACH_TC, errno.EEXIST): "the program is there already",
    (O.ATTACH_TO_QDISC, errno.ENODEV): _GONE,
    (O.ATTACH_TO_QDISC, errno.ENOENT): "this kernel lacks clsact qdiscs or BPF filters (NET_SCH_INGRESS, NET_CLS_BPF)",
    (O.PIN, errno.EINVAL): _NOT_BPFFS,
    (O.PIN, errno.EPERM): f"{_NOT_BPFFS} where you may write, and a name there has no '.'",
    (O.PIN, errno.EACCES): f"{_NOT_BPFFS} where you may write",
    (O.PIN, errno.EEXIST): "something is pinned there already",
    (O.PIN, errno.ENOENT): "there is no such folder",
    (O.PIN, errno.ENOTDIR): "there is no such folder",
    (O.PIN, errno.ENAMETOOLONG): "the name is too long",
    (O.OPEN_PIN, errno.EACCES): "its mode, or that of a folder on the way, doesn't let you read and write it",
    (O.OPEN_PIN, errno.EPERM): "its mode, or that of a folder on the way, doesn't let you read and write it",
    (O.OPEN_PIN, errno.ENOENT): "nothing is pinned there",
    (O.OPEN_PIN, errno.ENOTDIR): "nothing is pinned there",
    (O.OPEN_PIN, errno.ENAMETOOLONG): "the name is too long",
    (O.MOUNT, errno.ENODEV): "this kernel has no such file system",
    (O.MOUNT, errno.ENOENT): "there is no such folder",
    (O.MOUNT, errno.ENOTDIR): "that is no folder",
    (O.MOUNT, errno.EBUSY): "it is mounted there already",
}  # fmt: skip
"""The meaning of an operation's errors, if the text of strerror(3) is unclear or misleading."""


def full(what: str, spec: MapSpec, extent: str = "") -> KernelError:
    """The error (E2BIG) for a map without room for another key; ``extent`` says how many entries were stored before."""
    lru = kind_of(spec.kind).lru
    forgets = f", or take an {lru}, which forgets the entries least used" if lru else ""
    return KernelError(errno.E2BIG, f"{what} is full: it holds max_entries={spec.max_entries}{extent}. Make it with "
                                    f"more, or delete keys{forgets}", told=True)
