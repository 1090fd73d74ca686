"""Struct: structures by annotations."""

from __future__ import annotations

import ctypes
import types
from ctypes import (
    BigEndianStructure,
    Structure,
    Union,
    c_bool,
    c_char,
    c_char_p,
    c_int16,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
)
from typing import Annotated, Any, ClassVar

import pytest

import py2bpf
from py2bpf import Struct
from py2bpf.exception import DataRangeError, DataTypeError

PLAIN = {"__name__": __name__, "Struct": Struct, **vars(ctypes), "Annotated": Annotated, "ClassVar": ClassVar}


def plain(source: str) -> Any:
    """The last class of a module without ``from __future__ import annotations``."""
    names = dict(PLAIN)
    exec(compile(source, "<plain>", "exec", dont_inherit=True), names)
    return list(names.values())[-1]


class Task(Struct):
    pid: c_uint32
    comm: Annotated[bytes, c_char * 16]

    LIMIT: ClassVar[int] = 7
    unknown: ClassVar[Nowhere]  # type: ignore[name-defined]  # noqa: F821  evaluated by nobody

    @property
    def twice(self) -> Any:
        return self.pid * 2  # type: ignore[operator]  # a c_uint32, says the annotation

    def plus(self, number: int) -> Any:
        return self.pid + number  # type: ignore[operator]


class Exec(Task):
    low: Annotated[c_uint8, 4]
    high: Annotated[int, c_uint8, 4]
    ports: Annotated[Any, c_uint16 * 2]


class Header(Struct, big_endian=True, packed=True):
    kind: c_uint8
    port: Annotated[int, c_uint16]
    words: Annotated[Any, c_uint32 * 2]
    task: Task


class TaskRows(Structure):
    _fields_ = (("pid", c_uint32), ("comm", c_char * 16))


class ExecRows(TaskRows):
    _fields_ = (("low", c_uint8, 4), ("high", c_uint8, 4), ("ports", c_uint16 * 2))


class HeaderRows(BigEndianStructure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("kind", c_uint8), ("port", c_uint16), ("words", c_uint32 * 2), ("task", TaskRows))


@pytest.mark.parametrize(("short", "rows"), [(Task, TaskRows), (Exec, ExecRows), (Header, HeaderRows)])
def test_the_layout_is_the_structures(short: Any, rows: Any) -> None:
    assert ctypes.sizeof(short) == ctypes.sizeof(rows)
    names = [name for kind in reversed(rows.__mro__) for name, *_ in kind.__dict__.get("_fields_", ())]
    assert names == [name for kind in reversed(short.__mro__) for name, *_ in kind.__dict__.get("_fields_", ())]
    for name in names:
        one, other = getattr(short, name), getattr(rows, name)
        assert (one.offset, one.size) == (other.offset, other.size)
    image = bytes(range(1, ctypes.sizeof(rows) + 1))
    first, second = short.from_buffer_copy(image), rows.from_buffer_copy(image)
    for name in names:
        value, expected = getattr(first, name), getattr(second, name)
        if isinstance(expected, (ctypes.Array, Structure)):
            value, expected = bytes(value), bytes(expected)
        assert value == expected


def test_the_public_name() -> None:
    from py2bpf.records import Struct as inner

    assert py2bpf.Struct is inner and "Struct" in dir(py2bpf)


def test_annotations_without_the_future() -> None:
    made = plain(
        "class E(Struct):\n"
        "    a: c_uint32\n"
        "    b: c_char * 8\n"
        "    n: 'c_uint16'\n"
        "    low: Annotated[c_uint8, 3]\n"
        "    high: Annotated['c_uint8', 5]\n"
        "    C: ClassVar[int] = 5\n"
        "    D: 'ClassVar[Nothing]' = 6\n"
    )
    assert [name for name, *_ in made._fields_] == ["a", "b", "n", "low", "high"] and made.C == 5
    assert ctypes.sizeof(made) == 16 and (made.high.offset, made(1, high=31).high) == (14, 31)
    assert list(made.__annotations__) == ["a", "b", "n", "low", "high", "C", "D"]


def test_names_of_the_function_around() -> None:
    class Inner(Struct):
        value: c_uint16

    size = 3

    class Outer(Struct):
        class Deep(Struct):
            inner: Inner

        many: Annotated[Any, Inner * size]
        deep: Deep

    outer = Outer(deep=Outer.Deep(Inner(9)))
    assert ctypes.sizeof(Outer) == 8 and outer.deep.inner.value == 9


def test_names_of_the_function_around_without_the_future() -> None:
    source = (
        "def make():\n"
        "    class Inner(Struct):\n"
        "        value: c_uint16\n"
        "    class Outer(Struct):\n"
        "        inner: Inner\n"
        "        text: 'Inner'\n"
        "    return Outer\n"
        "Made = make()\n"
    )
    assert ctypes.sizeof(plain(source)) == 4


