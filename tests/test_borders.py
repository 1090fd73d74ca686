"""Every public callable of the package shows the user's frames alone where it refuses what the user gave.

BAD has a call with bad input for each. A new function, method or property without a row fails the first test.
"""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import traceback
from collections.abc import Callable, Iterator
from ctypes import c_char, c_uint8, c_uint32, c_uint64
from types import FunctionType, ModuleType
from typing import Any, Final

import pytest

import py2bpf
from py2bpf import borders, funcs, kprobe, net, sim, tc, tracepoint, util, vm, xdp
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    Global,
    HashMap,
    LpmTrieMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    RingBuffer,
    SpinLock,
    StackTraceMap,
    UserRingBuffer,
    create_map,
)
from py2bpf.hooks.link import Link
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext, SocketFilter
from py2bpf.testing import packets

OURS: Final = borders.__file__.removesuffix("borders.py")


class P(py2bpf.Struct):
    a: c_uint8


class Locked(py2bpf.Struct):
    lock: SpinLock
    a: c_uint8


class Plain(ctypes.Structure):
    _fields_ = [("lock", SpinLock), ("a", c_uint32)]


def closed(thing: Any) -> Any:
    thing.close()
    return thing


def hashes(value_type: Any = c_uint64) -> HashMap:
    return HashMap(c_uint32, value_type, 1)


def one(_skb: Any) -> int:
    return 1


def two(_a: Any, _b: Any) -> int:
    return 1


def program() -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SkBuffContext, one)


def store(thing: Any, key: Any, value: Any) -> None:
    thing[key] = value


def delete(thing: Any, key: Any) -> None:
    del thing[key]


def entered(thing: Any) -> None:
    with thing:
        pass


def too_large() -> PerCpuHashMap:
    sums = PerCpuHashMap(c_uint32, c_uint64, 1)
    sums[1] = (1 << 64) - 1
    return sums


def lock_and_break() -> None:
    held = hashes(Plain)
    held[1] = Plain()
    with held.lock(1) as entry:
        entry.a = 5
        held.close()


def texts() -> PerCpuHashMap:
    words = PerCpuHashMap(c_uint32, c_char * 4, 1)
    words[1] = b"a"
    return words


async def first_of(queue: Any) -> Any:
    async for record in queue:
        return record


class Short(py2bpf.Struct):
    size: c_uint32
    rest: c_uint8 * 8


def short_queue() -> Any:
    """A queue with a record that is shorter than its type."""
    queue = BpfQueue(Short)
    size = 4

    def send(skb: Any) -> int:
        funcs.perf_event_output(skb, queue, 0xFFFFFFFF, funcs.addrof(skb.len), size)
        return 1

    create_prog(ProgType.SOCKET_FILTER, SkBuffContext, send).test_run(bytes(64))
    return queue


def field(thing: Any, name: str, value: Any) -> None:
    setattr(thing, name, value)


def made(namespace: dict[str, Any]) -> Any:
    return type(py2bpf.Struct)("Made", (py2bpf.Struct,), namespace)


def running(action: Callable[[Any], Any]) -> None:
    """Runs what a simulated program does."""
    sim.run(action, bytes(64), hook="xdp", raise_errors=True)


