"""The same programs in the kernel and in the VM: results, packets afterwards and context fields agree."""

from __future__ import annotations

import platform
import struct

import pytest
from vm_programs import CTX, SAVED, call, in_kernel, in_vm, spec_of

from py2bpf import asm
from py2bpf.asm import Alu, Insn
from py2bpf.exception import VmFault
from py2bpf.testing import packets
from py2bpf.uapi.contexts import SkBuff
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel

TO_ALL, TO_SOME = "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00"
IPV4 = packets.ipv4(bytes(range(26)), "127.0.0.1", "127.0.0.2")
IPV4_ECT0 = packets.ipv4(bytes(range(26)), "127.0.0.1", "127.0.0.2", tos=2)
IPV6 = packets.ipv6(bytes(range(30)))

def behind_tag(control: int, ethertype: int, payload: bytes) -> bytes:
    """What follows the type of a VLAN tag."""
    return control.to_bytes(2) + ethertype.to_bytes(2) + payload


PACKETS = {
    "zeros": bytes(64),
    "counting": bytes(range(64)),
    "shortest": bytes(14),
    "ipv4": packets.ethernet(IPV4, dst=TO_ALL),
    "ipv4 ect0": packets.ethernet(IPV4_ECT0, dst=TO_ALL),
    "ipv6": packets.ethernet(IPV6, dst=TO_SOME),
    "vlan": packets.ethernet(behind_tag(0x2005, packets.ETH_P_IP, IPV4), packets.ETH_P_8021Q),
    "qinq": packets.ethernet(behind_tag(0x2005, packets.ETH_P_8021Q, behind_tag(6, packets.ETH_P_IP, IPV4)),
                             packets.ETH_P_8021AD),
    "802.3": bytes(12) + b"\0\x20\xff\xff" + bytes(20),
    "802.2": bytes(12) + b"\0\x20\x42\x42" + bytes(20),
    "cut ipv4": bytes(12) + b"\x08\0" + bytes(10),
    "cut ipv6": bytes(12) + b"\x86\xdd" + bytes(30),
    "large": packets.ethernet(IPV4 + bytes(1400)),
}  # fmt: skip


def given() -> bytes:
    """A struct __sk_buff with all that a test run takes."""
    ctx = bytearray(192)
    for field, value in (("mark", 0xDEAD), ("priority", 5), ("ingress_ifindex", 1), ("ifindex", 1), ("gso_segs", 3),
                         ("gso_size", 7)):  # fmt: skip
        struct.pack_into("=I", ctx, getattr(SkBuff, field).offset, value)
    struct.pack_into("=5I", ctx, SkBuff.cb.offset, 1, 2, 3, 4, 5)
    struct.pack_into("=Q", ctx, SkBuff.tstamp.offset, 123456789)
    struct.pack_into("=Q", ctx, SkBuff.hwtstamp.offset, 99)
    return bytes(ctx)


def agree(code: list[Insn], prog_type: ProgType, packet: bytes, ctx: bytes | None = None, repeat: int = 1) -> None:
    spec = spec_of(code, prog_type)
    assert in_vm(spec, packet, ctx, repeat) == in_kernel(spec, packet, ctx, repeat)


FIELDS = ("len", "pkt_type", "mark", "queue_mapping", "protocol", "vlan_present", "vlan_tci", "vlan_proto", "priority",
          "ingress_ifindex", "ifindex", "cb", "hash")  # fmt: skip
TC_FIELDS = ("tc_index", "tc_classid", "tstamp", "wire_len", "gso_segs", "gso_size", "hwtstamp")


@pytest.mark.parametrize("packet", PACKETS)
@pytest.mark.parametrize("ctx", [None, given()], ids=["default", "given"])
def test_context_fields(packet: str, ctx: bytes | None) -> None:
    for prog_type, fields in ((ProgType.SOCKET_FILTER, FIELDS), (ProgType.SCHED_CLS, FIELDS + TC_FIELDS)):
        for field in fields:
            size = 8 if field.endswith("tstamp") else 4
            agree([asm.load(size, 0, 1, getattr(SkBuff, field).offset), asm.exit_()], prog_type, PACKETS[packet], ctx)


WORDS = [1, 65534, 65535, 65536, 70000, -1, -2, -70000, 1 << 31, 1 << 32, (1 << 32) + 5, -(1 << 32) + 5]


