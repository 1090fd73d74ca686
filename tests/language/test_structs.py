"""Struct in programs: in the kernel, the embedded VM and as Python the same function does the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ctypes import Structure, c_char, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Annotated, Any

import pytest

from py2bpf import Global, Struct, funcs, sim, vm
from py2bpf.datastructures import BpfQueue, HashMap
from py2bpf.exception import TypeMismatch, UnsupportedSyntax
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel

PACKET = bytes(range(1, 65))


@pytest.fixture(params=["kernel", "vm", "sim"], autouse=True)
def world(request: pytest.FixtureRequest) -> Iterator[str]:
    with vm.backend("kernel" if request.param == "kernel" else "vm"):
        yield request.param


def run(world: str, fn: Any, kind: ProgType = ProgType.SOCKET_FILTER) -> int:
    if world == "sim":
        return sim.run(fn, PACKET, hook=kind, raise_errors=True).retval
    with create_prog(kind, XDP_MD if kind is ProgType.XDP else SK_BUFF, fn) as prog:
        retval = prog.test_run(PACKET).retval
        assert prog.errors == {}
        return retval


class Key(Struct):
    kind: Annotated[int, c_uint8]
    port: Annotated[int, c_uint16]

    def is_known(self) -> Any:
        return self.port > 80


class Entry(Struct):
    packets: Annotated[int, c_uint64]
    low: Annotated[int, c_uint8, 4]
    high: Annotated[int, c_uint8, 4]
    name: Annotated[bytes, c_char * 8]

    @property
    def nibbles(self) -> Any:
        return self.high * 16 + self.low

    def add(self, number: Any, *, twice: bool = False) -> Any:
        self.packets += 2 * number if twice else number
        return self


class Header(Struct, big_endian=True, packed=True):
    first: Annotated[int, c_uint8]
    second: Annotated[int, c_uint16]
    third: Annotated[int, c_uint32]


class Long(Entry):
    header: Header
    ports: Annotated[Any, c_uint16 * 3]


def test_map_keys_and_values(world: str) -> None:
    with HashMap(Key, Entry, 8) as m:
        m[Key(1, 443)] = Entry(5, name=b"https")

        def prog(skb: Any) -> Any:
            entry = m[Key(kind=1, port=443)]
            if entry is None or m[(1, 80)] is not None:
                return 0
            entry.add(skb.len, twice=True).low = 3
            entry.high = 9
            m[2, 53] = Entry(7, 1)
            key = Key()
            key.port = skb.len
            known = 500 if key.is_known() else 0
            return entry.nibbles + known + (1000 if entry.name == b"https" else 0)

        assert run(world, prog) == 0x93 + 1000
        assert m[Key(1, 443)] == Entry(105, 3, 9, b"https") and m[2, 53] == Entry(7, 1)
        assert (Key(2, 53), Entry(7, 1)) in list(m.items())


def test_queue_records(world: str) -> None:
    with BpfQueue(Long) as queue:

        def prog(skb: Any) -> Any:
            record = Long(skb.len, name=b"x", header=Header(1, 0x203))
            record.ports[skb.len & 1] = 80
            queue.output(skb, record)
            return 0

        run(world, prog)
        record = next(iter(queue))
        assert record == Long(50, 0, 0, b"x", Header(1, 0x203), (80, 0, 0))


def test_packets(world: str) -> None:
    def prog(ctx: Any) -> Any:
        header = ctx.packet(Header, 1)
        if header is None:
            return 0
        header.first = 9
        return header.second + (1 << 16 if header.third == 0x05060708 else 0)

    assert run(world, prog, ProgType.XDP) == 0x10304


def test_globals(world: str) -> None:
    with Global(Entry, Entry(1, name=b"a")) as g:

        def prog(skb: Any) -> Any:
            g.value.packets += skb.len
            g.value.low = 5
            return g.value.nibbles

        assert run(world, prog) == 5
        assert g.value.packets == 51 and g.value.low == 5


def test_augmented_assignments_that_are_no_single_step(world: str) -> None:
    """Of fields in memory that is shared, which += changes atomically."""
    with HashMap(c_uint32, Entry, 8) as m:
        m[1] = Entry(100, 3)
        count = Global(c_uint32, 52)

        def prog(skb: Any) -> Any:
            entry = m[1]
            if entry is None:
                return 0
            entry.packets //= 3
            entry.packets *= skb.len - 43
            entry.packets <<= 1
            count.value -= 1
            count.value %= skb.len - 43
            return entry.packets * 100 + count.value

        assert run(world, prog) == 33 * 7 * 2 * 100 + 51 % 7


def test_copied_memory(world: str) -> None:
    def prog(skb: Any) -> Any:
        header = Header()
        if not funcs.packet_copy(skb, 0, header):
            return 1
        return header.first * 1000 + header.second - 0x1011

    assert run(world, prog) == 15000


def test_parts_are_filled_in_place(world: str) -> None:
    def prog(skb: Any) -> Any:
        record = Long()
        if not funcs.packet_copy(skb, 0, record.header) or not funcs.packet_copy(skb, 1, record.ports):
            return 1
        return record.header.second + record.ports[0]

    assert run(world, prog) == 0x1011 + int.from_bytes(PACKET[15:17], sys.byteorder)


class Made(Struct):
    n: Annotated[int, c_uint32]

    def __init__(self, n: int) -> None:
        super().__init__(n + 1)


class Truth(Structure):
    _fields_ = (("n", c_uint32),)

    def __bool__(self) -> bool:
        return bool(self.n)


class Setting(Struct):
    n: Annotated[int, c_uint32]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value * 2)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "==": (lambda skb: Key(1, skb.len) == Key(1, 2), TypeMismatch, "compare their fields"),
    "!=": (lambda skb: Key(1, skb.len) != Key(1, 2), TypeMismatch, "compare their fields"),
    "in": (lambda skb: Key(1, skb.len) in (Key(1, 2),), TypeMismatch, "compare their fields"),
    "field": (lambda skb: Key(prot=skb.len).port, TypeMismatch, "has no field 'prot'.*did you mean 'port'"),
    "init": (lambda skb: Made(skb.len).n, UnsupportedSyntax, r"Made defines __init__\(\).*\n.*\n.*\n.*a function that"),
    "bool": (lambda skb: 1 if Truth(skb.len) else 0, UnsupportedSyntax, r"Truth defines __bool__\(\)"),
    "setattr": (lambda skb: Setting(skb.len).n, UnsupportedSyntax, r"Setting defines __setattr__\(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_something_else_is_refused(world: str, name: str) -> None:
    if world != "sim":
        fn, error, message = REFUSED[name]
        with pytest.raises(error, match=f"(?s){message}"):
            run(world, fn)


class Narrow(Struct):
    number: Annotated[int, c_uint8]
    bits: Annotated[int, c_uint8, 3]
    row: Annotated[Any, c_uint8 * 2]


class Wraps(Structure):
    _fields_ = (("number", c_uint8),)


def test_what_a_program_computes_is_truncated(world: str) -> None:
    def prog(ctx: Any) -> int:
        made = Narrow(ctx.len + 300, ctx.len + 9, (ctx.len + 256, 5))
        made.number += 255
        return made.number + made.bits * 256 + made.row[0] * 4096  # type: ignore[no-any-return]

    size = len(PACKET) - 14
    wanted = (size + 299) % 256 + (size + 9) % 8 * 256 + size * 4096
    assert run(world, prog) == wanted


def test_a_structure_of_the_user_truncates_constants_too(world: str) -> None:
    assert run(world, lambda ctx: Wraps(300).number) == 44


@pytest.mark.parametrize("fn,message", [
    (lambda ctx: Narrow(300).number, "300 doesn't fit Narrow.number, which holds 0 to 255"),
    (lambda ctx: Narrow(number=-1).number, "-1 doesn't fit Narrow.number"),
    (lambda ctx: Narrow(bits=8).bits, "8 doesn't fit Narrow.bits, which holds 0 to 7"),
    (lambda ctx: Narrow(row=(1, 300)).number, "300 doesn't fit item 1 of Narrow.row"),
    (lambda ctx: Narrow(row=(ctx.len, 300)).number, "300 doesn't fit item 1 of Narrow.row"),
    (lambda ctx: setattr(Narrow(ctx.len), "number", 256), "256 doesn't fit Narrow.number"),
])  # fmt: skip
def test_a_constant_that_does_not_fit_is_refused(world: str, fn: Any, message: str) -> None:
    with pytest.raises(TypeMismatch, match=message):
        create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)