BAD: Final[dict[str, Callable[[], Any]]] = {
    "globals.Global.__init__": lambda: Global(c_uint8, 256),
    "globals.Global.value": lambda: field(Global(c_uint8), "value", 256),
    "lifetime.OnStorage.fd": lambda: hashes().fd,
    "lifetime.OnStorage.__enter__": lambda: entered(closed(hashes())),
    "lifetime.OnStorage.__reduce_ex__": lambda: hashes().__reduce_ex__(2),
    "records.Struct.__setattr__": lambda: P(256),
    "arrays.ArrayMap.__init__": lambda: ArrayMap(c_uint32, 0),
    "arrays.ArrayMap.view": lambda: ArrayMap(c_uint32, 1).view(),
    "arrays.ArrayMap.__len__": lambda: len(closed(ArrayMap(c_uint32, 1))),
    "arrays.ArrayMap.__bool__": lambda: bool(closed(ArrayMap(c_uint32, 1))),
    "arrays.ArrayMap.__iter__": lambda: list(closed(ArrayMap(c_uint32, 1))),
    "arrays.ArrayMap.keys": lambda: closed(ArrayMap(c_uint32, 1)).keys(),
    "arrays.ArrayMap.__delitem__": lambda: delete(ArrayMap(c_uint32, 1), 0),
    "arrays.ArrayMap.pop": lambda: ArrayMap(c_uint32, 1).pop(0),
    "arrays.ArrayMap.popitem": lambda: ArrayMap(c_uint32, 1).popitem(),
    "arrays.ArrayMap.clear": lambda: ArrayMap(c_uint32, 1).clear(),
    "base.Map.__init__": lambda: HashMap(c_uint32, c_uint64, -1),
    "base.Map.__eq__": lambda: closed(hashes()) == {1: 2},
    "one_entry.OneEntry.__getitem__": lambda: hashes()[7],
    "one_entry.OneEntry.get": lambda: hashes().get("a"),
    "one_entry.OneEntry.__contains__": lambda: "a" in hashes(),
    "one_entry.OneEntry.__setitem__": lambda: store(hashes(), 1, -1),
    "one_entry.OneEntry.__delitem__": lambda: delete(hashes(), 7),
    "one_entry.OneEntry.add": lambda: hashes().add(1, "a"),
    "one_entry.OneEntry.setdefault": lambda: hashes().setdefault(-1),
    "one_entry.OneEntry.pop": lambda: hashes().pop(7),
    "one_entry.OneEntry.lookup": lambda: hashes().lookup("a"),
    "one_entry.OneEntry.delete": lambda: hashes().delete(7),
    "one_entry.OneEntry.get_next_key": lambda: hashes().get_next_key("a"),
    "whole_map.WholeMap.get_items": lambda: closed(hashes()).get_items(),
    "one_entry.OneEntry.popitem": lambda: hashes().popitem(),
    "one_entry.OneEntry.lock": lambda: hashes().lock(1),
    "whole_map.WholeMap.__len__": lambda: len(closed(hashes())),
    "whole_map.WholeMap.__bool__": lambda: bool(closed(hashes())),
    "whole_map.WholeMap.__iter__": lambda: list(closed(hashes())),
    "whole_map.WholeMap.keys": lambda: closed(hashes()).keys(),
    "whole_map.WholeMap.values": lambda: closed(hashes()).values(),
    "whole_map.WholeMap.items": lambda: closed(hashes()).items(),
    "whole_map.WholeMap.pop_all": lambda: closed(hashes()).pop_all(),
    "whole_map.WholeMap.synchronize": lambda: closed(hashes()).synchronize(),
    "whole_map.WholeMap.update": lambda: hashes().update([(1,)]),
    "whole_map.WholeMap.clear": lambda: closed(hashes()).clear(),
    "whole_map.WholeMap.arrays": lambda: closed(hashes()).arrays(),
    "whole_map.WholeMap.to_arrow": lambda: closed(hashes()).to_arrow(),
    "locks.Held.__exit__": lock_and_break,
    "insertions.CountsLosses.lost_counter": lambda: closed(hashes()).lost_counter,
    "insertions.CountsInsertions.add_lost": lambda: closed(hashes()).add_lost(),
    "queue.BpfQueue.__init__": lambda: BpfQueue(c_uint32, 7),
    "queue.BpfQueue.fd": lambda: BpfQueue(c_uint32).fd,
    "queue.BpfQueue.output": lambda: BpfQueue(c_uint32).output(None, 5),
    "reader.Reader.__iter__": lambda: next(iter(short_queue())),
    "reader.Reader.poll": lambda: RingBuffer(c_uint32).poll("a"),
    "async_reads.AsyncReads.get": lambda: asyncio.run(closed(RingBuffer(c_uint32)).get()),
    "async_reads.AsyncReads.get_batch": lambda: asyncio.run(RingBuffer(c_uint32).get_batch(-1)),
    "async_reads.AsyncReads.__aiter__": lambda: asyncio.run(first_of(short_queue())),
    "batch_reads.BatchReads.read_batch": lambda: RingBuffer(c_uint32).read_batch(0),
    "batch_reads.BatchReads.read_arrow": lambda: RingBuffer(c_uint32).read_arrow(0),
    "pending.PendingReads.read_into": lambda: RingBuffer(c_uint32).read_into(b"1234"),
    "pending.PendingReads.deliver": lambda: RingBuffer(c_uint32).deliver("a"),
    "pending.PendingReads.fileno": lambda: closed(RingBuffer(c_uint32)).fileno(),
    "pending.PendingReads.__reduce_ex__": lambda: RingBuffer(c_uint32).__reduce_ex__(2),
    "pending.PendingReads.__enter__": lambda: entered(closed(RingBuffer(c_uint32))),
    "lpm.LpmTrieMap.add": lambda: LpmTrieMap(c_uint32, c_uint32, 1).add("10.0.0.0/99", 1),
    "sums.PerCpuMap.sums": lambda: too_large().sums(),
    "sums.PerCpuMap.sum_arrays": lambda: too_large().sum_arrays(),
    "sums.PerCpuMap.to_arrow": lambda: too_large().to_arrow(pop=True, sums=True),
    "percpu.PerCpuValues.sum": lambda: texts()[1].sum(),
    "arrays.PerCpuArrayMap.__init__": lambda: PerCpuArrayMap(c_uint32, 0),
    "arrays.ProgArray.__init__": lambda: ProgArray(0),
    "arrays.ProgArray.__bool__": lambda: bool(closed(ProgArray(1))),
    "arrays.ProgArray.add": lambda: ProgArray(1).add(0, 1),
    "arrays.ProgArray.setdefault": lambda: ProgArray(1).setdefault(0),
    "arrays.ProgArray.popitem": lambda: ProgArray(1).popitem(),
    "ring.RingBuffer.__init__": lambda: RingBuffer(c_uint32, 5),
    "ring.RingBuffer.fd": lambda: RingBuffer(c_uint32).fd,
    "ring.RingBuffer.waiting": lambda: closed(RingBuffer(c_uint32)).waiting,
    "ring.RingBuffer.positions": lambda: closed(RingBuffer(c_uint32)).positions,
    "ring.RingBuffer.output": lambda: RingBuffer(c_uint32).output(5),
    "ring.RingBuffer.reserve": lambda: RingBuffer(c_uint32).reserve(),
    "ring.RingBuffer.submit": lambda: RingBuffer(c_uint32).submit(5),
    "ring.RingBuffer.discard": lambda: RingBuffer(c_uint32).discard(5),
    "stacks.StackTraceMap.__init__": lambda: StackTraceMap(1, max_depth=0),
    "stacks.StackTraceMap.__setitem__": lambda: store(StackTraceMap(1), 0, [1]),
    "stacks.StackTraceMap.add": lambda: StackTraceMap(1).add(0, [1]),
    "stacks.StackTraceMap.setdefault": lambda: StackTraceMap(1).setdefault(0),
    "stacks.StackTraceMap.update": lambda: StackTraceMap(1).update({}),
    "user_ring.UserRingBuffer.__init__": lambda: UserRingBuffer(c_uint32, 5),
    "user_ring.UserRingBuffer.send": lambda: UserRingBuffer(c_uint32).send("a"),
    "user_ring.UserRingBuffer.waiting": lambda: closed(UserRingBuffer(c_uint32)).waiting,
    "user_ring.UserRingBuffer.receive": lambda: UserRingBuffer(c_uint32).receive(),
    "hashes.create_map": lambda: create_map(c_uint32, c_uint64, 0),
    "intrinsics.Intrinsic.__call__": lambda: funcs.ktime_get_ns(),
    "kprobe.Kprobe.__init__": lambda: kprobe.Kprobe(one, ["no_such_symbol"], False),
    "kprobe.Probe.__init__": lambda: kprobe.Probe(5, ("a",), False),
    "kprobe.Probe.context": lambda: kprobe.Probe(one, ("a b",), False).context,
    "kprobe.Probe.expected_context": lambda: kprobe.Probe(one, ("a b",), False).expected_context,
    "kprobe.Probe.__call__": lambda: kprobe.probe("do_exit")(one)(),
    "kprobe.Probe.load": lambda: kprobe.Probe(one, ("a b",), False).load(),
    "kprobe.probe": lambda: kprobe.probe("a b"),
    "kprobe.probe()": lambda: kprobe.probe("do_exit")(5),
    "probes.Unattached.__init__": lambda: kprobe.Probe(5, ("a",), False),
    "probes.Unattached.__get__": lambda: type("Mine", (), {"on": kprobe.probe("do_exit")(two)})().on,
    "probes.Unattached.__enter__": lambda: entered(kprobe.probe("do_exit")(one)),
    "ledger.losses": lambda: py2bpf.losses(1, 2),
    "prog.Prog.fd": lambda: program().fd,
    "prog.Prog.fileno": lambda: program().fileno(),
    "prog.Prog.handle": lambda: closed(program()).handle,
    "prog.Prog.need_kernel": lambda: program().need_kernel("attach it"),
    "prog.Prog.info": lambda: closed(program()).info,
    "prog.Prog.test_run": lambda: program().test_run(bytes(64), repeat=0),
    "prog.Prog.pin": lambda: program().pin("/sys/fs/bpf/a"),
    "prog.Prog.__reduce_ex__": lambda: program().__reduce_ex__(2),
    "prog.Prog.__enter__": lambda: entered(closed(program())),
    "prog.create_prog": lambda: create_prog(ProgType.XDP, xdp.XdpContext, lambda ctx: ctx.data / 2),
    "contexts.Context.__getattr__": lambda: sim.registers().nothing,
    "contexts.Context.__setattr__": lambda: field(sim.registers(), "ip", "a"),
    "contexts.Context.packet": lambda: sim.registers().packet(c_uint32),
    "contexts.context": lambda: sim.context(5),
    "contexts.registers": lambda: sim.registers(nothing=5),
    "environment.Memory.put": lambda: sim.Memory().put(5),
    "environment.Memory.put_at": lambda: sim.Memory().put_at(5, 5),
    "runner.Runner.__init__": lambda: sim.Runner(5),
    "runner.Runner.__call__": lambda: sim.Runner(one)(5),
    "runner.run": lambda: sim.run(one, 5),
    "socket_filter.SocketFilter.__init__": lambda: SocketFilter(lambda skb: skb.nothing),
    "socket_filter.SocketFilter.attach": lambda: SocketFilter(one).attach(0),
    "socket_filter.SocketFilter.detach": lambda: SocketFilter(one).detach("a"),
    "tc._Program.__init__": lambda: tc.IngressProgram(lambda skb: skb.nothing),
    "tc._Filter.__init__": lambda: tc.IngressFilter(lambda skb: skb.nothing),
    "tc._Program.install": lambda: tc.IngressProgram(one).install("lo"),
    "tc._Program.remove": lambda: tc.IngressProgram(one).remove("nosuchdevice"),
    "tc.clear_egress_filter": lambda: tc.clear_egress_filter("nosuchdevice"),
    "tc.clear_ingress_filter": lambda: tc.clear_ingress_filter("nosuchdevice"),
    "packets.mac": lambda: packets.mac("a:b:c:d:e:fgh"),
    "packets.ethernet": lambda: packets.ethernet(),
    "packets.ipv4": lambda: packets.ipv4(src="a"),
    "packets.ipv6": lambda: packets.ipv6(src="a"),
    "packets.udp": lambda: packets.udp("a"),
    "packets.tcp": lambda: packets.tcp(flags="?"),
    "packets.icmp": lambda: packets.icmp(code=256),
    "tracepoint.Tracepoint.__init__": lambda: tracepoint.Tracepoint(one, "a"),
    "tracepoint.Probe.__init__": lambda: tracepoint.Probe(5, "a:b"),
    "tracepoint.Probe.context": lambda: tracepoint.Probe(one, "a").context,
    "tracepoint.Probe.__call__": lambda: tracepoint.probe("sched:sched_switch")(one)(),
    "tracepoint.Probe.load": lambda: tracepoint.Probe(one, "a").load(),
    "tracepoint.probe": lambda: tracepoint.probe("x"),
    "tracepoint.probe()": lambda: tracepoint.probe("a:b")(5),
    "util.mount": lambda: util.mount("no_such_kind", util.BPFFS),
    "util.is_mounted": lambda: util.is_mounted("a\0b"),
    "util.packet_socket": lambda: util.packet_socket(protocol=1 << 40),
    "choice.backend": lambda: vm.backend("a"),
    "machine.set_cpu": lambda: vm.set_cpu(1 << 20),
    "xdp.XdpProgram.__init__": lambda: xdp.XdpProgram(lambda ctx: ctx.nothing),
    "xdp.XdpProgram.test_run": lambda: xdp.XdpProgram(one).test_run(b"short"),
    "xdp.XdpProgram.attach": lambda: xdp.XdpProgram(one).attach("lo"),
    "xdp.XdpProgram.detach": lambda: xdp.XdpProgram(one).detach("nosuchdevice"),
    "addresses.MacAddress.of": lambda: net.MacAddress.of("2:0"),
    "addresses.Ipv4Address.of": lambda: net.Ipv4Address.of("192.0.2.256"),
    "addresses.Ipv6Address.of": lambda: net.Ipv6Address.of("192.0.2.1"),
    "link.Link.update": lambda: Link(program(), "lo").update(5),
    "link.Link.pin": lambda: Link(program(), "lo").pin("/sys/fs/bpf/x"),
    "link.Link.info": lambda: Link(program(), "lo").info,
    "links.Resources.__getattr__": lambda: SocketFilter(one).test_run(bytes(60)),
    "links.Resources.__reduce_ex__": lambda: SocketFilter(one).__reduce_ex__(2),
    "links.Resources.__enter__": lambda: entered(closed(SocketFilter(one))),
    "a class of Struct": lambda: made({"__annotations__": {"a": int}}),
    "a field of Struct, by ctypes": lambda: P("a"),
    "an item of a global variable, by ctypes": lambda: store(Global(c_uint32 * 2).value, 5, 1),
    "a method without its arguments": lambda: hashes().add(),
    "a helper in a simulated program": lambda: running(lambda _: funcs.map_lookup_elem(5, 5)),
}  # fmt: skip

