"""The contexts that the kernel passes to programs: ctypes structures, and names for users.

Layouts are those of include/uapi/linux/bpf.h and of the architectures' ``struct pt_regs``; a test compares them
with the running kernel's BTF.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from ctypes import c_int32, c_int64, c_uint8, c_uint32, c_uint64
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from ..exception import NotSupported
from ..spec import ContextSpec, Field, Located
from .syscalls import SYSCALL_ABI

_ENOSYS: Final = 38


class SkBuff(ctypes.Structure):
    """A packet, ``struct __sk_buff``. Numbers are in host order, except ``protocol``, addresses and ``remote_port``."""

    _fields_ = (
        ("len", c_uint32),
        ("pkt_type", c_uint32),
        ("mark", c_uint32),
        ("queue_mapping", c_uint32),
        ("protocol", c_uint32),
        ("vlan_present", c_uint32),
        ("vlan_tci", c_uint32),
        ("vlan_proto", c_uint32),
        ("priority", c_uint32),
        ("ingress_ifindex", c_uint32),
        ("ifindex", c_uint32),
        ("tc_index", c_uint32),
        ("cb", c_uint32 * 5),
        ("hash", c_uint32),
        ("tc_classid", c_uint32),
        ("data", c_uint32),
        ("data_end", c_uint32),
        ("napi_id", c_uint32),
        ("family", c_uint32),
        ("remote_ip4", c_uint32),
        ("local_ip4", c_uint32),
        ("remote_ip6", c_uint32 * 4),
        ("local_ip6", c_uint32 * 4),
        ("remote_port", c_uint32),
        ("local_port", c_uint32),
        ("data_meta", c_uint32),
        ("flow_keys", c_uint64),
        ("tstamp", c_uint64),
        ("wire_len", c_uint32),
        ("gso_segs", c_uint32),
        ("sk", c_uint64),
        ("gso_size", c_uint32),
        ("tstamp_type", c_uint8),
        ("hwtstamp", c_uint64),
    )


class XdpMd(ctypes.Structure):
    """A packet before it becomes an sk_buff, ``struct xdp_md``."""

    _fields_ = (
        ("data", c_uint32),
        ("data_end", c_uint32),
        ("data_meta", c_uint32),
        ("ingress_ifindex", c_uint32),
        ("rx_queue_index", c_uint32),
        ("egress_ifindex", c_uint32),
    )


class RawTracepointArgs(ctypes.Structure):
    """The arguments of a raw tracepoint: as many as its TP_PROTO has, at most 12."""

    _fields_ = (("args", c_uint64 * 12),)


_X86_REGISTERS: Final = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss"),
)
_ARM_REGISTERS: Final = (*(f"x{number}" for number in range(31)), "sp", "pc", "pstate")


def _registers(names: tuple[str, ...], result: str) -> dict[str, object]:
    """The body of a structure of 64-bit registers. The result's register also has signed and 32-bit names."""
    views = (result, c_uint64), (f"{result}_i64", c_int64), (f"{result}_i32", c_int32)
    union = type("Result", (ctypes.Union,), {"_fields_": views})
    fields = tuple(("_result", union) if name == result else (name, c_uint64) for name in names)
    return {"_anonymous_": ("_result",), "_fields_": fields}


PtRegsX86: Final = type("PtRegsX86", (ctypes.Structure,), _registers(_X86_REGISTERS, "rax"))
"""The processor's registers, ``struct pt_regs`` of x86-64, with user space's names."""

PtRegsArm64: Final = type("PtRegsArm64", (ctypes.Structure,), _registers(_ARM_REGISTERS, "x0"))
"""The processor's registers, ``struct user_pt_regs`` of arm64; x0 stands for regs[0] and so on."""


class _Abi:
    """An architecture's registers for the names that are the same on all architectures."""

    def __init__(self, struct: type[ctypes.Structure], args: str, ret: str, ip: str, sp: str) -> None:
        self.struct, self.args, self.ret, self.ip, self.sp = struct, tuple(args.split()), ret, ip, sp


_ABI: Final = {
    "x86_64": _Abi(PtRegsX86, "rdi rsi rdx rcx r8 r9", "rax", "rip", "rsp"),
    "aarch64": _Abi(PtRegsArm64, "x0 x1 x2 x3 x4 x5", "x0", "pc", "sp"),
}


