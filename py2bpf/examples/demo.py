"""Shows what programs in the kernel see of the whole machine, and makes some traffic itself meanwhile.

Three things run in the kernel, all compiled from Python: a socket filter counts packets by protocol, a program at a
tracepoint counts how often each process had a processor, and others send an event for every program that starts and for
every sleep. * marks what the demo itself causes.

Without the privileges that the kernel asks for, or with --vm, the same programs run in the embedded VM: over packets of
a capture, or such as the loopback interface would have had, and over system calls that are made up.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_char, c_uint32, c_uint64
from typing import Annotated, Any, Final, Protocol

from py2bpf import Struct, funcs, tracepoint, vm
from py2bpf.asm import Kind
from py2bpf.datastructures import BpfQueue, LruHashMap, create_map
from py2bpf.examples import (
    common,
    count_by_protocol,
    demo_views,
    demo_vm,
    endings,
    execsnoop,
    nanosleep_watcher,
    packets,
    tasks,
)
from py2bpf.examples.demo_traffic import Traffic
from py2bpf.examples.demo_views import Event
from py2bpf.pcap import Capture
from py2bpf.prog import Prog
from py2bpf.terminal import printable
from py2bpf.util import ensure_resources

MARKS: Final = "The demo makes some traffic of its own: * marks what its processes do."
NO_MARKS: Final = "The demo makes some traffic of its own; in a PID namespace it can't tell which are its processes."
NO_ARGUMENTS: Final = "(made up: there is no memory to read arguments from)"


class World(Protocol):
    """Where the programs run: the kernel, or the embedded VM."""

    packets_of: str
    """Which packets are counted."""
    own: set[int]
    """The demo's processes."""

    def attach(
        self, stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any], /
    ) -> None:
        """Runs two programs at the ends of a system call."""

    def trace(self, stack: ExitStack, event: str, fn: Callable[[Any], Any], /) -> Prog:
        """Runs a program at a tracepoint."""

    def watch(self, stack: ExitStack, count: Any) -> None:
        """Runs a socket filter for each packet."""


class Kernel:
    """The running kernel, with the packets of all interfaces."""

    packets_of = "packets on all interfaces"

    def __init__(self, own: set[int]) -> None:
        self.own = own

    def attach(
        self, stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any], /
    ) -> None:
        tasks.attach_call(stack, call, on_enter, on_exit)

    def trace(self, stack: ExitStack, event: str, fn: Callable[[Any], Any], /) -> Prog:
        return stack.enter_context(tracepoint.probe(event)(fn)()).prog

    def watch(self, stack: ExitStack, count: Any) -> None:
        ensure_resources()
        check_loopback()
        packets.watch(stack, count, None)


class Process(Struct):
    """Who had a processor."""

    pid: Annotated[int, c_uint32]
    comm: Annotated[bytes, c_char * tasks.COMM_SIZE]


def turn_counter(turns: LruHashMap) -> Callable[[Any], None]:
    """Counts how often each process leaves a processor. The demo shows the source of this program."""

    def on_switch(event: Any) -> None:
        process = Process(pid=funcs.get_current_pid_tgid() >> 32)
        if process.pid:  # 0 is a processor that has nothing to do
            funcs.get_current_comm(process.comm)
            turns[process] += 1

    return on_switch