def test_a_class_made_by_a_call() -> None:
    made: Any = types.new_class("Made", (Struct,), {"packed": True}, lambda namespace: namespace.update(
        __annotations__={"a": c_uint8, "b": c_uint32}))  # fmt: skip
    assert ctypes.sizeof(made) == 5


def test_making_reading_and_writing() -> None:
    task = Task(5, comm=b"init")
    assert (task.pid, task.comm, task.twice, task.plus(1), Task.LIMIT) == (5, b"init", 10, 6, 7)
    task.pid = 9  # type: ignore[assignment]
    assert task.pid == 9 and Exec(1, b"x", 2).low == 2 and Exec().high == 0
    for wrong in (lambda: Task(pdi=1), lambda: setattr(task, "pdi", 1)):
        with pytest.raises(AttributeError, match="pdi"):
            wrong()
    with pytest.raises(TypeError):
        Task(1, b"", 2)


def test_repr() -> None:
    assert repr(Exec(1, b"a", high=3, ports=(4, 5))) == "Exec(pid=1, comm=b'a', low=0, high=3, ports=[4, 5])"
    assert "task=Task(pid=0, comm=b'')" in repr(Header())

    class Point(Structure):
        _fields_ = (("x", c_uint8),)

    class Line(Struct):
        ends: Annotated[Any, Point * 2]

    assert repr(Line()).endswith("Line(ends=[test_repr.<locals>.Point(x=0), test_repr.<locals>.Point(x=0)])")


def test_equality() -> None:
    assert Exec(1, b"a", ports=(4, 5)) == Exec(1, b"a", ports=(4, 5)) != Exec(1, b"a", ports=(4, 6))
    assert Header(task=Task(1)) == Header(task=Task(1)) != Header(task=Task(2))
    assert Task() != Exec() and Task() != TaskRows() and Task() != (0, b"") and Task() is not None
    assert Task.from_buffer_copy(b"\1\0\0\0ab\0c".ljust(20)) == Task(1, b"ab")  # what is behind a NUL is no text
    with pytest.raises(TypeError, match="unhashable"):
        hash(Task())


def test_padding_and_unions() -> None:
    class Either(Union):
        _fields_ = (("byte", c_uint8), ("word", c_uint32))

    class Gap(Struct):
        first: c_uint8
        second: c_uint32
        either: Either

    assert Gap.from_buffer_copy(b"\1\xff\xff\xff".ljust(12, b"\0")) == Gap(1)
    assert Gap(either=Either(word=256)) != Gap()


def test_locks_are_not_compared() -> None:
    from py2bpf.datastructures import SpinLock

    class Entry(Struct):
        lock: SpinLock
        count: c_uint64

    assert Entry.from_buffer_copy(b"\1".ljust(16, b"\0")) == Entry()
    assert repr(Entry(count=3)).endswith("Entry(count=3)")


def test_methods_alone() -> None:
    class Base(Struct):
        def double(self) -> Any:
            return 2 * self.n

    class Number(Base):
        n: Annotated[int, c_int16]

    class Same(Number):
        pass

    assert Number(4).double() == Same(4).double() == 8 and Same(4) != Number(4)


def test_byte_order_of_derived_classes() -> None:
    class Longer(Header):
        last: c_uint16

    assert bytes(Longer(last=1))[-2:] == b"\0\1"

    class Native(Struct, big_endian=False):
        a: c_uint16

    assert Native._fields_ == (("a", c_uint16),)
    for base, big in ((Header, False), (Task, True)):
        with pytest.raises(DataTypeError, match=f"begins with the fields of {base.__name__}.*leave big_endian out"):
            types.new_class("Mixed", (base,), {"big_endian": big})


def test_one_byte_has_no_order() -> None:
    class Flags(Struct, big_endian=True):
        on: c_bool
        name: Annotated[bytes, c_char * 3]

    assert bytes(Flags(True, b"abc")) == b"\1abc"


