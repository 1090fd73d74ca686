"""Makes traffic on the loopback interface and shows what the kernel counts and reports meanwhile.

Three things run in the kernel, all compiled from Python: a socket filter that counts packets by protocol, and
tracepoint programs that send an event for every program started and for every sleep, on the whole machine.

Without the privileges that the kernel asks for, or with --vm, the same programs run in the embedded VM: over packets of
a capture, or such as the loopback interface would have had, and over system calls that are made up.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ctypes import c_uint32, c_uint64
from typing import Any, Final, Protocol

from py2bpf import vm
from py2bpf.datastructures import BpfQueue, HashMap, create_map
from py2bpf.examples import common, count_by_protocol, demo_vm, execsnoop, nanosleep_watcher, packets
from py2bpf.pcap import Capture
from py2bpf.util import ensure_resources

INTERFACE: Final = "lo"
REFRESH: Final = 0.25
"""Seconds between two looks at the map and the queues."""
NO_ARGUMENTS: Final = "(made up: there is no memory to read arguments from)"
EVENTS_KEPT: Final = 10
FIRST_ROUND: Final = 30
"""Seconds that the first packets and the first program may take."""
EVENTS_AT_ONCE: Final = 5
"""How many events of one look are shown as plain lines; a busy machine has thousands a second."""


class World(Protocol):
    """Where the programs run: the kernel, or the embedded VM."""

    name: str
    """Whose packets are counted."""

    def attach(
        self, stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any], /
    ) -> None:
        """Runs two programs at the ends of a system call."""

    def watch(self, stack: ExitStack, count: Any) -> None:
        """Runs a socket filter for each packet."""

    def step(self) -> None:
        """Has something happen, where nothing does by itself."""


class Kernel:
    """The running kernel, with traffic on the loopback interface."""

    name = f"packets on {INTERFACE}"

    def attach(
        self, stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any], /
    ) -> None:
        common.attach_call(stack, call, on_enter, on_exit)

    def watch(self, stack: ExitStack, count: Any) -> None:
        ensure_resources()
        check_loopback()
        packets.watch(stack, count, INTERFACE)

    def step(self) -> None:
        """The traffic's threads do."""


class Counters:
    """What the programs found so far: the map of packets, and the newest events."""

    def __init__(self, stack: ExitStack, world: World) -> None:
        self.world = world
        self.packets: HashMap = stack.enter_context(create_map(c_uint32, c_uint64, 1024))
        self._sleeps = stack.enter_context(BpfQueue(nanosleep_watcher.Sleep, num_pages=16))
        self._execs = stack.enter_context(BpfQueue(execsnoop.Exec, num_pages=64))
        self.newest: deque[str] = deque(maxlen=EVENTS_KEPT)
        self.n_events = 0
        world.watch(stack, count_by_protocol.counter(self.packets))
        nanosleep_watcher.watch(stack, self._sleeps, None, world.attach)
        execsnoop.watch(stack, self._execs, None, world.attach)

    def protocols(self) -> list[tuple[str, int]]:
        """(protocol, packets), the most frequent first."""
        return count_by_protocol.most_first(self.packets)

    def new_events(self) -> list[str]:
        """What came since the last call, in words."""
        starts = [self._told(each, f"started  {execsnoop.command(each) or NO_ARGUMENTS}")
                  for each in self._execs.poll(0)]  # fmt: skip
        sleeps = [self._told(each, f"slept    {each.nanoseconds / 1e6:.3f} ms") for each in self._sleeps.poll(0)]
        # By turns: of many only the first are shown, and a busy machine has many of either kind.
        came = [each for pair in itertools.zip_longest(starts, sleeps) for each in pair if each is not None]
        self.n_events += len(came)
        self.newest.extend(came)
        return came

    def _told(self, event: common.Task, what: str) -> str:
        return f"{event.pid:>8} {common.text(event.comm):16} {what}"

    @property
    def lost(self) -> int:
        return self._sleeps.lost + self._execs.lost


# Traffic


@contextlib.contextmanager
def traffic() -> Iterator[None]:
    """Packets on the loopback interface, and a program started now and then, until the block ends. Some of each was
    there before it begins, however slow the machine is.
    """
    stop = threading.Event()
    kinds = [(make, pause, threading.Event()) for make, pause in ((datagrams, 0.05), (connection, 0.1), (program, 0.5))]
    makers = [threading.Thread(target=repeat, args=(stop, *kind), daemon=True) for kind in kinds]
    for maker in makers:
        maker.start()
    try:
        for *_, made in kinds:
            made.wait(FIRST_ROUND)
        yield
    finally:
        stop.set()
        for maker in makers:
            maker.join()