@pytest.mark.parametrize("field", ["mark", "priority", "queue_mapping", "tc_index", "tc_classid"])
@pytest.mark.parametrize("value", WORDS)
def test_context_stores(field: str, value: int) -> None:
    at = getattr(SkBuff, field).offset
    begin, end = [asm.store_imm(4, 1, at, 3)], [asm.load(4, 0, 1, at), asm.exit_()]
    agree([*begin, asm.mov_imm(2, value), asm.store(4, 1, at, 2), *end], ProgType.SCHED_CLS, bytes(64))
    if -(1 << 31) <= value < 1 << 31:
        agree([*begin, asm.store_imm(4, 1, at, value), *end], ProgType.SCHED_CLS, bytes(64))


@pytest.mark.parametrize("prog_type", [ProgType.SOCKET_FILTER, ProgType.SCHED_CLS, ProgType.CGROUP_SKB, ProgType.XDP])
@pytest.mark.parametrize("packet", PACKETS)
def test_packets_come_back(prog_type: ProgType, packet: str) -> None:
    agree([asm.mov_imm(0, 1), asm.exit_()], prog_type, PACKETS[packet])


@pytest.mark.parametrize("size", [0, 1, 13])
def test_short_data_is_refused(size: int) -> None:
    for prog_type in (ProgType.SOCKET_FILTER, ProgType.SCHED_CLS, ProgType.CGROUP_SKB, ProgType.XDP):
        agree([asm.mov_imm(0, 1), asm.exit_()], prog_type, bytes(size))


@pytest.mark.parametrize("offset", [0, 4, 16, 24, 44, 68, 76, 84, 88, 100, 132, 140, 148, 168, 180])
def test_context_that_is_refused(offset: int) -> None:
    ctx = bytearray(192)
    ctx[offset] = 1
    agree([asm.mov_imm(0, 1), asm.exit_()], ProgType.SCHED_CLS, bytes(64), bytes(ctx))


@pytest.mark.parametrize("size", [4, 60, 192, 200])
def test_contexts_of_other_sizes(size: int) -> None:
    ctx = given().ljust(size, b"\0")[:size]
    agree([asm.load(4, 0, 1, SkBuff.cb.offset), asm.exit_()], ProgType.SCHED_CLS, bytes(64), ctx)


@pytest.mark.parametrize("offset", [*range(62), 100, -0x100000, -0x100000 + 20, -0x200000, -0x200000 + 20, -4096, -1])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_packet_loads(size: int, offset: int) -> None:
    for prog_type in (ProgType.SOCKET_FILTER, ProgType.SCHED_CLS):
        agree([SAVED, asm.packet_load(size, offset), asm.exit_()], prog_type, PACKETS["ipv4"])
        code = [SAVED, asm.mov_imm(7, 3), asm.packet_load(size, offset, 7), asm.exit_()]
        agree(code, prog_type, PACKETS["ipv4"])


