"""Uses of ctx.packet() that are refused, in programs that may use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_files import Case, context_of, namespace, pure_maps

from py2bpf.compiler import pipeline
from py2bpf.exception import TranslationError
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

REFUSED = {
    "no_type": ("return ctx.packet()", "packet() takes a ctypes type and an offset"),
    "too_many": ("return ctx.packet(c_uint8, 1, 2)", "packet() takes a ctypes type and an offset"),
    "wrong_keyword": ("return ctx.packet(c_uint8, at=2)", "packet() takes a ctypes type and an offset"),
    "number_for_a_type": ("return ctx.packet(4)", "packet() takes a ctypes type first, not the int 4"),
    "instance": ("return ctx.packet(c_uint8(4))", "packet() takes a ctypes type first, not a c_ubyte"),
    "single_char": ("return ctx.packet(c_char)", "packet() gives no single c_char"),
    "base_class": ("return ctx.packet(Structure)", "Structure has 0 bytes, and a view has 1 to 65535"),
    "huge": ("return ctx.packet(c_uint8 * 70000)", "c_ubyte_Array_70000 has 70000 bytes, and a view has 1 to 65535"),
    "offset": ("return ctx.packet(c_uint8, 1.5)", "the offset into a packet is an integer, but this is the float 1.5"),
    "pointer_as_number": ("return ctx.data", "a program returns an integer, but this is an edge of the packet"),
    "pointer_arithmetic": (
        "return ctx.data + 14 > ctx.data_end", "the operator + needs integers, but this is an edge of the packet"
    ),
    "copy_or_view": (
        "a = ctx.packet(c_uint8 * 6) if ctx.rx_queue_index else (c_uint8 * 6)()\n    return a[0]",
        "'a' can't be used here: it is in the packet on one path, and a copy on another",
    ),
    "filled_by_a_helper": (
        "a = ctx.packet(c_uint8 * 16)\n    funcs.get_current_comm(a)\n    return 2",
        "get_current_comm() can't write into the packet",
    ),
    "unknown_field": ("return ctx.packets(c_uint8)", "the context (XdpMd) has no field 'packets'"),
}  # fmt: skip


def refusal(body: str, kind: ProgType = ProgType.XDP) -> TranslationError:
    case = Case(Path("case.case"), "", {"python": f"def prog(ctx):\n    {body}\n"})
    prog = namespace(case, pure_maps())["prog"]
    with pytest.raises(TranslationError) as caught:
        pipeline.compile_function(prog, context_of(kind), SPECS[kind])
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name: str) -> None:
    body, message = REFUSED[name]
    error = refusal(body)
    assert error.msg == message
    assert error.hints and error.line >= 2 and "^" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        "eth = ctx.packet(c_uint8 * 6)\n    eth[0] = 1\n    return 1",
        "eth = ctx.packet(c_uint8 * 6)\n    eth[0:2] = (c_uint8 * 2)()\n    return 1",
    ],
)
def test_cgroup_programs_only_read(body: str) -> None:
    error = refusal(body, ProgType.CGROUP_SKB)
    assert error.msg == "a cgroup_skb program can't write to its packet"
    assert error.hints == ("copy what shall change",) and error.line == 3


@pytest.mark.parametrize("kind", [ProgType.KPROBE, ProgType.RAW_TRACEPOINT])
def test_other_contexts_have_no_packet(kind: ProgType) -> None:
    assert "has no packet" in refusal("return ctx.packet(c_uint8)", kind).msg


@pytest.mark.parametrize("kind", [ProgType.XDP, ProgType.SCHED_CLS])
@pytest.mark.parametrize(("body", "at"), [
    ("return ctx.data[12]", "12"), ("return ctx[12]", "12"), ("return ctx[12:14]", "offset"),
    ("return ctx.data[12:14]", "offset"),
])
def test_the_packet_is_no_item_of_the_context(kind: ProgType, body: str, at: str) -> None:
    (hint,) = refusal(body, kind).hints
    assert hint == f"the packet's bytes are in a view: ctx.packet(c_uint8, {at}), which is None past its end"
