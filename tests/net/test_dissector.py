"""The dissector over packets of every shape, cut ones and random bytes: XDP and sk_buffs, kernel, VM and simulation."""

from __future__ import annotations

import inspect
import itertools
import linecache
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import c_uint8, c_uint32
from typing import Any

import packet_shapes as shapes
import pytest
from packet_shapes import Expected

from py2bpf import funcs, net, sim, vm
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.exception import TranslationError
from py2bpf.prog import Prog, ProgType, compile_prog, create_prog
from py2bpf.testing import packets
from py2bpf.uapi.contexts import pt_regs
from py2bpf.uapi.hooks import HOOKS as ROWS

LEVELS = 3
DEPTH = 4
LINK = 14
"""The bytes of Ethernet's header, in front of an sk_buff's network header."""

LEAST = {"xdp": LINK, "tc": LINK + 40, "socket": LINK + 40}
"""How much of a packet is left: Linux makes no sk_buffs for tests that end within the IP header."""
CONTEXT_OF = {row.prog_type: row.context.spec for row in ROWS}
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
        found.ethertype, found.network + shift, 0 if found.transport == net.NOWHERE else found.transport + shift,
        found.vlan, found.tags, found.protocol, found.fragment, found.problem,
        (found.ports.source, found.ports.destination), found.tunnels,
    )


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
                want, got = shapes.walked(parts, length, LEVELS), find(packet[:length])
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
                assert finders[next(hooks)](packet[:length]) == shapes.walked(parts, length, LEVELS), (shape, length)


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


TAGGINGS = {"push": (0x8100, 77), "push a service tag": (0x88A8, 78), "pop": None}


@pytest.mark.kernel
def test_tags_that_programs_push_and_pop() -> None:
    """The VM's network header follows as the kernel's does."""
    pick = random.Random(7)

    def program(steps: list[str], out: Any) -> Callable[[Any], int]:
        def push_and_pop(skb: Any) -> int:
            for step in steps:
                tag = TAGGINGS[step]
                if tag:
                    funcs.skb_vlan_push(skb, socket.htons(tag[0]), tag[1])
                else:
                    funcs.skb_vlan_pop(skb)
            out[0] = net.dissect(skb)
            return 0

        return push_and_pop

    for _ in range(30):
        steps = [pick.choice(list(TAGGINGS)) for _ in range(pick.randrange(1, 5))]
        tags = pick.choices((5, 6), k=pick.randrange(4)) or None
        seen = []
        for world in ("kernel", "vm"):
            with vm.backend(world), ArrayMap(net.Dissection, 1) as out:
                with create_prog(ProgType.SCHED_CLS, CONTEXT_OF[ProgType.SCHED_CLS], program(steps, out)) as prog:
                    sent = prog.test_run(packets.udp(dport=9, vlan=tags))
                    seen.append((shown(out[0], 0), sent.data))
        assert seen[0] == seen[1], (steps, tags, seen)


