"""sim.run: results, errors, contexts, without the kernel."""

from __future__ import annotations

import socket
import sys
from ctypes import Structure, c_uint8, c_uint32, c_uint64
from types import FrameType
from typing import Any

import pytest

from py2bpf import funcs, kprobe, net, sim, tracepoint
from py2bpf.exception import DataTypeError, Py2BpfError
from py2bpf.spec import ContextSpec
from py2bpf.uapi.prog_types import KEEP_PACKET

ETHERNET = bytes(12) + b"\x08\x00"
PACKET = ETHERNET + bytes(range(50))


def test_the_result_is_an_unsigned_number_of_32_bits() -> None:
    assert sim.run(lambda skb: -1, PACKET).retval == 0xFFFFFFFF
    assert sim.run(lambda skb: 1 << 33 | 5, PACKET).retval == 5
    assert sim.run(lambda skb: skb.len > 10, PACKET).retval == 1


@pytest.mark.parametrize(("hook", "default"), [("socket_filter", 0), ("tc", 0), ("xdp", 2)])
def test_none_is_the_default_result(hook: str, default: int) -> None:
    assert sim.run(lambda ctx: None, PACKET, hook=hook).retval == default


def test_an_exception_gives_the_safe_value_and_is_counted_by_its_line() -> None:
    def divide(skb: Any) -> int:
        return 10 // (skb.len - 50)

    run = sim.run(divide, PACKET)
    assert run.retval == KEEP_PACKET
    ((error, count),) = run.errors.items()
    assert (error.filename, error.error, count) == (__file__, "ZeroDivisionError", 1)
    assert error.line == divide.__code__.co_firstlineno + 1
    assert isinstance(run.exception, ZeroDivisionError)


def test_an_exception_in_a_called_function_counts_there() -> None:
    def inner(skb: Any) -> None:
        raise ValueError("no")

    run = sim.run(lambda skb: inner(skb), PACKET, hook="xdp")
    assert run.retval == 2
    (error,) = run.errors
    assert error.line == inner.__code__.co_firstlineno + 1


