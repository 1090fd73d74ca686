"""addrof(): what is written through the address of a number is read afterwards. In the kernel, the VM and CPython."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_bool, c_char, c_int16, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import Global, funcs, sim, vm
from py2bpf.asm import Kind
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.exception import TypeMismatch
from py2bpf.prog import compile_prog, create_prog, load_spec
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import ProgType

PACKET = bytes(14) + bytes([200, 1, 2, 3, 4, 5, 6, 7, 8]) + bytes(41)
"""A socket filter sees what is behind the Ethernet header: 50 bytes, the first of which is 200."""
WORD = 0x04030201


class Inner(ctypes.Structure):
    _pack_, _layout_ = 1, "ms"
    _fields_ = (("pad", c_uint8), ("a", c_uint32), ("items", c_uint16 * 3), ("flag", c_bool), ("letter", c_char))


class Outer(ctypes.Structure):
    _fields_ = (("n", c_uint8), ("inner", Inner), ("short", c_int16))


class Big(ctypes.BigEndianStructure):
    _fields_ = (("x", c_uint16), ("a", c_uint32))


def field(skb: Any) -> Any:
    k = Inner()
    funcs.skb_load_bytes(skb, 1, funcs.addrof(k.a), 4)
    return k.a == WORD and k.pad == 0 and k.items[0] == 0


def nested_field(skb: Any) -> Any:
    o = Outer()
    at = funcs.addrof
    funcs.skb_load_bytes(skb, 1, at(o.inner.a), 4)
    funcs.skb_load_bytes(skb, 0, at(o.short), 1)
    return o.inner.a == WORD and o.short == 200


def truth_and_letter(skb: Any) -> Any:
    k = Inner()
    funcs.skb_load_bytes(skb, 1, funcs.addrof(k.flag))
    funcs.skb_load_bytes(skb, 2, funcs.addrof(k.letter))
    return k.flag and k.letter == b"\x02"


def big_endian(skb: Any) -> Any:
    o = Big()
    funcs.skb_load_bytes(skb, 1, funcs.addrof(o.a), 4)
    return o.a == 0x01020304


def item(skb: Any) -> Any:
    k = Inner()
    i = skb.len & 1
    funcs.skb_load_bytes(skb, 1, funcs.addrof(k.items[i]), 2)
    funcs.skb_load_bytes(skb, 3, funcs.addrof(k.items[-1]), 2)
    return k.items[0] == 0x0201 and k.items[1] == 0 and k.items[2] == 0x0403


def local(skb: Any) -> Any:
    x = 0
    funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
    return x == WORD


def assigned_later(skb: Any) -> Any:
    x = 0
    p = funcs.addrof(x)
    x = 77
    seen = funcs.deref_u8(p)
    p.value += 300
    return seen == 77 and x == 377 and p.value == 377


def one_of_two(skb: Any) -> Any:
    x, y = 1, 2
    p = funcs.addrof(x) if skb.len > 10 else funcs.addrof(y)
    funcs.skb_load_bytes(skb, 0, p, 1)
    return x == 200 and y == 2


def on_one_path(skb: Any) -> Any:
    x = skb.len
    if skb.len & 1 == 0:
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 1)
    return x == 1


def perhaps_none(skb: Any) -> Any:
    x = None
    if skb.len > 3:
        x = 0
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 1)
    return x is not None and x == 1


def in_a_loop(skb: Any) -> Any:
    total = 0
    for i in range(skb.len):
        x = 0
        funcs.skb_load_bytes(skb, i, funcs.addrof(x), 1)
        total += x
    return total == 236


def total_of_a_loop(skb: Any) -> Any:
    n, total = skb.len, 0
    while n > 0:
        funcs.skb_load_bytes(skb, n & 1, funcs.addrof(total), 1)
        n -= 1
        total += 1
    return total == 2 or total


def in_an_unrolled_loop(skb: Any) -> Any:
    x = total = 0
    for i in (0, 1, 2):
        funcs.skb_load_bytes(skb, i, funcs.addrof(x), 1)
        total = total * 10 + x
    return total == 20012


def loop_variable(skb: Any) -> Any:
    total = i = 0
    for i in range(skb.len - 45):
        funcs.skb_load_bytes(skb, i, funcs.addrof(i), 1)
        total += i
    return total == 210 and i == 4


def variable_of_a_certain_loop(skb: Any) -> Any:
    total = 0
    for i in range(1000):
        total += i
        if i > 990:
            funcs.skb_load_bytes(skb, 0, funcs.addrof(i), 1)
    return total == 499500 and i == 3 * 256 + 200


def _read(skb: Any, n: Any) -> Any:
    x = n
    funcs.skb_load_bytes(skb, n, funcs.addrof(x), 1)
    return x


def _read_into(skb: Any, n: Any) -> Any:
    funcs.skb_load_bytes(skb, 0, funcs.addrof(n), 1)
    return n


def inlined(skb: Any) -> Any:
    return _read(skb, 1) == 1 and _read(skb, skb.len - 50) == 200 and _read_into(skb, skb.len * 256) == 50 * 256 + 200


def _large(skb: Any, n: Any) -> Any:
    x = n
    funcs.skb_load_bytes(skb, n, funcs.addrof(x), 1)
    n = n * 3 ^ 5
    n += (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    n ^= (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    n -= (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    n |= (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    n += (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    n ^= (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    n -= (n & 1) * 3 + (n & 2) * 5 + (n & 3) * 7 + (n & 4) * 9 + (n & 5) * 11 + (n & 6) * 13 + (n & 7) * 15
    funcs.skb_load_bytes(skb, 1, funcs.addrof(n), 8)
    return x * 1000 + n % 1000


def subprogram(skb: Any) -> Any:
    n = 0x0807060504030201 % 1000
    total = _large(skb, 0)
    total += _large(skb, skb.len - 49)
    total += _large(skb, skb.len - 48) + _large(skb, skb.len - 47)
    return total == 206000 + 4 * n


def closure(skb: Any) -> Any:
    x = 0

    def fill() -> None:
        nonlocal x
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 2)

    fill()
    return x == 0x0201


def shared_with_a_closure(skb: Any) -> Any:
    x = 0
    more: Callable[[], Any] = lambda: x + 1  # noqa: E731
    funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 1)
    return more() == 2


def shadowed_by_a_comprehension(skb: Any) -> Any:
    x = 0
    funcs.skb_load_bytes(skb, 0, funcs.addrof(x), 1)
    others = [x + 1 for x in (1, 2, 3)]
    return x == 200 and others[2] == 4


def copied(skb: Any) -> Any:
    x, k, o = 0, Inner(), Outer()
    k.a = 9
    funcs.memcpy(funcs.addrof(k.a), funcs.addrof(x), 4)
    funcs.memcpy(funcs.addrof(x), funcs.addrof(o.inner.a), 4)
    return x == 9 and o.inner.a == 9


def packet_copied(skb: Any) -> Any:
    x = 0
    return funcs.packet_copy(skb, 1, funcs.addrof(x), 2) and x == 0x0201


def signed(skb: Any) -> Any:
    x = -1
    funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 1)
    y = 0
    funcs.memcpy(funcs.addrof(x), funcs.addrof(y), 8)
    return x == y == -255 and x < 0


def unsigned(skb: Any) -> Any:
    x, y = 1 << 63, -1
    funcs.memcpy(funcs.addrof(y), funcs.addrof(x), 8)
    return x == (1 << 64) - 1


def signed_in_a_loop(skb: Any) -> Any:
    x = -1
    for _ in range(skb.len):
        x -= 1
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 1)
    return x < 0 and x == -255


def unsigned_in_a_loop(skb: Any) -> Any:
    x = 0
    for _ in range(skb.len):
        x = 1 << 63 | skb.len
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 1)
    return x > 5 and x == (1 << 63) + 1


def expression(skb: Any) -> Any:
    return funcs.deref_u8(funcs.addrof(skb.len + 1)) == 51 and funcs.deref_u8(funcs.addrof(7)) == 7


def deleted(skb: Any) -> Any:
    x = 1
    funcs.skb_load_bytes(skb, 0, funcs.addrof(x), 1)
    y = x
    del x
    x = 5
    return x == 5 and y == 200


def added_to(skb: Any) -> Any:
    k = Inner()
    p = funcs.addrof(k.a)
    k.a += 5
    p.value += 6
    return k.a == 11


FOUND = {50: 7, 51: 300}
"""The run's length is 50."""


