"""Random programs that write through addresses of variables, fields and items: CPython, the VM and the kernel agree."""

from __future__ import annotations

import ctypes
import linecache
import random
from collections.abc import Iterator
from ctypes import c_int16, c_int64, c_uint8, c_uint16, c_uint32
from typing import Any

import pytest

from py2bpf import funcs, sim, vm
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

PACKET = bytes(14) + random.Random(1).randbytes(50)
PROGRAMS = 60


class Fields(ctypes.Structure):
    _pack_, _layout_ = 1, "ms"
    _fields_ = (("pad", c_uint8), ("a", c_uint32), ("items", c_uint16 * 3), ("s", c_int16), ("w", c_int64))


class Big(ctypes.BigEndianStructure):
    _fields_ = (("x", c_uint16), ("a", c_uint32))


PLACES = {
    "x": 8, "y": 8, "z": 8, "k.pad": 1, "k.a": 4, "k.items[1]": 2, "k.items[x % 3]": 2, "k.s": 2, "k.w": 8, "big.x": 2,
    "big.a": 4,
}  # fmt: skip
"""What has an address, and its bytes."""
NUMBERS = ("x", "y", "z", "k.a", "k.items[1]", "k.s", "k.w", "big.a", "skb.len", "-5", "300")
READ = "funcs.skb_load_bytes(skb, {at}, {place}, {size})"
RESULT = "x ^ y * 3 ^ z * 7 ^ k.a ^ k.items[0] * 5 ^ k.items[1] * 11 ^ k.items[2] ^ k.s ^ k.w ^ big.a ^ big.x ^ k.pad"


class Writer:
    """Writes one program; the same seed gives the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def program(self) -> str:
        lines = ["def prog(skb):", "    x, y, z = 0, 1, skb.len", "    k, big, p = Fields(), Big(), funcs.addrof(x)"]
        lines += [f"    {line}" for _ in range(self.random.randint(3, 9)) for line in self.statement(0)]
        return "\n".join([*lines, f"    return ({RESULT}) & 0xffffffff", ""])

    def statement(self, depth: int) -> Iterator[str]:
        kinds = [self.assign, self.read, self.read, self.copy, self.keep, self.use, self.choose, self.call, self.inner]
        kinds += [self.test, self.loop] if depth < 3 else []
        yield from self.random.choice(kinds)(depth)

    def block(self, depth: int) -> Iterator[str]:
        for _ in range(self.random.randint(1, 4)):
            yield from (f"    {line}" for line in self.statement(depth + 1))

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def number(self) -> str:
        pick = self.random.choice
        return f"({pick(NUMBERS)} {pick('+-^&|')} {pick(NUMBERS)})"

    def fill(self, place: str, size: int) -> str:
        return READ.format(at=self.random.randrange(40), place=place, size=self.random.randint(1, size))

    def assign(self, _: int) -> Iterator[str]:
        yield f"{self.random.choice('xyz')} = {self.number()} & 0x7fffffffffff"
        yield f"k.w = {self.number()}"

    def read(self, _: int) -> Iterator[str]:
        place = self.random.choice([*PLACES])
        yield self.fill(f"funcs.addrof({place})", PLACES[place])

    def copy(self, _: int) -> Iterator[str]:
        source, target = self.random.choice([*PLACES]), self.random.choice([*PLACES])
        size = min(PLACES[source], PLACES[target])
        yield f"funcs.memcpy(funcs.addrof({source}), funcs.addrof({target}), {size})"

    def keep(self, _: int) -> Iterator[str]:
        """An address outlives an assignment to its variable."""
        yield f"p = funcs.addrof({self.random.choice('xyz')})"
        yield f"{self.random.choice('xyz')} = {self.number()} & 0xffffff"
        yield self.fill("p", 8)

    def use(self, _: int) -> Iterator[str]:
        yield f"z = (z ^ p.value + funcs.deref_u32(funcs.addrof({self.random.choice(['x', 'k.a', 'k.w'])}))) & 0xffff"
        yield f"p.value = {self.number()} & 0xff"

    def choose(self, _: int) -> Iterator[str]:
        yield f"p = funcs.addrof(x) if {self.number()} & 1 else funcs.addrof(y)"
        yield self.fill("p", 8)

    def call(self, _: int) -> Iterator[str]:
        name = self.name()
        yield f"def {name}(n):"
        yield f"    {self.fill('funcs.addrof(n)', 2)}"
        yield "    return n & 0xffff"
        yield f"z = {name}({self.number()}) + z & 0xffffff"

    def inner(self, _: int) -> Iterator[str]:
        name, shared = self.name(), self.random.choice("xyz")
        yield f"def {name}():"
        yield f"    nonlocal {shared}"
        yield f"    {self.fill(f'funcs.addrof({shared})', 8)}"
        yield f"    return {shared} & 0xffff"
        yield f"y = {name}() + y & 0xffffff"

    def test(self, depth: int) -> Iterator[str]:
        yield f"if {self.number()} & {self.random.randint(1, 3)}:"
        yield from self.block(depth)
        if self.random.random() < 0.5:
            yield "else:"
            yield from self.block(depth)

    def loop(self, depth: int) -> Iterator[str]:
        name = self.name()
        turns = self.random.choice(["range(3)", "range(skb.len - 47)", "(1, 5, 9)"])
        yield f"for {name} in {turns}:"
        yield from self.block(depth + 1)
        yield f"    {self.fill(f'funcs.addrof({name})', 1)}"
        yield f"    {self.random.choice('xyz')} = ({name} + x) & 0xffffff"


def function(seed: int) -> Any:
    """The program, with its text where tracebacks and the simulation look for it."""
    text, name = Writer(seed).program(), f"<addresses {seed}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    names: dict[str, Any] = {"Fields": Fields, "Big": Big, "funcs": funcs}
    exec(compile(text, name, "exec"), names)
    return names["prog"]


def result(program: Any) -> int:
    with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, program) as prog:
        return prog.test_run(PACKET).retval


pytestmark = pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns")


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_cpython_and_the_vm_agree(seed: int) -> None:
    program = function(seed)
    with vm.backend():
        assert result(program) == sim.run(program, PACKET, raise_errors=True).retval, Writer(seed).program()


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(0, PROGRAMS, 4))
def test_cpython_and_the_kernel_agree(seed: int) -> None:
    program = function(seed)
    assert result(program) == sim.run(program, PACKET, raise_errors=True).retval, Writer(seed).program()
