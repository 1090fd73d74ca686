"""Per-CPU maps, and the sums of their values over all CPUs, which the C core computes for many entries at once."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..codec import ArrayCodec, BoolCodec, Buffer, Codec, FloatCodec, IntCodec, RecordCodec
from ..core.sums import NumberField, NumberKind, sum_cpus
from ..exception import DataRangeError, DataTypeError
from ..fields import contents
from ..given import shown
from . import columns
from .arrow import pyarrow_module
from .base import Map
from .percpu import PerCpuCodec
from .views import ItemsSnapshot

if TYPE_CHECKING:
    import pyarrow

    from .columns import Array

_WIRES: Final = {
    NumberKind.UNSIGNED: "Q", NumberKind.BOOL: "Q", NumberKind.SIGNED: "q", NumberKind.FLOAT: "d",
}  # fmt: skip
_DTYPES: Final = {"Q": "=u8", "q": "=i8", "d": "=f8"}


class TooLarge(Exception):  # noqa: N818 - becomes a DataRangeError that names the key
    """The sum of entry number ``at`` of a chunk is too large."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(at, why)
        self.at = at
        self.why = why


class Sums:
    """Adds up the values of an entry's CPUs, number by number; each number is widened to 64 bits.

    Raises DataTypeError for types that can't be added: texts, unions, and bit fields, which the C core doesn't
    support.
    """

    def __init__(self, values: PerCpuCodec) -> None:
        self._values = values
        self._item = values.item
        self._fields = list(_fields(self._item, 0))
        self._numbers = struct.Struct("=" + "".join(f"{field.length}{_WIRES[field.kind]}" for field in self._fields))
        self._as_is = self._keeps_its_layout()

    def _keeps_its_layout(self) -> bool:
        """Whether the sums have the same layout as the value itself."""
        wide = all(f.size == 8 and not f.swapped and f.kind != NumberKind.BOOL for f in self._fields)
        return wide and self._numbers.size == self._item.size

    @property
    def dtype(self) -> Any:
        """The numpy dtype of the sums: the type's shape with 64-bit numbers."""
        return _wide(self._item)

    def add_up(self, values: Buffer, n: int) -> bytearray:
        """The bytes of the sums for ``n`` entries. Raises TooLarge if a sum doesn't fit 64 bits."""
        sums = sum_cpus(values, n, self._values.cpus, self._values.stride, self._fields)
        if isinstance(sums, int):
            one = self._values.decode(values, sums * self._values.size)
            raise TooLarge(sums, f"the sum of all CPUs' {self._item.name} doesn't fit 64 bits: "
                           f"{[_told(each) for each in one]}")
        return sums

    def decode(self, sums: Buffer, n: int) -> list[Any]:
        """The sums as PerCpuValues.sum() gives them. Raises TooLarge if a sum doesn't fit its structure's field."""
        if self._as_is:
            return self._item.decode_many(sums, n)
        if len(self._fields) == 1 and not isinstance(self._item, (ArrayCodec, RecordCodec)):
            return [number for number, in self._numbers.iter_unpack(sums)]
        return [self._built(at, numbers) for at, numbers in enumerate(self._numbers.iter_unpack(sums))]

    def _built(self, at: int, numbers: tuple[Any, ...]) -> Any:
        whole = _nest(self._item, iter(numbers))
        if not isinstance(self._item, RecordCodec):
            return whole
        try:
            return self._item.decode(self._item.encode(whole))
        except DataRangeError as error:
            raise TooLarge(at, f"the sum of all CPUs' {self._item.name} doesn't fit it: {error}") from None


def _told(value: Any) -> Any:
    """A value for messages."""
    if isinstance(value, ctypes.Structure):
        return {name: _told(part) for name, part in contents(value).items()}
    return [_told(each) for each in value] if isinstance(value, ctypes.Array) else value


def _fields(codec: Codec, offset: int) -> Iterator[NumberField]:
    if isinstance(codec, (IntCodec, FloatCodec, BoolCodec)):
        yield NumberField(offset, 1, _kind(codec), codec.size, codec.swapped)
    elif isinstance(codec, ArrayCodec) and isinstance(codec.item, (IntCodec, FloatCodec, BoolCodec)):
        (item,) = _fields(codec.item, offset)
        yield item._replace(length=codec.length)
    elif isinstance(codec, ArrayCodec):
        for i in range(codec.length):
            yield from _fields(codec.item, offset + i * codec.item.size)
    elif isinstance(codec, RecordCodec) and not issubclass(codec.ctype, ctypes.Union):
        for member in codec.members:
            if member.bits:
                raise DataTypeError(f"{codec.name}.{member.name} is a bit field, which can't be summed in bulk: "
                                    "take items() and the sum() of each value")
            yield from _fields(member.codec, offset + member.offset)
    else:
        raise DataTypeError(f"{codec.name} can't be summed")


