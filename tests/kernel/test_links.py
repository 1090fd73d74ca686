"""Groups of resources, and facts about programs, against the running kernel's BTF."""

import errno
from contextlib import ExitStack

import pytest

from py2bpf.btf import Btf
from py2bpf.core import privileges
from py2bpf.exception import KernelError
from py2bpf.kernel import bpf_call, links, program_info
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.operations import Capability
from py2bpf.uapi.prog_types import ProgType


def test_resources_close_in_reverse_even_when_one_fails():
    closed = []

    def fail():
        closed.append("second")
        raise OSError("no")

    stack = ExitStack()
    stack.callback(closed.append, "first")
    stack.callback(fail)
    resources = links.Resources(stack)
    with pytest.raises(OSError, match="no"):
        resources.close()
    resources.close()
    assert closed == ["second", "first"]


def offset(name, member):
    return Btf.kernel().layout(name)[member].bit_offset // 8


def test_layouts_are_the_kernels():
    names = ("type", "id", "tag", "name", "run_time_ns", "run_cnt", "recursion_misses", "verified_insns")
    data = bytes(range(program_info.LAYOUT.size))
    begins = [each if isinstance(each, int) else each[0] for each in program_info.LAYOUT.unpack(data)]
    assert [begin & 0xFF for begin in begins] == [offset("bpf_prog_info", name) for name in names]


@pytest.mark.kernel
def test_facts_about_a_program():
    with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, lambda skb: 0, name="facts") as prog:
        info = program_info.prog_info(prog.handle)
        assert (info.name, info.type, info.recursion_misses) == ("facts", ProgType.SOCKET_FILTER, 0)
        with links.prog_by_id(info.id) as other:
            assert program_info.prog_info(other) == info
    assert links.prog_by_id(info.id) is None


def test_programs_are_found_by_their_ids_with_one_capability(monkeypatch):
    """CAP_BPF and CAP_NET_ADMIN install a tc program, and don't remove it."""
    monkeypatch.setattr(bpf_call, "bpf_make", lambda *_: -errno.EPERM)
    monkeypatch.setattr(privileges, "has", lambda capability: capability != Capability.SYS_ADMIN)
    with pytest.raises(KernelError, match=r"program with id 7, .* and this process lacks CAP_SYS_ADMIN"):
        links.prog_by_id(7)
