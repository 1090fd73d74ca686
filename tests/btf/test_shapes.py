"""The kernel's types as programs see them: layouts of tests/kernel_btf.py, and of the running kernel."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest
from kernel_btf import KERNEL, blob

from py2bpf import disasm
from py2bpf.btf import Btf, KernelTypes, Kind
from py2bpf.btf import kernel as running
from py2bpf.btf.reader import VMLINUX
from py2bpf.btf.shapes import Items, Number, Pointer, Record
from py2bpf.compiler.pipeline import compile_function
from py2bpf.exception import NotSupported, TranslationError
from py2bpf.prog import ProgType, create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.hooks import SPECS


def record(name: str) -> Record:
    found = getattr(KERNEL, name).record()
    assert isinstance(found, Record)
    return found


def test_places() -> None:
    thing = record("thing")
    expected = {"id": 0, "count": 4, "name": 16, "parent": 32, "port": 40, "bytes": 40, "alive": 56, "points": 58,
                "secret": 88, "others": 112, "table": 128, "text": 384, "tail": 584}  # fmt: skip
    places = {name: thing.place(name) for name in expected}
    assert {name: place.offset / 8 for name, place in places.items() if place is not None} == expected
    bits = {name: (place.offset, place.bits) for name in ("low", "high", "small", "wide", "ready")
            if (place := thing.place(name)) is not None}  # fmt: skip
    assert bits == {"low": (352, 3), "high": (355, 5), "small": (360, 4), "wide": (388, 40), "ready": (457, 1)}
    assert thing.size == 584 and thing.place("") is None and thing.place("nothing") is None


def test_shapes_of_members() -> None:
    thing = record("thing")
    shapes = {name: place.shape for name in thing.members if (place := thing.place(name)) is not None}
    numbers = {name: shape.ctype for name, shape in shapes.items() if isinstance(shape, Number)}
    assert numbers == {
        **dict.fromkeys(("id", "small", "state"), ctypes.c_int32),
        **dict.fromkeys(("count", "port", "low", "high"), ctypes.c_uint32),
        **dict.fromkeys(("mask", "wide", "where", "away"), ctypes.c_uint64),
        **dict.fromkeys(("alive", "ready"), ctypes.c_bool),
    }
    assert isinstance(shapes["parent"], Pointer) and shapes["parent"].target is thing
    assert [(name, shape.text, shape.is_text) for name, shape in shapes.items() if isinstance(shape, Items)] == [
        ("name", "char[16]", True), ("bytes", "u8[4]", False), ("points", "struct point[3]", False),
        ("others", "struct point *[2]", False), ("table", "u32[64]", False), ("text", "char[200]", False),
        ("tail", "struct thing *[]", False),
    ]  # fmt: skip
    assert record("thing_t") is thing and record("word").text == "union word"


def test_a_declared_type_is_the_one_defined_elsewhere() -> None:
    whole = KernelTypes(Btf(blob()))
    number = whole.btf.number(Kind.FWD, "missing")
    assert number is not None
    assert isinstance(found := whole.shape(number), Record) and found.members == {}


def test_names_that_resemble() -> None:
    assert KERNEL.near("thingy") == ["thing"] and KERNEL.named("gone").record() is None


def test_enumerators_are_numbers() -> None:
    assert KERNEL.BUSY == 7 and KERNEL.IDLE == -1 and {"BUSY", "thing", "word"} <= set(dir(KERNEL))
    compiled = compile_function(lambda skb: KERNEL.BUSY, SK_BUFF, SPECS[ProgType.SOCKET_FILTER])
    assert disasm.text(compiled.code[0]) == "r0 = 7"


def test_what_the_kernel_has_not_is_no_attribute() -> None:
    assert hasattr(KERNEL, "thing") and hasattr(KERNEL, "missing") and not hasattr(KERNEL, "nonsense")
    with pytest.raises(AttributeError, match=r"no struct, union or enumerator .thingy.: did you mean kernel.thing\?"):
        KERNEL.thingy
    with pytest.raises(TranslationError, match="no struct, union or enumerator 'thingy'"):
        compile_function(lambda skb: KERNEL.thingy, SK_BUFF, SPECS[ProgType.SOCKET_FILTER])


def test_python_and_c_find_the_same() -> None:
    """The C core's index of a blob equals Python's."""
    fast, slow = Btf(blob()), Btf(blob())
    slow.__dict__["_scanned"] = None
    assert list(fast._offsets) == slow._offsets
    for kind, name in ((Kind.STRUCT, "thing"), (Kind.UNION, "word"), (Kind.STRUCT, "word"), (Kind.TYPEDEF, "thing_t"),
                       (Kind.STRUCT, "none"), (Kind.STRUCT, "")):  # fmt: skip
        assert fast.number(kind, name) == slow.number(kind, name), name


def test_the_running_kernel(missing: Callable[[str], NoReturn]) -> None:
    if not VMLINUX.exists():
        missing("the kernel was built without BTF")
    found = running.task_struct.record()
    assert found is not None and found.text == "struct task_struct"
    place = found.place("comm")
    assert place is not None and isinstance(place.shape, Items) and place.shape.is_text and place.shape.length == 16
    assert running.task_struct is running.task_struct
    assert running.XDP_PASS == 2 and running.BPF_PROG_TYPE_XDP == 6 and not hasattr(running, "nonsense")


def test_importing_reads_nothing() -> None:
    code = ("import pathlib, py2bpf.btf.reader as reader\n"
            "reader.VMLINUX = pathlib.Path('/nonexistent')\n"
            "from py2bpf.btf import kernel\n"
            "def f(sk: kernel.sock): pass\n"
            "assert repr(kernel.sock) == '<kernel.sock>'\n")  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_kernel_without_btf(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Btf:
        raise NotSupported(2, "BTF of its own types (CONFIG_DEBUG_INFO_BTF)", "5.4")

    monkeypatch.setattr(Btf, "kernel", missing)
    kernel = KernelTypes()
    with pytest.raises(NotSupported, match="CONFIG_DEBUG_INFO_BTF"):
        compile_function(lambda skb: kernel.sock(skb.mark).id, SK_BUFF, SPECS[ProgType.SOCKET_FILTER])


def test_equal_btf_gives_equal_programs() -> None:
    def compiled() -> tuple[object, ...]:
        kernel = KernelTypes(Btf(blob()))
        spec = compile_function(
            lambda skb: kernel.thing(skb.mark).parent.low, SK_BUFF, SPECS[ProgType.SOCKET_FILTER], name="f"
        )
        return spec.code, spec.errors

    assert compiled() == compiled()


def test_in_the_embedded_vm_foreign_memory_reads_as_zeros() -> None:
    import py2bpf.vm
    from py2bpf.uapi.contexts import SK_BUFF

    def program(skb):  # type: ignore[no-untyped-def]
        thing = KERNEL.thing(skb.mark + 0xDEAD0000)
        up = thing.parent
        return (up is None) + 2 * (thing.id + 1) + 8 * (thing.name == b"") + 16 * (KERNEL.thing(skb.mark) is None)

    def follow(skb):  # type: ignore[no-untyped-def]
        return KERNEL.thing(skb.mark).id

    with py2bpf.vm.backend():
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, program) as prog:
            assert prog.test_run(bytes(64)).retval == 1 + 2 + 8 + 16
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, follow) as prog:
            prog.test_run(bytes(64))
            assert [site.error for site in prog.errors] == ["AttributeError"]
