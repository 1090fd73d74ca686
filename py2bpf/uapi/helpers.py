"""The kernel's helper functions: numbers, signatures, restrictions.

Facts from bpf-helpers(7), ``enum bpf_func_id`` and the ``bpf_func_proto`` tables of the kernel; a test proves
numbers and argument counts against the running kernel's BTF and libbpf's header, and licences by loading.
Invariant: a SIZE stands directly after the buffer or string whose length in bytes it is.

``fills`` names the OUT buffers that a helper writes completely, ``texts`` those into which it writes a text up to its
NUL. A helper may leave parts of any other buffer unchanged, so the compiler sets the buffer to zeros before.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from .map_types import MapType


class Arg(Enum):
    """The kind of a helper's argument."""

    CTX = auto()
    """The program's context, as the hook passed it."""
    MAP = auto()
    """A map."""
    KEY = auto()
    """Pointer to a key of the helper's map."""
    VALUE = auto()
    """Pointer to a value of the helper's map."""
    MEM = auto()
    """Pointer to memory that the helper reads."""
    OUT = auto()
    """Pointer to memory that the helper writes."""
    SIZE = auto()
    """Length in bytes of the MEM, OUT or FMT directly before it."""
    FMT = auto()
    """Pointer to a NUL-terminated string; its SIZE counts the NUL."""
    INT = auto()
    """An integer."""
    ADDR = auto()
    """An integer that is an address of kernel or user memory, from which the program itself doesn't read."""


class Ret(Enum):
    """The kind of a helper's result."""

    I64 = auto()
    U64 = auto()
    U32 = auto()
    VOID = auto()
    MAP_VALUE = auto()
    """Pointer to a value of the helper's map, or NULL."""
    MEM = auto()
    """Pointer to memory of the requested size, or NULL."""
    PTR = auto()
    """Pointer to a kernel object."""


class HelperInfo(NamedTuple):
    """One helper. The tuples of numbers below hold 0-based argument positions.

    ``args`` has all arguments of the longest form. The caller may leave out the last ``optional`` ones.
    """

    name: str
    id: int
    args: tuple[Arg, ...]
    ret: Ret
    doc: str
    gpl_only: bool = False
    """Only programs with a GPL-compatible licence may call it."""
    writes_packet: bool = False
    """Pointers into the packet are invalid after the call."""
    droppable: bool = False
    """The compiler may leave out a call whose result nobody uses."""
    optional: int = 0
    nullable: tuple[int, ...] = ()
    """Pointers that may be NULL (with size 0, if a size follows)."""
    reads: tuple[int, ...] = ()
    """OUT buffers that the helper also reads: initialise them."""
    fills: tuple[int, ...] = ()
    """OUT buffers of which the helper writes every byte, even when it fails."""
    texts: tuple[int, ...] = ()
    """OUT buffers into which the helper writes a text: at least on some kernels, bytes after its NUL stay unchanged."""
    constant: tuple[int, ...] = ()
    """Integers that the verifier must know exactly."""
    rodata: tuple[int, ...] = ()
    """Strings that must lie in a frozen read-only array map, not on the stack."""
    maps: tuple[MapType, ...] = ()
    """The kinds of maps that the helper takes, if these aren't all kinds with keys: check_map_func_compatibility() of
    kernel/bpf/verifier.c."""
    notes: str = ""


_CTX, _MAP, _KEY, _VALUE, _MEM = Arg.CTX, Arg.MAP, Arg.KEY, Arg.VALUE, Arg.MEM
_OUT, _SIZE, _FMT, _INT, _ADDR = Arg.OUT, Arg.SIZE, Arg.FMT, Arg.INT, Arg.ADDR
_I64, _U64, _U32, _VOID = Ret.I64, Ret.U64, Ret.U32, Ret.VOID
_H = HelperInfo
_PERF_EVENTS: Final = (MapType.PERF_EVENT_ARRAY,)
_RINGS: Final = (MapType.RINGBUF,)
_CGROUPS: Final = (MapType.CGROUP_ARRAY,)
_QUEUES: Final = (MapType.QUEUE, MapType.STACK)