def asked_for_none(skb: Any) -> Any:
    x = FOUND.get(skb.len)
    before = x
    if x is None:
        return 5
    funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
    return x == WORD and before == 7


def not_asked(skb: Any) -> Any:
    x = FOUND.get(skb.len)
    funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
    return x == WORD


def there_on_one_path(skb: Any) -> Any:
    x = FOUND.get(skb.len + skb.mark)
    if skb.len > 3 and x is not None:
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
    return x is not None and x == WORD


def asked_in_a_loop(skb: Any) -> Any:
    total = 0
    for i in range(skb.len + 3):
        x = FOUND.get(i)
        if x is not None:
            funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
            total += x
        else:
            total += 1
    return total == 2 * WORD + 51


def asked_in_a_closure(skb: Any) -> Any:
    x = FOUND.get(skb.len)

    def read() -> bool:
        return x == WORD

    if x is not None:
        funcs.skb_load_bytes(skb, 1, funcs.addrof(x), 4)
    return read()


def from_a_number(skb: Any) -> bool:
    n, z = 0, skb.len
    funcs.probe_read_kernel(funcs.addrof(n), 4, funcs.addrof(z))
    return n == skb.len


def from_a_field(skb: Any) -> bool:
    n, fields = 0, Fields(1, skb.len)
    funcs.probe_read_kernel(funcs.addrof(n), 4, funcs.addrof(fields.b))
    return n == skb.len


