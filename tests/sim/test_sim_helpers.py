"""Simulated helpers, against the kernel's where its answer is known."""

from __future__ import annotations

import random
from collections.abc import Callable
from ctypes import BigEndianStructure, Structure, c_char, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import funcs, sim
from py2bpf.datastructures import ArrayMap, BpfQueue, HashMap
from py2bpf.testing import packets

PACKET = packets.ethernet(bytes(range(50)), packets.ETH_P_IP)
EFAULT = (1 << 32) - 14


class Header(BigEndianStructure):
    _fields_ = [("a", c_uint8), ("b", c_uint16), ("c", c_uint32)]


class Task(Structure):
    _fields_ = [("pid", c_uint32), ("comm", c_char * 16), ("names", (c_char * 8) * 2)]


@pytest.mark.kernel
@pytest.mark.parametrize("hook", ["socket_filter", "tc"])
@pytest.mark.parametrize("offset", [0, 1, 40, 42, 43, 60, -1])
def test_copies_of_packets(both: Callable[..., Any], hook: str, offset: int) -> None:
    with ArrayMap(c_uint8 * 8, 3) as out:

        def program(skb: Any) -> int:
            header = Header(1, 2, 3)
            buffer = (c_uint8 * 8)(*range(8))
            at = skb.mark + offset
            found = funcs.packet_copy(skb, at, header)
            status = funcs.skb_load_bytes(skb, at, buffer)
            out[0] = buffer
            status += funcs.skb_load_bytes(skb, at + 1, buffer, 3)
            out[1] = buffer
            status += funcs.skb_load_bytes_relative(skb, at, buffer, 0)
            status += funcs.skb_load_bytes_relative(skb, at, buffer, 4, 1)
            out[2] = buffer
            return status + found + header.a + header.b + header.c

        both(program, PACKET, hook, (out,))


@pytest.mark.kernel
@pytest.mark.parametrize("offset", [0, 20, 56, 57, 64, 1 << 31])
@pytest.mark.parametrize("flags", [0, 1, 2, 4])
def test_stores_into_packets(both: Callable[..., Any], offset: int, flags: int) -> None:
    def program(skb: Any) -> int:
        return funcs.skb_store_bytes(skb, skb.mark + offset, (c_uint8 * 8)(1, 2, 3, 4, 5, 6, 7, 8), flags)

    both(program, PACKET, "tc")


@pytest.mark.kernel
@pytest.mark.parametrize("size", [0, 2, 4, 3, 0x12, 0x22, 0x24, 0x62, 0x20, 0x400])
@pytest.mark.parametrize("which", ["l3_csum_replace", "l4_csum_replace"])
def test_checksums_are_replaced_as_in_the_kernel(both: Callable[..., Any], which: str, size: int) -> None:
    replace = getattr(funcs, which)
    rng = random.Random(5)
    numbers = [(0, 0, 0), (0, 0, 0xFFFF), (0xFFFF, 0, 0), (0x0102, 0x0102, 0)]
    numbers += [(rng.getrandbits(16), rng.getrandbits(32), rng.getrandbits(32)) for _ in range(8)]
    for checksum, old, new in numbers:
        for before in {old, 0}:

            def program(skb: Any) -> int:
                return replace(skb, skb.mark + 24, before, new, size)

            both(program, PACKET[:24] + checksum.to_bytes(2, "big") + PACKET[26:], "tc")


@pytest.mark.kernel
@pytest.mark.parametrize("offset", [25, 63, 0x10000])
def test_checksums_outside_of_the_packet(both: Callable[..., Any], offset: int) -> None:
    def program(skb: Any) -> int:
        return funcs.l3_csum_replace(skb, skb.mark + offset, 1, 2, 2)

    assert both(program, PACKET, "tc").retval == EFAULT


@pytest.mark.kernel
def test_differences_of_checksums(both: Callable[..., Any]) -> None:
    rng = random.Random(6)
    samples = [bytes(8), b"\xff" * 8, *(rng.randbytes(8) for _ in range(6))]
    with ArrayMap(c_uint64, 3) as out:
        for old in samples:
            for seed in (0, 0xFFFF, rng.getrandbits(32)):
                a, b = (c_uint8 * 8)(*old), (c_uint8 * 8)(*rng.randbytes(8))

                def program(skb: Any) -> int:
                    left, right = (c_uint8 * 8)(), (c_uint8 * 8)()
                    left[:] = a
                    right[:] = b
                    out[0] = funcs.csum_diff(left, right, seed)
                    out[1] = funcs.csum_diff(None, right, seed)
                    out[2] = funcs.csum_diff(left, None, seed)
                    return funcs.csum_diff(left, 6, right, 8, 0)

                both(program, PACKET, "tc", (out,))


