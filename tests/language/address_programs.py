"""Programs that take the address of a number and read what was written through it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_bool, c_char, c_int16, c_uint8, c_uint16, c_uint32
from typing import Any

from py2bpf import funcs

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