def from_a_copy(skb: Any) -> bool:
    n = 0
    funcs.probe_read_kernel(funcs.addrof(n), 4, funcs.addrof(skb.len + 7))
    return n == skb.len + 7


class Fields(ctypes.Structure):
    _fields_ = [("a", c_uint32), ("b", c_uint32)]


FUNCTIONS = [
    from_a_number, from_a_field, from_a_copy,
    field, nested_field, truth_and_letter, big_endian, item, local, assigned_later, one_of_two, on_one_path,
    perhaps_none, in_a_loop, total_of_a_loop, in_an_unrolled_loop, loop_variable, variable_of_a_certain_loop, inlined,
    subprogram, closure, shared_with_a_closure, shadowed_by_a_comprehension, copied, packet_copied, signed, unsigned,
    signed_in_a_loop, unsigned_in_a_loop, expression, deleted, added_to, asked_for_none, not_asked, there_on_one_path,
    asked_in_a_loop, asked_in_a_closure,
]  # fmt: skip


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


# what nobody may write to; the compiler's refusals are in tests/compiler/errors.txt


class Bits(ctypes.Structure):
    _fields_ = (("low", c_uint32, 5), ("high", c_uint32, 27))


def to_an_expression(skb: Any) -> Any:
    return funcs.skb_load_bytes(skb, 1, funcs.addrof(skb.len + 1), 1)


def to_a_constant(skb: Any) -> Any:
    p = funcs.addrof(5)
    return funcs.packet_copy(skb, 1, p, 1)


def to_a_context_field(skb: Any) -> Any:
    return funcs.skb_load_bytes(skb, 1, funcs.addrof(skb.mark), 4)


def to_the_context(skb: Any) -> Any:
    return funcs.skb_load_bytes(skb, 1, skb.cb)


def to_a_sum_by_memcpy(skb: Any) -> Any:
    x = 0
    return funcs.memcpy(funcs.addrof(x), funcs.addrof(x + 1), 4)


def to_a_copy_by_assignment(skb: Any) -> Any:
    p = funcs.addrof(skb.len + 1)
    p.value = 3
    return 0


def to_a_bit_field(skb: Any) -> Any:
    b = Bits()
    return funcs.skb_load_bytes(skb, 1, funcs.addrof(b.low), 1)


@pytest.mark.parametrize("function", [
    to_an_expression, to_a_constant, to_a_context_field, to_the_context, to_a_sum_by_memcpy, to_a_copy_by_assignment,
    to_a_bit_field,
], ids=lambda function: function.__name__)  # fmt: skip
def test_nobody_writes_to_a_copy_in_a_simulation(function: Any) -> None:
    with pytest.raises(sim.SimulationError, match=r"would write to a copy|has no address|can't write into the context"):
        sim.run(function, PACKET)


class Start(ctypes.BigEndianStructure):
    _pack_, _layout_ = 1, "ms"
    _fields_ = (("version", c_uint8), ("tos", c_uint8), ("length", c_uint16))


def into_the_packet(ctx: Any) -> Any:
    ip = ctx.packet(Start, 14)
    if ip is None:
        return 1
    return funcs.xdp_load_bytes(ctx, 0, funcs.addrof(ip.tos))


def through_memory(ctx: Any) -> Any:
    ip = ctx.packet(Start, 14)
    if ip is None:
        return 1
    tos, length = 0x77, 0
    funcs.memcpy(funcs.addrof(tos), funcs.addrof(ip.tos), 1)
    funcs.memcpy(funcs.addrof(ip.length), funcs.addrof(length), 2)
    return length


@pytest.mark.kernel
def test_memcpy_writes_to_the_packet_and_helpers_do_not() -> None:
    with create_prog(ProgType.XDP, XDP_MD, through_memory) as prog:
        run = prog.test_run(PACKET)
    simulated = sim.run(through_memory, PACKET, hook="xdp", raise_errors=True)
    assert (run.retval, run.data) == (simulated.retval, simulated.data)
    assert (run.retval, run.data[15]) == (0x0302, 0x77)
    with pytest.raises(sim.SimulationError, match="can't write into the packet"):
        sim.run(into_the_packet, PACKET, hook="xdp")
    with pytest.raises(TypeMismatch, match="can't write into the packet"):
        compile_prog(ProgType.XDP, XDP_MD, into_the_packet)
