"""Values of per-CPU maps: one for every possible CPU of the machine."""

from __future__ import annotations

import ctypes
from typing import Any

from ..borders import public
from ..codec import ArrayCodec, BoolCodec, Buffer, Codec, FloatCodec, IntCodec, RecordCodec
from ..cpus import possible_cpus
from ..exception import DataRangeError, DataTypeError
from ..given import shown
from ..uapi.map_types import MAX_PER_CPU_VALUE_SIZE


class PerCpuValues(list[Any]):
    """One value per possible CPU, in the order of their numbers (which have no gaps on most machines)."""

    def __init__(self, values: list[Any], codec: Codec) -> None:
        super().__init__(values)
        self._codec = codec

    @public
    def sum(self) -> Any:
        """The sum over all CPUs. Structures are added field by field, arrays item by item.

        Raises DataTypeError for values that can't be added (text, unions), DataRangeError if a field can't hold the
        sum.
        """
        total = _total(self._codec, list(self))
        return self._codec.decode(self._codec.encode(total)) if isinstance(self._codec, RecordCodec) else total


def _total(codec: Codec, values: list[Any]) -> Any:
    if isinstance(codec, (IntCodec, FloatCodec, BoolCodec)):
        return sum(values)
    if isinstance(codec, ArrayCodec):
        return tuple(_total(codec.item, list(items)) for items in zip(*values, strict=True))
    if isinstance(codec, RecordCodec) and not issubclass(codec.ctype, ctypes.Union):
        return tuple(_total(member.codec, [getattr(value, member.name) for value in values])
                     for member in codec.members)
    raise DataTypeError(f"{codec.name} can't be summed")


class PerCpuCodec(Codec):
    """The values of all possible CPUs, each padded to 8 bytes, as bpf(2) reads and writes them.

    Takes a list of one value per possible CPU, or one value (anything but a list) for every CPU.
    """

    def __init__(self, item: Codec) -> None:
        if item.size > MAX_PER_CPU_VALUE_SIZE:
            raise DataRangeError(f"a per-CPU value has at most {MAX_PER_CPU_VALUE_SIZE} bytes, "
                                 f"{item.name} has {item.size}")
        super().__init__(item.ctype)
        self.item = item
        self.cpus = len(possible_cpus())
        self.stride = item.size + 7 & ~7
        self.size = self.stride * self.cpus

    @property
    def dtype(self) -> Any:
        padded = {"names": ["value"], "formats": [self.item.dtype], "offsets": [0], "itemsize": self.stride}
        return (padded, (self.cpus,))

    def rows(self, numpy: Any, data: Buffer) -> Any:
        return super().rows(numpy, data)["value"]

    def encode(self, value: Any) -> bytes:
        values = value if isinstance(value, list) else [value] * self.cpus
        if len(values) != self.cpus:
            raise DataRangeError(f"a list has one {self.name} for each of the {self.cpus} possible CPUs, "
                                 f"not the {len(values)} of {shown(value)}")
        return b"".join(self.item.encode(one).ljust(self.stride, b"\0") for one in values)

    def decode(self, data: Buffer, offset: int = 0) -> PerCpuValues:
        return PerCpuValues(self.item.decode_many(data, self.cpus, self.stride, offset), self.item)

    def decode_many(self, data: Buffer, count: int, stride: int | None = None, offset: int = 0) -> list[Any]:
        step, cpus = stride or self.size, self.cpus
        if step != self.size:
            return super().decode_many(data, count, stride, offset)
        flat = self.item.decode_many(data, count * cpus, self.stride, offset)
        return [PerCpuValues(flat[i : i + cpus], self.item) for i in range(0, count * cpus, cpus)]
