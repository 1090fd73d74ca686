"""addrof(): what is written through the address of a number is read afterwards. In the kernel, the VM and CPython."""

from __future__ import annotations

from ctypes import c_uint32, c_uint64
from typing import Any

import pytest
from address_programs import FOUND, FUNCTIONS, PACKET, WORD, Outer, in_a_loop, subprogram

from py2bpf import Global, funcs, sim, vm
from py2bpf.asm import Kind
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import compile_prog, create_prog, load_spec
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType


def result(function: Any) -> int:
    with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, function) as prog:
        assert not prog.errors
        return prog.test_run(PACKET).retval


@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_what_is_written_through_an_address_is_read(function: Any) -> None:
    assert sim.run(function, PACKET, raise_errors=True).retval == 1
    with vm.backend():
        assert result(function) == 1


@pytest.mark.kernel
@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_what_is_written_through_an_address_is_read_in_the_kernel(function: Any) -> None:
    assert result(function) == 1


def absent(skb: Any) -> Any:
    x = FOUND.get(skb.len + 7)
    funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
    return 1


@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
def test_nothing_has_no_address() -> None:
    simulated = sim.run(absent, PACKET)
    with vm.backend(), create_prog(ProgType.SOCKET_FILTER, SK_BUFF, absent) as prog:
        assert prog.test_run(PACKET).retval == simulated.retval
        assert [site.error for site in prog.errors] == [type(simulated.exception).__name__] == ["TypeError"]


def test_the_large_function_is_a_subprogram() -> None:
    assert len(compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, subprogram).functions) == 1


@pytest.mark.kernel
def test_what_is_written_in_a_callback_is_read() -> None:
    spec = compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, in_a_loop, target=Target().without("iterators"))
    assert any(insn.kind == Kind.LD_FUNC for insn in spec.code)
    with load_spec(spec, spec.captures) as prog:
        assert prog.test_run(PACKET).retval == 1


def in_maps(where: str) -> list[int]:
    with HashMap(c_uint32, Outer, 4) as entries, Global(c_uint64, 0) as total, ArrayMap(Outer, 2) as array:
        entries[1] = Outer()

        def prog(skb: Any) -> Any:
            entry, second = entries[1], array[1]
            if entry is None or second is None:
                return 0
            funcs.skb_load_bytes(skb, 1, funcs.addrof(entry.inner.a), 4)
            funcs.skb_load_bytes(skb, 1, funcs.addrof(second.inner.items[1]), 2)
            funcs.skb_load_bytes(skb, 1, funcs.addrof(total.value), 4)
            total.value += 1
            return total.value == WORD + 1 and entry.inner.a == WORD

        if where == "sim":
            left = [sim.run(prog, PACKET, raise_errors=True).retval]
        else:
            left = [result(prog)]
        return [*left, entries[1].inner.a, array[1].inner.items[1], total.value]


def test_values_of_maps_have_addresses() -> None:
    wanted = [1, WORD, 0x0201, WORD + 1]
    assert in_maps("sim") == wanted
    with vm.backend():
        assert in_maps("vm") == wanted


@pytest.mark.kernel
def test_values_of_maps_have_addresses_in_the_kernel() -> None:
    assert in_maps("kernel") == [1, WORD, 0x0201, WORD + 1]
