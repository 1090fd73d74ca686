"""Measures how many packets our counter of flows sees, next to the same in C.

    python benchmarks/bench_packets.py [--rounds N] [--seconds S] [--json FILE] [--plot FILE] [--quick]

one packet  a repeated BPF_PROG_TEST_RUN of the counting program on a UDP frame, in ns
flood       64-byte frames of 64 flows go over a pair of virtual devices in a network namespace of this process, as fast
            as one CPU sends them; what the program at the other end counts, in millions a second. XDP gets the kernel's
            own live frames and drops them, a socket filter those of a packet socket (sendmmsg)

The counter is py2bpf/examples/packet_counter.py, the same in C is c/packet_counter.bpf.c. Rounds are interleaved, and
the counts are checked: not 0, and not more than was sent. Needs root; floods need gcc and libbpf-dev, the
program in C clang too.
"""

from __future__ import annotations

import ctypes
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frames import UDP
from harness import Results, arguments, pin, report
from peers import PeerMissingError, find_clang, gcc

from py2bpf.examples.packet_counter import Counters
from py2bpf.programs import encode
from py2bpf.socket_filter import SocketFilter
from py2bpf.xdp import XDP_DROP, XdpMode, XdpProgram

OURS = "py2bpf"
ROOM = 65536
CLONE_NEWNET = 0x40000000
SENDER, COUNTER = "sender0", "counter0"
ETH_P_ALL = 3
HOOKS = {"XDP": ("count_xdp", "live"), "socket filter": ("count_socket", "socket")}
"""The C program of each hook, and how it is flooded."""


def program(stack: ExitStack, hook: str) -> tuple[Counters, Any]:
    """Our counter, loaded."""
    counters = Counters(stack, ROOM)
    if hook == "XDP":
        return counters, stack.enter_context(XdpProgram(counters.xdp(XDP_DROP)))
    return counters, stack.enter_context(SocketFilter(counters.skb(0)))


@dataclass(frozen=True)
class Peer:
    """The counter in C, and the command that runs it."""

    name: str
    tool: Path
    compiled: Path


def find_tool() -> Path | None:
    """The command that sends packets; or None, after printing what is missing."""
    try:
        return gcc("packets.c", "-lbpf")
    except PeerMissingError as missing:
        print(f"without floods (apt-get install gcc libbpf-dev): {missing}")
        return None


def find_peer(tool: Path | None) -> Peer | None:
    clang = find_clang() if tool else None
    return Peer(clang.name, tool, clang.compile("packet_counter")) if tool and clang else None


# One packet


def run_ours(hook: str, repeat: int) -> float:
    with ExitStack() as stack:
        counters, loaded = program(stack, hook)
        ns = loaded.prog.test_run(UDP, repeat=repeat).duration_ns
        check(OURS, counters.read().total.packets, repeat, repeat)
        return float(ns)


def run_c(peer: Peer, name: str, repeat: int) -> dict[str, int]:
    found = answer([str(peer.tool), "run", str(peer.compiled), name, UDP.hex(), str(repeat)])
    check(peer.name, found["packets"], repeat, repeat)
    return found


def answer(command: list[str]) -> dict[str, int]:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def check(who: str, packets: int, least: int, most: int) -> None:
    if not least <= packets <= most:
        sys.exit(f"{who} counted {packets} packets, of {most}")


def measure_one(results: Results, peer: Peer | None, options: Any) -> None:
    repeat = 1000 if options.quick else 500_000
    for hook, (name, _how) in HOOKS.items():
        with ExitStack() as stack:
            _counters, loaded = program(stack, hook)
            results.record(f"{hook}, instructions", OURS, "insns", len(encode(loaded.prog.spec).slots) // 8)
        contestants: dict[str, Callable[[], float]] = {OURS: lambda hook=hook: run_ours(hook, repeat)}
        if peer:
            results.record(f"{hook}, instructions", peer.name, "insns", run_c(peer, name, 1)["insns"])
            contestants[peer.name] = lambda name=name: run_c(peer, name, repeat)["ns"]
        results.compete(f"{hook}, one packet", "ns", contestants, rounds(options))


def rounds(options: Any) -> int:
    return 2 if options.quick else int(options.rounds)


# Floods


def own_namespace() -> None:
    """Leaves the machine's network for a namespace with a pair of devices, which goes with this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    subprocess.run(["ip", "link", "add", SENDER, "type", "veth", "peer", "name", COUNTER], check=True)
    for device in (SENDER, COUNTER):
        subprocess.run(["ip", "link", "set", device, "up"], check=True)


@contextmanager
def counting_ours(hook: str) -> Iterator[Callable[[], int]]:
    with ExitStack() as stack:
        counters, loaded = program(stack, hook)
        if hook == "XDP":
            loaded.attach(COUNTER, XdpMode.NATIVE)
        else:
            sock = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            loaded.attach(sock)
            sock.bind((COUNTER, ETH_P_ALL))
        yield lambda: counters.read().total.packets


@contextmanager
def counting_c(peer: Peer, name: str) -> Iterator[Callable[[], int]]:
    command = [str(peer.tool), "count", str(peer.compiled), name, str(socket.if_nametoindex(COUNTER))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        asked, told = process.stdin, process.stdout
        if told.readline() != "ready\n":
            sys.exit("the C counter doesn't start")

        def packets() -> int:
            print(file=asked, flush=True)
            return int(json.loads(told.readline())["packets"])

        yield packets
        asked.close()


def flooded(tool: Path, how: str, seconds: float, who: str, counting: Any) -> float:
    """Millions of packets counted a second, while one CPU sends as many as it can."""
    with counting as packets:
        before = packets()
        sent = answer([str(tool), "flood", how, str(socket.if_nametoindex(SENDER)), str(seconds)])
        time.sleep(0.05)  # what is on its way
        counted = packets() - before
    check(who, counted, 1, sent["sent"] + STRAY)
    return counted / sent["ns"] * 1e3


STRAY = 100
"""Packets that devices send on their own: neighbours, routers."""


def measure_floods(results: Results, tool: Path, peer: Peer | None, options: Any) -> None:
    seconds = 0.1 if options.quick else options.seconds
    for hook, (name, how) in HOOKS.items():
        contestants: dict[str, Callable[[], float]] = {
            OURS: lambda hook=hook, how=how: flooded(tool, how, seconds, OURS, counting_ours(hook))
        }
        if peer:
            contestants[peer.name] = lambda name=name, how=how: flooded(
                tool, how, seconds, peer.name, counting_c(peer, name)
            )
        results.compete(f"{hook}, flood", "Mpps", contestants, rounds(options))


def main() -> None:
    parser = arguments("A counter of flows, beside the same in C.", rounds=9, plot=True)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a flood (default %(default)s)")
    options = parser.parse_args()
    pin(options.cpu)
    own_namespace()
    tool = find_tool()
    peer = find_peer(tool)
    results = Results("packets counted by flow (ratio: to ours)")
    measure_one(results, peer, options)
    if tool:
        measure_floods(results, tool, peer, options)
    report(results, options)


if __name__ == "__main__":
    main()