def _abi(machine: str) -> _Abi:
    try:
        return _ABI[machine]
    except KeyError:
        known = ", ".join(_ABI)
        raise NotSupported(_ENOSYS, f"registers of {machine}: py2bpf knows those of {known}") from None


def pt_regs(
    machine: str | None = None, *, entry: bool = True, exit: bool = True, types: Sequence[Any] = (), result: Any = None
) -> ContextSpec:
    """The registers of a probed function.

    ``args[0]`` to ``args[5]`` are its integer arguments, known only at its entry; ``ret`` is its result, known only at
    its exit; ``ip`` and ``sp`` are always there. ``types`` are the ctypes types of the arguments, ``result`` is the
    type of the result: the other bits of a register mean nothing. For unknown types (None), arguments are unsigned
    64-bit numbers, and the result is a signed one, with ``ret32`` as its lower half. Raises NotSupported on unknown
    machines.
    """
    abi = _abi(machine or platform.machine())
    fields: dict[str, Field | Located | tuple[Field, ...]] = {"ip": Field(abi.ip), "sp": Field(abi.sp)}
    if entry:
        args = zip_longest(abi.args, types[: len(abi.args)])
        fields["args"] = tuple(Field(name, None, ctype) for name, ctype in args)
    if exit:
        fields |= {"ret": Field(f"{abi.ret}_i64", None, result), "ret32": Field(f"{abi.ret}_i32")}
    return ContextSpec(abi.struct, fields)


def syscall_regs(machine: str | None = None, *, types: Sequence[Any] = ()) -> ContextSpec:
    """The registers at the entry of a system call's wrapper, whose argument points to the caller's registers.

    ``args``, and the argument registers of C and of system calls, are the system call's own arguments: on x86-64 the
    fourth is both ``rcx`` and ``r10``. Registers by name are unsigned 64-bit numbers; for ``types`` see pt_regs().
    """
    machine = machine or platform.machine()
    abi, call = _abi(machine), SYSCALL_ABI[machine]
    own = {name: Field(name, call.pointer) for name in call.args}
    own |= {name: own[user] for name, user in zip(abi.args, call.args, strict=True)}
    fields: dict[str, Field | Located | tuple[Field, ...]] = {"ip": Field(abi.ip), "sp": Field(abi.sp), **own}
    args = zip_longest(call.args, types[: len(call.args)])
    fields["args"] = tuple(Field(name, call.pointer, ctype) for name, ctype in args)
    return ContextSpec(abi.struct, fields)


def perf_event_data(machine: str | None = None) -> ContextSpec:
    """The context of a perf event's program, ``struct bpf_perf_event_data``: registers, sample period, address."""
    abi = _abi(machine or platform.machine())

    class PerfEventData(ctypes.Structure):
        _fields_ = (("regs", abi.struct), ("sample_period", c_uint64), ("addr", c_uint64))

    return ContextSpec(PerfEventData, {"ip": Field(f"regs.{abi.ip}"), "sp": Field(f"regs.{abi.sp}")})


SK_BUFF: Final = ContextSpec(SkBuff)
XDP_MD: Final = ContextSpec(XdpMd)
RAW_TRACEPOINT_ARGS: Final = ContextSpec(RawTracepointArgs)


class KernelContext(NamedTuple):
    """The context of a hook's programs.

    ``title`` is its name for users. ``spec`` is the type of the program's argument; None if that depends on the place,
    like the fields of an event. ``structs`` are the structures above that are used for this context only. ``btf`` is
    the context's name in the kernel, which the verifier looks for in a program's BTF; "" if it doesn't look.
    """

    title: str = ""
    spec: ContextSpec | None = None
    structs: tuple[type[ctypes.Structure], ...] = ()
    btf: str = ""


OF_SK_BUFF: Final = KernelContext("SK_BUFF (SkBuffContext)", SK_BUFF, (SkBuff,), "__sk_buff")
OF_XDP_MD: Final = KernelContext("XDP_MD (XdpContext)", XDP_MD, (XdpMd,), "xdp_md")
OF_RAW_TRACEPOINT: Final = KernelContext("RAW_TRACEPOINT_ARGS", RAW_TRACEPOINT_ARGS, (RawTracepointArgs,))
OF_REGISTERS: Final = KernelContext("pt_regs()", None, tuple(abi.struct for abi in _ABI.values()), "pt_regs")
OF_EVENT: Final = KernelContext()
OF_PERF_EVENT: Final = KernelContext("perf_event_data()")