def repeat(stop: threading.Event, make: Any, pause: float, made: threading.Event) -> None:
    """``make()`` again and again, with a pause that the sleep events show; ``made`` tells of the first time."""
    while not stop.is_set():
        with contextlib.suppress(OSError):  # IPv6 may be off
            make()
        made.set()
        time.sleep(pause)


def datagrams() -> None:
    """UDP to ports that nobody listens on, so ICMP answers."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"py2bpf", (address, 9))


def connection() -> None:
    """A TCP connection with some data."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _address = server.accept()
        with peer:
            client.sendall(bytes(4000))
            peer.recv(4000)


def program() -> None:
    """A short-lived process."""
    subprocess.run([sys.executable, "-S", "-c", "pass"], check=False)


# Showing


class View(Protocol):
    """Shows the counters, again and again."""

    def update(self, counters: Counters, came: list[str]) -> None: ...


class PlainView:
    """Lines of text, for files, pipes and machines without rich."""

    def __init__(self) -> None:
        self._next_table = 0.0

    def update(self, counters: Counters, came: list[str]) -> None:
        for event in came[:EVENTS_AT_ONCE]:
            print(event)
        if len(came) > EVENTS_AT_ONCE:
            print(f"{len(came) - EVENTS_AT_ONCE:>8} more events")
        if time.monotonic() >= self._next_table:
            self._next_table = time.monotonic() + 1
            print("packets:", ", ".join(f"{name} {number}" for name, number in counters.protocols()) or "none yet")
        sys.stdout.flush()


class RichView:
    """A table and the newest events, in place."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def update(self, counters: Counters, came: list[str]) -> None:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table("protocol", title=counters.world.name, min_width=40)
        table.add_column("packets", justify="right")
        for name, number in counters.protocols():
            table.add_row(name, str(number))
        events = Text("\n".join(counters.newest), no_wrap=True, overflow="ellipsis")
        self._live.update(Group(table, Panel(events, title=f"{counters.n_events} events", height=EVENTS_KEPT + 2)))


@contextlib.contextmanager
def view() -> Iterator[View]:
    """What fits where the output goes."""
    live = common.live_display(refresh_per_second=1 / REFRESH)
    if live is None:
        yield PlainView()
    else:
        with live:
            yield RichView(live)


def check_loopback() -> None:
    """Fails with advice where packets can't pass."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(b"", ("127.0.0.1", 9))
        except OSError as error:
            common.fail(f"no packets can be sent on {INTERFACE} ({error}); is it up? ip link set {INTERFACE} up")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m py2bpf.examples.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-s", "--seconds", type=common.positive, default=6.0, help="default: %(default)s")
    parser.add_argument("--vm", action="store_true", help="run in the embedded VM in any case")
    parser.add_argument("--capture", metavar="FILE", help="count the packets of this pcap or pcapng file, in the VM")
    options = parser.parse_args()
    if options.vm or options.capture or vm.current() == "vm" or not run_in_kernel(options.seconds):
        run_in_vm(options.seconds, options.capture)


def run_in_kernel(seconds: float) -> bool:
    """False where this process may not use BPF."""
    with ExitStack() as stack:
        try:
            counters = Counters(stack, Kernel())
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES):
                raise
            print(f"{error}\nSo the programs run in py2bpf's embedded VM, which asks for no privileges.", flush=True)
            return False
        with traffic():
            show(counters, seconds)
    return True


def run_in_vm(seconds: float, capture: str | None) -> None:
    """The same programs, maps and queues, without the kernel."""
    with vm.backend(), ExitStack() as stack:
        source = None if capture is None else stack.enter_context(Capture(capture))
        world = demo_vm.Vm(source)
        print(f"Running in the embedded VM, over {world.name}; the system calls are made up.", flush=True)
        show(Counters(stack, world), seconds)


def show(counters: Counters, seconds: float) -> None:
    """Shows what is counted, again and again, and the sum of it."""
    with view() as shown:
        for _ in common.ticks(seconds, REFRESH):
            counters.world.step()
            shown.update(counters, counters.new_events())
    seen = counters.protocols()
    if not seen or not counters.n_events:
        common.fail("the programs ran, but saw no packets or no events")
    total = sum(number for _name, number in seen)
    print(f"In all: {total} packets of {len(seen)} protocols, {counters.n_events} events, {counters.lost} lost.")


if __name__ == "__main__":
    common.run(main)
