"""A program type and a context that don't belong together are refused before anything is compiled."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from py2bpf.exception import DataTypeError, TypeMismatch
from py2bpf.prog import ProgType, compile_prog
from py2bpf.uapi.contexts import RAW_TRACEPOINT_ARGS, SK_BUFF, XDP_MD, SkBuff, XdpMd, pt_regs


@pytest.mark.parametrize(
    ("kind", "context", "message"),
    [
        (ProgType.XDP, SK_BUFF, "the context of XDP programs is XDP_MD (XdpContext), not SK_BUFF (SkBuffContext)"),
        (ProgType.XDP, SkBuff, "the context of XDP programs is XDP_MD (XdpContext), not SK_BUFF (SkBuffContext)"),
        (ProgType.SCHED_CLS, XDP_MD, "SCHED_CLS programs is SK_BUFF (SkBuffContext), not XDP_MD (XdpContext)"),
        (ProgType.SOCKET_FILTER, pt_regs("x86_64"), "SOCKET_FILTER programs is SK_BUFF (SkBuffContext), not pt_regs()"),
        (ProgType.CGROUP_SKB, XdpMd, "CGROUP_SKB programs is SK_BUFF"),
        (ProgType.RAW_TRACEPOINT, pt_regs("aarch64"), "RAW_TRACEPOINT programs is RAW_TRACEPOINT_ARGS, not pt_regs()"),
    ],
)
def test_the_context_of_another_hook(kind: ProgType, context: Any, message: str) -> None:
    with pytest.raises(DataTypeError) as caught:
        compile_prog(kind, context, lambda ctx: 1)
    assert message in str(caught.value)


class Own(ctypes.Structure):
    """A part of the kernel's context, in a class of the user's."""

    _fields_ = [("begin", ctypes.c_uint32)]


@pytest.mark.parametrize(("kind", "context"), [
    (ProgType.XDP, XDP_MD), (ProgType.SCHED_ACT, SkBuff), (ProgType.RAW_TRACEPOINT, RAW_TRACEPOINT_ARGS),
    (ProgType.SOCKET_FILTER, Own), (ProgType.KPROBE, pt_regs("x86_64")),
])  # fmt: skip
def test_the_right_context(kind: ProgType, context: Any) -> None:
    assert compile_prog(kind, context, lambda ctx: 1).code


@pytest.mark.parametrize("kind", ["socket_filter", 4711, None])
def test_no_program_type(kind: Any) -> None:
    with pytest.raises(DataTypeError, match=r"prog_type is one of py2bpf.prog.ProgType, such as ProgType.XDP, not"):
        compile_prog(kind, SK_BUFF, lambda ctx: 1)


@pytest.mark.parametrize("index", [-1, 6])
def test_an_argument_that_no_register_holds(index: int) -> None:
    with pytest.raises(TypeMismatch) as caught:
        compile_prog(ProgType.KPROBE, pt_regs("x86_64"), lambda regs: regs.args[index])
    assert caught.value.msg == f".args[{index}] does not exist"
    assert caught.value.hints == ("there are .args[0] to [5]",)