def in_pieces(segment: bytes, size: int) -> list[bytes]:
    """A TCP segment as two fragments of IPv4, the first of so many bytes."""
    return [
        packets.ethernet(packets.ipv4(segment[:size], proto=6, more=True)),
        packets.ethernet(packets.ipv4(segment[size:], proto=6, fragment=size // 8)),
    ]


SEGMENT = packets.tcp(dport=443, flags="S")[34:]
INSIDE = packets.udp(dport=23)[14:]


def with_length(frame: bytes, length: int) -> bytes:
    """With another total length in the outermost IPv4 header."""
    return frame[:16] + length.to_bytes(2, "big") + frame[18:]


GRE_FRAME = packets.ethernet(packets.ipv4(b"\0\0\x08\0" + INSIDE, proto=net.Protocol.GRE))
IN_IP = packets.ethernet(packets.ipv4(INSIDE, proto=net.Protocol.IPV4))
VXLAN_FRAME = packets.udp(dport=4789, payload=b"\x08" + bytes(7) + packets.udp(dport=23))
HOSTILE: dict[str, tuple[bytes, list[net.Problem]]] = {
    "a first fragment that hides the flags (RFC 1858)": (in_pieces(SEGMENT, 8)[0], [net.Problem.TRUNCATED]),
    "a first fragment with all of TCP's header": (in_pieces(SEGMENT + bytes(12), 24)[0], [net.Problem.NONE]),
    "what follows it": (in_pieces(SEGMENT, 8)[1], [net.Problem.NONE]),
    "half of TCP's header": (packets.tcp()[:46], [net.Problem.TRUNCATED]),
    "half of GRE's header": (GRE_FRAME[:37], [net.Problem.TRUNCATED]),
    "half of VXLAN's header": (VXLAN_FRAME[:46], [net.Problem.NONE, net.Problem.TRUNCATED]),
    "an IPv4 header longer than its packet": (with_length(packets.tcp(), 19), [net.Problem.MALFORMED]),
    **{f"GRE in a packet of {length} bytes": (with_length(GRE_FRAME, length), problems) for length, problems in (
        (22, [net.Problem.TRUNCATED]), (24, [net.Problem.NONE, net.Problem.TRUNCATED]),
        (43, [net.Problem.NONE, net.Problem.TRUNCATED]), (52, [net.Problem.NONE] * 2),
    )},
    **{f"IP in an IP packet of {length} bytes": (with_length(IN_IP, length), [net.Problem.NONE, net.Problem.TRUNCATED])
       for length in (20, 30, 47)},
    **{f"VXLAN in a packet of {length} bytes": (with_length(VXLAN_FRAME, length), problems) for length, problems in (
        (27, [net.Problem.TRUNCATED]), (28, [net.Problem.NONE, net.Problem.TRUNCATED]),
        (36, [net.Problem.NONE, net.Problem.TRUNCATED]), (77, [net.Problem.NONE, net.Problem.TRUNCATED]),
        (78, [net.Problem.NONE] * 2),
    )},
}  # fmt: skip
"""Packets that hide something, and the problem of each level."""


@pytest.mark.parametrize("world", [*WORLDS, "sim"])
@pytest.mark.parametrize("hook", HOOKS)
def test_hostile_packets(hook: str, world: str) -> None:
    with finder(hook, world) as find:
        for name, (packet, problems) in HOSTILE.items():
            found = find(packet)
            assert [each.problem for each in found] == problems, (name, found)
            assert all(each.transport == 0 or not each.problem for each in found), name


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("hook", HOOKS)
def test_offsets_at_which_nothing_is(hook: str, world: str) -> None:
    """Also those that wrap around in 32 bits, and that of a header that isn't there."""
    prog_type = HOOKS[hook]

    def program(ctx: Any) -> int:
        number = funcs.get_prandom_u32()
        nowhere = net.dissect(ctx).transport
        for offset in (-1, net.NOWHERE, 1 << 16, 1 << 31, (1 << 32) + 20, -(1 << 32) + 20, nowhere, nowhere + 8):
            if net.load(ctx, net.Ports, offset) or net.load(ctx, net.Ports, offset + number - number):
                return 1
        return 0

    with vm.backend(world), create_prog(prog_type, CONTEXT_OF[prog_type], program) as prog:
        assert prog.test_run(in_pieces(SEGMENT, 8)[1] + bytes(2000)).retval == 0


def lines(error: TranslationError) -> str:
    """The places that an error names."""
    spans = [error.span, *(span for span, _ in error.notes)]
    return "".join(linecache.getline(span.filename, span.line).strip() for span in spans if span is not None)


def without_a_packet(event: Any) -> int:
    return net.dissect(event).protocol


def too_large(skb: Any) -> int:
    return 1 if net.load(skb, c_uint8 * 600, 0) else 0


def a_structure(skb: Any) -> int:
    return 1 if net.load(skb, net.Tcp, net.dissect(skb)) else 0


def a_run_time_address(skb: Any) -> int:
    ip = net.load(skb, net.Ipv4, 0)
    return net.Ipv4Address.of(ip.source.number).number if ip else 0


MISTAKES = [
    (without_a_packet, ProgType.KPROBE, "has no packet"),
    (too_large, ProgType.SCHED_CLS, "the program needs 600 bytes of stack"),
    (a_structure, ProgType.SCHED_CLS, "needs integers, but this is a Dissection"),
    (a_structure, ProgType.XDP, "the offset into a packet is an integer, but this is a Dissection"),
    (a_run_time_address, ProgType.XDP, "Ipv4Address.of() runs while compiling and needs constants"),
]


@pytest.mark.parametrize(("function", "prog_type", "told"), MISTAKES)
def test_errors_are_at_the_users_line(function: Any, prog_type: ProgType, told: str) -> None:
    """And name no line of the library."""
    with pytest.raises(TranslationError) as caught:
        context = pt_regs("x86_64") if prog_type is ProgType.KPROBE else CONTEXT_OF[prog_type]
        compile_prog(prog_type, context, function)
    assert told in caught.value.msg
    assert lines(caught.value) in inspect.getsource(function)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
def test_counted_errors_are_at_the_users_line(world: vm.Name) -> None:
    def nothing(ctx: Any) -> int:
        entry = entries.get(1)
        return net.load(ctx, net.Ports, entry).destination  # type: ignore[arg-type]

    line = nothing.__code__.co_firstlineno + 2
    with vm.backend(world), HashMap(c_uint32, c_uint32, 1) as entries:
        with create_prog(ProgType.XDP, CONTEXT_OF[ProgType.XDP], nothing) as prog:
            prog.test_run(packets.tcp())
            assert [(row.line, row.error) for row in prog.errors] == [(line, "TypeError")]
        simulated = sim.run(nothing, packets.tcp(), hook="xdp")
    assert [(row.line, row.error) for row in simulated.errors] == [(line, "TypeError")]


def while_there_are_tunnels(ctx: Any) -> int:
    found, count = net.dissect(ctx), 0
    while net.enter(ctx, found) and count < 100:
        count += 1
    return count


def while_all_is_well(ctx: Any) -> int:
    found, count = net.dissect(ctx), 0
    while net.enter(ctx, found) and not found.problem and count < 100:
        count += 1
    return count


@pytest.mark.parametrize("function", [while_there_are_tunnels, while_all_is_well])
def test_a_long_walk_is_a_loop(function: Any) -> None:
    """It grew to 70,000 instructions, which took minutes."""
    packet = IN_IP[:34] + (b"\x45" + IN_IP[15:34]) * 5 + INSIDE
    with vm.backend(), create_prog(ProgType.XDP, CONTEXT_OF[ProgType.XDP], function) as prog:
        assert len(prog.spec.code) < 4000
        assert prog.test_run(packet).retval == sim.run(function, packet, hook="xdp").retval
