"""Hypothesis strategies: random ctypes types, and values for them in the forms that a user writes."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

from hypothesis import strategies as st

INTS = [ctypes.c_int8, ctypes.c_uint8, ctypes.c_int16, ctypes.c_uint16, ctypes.c_int32, ctypes.c_uint32,
        ctypes.c_int64, ctypes.c_uint64, ctypes.c_long, ctypes.c_size_t]
BIG = [ctypes.c_uint16.__ctype_be__, ctypes.c_int32.__ctype_be__, ctypes.c_uint64.__ctype_be__]
_numbers = itertools.count()

scalars = st.sampled_from([*INTS, ctypes.c_bool, ctypes.c_char])
char_arrays = st.integers(1, 20).map(lambda n: ctypes.c_char * n)


BIT_FIELD_TYPES = [ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_int32, ctypes.c_uint64]


def bit_fields(ctype: Any) -> st.SearchStrategy[Any]:
    return st.integers(1, 8 * ctypes.sizeof(ctype)).map(lambda bits: (ctype, bits))


@st.composite
def records(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    base = draw(st.sampled_from([ctypes.Structure, ctypes.Structure, ctypes.BigEndianStructure]))
    bits = bit_fields(draw(st.sampled_from(BIT_FIELD_TYPES)))  # mixed types: see test_bit_fields_of_mixed_types
    if base is ctypes.Structure:
        member = bits | scalars.map(lambda t: (t,)) | inner.map(lambda t: (t,)) | char_arrays.map(lambda t: (t,))
    else:
        member = st.sampled_from(INTS).map(lambda t: (t,)) | bits | char_arrays.map(lambda t: (t,))
    fields = [(f"f{i}", *part) for i, part in enumerate(draw(st.lists(member, min_size=1, max_size=5)))]
    body: dict[str, Any] = {"_fields_": fields}
    if draw(st.booleans()):
        body = {"_pack_": draw(st.sampled_from([1, 2, 4])), "_layout_": "ms", **body}
    return type(f"Record{next(_numbers)}", (base,), body)


types = st.recursive(
    scalars | char_arrays | st.sampled_from(BIG),
    lambda inner: records(inner) | st.builds(lambda t, n: t * n, inner, st.integers(1, 4)),
    max_leaves=6,
)


def integers_of(ctype: Any) -> st.SearchStrategy[int]:
    bits = 8 * ctypes.sizeof(ctype)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if ctype(-1).value == -1 else (0, (1 << bits) - 1)
    return st.integers(low, high)


def values(ctype: Any) -> st.SearchStrategy[Any]:
    """Values of a type: ints, bytes, tuples (for structures and arrays)."""
    if ctype is ctypes.c_bool:
        return st.booleans()
    if ctype is ctypes.c_char:
        return st.binary(min_size=1, max_size=1)
    if issubclass(ctype, ctypes._SimpleCData):
        return integers_of(ctype)
    if issubclass(ctype, ctypes.Array):
        if ctype._type_ is ctypes.c_char:
            return st.lists(st.integers(1, 255), max_size=ctype._length_).map(bytes)
        return st.tuples(*[values(ctype._type_)] * ctype._length_)
    return st.tuples(*[_member_values(*field) for field in ctype._fields_])


def _member_values(name: str, ctype: Any, bits: int | None = None) -> st.SearchStrategy[Any]:
    if bits is None:
        return values(ctype)
    if ctype(-1).value == -1:
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
    return st.integers(0, (1 << bits) - 1)


def plain(value: Any) -> Any:
    """A decoded value with structures and arrays as tuples and char arrays as bytes, for comparison with the encoded
    value.
    """
    if isinstance(value, ctypes.Structure):
        return tuple(plain(getattr(value, name)) for name, *_ in value._fields_)
    if isinstance(value, ctypes.Array) and value._type_ is ctypes.c_char:
        return value.value
    if isinstance(value, (ctypes.Array, tuple)):
        return tuple(plain(item) for item in value)
    return value
