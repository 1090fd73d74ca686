"""Programs over captures, in the embedded VM: held against CPython running the same functions."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import time
from collections import Counter
from ctypes import Structure, c_uint8, c_uint16, c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest
from test_pcap import pcap

from py2bpf import asm, cli, funcs, report, sim, vm
from py2bpf.datastructures import BpfQueue, HashMap
from py2bpf.exception import ClosedError, DataTypeError, VmFault
from py2bpf.pcap import Capture, CaptureError
from py2bpf.prog import Prog, create_prog
from py2bpf.replay import replay
from py2bpf.spec import ProgramSpec
from py2bpf.testing import packets
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm.machine import machine
from py2bpf.vm.vm_program import load as vm_load

ROOT = Path(__file__).resolve().parents[1]
FRAMES = [
    *(packets.udp(dport=port, payload=bytes(port)) for port in (53, 53, 80, 5)),
    *(packets.tcp("::1", "::2", dport=port) for port in (443, 53)),
    packets.ethernet(b"\x01" * 30, 0x806),
    bytes(14),
    b"tiny",
]


def capture(path: Path, frames: list[bytes] = FRAMES, seconds: int = 0) -> Path:
    file = path / "test.pcap"
    records = [struct.pack("<IIII", seconds + i, 5, len(f), len(f)) + f for i, f in enumerate(frames)]
    file.write_bytes(pcap(frames=[]) + b"".join(records))
    return file


TYPES = [("socket_filter", ProgType.SOCKET_FILTER, SK_BUFF), ("tc", ProgType.SCHED_CLS, SK_BUFF),
         ("xdp", ProgType.XDP, XDP_MD)]  # fmt: skip


@pytest.mark.parametrize(("hook", "kind", "context"), TYPES)
def test_it_does_what_cpython_does(tmp_path: Path, hook: str, kind: ProgType, context: Any) -> None:
    class Event(Structure):
        _fields_ = [("size", c_uint32), ("first", c_uint8 * 4)]

    def program(ctx: Any) -> int:
        size = ctx.len if hook != "xdp" else ctx.data_end - ctx.data
        sizes[size] += 1
        if size % 2:
            event = Event(size)
            queue.output(ctx, event)
        return 100 // (size - 28) if hook == "socket_filter" else size % 3

    frames = [frame.ljust(14, b"\0") for frame in FRAMES]
    with vm.backend(), HashMap(c_uint32, c_uint64, 64) as sizes, BpfQueue(Event) as queue:
        runner = sim.Runner(program, hook=hook)
        expected = [runner(frame) for frame in frames]
        found, events = dict(sizes), [each.size for each in queue.poll(0)]
        sizes.clear()
        with create_prog(kind, context, program) as prog, Capture(capture(tmp_path)) as file:
            done = replay(prog, file, [("queue", queue)])
            assert done.problem is None
            assert done.results == Counter(run.retval for run in expected)
            assert (done.packets, done.bytes) == (len(FRAMES), sum(map(len, FRAMES)))
            assert dict(sizes) == found
            assert [each.size for each in done.events["queue"]] == events
            assert prog.errors == sum((Counter(run.errors) for run in expected), Counter())


def test_clocks_show_the_packets_times(tmp_path: Path) -> None:
    with vm.backend(), HashMap(c_uint64, c_uint32, 64) as times:

        def program(skb: Any) -> int:
            times[funcs.ktime_get_ns()] += 1
            return 0

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, program) as prog:
            with Capture(capture(tmp_path, FRAMES[:3], 1_700_000_000)) as file:
                replay(prog, file)
        assert set(times) == {(1_700_000_000 + i) * 10**9 + 5000 for i in range(3)}


def test_what_was_done_before_the_damage_stays(tmp_path: Path) -> None:
    file = capture(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with vm.backend(), create_prog(ProgType.XDP, XDP_MD, lambda ctx: 1) as prog, Capture(file) as truncated:
        done = replay(prog, truncated)
    assert isinstance(done.problem, CaptureError)
    assert done.verdicts == [("DROP", len(FRAMES) - 1)]


def test_packets_beyond_the_vms_are_cut(tmp_path: Path) -> None:
    with vm.backend(), create_prog(ProgType.SCHED_CLS, SK_BUFF, lambda skb: skb.len) as prog:
        with Capture(capture(tmp_path, [bytes(70000), bytes(20)])) as file:
            assert replay(prog, file).results == {65535: 1, 20: 1}


@pytest.mark.kernel
def test_a_program_of_the_kernel_is_refused(tmp_path: Path) -> None:
    with create_prog(ProgType.XDP, XDP_MD, lambda ctx: 1) as prog, Capture(capture(tmp_path)) as file:
        with pytest.raises(DataTypeError, match=r"no program of the embedded VM"):
            replay(prog, file)


COUNT = """
from ctypes import Structure, c_char, c_uint16, c_uint64
from py2bpf.datastructures import BpfQueue, Global, HashMap, RingBuffer

