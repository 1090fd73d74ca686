"""Ring buffers in simulated programs: as in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_char, c_uint32, c_uint64
from typing import Any

import pytest
from map_entries import PACKET, Pair

from py2bpf import sim
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    RingBuffer,
)
from py2bpf.exception import Py2BpfError

pytestmark = pytest.mark.kernel


class Sized(Structure):
    _fields_ = [("size", c_uint32), ("name", c_char * 8)]


def test_ring_buffers(both: Callable[..., Any]) -> None:
    with RingBuffer(Sized, 4096) as ring, RingBuffer(c_uint64, 4096) as numbers, ArrayMap(c_uint64, 2) as out:

        def program(skb: Any) -> int:
            out[0] = numbers.output(skb.len)
            sized = ring.reserve()
            if sized is None:
                return 9
            out[1] = sized.size + (sized.name == b"")
            sized.size = skb.len
            sized.name = b"abc"
            ring.submit(sized)
            other, number = ring.reserve(), numbers.reserve()
            if other is not None and number is not None:
                number.value = 100 // (skb.len - 51)
                numbers.discard(number)
                if skb.len > 60:
                    ring.submit(other)
            return 3

        for packet in (PACKET, bytes(80), bytes(65)):
            events = both(program, packet, maps=(out,)).events
            for queue in (ring, numbers):
                written = queue.poll(0)
                assert written
                assert [bytes(e.record) if queue is ring else e.record for e in events if e.queue is queue] == [
                    bytes(record) if queue is ring else record for record in written
                ]


def test_what_a_ring_buffer_refuses_when_simulated() -> None:
    with RingBuffer(c_uint64, 4096) as ring:

        def twice(skb: Any) -> int:
            number = ring.reserve()
            ring.submit(number)
            ring.submit(number)
            return 0

        def none(skb: Any) -> int:
            ring.submit(None)
            return 0

        with pytest.raises(Py2BpfError, match="not any more"):
            sim.run(twice, PACKET)
        assert [error.error for error in sim.run(none, PACKET).errors] == ["TypeError"]


def test_a_ring_of_one_page_is_full_at_the_same_record(both: Callable[..., Any]) -> None:
    with RingBuffer(c_uint64, 4096) as ring:

        def program(skb: Any) -> int:
            kept = 0
            first = ring.reserve()
            if first is None:
                return 0
            for i in range(300):
                if ring.output(i) == 0:
                    kept += 1
            first.value = 7
            ring.submit(first)
            return kept

        simulated = both(program)
        assert simulated.retval == 254 and [event.record for event in simulated.events] == [7, *range(254)]
        assert ring.poll(0) == [7, *range(254)] and ring.lost == 46


def test_a_simulated_ring_has_room_again_when_its_records_are_read() -> None:
    with RingBuffer(c_uint64, 4096) as ring:

        def program(skb: Any) -> int:
            return ring.output(skb.len)

        for turn in range(1, 4):
            results = [sim.run(program, PACKET).retval for _ in range(260)]
            assert results == [0] * 255 + [0xFFFFFFF5] * 5
            assert ring.lost == 5 * turn
            assert ring.poll(0) == [50] * 255


def test_records_come_in_the_order_of_reservation(both: Callable[..., Any]) -> None:
    with RingBuffer(Pair, 4096) as ring:

        def program(skb: Any) -> int:
            a, b, c, d = ring.reserve(), ring.reserve(), ring.reserve(), ring.reserve()
            if a is None or b is None or c is None or d is None:
                return 1
            d.a = 4
            ring.submit(d)
            ring.output((5, 5))
            ring.discard(b)
            a.a = 1
            ring.submit(a)
            return 0  # c is forgotten

        simulated = both(program)
        assert [event.record.a for event in simulated.events] == [1, 4, 5] == [pair.a for pair in ring.poll(0)]
        sim.run(program, PACKET)
        assert [pair.a for pair in ring.poll(0)] == [1, 4, 5]
        with pytest.raises(Py2BpfError, match="not any more"):
            sim.run(lambda skb: [ring.discard(each) for each in [ring.reserve()] * 2], PACKET)


def test_programs_ask_how_much_waits_and_was_lost(both: Callable[..., Any]) -> None:
    with RingBuffer(c_uint64, 4096) as ring, HashMap(c_uint32, c_uint32, 1) as m, ArrayMap(c_uint64, 4) as out:
        m[0] = 0

        def program(skb: Any) -> int:
            out[0] = ring.waiting
            ring.output(1)
            out[1] = ring.waiting
            out[2] = ring.lost
            out[3] = m.lost
            return 0

        both(program, maps=(out,))
        assert list(out.values()) == [0, 16, 0, 0] and ring.waiting == 16