# fmt: off
_TABLE: Final = (
    # Maps
    _H("map_lookup_elem", 1, (_MAP, _KEY), Ret.MAP_VALUE, "Finds the value of a key.", droppable=True),
    _H("map_update_elem", 2, (_MAP, _KEY, _VALUE, _INT), _I64,
       "Sets a key's value; flags BPF_ANY, BPF_NOEXIST, BPF_EXIST."),
    _H("map_delete_elem", 3, (_MAP, _KEY), _I64, "Removes a key; -ENOENT when it is missing."),
    _H("map_push_elem", 87, (_MAP, _VALUE, _INT), _I64, "Adds a value to a queue, stack or bloom filter.",
       maps=(*_QUEUES, MapType.BLOOM_FILTER)),
    _H("map_pop_elem", 88, (_MAP, _OUT), _I64, "Takes the next value from a queue or stack.",
       notes="the buffer has the size of the map's value",
       maps=_QUEUES),
    _H("map_peek_elem", 89, (_MAP, _OUT), _I64, "Copies the next value of a queue or stack; asks a bloom filter.",
       reads=(1,), notes="the buffer has the size of the map's value",
       maps=(*_QUEUES, MapType.BLOOM_FILTER)),
    _H("map_lookup_percpu_elem", 195, (_MAP, _KEY, _INT), Ret.MAP_VALUE, "Finds a key's value on the given CPU.",
       notes="per-CPU maps only",
       maps=(MapType.PERCPU_ARRAY, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH)),
    _H("get_local_storage", 81, (_MAP, _INT), Ret.MAP_VALUE, "The storage that belongs to the program's cgroup.",
       notes="cgroup programs only; never NULL; flags must be 0",
       maps=(MapType.CGROUP_STORAGE, MapType.PERCPU_CGROUP_STORAGE)),
    _H("tail_call", 12, (_CTX, _MAP, _INT), _VOID,
       "Jumps into a program of a program array; comes back only on failure.",
       maps=(MapType.PROG_ARRAY,)),
    _H("spin_lock", 93, (_MEM,), _VOID, "Locks the bpf_spin_lock inside a map value.",
       notes="the map needs BTF that shows the lock; not for tracing programs"),
    _H("spin_unlock", 94, (_MEM,), _VOID, "Unlocks the bpf_spin_lock inside a map value.",
       notes="the map needs BTF that shows the lock; not for tracing programs"),
    # Delivering data to user space
    _H("perf_event_output", 25, (_CTX, _MAP, _INT, _MEM, _SIZE), _I64,
       "Writes a record to the perf buffer of the CPU named in the flags.", gpl_only=True,
       notes="flags: BPF_F_CURRENT_CPU or the CPU; for packets the upper 32 bits say how many packet bytes to append",
       maps=_PERF_EVENTS),
    _H("ringbuf_output", 130, (_MAP, _MEM, _SIZE, _INT), _I64, "Copies a record into a ring buffer.",
       maps=_RINGS),
    _H("ringbuf_reserve", 131, (_MAP, _INT, _INT), Ret.MEM,
       "Reserves a record of size bytes in a ring buffer; NULL when full.", constant=(1,),
       notes="flags must be 0; every path must submit or discard the record",
       maps=_RINGS),
    _H("ringbuf_submit", 132, (_MEM, _INT), _VOID, "Publishes a reserved record.",
       notes="the record must come from ringbuf_reserve"),
    _H("ringbuf_discard", 133, (_MEM, _INT), _VOID, "Drops a reserved record.",
       notes="the record must come from ringbuf_reserve"),
    _H("ringbuf_query", 134, (_MAP, _INT), _U64, "A number about a ring buffer: unread bytes, size, positions.",
       maps=_RINGS),
    _H("trace_printk", 6, (_FMT, _SIZE, _INT, _INT, _INT), _I64, "Writes a formatted line to trace_pipe.",
       gpl_only=True, optional=3, notes="the format takes at most three conversions"),
    _H("trace_vprintk", 177, (_FMT, _SIZE, _MEM, _SIZE), _I64,
       "Writes a line formatted from an array of u64 to trace_pipe.", gpl_only=True, nullable=(2,)),
    # Time, CPU, chance
    _H("ktime_get_ns", 5, (), _U64,
       "Nanoseconds since boot, without suspended time (CLOCK_MONOTONIC).", droppable=True),
    _H("ktime_get_boot_ns", 125, (), _U64,
       "Nanoseconds since boot, with suspended time (CLOCK_BOOTTIME).", droppable=True),
    _H("ktime_get_coarse_ns", 160, (), _U64, "CLOCK_MONOTONIC_COARSE in nanoseconds: cheap, as old as one tick."),
    _H("ktime_get_tai_ns", 208, (), _U64, "International atomic time in nanoseconds (CLOCK_TAI)."),
    _H("jiffies64", 118, (), _U64, "The kernel's tick counter.", droppable=True),
    _H("get_prandom_u32", 7, (), _U32, "A pseudo-random number.", droppable=True),
    _H("get_smp_processor_id", 8, (), _U32, "The number of the CPU that runs the program.", droppable=True),
    _H("get_numa_node_id", 42, (), _I64, "The NUMA node of the CPU that runs the program.", droppable=True),
    # Who is running
    _H("get_current_pid_tgid", 14, (), _U64,
       "tgid << 32 | pid, in the kernel's words: process, thread.", droppable=True),
    _H("get_current_uid_gid", 15, (), _U64, "gid << 32 | uid of the current task.", droppable=True),
    _H("get_current_comm", 16, (_OUT, _SIZE), _I64, "Copies the current task's name (16 bytes at most, with NUL).",
       texts=(0,), notes="Linux pads it with zeros, but for some versions around 6.1"),
    _H("get_current_task", 35, (), _U64, "Address of the current task_struct.", gpl_only=True, droppable=True),
    _H("get_current_task_btf", 158, (), Ret.PTR, "The current task_struct, typed for the verifier.", gpl_only=True),
    _H("get_current_cgroup_id", 80, (), _U64, "The id of the current task's cgroup (version 2)."),
    _H("get_current_ancestor_cgroup_id", 123, (_INT,), _U64,
       "The id of the current cgroup's ancestor at a level; 0 is the root."),
    _H("current_task_under_cgroup", 37, (_MAP, _INT), _I64,
       "1 when the current task is in the cgroup at an index of the map.",
       maps=_CGROUPS),
    _H("get_ns_current_pid_tgid", 120, (_INT, _INT, _OUT, _SIZE), _I64,
       "pid and tgid as the pid namespace sees them whose device and inode are given.", fills=(2,)),
    _H("send_signal", 109, (_INT,), _I64, "Sends a signal to the current process."),
    _H("send_signal_thread", 117, (_INT,), _I64, "Sends a signal to the current thread."),
    # Foreign memory
    _H("probe_read", 4, (_OUT, _SIZE, _ADDR), _I64,
       "Copies from an address; use the _kernel or _user form where there is one.", gpl_only=True, fills=(0,)),
    _H("probe_read_str", 45, (_OUT, _SIZE, _ADDR), _I64, "Copies a string from an address; see probe_read.",
       gpl_only=True, texts=(0,)),
    _H("probe_read_user", 112, (_OUT, _SIZE, _ADDR), _I64, "Copies from user memory; zeroes the buffer on failure.",
       gpl_only=True, fills=(0,)),
    _H("probe_read_kernel", 113, (_OUT, _SIZE, _ADDR), _I64,
       "Copies from kernel memory; zeroes the buffer on failure.", gpl_only=True, fills=(0,)),
    _H("probe_read_user_str", 114, (_OUT, _SIZE, _ADDR), _I64,
       "Copies a string from user memory; returns its length with NUL.", gpl_only=True, texts=(0,)),
    _H("probe_read_kernel_str", 115, (_OUT, _SIZE, _ADDR), _I64,
       "Copies a string from kernel memory; returns its length with NUL.", gpl_only=True, texts=(0,)),
    _H("probe_write_user", 36, (_ADDR, _MEM, _SIZE), _I64, "Writes to the current process's memory.", gpl_only=True,
       notes="the kernel logs a warning when such a program is loaded"),
    _H("copy_from_user", 148, (_OUT, _SIZE, _ADDR), _I64, "Copies from user memory, waiting for pages on disk.",
       notes="sleepable programs only"),
    # Tracing
    _H("get_stackid", 27, (_CTX, _MAP, _INT), _I64,
       "Stores the current stack in a stack trace map; returns its number.", gpl_only=True,
       maps=(MapType.STACK_TRACE,)),
    _H("get_stack", 67, (_CTX, _OUT, _SIZE, _INT), _I64,
       "Copies the current stack's addresses; returns the bytes written.", gpl_only=True),
    _H("get_func_ip", 173, (_CTX,), _U64, "Address of the probed function.", gpl_only=True),
    _H("get_attach_cookie", 174, (_CTX,), _U64, "The number given when the program was attached."),
    _H("override_return", 58, (_CTX, _INT), _I64, "Makes the probed function return a value without running.",
       gpl_only=True, notes="only functions that the kernel marks as error-injectable"),
    _H("perf_event_read", 22, (_MAP, _INT), _U64, "Reads the counter at an index of a perf event array.",
       gpl_only=True,
       maps=_PERF_EVENTS),
    _H("perf_event_read_value", 55, (_MAP, _INT, _OUT, _SIZE), _I64,
       "Reads a counter with its enabled and running times.", gpl_only=True,
       maps=_PERF_EVENTS),
    _H("perf_prog_read_value", 56, (_CTX, _OUT, _SIZE), _I64,
       "Reads the counter of the perf event that the program runs for.", gpl_only=True),
    _H("read_branch_records", 119, (_CTX, _OUT, _SIZE, _INT), _I64,
       "Copies the last branches recorded with the perf event.", gpl_only=True, nullable=(1,)),
    _H("get_branch_snapshot", 176, (_OUT, _SIZE, _INT), _I64, "Copies the processor's last branch records.",
       gpl_only=True),
    # Strings
    _H("strtol", 105, (_MEM, _SIZE, _INT, _OUT), _I64,
       "Parses a signed number into an i64; returns the characters used.",
       notes="cgroup sysctl and, on newer kernels, all programs"),
    _H("strtoul", 106, (_MEM, _SIZE, _INT, _OUT), _I64,
       "Parses an unsigned number into a u64; returns the characters used.",
       notes="cgroup sysctl and, on newer kernels, all programs"),
    _H("strncmp", 182, (_MEM, _SIZE, _FMT), _I64,
       "Compares two strings, as strncmp(3). The second has to lie in read-only memory, which programs don't have: "
       "compare char arrays with == and .startswith().", rodata=(2,)),
    _H("snprintf", 165, (_OUT, _SIZE, _FMT, _MEM, _SIZE), _I64,
       "Formats an array of u64 into a buffer; returns the length with NUL. Its format has to lie in read-only memory, "
       "which programs don't have: send the numbers in a queue, and format them in Python.", gpl_only=True,
       nullable=(0, 3), texts=(0,), rodata=(2,)),
    _H("snprintf_btf", 149, (_OUT, _SIZE, _MEM, _SIZE, _INT), _I64,
       "Prints a kernel object described by a struct btf_ptr.", texts=(0,)),
    # Packets, read
    _H("skb_load_bytes", 26, (_CTX, _INT, _OUT, _SIZE), _I64,
       "Copies packet bytes from an offset; -EFAULT past the end.", fills=(2,)),
    _H("skb_load_bytes_relative", 68, (_CTX, _INT, _OUT, _SIZE, _INT), _I64,
       "Copies packet bytes from an offset that counts from the link or network header.", fills=(2,)),
    _H("skb_pull_data", 39, (_CTX, _INT), _I64, "Makes the first bytes directly accessible (0: the linear part).",
       writes_packet=True),
    _H("get_hash_recalc", 34, (_CTX,), _U32, "The packet's flow hash."),
    _H("get_socket_cookie", 46, (_CTX,), _U64, "A number that identifies the packet's socket while the system is up."),
    _H("get_socket_uid", 47, (_CTX,), _U32, "The owner of the packet's socket; overflowuid when there is none."),
    _H("get_netns_cookie", 122, (_CTX,), _U64, "A number that identifies the network namespace.", nullable=(0,)),
    _H("get_cgroup_classid", 17, (_CTX,), _U32, "net_cls class of the task that sends the packet."),
    _H("skb_cgroup_classid", 151, (_CTX,), _U64, "net_cls class of the packet's socket."),
    _H("skb_cgroup_id", 79, (_CTX,), _U64, "The id of the cgroup of the packet's socket."),
    _H("skb_ancestor_cgroup_id", 83, (_CTX, _INT), _U64, "The id of that cgroup's ancestor at a level; 0 is the root."),
    _H("skb_under_cgroup", 33, (_CTX, _MAP, _INT), _I64,
       "1 when the packet's socket is in the cgroup at an index of the map.",
       maps=_CGROUPS),
    _H("get_route_realm", 24, (_CTX,), _U32, "The routing realm of the packet's destination."),
    _H("skb_get_tunnel_key", 20, (_CTX, _OUT, _SIZE, _INT), _I64, "The tunnel that the packet came through."),
    _H("skb_get_tunnel_opt", 29, (_CTX, _OUT, _SIZE), _I64, "The options of the tunnel that the packet came through."),
    _H("skb_get_xfrm_state", 66, (_CTX, _INT, _OUT, _SIZE, _INT), _I64,
       "The IPsec state at an index of the packet's path."),
    _H("fib_lookup", 69, (_CTX, _OUT, _SIZE, _INT), _I64, "Looks up route and neighbour for a struct bpf_fib_lookup.",
       gpl_only=True, reads=(1,)),
    _H("check_mtu", 163, (_CTX, _INT, _OUT, _INT, _INT), _I64, "Checks a packet's size against a device's MTU.",
       gpl_only=True, reads=(2,), notes="the buffer is a u32: length to check (or 0), then the MTU"),
    _H("csum_diff", 28, (_MEM, _SIZE, _MEM, _SIZE, _INT), _I64,
       "The change in checksum when one buffer replaces another.", nullable=(0, 2), notes="sizes are multiples of 4"),
    _H("tcp_raw_gen_syncookie_ipv4", 204, (_MEM, _MEM, _SIZE), _I64, "Makes a SYN cookie from IPv4 and TCP headers.",
       gpl_only=True),
    _H("tcp_raw_gen_syncookie_ipv6", 205, (_MEM, _MEM, _SIZE), _I64, "Makes a SYN cookie from IPv6 and TCP headers.",
       gpl_only=True),
    _H("tcp_raw_check_syncookie_ipv4", 206, (_MEM, _MEM), _I64, "Checks the SYN cookie of IPv4 and TCP headers.",
       gpl_only=True),
    _H("tcp_raw_check_syncookie_ipv6", 207, (_MEM, _MEM), _I64, "Checks the SYN cookie of IPv6 and TCP headers.",
       gpl_only=True),
    # Packets, written
    _H("skb_store_bytes", 9, (_CTX, _INT, _MEM, _SIZE, _INT), _I64, "Writes packet bytes at an offset.",
       writes_packet=True),
    _H("l3_csum_replace", 10, (_CTX, _INT, _INT, _INT, _INT), _I64,
       "Updates the checksum at an offset for a changed field.", writes_packet=True,
       notes="the last argument: size of the field (2, 4), or 0 and the change in the fourth"),
    _H("l4_csum_replace", 11, (_CTX, _INT, _INT, _INT, _INT), _I64,
       "As l3_csum_replace, for TCP, UDP and ICMP; flags hold the size.", writes_packet=True),
    _H("csum_update", 40, (_CTX, _INT), _I64, "Adds to the checksum that the device computed for the packet."),
    _H("csum_level", 135, (_CTX, _INT), _I64, "Changes how many checksums of the packet count as verified."),
    _H("skb_vlan_push", 18, (_CTX, _INT, _INT), _I64, "Adds a VLAN header.", writes_packet=True,
       notes="the protocol is in network order"),
    _H("skb_vlan_pop", 19, (_CTX,), _I64, "Removes the VLAN header.", writes_packet=True),
    _H("skb_set_tunnel_key", 21, (_CTX, _MEM, _SIZE, _INT), _I64, "Sets the tunnel that the packet leaves through."),
    _H("skb_set_tunnel_opt", 30, (_CTX, _MEM, _SIZE), _I64,
       "Sets the options of the tunnel that the packet leaves through."),
    _H("skb_change_proto", 31, (_CTX, _INT, _INT), _I64,
       "Turns an IPv4 packet into IPv6 or back, leaving room for the header.", writes_packet=True,
       notes="the protocol is in network order"),
    _H("skb_change_type", 32, (_CTX, _INT), _I64, "Sets the packet type: PACKET_HOST and so on."),
    _H("skb_change_tail", 38, (_CTX, _INT, _INT), _I64, "Cuts or grows the packet at its end to a length.",
       writes_packet=True),
    _H("skb_change_head", 43, (_CTX, _INT, _INT), _I64, "Grows the packet at its front for a link header.",
       writes_packet=True),
    _H("skb_adjust_room", 50, (_CTX, _INT, _INT, _INT), _I64,
       "Grows or shrinks the packet after its link or network header.", writes_packet=True),
    _H("skb_ecn_set_ce", 97, (_CTX,), _I64, "Marks the packet as having met congestion; 1 when marked."),
    _H("skb_set_tstamp", 192, (_CTX, _INT, _INT), _I64, "Sets the packet's time and its kind."),
    _H("set_hash_invalid", 41, (_CTX,), _VOID, "Has the packet's flow hash computed anew when next wanted."),
    _H("set_hash", 48, (_CTX, _INT), _I64, "Sets the packet's flow hash."),
    # Packets, forwarded
    _H("redirect", 23, (_INT, _INT), _I64, "Sends the packet to a device; return what this returns."),
    _H("clone_redirect", 13, (_CTX, _INT, _INT), _I64, "Sends a copy of the packet to a device.", writes_packet=True),
    _H("redirect_neigh", 152, (_INT, _MEM, _SIZE, _INT), _I64,
       "As redirect, with the link header filled in for the neighbour.", nullable=(1,)),
    _H("redirect_peer", 155, (_INT, _INT), _I64, "As redirect, into the namespace of the device's peer."),
    _H("redirect_map", 51, (_MAP, _INT, _INT), _I64,
       "Sends the packet to a map's entry: device, CPU or AF_XDP socket.",
       maps=(MapType.DEVMAP, MapType.DEVMAP_HASH, MapType.CPUMAP, MapType.XSKMAP)),
    # XDP
    _H("xdp_adjust_head", 44, (_CTX, _INT), _I64, "Moves the packet's start; negative grows it.", writes_packet=True),
    _H("xdp_adjust_tail", 65, (_CTX, _INT), _I64, "Moves the packet's end; negative cuts it.", writes_packet=True),
    _H("xdp_adjust_meta", 54, (_CTX, _INT), _I64,
       "Moves the start of the metadata before the packet; negative grows it.", writes_packet=True),
    _H("xdp_get_buff_len", 188, (_CTX,), _U64, "The packet's length, fragments included."),
    _H("xdp_load_bytes", 189, (_CTX, _INT, _OUT, _SIZE), _I64, "Copies packet bytes from an offset, across fragments.",
       notes="where it fails, the buffer stays as it was"),
    _H("xdp_store_bytes", 190, (_CTX, _INT, _MEM, _SIZE), _I64, "Writes packet bytes at an offset, across fragments."),
)
# fmt: on

