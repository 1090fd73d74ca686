"""The base of all map classes: a MutableMapping over bytes that the kernel shares with programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from .. import ledger
from ..backend import Chunk, Room, current
from ..codec import BoolCodec, Buffer, Codec, IntCodec, codec_for, key_codec_for, type_name
from ..exception import DataRangeError, DataTypeError
from ..given import checked_int, shown
from ..spec import MapSpec
from ..uapi.map_types import KINDS, MAX_KEY_SIZE, MapType, Update
from ..worlds import in_programs
from . import columns, html, locks
from .arrow import column as arrow_column
from .arrow import pyarrow_module
from .insertions import CountsInsertions
from .lifetime import OnStorage
from .names import checked_name
from .views import ItemsSnapshot, KeysSnapshot, ValuesSnapshot

if TYPE_CHECKING:
    import pyarrow

    from .columns import Array

_MISSING: Final[Any] = object()
_CLEAR_PASSES: Final = 8
"""A pass that goes key by key may leave entries out when others change the map."""


class Map(OnStorage, CountsInsertions, MutableMapping[Any, Any]):
    """A map shared between programs and user space.

    In user space it behaves as a dict with these rules (where py2bpf.sim runs a program, as programs see it):

    - Keys and values are converted as py2bpf.codec says. What doesn't fit raises DataTypeError (a
      TypeError) or DataRangeError (an OverflowError), also in ``in`` and get(); a missing key raises KeyError.
    - Iteration, keys(), values() and items() take a snapshot: programs may change the map meanwhile, each key
      that stays comes exactly once. len() counts.
    - setdefault(), add(), and pop() are single steps that can't lose a program's update. ``m[k] += 1`` in user
      space is a read and a write (in a program it is atomic).
    - Maps are equal only to themselves and to plain mappings with the same items. They are hashable.
    - close() gives the map back, any use after it raises ClosedError (a ValueError). A map that is no longer
      referenced closes itself; programs that use it keep it alive in the kernel.
    """

    kind: ClassVar[MapType]
    map_spec: Final[MapSpec]
    _flags: ClassVar[int] = 0
    _absent: ClassVar[tuple[type[Exception], ...]] = ()
    """How a key is refused that get() and ``in`` take for a missing one."""

    def __init__(
        self, key_type: Any, value_type: Any, max_entries: int, default: int | None = None, *, name: str = ""
    ) -> None:
        locks.check(self.kind, key_type, value_type)
        self._keys = self._make_key_codec(key_type)
        element = codec_for(value_type)
        self._values = self._make_value_codec(element)
        self.map_spec = MapSpec(
            kind=int(self.kind),
            key_type=key_type,
            value_type=value_type,
            max_entries=checked_int(max_entries, 1, (1 << 32) - 1, "max_entries"),
            flags=self._creation_flags(),
            name=checked_name(name),
            default=_checked_default(default, element),
            per_cpu=KINDS[self.kind].per_cpu,
        )
        self._storage = current().create_map(self.map_spec, self._keys.size, self._values.size)
        ledger.register(self)

    def _creation_flags(self) -> int:
        """MapFlags to make the map with."""
        return self._flags

    def _make_key_codec(self, key_type: Any) -> Codec:
        codec = key_codec_for(key_type)
        if codec.size > MAX_KEY_SIZE:
            raise DataRangeError(f"a key has at most {MAX_KEY_SIZE} bytes, {codec.name} has {codec.size}")
        return codec

    def _make_value_codec(self, element: Codec) -> Codec:
        return element

    # Lifetime

    def close(self) -> None:
        """Gives the map back to the kernel; calling it again does nothing."""
        self._storage.close()
        self._close_counter()  # behind that: who makes one now sees that the map is closed

    def __repr__(self) -> str:
        spec = self.map_spec
        types = "".join(f"{type_name(t)}, " for t in (spec.key_type, spec.value_type) if t is not None)
        state = "closed" if self.closed else self._storage.where
        return f"<{type(self).__name__}{f' {spec.name!r}' if spec.name else ''}({types}{spec.max_entries}), {state}>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        if self is other or isinstance(other, Map) or not isinstance(other, Mapping):
            return self is other
        return dict(self.items()) == dict(other)

    # One element

    def _key(self, key: Any) -> bytes:
        try:
            return self._keys.encode(key)
        except (DataTypeError, DataRangeError) as error:
            raise type(error)(f"key of {self!r}: {error}") from None

    def _value(self, value: Any) -> bytes:
        try:
            return self._values.encode(value)
        except (DataTypeError, DataRangeError) as error:
            raise type(error)(f"value of {self!r}: {error}") from None

    def _find(self, key: Any) -> bytes | None:
        return self._storage.lookup(self._key(key))

    @in_programs
    def __getitem__(self, key: Any) -> Any:
        data = self._find(key)
        if data is None:
            raise KeyError(key)
        return self._values.decode(data)

    @in_programs
    def get(self, key: Any, default: Any = None) -> Any:
        """The key's value, or ``default`` where the key is missing: None tells so, in programs of numbers too."""
        try:
            data = self._find(key)
        except self._absent:
            return default
        return default if data is None else self._values.decode(data)

    @in_programs
    def __contains__(self, key: object) -> bool:
        try:
            return self._find(key) is not None
        except self._absent:
            return False

    @in_programs
    def __setitem__(self, key: Any, value: Any) -> None:
        self._storage.update(self._key(key), self._value(value))

    @in_programs
    def __delitem__(self, key: Any) -> None:
        if not self._storage.delete(self._key(key)):
            raise KeyError(key)

    @in_programs
    def add(self, key: Any, value: Any) -> bool:
        """Inserts; False, and no change, where the key is there already."""
        return self._storage.update(self._key(key), self._value(value), Update.NOEXIST)

    @in_programs
    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The key's value, after inserting ``default`` (None: the map's default, else zero) where it is missing."""
        raw = self._key(key)
        value = bytes(self._values.size) if default is None and self.map_spec.default is None else self._value(
            self.map_spec.default if default is None else default)
        while (data := self._find(key)) is None:
            if self._storage.update(raw, value, Update.NOEXIST):
                data = value
                break
        return self._values.decode(data)

    @in_programs
    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Takes the key's entry out and gives its value. Where the key is missing, ``default``; without one Python
        raises KeyError, and a program gets what ``m[key]`` gives it: of numbers the map's default or 0, never None, of
        structures and texts None. In programs ``m.pop(key, None)`` tells a number that is missing."""
        data = self._storage.take(self._key(key))
        if data is not None:
            return self._values.decode(data)
        if default is _MISSING:
            raise KeyError(key)
        return default

    # The names of the original of 2017

    @in_programs
    def lookup(self, key: Any) -> Any:
        """get(key): None where the key is missing."""
        return self.get(key)

    @in_programs
    def delete(self, key: Any) -> None:
        """``del m[key]``."""
        del self[key]

    def get_next_key(self, key: Any = None) -> Any:
        """The key after ``key``, the first one for None; None at the end. Programs that change the map meanwhile may
        make it begin anew: keys() doesn't."""
        found = self._storage.next_key(None if key is None else self._key(key))
        return None if found is None else self._keys.decode(found)

    def get_items(self) -> ItemsSnapshot:
        """items()."""
        return self.items()

    def popitem(self) -> tuple[Any, Any]:
        """Takes any entry out. Raises KeyError when the map is empty."""
        while (key := self._storage.next_key(None)) is not None:
            if (data := self._storage.take(key)) is not None:
                return self._keys.decode(key), self._values.decode(data)
        raise KeyError(f"popitem(): {self!r} is empty")

    @in_programs
    def lock(self, key: Any) -> AbstractContextManager[Any]:
        """``with m.lock(key) as entry:`` for values that have a SpinLock; None where the key is missing.

        In a program the entry itself, whose lock is held until the end. Here a copy, read under the lock and written
        back under it at the end: what a program wrote in between is lost. Raises DataTypeError without a SpinLock.
        """
        if self.map_spec.lock_offset is None:
            raise DataTypeError(f"the values of {self!r} have no spin lock: give their structure a SpinLock as a field")
        return locks.Held(self._storage, self._key(key), self._values)

    # All elements

    def __len__(self) -> int:
        return sum(count for _, _, count in self._storage.walk())

    def __bool__(self) -> bool:
        return self._storage.next_key(None) is not None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._key_list())

    def _walk(self, pop: bool = False, room: Room | None = None) -> Iterator[Chunk]:
        if pop:
            self._check_pop()
        return self._storage.walk(pop, room)

    def _check_pop(self) -> None:
        """Raises DataTypeError where entries can't be read and deleted in one step."""

    def _key_list(self) -> list[Any]:
        return [key for keys, _, n in self._walk() for key in self._keys.decode_many(keys, n)]

    def keys(self) -> KeysSnapshot:
        """A snapshot of the keys."""
        return KeysSnapshot(self._key_list())

    def values(self) -> ValuesSnapshot:
        """A snapshot of the values, in the order of keys()."""
        return ValuesSnapshot([v for _, values, n in self._walk() for v in self._values.decode_many(values, n)])

    def items(self) -> ItemsSnapshot:
        """A snapshot of the (key, value) pairs. Structures as keys aren't hashable: take pairs, not dict(items())."""
        return self._items(self._walk())

    def _items(self, chunks: Iterable[Chunk]) -> ItemsSnapshot:
        entries: list[tuple[Any, Any]] = []
        for keys, values, n in chunks:
            entries.extend(zip(self._keys.decode_many(keys, n), self._values.decode_many(values, n), strict=True))
        return ItemsSnapshot(entries)

    def pop_all(self) -> ItemsSnapshot:
        """Takes every entry out and gives the (key, value) pairs, in few system calls.

        Each entry is read and deleted in one step: what programs have stored or added before it is in what comes back,
        what they insert after it is in the map. One thing can fall in between: a program that has found the entry
        (``m[k] += 1`` finds it and then adds) and changes it after the step has changed what nobody reads any more, or
        the kernel has already given the element to another key. That is at most one change by each run that is under
        way at that moment. Where not even that may be lost let programs fill two maps in turn, and call synchronize()
        between turning and reading. (In the embedded VM only runs of more than 65536 instructions are ever cut.)

        Raises DataTypeError for arrays, whose entries can't be deleted, and for LPM tries and program arrays, where the
        kernel can't do both in one step.
        """
        return self._items(self._walk(pop=True))

    def synchronize(self) -> None:
        """Waits until every run of a program that began before the call has ended: some milliseconds.

        After it no program works any more with what it saw before. The kernel doesn't wait for programs that may sleep.
        """
        self._storage.synchronize()

    def update(self, other: Any = (), values: Any = _MISSING, /, **more: Any) -> None:
        """Stores all of a mapping or of (key, value) pairs, or as ``update(keys, values)`` of two columns.

        The columns are sequences or numpy arrays, as arrays() gives them, of the same length: arrays go to the kernel
        without a Python object for each entry. In few system calls; what doesn't fit changes nothing, and the error
        (DataTypeError, DataRangeError) names it. Where the map is full, KernelError E2BIG tells how many entries were
        stored: the first ones.
        """
        if values is _MISSING:
            keys, values = _columns(other, more)
        elif more:
            raise DataTypeError("update(keys, values) takes no entries as keyword arguments")
        else:
            _check_columns(other, values)
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
        """Deletes every entry that is there when it passes; entries that programs add meanwhile may stay."""
        for _ in range(_CLEAR_PASSES):
            for _ in self._storage.walk(delete=True):
                pass
            if KINDS[self.kind].batch or self._storage.next_key(None) is None:
                return

    def arrays(self, *, pop: bool = False) -> tuple[Array, Array]:
        """A snapshot as numpy arrays (keys, values) of one row an entry; structures become structured arrays.

        A per-CPU map's values have a column for every possible CPU. With ``pop`` the entries are taken out of the map,
        as by pop_all(). Raises ImportError without numpy.
        """
        numpy = columns.numpy_for("arrays()")
        _ = numpy.dtype(self._keys.dtype), numpy.dtype(self._values.dtype)  # refused before anything is popped
        gathered = columns.Gathered(numpy, self._keys.size, self._values.size, self.map_spec.max_entries)
        for _, _, n in self._walk(bool(pop), gathered.room):
            gathered.n += n
        keys, values = gathered.arrays()
        shown = self._values.rows(numpy, values.data)
        columns.end_texts(shown)
        return self._keys.rows(numpy, keys.data), shown

    def to_arrow(self, *, pop: bool = False) -> pyarrow.Table:
        """A snapshot as an Arrow table with the columns ``key`` and ``value``; with ``pop`` as by pop_all().

        Structures are struct columns (``.flatten()`` makes a column of each field), arrays and per-CPU values lists of
        fixed size, char arrays binary. ``.to_pandas()`` makes a DataFrame. Raises ImportError without pyarrow or numpy.
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


def _check_columns(keys: Any, values: Any) -> None:
    """Raises DataTypeError for one key and one value."""
    for given in (keys, values):
        if not hasattr(given, "__len__"):
            raise DataTypeError(f"update(keys, values) takes two columns, not {shown(given)}: "
                                "one entry is m[key] = value")


def _columns(other: Any, more: dict[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The keys and the values of what dict.update() takes."""
    if isinstance(other, dict) and not more:
        return list(other), list(other.values())
    pairs = [*map(_pair, _pairs(other)), *more.items()]
    return [key for key, _ in pairs], [value for _, value in pairs]


def _pair(given: Any) -> tuple[Any, Any]:
    try:
        key, value = given
    except (TypeError, ValueError) as error:
        what = "update() takes (key, value) pairs, as enumerate(values) gives"
        raise type(error)(f"{what}, not {shown(given)}") from None
    return key, value


def _pairs(other: Any) -> Iterable[Any]:
    if isinstance(other, Mapping):
        return other.items()
    if hasattr(other, "keys"):
        return ((key, other[key]) for key in other.keys())  # noqa: SIM118  all that such an object promises
    if not isinstance(other, Iterable) and not hasattr(other, "__getitem__"):
        raise DataTypeError(f"update() takes a mapping or (key, value) pairs, not {shown(other)}")
    return cast("Iterable[Any]", other)


def _checked_default(default: int | None, values: Codec) -> int | None:
    if default is None:
        return None
    if not isinstance(values, (IntCodec, BoolCodec)):
        raise DataTypeError(f"a default is for integer values; a missing {values.name} reads as None")
    return int(values.decode(values.encode(default)))  # a c_uint64(3) is a 3