ETHERNET_TAG = 0x0081  # htons(0x8100)
EDITS: dict[str, list[list[Insn]]] = {
    "store": [call("skb_store_bytes", CTX, 20, ("stack", -8), 6, 0)],
    "store behind the end": [call("skb_store_bytes", CTX, 60, ("stack", -8), 8, 0)],
    "store with unknown flags": [call("skb_store_bytes", CTX, 20, ("stack", -8), 6, 8)],
    "load": [call("skb_load_bytes", CTX, 12, ("stack", -8), 4)],
    "load behind the end": [call("skb_load_bytes", CTX, 61, ("stack", -8), 4)],
    "load far away": [call("skb_load_bytes", CTX, -1, ("stack", -8), 4)],
    "load from the link header": [call("skb_load_bytes_relative", CTX, 12, ("stack", -8), 4, 0)],
    "load from the network header": [call("skb_load_bytes_relative", CTX, 12, ("stack", -8), 4, 1)],
    "load from no header": [call("skb_load_bytes_relative", CTX, 12, ("stack", -8), 4, 2)],
    "l3 of 2": [call("l3_csum_replace", CTX, 24, 0x1234, 0x4321, 2)],
    "l3 of 4": [call("l3_csum_replace", CTX, 24, 0x12345678, 0x7654321, 4)],
    "l3 of a difference": [call("l3_csum_replace", CTX, 24, 0, 0x10203, 0)],
    "l3 of 3": [call("l3_csum_replace", CTX, 24, 1, 2, 3)],
    "l3 odd": [call("l3_csum_replace", CTX, 25, 1, 2, 2)],
    "l3 behind the end": [call("l3_csum_replace", CTX, 3000, 1, 2, 2)],
    "l4 of 2": [call("l4_csum_replace", CTX, 40, 0x1234, 0x4321, 2)],
    "l4 of 4 with the pseudo header": [call("l4_csum_replace", CTX, 40, 0x12345678, 0x7654321, 0x14)],
    "l4 of a difference": [call("l4_csum_replace", CTX, 40, 0, 0x10203, 0x10)],
    "l4 of none": [call("l4_csum_replace", CTX, 0, 0x1234, 0x4321, 0x22)],
    "l4 of none, enforced": [call("l4_csum_replace", CTX, 0, 0x1234, 0x4321, 0x62)],
    "l4 of a sum of 0": [call("l4_csum_replace", CTX, 18, 0x1234, 0x4321, 2)],
    "l4 with unknown flags": [call("l4_csum_replace", CTX, 40, 1, 2, 0x402)],
    "push": [call("skb_vlan_push", CTX, ETHERNET_TAG, 0x2007)],
    "push twice": [call("skb_vlan_push", CTX, ETHERNET_TAG, 7), call("skb_vlan_push", CTX, 0xA888, 8)],
    "push of no tag": [call("skb_vlan_push", CTX, 0x1234, 7)],
    "push and pop": [call("skb_vlan_push", CTX, ETHERNET_TAG, 7), call("skb_vlan_pop", CTX)],
    "pop": [call("skb_vlan_pop", CTX)],
    "pop twice": [call("skb_vlan_pop", CTX), call("skb_vlan_pop", CTX)],
    "push twice, pop twice": [call("skb_vlan_push", CTX, ETHERNET_TAG, 7), call("skb_vlan_push", CTX, ETHERNET_TAG, 8),
                              call("skb_vlan_pop", CTX), call("skb_vlan_pop", CTX)],
    "shorter": [call("skb_change_tail", CTX, 40, 0)],
    "longer": [call("skb_change_tail", CTX, 100, 0)],
    "shorter, then longer": [call("skb_change_tail", CTX, 40, 0), call("skb_change_tail", CTX, 100, 0)],
    "too short": [call("skb_change_tail", CTX, 13, 0)],
    "too long": [call("skb_change_tail", CTX, 20000, 0)],
    "tail with flags": [call("skb_change_tail", CTX, 40, 1)],
    "head": [call("skb_change_head", CTX, 14, 0)],
    "head by nothing": [call("skb_change_head", CTX, 0, 0)],
    "head by less": [call("skb_change_head", CTX, -1, 0)],
    "head by much": [call("skb_change_head", CTX, 500, 0)],
    "head by too much": [call("skb_change_head", CTX, 17000, 0)],
    "room behind the link header": [call("skb_adjust_room", CTX, 8, 1, 0)],
    "room behind the network header": [call("skb_adjust_room", CTX, 8, 0, 0)],
    "less room behind the link header": [call("skb_adjust_room", CTX, -8, 1, 0)],
    "less room behind the network header": [call("skb_adjust_room", CTX, -4, 0, 0)],
    "too much room": [call("skb_adjust_room", CTX, 5000, 1, 0)],
    "too little room": [call("skb_adjust_room", CTX, -40, 1, 0)],
    "room nowhere": [call("skb_adjust_room", CTX, 8, 7, 0)],
    "pull": [call("skb_pull_data", CTX, 30)],
    "pull all": [call("skb_pull_data", CTX, 0)],
    "pull too much": [call("skb_pull_data", CTX, 5000)],
    "type": [call("skb_change_type", CTX, 3)],
    "type twice": [call("skb_change_type", CTX, 1), call("skb_change_type", CTX, 9)],
    "hash": [call("set_hash", CTX, 0x1234)],
    "no hash": [call("set_hash", CTX, 0x1234), call("set_hash_invalid", CTX)],
    "congestion": [call("skb_ecn_set_ce", CTX)],
    "csum update": [call("csum_update", CTX, 0x1234)],
    "redirect": [call("redirect", 1, 1)],
    "redirect with unknown flags": [call("redirect", 1, 8)],
    "redirect to the peer": [call("redirect_peer", 1, 0)],
    "redirect to the peer with flags": [call("redirect_peer", 1, 1)],
    "redirect to the neighbour": [call("redirect_neigh", 1, 0, 0, 0)],
    "redirect to the neighbour with flags": [call("redirect_neigh", 1, 0, 0, 1)],
    "redirect to a given neighbour": [call("redirect_neigh", 1, ("stack", -8), 8, 0)],
    **{f"checksum level {level}": [call("csum_level", CTX, level)] for level in range(5)},
}  # fmt: skip
SEEN = ("len", "pkt_type", "protocol", "vlan_present", "vlan_tci", "vlan_proto", "hash")


