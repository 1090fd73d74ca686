"""The dissector over packets of every shape, cut ones and random bytes: XDP and sk_buffs, kernel, VM and simulation."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import shapes
from shapes import Expected, Level

from py2bpf import net, sim, vm
from py2bpf.datastructures import ArrayMap
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.testing import packets
from py2bpf.uapi.contexts import CONTEXT_OF

LEVELS = 3
DEPTH = 4
LINK = 14
"""The bytes of Ethernet's header, in front of an sk_buff's network header."""

LEAST = {"xdp": LINK, "tc": LINK + 40, "socket": LINK + 40}
"""How much of a packet is left: Linux makes no sk_buffs for tests that end within the IP header."""
HOOKS = {"xdp": ProgType.XDP, "tc": ProgType.SCHED_CLS, "socket": ProgType.SOCKET_FILTER}
WORLDS = [pytest.param("kernel", marks=pytest.mark.kernel), "vm"]


def dissector(out: Any) -> Callable[[Any], int]:
    """A program that puts what it finds into ``out``, a level an entry, and returns how many there are."""

    def program(ctx: Any) -> int:
        found = net.dissect(ctx)
        out[0] = found
        count = 1
        for i in range(1, LEVELS):
            if not net.enter(ctx, found):
                break
            out[i] = found
            count += 1
        return count

    return program


Finder = Callable[[bytes], list[Expected]]


@contextmanager
def finder(hook: str, world: str) -> Iterator[Finder]:
    """What the dissector finds in a packet, a level an item."""
    with ExitStack() as stack:
        if world != "kernel":
            stack.enter_context(vm.backend())
        out = stack.enter_context(ArrayMap(net.Dissection, LEVELS))
        if world == "sim":
            runner = sim.Runner(dissector(out), hook=HOOKS[hook])
            yield lambda packet: read(out, runner(packet).retval, hook)
        else:
            prog: Prog = stack.enter_context(create_prog(HOOKS[hook], CONTEXT_OF[HOOKS[hook]], dissector(out)))
            yield lambda packet: read(out, prog.test_run(packet).retval, hook)


def read(out: Any, count: int, hook: str) -> list[Expected]:
    shift = 0 if hook == "xdp" else LINK
    return [shown(out[i], shift) for i in range(count)]


def shown(found: net.Dissection, shift: int) -> Expected:
    return Expected(
        found.ethertype, found.network + shift, found.transport + shift if found.transport else 0, found.vlan,
        found.tags, found.protocol, found.fragment, found.problem, (found.ports.source, found.ports.destination),
        found.tunnels,
    )


def expected(parts: list[Level], length: int) -> list[Expected]:
    found = []
    for i, level in enumerate(parts[:LEVELS]):
        found.append(shapes.expected(level, length, i))
        if found[-1].problem or not found[-1].transport or not shapes.is_entered(level, length):
            break
    return found


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("hook", HOOKS)
def test_every_shape(hook: str, world: str) -> None:
    """Whole, and cut at a random place behind Ethernet's header."""
    pick, wrong = random.Random(hook), []
    with finder(hook, world) as find:
        for count, shape in enumerate(shapes.shapes(DEPTH), 1):
            packet, offsets = shapes.build(shape)
            parts = shapes.levels(shape, offsets)
            cut = pick.randrange(min(LEAST[hook], len(packet) - 1), len(packet))
            for length in (len(packet), cut):
                want, got = expected(parts, length), find(packet[:length])
                if got != want:
                    wrong.append((shape, length, offsets, want, got))
    assert not wrong, f"{len(wrong)} of {count}: {wrong[0]}"
    assert count > 10_000


def test_simulated_shapes() -> None:
    """One of twenty, with each hook in turn."""
    hooks = itertools.cycle(HOOKS)
    with ExitStack() as stack:
        finders = {hook: stack.enter_context(finder(hook, "sim")) for hook in HOOKS}
        for shape in itertools.islice(shapes.shapes(DEPTH), 0, None, 20):
            packet, offsets = shapes.build(shape)
            parts = shapes.levels(shape, offsets)
            for length in (len(packet), len(packet) - 40):
                assert finders[next(hooks)](packet[:length]) == expected(parts, length), (shape, length)


def in_ipv6(*extensions: int) -> bytes:
    """TCP behind extension headers of 8 bytes."""
    data = packets.tcp(dport=shapes.PORTS[1])[34:]
    following = int(net.Protocol.TCP)
    for kind in reversed(extensions):
        data, following = bytes([following, 0]) + bytes(6) + data, kind
    return packets.ethernet(packets.ipv6(data, proto=following))


LONG = packets.ethernet(packets.ipv4(b"", proto=net.Protocol.UDP) + bytes(range(1, 9)))
LIMITS = {
    "as many tags as there may be": (packets.tcp(vlan=[1, 2, 3, 4]), net.Problem.NONE),
    "one tag more": (packets.tcp(vlan=[1, 2, 3, 4, 5]), net.Problem.TOO_DEEP),
    "as many extension headers": (in_ipv6(*[60] * net.MOST_EXTENSIONS), net.Problem.NONE),
    "one extension header more": (in_ipv6(*[60] * (net.MOST_EXTENSIONS + 1)), net.Problem.TOO_DEEP),
    "ports behind the end that IP tells": (LONG, net.Problem.TRUNCATED),
    "a short header of IPv4": (packets.ethernet(b"\x44" + packets.tcp()[15:]), net.Problem.MALFORMED),
    "IPv6 that says IPv4": (packets.ethernet(b"\x60" + packets.tcp()[15:], 0x0800), net.Problem.MALFORMED),
    "IPv4 that says IPv6": (packets.ethernet(packets.tcp()[14:], 0x86DD), net.Problem.MALFORMED),
    **{f"a frame of {n} bytes": (packets.ethernet(bytes(n), n), net.Problem.NONE) for n in (0, 4, 44, 51, 255, 1535)},
}


@pytest.mark.kernel
@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    packet, problem = LIMITS[name]
    for world in ("kernel", "vm", "sim"):
        with finder("xdp", world) as find:
            found, *others = find(packet)
        assert not others and found.problem == problem
        assert bool(found.transport) == (problem == 0 and found.ethertype != 0)


def spoiled(packet: bytes, pick: random.Random) -> bytes:
    """With some bytes and bits that are others, and perhaps an end that is."""
    data = bytearray(packet)
    for _ in range(pick.randrange(1, 5)):
        at = min(int(pick.expovariate(1 / 40)), len(data) - 1)
        data[at] = pick.choice((0, 0xFF, 4, 6, 41, 44, 51, 60, data[at] ^ 1 << pick.randrange(8), pick.randrange(256)))
    return bytes(data[: pick.choice((len(data), pick.randrange(LINK, len(data) + 1)))])


@pytest.mark.kernel
def test_random_bytes() -> None:
    """What CPython finds in spoiled packets and in noise, the kernel and the VM find too."""
    pick = random.Random(4711)
    every = list(itertools.islice(shapes.shapes(DEPTH), 0, None, 7))
    with ExitStack() as stack:
        worlds = [stack.enter_context(finder("xdp", world)) for world in ("kernel", "vm", "sim")]
        for i in range(3000):
            noise = pick.randbytes(pick.randrange(LINK, 200))
            packet = spoiled(shapes.build(pick.choice(every))[0], pick) if i % 10 else noise
            first, *others = (find(packet) for find in worlds)
            assert all(other == first for other in others), (packet.hex(), first, others)