class Seen(Structure):
    _fields_ = [("packets", c_uint64), ("last", c_uint16)]

protocols = HashMap(c_uint16, Seen, 16)
lengths = BpfQueue(c_uint16)
few = HashMap(c_uint16, c_uint64, 1)
ring = RingBuffer(c_uint16, 4096)
total = Global(c_uint64)

def count(skb):
    seen = protocols.setdefault(skb.protocol, Seen())
    if seen:
        seen.packets += 1
        seen.last = skb.len
    lengths.output(skb, skb.len)
    return skb.len // (skb.len - 60)

def drop_odd(ctx):
    few[ctx.data_end - ctx.data] += 1
    ring.output(ctx.data_end - ctx.data)
    total.value += 1
    return 1 + (ctx.data_end - ctx.data) % 2
"""


def run(path: Path, *args: str, uid: int = 65534) -> subprocess.CompletedProcess[str]:
    (path / "count.py").write_text(COUNT)
    path.chmod(0o755)
    drop = {"user": uid, "group": uid, "extra_groups": ()} if os.geteuid() == 0 and readable(path) else {}
    command = [sys.executable, "-m", "py2bpf", "replay", *args]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, **drop)  # type: ignore[call-overload]


def readable(path: Path) -> bool:
    """Whether everybody may look at the test's folder."""
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (path, *path.parents, ROOT, *ROOT.parents))


def test_the_command_tells_verdicts_maps_events_and_errors(tmp_path: Path) -> None:
    file = capture(tmp_path)
    ran = run(tmp_path, f"{tmp_path}/count.py:count", str(file))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"{len(FRAMES)} packets" in ran.stdout and "in the embedded VM" in ran.stdout
    assert "packets=4 last=33" in ran.stdout
    assert f"queue lengths: {len(FRAMES)} events" in ran.stdout
    assert ":20: ZeroDivisionError" in ran.stdout


def test_the_command_speaks_json(tmp_path: Path) -> None:
    ran = run(tmp_path, f"{tmp_path}/count.py:count", str(capture(tmp_path)), "--json")
    told = json.loads(ran.stdout)
    assert told["packets"] == len(FRAMES) and told["problem"] is None
    assert {"key": 8, "value": {"packets": 4, "last": 33}} in told["maps"]["protocols"]
    assert told["events"]["lengths"]["last"][:3] == [81, 81, 108]
    assert [(each["line"], each["error"]) for each in told["errors"]] == [(20, "ZeroDivisionError")]