def result_of(calls: list[list[Insn]], field: str | None) -> list[Insn]:
    """The calls after each other; the result is r0 of all of them with what is on the stack, or a field afterwards."""
    code = [SAVED, asm.mov_imm(1, 0x0706050403020100), asm.store(8, asm.FRAME, -8, 1), asm.mov_imm(7, 0)]
    for one in calls:
        code += [*one, asm.alu_imm(Alu.MUL, 7, 31), asm.alu(Alu.ADD, 7, 0)]
    if field is not None:
        code.append(asm.load(4, 0, 6, getattr(SkBuff, field).offset))
    else:
        code += [asm.load(4, 0, asm.FRAME, -8), asm.alu_imm(Alu.MUL, 0, 1021), asm.alu(Alu.ADD, 0, 7)]
    return [*code, asm.exit_()]


@pytest.mark.parametrize("edit", EDITS)
def test_packet_edits(edit: str) -> None:
    for name in ("counting", "ipv4", "ipv4 ect0", "ipv6", "vlan", "qinq"):
        for field in (None, *SEEN):
            agree(result_of(EDITS[edit], field), ProgType.SCHED_CLS, PACKETS[name])


BEHIND_A_TAG = {"a length, 802.3": "0020ffff00", "a length, 802.2": "0020ff00ff", "another length, 802.2": "002000ffff",
                "the largest length": "05ffffff00", "the least type": "0600ffff00"}  # fmt: skip


@pytest.mark.parametrize("inner", BEHIND_A_TAG)
def test_the_protocol_behind_a_tag_that_is_taken_out(inner: str) -> None:
    """Where a length stands instead of a type, the two bytes behind it tell what the packet is."""
    packet = packets.ethernet(bytes.fromhex("2005" + BEHIND_A_TAG[inner]) + bytes(40), packets.ETH_P_8021Q)
    for field in (None, *SEEN):
        agree(result_of(EDITS["pop"], field), ProgType.SCHED_CLS, packet)


XDP_EDITS: dict[str, list[list[Insn]]] = {
    **{f"head {by}": [call("xdp_adjust_head", CTX, by)] for by in (-14, 4, -216, -217, 50, 51, 1000, 0)},
    **{f"tail {by}": [call("xdp_adjust_tail", CTX, by)] for by in (-14, 4, 500, 3457, -50, -51, 0, 5000)},
    **{f"meta {by}": [call("xdp_adjust_meta", CTX, by)] for by in (-4, -3, -32, -36, -216, -220, -252, 4, 0)},
    "meta and head": [call("xdp_adjust_meta", CTX, -8), call("xdp_adjust_head", CTX, -4)],
    "head twice": [call("xdp_adjust_head", CTX, 6), call("xdp_adjust_head", CTX, -20)],
    "length": [call("xdp_get_buff_len", CTX)],
    "load": [call("xdp_load_bytes", CTX, 13, ("stack", -8), 5)],
    "load behind the end": [call("xdp_load_bytes", CTX, 61, ("stack", -8), 5)],
    "store": [call("xdp_store_bytes", CTX, 13, ("stack", -8), 5)],
    "redirect": [call("redirect", 1, 0)],
    "redirect with flags": [call("redirect", 1, 1)],
}  # fmt: skip


@pytest.mark.parametrize("edit", XDP_EDITS)
def test_xdp_edits(edit: str) -> None:
    lengths = [asm.load(4, 1, 6, 0), asm.load(4, 2, 6, 4), asm.load(4, 3, 6, 8)]
    code = result_of(XDP_EDITS[edit], None)
    agree(code, ProgType.XDP, PACKETS["counting"])
    for a, b in ((2, 1), (1, 3)):
        agree([*code[:-1], *lengths, asm.mov(0, a), asm.alu(Alu.SUB, 0, b), asm.exit_()],
              ProgType.XDP, PACKETS["counting"])  # fmt: skip


