"""Random programs on ring buffers do the same in the kernel, in the embedded VM, and simulated."""

from __future__ import annotations

import ctypes
import linecache
import random
import warnings
from collections.abc import Callable
from ctypes import c_uint8, c_uint64
from typing import Any

import pytest

from py2bpf import sim
from py2bpf.datastructures import RingBuffer, UserRingBuffer
from py2bpf.prog import ProgType, create_prog
from py2bpf.uapi.contexts import SK_BUFF

pytestmark = pytest.mark.kernel
PROGRAMS = 30
SIZE = 4096
LARGE = c_uint64 * 30
"""Some 16 of them fill a page."""

STATEMENTS: list[Callable[[random.Random, int], list[str]]] = [
    lambda r, depth: [f"total += large.output(({', '.join(['n'] * 29)}, {r.randrange(99)}))"],
    lambda r, depth: [f"total = total * 3 + {r.choice(['large', 'small'])}.waiting"],
    lambda r, depth: [f"total += small.output(data, size=n * {r.randrange(1, 9)} % 64 + 1)"],
    lambda r, depth: [f"data[n & 63] = {r.randrange(256)}", "total += small.output(data, size=n & 63)"],
    lambda r, depth: ["c = user.receive()", "total += 5 if c is None else c"],
    lambda r, depth: [f"for i in range(n & {r.choice([3, 7, 15])}):",
                      *indented(r, depth, ["total += i"])],
    lambda r, depth: [f"if n & {r.choice([1, 2, 4, 8])}:", *indented(r, depth, ["total += 1"]),
                      "else:", *indented(r, depth, ["total += 2"])],
    lambda r, depth: reserved(r, depth),
]  # fmt: skip


def indented(r: random.Random, depth: int, first: list[str]) -> list[str]:
    lines = first + [line for _ in range(r.randrange(1, 3)) for line in statement(r, depth + 1)]
    return [f"    {line}" for line in lines]


def reserved(r: random.Random, depth: int) -> list[str]:
    """A record that is submitted, discarded or forgotten, perhaps depending on the packet."""
    ends = [f"large.submit(e{depth})", f"large.discard(e{depth})", "total += 7"]
    first = [f"e{depth}[0] = n", f"e{depth}[n & 31] = {r.randrange(1 << 40)}"]
    return [
        f"e{depth} = large.reserve()",
        f"if e{depth} is None:",
        "    total += 100",
        "else:",
        *indented(r, depth, first),
        f"    if n & {r.choice([1, 4, 16])}:",
        f"        {r.choice(ends)}",
        "    else:",
        f"        {r.choice(ends)}",
    ]


def statement(r: random.Random, depth: int) -> list[str]:
    simple = STATEMENTS[:5] if depth > 2 else STATEMENTS
    return r.choice(simple)(r, depth)


def program(seed: int) -> str:
    r = random.Random(seed)
    body = [line for _ in range(r.randrange(3, 7)) for line in statement(r, 0)]
    lines = ["n = skb.len", "total = 0", "data = (c_uint8 * 64)(1, 2, 3)", *body, "return total & 0xffffff"]
    return "def program(skb):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_random_programs(seed: int) -> None:
    source, name = program(seed), f"<ring program {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    with (
        RingBuffer(LARGE, SIZE) as large,
        RingBuffer(c_uint8 * 64, SIZE, variable=True) as small,
        UserRingBuffer(c_uint64, SIZE) as user,
    ):
        names: dict[str, Any] = {"large": large, "small": small, "user": user, "c_uint8": c_uint8}
        exec(compile(source, name, "exec"), names)
        fn = names["program"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = create_prog(ProgType.SCHED_CLS, SK_BUFF, fn)
        with made as prog:
            for turn, size in enumerate((20, 33, 64, 95, 111)):
                for i in range(turn):
                    user.send(100 * turn + i)
                before = prog.errors
                simulated = sim.run(fn, bytes(size), hook="tc", isolated=True)
                real = prog.test_run(bytes(size))
                errors = {site: n - before.get(site, 0) for site, n in prog.errors.items() if n > before.get(site, 0)}
                assert (simulated.retval, simulated.errors) == (real.retval, errors), f"{size} bytes of\n{source}"
                for ring in (large, small):
                    events = [event.record for event in simulated.events if event.queue is ring]
                    assert events == ring.poll(0), f"{size} bytes of\n{source}"


def test_the_programs_do_something() -> None:
    together = "".join(program(seed) for seed in range(PROGRAMS))
    for text in ("large.submit", "large.discard", "small.output", "user.receive", ".waiting", "for i in", "+= 100"):
        assert together.count(text) > 5, text
    assert ctypes.sizeof(LARGE) == 240
