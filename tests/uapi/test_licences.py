"""Which helpers the kernel keeps for GPL programs: asked of the verifier, helper by helper."""

import errno

import pytest

from py2bpf import asm
from py2bpf.kernel import core
from py2bpf.kernel.links import Descriptor
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.prog_types import HOOKS, ProgType

pytestmark = pytest.mark.kernel

TYPES = (
    *(ProgType.TRACEPOINT, ProgType.SCHED_CLS, ProgType.XDP, ProgType.KPROBE, ProgType.PERF_EVENT),
    *(ProgType.CGROUP_SKB, ProgType.SOCKET_FILTER),
)
UNKNOWN = ("unknown func", "cannot use helper", "helper call is not allowed", "invalid func", "not suppo")
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
    slots, _ = core.encode(asm.pack([asm.call(helper), asm.mov_imm(0, 1), asm.exit_()]))
    loaded = core.prog_load(prog_type, slots, license, "t")
    if loaded.result >= 0:
        Descriptor(loaded.result).close()
    else:
        assert -loaded.result in (errno.EINVAL, errno.EACCES, errno.EPERM, core.ENOTSUPP), loaded
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
    for kind, hook in HOOKS.items():
        code = [asm.mov(6, 1), asm.packet_load(1, 0), asm.mov_imm(0, 0), asm.exit_()]
        slots, _ = core.encode(asm.pack(code))
        loaded = core.prog_load(kind, slots, "GPL", "t")
        if loaded.result >= 0:
            Descriptor(loaded.result).close()
        assert (loaded.result >= 0) == hook.packet_loads, (kind, loaded.log)