FIRST = 4096 - 256 - 320
"""How much of an XDP packet a test run puts into the first buffer; the rest lies in fragments of a page."""
FRAGMENTED: dict[str, list[list[Insn]]] = {
    "nothing": [],
    **{f"head {by}": [call("xdp_adjust_head", CTX, by)] for by in (4, -100, FIRST - 14, FIRST - 13)},
    **{f"tail {by}": [call("xdp_adjust_tail", CTX, by)] for by in (1, 100, 4096, -4, -1000, -4100)},
    "tail twice": [call("xdp_adjust_tail", CTX, -4), call("xdp_adjust_tail", CTX, 8)],
    "tail into the first buffer": [call("xdp_adjust_tail", CTX, -2000), call("xdp_adjust_tail", CTX, 1000)],
    "head, then tail": [call("xdp_adjust_head", CTX, 100), call("xdp_adjust_tail", CTX, 5)],
    "load": [call("xdp_load_bytes", CTX, FIRST - 3, ("stack", -8), 6)],
    "store": [call("xdp_store_bytes", CTX, FIRST - 3, ("stack", -8), 6)],
    "length": [call("xdp_get_buff_len", CTX)],
}  # fmt: skip


@pytest.mark.parametrize("size", [FIRST - 1, FIRST, FIRST + 1, 5000, FIRST + 4096, FIRST + 4097])
def test_xdp_packets_with_fragments(size: int) -> None:
    """The program sees the first buffer alone; helpers see all."""
    packet = bytes(i * 7 % 251 for i in range(size))
    for edits in FRAGMENTED.values():
        code = result_of(edits, None)
        agree(code, ProgType.XDP, packet)
        pointers = [asm.load(4, 1, 6, 0), asm.load(4, 0, 6, 4), asm.alu(Alu.SUB, 0, 1)]
        agree([*code[:-1], *pointers, asm.exit_()], ProgType.XDP, packet)


def test_what_lies_in_fragments_is_no_memory_of_the_program() -> None:
    code = [asm.load(4, 1, 1, 0), asm.alu_imm(Alu.ADD, 1, FIRST), asm.load(1, 0, 1, 0), asm.exit_()]
    with pytest.raises(VmFault, match="none of the program's"):
        in_vm(spec_of(code, ProgType.XDP), bytes(5000))


@pytest.mark.parametrize("fields", [(0, 64, 0, 1, 0, 0), (4, 64, 0, 1, 0, 0), (3, 64, 0, 1, 0, 0), (0, 65, 0, 1, 0, 0),
                                    (0, 64, 4, 1, 0, 0), (32, 64, 0, 1, 0, 0), (0, 64, 0, 0, 0, 1),
                                    (56, 64, 0, 1, 0, 0)])  # fmt: skip
def test_xdp_contexts(fields: tuple[int, ...]) -> None:
    ctx = struct.pack("=6I", *fields)
    for offset in (12, 16):
        agree([asm.load(4, 0, 1, offset), asm.exit_()], ProgType.XDP, bytes(64), ctx)
    code = [asm.load(4, 2, 1, 0), asm.load(4, 3, 1, 8), asm.mov(0, 2), asm.alu(Alu.SUB, 0, 3), asm.exit_()]
    agree(code, ProgType.XDP, bytes(64), ctx)


@pytest.mark.parametrize("more", [b"\0", b"\1", bytes(8), bytes(7) + b"\1"])
@pytest.mark.parametrize("prog_type", [ProgType.SCHED_CLS, ProgType.XDP])
def test_what_a_context_has_behind_its_end_is_zero(prog_type: ProgType, more: bytes) -> None:
    known = given() if prog_type == ProgType.SCHED_CLS else struct.pack("=6I", 0, 64, 0, 1, 0, 0)
    agree([asm.mov_imm(0, 1), asm.exit_()], prog_type, bytes(64), known + more)


@pytest.mark.parametrize("repeat", [1, 3])
def test_repeating_goes_on_with_the_packet(repeat: int) -> None:
    agree([SAVED, *call("skb_change_head", CTX, 2, 0), asm.exit_()], ProgType.SCHED_CLS, PACKETS["ipv4"], repeat=repeat)
    agree([SAVED, *call("xdp_adjust_head", CTX, 2), asm.exit_()], ProgType.XDP, PACKETS["ipv4"], repeat=repeat)


@pytest.mark.parametrize("seed", [0, 1, 0xFFFF, 0x12345678, 0xFFFFFFFF])
@pytest.mark.parametrize(("old", "new"), [(8, 8), (0, 8), (8, 0), (4, 8), (0, 0), (8, 3)])
def test_checksums(seed: int, old: int, new: int) -> None:
    for words in ((0, 0), (-1, -1), (0x0123456789ABCDEF, 0x7EDCBA9876543210), (0, -1)):
        code = [SAVED]
        for offset, word in zip((-8, -16), words, strict=True):
            code += [asm.mov_imm(1, word), asm.store(8, asm.FRAME, offset, 1)]
        args = ("stack", -8) if old else 0, old, ("stack", -16) if new else 0, new, seed
        agree([*code, *call("csum_diff", *args), asm.exit_()], ProgType.SCHED_CLS, bytes(64))


