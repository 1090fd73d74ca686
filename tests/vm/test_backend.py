"""Choosing the VM: blocks, decorators, the environment; what then works, and what is refused. None of it needs root."""

from __future__ import annotations

import ctypes
import gc
import os
import struct
import subprocess
import sys
import threading
from ctypes import Structure, c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest
from forked import in_child

from py2bpf import funcs, kprobe, tc, vm, xdp
from py2bpf.datastructures import ArrayMap, BpfQueue, HashMap, LpmTrieMap, PerCpuArrayMap, ProgArray, create_map
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, KernelError, NotInVm, NotSupported, Py2BpfError
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext, SocketFilter
from py2bpf.testing import packets

PACKET = packets.ethernet(bytes(50), packets.ETH_P_IP)
SEEN = 50
"""Bytes of it that a socket filter sees: without the Ethernet header."""
ROOT = Path(__file__).resolve().parents[2]


def accept(skb: Any) -> Any:
    return skb.len


def program(fn: Any) -> Any:
    return create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)


def test_blocks_nest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PY2BPF_BACKEND", raising=False)
    assert vm.current() == "kernel"
    with vm.backend() as outer:
        assert vm.current() == "vm"
        with vm.backend("kernel"), outer:
            assert vm.current() == "vm"
        assert vm.current() == "vm"
    with pytest.raises(ZeroDivisionError), vm.backend():
        1 / 0
    assert vm.current() == "kernel"


def test_functions_are_decorated() -> None:
    @vm.backend()
    def count(down: int) -> list[str]:
        return [vm.current(), *(count(down - 1) if down else [])]

    before = vm.current()
    assert count(2) == ["vm"] * 3 and vm.current() == before


def test_a_block_holds_for_its_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY2BPF_BACKEND", "kernel")
    seen: list[str] = []
    with vm.backend():
        thread = threading.Thread(target=lambda: seen.append(vm.current()))
        thread.start()
        thread.join()
    assert seen == ["kernel"]


@pytest.mark.parametrize(("value", "wanted"), [("vm", "vm"), ("kernel", "kernel"), ("", "kernel")])
def test_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, wanted: str) -> None:
    monkeypatch.setenv("PY2BPF_BACKEND", value)
    assert vm.current() == wanted


def test_other_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Py2BpfError, match="the backend is 'kernel' or 'vm', not 'qemu'"):
        vm.backend("qemu")  # type: ignore[arg-type]
    monkeypatch.setenv("PY2BPF_BACKEND", "VM")
    with pytest.raises(Py2BpfError, match="PY2BPF_BACKEND is 'kernel' or 'vm', not 'VM'"):
        create_map(c_uint32, c_uint32, 1)


def test_cpus() -> None:
    def where(skb: Any) -> Any:
        counts[0] += 1
        return funcs.get_smp_processor_id()

    with vm.backend(), PerCpuArrayMap(c_uint64, 1) as counts, program(where) as prog:
        cpus = len(counts[0])
        last = cpus - 1
        with vm.backend(cpu=last):
            assert prog.test_run(PACKET).retval == last
        assert prog.test_run(PACKET).retval == 0
        assert vm.set_cpu(last) == 0 and prog.test_run(PACKET).retval == last and vm.set_cpu(0) == last
        assert sum(counts[0]) == 3 and counts[0][last] >= 2
        with pytest.raises(DataRangeError, match=f"the CPUs 0 to {last}, not {cpus}"):
            vm.set_cpu(cpus)
        with pytest.raises(DataTypeError), vm.backend(cpu="0"):  # type: ignore[arg-type]
            pass


def test_maps_and_programs_work_together() -> None:
    class Event(Structure):
        _fields_ = [("length", c_uint32), ("number", c_uint32)]

    def count(skb: Any) -> Any:
        lengths[skb.len] += 1
        routes_hit[0] = routes[0x0100000A]
        event = Event(skb.len, lengths[skb.len])
        queue.output(skb, event)
        return 1 // (skb.len - 56)

    with vm.backend(), HashMap(c_uint32, c_uint64, 8) as lengths, ArrayMap(c_uint32, 1) as routes_hit, \
            LpmTrieMap(c_uint32, c_uint32, 8) as routes, BpfQueue(Event) as queue:  # fmt: skip
        routes["10.0.0.0/8"] = 7
        prog = program(count)
        for size in (64, 64, 70):
            prog.test_run(bytes(size))
        assert dict(lengths) == {50: 2, 56: 1} and routes_hit[0] == 7
        assert [(event.length, event.number) for event in queue.poll(0)] == [(50, 1), (50, 2), (56, 1)]
        assert queue.lost == 0 and sum(prog.errors.values()) == 1
        assert "in the VM" in repr(prog) and "in the VM" in repr(lengths) and "in the VM" in repr(queue)
        prog.close()
        with pytest.raises(ClosedError):
            prog.test_run(PACKET)


