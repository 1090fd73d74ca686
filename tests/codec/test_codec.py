"""The codec, without a kernel: round trips, canonical bytes, refusals."""

from __future__ import annotations

import ctypes
import struct
from ctypes import (
    BigEndianStructure,
    Structure,
    Union,
    c_bool,
    c_char,
    c_double,
    c_int8,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

import pytest
from ctypes_strategies import plain, types, values
from hypothesis import given
from hypothesis import strategies as st

from py2bpf.codec import codec_for, key_codec_for, type_name
from py2bpf.exception import DataRangeError, DataTypeError, Py2BpfError

numpy = pytest.importorskip("numpy")


class Padded(Structure):
    _fields_ = [("a", c_uint8), ("b", c_uint32), ("c", c_uint16)]


class Bits(Structure):
    _fields_ = [("low", c_uint32, 3), ("signed", ctypes.c_int32, 5), ("rest", c_uint64)]


class Wire(BigEndianStructure):
    _pack_, _layout_ = 1, "ms"
    _layout_ = "ms"
    _fields_ = [("kind", c_uint8), ("port", c_uint16), ("address", c_uint32)]


class Either(Union):
    _fields_ = [("byte", c_uint8), ("padded", Padded)]


class Named(Structure):
    _fields_ = [("name", c_char * 8), ("inner", Padded), ("pair", c_uint16 * 2)]


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[Any, Any]:
    ctype = draw(types)
    return ctype, draw(values(ctype))


@given(typed_values())
def test_round_trip_of_any_type(case: tuple[Any, Any]) -> None:
    ctype, value = case
    codec = codec_for(ctype)
    data = codec.encode(value)
    assert len(data) == codec.size == ctypes.sizeof(ctype)
    back = codec.decode(b"xyz" + data + b"!", 3)
    assert plain(back) == value
    assert codec.encode(back) == data


@given(typed_values(), st.data())
def test_padding_is_zero_whatever_an_instance_holds(case: tuple[Any, Any], data: st.DataObject) -> None:
    ctype, value = case
    codec = codec_for(ctype)
    if not isinstance(codec.decode(bytes(codec.size)), Structure):
        return
    wanted = codec.encode(value)
    dirt = data.draw(st.binary(min_size=codec.size, max_size=codec.size))
    dirty = bytes(w | (d & ~m & 0xFF) for w, d, m in zip(wanted, dirt, codec.mask, strict=True))
    assert codec.encode(ctype.from_buffer_copy(dirty)) == wanted


@given(types, st.integers(0, 5), st.data())
def test_many_equals_one_by_one(ctype: Any, count: int, data: st.DataObject) -> None:
    codec = codec_for(ctype)
    items = [data.draw(values(ctype)) for _ in range(count)]
    tight = b"".join(map(codec.encode, items))
    stride = codec.size + 3
    loose = b"?" + b"".join(codec.encode(item) + b"..." for item in items)
    assert [plain(v) for v in codec.decode_many(tight, count)] == items
    assert [plain(v) for v in codec.decode_many(loose, count, stride, 1)] == items


def test_decoded_structures_are_independent_copies() -> None:
    data = bytearray(codec_for(Padded).encode((1, 2, 3)))
    first = codec_for(Padded).decode(data)
    data[:] = bytes(len(data))
    assert (first.a, first.b, first.c) == (1, 2, 3)


def test_garbage_in_padding_does_not_change_a_key() -> None:
    dirty = Padded.from_buffer_copy(b"\xff" * 12)
    dirty.a, dirty.b, dirty.c = 1, 2, 3
    assert codec_for(Padded).encode(dirty) == struct.pack("<BxxxIHxx", 1, 2, 3)


def test_masks() -> None:
    assert codec_for(Padded).mask == b"\xff\0\0\0\xff\xff\xff\xff\xff\xff\0\0"
    assert codec_for(Bits).mask == b"\xff\0\0\0\0\0\0\0" + b"\xff" * 8
    assert codec_for(Either).mask == codec_for(Padded).mask
    assert codec_for(Padded * 2).mask == codec_for(Padded).mask * 2


def test_byte_order() -> None:
    assert codec_for(Wire).encode((1, 0x1234, 0x0A000001)) == bytes.fromhex("0112340a000001")
    assert codec_for(Wire).decode(bytes.fromhex("0112340a000001")).port == 0x1234
    assert codec_for(c_uint32.__ctype_be__).encode(1) == b"\0\0\0\1"


def test_char_arrays() -> None:
    codec = codec_for(c_char * 4)
    assert codec.encode(b"ab") == codec.encode("ab") == codec.encode(b"ab\0\0\0\0") == b"ab\0\0"
    assert codec.encode((c_char * 4)(*b"ab")) == b"ab\0\0"
    assert codec.decode(b"abcd") == b"abcd"
    assert codec.decode(b"a\0cd") == b"a"
    reused = ctypes.create_string_buffer(b"long", 4)
    reused.value = b"x"
    assert codec.encode(reused) == b"x\0\0\0"


def test_char_arrays_as_keys() -> None:
    codec = key_codec_for(c_char * 4)
    assert codec.encode(b"ab") == codec.encode("ab") == codec.encode(b"ab\0\0\0\0") == b"ab\0\0"
    assert codec.encode(b"") == codec.encode(b"\0") == bytes(4)
    reused = ctypes.create_string_buffer(b"long", 4)
    reused.value = b"x"
    assert codec.encode(reused) == b"x\0ng"  # as the program has it in memory
    for raw in (b"abcd", b"a\0cd", b"a\0c\0", bytes(4), b"\0\0\0d"):
        assert codec.encode(codec.decode(raw)) == raw
    for wrong, error in ((b"abcde", DataRangeError), (b"a\0cde", DataRangeError), (7, DataTypeError)):
        with pytest.raises(error, match=r"c_char \* 4"):
            codec.encode(wrong)
    pairs = key_codec_for(c_char * 4 * 2)
    assert pairs.decode(b"a\0c\0b\0\0\0") == (b"a\0c", b"b") and pairs.encode((b"a\0c", b"b")) == b"a\0c\0b\0\0\0"


def test_other_forms() -> None:
    assert codec_for(c_uint64).encode(c_uint32(7)) == codec_for(c_uint64).encode(numpy.uint8(7)) == b"\7" + bytes(7)
    assert codec_for(c_void_p).encode(c_void_p()) == bytes(8)
    assert codec_for(c_void_p).decode(b"\0\1" + bytes(6)) == 256
    assert codec_for(c_uint8 * 3).encode(b"abc") == codec_for(c_uint8 * 3).encode([97, 98, 99]) == b"abc"
    assert codec_for(c_uint8 * 3).decode(b"abc") == (97, 98, 99)
    assert codec_for(c_char).decode(b"ab") == b"a"
    assert codec_for(c_bool).encode(True) == b"\1" and codec_for(c_bool).decode(b"\x07") is True
    assert codec_for(c_double).decode(codec_for(c_double).encode(1.5)) == 1.5
    assert codec_for(Named).encode((b"eth0", (1, 2, 3), (4, 5))) == codec_for(Named).encode(
        Named(b"eth0", Padded(1, 2, 3), (c_uint16 * 2)(4, 5)))


def test_inherited_and_anonymous_members() -> None:
    class Inner(Structure):
        _fields_ = [("x", c_uint16)]

    class Base(Structure):
        _fields_ = [("a", c_uint32)]

    class Derived(Base):
        _anonymous_ = ["inner"]
        _fields_ = [("b", c_uint16), ("inner", Inner)]

    assert codec_for(Derived).encode((1, 2, (3,))) == struct.pack("<IHH", 1, 2, 3)
    assert codec_for(Derived).decode(struct.pack("<IHH", 1, 2, 3)).x == 3


@pytest.mark.parametrize(("ctype", "value", "error", "says"), [
    (c_uint32, -1, DataRangeError, "-1 doesn't fit c_uint32: it holds 0 to 4294967295"),
    (c_uint32, 1 << 32, DataRangeError, "4294967296 doesn't fit c_uint32"),
    (c_int8, 128, DataRangeError, "128 doesn't fit c_int8: it holds -128 to 127"),
    (c_uint32, 1.5, DataTypeError, "c_uint32 takes an int, not 1.5 of type float"),
    (c_uint32, "1", DataTypeError, "not '1' of type str"),
    (c_uint32, None, DataTypeError, "not None"),
    (c_bool, 2, DataRangeError, "2 doesn't fit c_bool"),
    (c_char, b"ab", DataRangeError, "bytes of length 1"),
    (c_char * 4, b"abcde", DataRangeError, "holds 4 bytes, not the 5 of b'abcde'"),
    (c_char * 4, b"a\0b", DataRangeError, "use c_uint8 * 4 for binary data"),
    (c_char * 4, 7, DataTypeError, "c_char * 4 takes bytes or str of at most 4 bytes, not 7"),
    (c_uint16 * 2, [1], DataRangeError, "takes 2 items, not the 1 of [1]"),
    (c_uint16 * 2, [1, 65536], DataRangeError, "item 1 of c_uint16 * 2: 65536 doesn't fit c_uint16"),
    (c_uint16 * 2, b"ab", DataTypeError, "sequence of 2 items"),
    (c_uint16 * 2, {1, 2}, DataTypeError, "sequence of 2 items"),
    (Padded, (1, 2), DataRangeError, "Padded has 3 fields (a, b, c), not the 2 of (1, 2)"),
    (Padded, (1, 2, -3), DataRangeError, "Padded.c: -3 doesn't fit c_uint16"),
    (Padded, (1, "x", 3), DataTypeError, "Padded.b: c_uint32 takes an int"),
    (Padded, 5, DataTypeError, "an instance of it, or a tuple (a, b, c)"),
    (Padded, Wire(), DataTypeError, "Padded takes"),
    (Bits, (8, 0, 0), DataRangeError, "8 doesn't fit Bits.low (3 bits): it holds 0 to 7"),
    (Bits, (0, 16, 0), DataRangeError, "16 doesn't fit Bits.signed (5 bits): it holds -16 to 15"),
    (Either, (1,), DataTypeError, "Either takes an instance of it"),
    (c_double, "1", DataTypeError, "c_double takes a number"),
])
def test_refused_values(ctype: Any, value: Any, error: type[Py2BpfError], says: str) -> None:
    with pytest.raises(error) as caught:
        codec_for(ctype).encode(value)
    assert says in str(caught.value)


class Empty(Structure):
    pass


class HasPointer(Structure):
    _fields_ = [("next", ctypes.POINTER(c_uint32))]


@pytest.mark.parametrize(("ctype", "says"), [
    (int, "did you mean ctypes.c_int64?"),
    (c_uint32(1), "expected a ctypes type"),
    ("c_uint32", "expected a ctypes type"),
    (ctypes.c_char_p, "use ctypes.c_uint64 for an address"),
    (ctypes.py_object, "use ctypes.c_uint64 for an address"),
    (ctypes.c_wchar, "c_wchar can't be shared with the kernel"),
    (ctypes.c_longdouble, "can't be shared with the kernel"),
    (ctypes.POINTER(c_uint32), "use ctypes.c_uint64 for an address"),
    (ctypes.CFUNCTYPE(None), "use ctypes.c_uint64 for an address"),
    (HasPointer, "HasPointer.next: "),
    (ctypes.POINTER(c_uint32) * 2, "use ctypes.c_uint64 for an address"),
    (Empty, "Empty has no bytes"),
    (c_uint32 * 0, "c_uint32 * 0 has no bytes"),
    (object, "a ctypes type can"),
])
def test_refused_types(ctype: Any, says: str) -> None:
    with pytest.raises(DataTypeError) as caught:
        codec_for(ctype)
    assert says in str(caught.value)


def test_bit_fields_of_mixed_types_are_right_or_refused() -> None:
    class Mixed(Structure):
        _fields_ = [("a", c_uint16, 1), ("b", c_uint8, 8)]

    try:
        codec = codec_for(Mixed)
    except DataTypeError as error:
        assert "can't read back Mixed.b" in str(error)
    else:
        assert plain(codec.decode(codec.encode((1, 255)))) == (1, 255)


def test_bit_fields_of_unions_are_right_or_refused() -> None:
    """Before Python 3.14 ctypes writes the second one in front of the object, so never try this on a real object."""

    class Overlaid(ctypes.Union):
        _fields_ = [("a", c_uint16, 10), ("b", c_uint16, 3)]

        def __init__(self) -> None:
            raise AssertionError("what lies in front of it would be overwritten")

    class Around(Structure):
        _fields_ = [("flags", Overlaid), ("n", c_uint32)]

    for ctype, where in ((Overlaid, ""), (Overlaid * 2, ""), (Around, "Around.flags: ")):
        try:
            assert codec_for(ctype).size == ctypes.sizeof(ctype)
        except DataTypeError as error:
            assert str(error).startswith(f"{where}this Python's ctypes puts Overlaid.b outside of its object")


def test_floats_are_no_keys() -> None:
    class Inner(Structure):
        _fields_ = [("x", c_uint32), ("y", ctypes.c_float * 2)]

    for ctype in (c_double, Inner, Inner * 2):
        with pytest.raises(DataTypeError, match="can't be keys"):
            key_codec_for(ctype)
    assert key_codec_for(Padded) is codec_for(Padded)


def test_type_names() -> None:
    assert [type_name(t) for t in (c_uint32, ctypes.c_ulong, c_char * 16, c_uint8 * 2 * 3, Padded, c_void_p)] == [
        "c_uint32", "c_uint64", "c_char * 16", "c_uint8 * 2 * 3", "Padded", "c_void_p"]
    assert type_name(c_uint32.__ctype_be__) == "c_uint32.__ctype_be__"


def test_dtypes() -> None:
    data = codec_for(Named).encode((b"eth0", (1, 2, 3), (4, 5))) * 2
    rows = numpy.frombuffer(data, numpy.dtype(codec_for(Named).dtype))
    assert len(rows) == 2
    assert rows[1]["name"] == b"eth0" and rows[1]["inner"]["b"] == 2 and list(rows[1]["pair"]) == [4, 5]
    wire = numpy.frombuffer(codec_for(Wire).encode((1, 0x1234, 9)), numpy.dtype(codec_for(Wire).dtype))
    assert wire[0]["port"] == 0x1234
    union = codec_for(Either)
    either = numpy.frombuffer(union.encode(Either(padded=Padded(7, 2, 3))), numpy.dtype(union.dtype))
    assert either[0]["byte"] == 7 and either[0]["padded"]["c"] == 3
    with pytest.raises(DataTypeError, match=r"Bits\.low"):
        _ = codec_for(Bits).dtype


@pytest.mark.parametrize("base", [ctypes.Structure, ctypes.BigEndianStructure, ctypes.Union, ctypes.Array,
                                  ctypes._SimpleCData])
def test_ctypes_own_bases_are_no_types_of_data(base: Any) -> None:
    with pytest.raises(DataTypeError, match=r"itself has no fields|has no bytes|can't be shared"):
        codec_for(base)