@pytest.mark.parametrize(("start", "end"), [(0, 5), (-3, 4), (5, 5), (6, 5), (-(1 << 31), -(1 << 31) + 4),
                                            ((1 << 31) - 5, (1 << 31) - 1), (0, 1 << 24)])
def test_open_coded_iterator(start: int, end: int) -> None:
    """Sums numbers; an iterator that can't be made gives none."""
    code = [
        asm.mov_imm(6, 0), asm.mov(1, asm.FRAME), asm.alu_imm(Alu.ADD, 1, -8), asm.mov_imm(2, start),
        asm.mov_imm(3, end), asm.call_kfunc(0), asm.mov(7, 0),
        asm.label(1), asm.mov(1, asm.FRAME), asm.alu_imm(Alu.ADD, 1, -8), asm.call_kfunc(1),
        asm.branch_imm(asm.Jump.JEQ, 0, 0, 2), asm.load(4, 1, 0, 0), asm.alu(Alu.ADD, 6, 1), asm.jump(1),
        asm.label(2), asm.mov(1, asm.FRAME), asm.alu_imm(Alu.ADD, 1, -8), asm.call_kfunc(2),
        asm.mov(0, 6), asm.alu(Alu.ADD, 0, 7), asm.exit_(),
    ]  # fmt: skip
    names = ("bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy")
    spec = spec_of(code, ProgType.SCHED_CLS, names)
    assert in_vm(spec, bytes(64)) == in_kernel(spec, bytes(64))


@pytest.mark.parametrize("count", [0, 1, 5, 10, 1 << 24])
def test_loop_with_a_callback(count: int) -> None:
    """The callback adds its index to what the context pointer points at, and stops at 7."""
    code = [
        asm.store_imm(8, asm.FRAME, -8, 0), asm.mov_imm(1, count), asm.ld_func(2, 1), asm.mov(3, asm.FRAME),
        asm.alu_imm(Alu.ADD, 3, -8), asm.mov_imm(4, 0), asm.call(HELPER_LOOP), asm.load(8, 1, asm.FRAME, -8),
        asm.alu_imm(Alu.MUL, 0, 1000), asm.alu(Alu.ADD, 0, 1), asm.exit_(),
        asm.label(1), asm.load(8, 3, 2, 0), asm.alu(Alu.ADD, 3, 1), asm.store(8, 2, 0, 3), asm.mov_imm(0, 0),
        asm.branch_imm(asm.Jump.JNE, 1, 7, 2), asm.mov_imm(0, 1), asm.label(2), asm.exit_(),
    ]  # fmt: skip
    spec = spec_of(code, ProgType.SCHED_CLS)
    assert in_vm(spec, bytes(64)) == in_kernel(spec, bytes(64))


HELPER_LOOP = 181


ADDRESSES = {
    "stack": ("stack", -16), "null": 0, "user": 1 << 20, "last of the user": (1 << 47) - 4096, "gap": (1 << 47) - 4095,
    "far": 1 << 62, "kernel": -(1 << 46) + (1 << 30), "last": -1, "lower gap": -(1 << 62),
}  # fmt: skip
"""Nothing is mapped at the numbers. None tells machines apart on which 48 or 57 bits of an address count."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines share out the addresses in other ways")
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("kind", ["", "_kernel", "_user", "_str", "_kernel_str", "_user_str"])
def test_probes_read_what_there_is_or_leave_zeros(kind: str, address: str) -> None:
    """The program's own memory is the kernel's: it isn't there for a probe of the user's."""
    results = [[], [asm.load(8, 0, asm.FRAME, -8)], [asm.load(4, 0, asm.FRAME, -4)]]
    for size in (8, 3, 0):
        for result in results:
            code = [asm.store_imm(8, asm.FRAME, -16, 0x1234567), asm.store_imm(8, asm.FRAME, -8, -1)]
            code += [*call(f"probe_read{kind}", ("stack", -8), size, ADDRESSES[address]), *result, asm.exit_()]
            agree(code, ProgType.RAW_TRACEPOINT, b"")