def test_a_program_keeps_its_maps() -> None:
    def count(skb: Any) -> Any:
        counts[0] += 1
        return counts[0]

    with vm.backend():
        counts = ArrayMap(c_uint32, 1)
        prog = program(count)
    counts.close()
    gc.collect()
    assert [prog.test_run(PACKET).retval for _ in range(3)] == [1, 2, 3]


def test_tail_calls() -> None:
    def target(skb: Any) -> Any:
        return 42

    def caller(skb: Any) -> Any:
        funcs.tail_call(skb, table, 1)
        return 7

    with vm.backend(), ProgArray(4) as table, program(target) as prog, program(caller) as start:
        assert start.test_run(PACKET).retval == 7 and 1 not in table
        table[1] = prog
        assert start.test_run(PACKET).retval == 42 and table[1] == prog.info.id and list(table) == [1]
        for wrong in ("x", 5, None):
            with pytest.raises(DataTypeError, match="program"):
                table[2] = wrong
        with create_prog(ProgType.XDP, xdp_context(), target) as other:
            with pytest.raises(KernelError, match="all of the same type"):
                table[2] = other
        del table[1]
        assert start.test_run(PACKET).retval == 7
        prog.close()
        with pytest.raises(ClosedError):
            table[1] = prog


def xdp_context() -> type[Structure]:
    class XdpMd(Structure):
        _fields_ = [("data", c_uint32), ("data_end", c_uint32), ("data_meta", c_uint32), ("ingress_ifindex", c_uint32),
                    ("rx_queue_index", c_uint32), ("egress_ifindex", c_uint32)]

    return XdpMd


def test_there_are_no_descriptors() -> None:
    with vm.backend(), create_map(c_uint32, c_uint32, 4, name="flows") as m, BpfQueue(c_uint32) as queue, \
            program(accept) as prog:  # fmt: skip
        with pytest.raises(NotInVm, match="the hash map 'flows' lives in the embedded VM and has no file descriptor"):
            m.fd
        for use in (lambda: queue.fd, lambda: prog.fd, prog.fileno, lambda: prog.pin("/sys/fs/bpf/x")):
            with pytest.raises(NotSupported, match="embedded VM"):
                use()
    with pytest.raises(ClosedError):
        m.fd
    with pytest.raises(ClosedError):
        m[1]


def test_nothing_is_attached() -> None:
    with vm.backend():
        with SocketFilter(accept) as filter:
            assert filter.prog.test_run(PACKET).retval == SEEN
            with pytest.raises(NotInVm, match=r"can't attach it to a socket.*attaches to nothing.*test_run"):
                filter.attach(0)
        with tc.IngressFilter(accept) as ingress:
            assert ingress.prog.test_run(PACKET).retval == tc.TC_ACT_SHOT
            with pytest.raises(NotInVm, match=r"can't install it on a device.*attaches to nothing"):
                ingress.install("lo")
            assert not ingress.remove()
        with xdp.XdpProgram(lambda ctx: xdp.XDP_DROP) as device:
            assert device.prog.test_run(PACKET).retval == xdp.XDP_DROP
            with pytest.raises(NotInVm, match=r"can't attach it to a device.*attaches to nothing"):
                device.attach("lo")
            assert not device.detach()


def test_probes_run_on_a_made_up_context() -> None:
    @kprobe.probe("do_nanosleep")
    def first_argument(pt_regs: Any) -> Any:
        seen[0] = pt_regs.args[0]
        return 0

    with vm.backend(), ArrayMap(c_uint64, 1) as seen:
        with pytest.raises(NotInVm, match=r"can't attach first_argument.*first_argument\.load\(\)\.test_run"):
            first_argument()
        with first_argument.load() as prog:
            prog.test_run(ctx=struct.pack("=21Q", *range(100, 121)))
        assert seen[0] in range(100, 121)


