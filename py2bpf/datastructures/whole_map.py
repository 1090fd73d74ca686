"""A map's operations on all entries, or on many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..codec import Buffer
from ..core.entries import Buffers, Entries
from ..exception import DataRangeError, DataTypeError
from ..given import shown
from ..uapi.map_types import KINDS
from . import columns, given_entries, html
from .arrow import column as arrow_column
from .arrow import pyarrow_module
from .one_entry import MISSING, OneEntry
from .views import ItemsSnapshot, KeysSnapshot, ValuesSnapshot

if TYPE_CHECKING:
    import pyarrow

    from .columns import Array

_CLEAR_PASSES: Final = 8
"""How often clear() goes over the map: a pass that goes key by key may miss entries if programs change the map."""


class WholeMap(OneEntry):
    """See Map."""

    def __len__(self) -> int:
        return sum(count for _, _, count in self._storage.walk())

    def __bool__(self) -> bool:
        return self._storage.next_key(None) is not None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._key_list())

    def _walk(self, pop: bool = False, buffers: Buffers | None = None) -> Iterator[Entries]:
        if pop:
            self._check_pop()
        return self._storage.walk(pop, buffers)

    def _check_pop(self) -> None:
        """Raises DataTypeError if entries of this kind of map can't be read and deleted in one step."""

    def _key_list(self) -> list[Any]:
        return [key for keys, _, n in self._walk() for key in self._keys.decode_many(keys, n)]

    def keys(self) -> KeysSnapshot:
        """A snapshot of the keys."""
        return KeysSnapshot(self._key_list())

    def values(self) -> ValuesSnapshot:
        """A snapshot of the values, in the order of keys()."""
        return ValuesSnapshot([v for _, values, n in self._walk() for v in self._values.decode_many(values, n)])

    def items(self) -> ItemsSnapshot:
        """A snapshot of the pairs (key, value). Structures as keys aren't hashable: use the pairs, not dict(items()).
        """
        return self._items(self._walk())

    def _items(self, found: Iterable[Entries]) -> ItemsSnapshot:
        entries: list[tuple[Any, Any]] = []
        for keys, values, n in found:
            entries.extend(zip(self._keys.decode_many(keys, n), self._values.decode_many(values, n), strict=True))
        return ItemsSnapshot(entries)

    def get_items(self) -> ItemsSnapshot:
        """items()."""
        return self.items()

    def pop_all(self) -> ItemsSnapshot:
        """Removes every entry and gives the pairs (key, value), in few system calls.

        Each entry is read and deleted in one step. What programs stored or added before this step is in the result, and
        what they insert afterwards is in the map. One change can be lost: ``m[k] += 1`` first finds the entry and then
        adds. If the entry is removed between these two steps, the program changes memory that nobody reads any more, or
        that the kernel has already given to another key. This can happen to at most one change of each run that is
        under way at that moment. If not even that may be lost, let programs fill two maps in turn, and call
        synchronize() between switching and reading. (In the embedded VM this can only happen to runs of more than 65536
        instructions.)

        Raises DataTypeError for arrays, whose entries can't be deleted, and for LPM tries and program arrays, for which
        the kernel can't read and delete in one step.
        """
        return self._items(self._walk(pop=True))

    def synchronize(self) -> None:
        """Waits until every run of a program that began before the call has ended: some milliseconds.

        Afterwards no program still uses what it read before. The kernel does not wait for programs that may sleep.
        """
        self._storage.synchronize()

    def update(self, other: Any = (), values: Any = MISSING, /, **more: Any) -> None:
        """Stores all entries of a mapping or of pairs (key, value), or of two columns: ``update(keys, values)``.

        The columns are sequences or numpy arrays of the same length, such as arrays() gives. Arrays reach the kernel
        without a Python object for each entry. The call takes few system calls. If an entry doesn't fit, nothing
        changes, and the error (DataTypeError, DataRangeError) names the entry. If the map becomes full, KernelError
        E2BIG tells how many entries were stored: the first ones.
        """
        if values is MISSING:
            keys, values = given_entries.columns_of(other, more)
        elif more:
            raise DataTypeError("update(keys, values) takes no entries as keyword arguments")
        else:
            given_entries.check_columns(other, values)
            keys, values = columns.column(other), columns.column(values)
        if len(keys) != len(values):
            raise DataRangeError(f"{len(keys)} keys and {len(values)} values don't belong together")
        if len(keys):
            self._storage.update_many(self._pack_keys(keys), self._pack_values(keys, values), len(keys))
        else:
            self._storage.check_open()

    def _pack_keys(self, keys: Any) -> Buffer:
        try:
            return columns.packed(self._keys, keys)
        except (DataTypeError, DataRangeError) as error:
            raise type(error)(f"key of {self!r}: {error}") from None

    def _pack_values(self, keys: Any, values: Any) -> Buffer:
        """The values' bytes; an error names the key."""
        try:
            return columns.packed(self._values, values)
        except (DataTypeError, DataRangeError) as error:
            at = columns.first_refused(self._values, values)
            where = "" if at is None else f" for key {shown(columns.objects(keys)[at])}"
            raise type(error)(f"value of {self!r}{where}: {error}") from None

    def clear(self) -> None:
        """Deletes all entries. Entries that programs add at the same time may stay."""
        for _ in range(_CLEAR_PASSES):
            for _ in self._storage.walk(delete=True):
                pass
            if KINDS[self.kind].batch or self._storage.next_key(None) is None:
                return

    def arrays(self, *, pop: bool = False) -> tuple[Array, Array]:
        """A snapshot as two numpy arrays (keys, values) with a row for each entry. Structures become structured arrays.

        The values of a per-CPU map have a column for every possible CPU. ``pop`` removes the entries, as pop_all()
        does. Raises ImportError without numpy.
        """
        numpy = columns.numpy_for("arrays()")
        _ = numpy.dtype(self._keys.dtype), numpy.dtype(self._values.dtype)  # raises before anything is popped
        gathered = columns.Gathered(numpy, self._keys.size, self._values.size, self.map_spec.max_entries)
        for _, _, n in self._walk(bool(pop), gathered.buffers):
            gathered.n += n
        keys, values = gathered.arrays()
        shown = self._values.rows(numpy, values.data)
        columns.end_texts(shown)
        return self._keys.rows(numpy, keys.data), shown

    def to_arrow(self, *, pop: bool = False) -> pyarrow.Table:
        """A snapshot as an Arrow table with the columns ``key`` and ``value``. ``pop`` removes the entries, as
        pop_all() does.

        Structures are struct columns (``.flatten()`` makes a column of each field), arrays and per-CPU values are lists
        of fixed size, char arrays are binary. ``.to_pandas()`` makes a DataFrame. Raises ImportError without pyarrow or
        numpy.
        """
        arrow = pyarrow_module("to_arrow()")
        keys, values = self.arrays(pop=pop)
        table: pyarrow.Table = arrow.table(
            {"key": self._arrow_keys(arrow, keys), "value": self._arrow_values(arrow, values)}
        )
        return table

    def _arrow_keys(self, arrow: Any, keys: Array) -> Any:
        return arrow_column(arrow, keys)

    def _arrow_values(self, arrow: Any, values: Array) -> Any:
        return arrow_column(arrow, values)

    def _repr_html_(self) -> str:
        """For notebooks: the first entries, and how many there are."""
        return html.closed(self) if self.closed else html.table(self, self._keys, self._values, self._walk())