@pytest.mark.kernel
@pytest.mark.parametrize("delta", [0, 8, -4, -200, 60, 46, 47, -216, -217])
def test_the_front_of_an_xdp_packet_moves(both: Callable[..., Any], delta: int) -> None:
    def program(ctx: Any) -> int:
        status = funcs.xdp_adjust_head(ctx, delta)
        return funcs.xdp_get_buff_len(ctx) if status == 0 else status

    run = both(program, bytes(range(60)), "xdp")
    assert len(run.data) == (60 - delta if -216 <= delta <= 46 else 60)


@pytest.mark.kernel
@pytest.mark.parametrize("delta", [0, -8, -46, -47, 20])
def test_the_end_of_an_xdp_packet_moves(both: Callable[..., Any], delta: int) -> None:
    def program(ctx: Any) -> int:
        return funcs.xdp_adjust_tail(ctx, delta) + funcs.xdp_get_buff_len(ctx)

    both(program, bytes(range(60)), "xdp")


@pytest.mark.kernel
@pytest.mark.parametrize("offset", [0, 50, 56, 57, -1])
def test_xdp_loads_and_stores(both: Callable[..., Any], offset: int) -> None:
    with ArrayMap(c_uint32, 1) as out:

        def program(ctx: Any) -> int:
            word = c_uint32(7)
            status = funcs.xdp_load_bytes(ctx, offset + out[0], word)
            word.value += 1
            status += funcs.xdp_store_bytes(ctx, offset + out[0], word)
            out[0] = word
            return status

        both(program, bytes(range(60)), "xdp", (out,))


@pytest.mark.kernel
@pytest.mark.parametrize("length", [14, 20, 64, 100, 13, 1 << 20])
def test_the_end_of_a_tc_packet_changes(both: Callable[..., Any], length: int) -> None:
    def program(skb: Any) -> int:
        return funcs.skb_change_tail(skb, length, 0) + skb.len

    both(program, PACKET, "tc")


@pytest.mark.kernel
@pytest.mark.parametrize(("kind", "flags"), [(0, 0), (3, 0), (4, 0), (1, 1), (1, 2)])
def test_what_becomes_of_a_packet(both: Callable[..., Any], kind: int, flags: int) -> None:
    def program(skb: Any) -> int:
        return funcs.skb_change_type(skb, kind) * 100 + skb.pkt_type

    both(program, PACKET, "tc")
    both(lambda skb: funcs.redirect(1, flags), PACKET, "tc")


@pytest.mark.kernel
def test_bytes_are_swapped_copied_and_compared(both: Callable[..., Any]) -> None:
    with ArrayMap(c_uint64, 8) as out:

        def program(skb: Any) -> int:
            n = skb.len * 0x0123456789ABCD + 0xFF
            out[0] = funcs.bswap16(n)
            out[1] = funcs.bswap32(n)
            out[2] = funcs.bswap64(n)
            a, b = (c_uint8 * 8)(1, 2, 3), (c_uint8 * 8)(1, 2, 3, 4)
            out[3] = funcs.mem_eq(a, b) + 2 * funcs.mem_eq(a, b, 3) + 4 * funcs.mem_eq(a, b"\x01\x02")
            funcs.memcpy(b, a, 4)
            out[4] = funcs.mem_eq(a, b)
            out[5] = funcs.deref_u32(a) + funcs.deref_u16(funcs.addrof(b))
            out[6] = funcs.map_update_elem(out, skb.len - 43, n, 0)
            return funcs.map_update_elem(out, 9, 9, 0) + funcs.map_update_elem(out, 0, 9, 1)

        both(program, PACKET, maps=(out,))