REFUSE_NOTHING: Final = {
    # state that is always there
    "lifetime.OnStorage.closed", "pending.PendingReads.closed", "links.Resources.closed", "prog.Prog.closed",
    "prog.Prog.in_vm", "prog.Prog.arrays", "prog.Prog.prog_type", "prog.Prog.bpf_insns", "prog.Prog.errors",
    "prog.Prog.spec", "prog.Prog.pretty", "pending.PendingReads.lost",
    "tc._Program.devices", "xdp.XdpProgram.devices",
    "insertions.CountsInsertions.lost", "queue.BpfQueue.lost_by_cpu", "backend.current_name",
    "environment.Environment.now",
    # give back
    "globals.Global.close", "lifetime.OnStorage.close", "arrays.ArrayMap.close", "base.Map.close", "prog.Prog.close",
    "pending.PendingReads.close", "user_ring.UserRingBuffer.close", "links.Resources.close",
    "link.Link.close", "link.Link.detach", "link.Link.is_gone", "link.Link.missed",
    # take what the library itself gives
    "async_reads.AsyncReads.__init__", "pending.PendingReads.__init__", "link.Link.__init__", "link.Link.kept_by",
    "links.Resources.__init__", "prog.Prog.__init__", "percpu.PerCpuValues.__init__", "contexts.Context.__init__",
    "insertions.CountsInsertions.losses", "queue.BpfQueue.losses", "ring.RingBuffer.losses", "kprobe.Kprobe.losses",
    "prog.Prog.losses", "choice.Backend.__init__", "choice.Backend.__enter__", "backend.Choice.__init__",
    "backend.Choice.__enter__", "runner.SimRun.items",
    # only defined by subclasses
    "probes.Unattached.__call__", "probes.Unattached.context", "probes.Unattached.load",
    "probes.Unattached.expected_context",
    # run in programs, where the compiler looks at what they are given
    "dissector.dissect", "dissector.enter", "dissector.load", "dissector.Dissection.is_ip",
    "dissector.Dissection.has_ports",
    # take anything
    "addresses.MacAddress.__str__", "addresses.Ipv4Address.__str__", "addresses.Ipv6Address.__str__",
    "records.Struct.__eq__", "records.Struct.__reduce__", "addresses._Address.__format__",
    "addresses._Address.__hash__", "contexts.Context.__bytes__", "environment.Memory.__init__",
    "environment.Memory.share",
    "environment.Memory.is_own", "environment.Memory.read", "environment.Memory.read_text", "environment.Memory.write",
    "packets.checksum", "util.ensure_resources",
}  # fmt: skip
"""What has no bad input."""


