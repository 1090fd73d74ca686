"""Reads captures of Ethernet packets, as tcpdump and Wireshark write them: pcap and pcapng, in large pieces.

    with Capture("lo.pcap") as capture:
        for batch in capture:
            for packet in batch.packets():
                ...

See draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Both byte orders, and times of any resolution, are understood.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Self

from .core import captures
from .exception import Py2BpfError
from .given import path_bytes

ETHERNET: Final = 1
LINK_TYPES: Final = {
    0: "BSD loopback", 1: "Ethernet", 9: "PPP", 12: "raw IP", 14: "raw IP", 101: "raw IP", 105: "Wi-Fi",
    108: "OpenBSD loopback", 113: "Linux cooked (tcpdump -i any)", 127: "Wi-Fi with radiotap", 189: "USB",
    228: "raw IPv4", 229: "raw IPv6", 276: "Linux cooked, version 2 (tcpdump -i any)",
}  # fmt: skip
"""The commonest LINKTYPE_ numbers in words."""

_PCAP: Final = {b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xd4\xc3\xb2\xa1": ("<", 1000),
                b"\xa1\xb2\x3c\x4d": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1)}  # fmt: skip
_PCAP_HEADER, _BLOCK_HEADER = 24, 8
_SECTION: Final = 0x0A0D0D0A
_INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_IF_TSRESOL, _IF_TSOFFSET = 9, 14
_MICROSECONDS: Final = 10**6
_PIECE: Final = 1 << 22
_BLOCK_MAX: Final = 1 << 25
_NATIVE: Final = "<" if struct.pack("=H", 1) == b"\x01\x00" else ">"


class CaptureError(Py2BpfError):
    """A file is not a capture, is damaged, or has packets that aren't Ethernet packets."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some packets: the bytes of all of them, and for each its offset, its size and its time (nanoseconds since 1970;
    0 if the file has no times)."""

    data: bytearray
    offsets: memoryview
    sizes: memoryview
    times: memoryview

    def __len__(self) -> int:
        return len(self.sizes)

    def packets(self) -> Iterator[bytes]:
        """The packets, one by one."""
        for at, size in zip(self.offsets, self.sizes, strict=True):
            yield bytes(self.data[at : at + size])


class Capture:
    """A capture file, to be read once: iterating gives Batches.

    ``position`` is how many bytes of ``size`` were read. ``n_packets`` is how many packets were read, and ``n_cut`` how
    many of these were captured only in part. Raises CaptureError: at once for files of other formats and link types;
    for a damaged or truncated file, after the packets before the damage. Raises OSError if the file can't be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fsdecode(path_bytes(path))
        self._file: BinaryIO = open(self.name, "rb")  # noqa: SIM115  closed by close()
        self.position = self.n_packets = self.n_cut = 0
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self._data, self._at = bytearray(), 0
            self._index = captures.Index()
            self._order, self._units = _NATIVE, array("Q", [1])
            self._blocks, self._snap = False, 0
            self._open()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._file.close()

    def _open(self) -> None:
        self._more()
        magic = bytes(self._data[:4])
        if magic in _PCAP:
            self._order, unit = _PCAP[magic]
            self._units = array("Q", [unit])
            if len(self._data) < _PCAP_HEADER:
                raise self._cut("in its header")
            (link,) = struct.unpack_from(f"{self._order}I", self._data, 20)
            self._check_link(link & 0xFFFF)
            self._at = _PCAP_HEADER
        elif magic == struct.pack(">I", _SECTION):
            self._blocks, self._units = True, array("Q")
        else:
            raise CaptureError(f"{self.name} is no capture: it begins with {magic.hex(' ') or 'nothing'}"
                               f"{_advice(magic)}; pcap and pcapng files can be read")  # fmt: skip

    def _check_link(self, number: int) -> None:
        if number != ETHERNET:
            name = LINK_TYPES.get(number, "unknown")
            raise CaptureError(
                f"{self.name} has packets of link type {number} ({name}), which don't begin with an Ethernet header: "
                "capture on an Ethernet device, for example with tcpdump -i eth0"
            )

    def _more(self) -> bool:
        """Reads the next piece of the file. False at the file's end."""
        piece = self._file.read(_PIECE)
        self.position += len(piece)
        self._data = self._data[self._at :] + piece
        self._at = 0
        return bool(piece)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            found = self._index.find(self._data, self._at, self._units, swapped=self._order != _NATIVE,
                                     blocks=self._blocks)  # fmt: skip
            self._at = found.used
            if len(found.sizes):
                self.n_packets += len(found.sizes)
                self.n_cut += found.cut
                yield Batch(self._data, found.offsets, found.sizes, found.times)
            if found.damaged:
                raise self._damaged("a record says that it is longer than packets can be, or contradicts itself")
            if len(found.sizes) == captures.ROOM:
                continue
            if self._blocks and (batch := self._other_block()) is not None:
                if len(batch):
                    self.n_packets += 1
                    yield batch
            elif not self._more():
                break
        if self._at < len(self._data):
            raise self._cut("within a record")

    def _cut(self, where: str) -> CaptureError:
        return CaptureError(f"{self.name} ends {where}, after {self.n_packets} whole packets: it was truncated, or is "
                            "still being written")  # fmt: skip

    def _damaged(self, why: str) -> CaptureError:
        at = self.position - len(self._data) + self._at
        return CaptureError(f"{self.name} is damaged at byte {at}, after {self.n_packets} packets: {why}")

    # The blocks of pcapng that aren't packets, and the rare kinds of blocks that are

    def _other_block(self) -> Batch | None:
        """Reads a block: gives its packet, or an empty batch. None if the block isn't complete yet."""
        left = len(self._data) - self._at
        if left < _BLOCK_HEADER + 4:
            return None
        kind, length = struct.unpack_from(f"{self._order}II", self._data, self._at)
        if kind == _SECTION:
            self._section()
            kind, length = struct.unpack_from(f"{self._order}II", self._data, self._at)
        if length < _BLOCK_HEADER + 4 or length % 4 or length > _BLOCK_MAX:
            raise self._damaged(f"a block of {length} bytes")
        if kind == _ENHANCED and not self._units:
            raise self._damaged("a packet comes before the description of its interface")
        if left < length:
            return None
        begin, end = self._at + _BLOCK_HEADER, self._at + length - 4
        self._at += length
        if kind == _INTERFACE:
            self._interface(begin, end)
        if kind in (_SIMPLE, _OBSOLETE):
            return self._packet(kind, begin, end)
        return Batch(self._data, _numbers("Q"), _numbers("I"), _numbers("Q"))

    def _section(self) -> None:
        """Reads the header of a section, which gives its byte order. A new section has its own interfaces."""
        magic = bytes(self._data[self._at + 8 : self._at + 12])
        if magic not in _ORDERS:
            raise self._damaged("a section of no byte order")
        self._order, self._units = _ORDERS[magic], array("Q")
        self._snap = 0

    def _interface(self, begin: int, end: int) -> None:
        if end - begin < 8:
            raise self._damaged("an interface's description is too short")
        link, _, snap = struct.unpack_from(f"{self._order}HHI", self._data, begin)
        self._check_link(link)
        units = _MICROSECONDS
        for code, value in self._options(begin + 8, end):
            if code == _IF_TSRESOL and value:
                base, power = (2, value[0] & 0x7F) if value[0] & 0x80 else (10, value[0])
                units = base**power
            elif code == _IF_TSOFFSET and any(value):
                raise self._damaged("times with an offset of seconds (if_tsoffset) are not supported")
        if units >= 1 << 64:
            raise self._damaged("times of this resolution are not supported")
        if not self._units:
            self._snap = snap
        self._units.append(units)

    def _options(self, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= end:
            code, size = struct.unpack_from(f"{self._order}HH", self._data, at)
            if code == 0:
                return
            yield code, bytes(self._data[at + 4 : min(at + 4 + size, end)])
            at += 4 + size + (-size % 4)

    def _packet(self, kind: int, begin: int, end: int) -> Batch:
        """The packet of a Simple Packet Block, which has no time, or of an obsolete Packet Block."""
        header, fields = (4, "I") if kind == _SIMPLE else (20, "HHIIII")
        if end - begin < header or not self._units:
            raise self._damaged("a packet of no interface")
        numbers = struct.unpack_from(f"{self._order}{fields}", self._data, begin)
        if kind == _SIMPLE:
            size, time = min(numbers[0], self._snap or numbers[0], end - begin - header), 0
        else:
            if numbers[0] >= len(self._units):
                raise self._damaged("a packet of no interface")
            size, time = numbers[4], (numbers[2] << 32 | numbers[3]) * 10**9 // self._units[numbers[0]]
        if size > end - begin - header:
            raise self._damaged("a packet is longer than its block")
        time &= (1 << 64) - 1
        self.n_cut += size < numbers[0 if kind == _SIMPLE else 5]
        return Batch(self._data, _numbers("Q", begin + header), _numbers("I", size), _numbers("Q", time))


def _numbers(code: str, *numbers: int) -> memoryview:
    return memoryview(array(code, numbers))


def _advice(magic: bytes) -> str:
    packers = {b"\x1f\x8b": "gzip", b"\xfd7": "xz", b"BZ": "bzip2", b"(\xb5": "zstd"}
    packer = packers.get(magic[:2])
    return f" (packed by {packer}: unpack it first)" if packer else ""