@pytest.mark.kernel
def test_a_looked_up_value_is_a_reference() -> None:
    with ArrayMap(c_uint64, 2) as m:

        def program(skb: Any) -> int:
            value = funcs.map_lookup_elem(m, skb.len - 50)
            if not funcs.map_lookup_elem(m, 5) and value is not None:
                value.value += 3
            return m[0]

        assert sim.run(program, PACKET).retval == 3
        assert m[0] == 3


def test_who_is_running_is_told_by_the_environment() -> None:
    machine = sim.Environment(pid=7, tgid=5, uid=3, gid=2, comm=b"a-very-long-name-of-it", cpu=1, clock=12345)

    def program(ctx: Any) -> int:
        task = Task()
        task.pid = funcs.get_current_pid_tgid() >> 32
        funcs.get_current_comm(task.comm)
        funcs.get_current_comm(task.names[1])
        assert task.comm == b"a-very-long-nam"
        assert task.names[1].value == b"a-very-"
        assert funcs.mem_eq(task.comm, b"a-very")
        assert funcs.get_current_uid_gid() == 2 << 32 | 3
        assert funcs.ktime_get_ns() == funcs.ktime_get_boot_ns() == 12345
        return task.pid * 10 + funcs.get_smp_processor_id() + (funcs.get_current_pid_tgid() & 0xFF)

    run = sim.run(program, sim.registers(), hook="kprobe", environment=machine, raise_errors=True)
    assert run.retval == 58


def test_chance_can_be_repeated() -> None:
    def program(skb: Any) -> int:
        return funcs.get_prandom_u32()

    numbers = [sim.run(program, PACKET, environment=sim.Environment(random=random.Random(4))).retval for _ in range(2)]
    assert numbers[0] == numbers[1] == random.Random(4).getrandbits(32)


def test_a_char_arrays_copy_is_no_place() -> None:
    def program(ctx: Any) -> int:
        task = Task()
        name = task.comm
        funcs.get_current_comm(name)
        return 0

    with pytest.raises(sim.SimulationError, match=r"write the struct and its field in the call itself"):
        sim.run(program, PACKET)


def test_foreign_memory_is_what_the_test_gives() -> None:
    machine = sim.Environment()
    text = machine.memory.put("a string")
    number = machine.memory.put(c_uint64(0x1122334455667788))

    def program(ctx: Any) -> int:
        buffer, small = (c_char * 16)(), (c_char * 4)()
        assert funcs.probe_read_user_str(buffer, text) == 9
        assert buffer.value == b"a string"
        assert funcs.probe_read_kernel_str(small, text + 2) == 4
        assert small.value == b"str"
        assert funcs.probe_read_kernel(small, 4, number) == 0
        assert small.raw == b"\x88\x77\x66\x55"
        assert funcs.probe_read(small, number + 7) == -14
        assert small.raw == bytes(4)
        assert funcs.deref_u16(number + 2) == 0x5566
        assert funcs.deref_u64(0) == 0
        assert funcs.probe_write_user(number, c_uint8(1)) == 0
        return funcs.deref_u8(number)

    assert sim.run(program, sim.registers(), hook="kprobe", environment=machine, raise_errors=True).retval == 1


def test_memory_is_on_one_side() -> None:
    """The program's own memory is the kernel's, and the kernel's probes refuse the addresses of processes."""

    def program(ctx: Any) -> int:
        own, copy = (c_char * 8)(), c_uint64(7)
        own.raw = b"\x05\0\0\0\0\0\0\0"
        results.append((funcs.probe_read_user(copy, own), copy.value))
        results.append((funcs.probe_read_kernel(copy, own), copy.value))
        results.append((funcs.probe_read_kernel(copy, 1 << 20), funcs.probe_read_kernel(copy, -4096)))
        results.append((funcs.probe_read_user(copy, 1 << 20), copy.value))
        return 0

    results: list[tuple[int, int]] = []
    sim.run(program, sim.registers(), hook="kprobe", raise_errors=True)
    assert results == [(-14, 0), (0, 5), (-34, -14), (-14, 0)]


