"""Damaged captures, BTF and descriptions of tracepoints: each is read, or ends in the documented error."""

from __future__ import annotations

import atexit
import random
import shutil
import struct
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import kernel_btf
import test_btf_reader
import test_pcap
from campaigns import Outcome, Round

from py2bpf.btf import BtfError, Kind
from py2bpf.exception import KernelError
from py2bpf.kernel import event_context, tracefs
from py2bpf.pcap import Capture, CaptureError

TELLING = (0, 1, 2, 3, 4, 7, 8, 12, 16, 0x7F, 0x80, 0xFF)
"""Bytes that are lengths, numbers of types and signs."""
REPEATED = 50
"""Files of a round."""


def damaged(data: bytes, choose: random.Random) -> bytes:
    """With some damage of any kind."""
    made = bytearray(data)
    for _ in range(choose.choice((1, 1, 2, 3, 8))):
        choose.choice(DAMAGES)(made, choose)
    return bytes(made)


def _flip(made: bytearray, choose: random.Random) -> None:
    if made:
        made[choose.randrange(len(made))] ^= 1 << choose.randrange(8)


def _byte(made: bytearray, choose: random.Random) -> None:
    if made:
        made[choose.randrange(len(made))] = choose.choice(TELLING)


def _word(made: bytearray, choose: random.Random) -> None:
    if len(made) > 4:
        at = choose.randrange(len(made) - 3) & ~3
        number = choose.choice((0, 1, 4, 12, 16, len(made), 0x7FFFFFFF, 0xFFFFFFFF, choose.getrandbits(32)))
        made[at : at + 4] = number.to_bytes(4, choose.choice(("little", "big")))


def _cut(made: bytearray, choose: random.Random) -> None:
    del made[choose.randint(0, len(made)) :]


def _drop(made: bytearray, choose: random.Random) -> None:
    at = choose.randint(0, len(made))
    del made[at : at + choose.randint(1, 16)]


def _repeat(made: bytearray, choose: random.Random) -> None:
    at = choose.randint(0, len(made))
    made[at:at] = made[choose.randint(0, at) : at][:4096] * choose.choice((1, 2, 50))


def _move(made: bytearray, choose: random.Random) -> None:
    begin = choose.randint(0, len(made))
    piece = made[begin : begin + choose.choice((4, 8, 12, 64))]
    at = choose.randint(0, len(made))
    made[at : at + len(piece)] = piece


DAMAGES: Sequence[Callable[[bytearray, random.Random], None]] = (_flip, _byte, _word, _cut, _drop, _repeat, _move)


def _campaign(sources: Sequence[bytes], read: Callable[[bytes], None], told: type[Exception]) -> Round:
    for each in sources:
        read(each)

    def play(seed: int) -> Outcome:
        refused = 0
        for number in range(REPEATED):
            choose = random.Random(f"{seed} {number}")
            data = damaged(choose.choice(sources), choose)
            try:
                read(data)
            except told as error:
                refused += 1
                if not str(error):
                    return Outcome("without a message", repr(data))
        return Outcome("mostly refused" if refused > REPEATED / 2 else "mostly read")

    return play


def captures() -> Round:
    """Files of both formats, orders and resolutions, with options of interfaces, many interfaces and other blocks."""
    plain = [test_pcap.pcap(order, nano) for order, nano in product("<>", (False, True))]
    blocks = []
    for order in "<>":
        resolution = test_pcap.option(9, b"\x09", order) + test_pcap.option(14, bytes(8), order)
        frames = enumerate(zip(test_pcap.FRAMES, test_pcap.TIMES, strict=True))
        packets = [test_pcap.enhanced(frame, time, order, number % 2) for number, (frame, time) in frames]
        simple = test_pcap.block(3, len(test_pcap.FRAMES[1]).to_bytes(4, "little" if order == "<" else "big")
                                 + test_pcap.FRAMES[1], order)  # fmt: skip
        blocks.append(b"".join([test_pcap.section(order), test_pcap.interface(order, options=resolution),
                                test_pcap.interface(order, snap=60), *packets, simple]))  # fmt: skip
    blocks.append(blocks[0] + blocks[1])
    file = Path(tempfile.mkdtemp(prefix="captures"), "damaged")
    atexit.register(shutil.rmtree, file.parent)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        with Capture(file) as capture:
            for batch in capture:
                for packet in batch.packets():
                    if len(packet) > len(data):
                        raise ValueError("a packet that is longer than its file")

    return _campaign([*plain, *blocks], read, CaptureError)


def btf() -> Round:
    """Types of all kinds, in both orders; the shapes that programs would see too."""
    words = struct.pack(">IIII", 1, Kind.INT << 24, 4, 1 << 24 | 32) + struct.pack(">III", 5, Kind.TYPEDEF << 24, 1)
    foreign = test_btf_reader.blob(">", words, b"\0int\0e\0")
    sources = [test_btf_reader.small_btf(), kernel_btf.blob(), foreign]
    return _campaign(sources, test_btf_reader.look_at_all, BtfError)


OF_CALL = """name: sys_enter_openat
ID: 645
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:int __syscall_nr;	offset:8;	size:4;	signed:1;
	field:int dfd;	offset:16;	size:8;	signed:0;
	field:const char * filename;	offset:24;	size:8;	signed:0;

print fmt: "dfd: 0x%08lx", REC->dfd
"""
OF_EVENT = """name: sched_switch
ID: 316
format:
	field:char prev_comm[16];	offset:8;	size:16;	signed:0;
	field:__data_loc char[] what;	offset:24;	size:4;	signed:0;
	field:__rel_loc u8[] data;	offset:28;	size:4;	signed:0;
	field:u32 row[LENGTH];	offset:32;	size:16;	signed:0;
	field:struct pair p;	offset:48;	size:12;
"""


def formats() -> Round:
    """Descriptions of events in tracefs, and the contexts that programs get from them."""
    def read(data: bytes) -> None:
        event_context.context(tracefs.parse_format(data.decode("utf-8", "replace")), "an event")

    return _campaign([OF_CALL.encode(), OF_EVENT.encode()], read, KernelError)
