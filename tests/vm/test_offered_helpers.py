"""The VM offers programs of each type the helpers that the kernel offers them."""

from __future__ import annotations

import platform
from typing import Final

import pytest
from vm_programs import spec_of

from py2bpf import asm
from py2bpf.exception import KernelError
from py2bpf.kernel import kernel_program as kernel_program
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls
from py2bpf.vm import vm_program as vm_program

KNOWN: Final = (6, 18)
"""The kernel that the table was read from; others offer some helpers to more or fewer types."""
REFUSALS: Final = ("cannot use helper", "unknown func", "invalid func")

UNLIKE: Final = {
    "probe_write_user": "kernels under lockdown have none",
    "override_return": "kernels without CONFIG_BPF_KPROBE_OVERRIDE have none",
    "spin_lock": "offered to tracing programs, whose maps may have no lock",
    "spin_unlock": "offered to tracing programs, whose maps may have no lock",
    "copy_from_user": "offered to all, but only programs that may sleep can call it",
}


def release() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split(".")[:2])


def in_kernel(number: int, prog_type: ProgType) -> bool:
    """Whether the verifier refuses the arguments, and not the call."""
    try:
        kernel_program.load(spec_of(calling(number), prog_type)).close()
    except KernelError as error:
        return not any(text in f"{error}{error.log}" for text in REFUSALS)
    return True


def in_vm(number: int, prog_type: ProgType) -> bool | None:
    """None where the VM hasn't got the helper at all."""
    try:
        vm_program.load(spec_of(calling(number), prog_type), (), machine_calls.machine_create(1)).close()
    except vm_program.VmFault as fault:
        assert "helper function" in str(fault)
        return None if "has no such helper" in str(fault) else False
    return True


def calling(number: int) -> list[asm.Insn]:
    return [asm.call(number), asm.mov_imm(0, 0), asm.exit_()]


@pytest.mark.kernel
@pytest.mark.skipif(release() != KNOWN, reason="the VM's helpers are those of Linux 6.18")
@pytest.mark.parametrize("prog_type", SPECS, ids=lambda each: each.name)
def test_each_type_has_the_helpers_that_the_kernel_offers_it(prog_type: ProgType) -> None:
    ours = {name: in_vm(helper.id, prog_type) for name, helper in HELPERS.items() if name not in UNLIKE}
    theirs = {name: in_kernel(HELPERS[name].id, prog_type) for name, offered in ours.items() if offered is not None}
    assert {name: offered for name, offered in ours.items() if offered is not None} == theirs
    assert len(theirs) > 60


@pytest.mark.parametrize(("name", "prog_type"), [
    ("csum_diff", ProgType.SOCKET_FILTER), ("probe_read", ProgType.XDP), ("skb_store_bytes", ProgType.CGROUP_SKB),
    ("copy_from_user", ProgType.SCHED_CLS), ("spin_lock", ProgType.KPROBE), ("override_return", ProgType.TRACEPOINT),
    ("get_socket_cookie", ProgType.RAW_TRACEPOINT_WRITABLE),
], ids=lambda each: each if isinstance(each, str) else each.name)  # fmt: skip
def test_what_a_type_is_not_offered_is_refused(name: str, prog_type: ProgType) -> None:
    assert in_vm(HELPERS[name].id, prog_type) is False