def public_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The names of a module that users see."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    for name in names:
        found = getattr(module, name)
        told = hasattr(module, "__all__") or getattr(found, "__module__", "") == module.__name__
        if told and (inspect.ismodule(found) or str(getattr(found, "__module__", "")).startswith("py2bpf.")):
            yield name, found


def callables(found: Any) -> Iterator[str]:
    """The functions, methods and properties of a module, class or function, by module and name."""
    if inspect.ismodule(found):
        for _, each in public_of(found):
            yield from callables(each)
    elif inspect.isclass(found) and not issubclass(found, BaseException):
        for owner in found.__mro__:
            if owner.__module__.startswith("py2bpf.") and owner is not borders.Public:
                yield from methods(owner)
    elif isinstance(found, FunctionType):
        yield f"{found.__module__.rpartition('.')[2]}.{found.__name__}"


def methods(owner: type) -> Iterator[str]:
    for name, found in vars(owner).items():
        bare = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        seen = not name.startswith("_") or (name.startswith("__") and name not in borders.NO_BORDERS)
        if seen and isinstance(bare, FunctionType) and inspect.unwrap(bare).__code__.co_filename.startswith(OURS):
            yield f"{owner.__module__.rpartition('.')[2]}.{owner.__qualname__}.{name}"


def test_every_public_callable_has_a_row() -> None:
    found = set(callables(py2bpf))
    assert len(found) > 150
    missing = found - BAD.keys() - REFUSE_NOTHING
    assert not missing, f"give each a call with bad input in BAD: {sorted(missing)}"
    assert found >= REFUSE_NOTHING and not BAD.keys() & REFUSE_NOTHING


