"""Checks that the maps with which a program is loaded are like those for which it was compiled."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from .exception import DataTypeError
from .given import shown
from .spec import MapSpec, ProgramSpec
from .uapi.map_types import kind_of, title

_SAME: Final = {
    "key_size": "size of keys", "value_size": "size of values", "max_entries": "number of entries",
    "lock_offset": "place of its lock",
}  # fmt: skip
"""The attributes of a map on which the program's instructions depend, besides its kind and the size of records."""


def in_their_places(spec: ProgramSpec, maps: Any) -> list[Any]:
    """The maps as a list. Raises DataTypeError if one differs from the map for which the program was compiled."""
    given = list(maps) if isinstance(maps, Sequence) else None
    if given is None or len(given) != len(spec.maps):
        raise DataTypeError(f"maps is a sequence of {len(spec.maps)}, as {spec.name} has maps, not {shown(maps)}")
    counted = {spec.error_map, *(counter for counter, _ in spec.loss_maps)}
    for at, (wanted, each) in enumerate(zip(spec.maps, given, strict=True)):
        if at in counted:
            continue
        found = getattr(each, "map_spec", None)
        if not isinstance(found, MapSpec):
            raise DataTypeError(f"maps[{at}] is {title(wanted.kind)}, not {shown(each)}")
        if found.kind != wanted.kind:
            raise DataTypeError(f"maps[{at}] is {title(wanted.kind)}, not {title(found.kind)}")
        for name, what in _SAME.items():
            before, now = getattr(wanted, name), getattr(found, name)
            if before != now and (name != "max_entries" or kind_of(wanted.kind).indexed):
                raise DataTypeError(f"maps[{at}] has another {what} than {spec.name} was compiled for: "
                                    f"{now}, not {before}")  # fmt: skip
        if wanted.data_type is not None and ctypes.sizeof(wanted.data_type) != ctypes.sizeof(found.data_type):
            raise DataTypeError(f"maps[{at}] has records of another size than {spec.name} was compiled for")
    return given
