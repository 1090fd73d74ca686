"""Shows who connects to where: connect(2) to IPv4, IPv6 and Unix addresses.

RESULT is 0, or what the call failed with: "Operation now in progress" is normal for sockets that don't block.
ADDRESS ends in ... where there was more of it, and in JSON such an object has "cut": ["address"].

In a PID namespace --pid and PID are its numbers, 0 for processes outside. Calls of 32-bit programs are not seen.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import ExitStack
from ctypes import c_int32, c_uint8, c_uint32
from typing import Any

from py2bpf import funcs, kprobe, tracepoint
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.util import ensure_resources

ADDRESS_SIZE = 110
"""The size of sockaddr_un, the largest address that is shown."""


class Connect(tasks.Task):
    _fields_ = (("result", c_int32), ("size", c_uint32), ("address", c_uint8 * ADDRESS_SIZE))


def watch(stack: ExitStack, queue: BpfQueue, who: Tasks, use_kprobe: bool) -> None:
    """Attaches to both ends of the system call."""
    pending = stack.enter_context(LruHashMap(c_uint32, Connect, 10240))

    def begin(address: int, size: int) -> None:
        if who.ignores() or size < 2:
            return
        connect = Connect(size=size)
        who.fill(connect)
        funcs.probe_read_user(connect.address, min(size, ADDRESS_SIZE), address)
        pending[tasks.thread_id()] = connect

    def end(context: Any, result: int) -> None:
        connect = pending[tasks.thread_id()]
        if connect:
            connect.result = result
            queue.output(context, connect)
            del pending[tasks.thread_id()]

    on_enter: kprobe.Probe | tracepoint.Probe
    on_exit: kprobe.Probe | tracepoint.Probe
    if use_kprobe:
        on_enter = kprobe.probe("sys_connect")(lambda regs: begin(regs.args[1], regs.args[2] & 0xFFFFFFFF))
        on_exit = kprobe.probe("sys_connect", exit_probe=True)(lambda regs: end(regs, regs.ret))
    else:
        on_enter = tracepoint.probe("syscalls:sys_enter_connect")(lambda event: begin(event.uservaddr, event.addrlen))
        on_exit = tracepoint.probe("syscalls:sys_exit_connect")(lambda event: end(event, event.ret))
    stack.enter_context(on_enter())
    stack.enter_context(on_exit())


def parse(data: bytes) -> tuple[str, str]:
    """A sockaddr as its family and its address in text."""
    (family,) = struct.unpack_from("=H", data)
    if family == socket.AF_INET and len(data) >= 8:
        port, address = struct.unpack_from("!H4s", data, 2)
        return "ipv4", f"{ipaddress.IPv4Address(address)}:{port}"
    if family == socket.AF_INET6 and len(data) >= 24:
        port, address = struct.unpack_from("!H4x16s", data, 2)
        return "ipv6", f"[{ipaddress.IPv6Address(address)}]:{port}"
    if family == socket.AF_UNIX:
        path = data[2:]
        return "unix", common.text(b"@" + path[1:] if path.startswith(b"\0") else path.partition(b"\0")[0])
    return str(family), data[2:].hex()


COLUMNS = {"pid": -8, "comm": 16, "result": -26, "family": 6, "address": 0}


def row(connect: Connect, wanted: str | None) -> dict[str, Any] | None:
    family, address = parse(bytes(connect.address[: connect.size]))
    if wanted not in (None, family):
        return None
    is_cut = connect.size > ADDRESS_SIZE and family not in ("ipv4", "ipv6")
    return {
        "pid": connect.pid, "comm": common.text(connect.comm), "result": common.error_name(connect.result),
        "family": family, "address": common.Cut(address) if is_cut else address,
    }  # fmt: skip


def main() -> None:
    parser = common.event_parser("connect_watcher", __doc__)
    parser.add_argument("--kprobe", action="store_true", help="use kernel probes instead of tracepoints")
    parser.add_argument("-f", "--family", choices=("ipv4", "ipv6", "unix"), help="only addresses of this kind")
    options = parser.parse_args()
    if not options.kprobe:
        ensure_resources()
    with ExitStack() as stack, BpfQueue(Connect, num_pages=64) as queue:
        watch(stack, queue, Tasks(options.pid), options.kprobe)
        common.show_events(
            queue, options, "Watching connects.", COLUMNS, lambda connect: row(connect, options.family)
        )


if __name__ == "__main__":
    endings.run(main)
