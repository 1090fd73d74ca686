"""Random ctypes types, and the places in them that hold one number each."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from py2bpf.codec import codec_for
from py2bpf.exception import DataTypeError

UNSIGNED = (ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64)
SIGNED = (ctypes.c_int8, ctypes.c_int16, ctypes.c_int32, ctypes.c_int64)
SCALARS = (*UNSIGNED, *SIGNED, ctypes.c_bool)
MAX_SIZE = 120
"""Two objects and what else a program needs must fit its stack of 512 bytes."""


def _bits(ctype: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.integers(1, 8 * ctypes.sizeof(ctype)).map(lambda width: (ctype, width))


def _field(depth: int, big: bool) -> st.SearchStrategy[tuple[Any, ...]]:
    plain = st.sampled_from(SCALARS[:-1] if big else SCALARS)
    options = [plain.map(lambda ctype: (ctype,)), st.sampled_from(UNSIGNED + SIGNED).flatmap(_bits)]
    options.append(st.tuples(plain, st.integers(1, 4)).map(lambda pair: (pair[0] * pair[1],)))
    if depth:
        inner = records(depth - 1, big)
        options.append(inner.map(lambda ctype: (ctype,)))
        options.append(st.tuples(inner, st.integers(1, 3)).map(lambda pair: (pair[0] * pair[1],)))
    return st.one_of(options)


def _make(base: Any, pack: int, fields: list[tuple[Any, ...]]) -> Any:
    names = {"_fields_": [(f"f{i}", *field) for i, field in enumerate(fields)]}
    if pack:
        names |= {"_pack_": pack, "_layout_": "ms"}
    return type("Record", (base,), names)


def records(depth: int = 2, big: bool = False) -> st.SearchStrategy[Any]:
    """Structures and unions: nested, with arrays and bit fields, packed; or all of that in big-endian order."""
    bases = (ctypes.BigEndianStructure,) if big else (ctypes.Structure, ctypes.Structure, ctypes.Union)
    fields = st.lists(_field(depth, big), min_size=1, max_size=4)
    made = st.builds(_make, st.sampled_from(bases), st.sampled_from((0, 0, 1, 2, 4)), fields)
    return made.filter(_usable)


def _usable(ctype: Any) -> bool:
    """Not too large, and no bit fields that this Python's ctypes itself loses."""
    if not 0 < ctypes.sizeof(ctype) <= MAX_SIZE:
        return False
    try:
        codec_for(ctype)
    except DataTypeError:
        return False
    return all(_inside(ctype, *field) for field in ctype._fields_)


def _inside(ctype: Any, name: str, field: Any, width: int = 0) -> bool:
    """Whether a bit field lies within its own type, which mixed types in one unit break before 3.14."""
    descriptor = getattr(ctype, name)
    low = getattr(descriptor, "bit_offset", descriptor.size & 0xFFFF)
    size = ctypes.sizeof(field)
    return not width or (low + width <= 8 * size and 0 <= descriptor.offset <= ctypes.sizeof(ctype) - size)


def layouts() -> st.SearchStrategy[Any]:
    return st.booleans().flatmap(lambda big: records(2, big))


def leaves(ctype: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each place as Python text (".f0[1].f2") with its type; an item of an array of scalars is one."""
    if issubclass(ctype, ctypes.Array):
        for i in range(ctype._length_):
            yield from leaves(ctype._type_, f"{path}[{i}]")
    elif issubclass(ctype, (ctypes.Structure, ctypes.Union)):
        for name, field_type, *_ in ctype._fields_:
            yield from leaves(field_type, f"{path}.{name}")
    else:
        yield path, ctype


def function(source: str, name: str = "body", **names: Any) -> Any:
    """The function that the source defines; its lines have no file."""
    scope: dict[str, Any] = dict(names)
    exec(compile(source, "<generated>", "exec", dont_inherit=True), scope)
    return scope[name]