@pytest.mark.kernel
def test_worlds_do_not_mix() -> None:
    def count(skb: Any) -> Any:
        m[0] += 1
        return 0

    with vm.backend("kernel"), ArrayMap(c_uint32, 1, name="here") as m, vm.backend():
        with pytest.raises(NotInVm, match=r"count runs in the embedded VM, and its map <ArrayMap 'here'.*the kernel"):
            program(count)
    with vm.backend(), ArrayMap(c_uint32, 1, name="there") as m, vm.backend("kernel"):
        with pytest.raises(NotInVm, match=r"count is loaded into the kernel, and its map <ArrayMap 'there'.*the VM"):
            program(count)
    with vm.backend(), ProgArray(1) as table, vm.backend("kernel"), program(accept) as prog:
        with pytest.raises(NotInVm, match=r"and <Prog accept .* in the kernel"):
            table[0] = prog
    with vm.backend("kernel"), ProgArray(1) as table, vm.backend(), program(accept) as prog:
        with pytest.raises(NotInVm, match="accept lives in the embedded VM"):
            table[0] = prog


@pytest.mark.unsanitized("measures memory")
def test_maps_are_given_back() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    value = c_uint64 * 131072  # a megabyte

    def fill() -> None:
        with vm.backend():
            m = ArrayMap(value, 16)
        for i in range(16):
            m[i] = [i] * 131072

    fill()
    before = resident()
    for _ in range(4):
        fill()
    assert resident() < before + (32 << 20)


def test_large_maps_cost_what_is_used() -> None:
    with vm.backend(), create_map(c_uint32, c_uint64 * 64, 10_000_000) as m:
        m[5] = (1,) * 64
        assert m[5][63] == 1 and len(m) == 1


@pytest.mark.unsanitized("forks beside threads")
def test_a_forked_child_has_its_own_copy() -> None:
    def child() -> None:
        m[0] += 1
        assert m[0] == 2 and prog.test_run(PACKET).retval == SEEN

    with vm.backend(), ArrayMap(c_uint32, 1) as m, program(accept) as prog:
        m[0] = 1
        stop = threading.Event()

        def keep_running() -> None:
            while not stop.is_set():
                prog.test_run(PACKET, repeat=2000)

        thread = threading.Thread(target=keep_running)
        thread.start()
        try:
            for _ in range(10):  # while another thread has the machine
                in_child(child)
        finally:
            stop.set()
            thread.join()
        assert m[0] == 1


UNPRIVILEGED = """
import ctypes, os, threading
import py2bpf
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

assert os.getuid() == 65534 and not py2bpf.vm.current() == "kernel"
sizes = py2bpf.datastructures.create_map(ctypes.c_uint32, ctypes.c_uint64, 16)
queue = py2bpf.datastructures.BpfQueue(ctypes.c_uint32)

def count(skb):
    sizes[skb.len] += 1
    queue.output(skb, ctypes.c_uint32(skb.len))
    return 0

prog = create_prog(ProgType.SOCKET_FILTER, SkBuffContext, count)
def produce():
    for size in (60, 61, 60):
        prog.test_run(bytes(size))
threading.Timer(0.1, produce).start()
got = []
for size in queue:
    got.append(size)
    if len(got) == 3:
        break
print(got, dict(sizes), queue.lost)
"""


def test_without_privileges(tmp_path: Path) -> None:
    """As the user nobody, who may do nothing with BPF."""
    script = tmp_path / "unprivileged.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{UNPRIVILEGED}")
    code = script.read_text()
    env = {**os.environ, "PY2BPF_BACKEND": "vm", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-"]
    if os.getuid() == 0:  # the interpreter may lie where only root can read: that one capability stays
        command[:0] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                       "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    else:
        code = code.replace("65534", str(os.getuid()))
    done = subprocess.run(command, input=code, cwd="/", env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[46, 47, 46] {46: 2, 47: 1} 0\n", "")


def test_values_are_converted_as_in_the_kernel() -> None:
    with vm.backend(), create_map(ctypes.c_char * 8, c_uint32, 4) as m:
        m["eth0"] = 1
        with pytest.raises(DataRangeError):
            m["eth0"] = -1
        assert dict(m) == {b"eth0": 1}
