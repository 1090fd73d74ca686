"""Ring buffers both ways and the loss ledger on the guests' kernels, old and new."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from ctypes import Structure, c_char, c_uint32, c_uint64
from typing import Any

import pytest

import py2bpf
from py2bpf import funcs, kprobe, tracepoint
from py2bpf.datastructures import HashMap, LpmTrieMap, RingBuffer, UserRingBuffer
from py2bpf.exception import NotSupported
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.uapi.contexts import SK_BUFF

pytestmark = pytest.mark.qemu
RELEASE = tuple(int(number) for number in os.uname().release.split(".")[:2])
PACKET = bytes(64)


class Command(Structure):
    _fields_ = [("kind", c_uint32), ("amount", c_uint64), ("name", c_char * 10)]


def tc(fn: Callable[[Any], Any]) -> Prog:
    return create_prog(ProgType.SCHED_CLS, SK_BUFF, fn)


def test_records_from_python_or_why_not() -> None:
    if RELEASE < (6, 1):
        with pytest.raises(NotSupported, match=r"user ring buffer.*6\.1"):
            UserRingBuffer(Command)
        return
    with UserRingBuffer(Command, 4096) as ring, HashMap(c_uint64, c_uint64, 256) as seen:

        def drain(skb: Any) -> int:
            for i in range(16):
                command = ring.receive()
                if command is None:
                    return i
                if command.name == b"add":
                    seen[command.amount] += 1
            return 16

        with tc(drain) as program:
            for turn in range(12):
                for i in range(20):
                    ring.send((1, 20 * turn + i, b"add"), timeout=1)
                assert [program.test_run(PACKET).retval for _ in range(3)] == [16, 4, 0]
        assert dict(seen) == dict.fromkeys(range(240), 1)


def test_a_watermark_and_sizes_of_their_own() -> None:
    with RingBuffer(c_char * 64, 4096, variable=True, wakeup=1024, latency=0.05) as ring:

        def write(skb: Any) -> int:
            text = (c_char * 64)()
            text[0] = b"a"
            return ring.output(text, size=min(skb.len, 64))

        with tc(write) as program:
            results = [program.test_run(bytes(size)).retval for size in range(20, 100)]
            got = ring.poll(1)
        wanted = [b"a".ljust(min(size, 64), b"\0") for size in range(20, 100)]
        assert got == wanted[: len(got)] and ring.lost == 80 - len(got) == 80 - results.count(0) > 0


def test_what_maps_could_not_take() -> None:
    with HashMap(c_uint32, c_uint64, 3) as m, LpmTrieMap(c_uint32, c_uint64, 2) as trie:

        def insert(skb: Any) -> int:
            m[skb.len] += 1
            m.add(skb.len, 1)
            m.setdefault(skb.len, 1)
            trie[skb.len] = 1
            return 0

        with tc(insert) as program:
            for size in range(20, 30):
                program.test_run(bytes(size))
            assert [loss.count for loss in py2bpf.losses()] == [21, 8]
        assert (m.lost, trie.lost) == (21, 8)


def test_errors_of_map_helpers_are_negative() -> None:
    with HashMap(c_uint32, c_uint64, 1) as m:

        def refused(skb: Any) -> int:
            m[1] = 1
            missing = funcs.map_delete_elem(m, skb.len)
            full = funcs.map_update_elem(m, skb.len, 1, 0)
            if missing < 0 and full < 0:
                return missing * full
            return 0

        with tc(refused) as program:
            assert program.test_run(PACKET).retval == 2 * 7


def test_probes_that_were_hit_in_a_program() -> None:
    """Linux 6.7 and later count these."""
    me = os.getpid()

    @kprobe.probe("sys_close")
    def speaks(pt_regs: Any) -> int:
        if funcs.get_current_pid_tgid() >> 32 == me and pt_regs.args[0] & 0xFFFFFFFF == 999:
            funcs.trace_printk("py2bpf")
        return 0

    @tracepoint.probe("bpf_trace:bpf_trace_printk")
    def misses(event: Any) -> int:
        return 0

    with misses() as handle, speaks():
        for _ in range(13):
            with contextlib.suppress(OSError):
                os.close(999)
        lost = [loss.count for loss in py2bpf.losses(all=True) if loss.name == "misses"]
        assert sum(lost) == handle.missed == (13 if RELEASE >= (6, 7) else 0)
    assert handle.missed == sum(lost), "also when it is closed"