def test_raise_errors_leaves_the_exception_to_the_debugger() -> None:
    with pytest.raises(ZeroDivisionError):
        sim.run(lambda skb: 1 // 0, PACKET, raise_errors=True)


def test_mistakes_of_the_test_are_not_counted() -> None:
    with pytest.raises(sim.SimulationError, match=r"no field 'lenght'; there are len"):
        sim.run(lambda skb: skb.lenght, PACKET)
    with pytest.raises(sim.SimulationError, match="programs return integers"):
        sim.run(lambda skb: "drop", PACKET)
    with pytest.raises(sim.SimulationError, match="no Ethernet header"):
        sim.run(lambda skb: 0, b"short")
    with pytest.raises(DataTypeError, match="give a packet"):
        sim.run(lambda skb: 0)
    with pytest.raises(sim.SimulationError, match="no hook 'tcp'"):
        sim.run(lambda skb: 0, PACKET, hook="tcp")


def test_a_helper_outside_of_a_simulation_names_it() -> None:
    with pytest.raises(Py2BpfError, match=r"py2bpf\.sim\.run"):
        funcs.ktime_get_ns()
    sim.run(lambda skb: 0, PACKET)
    with pytest.raises(Py2BpfError, match=r"py2bpf\.sim\.run"):
        funcs.bswap16(1)


def test_every_helper_has_a_simulation_or_a_reason() -> None:
    from py2bpf.intrinsics import Pseudo
    from py2bpf.sim import helpers, pseudo
    from py2bpf.uapi.helpers import HELPERS

    assert helpers.HANDLERS.keys() | helpers.NOT_SIMULATED.keys() == HELPERS.keys()
    assert not helpers.HANDLERS.keys() & helpers.NOT_SIMULATED.keys()
    assert pseudo.PSEUDO.keys() == {name for name, each in vars(funcs).items() if isinstance(each, Pseudo)}


def test_a_helper_without_simulation_says_why() -> None:
    with pytest.raises(sim.SimulationError, match=r"get_current_task\(\) has no simulation: .*kernel"):
        sim.run(lambda skb: funcs.get_current_task(), PACKET)


def test_packet_views_are_live() -> None:
    def rewrite(ctx: Any) -> int:
        ip = ctx.packet(net.Ipv4, 14)
        if ip is None:
            return 1
        ip.total_length += 0x102
        ip.source.number = 77
        return ip.ecn

    run = sim.run(rewrite, PACKET, hook="xdp")
    assert run.retval == 1
    assert run.data == PACKET[:16] + bytes((3, 5)) + PACKET[18:26] + bytes((0, 0, 0, 77)) + PACKET[30:]
    assert sim.run(rewrite, PACKET[:33], hook="tc").retval == 1
    assert sim.run(lambda ctx: ctx.packet(net.Ipv4, -1) is None, PACKET, hook="xdp").retval == 1
    with pytest.raises(sim.SimulationError, match="for xdp and tc"):
        sim.run(lambda skb: skb.packet(net.Ipv4, 0), PACKET)


def test_a_kprobe_runs_over_registers() -> None:
    @kprobe.probe("sys_close")
    def on_close(pt_regs: Any) -> int:
        return pt_regs.args[0] + pt_regs.rsi

    assert sim.run(on_close, {"args": (3, 4)}).retval == 7
    assert sim.run(on_close, sim.registers((5, 6), syscall=True)).retval == 11

    @kprobe.probe("vfs_read", exit_probe=True)
    def on_return(pt_regs: Any) -> int:
        return pt_regs.ret == -9 and pt_regs.ret32 == -9

    assert sim.run(on_return, {"ret": -9}).retval == 1
    assert sim.run(on_return, sim.registers(ret=-9)).retval == 1


class OpenEvent(Structure):
    _fields_ = [("dfd", c_uint32), ("filename", c_uint64)]


def test_a_tracepoint_runs_over_an_event_of_ones_own() -> None:
    seen = []

    @tracepoint.probe("syscalls:sys_enter_openat")
    def on_open(event: Any) -> int:
        path = (c_uint8 * 8)()
        n = funcs.probe_read_user_str(path, event.filename)
        seen.append(bytes(path))
        return n

    machine = sim.Environment()
    event = sim.context(OpenEvent, dfd=-100, filename=machine.memory.put(b"/etc/hosts"))
    assert event.dfd == (1 << 32) - 100
    assert sim.run(on_open, event, environment=machine).retval == 8
    assert seen == [b"/etc/ho\0"]
    assert sim.run(on_open, sim.context(ContextSpec(OpenEvent), filename=12)).retval == 0x100000000 - 14


def test_a_ctypes_context_keeps_what_the_program_writes() -> None:
    event = OpenEvent(1, 2)

    def program(ctx: Any) -> int:
        ctx.dfd = 1 << 32 | 9
        return ctx.filename

    assert sim.run(program, event, hook="tracepoint").retval == 2
    assert event.dfd == 9


def test_nested_and_concurrent_simulations_stay_apart() -> None:
    import threading

    results = []

    def outer(skb: Any) -> int:
        inner = sim.run(lambda other: funcs.load_skb_byte(other, 0), PACKET[:14] + b"\x07", hook="tc")
        thread = threading.Thread(target=lambda: results.append(refused()))
        thread.start()
        thread.join()
        return inner.retval * 100 + funcs.load_skb_byte(skb, 3)

    def refused() -> bool:
        with pytest.raises(Py2BpfError):
            funcs.get_smp_processor_id()
        return True

    assert sim.run(outer, PACKET).retval == 3
    assert results == [True]


def test_a_runner_does_little_for_each_packet() -> None:
    """Some 530 instructions of CPython's: 15 microseconds."""
    runner = sim.Runner(lambda skb: skb.len)
    runner(PACKET)
    counted = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal counted
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        runner(PACKET)
    finally:
        sys.settrace(before)
    assert 100 < counted < 800


def test_htons_of_the_protocol() -> None:
    assert sim.run(lambda skb: skb.protocol == socket.htons(0x800), PACKET).retval == 1
