"""Global: one value that programs and Python share."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
from collections.abc import Callable
from ctypes import c_bool, c_char, c_int32, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest

import py2bpf
from py2bpf import datastructures
from py2bpf.asm import Kind
from py2bpf.datastructures import ArrayMap, Global, HashMap, PerCpuArrayMap
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, TypeMismatch
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.uapi.contexts import SK_BUFF

pytestmark = pytest.mark.kernel


class Limits(ctypes.Structure):
    _fields_ = (("rate", c_uint64), ("burst", c_uint32), ("ports", c_uint16 * 4), ("on", c_bool))


class Outer(ctypes.Structure):
    _fields_ = (("limits", Limits), ("name", c_char * 8))


def load(fn: Callable[[Any], Any]) -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)


def run(prog: Prog, length: int = 50) -> int:
    return prog.test_run(bytes(length + 14)).retval


def calls(prog: Prog) -> list[str]:
    return [str(insn) for insn in prog.bpf_insns if str(insn).startswith("call")]


def test_the_public_name() -> None:
    assert py2bpf.Global is Global is datastructures.Global


def test_numbers_in_both_worlds() -> None:
    with Global(c_uint64, 100) as limit, Global(c_int32) as seen:

        def prog(skb: Any) -> Any:
            seen.value += 1
            seen.value -= skb.len
            if skb.len > limit.value:
                limit.value = skb.len
                return 1
            return 0

        with load(prog) as loaded:
            assert calls(loaded) == [] and loaded.spec.errors == ()
            assert (run(loaded), limit.value, seen.value) == (0, 100, -49)
            limit.value = 40
            assert (run(loaded), limit.value, seen.value) == (1, 50, -98)
            seen.value += 98
            assert seen.value == 0


def test_structures_change_in_place() -> None:
    with Global(Outer, Outer(Limits(5, 6, (1, 2, 3, 4), True), b"eth0")) as g:

        def prog(skb: Any) -> Any:
            limits = g.value.limits
            limits.rate += skb.len
            limits.ports[skb.len & 3] = 9
            g.value.limits.burst |= 0x100
            return limits.ports[1] + (100 if limits.on else 0) + (1000 if g.value.name == b"eth0" else 0)

        with load(prog) as loaded:
            assert calls(loaded) == []
            assert run(loaded) == 1102
            assert (g.value.limits.rate, g.value.limits.burst, list(g.value.limits.ports)) == (55, 0x106, [1, 2, 9, 4])
            g.value.limits.ports[1] = 7
            g.value.limits.on = False
            g.value.name = b"lo"
            g.value.limits.rate += 1
            assert (run(loaded), g.value.limits.rate) == (7, 106)
            g.value = Outer(Limits(1), b"x")
            assert (g.value.limits.rate, g.value.name) == (1, b"x")
            g.value.limits = Limits(77)
            assert (run(loaded), g.value.limits.rate) == (0, 127)
            with pytest.raises(AttributeError):
                _ = g.value.nothing


def test_arrays() -> None:
    with Global(c_uint32 * 4, (1, 2, 3, 4)) as g, Global(c_char * 6, b"abc") as text, Global(c_bool) as on:

        def prog(skb: Any) -> Any:
            g.value[skb.len & 3] += 10
            on.value = skb.len > 40
            return sum(g.value) if text.value == b"abc" else 0

        with load(prog) as loaded:
            assert run(loaded) == 20 and list(g.value) == [1, 2, 13, 4] and on.value is True
            g.value[0] = 100
            assert run(loaded, 30) == 129 and on.value is False and len(g.value) == 4
            text.value = "longer"
            assert (run(loaded), text.value) == (0, b"longer")
            g.value = (0, 0, 0, 0)
            text.value = b"abc"
            assert run(loaded) == 10


def test_adds_are_atomic() -> None:
    with Global(c_uint64) as g:

        def prog(skb: Any) -> Any:
            g.value += 1
            return 0

        with load(prog) as loaded:
            threads = [threading.Thread(target=loaded.test_run, args=(bytes(64),), kwargs={"repeat": 20000})
                       for _ in range(4)]  # fmt: skip
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert g.value == 80000


def test_what_does_not_fit() -> None:
    with Global(c_uint32) as g:
        with pytest.raises(DataRangeError):
            g.value = -1
        with pytest.raises(DataTypeError):
            g.value = "5"
        assert g.value == 0
    with pytest.raises(DataRangeError):
        Global(c_uint32, 1 << 32)
    with pytest.raises(DataTypeError):
        Global(int)


def test_programs_know_only_the_value() -> None:
    with Global(c_uint32) as g, Global(c_uint16) as small:
        with pytest.raises(TypeMismatch, match=r"its value is g\.value"):
            load(lambda skb: g[0])  # type: ignore[index]
        with pytest.raises(TypeMismatch, match="can't be made atomic"):

            def prog(skb: Any) -> Any:
                small.value += 1
                return 0

            load(prog)


def test_life() -> None:
    g = Global(Limits, Limits(5))
    kept = g.value
    assert "= " in repr(g)

    def prog(skb: Any) -> Any:
        g.value.rate += 1
        return g.value.rate

    with load(prog) as loaded:
        g.close()
        g.close()
        assert g.closed and "closed" in repr(g)
        for use in (lambda: g.value, g.__enter__, lambda: setattr(g, "value", Limits())):
            with pytest.raises(ClosedError):
                use()
        assert run(loaded) == 6 and kept.rate == 6  # the memory lives as long as somebody has it
        with pytest.raises(TypeMismatch, match="closed"):
            load(prog)
    del kept


def test_kept_parts_outlive_everything() -> None:
    """Of many, so that what is freed too early is used again by the next, and seen by sanitizers."""
    kept = []
    for number in range(100):
        g = Global(Limits)
        kept.append(g.value)
        kept.append(g.value.ports)
        kept[-2].rate = number
        kept[-1][3] = number
        if number % 2:
            g.close()
        del g
    gc.collect()
    assert [entry.rate for entry in kept[::2]] == [ports[3] for ports in kept[1::2]] == list(range(100))


def test_only_arrays_made_for_it_are_memory() -> None:
    from py2bpf.exception import KernelError

    with ArrayMap(c_uint64, 2) as m, pytest.raises(KernelError, match="memory"):
        m._storage.memory()
    with HashMap(c_uint32, c_uint64, 2) as m, pytest.raises(KernelError, match="memory"):
        m._storage.memory()


@pytest.mark.unsynchronized("a global variable is memory, read while a program adds to it")
def test_whole_values_are_stored_between_programs() -> None:
    """None is lost between a program's atomic add's read and write."""
    with Global(c_uint64) as g:

        def prog(skb: Any) -> Any:
            g.value += 1
            return 0

        with load(prog) as loaded:
            thread = threading.Thread(target=loaded.test_run, args=(bytes(64),), kwargs={"repeat": 50000})
            thread.start()
            for number in range(1, 200):
                g.value = number << 32
                assert g.value >> 32 == number
            thread.join()


# array maps of one entry


def test_the_only_entry_needs_no_lookup() -> None:
    with ArrayMap(c_uint64, 1) as total, ArrayMap(Limits, 1) as limits:

        def prog(skb: Any) -> Any:
            total[0] += skb.len
            entry = limits[0]
            entry.rate += 1
            limits.get(0).burst = 7
            if 0 in total and total.get(0) > 100:
                total[0] = 3
            return total[0] + entry.burst

        with load(prog) as loaded:
            assert calls(loaded) == [] and loaded.spec.errors == ()
            assert [insn.ref for insn in loaded.spec.code if insn.kind == Kind.LD_MAP_VALUE] == [0, 1]
            assert [run(loaded) for _ in range(3)] == [57, 107, 10]
            assert total[0] == 3 and (limits[0].rate, limits[0].burst) == (3, 7)


def test_other_arrays_are_looked_up() -> None:
    """Of larger arrays the kernel gives no address, of a per-CPU one it would be somebody's."""
    with ArrayMap(c_uint64, 2) as two, PerCpuArrayMap(c_uint64, 1) as mine, ArrayMap(c_uint64, 1) as one:

        def prog(skb: Any) -> Any:
            return two[0] + mine[0] + one[skb.len]

        with load(prog) as loaded:
            assert calls(loaded) == ["call map_lookup_elem"] * 3
            two[0], one[0] = 5, 9
            mine[0] = 7
            assert (run(loaded), run(loaded, 0)) == (12, 21)


@pytest.mark.kernel_only
def test_the_kernel_gives_no_address_into_larger_arrays() -> None:
    from py2bpf import asm
    from py2bpf.exception import KernelError
    from py2bpf.kernel.kernel_program import load as load_spec
    from py2bpf.spec import ProgramSpec
    from py2bpf.uapi.hooks import SPECS

    code = (asm.ld_map_value(1, 0, 0), asm.mov_imm(0, 0), asm.exit_())
    for entries in (1, 2):
        with ArrayMap(c_uint64, entries) as m:
            spec = ProgramSpec("p", SPECS[ProgType.SOCKET_FILTER], code, (None,) * 3, (m.map_spec,))
            expected = contextlib.nullcontext() if entries == 1 else pytest.raises(KernelError)
            with expected, load_spec(spec, [m._storage.handle]):
                pass


def test_a_misspelled_attribute_is_an_error() -> None:
    with Global(c_uint8) as g, pytest.raises(AttributeError, match="valeu"):
        g.valeu = 5  # type: ignore[attr-defined]
