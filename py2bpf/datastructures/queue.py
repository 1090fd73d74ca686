"""The perf event array as a queue of records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ctypes import c_uint32
from typing import Any, Final

from .. import ledger
from ..backend import current
from ..codec import codec_for, type_name
from ..cpus import possible_cpus
from ..exception import ClosedError, DataRangeError, Py2BpfError
from ..given import checked_int
from ..ledger import Loss
from ..spec import MapSpec
from ..uapi.map_types import MapType
from ..worlds import in_programs
from .insertions import CountsLosses
from .names import checked_name
from .reader import Reader
from .wakeups import checked_latency

SEED_PAGES: Final = 9
"""The num_pages that also counts the ring's header page, as in the original of 2017: it means 8 data pages."""

PAGES_MAX: Final = 1 << 20
RECORD_MAX: Final = (1 << 16) - 64
"""Bytes. The size of a perf record, including its header, has 16 bits."""


class BpfQueue(CountsLosses, Reader):
    """``BpfQueue(data_type, num_pages=8, *, latency=0.1, ordered=False, name="")``: records from programs to user
    space.

    BPF_MAP_TYPE_PERF_EVENT_ARRAY: every CPU has a ring of ``num_pages`` data pages, a power of two. (9, which counts
    the header page as well, means 8.) Records are values of ``data_type``, converted as py2bpf.codec says. A record
    that is shorter than the type raises ShortRecordError, a DataRangeError (the next read gives the records that came
    with the short one). A longer record is cut.

    The reader wakes up when a quarter of a ring is full, or after ``latency`` seconds. ``latency=0`` wakes it for every
    record, which makes programs several times slower. ``lost`` counts the records that found no room. With Linux 6.0
    and later the count is always exact; before, it is exact after the next record that the same CPU could write.

    A CPU may come online later, or go offline and return. Such a CPU gets its ring while the queue is read, within a
    tenth of a second, and at the latest at the next read. Records that programs write on the CPU before that are lost,
    and counted in ``lost``.

    Records of one CPU come in their order. With ``ordered=True``, records of all CPUs come in the order of the times
    (CLOCK_MONOTONIC) at which programs began to write them. Each record waits in its ring until every CPU has a younger
    one there, or for half of the latency (5 ms if that is 0), so the rings need room for that time. The order is wrong
    if a program is paused for longer than that while it writes, which may happen in a virtual machine whose processor
    is taken away. In the embedded VM the order is exact.

    Raises KernelError if the map or the rings can't be made.
    """

    def __init__(
        self, data_type: Any, num_pages: int = 8, *, latency: float = 0.1, ordered: bool = False, name: str = ""
    ) -> None:
        codec = codec_for(data_type)
        if codec.size > RECORD_MAX:
            raise DataRangeError(f"a record has at most {RECORD_MAX} bytes, {codec.name} has {codec.size}")
        pages, latency = _checked_pages(num_pages), checked_latency(latency)
        n_cpus = max(possible_cpus()) + 1
        self.map_spec: Final = MapSpec(
            kind=int(MapType.PERF_EVENT_ARRAY),
            key_type=c_uint32,
            value_type=c_uint32,
            max_entries=n_cpus,
            name=checked_name(name),
            data_type=data_type,
        )
        self._lost_in_end: dict[int, int] = {}
        self._storage = current().create_map(self.map_spec, self.map_spec.key_size, self.map_spec.value_size)
        try:
            super().__init__(
                self._storage.perf_source(n_cpus, pages, latency, codec, bool(ordered), self._count_weakly())
            )
        except BaseException:
            self._storage.close()
            raise
        ledger.register(self)

    @property
    def fd(self) -> int:
        """The map's file descriptor. Raises ClosedError after close(), NotInVm for a queue of the embedded VM."""
        return self._storage.fd

    @in_programs
    def output(self, context: Any, record: Any) -> int:
        """In a program: writes a record to the buffer of the CPU on which the program runs.

        ``context`` is the program's argument. Gives 0, or a negative error number if the record was lost.
        """
        raise Py2BpfError(f"output() of {self!r} runs inside BPF programs only, or where py2bpf.sim runs one")

    def losses(self, where: str) -> Iterator[Loss]:
        """See py2bpf.losses()."""
        if not (self.closed or self._source.forked):
            name = self.map_spec.name or type_name(self.map_spec.data_type)
            cpus = ", ".join(f"{count} of CPU {cpu}" for cpu, count in self.lost_by_cpu().items() if count)
            hint = f"records found no room{f' ({cpus})' if cpus else ''}: more num_pages, or read more often"
            without = self._counted()
            yield Loss("queue", name, where, self.lost - without, hint)
            if without:
                hint = "records were written on a CPU that had just come online, or refused otherwise: read more often"
                yield Loss("queue", name, where, without, hint)

    def lost_by_cpu(self) -> dict[int, int]:
        """The part of ``lost`` for each CPU that has a buffer. Records written on a CPU without a buffer are left
        out."""
        with suppress(ClosedError):
            return self._source.lost_by_cpu(self.map_spec.max_entries)
        return dict(self._lost_in_end)

    def _read_last(self) -> None:
        super()._read_last()
        self._lost_in_end = self._source.lost_by_cpu(self.map_spec.max_entries)

    def _give_back(self) -> None:
        self._close_counter()
        self._storage.close()

    def __repr__(self) -> str:
        name = f" {self.map_spec.name!r}" if self.map_spec.name else ""
        state = "closed" if self._storage.closed else self._storage.where
        return f"<BpfQueue{name}({type_name(self.map_spec.data_type)}), {state}>"


def _checked_pages(num_pages: int) -> int:
    pages = checked_int(num_pages, 1, PAGES_MAX, "num_pages")
    if pages == SEED_PAGES:
        return SEED_PAGES - 1
    if pages & pages - 1:
        below = 1 << pages.bit_length() - 1
        raise DataRangeError(f"num_pages is a power of two, not {pages}; the nearest are {below} and {2 * below}")
    return pages
