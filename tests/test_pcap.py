"""Captures, written by hand in every variant of both formats."""

from __future__ import annotations

import struct
from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from py2bpf.pcap import Capture, CaptureError
from py2bpf.testing import packets

FRAMES = [packets.udp(payload=bytes(size)) for size in (0, 1, 100, 1400)]
TIMES = [1_700_000_000_123_456_000, 1_700_000_001_000_001_000, 5_000, 0]


def pcap(order: str = "<", nano: bool = False, link: int = 1, frames: list[bytes] = FRAMES) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for frame, time in zip(frames, TIMES, strict=False):
        fraction = time % 10**9 // (1 if nano else 1000)
        parts.append(struct.pack(f"{order}IIII", time // 10**9, fraction, len(frame), len(frame)) + frame)
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(f"{order}II", kind, len(body) + 12) + body + struct.pack(f"{order}I", len(body) + 12)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", link: int = 1, snap: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link, 0, snap) + options, order)


def enhanced(frame: bytes, ticks: int, order: str = "<", number: int = 0) -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def read(path: Path) -> list[tuple[bytes, int]]:
    with Capture(path) as capture:
        found = [pair for batch in capture for pair in zip(batch.packets(), batch.times, strict=True)]
        assert capture.n_packets == len(found)
        assert capture.position == capture.size
    return found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano", [False, True])
def test_pcap(tmp_path: Path, order: str, nano: bool) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap(order, nano))
    assert read(file) == list(zip(FRAMES, TIMES, strict=True))


@pytest.mark.parametrize("order", "<>")
def test_pcapng(tmp_path: Path, order: str) -> None:
    nano = interface(order, options=option(2, b"eth0", order) + option(9, b"\x09", order) + bytes(4))
    binary = interface(order, options=option(9, b"\x8a", order))
    file = tmp_path / "a.pcapng"
    file.write_bytes(
        section(order) + interface(order) + enhanced(FRAMES[0], 1_700_000_000_123_456, order)
        + block(5, bytes(12), order) + nano + enhanced(FRAMES[1], 77, order, 1) + block(0x0BAD, b"x" * 99, order)
        + binary + enhanced(FRAMES[2], 2048, order, 2)
        + block(3, struct.pack(f"{order}I", len(FRAMES[3])) + FRAMES[3], order)
        + block(2, struct.pack(f"{order}HHIIII", 1, 0, 0, 5, 42, 42) + FRAMES[0], order)
        + section("<>"[order == "<"]) + interface("<>"[order == "<"]) + enhanced(FRAMES[0], 3, "<>"[order == "<"])
    )  # fmt: skip
    assert read(file) == [
        (FRAMES[0], TIMES[0]), (FRAMES[1], 77), (FRAMES[2], 2_000_000_000), (FRAMES[3], 0), (FRAMES[0], 5),
        (FRAMES[0], 3000),
    ]  # fmt: skip


def test_a_simple_packet_is_cut_to_the_snap_length(tmp_path: Path) -> None:
    file = tmp_path / "a.pcapng"
    file.write_bytes(section() + interface(snap=20) + block(3, struct.pack("<I", 900) + FRAMES[0][:20]))
    assert read(file) == [(FRAMES[0][:20], 0)]


def test_many_pieces(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    frames = [packets.udp(dport=number % 65536, payload=bytes(number % 300)) for number in range(40000)]
    file.write_bytes(pcap() + b"".join(struct.pack("<IIII", 1, 2, len(f), len(f)) + f for f in frames))
    assert [frame for frame, _ in read(file)] == FRAMES + frames


def test_what_came_before_the_cut_is_kept(tmp_path: Path) -> None:
    whole = pcap()
    file = tmp_path / "a.pcap"
    for size in (len(whole) - 1, len(whole) - 1400, len(whole) - len(FRAMES[3]) - 16 + 1):
        file.write_bytes(whole[:size])
        with Capture(file) as capture:
            found: list[bytes] = []
            with pytest.raises(CaptureError, match=r"ends within a record, after 3 whole packets: it was truncated"):
                for batch in capture:
                    found += batch.packets()
            assert found == FRAMES[:3]


def test_damage_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap(frames=FRAMES[:2]) + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30) + bytes(100))
    with Capture(file) as capture, pytest.raises(CaptureError, match=r"damaged at byte 141, after 2 packets"):
        for _ in capture:
            pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no capture: it begins with nothing"),
        (b"\x1f\x8b\x08\x00", "packed by gzip: unpack it first"),
        (b"GIF89a", "no capture: it begins with 47 49 46 38"),
        (pcap()[:20], "ends in its header"),
        (pcap(link=113), r"link type 113 \(Linux cooked"),
        (pcap(link=4000), r"link type 4000 \(unknown\)"),
        (section() + interface(link=101), r"link type 101 \(raw IP\)"),
        (section() + enhanced(FRAMES[0], 1), "contradicts itself"),
        (section() + interface() + enhanced(FRAMES[0], 1, number=1), "contradicts itself"),
        (section() + block(3, bytes(8)), "a packet of no interface"),
        (section() + interface() + struct.pack("<III", 9, 13, 0) + bytes(20), "a block of 13 bytes"),
        (section() + interface(options=option(14, b"\1" * 8)), "if_tsoffset"),
        (section() + interface(options=option(9, b"\x20")), "times of this resolution"),
        (section()[:8] + bytes(20), "a section of no byte order"),
        (section() + b"\0", "ends within a record"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(content)
    with pytest.raises(CaptureError, match=message):
        read(file)


WHOLE = [pcap(), section() + interface() + enhanced(FRAMES[1], 7)]


@given(st.binary(max_size=200), st.integers(0, 200), st.sampled_from(WHOLE))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_damage_is_an_error_or_none(tmp_path: Path, noise: bytes, at: int, whole: bytes) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        read(file)
    except CaptureError:
        pass


def test_many_interfaces_are_no_more_work_than_bytes(tmp_path: Path) -> None:
    """Each block of other kinds would cost a look at all that came before it: 26 seconds of 0.4 MB."""
    file = tmp_path / "a.pcapng"
    blocks = [interface() if n % 2 else interface() + enhanced(FRAMES[0], n, number=n) for n in range(20_000)]
    file.write_bytes(section() + b"".join(blocks))
    begin = process_time()
    assert len(read(file)) == 10_000
    assert process_time() - begin < 10