def frames(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_shows_the_users_frames_alone(name: str) -> None:
    if name.endswith(("read_batch", "read_arrow", "get_batch", "sum_arrays", "arrays", "view")):
        pytest.importorskip("numpy")
    with vm.backend(), pytest.raises(Exception) as caught:
        BAD[name]()
    files = frames(caught.value)
    ours = [file for file in files if file.startswith(OURS)]
    assert files.count(__file__) >= 2 and not ours, "".join(traceback.format_exception(caught.value))


MADE: Final = """\
def refuses(): raise ValueError("told")
def nested(): return public(refuses)()
def breaks(): return int("a")
def fails(): raise AssertionError("a bug")
def yields():
    yield 1
    raise ValueError("told")
"""


def library(name: str) -> Callable[[], Any]:
    """A public function that lies in the package."""
    names: dict[str, Any] = {"public": borders.public}
    exec(compile(MADE, f"{OURS}made.py", "exec"), names)
    return borders.public(names[name])


@pytest.mark.parametrize(("name", "cut"), [("refuses", True), ("nested", True), ("breaks", False), ("fails", False)])
def test_what_the_library_raises_is_told_from_its_own_mistakes(name: str, cut: bool) -> None:
    with pytest.raises((ValueError, AssertionError)) as caught:
        library(name)()
    assert any(file.startswith(OURS) for file in frames(caught.value)) is not cut


def test_a_generator_is_a_border_too() -> None:
    with pytest.raises(ValueError, match="told") as caught:
        list(library("yields")())
    assert frames(caught.value) == [__file__]