HELPERS: Final[dict[str, HelperInfo]] = {helper.name: helper for helper in _TABLE}
"""The helpers that programs can call, by name."""

INTERNAL: Final[dict[str, HelperInfo]] = {
    helper.name: helper
    for helper in (
        _H("loop", 181, (_INT, _INT, _OUT, _INT), _I64, "Calls a function of the program up to so many times."),
        _H("dynptr_read", 201, (_OUT, _SIZE, _INT, _INT, _INT), _I64, "Copies from a dynptr, such as a record's."),
        _H("user_ringbuf_drain", 209, (_MAP, _INT, _OUT, _INT), _I64, "Calls a function for each record there is."),
    )
}
"""The helpers that only the compiler calls, since the functions that they call back are made by the compiler. Addresses
of these functions are integers here."""

LEFT_OUT: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "works on sockets that the verifier tracks",
        (
            "sk_lookup_tcp",
            "sk_lookup_udp",
            "skc_lookup_tcp",
            "sk_release",
            "sk_fullsock",
            "tcp_sock",
            "get_listener_sock",
            "tcp_check_syncookie",
            "tcp_gen_syncookie",
            "sk_storage_get",
            "sk_storage_delete",
            "sk_assign",
            "sk_cgroup_id",
            "sk_ancestor_cgroup_id",
            "skc_to_tcp6_sock",
            "skc_to_tcp_sock",
            "skc_to_tcp_timewait_sock",
            "skc_to_tcp_request_sock",
            "skc_to_udp6_sock",
            "skc_to_unix_sock",
            "skc_to_mptcp_sock",
            "sock_from_file",
        ),
    ),
    (
        "works on kernel objects typed by BTF",
        (
            "get_task_stack",
            "task_pt_regs",
            "task_storage_get",
            "task_storage_delete",
            "inode_storage_get",
            "inode_storage_delete",
            "cgrp_storage_get",
            "cgrp_storage_delete",
            "d_path",
            "bprm_opts_set",
            "ima_inode_hash",
            "ima_file_hash",
            "copy_from_user_task",
            "per_cpu_ptr",
            "this_cpu_ptr",
            "kptr_xchg",
            "tcp_send_ack",
        ),
    ),
    (
        "is for BTF tracing programs (fentry, iterators), whose contexts are typed",
        (
            "skb_output",
            "xdp_output",
            "seq_printf",
            "seq_write",
            "seq_printf_btf",
            "get_func_arg",
            "get_func_ret",
            "get_func_arg_cnt",
        ),
    ),
    (
        "takes a callback",
        (
            "for_each_map_elem",
            "loop",
            "find_vma",
            "timer_init",
            "timer_set_callback",
            "timer_start",
            "timer_cancel",
            "user_ringbuf_drain",
        ),
    ),
    (
        "works on a dynptr",
        (
            "dynptr_from_mem",
            "ringbuf_reserve_dynptr",
            "ringbuf_submit_dynptr",
            "ringbuf_discard_dynptr",
            "dynptr_read",
            "dynptr_write",
            "dynptr_data",
        ),
    ),
    (
        "is for socket operation, sockmap and socket option programs",
        (
            "setsockopt",
            "getsockopt",
            "sk_redirect_map",
            "sock_map_update",
            "sock_ops_cb_flags_set",
            "msg_redirect_map",
            "msg_apply_bytes",
            "msg_cork_bytes",
            "msg_pull_data",
            "msg_push_data",
            "msg_pop_data",
            "bind",
            "sock_hash_update",
            "msg_redirect_hash",
            "sk_redirect_hash",
            "sk_select_reuseport",
            "load_hdr_opt",
            "store_hdr_opt",
            "reserve_hdr_opt",
            "get_retval",
            "set_retval",
        ),
    ),
    (
        "is for lightweight tunnel programs",
        ("lwt_push_encap", "lwt_seg6_store_bytes", "lwt_seg6_adjust_srh", "lwt_seg6_action"),
    ),
    ("is for infrared decoders", ("rc_repeat", "rc_keydown", "rc_pointer_rel")),
    (
        "is for sysctl programs",
        ("sysctl_get_name", "sysctl_get_current_value", "sysctl_get_new_value", "sysctl_set_new_value"),
    ),
    ("is for syscall programs", ("sys_bpf", "btf_find_by_name_kind", "sys_close", "kallsyms_lookup_name")),
)
"""The kernel's other helpers up to number 211: (reason, names)."""