class Programs:
    """The programs, and their results so far: two maps, and the newest events."""

    def __init__(self, stack: ExitStack, world: World) -> None:
        self._world = world
        self.packets_of = world.packets_of
        self._packets = stack.enter_context(create_map(c_uint32, c_uint64, 1024))
        self._turns = stack.enter_context(LruHashMap(Process, c_uint64, 10240))
        self._sleeps = stack.enter_context(BpfQueue(nanosleep_watcher.Sleep, num_pages=64))
        self._execs = stack.enter_context(BpfQueue(execsnoop.Exec, num_pages=512))
        self.n_events = self.n_others = 0
        world.watch(stack, count_by_protocol.counter(self._packets))
        nanosleep_watcher.watch(stack, self._sleeps, tasks.Tasks(), world.attach)
        execsnoop.watch(stack, self._execs, tasks.Tasks(), world.attach, follow=not isinstance(world, demo_vm.Vm))
        self.shown = turn_counter(self._turns)
        self.shown_prog = world.trace(stack, "sched:sched_switch", self.shown)

    def protocols(self) -> list[tuple[str, int]]:
        """(protocol, packets), the most frequent first."""
        return count_by_protocol.most_first(self._packets)

    def turns(self) -> list[tuple[str, bool, int]]:
        """(process, whether it's the demo's, turns), the most frequent first."""
        rows = [(f"{printable(common.text(who.comm))}/{who.pid}", who.pid in self._world.own, number)
                for who, number in self._turns.items()]  # fmt: skip
        return sorted(rows, key=lambda row: -row[2])

    def new_events(self) -> list[Event]:
        """The events since the last call: started programs and sleeps, alternating."""
        starts = [self._event(each, f"started  {execsnoop.command(each) or NO_ARGUMENTS}")
                  for each in self._execs.poll(0) if not each.result]  # fmt: skip
        sleeps = [self._event(each, f"slept    {each.nanoseconds / 1e6:.3f} ms") for each in self._sleeps.poll(0)]
        came = [each for pair in itertools.zip_longest(starts, sleeps) for each in pair if each is not None]
        self.n_events += len(came)
        self.n_others += sum(not each.own for each in came)
        return came

    def _event(self, event: tasks.Task, what: str) -> Event:
        return Event(event.pid, printable(common.text(event.comm)), printable(what), event.pid in self._world.own)

    @property
    def lost(self) -> int:
        return self._sleeps.lost + self._execs.lost


def check_loopback() -> None:
    """Fails, with advice, if no packets can be sent on the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(b"", ("127.0.0.1", 9))
        except OSError as error:
            endings.fail(f"no packets can be sent on lo ({error}); is it up? ip link set lo up")


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
    """Runs the demo in the kernel. False if this process may not use BPF."""
    traffic = Traffic()
    knows_numbers = tasks.pid_namespace() is None
    with ExitStack() as stack:
        try:
            programs = Programs(stack, Kernel(traffic.own if knows_numbers else set()))
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES):
                raise
            print(f"{error}\nSo the programs run in py2bpf's embedded VM, which asks for no privileges.", flush=True)
            return False
        introduce(programs, f"Linux {os.uname().release}", MARKS if knows_numbers else NO_MARKS)
        with traffic.flowing():
            show(programs, seconds, lambda: None)
    demo_views.suggest(in_kernel=True)
    return True


def run_in_vm(seconds: float, capture: str | None) -> None:
    """The same programs, maps and queues, without the kernel."""
    with vm.backend(), ExitStack() as stack:
        source = None if capture is None else stack.enter_context(Capture(capture))
        world = demo_vm.Vm(source)
        programs = Programs(stack, world)
        introduce(programs, "the embedded VM", f"They see {world.packets_of}, and processes that are made up.")
        show(programs, seconds, world.step)
    demo_views.suggest(in_kernel=False)


def introduce(programs: Programs, runner: str, note: str) -> None:
    instructions = sum(each.kind is not Kind.LABEL for each in programs.shown_prog.spec.code)
    demo_views.introduce(programs.shown, instructions, runner, note)


def show(programs: Programs, seconds: float, step: Callable[[], None]) -> None:
    """Shows the results repeatedly, and their sum at the end."""
    with demo_views.view() as shown:
        for _ in common.ticks(seconds, demo_views.REFRESH):
            step()
            shown.update(programs, programs.new_events())
    seen, processes = programs.protocols(), programs.turns()
    if not seen or not programs.n_events or not processes:
        endings.fail("the programs ran, but saw no packets or no events")
    total = sum(number for _name, number in seen)
    print(f"In all: {total} packets of {len(seen)} protocols; {programs.n_events} events, {programs.n_others} of other "
          f"processes, {programs.lost} lost; turns of {len(processes)} processes.")  # fmt: skip


if __name__ == "__main__":
    endings.run(main)