def _kind(codec: IntCodec | FloatCodec | BoolCodec) -> int:
    if isinstance(codec, IntCodec):
        return NumberKind.SIGNED if codec.signed else NumberKind.UNSIGNED
    return NumberKind.FLOAT if isinstance(codec, FloatCodec) else NumberKind.BOOL


def _wide(codec: Codec) -> Any:
    if isinstance(codec, ArrayCodec):
        return (_wide(codec.item), (codec.length,))
    if isinstance(codec, RecordCodec):
        return [(member.name, _wide(member.codec)) for member in codec.members]
    assert isinstance(codec, (IntCodec, FloatCodec, BoolCodec))
    return _DTYPES[_WIRES[_kind(codec)]]


def _nest(codec: Codec, numbers: Iterator[Any]) -> Any:
    """The sums in the shape of the type: tuples for arrays and structures."""
    if isinstance(codec, ArrayCodec):
        return tuple(_nest(codec.item, numbers) for _ in range(codec.length))
    if isinstance(codec, RecordCodec):
        return tuple(_nest(member.codec, numbers) for member in codec.members)
    return next(numbers)


class PerCpuMap(Map):
    """The base of per-CPU maps, which adds sums over all CPUs."""

    def _make_value_codec(self, element: Codec) -> Codec:
        return PerCpuCodec(element)

    def sums(self) -> ItemsSnapshot:
        """A snapshot of pairs (key, sum over all CPUs). The C core adds the values up, as PerCpuValues.sum() does.

        Raises DataTypeError for values that can't be added (text, unions, bit fields), DataRangeError if a sum doesn't
        fit 64 bits or its field.
        """
        summing, entries = Sums(self._cpu_values), list[tuple[Any, Any]]()
        for keys, values, n in self._walk():
            with self._naming(keys, n):
                totals = summing.decode(summing.add_up(values, n), n)
            entries.extend(zip(self._keys.decode_many(keys, n), totals, strict=True))
        return ItemsSnapshot(entries)

    @contextmanager
    def _naming(self, keys: Buffer, n: int) -> Iterator[None]:
        """Names the key of a sum that is too large."""
        try:
            yield
        except TooLarge as error:
            key = self._keys.decode_many(keys, n)[error.at]
            raise DataRangeError(f"key {shown(key)} of {self!r}: {error.why}; items() has each CPU's number") from None

    def sum_arrays(self) -> tuple[Array, Array]:
        """A snapshot of the sums as numpy arrays (keys, sums): int64, uint64 or float64, also within structures.

        Raises ImportError without numpy, and the errors of sums().
        """
        numpy, summing = columns.numpy_for("sum_arrays()"), Sums(self._cpu_values)
        keys, sums = bytearray(), bytearray()
        for some_keys, values, n in self._walk():
            keys += some_keys[: n * self._keys.size]
            with self._naming(some_keys, n):
                sums += summing.add_up(values, n)
        return self._keys.rows(numpy, keys), numpy.frombuffer(sums, numpy.dtype(summing.dtype))

    def to_arrow(self, *, pop: bool = False, sums: bool = False) -> pyarrow.Table:
        """Like Map.to_arrow(). ``value`` is a list with an item for each CPU, or with ``sums`` the sum.

        Raises DataTypeError for ``pop`` and ``sums`` together, because a sum that doesn't fit would lose the entries.
        """
        if not sums:
            return super().to_arrow(pop=pop)
        if pop:
            raise DataTypeError("to_arrow() takes out entries or adds up, not both, as a sum may not fit; "
                                "take to_arrow(pop=True) and add up its lists")
        arrow = pyarrow_module("to_arrow()")
        keys, totals = self.sum_arrays()
        table: pyarrow.Table = arrow.table(
            {"key": self._arrow_keys(arrow, keys), "value": self._arrow_values(arrow, totals)}
        )
        return table

    @property
    def _cpu_values(self) -> PerCpuCodec:
        assert isinstance(self._values, PerCpuCodec)
        return self._values
