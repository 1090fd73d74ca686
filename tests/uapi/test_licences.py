"""Which helpers the kernel keeps for GPL programs, and which maps they take: asked of the verifier, one by one."""

import errno
from ctypes import c_uint32, c_uint64

import pytest

from py2bpf import asm
from py2bpf.core import encoding
from py2bpf.core.failures import ENOTSUPP
from py2bpf.core.handles import Handle
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    RingBuffer,
    StackTraceMap,
    UserRingBuffer,
)
from py2bpf.kernel import prog_load
from py2bpf.uapi.helpers import HELPERS, Arg
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel

TYPES = (
    *(ProgType.TRACEPOINT, ProgType.SCHED_CLS, ProgType.XDP, ProgType.KPROBE, ProgType.PERF_EVENT),
    *(ProgType.CGROUP_SKB, ProgType.SOCKET_FILTER),
)
UNKNOWN = ("unknown func", "cannot use helper", "helper call is not allowed", "invalid func", "not suppo")
NO_SUCH_MAP = ("cannot pass map_type", "expected prog array map", "zero-sized read")
"""The last of maps without keys or values."""
ELSEWHERE = {
    "copy_from_user": "sleepable programs only",
    "probe_write_user": "kernels that are not locked down",
    "skb_get_xfrm_state": "kernels with CONFIG_XFRM",
    "override_return": "kernels with CONFIG_BPF_KPROBE_OVERRIDE",
    "get_cgroup_classid": "kernels with CONFIG_CGROUP_NET_CLASSID",
    "skb_cgroup_classid": "kernels with CONFIG_CGROUP_NET_CLASSID",
    "tcp_raw_gen_syncookie_ipv6": "kernels with IPv6 built in",
    "tcp_raw_check_syncookie_ipv6": "kernels with IPv6 built in",
}
"""Helpers that this test may find in no program type."""


def verdict(helper, prog_type, license):
    """What the verifier says of a program that calls the helper with whatever the registers hold."""
    slots, _ = encoding.encode(asm.pack([asm.call(helper), asm.mov_imm(0, 1), asm.exit_()]))
    with Handle("t") as made:
        loaded = prog_load.prog_load(made, prog_load.Purpose(prog_type), prog_load.Code(slots), license, "t")
    if loaded.result < 0:
        assert -loaded.result in (errno.EINVAL, errno.EACCES, errno.EPERM, ENOTSUPP), loaded
    return loaded.log


@pytest.mark.parametrize("name", HELPERS)
def test_licence(name):
    info = HELPERS[name]
    usable = [kind for kind in TYPES if not any(text in verdict(info.id, kind, "GPL") for text in UNKNOWN)]
    if not usable:
        assert name in ELSEWHERE
        return
    if name == "get_stackid":
        usable.remove(ProgType.PERF_EVENT)  # whose own form of it is for all
    refused = {"GPL" in verdict(info.id, kind, "Proprietary") for kind in usable}
    assert refused == {info.gpl_only}


def test_only_these_types_load_from_packets():
    for kind, hook in SPECS.items():
        code = [asm.mov(6, 1), asm.packet_load(1, 0), asm.mov_imm(0, 0), asm.exit_()]
        slots, _ = encoding.encode(asm.pack(code))
        with Handle("t") as made:
            loaded = prog_load.prog_load(made, prog_load.Purpose(kind), prog_load.Code(slots), "GPL", "t")
        assert (loaded.result >= 0) == hook.packet_loads, (kind, loaded.log)


def kinds_of_maps():
    """An open map of each kind, by kind."""
    made = [
        HashMap(c_uint32, c_uint64, 4), ArrayMap(c_uint64, 4), ProgArray(4), BpfQueue(c_uint64), RingBuffer(c_uint64),
        PerCpuHashMap(c_uint32, c_uint64, 4), PerCpuArrayMap(c_uint64, 4), StackTraceMap(4, max_depth=8),
        LruHashMap(c_uint32, c_uint64, 4), LruPerCpuHashMap(c_uint32, c_uint64, 4), LpmTrieMap(c_uint32, c_uint64, 4),
        UserRingBuffer(c_uint64, 4096),
    ]  # fmt: skip
    return {MapType(each.map_spec.kind): each for each in made}


def calling(info):
    """A call of a helper with arguments of the right kinds; the map is number 0."""
    code = [asm.mov(6, 1), *(asm.store_imm(8, 10, -8 * n, 0) for n in range(1, 33))]
    for at, kind in enumerate(info.args, 1):
        if kind is Arg.CTX:
            code.append(asm.mov(at, 6))
        elif kind is Arg.MAP:
            code.append(asm.ld_map(at, 0))
        elif kind in (Arg.INT, Arg.ADDR, Arg.SIZE):
            code.append(asm.mov_imm(at, 8 if kind is Arg.SIZE else 0))
        else:
            code += [asm.mov(at, 10), asm.alu_imm(asm.Alu.ADD, at, -256)]
    return [*code, asm.call(info.id), asm.mov_imm(0, 0), asm.exit_()]


@pytest.mark.parametrize("name", [name for name, info in HELPERS.items() if Arg.MAP in info.args])
def test_kinds_of_maps(name):
    """The verifier names a kind that a helper doesn't take."""
    info = HELPERS[name]
    usable = [kind for kind in TYPES if not any(text in verdict(info.id, kind, "GPL") for text in UNKNOWN)]
    if not usable or not info.maps:
        return
    for kind, made in kinds_of_maps().items():
        with made:
            slots, _ = encoding.encode(asm.pack(calling(info)))
            with Handle("t") as program:
                code = prog_load.Code(slots, [made._storage.handle])
                loaded = prog_load.prog_load(program, prog_load.Purpose(usable[0]), code, "GPL", "t")
            assert any(text in loaded.log for text in NO_SUCH_MAP) == (kind not in info.maps), (kind, loaded.log)