WRONG: dict[str, tuple[str, str]] = {
    "python": ("x: int", "E.x: int can't be shared with the kernel; did you mean ctypes.c_int64"),
    "number": ("x: 5", "E.x: expected a ctypes type"),
    "pointer": ("x: c_char_p", "E.x: c_char_p can't be shared"),
    "unknown": ("x: 'c_uint23'", "E.x: can't evaluate the annotation 'c_uint23': name 'c_uint23' is not defined"),
    "syntax": ("x: 'c_uint8 4'", "E.x: can't evaluate"),
    "default": ("x: c_uint32 = 5", r"E.x has a default.*give the value when one is made, E\(x=5\), or .* ClassVar"),
    "method": ("x: c_uint32\n def x(self): pass", "E.x is the name of a field and of a method"),
    "property": ("x: c_uint32\n x = property(len)", "E.x is the name of a field and of a method"),
    "setting": ("_pack_: int = 1", "E._pack_ is for ctypes and no field"),
    "both": ("x: c_uint8\n _fields_ = [('y', c_uint8)]", "E has _fields_ and the annotation of x: use one"),
    "bits of chars": ("x: Annotated[c_char * 4, 3]", r"E.x: bit fields are of integer types, not of c_char \* 4"),
    "bits of addresses": ("x: Annotated[c_void_p, 3]", "E.x: bit fields are of integer types, not of c_void_p"),
    "bits of bools": ("x: Annotated[c_bool, 1]", "E.x: ctypes puts a bit field of c_bool into the whole byte"),
    "annotated": ("x: Annotated[int, 3]", "E.x: int can't be shared"),
    "abstract": ("x: Struct", "E.x: Struct has no bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_field(name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(DataTypeError, match=message):
        plain(f"class E(Struct):\n {text}\n")


def test_what_else_is_no_field() -> None:
    with pytest.raises(DataTypeError, match=r"More\.pid: a base class of More has a field of this name already"):

        class More(Task):
            pid: c_uint32

    with pytest.raises(DataTypeError, match=r"More\.comm is the name of a field and of a method"):

        class More(Task):  # type: ignore[no-redef]
            def comm(self) -> None:  # type: ignore[override]
                pass

    for bits in (0, 9, -1):
        with pytest.raises(DataRangeError, match=f"E.x: a bit field of c_uint8 has 1 to 8 bits, not {bits}"):
            plain(f"class E(Struct):\n x: Annotated[c_uint8, {bits}]\n")
    with pytest.raises(DataTypeError, match=r"E\.x: ctypes has no big-endian c_void_p"):
        plain("class E(Struct, big_endian=True):\n x: c_void_p\n")
    with pytest.raises(DataTypeError, match=r"Text\.x: c_char_p can't be shared"):

        class Text(Struct):
            x: c_char_p

    with pytest.raises(TypeError):
        plain("class E(Struct, little_endian=True):\n x: c_uint8\n")


class Narrow(Struct):
    a: Annotated[int, c_uint8]
    b: Annotated[int, c_int16]
    bits: Annotated[int, c_uint8, 3]
    signed_bits: Annotated[int, c_int16, 4]
    row: Annotated[Any, c_uint8 * 2]
    flag: Annotated[bool, c_bool]
    address: Annotated[int, ctypes.c_void_p]


class Outer(Struct):
    inner: Narrow
    wide: Annotated[int, c_uint64]


@pytest.mark.parametrize("given,message", [
    ({"a": 300}, r"Narrow\.a: 300 doesn't fit c_uint8: it holds 0 to 255"),
    ({"a": -1}, r"Narrow\.a: -1 doesn't fit c_uint8: it holds 0 to 255"),
    ({"b": 1 << 15}, r"Narrow\.b: 32768 doesn't fit c_int16: it holds -32768 to 32767"),
    ({"bits": 8}, r"8 doesn't fit Narrow\.bits \(3 bits\): it holds 0 to 7"),
    ({"signed_bits": -9}, r"-9 doesn't fit Narrow\.signed_bits \(4 bits\): it holds -8 to 7"),
    ({"row": (1, 256)}, r"Narrow\.row: item 1 of c_uint8 \* 2: 256 doesn't fit c_uint8"),
    ({"address": -1}, r"Narrow\.address: -1 doesn't fit c_void_p"),
])  # fmt: skip
def test_a_number_never_wraps_on_its_way_into_a_field(given: dict[str, Any], message: str) -> None:
    ((name, value),) = given.items()
    with pytest.raises(DataRangeError, match=message):
        Narrow(**given)
    position = [field for field, *_ in Narrow._fields_].index(name)
    with pytest.raises(DataRangeError, match=message):
        Narrow(*(0, 0, 0, 0, (), False, 0)[:position], value)
    made = Narrow()
    with pytest.raises(DataRangeError, match=message):
        setattr(made, name, value)
    assert made == Narrow()


def test_nor_in_what_is_nested() -> None:
    with pytest.raises(DataRangeError, match=r"Outer\.inner\.a: 300 doesn't fit c_uint8"):
        Outer((300,))
    with pytest.raises(DataRangeError, match=r"Outer\.inner\.row: item 0 of c_uint8 \* 2: -1 doesn't fit"):
        Outer(inner=(1, 2, 3, 4, (-1,)))
    made = Outer()
    with pytest.raises(DataRangeError):
        made.inner.b = 70000
    with pytest.raises(DataRangeError):
        made.wide = 1 << 64


def test_what_fits_is_taken() -> None:
    made = Narrow(255, -32768, 7, -8, (255,), True, (1 << 64) - 1)
    assert (made.a, made.b, made.bits, made.signed_bits, list(made.row)) == (255, -32768, 7, -8, [255, 0])
    assert (made.flag, made.address) == (True, (1 << 64) - 1)
    assert Outer(Narrow(5), 6).inner.a == 5


def test_a_structure_of_the_user_wraps_as_ctypes_does() -> None:
    class Plain(Structure):
        _fields_ = (("a", c_uint8),)

    assert Plain(300).a == 44