def test_the_command_takes_other_hooks(tmp_path: Path) -> None:
    ran = run(tmp_path, f"{tmp_path}/count.py:drop_odd", str(capture(tmp_path)), "--hook", "xdp", "--json")
    told = json.loads(ran.stdout)
    odd = sum(len(frame.ljust(14)) % 2 for frame in FRAMES)
    assert told["verdicts"] == {"PASS": odd, "DROP": len(FRAMES) - odd}
    assert set(told["maps"]) == {"few", "total"}, "counters of losses are no maps of the program"
    assert told["maps"]["total"] == [{"key": "value", "value": len(FRAMES)}]
    assert told["events"]["ring"]["count"] == len(FRAMES)
    sizes = [len(frame.ljust(14)) for frame in FRAMES]
    ran = run(tmp_path, f"{tmp_path}/count.py:drop_odd", str(capture(tmp_path)), "--hook", "xdp")
    assert f"map few, {len(sizes) - sizes.count(sizes[0])} entries lost" in ran.stdout


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["{path}/count.py:count", "{path}/none.pcap"], 2, "can't read"),
        (["{path}/count.py:none", "{path}/test.pcap"], 2, "has no 'none'"),
        (["{path}/count.py:count", "{path}/count.py"], 1, "is no capture"),
        (["{path}/count.py:count", "{path}/cut.pcap"], 1, "after 8 whole packets: it was truncated"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, args: list[str], status: int, message: str) -> None:
    (tmp_path / "cut.pcap").write_bytes(capture(tmp_path).read_bytes()[:-1])
    ran = run(tmp_path, *(each.format(path=tmp_path) for each in args))
    assert ran.returncode == status
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_brief_values() -> None:
    class Address(Structure):
        _fields_ = [("ip", c_uint8 * 4), ("long", c_uint8 * 16), ("port", c_uint16)]

    address = Address((c_uint8 * 4)(10, 0, 0, 1), (c_uint8 * 16)(1), 5)
    assert report.brief(address) == "ip=0a:00:00:01 long=01:00*15 port=5"
    assert report.brief(b"text\xff") == "text\\xff"
    assert report.brief([1, 300]) == "[1, 300]"
    assert report.weight(address) == 5


def test_a_closed_program_is_refused(tmp_path: Path) -> None:
    with vm.backend(), create_prog(ProgType.XDP, XDP_MD, lambda ctx: 1) as prog, Capture(capture(tmp_path)) as file:
        prog.close()
        with pytest.raises(ClosedError):
            replay(prog, file)


def test_a_fault_ends_it(tmp_path: Path) -> None:
    """A program that no compiler made: of packets of 14 bytes it reads what lies behind."""
    code = (asm.load(4, 3, 1, 0), asm.load(1, 0, 3, 14), asm.exit_())
    spec = ProgramSpec("behind", SPECS[ProgType.XDP], code, (None,) * len(code), ())
    path = capture(tmp_path, [bytes(15), bytes(15), bytes(14)])
    with vm_load(spec, [], machine().handle) as prog, Capture(path) as file:
        done = replay(Prog(prog), file)
    assert isinstance(done.problem, VmFault)
    assert (done.packets, done.results) == (2, {0: 2})


@pytest.mark.slow
def test_half_a_million_packets_a_second(tmp_path: Path) -> None:
    from py2bpf.datastructures import LruHashMap
    from py2bpf.examples.flow_counter import Flow, Traffic, counter

    frames = [packets.tcp(f"10.0.{n % 4}.{n % 250}", dport=443, payload=bytes(n % 500)) for n in range(1000)]
    file = capture(tmp_path, frames * 300)
    with vm.backend(), LruHashMap(Flow, Traffic, 65536) as flows:
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, counter(flows)) as prog:
            best = 0.0
            for _ in range(3):
                with Capture(file) as opened:
                    begin = time.perf_counter()
                    assert replay(prog, opened).packets == 300_000
                    best = max(best, 300_000 / (time.perf_counter() - begin))
        assert sum(traffic.packets for traffic in flows.values()) == 900_000
    assert best > 500_000


def test_the_cli_knows_its_hooks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["replay", "a.py:f", "b.pcap", "--hook", "kprobe"])
    assert "socket_filter" in capsys.readouterr().err


def test_the_command_shows_globals_and_losses(tmp_path: Path) -> None:
    ran = run(tmp_path, f"{tmp_path}/count.py:drop_odd", str(capture(tmp_path)), "--hook", "xdp")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(r"map few, \d+ entries lost", ran.stdout) and f"queue ring: {len(FRAMES)} events" in ran.stdout
    assert re.search(rf"map total\s.*value\s+{len(FRAMES)}\b", ran.stdout, re.DOTALL)