def test_traces_are_formatted_as_by_the_kernel() -> None:
    def program(ctx: Any) -> int:
        comm = (c_char * 16)()
        comm.value = b"bash"
        funcs.trace_printk("plain 100%%")
        funcs.trace_printk("%d %u %x", -1, -1, 255)
        funcs.trace_printk("%lld %llx %5d|", 1 << 40, 1 << 40, 7)
        funcs.trace_printk("%s %s %c", comm, "text", 65)
        funcs.trace_printk(f"f-string {ctx.args[0]:04x}")
        return 0

    run = sim.run(program, sim.registers((0xAB,)), hook="kprobe", raise_errors=True)
    assert run.trace == ("plain 100%", "-1 4294967295 ff", "1099511627776 10000000000     7|", "bash text A",
                         "f-string 00ab")  # fmt: skip


@pytest.mark.kernel
def test_events_are_records_of_the_queues_type() -> None:
    with BpfQueue(c_uint16) as numbers, BpfQueue(Task) as tasks:

        def program(ctx: Any) -> int:
            pid = funcs.get_current_pid_tgid() & 0xFFFFFFF | 1 << 27
            funcs.perf_event_output(ctx, numbers, 0xFFFFFFFF, funcs.addrof(pid))
            task = Task(pid=pid)
            funcs.get_current_comm(task.comm)
            return tasks.output(ctx, task) + funcs.perf_event_output(ctx, tasks, 0xFFFFFFFF, task)

        run = sim.run(program, sim.registers(), hook="kprobe", environment=sim.Environment(pid=5, comm=b"x"))
        assert [event.queue for event in run.events] == [numbers, tasks, tasks]
        assert run.events[0].record == 5
        assert [(task.comm, task.pid) for task in tasks.poll(0)] == [(b"x", 5 | 1 << 27)] * 2
        assert numbers.poll(0) == [5]


def test_numbers_are_parsed() -> None:
    def parsed(text: bytes, flags: int = 0, signed: bool = True) -> Any:
        def program(ctx: Any) -> int:
            number = c_int64(99)
            buffer = (c_char * 24)()
            buffer.value = text
            used = (funcs.strtol if signed else funcs.strtoul)(buffer, flags, number)
            results.append((used, number.value))
            return 0

        results: list[Any] = []
        sim.run(program, PACKET, hook="tc", raise_errors=True)
        return results[0]

    assert parsed(b"123 ") == (3, 123)
    assert parsed(b" -0x1fz") == (6, -31)
    assert parsed(b"017") == (3, 15)
    assert parsed(b"x") == (-22, 99)
    assert parsed(b"-1", signed=False) == (-22, 99)
    assert parsed(b"99999999999999999999") == (-34, 99)


def test_strings_are_compared() -> None:
    def program(ctx: Any) -> int:
        name = (c_char * 4)()
        name.value = b"abc"
        return (funcs.strncmp(name, "abc") == 0) + 2 * (funcs.strncmp(name, "abd") < 0) + 4 * (
            funcs.strncmp(name, 2, "abx") == 0)

    assert sim.run(program, PACKET, hook="tc", raise_errors=True).retval == 7


def test_sizes_that_exceed_an_object_are_refused() -> None:
    ran = sim.run(lambda skb: funcs.skb_load_bytes(skb, 0, (c_uint8 * 8)(), 9), PACKET)
    assert isinstance(ran.exception, ValueError) and "of 9 bytes does not fit an object of 8" in str(ran.exception)
    with pytest.raises(sim.SimulationError, match="called with 1 arguments"):
        sim.run(lambda skb: funcs.skb_load_bytes(skb), PACKET)
    with pytest.raises(sim.SimulationError, match="a socket filter may not"):
        sim.run(lambda skb: funcs.skb_store_bytes(skb, 0, (c_uint8 * 8)(), 0), PACKET)


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda skb, m: funcs.perf_event_output(skb, m, 0, c_uint64(3)), "2 of perf_event_output.* a BpfQueue"),
        (lambda skb, m: funcs.ringbuf_output(m, c_uint64(3), 0), "argument 1 of ringbuf_output.* a RingBuffer"),
        (lambda skb, m: funcs.ringbuf_query(m, 0), "argument 1 of ringbuf_query.* a RingBuffer"),
    ],
)
def test_maps_of_other_kinds(call: Callable[[Any, Any], Any], wanted: str) -> None:
    with HashMap(c_uint32, c_uint64, 4) as m, pytest.raises(sim.SimulationError, match=f"{wanted}.*, not a HashMap"):
        sim.run(lambda skb: call(skb, m) is None, bytes(64))
