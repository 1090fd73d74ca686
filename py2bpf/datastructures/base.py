"""The base of all map classes: a MutableMapping over bytes that the kernel shares with programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .. import ledger
from ..backend import current
from ..codec import BoolCodec, Codec, IntCodec, codec_for, key_codec_for, type_name
from ..exception import DataRangeError, DataTypeError
from ..given import checked_int
from ..spec import MapSpec
from ..uapi.map_types import KINDS, MAX_KEY_SIZE
from . import locks
from .names import checked_name
from .whole_map import WholeMap


class Map(WholeMap):
    """A map that programs and user space share.

    In user space a map behaves like a dict, with these rules (in a program that py2bpf.sim runs, it behaves as programs
    see it):

    - py2bpf.codec says how keys and values are converted. Keys and values that don't fit raise DataTypeError (a
      TypeError) or DataRangeError (an OverflowError), also in ``in`` and get(). A missing key raises KeyError.
    - Iteration, keys(), values() and items() take a snapshot. If programs change the map meanwhile, each key that stays
      still comes exactly once. len() counts the entries.
    - setdefault(), add() and pop() are single steps, and never lose a program's update. ``m[k] += 1`` in user space is
      a read followed by a write (in a program it is atomic).
    - A map equals itself, and plain mappings with the same items. Maps are hashable.
    - close() gives the map back. Using it afterwards raises ClosedError (a ValueError). A map that nothing refers to
      closes itself; programs that use it keep it alive in the kernel.
    """

    _flags: ClassVar[int] = 0

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
        """The MapFlags for creating the map."""
        return self._flags

    def _make_key_codec(self, key_type: Any) -> Codec:
        codec = key_codec_for(key_type)
        if codec.size > MAX_KEY_SIZE:
            raise DataRangeError(f"a key has at most {MAX_KEY_SIZE} bytes, {codec.name} has {codec.size}")
        return codec

    def _make_value_codec(self, element: Codec) -> Codec:
        return element

    def close(self) -> None:
        """Gives the map back to the kernel; calling it again does nothing."""
        self._storage.close()
        self._close_counter()  # afterwards, so that whoever makes a counter now sees that the map is closed

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


def _checked_default(default: int | None, values: Codec) -> int | None:
    if default is None:
        return None
    if not isinstance(values, (IntCodec, BoolCodec)):
        raise DataTypeError(f"a default is for integer values; a missing {values.name} reads as None")
    return int(values.decode(values.encode(default)))  # a c_uint64(3) is a 3
