"""The BPF ring buffer: one ring for all CPUs, in which programs can build records in place."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import PAGESIZE
from typing import Any, Final, NoReturn

from .. import ledger
from ..backend import current
from ..codec import codec_for, record_codec, type_name
from ..exception import DataRangeError, Py2BpfError
from ..given import checked_int
from ..ledger import Loss
from ..record_streams import RingPositions
from ..spec import MapSpec
from ..uapi.map_types import MapType
from ..uapi.ring_buffers import HEADER
from ..worlds import in_programs
from .globals import LossCounter
from .names import checked_name
from .reader import Reader
from .wakeups import Wakeup, announcement

SIZE_MAX: Final = 1 << 30
RECORD_MAX: Final = 32 << 20


class RingBuffer(Reader):
    """``RingBuffer(data_type, size=1 << 20, *, latency=None, wakeup=None, variable=False, name="")``: records from
    programs to user space, in their order.

    BPF_MAP_TYPE_RINGBUF, Linux 5.8: one buffer for all CPUs. ``size`` is in bytes, a power of two, and a multiple of
    the page size. Records are values of ``data_type``, converted as py2bpf.codec says. They come in the order in which
    programs reserved them, on any CPU; a record that is not submitted yet holds up those after it. ``lost`` is exactly
    the number of records that found no room.

    By default (``wakeup="record"``) each record wakes a reader that waits, which costs a program more time than writing
    the record. ``latency=0.1``, or ``wakeup="watermark"``, means the same as for BpfQueue: the reader wakes up when a
    quarter of the ring is full, and by itself after ``latency`` seconds (0.1 by default). ``wakeup`` may also be a
    number of bytes to wait for instead of a quarter. ``"never"`` means that programs never wake the reader. In the
    embedded VM every record wakes the reader.

    With ``variable=True`` each record has its own size, up to that of ``data_type``, which is an array, or a structure
    whose last field is one: ``ring.output(record, size=n)``. An array of bytes or characters is read as exactly the
    bytes that were written. A structure is read as an instance, with zeros after the bytes that were written.

    Raises KernelError if the map can't be made; DataRangeError for sizes that the kernel doesn't accept, and for a type
    too large for the ring; DataTypeError for types that can't be records.
    """

    def __init__(
        self, data_type: Any, size: int = 1 << 20, *, latency: float | None = None, wakeup: Wakeup = None,
        variable: bool = False, name: str = "",
    ) -> None:  # fmt: skip
        whole, codec = codec_for(data_type), record_codec(data_type, variable)
        size = checked_size(size)
        largest = min(size - 2 * HEADER, RECORD_MAX)  # the kernel never fills the last 8 bytes
        if whole.size > largest:
            raise DataRangeError(f"a record in a ring buffer of {size} bytes has at most {largest} bytes, "
                                 f"{whole.name} has {whole.size}")
        announced = announcement(wakeup, latency, size)
        self.map_spec: Final = MapSpec(
            kind=int(MapType.RINGBUF), key_type=None, value_type=None, max_entries=size, name=checked_name(name),
            data_type=data_type, variable=variable, wakeup=announced.wakeup,
        )  # fmt: skip
        where = current()
        self.lost_counter: Final = LossCounter(where)
        """The counter to which programs add records that found no room, since the kernel doesn't count them."""
        try:
            self._storage = where.create_map(self.map_spec, 0, 0)
        except BaseException:
            self.lost_counter.close()
            raise
        try:
            super().__init__(self._storage.ring_source(size, codec, self._count_lost, announced.latency))
        except BaseException:
            self._give_back()
            raise
        ledger.register(self)

    def losses(self, where: str) -> Iterator[Loss]:
        """See py2bpf.losses()."""
        if not (self.closed or self._source.forked):
            name = self.map_spec.name or type_name(self.map_spec.data_type)
            yield Loss("ring buffer", name, where, self.lost,
                       f"records found no room in {self.map_spec.max_entries} bytes: a larger size, or read more often")

    def _count_lost(self) -> int:
        return self.lost_counter.read()

    def _give_back(self) -> None:
        self._storage.close()
        self.lost_counter.close()

    @property
    @in_programs
    def waiting(self) -> int:
        """The bytes that are not read yet, including headers and records that are still being written. Programs can use
        this property, too."""
        found = self.positions
        return found.produced - found.consumed

    @property
    def positions(self) -> RingPositions:
        """How many bytes were read and reserved in all. Raises ClosedError after close()."""
        return RingPositions(*self._storage.ring_positions())

    @property
    def fd(self) -> int:
        """The map's file descriptor. Raises ClosedError after close(), NotInVm for a ring of the embedded VM."""
        return self._storage.fd

    @in_programs
    def output(self, record: Any, size: Any = None) -> int:
        """In a program: writes a record. Gives 0, or a negative error number if the record was lost.

        If records are variable, ``size`` is how many of its first bytes are written: at least 1, and at most what the
        record has (else Python raises ValueError). Without ``size`` the whole record is written; an array or constant
        bytes have their own length.
        """
        self._only_in_programs("output")

    @in_programs
    def reserve(self) -> Any:
        """In a program: a record of zeros in the ring itself, to be filled, and then submitted or discarded; None if
        the ring is full. A record that the program neither submits nor discards is discarded when the program ends."""
        self._only_in_programs("reserve")

    @in_programs
    def submit(self, record: Any) -> None:
        """In a program: gives a reserved record to the reader. The program can't use the record afterwards."""
        self._only_in_programs("submit")

    @in_programs
    def discard(self, record: Any) -> None:
        """In a program: drops a reserved record. The program can't use the record afterwards."""
        self._only_in_programs("discard")

    def _only_in_programs(self, name: str) -> NoReturn:
        raise Py2BpfError(f"{name}() of {self!r} runs inside BPF programs only, or where py2bpf.sim runs one")

    def __repr__(self) -> str:
        name = f" {self.map_spec.name!r}" if self.map_spec.name else ""
        state = "closed" if self._storage.closed else self._storage.where
        return f"<RingBuffer{name}({type_name(self.map_spec.data_type)}, {self.map_spec.max_entries}), {state}>"


def checked_size(size: int) -> int:
    """``size``, if the kernel accepts it as the size of a ring. Raises DataTypeError, DataRangeError."""
    size = checked_int(size, 1, SIZE_MAX, "size")
    if size & size - 1 or size < PAGESIZE:
        above = max(1 << (size - 1).bit_length(), PAGESIZE)
        raise DataRangeError(f"the size of a ring buffer is a power of two of at least {PAGESIZE} bytes, not {size}; "
                             f"the next is {above}")
    return size
