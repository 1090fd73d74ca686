"""Filters on the clsact qdisc, for kernels without tcx (before Linux 6.6): pyroute2, an optional package, makes and
reads the messages, which netlink.py exchanges with the kernel in bounded time.

Filters of others are never removed, nor is the qdisc itself, which others may use. See tc-bpf(8).
"""

from __future__ import annotations

import _thread
import errno
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from ..borders import of_a_signal
from ..core.handles import Handle
from ..exception import KernelError
from ..optional import need
from ..uapi.operations import Operation
from ..uapi.tc import CLSACT_HANDLE, CLSACT_PARENT
from . import netlink

T = TypeVar("T")
PRIORITIES: Final = range(0xB900, 0xBA00)
"""The preferences of py2bpf's filters, which give their order. Each has its own, since among equal ones the kernel asks
the newest filter first."""

_ETH_P_ALL: Final = 0x0003
_RTM_NEWQDISC, _RTM_NEWTFILTER, _RTM_DELTFILTER, _RTM_GETTFILTER = 36, 44, 45, 46  # linux/rtnetlink.h
_PATIENCE: Final = 2.0
"""Seconds to wait for work that takes a millisecond."""
_DIRECT: Final = 1
"""The program's result is the decision: TCA_BPF_FLAG_ACT_DIRECT of linux/pkt_cls.h."""


class Filter(NamedTuple):
    """A filter of py2bpf: its preference and handle, its name, the id of its program.

    Before Linux 4.17 the kernel doesn't tell a filter's program, so the filter's name in the kernel is ``name#id``.
    """

    priority: int
    handle: int
    name: str
    prog_id: int


def add(ifindex: int, parent: int, prog: Handle, name: str, prog_id: int) -> None:
    """Adds a direct-action filter after py2bpf's other ones, and the qdisc if there is none. Raises KernelError, and
    ImportError without pyroute2."""
    _ensure_qdisc(ifindex)
    priority = _next_priority(filters(ifindex, parent))
    with prog.copy() as own:
        options = {"TCA_BPF_FD": own.fd, "TCA_BPF_NAME": f"{name}#{prog_id}", "TCA_BPF_FLAGS": _DIRECT}
        message = _message(ifindex, parent, 0, priority, "bpf", options)
        _ask(_RTM_NEWTFILTER, netlink.CREATE | netlink.EXCLUSIVE, message, f"adding a filter to device {ifindex}")


def _tcmsg(data: bytes | None = None) -> Any:
    """struct tcmsg with its attributes: an empty one, or one read from a message of the kernel."""
    need("pyroute2", "a filter on the clsact qdisc, for kernels without tcx,", "pyroute2.netlink.rtnl.tcmsg")
    from pyroute2.netlink.rtnl.tcmsg import tcmsg

    message = tcmsg(data)
    if data is not None:
        message.decode()
    return message


def _apart(work: Callable[[], T]) -> T:
    """Does some work of pyroute2 in a thread of its own, where no signal handlers run: pyroute2 would turn an exception
    of a handler into an error of its own, or lose it."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    found: list[T] = []
    errors: list[BaseException] = []
    ended = _thread.allocate_lock()
    ended.acquire()

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - the caller's
            errors.append(error)
        finally:
            ended.release()

    try:
        _thread.start_new_thread(run, ())  # Thread's own locks don't survive exceptions of handlers
        ran = ended.acquire(timeout=_PATIENCE)
    except RuntimeError as error:  # there is no memory for a thread, or the interpreter is about to end
        if of_a_signal(error):
            raise
        ran = False
    if not ran:  # also if the thread failed in its first steps, which nothing reports
        return work()
    if errors:
        raise errors[0]
    return found[0]


def _message(
    ifindex: int, parent: int, handle: int, priority: int = 0, kind: str = "", options: dict[str, Any] | None = None
) -> Any:
    message = _tcmsg()
    message["index"], message["parent"], message["handle"] = ifindex, parent, handle
    message["info"] = priority << 16 | (socket.htons(_ETH_P_ALL) if priority else 0)
    message["attrs"] = [("TCA_KIND", kind)] if kind else []
    if options:
        message["attrs"].append(("TCA_OPTIONS", {"attrs": list(options.items())}))
    return message


def _ask(kind: int, flags: int, message: Any, what: str) -> list[bytes]:
    _apart(message.encode)
    body = bytes(message.data)[netlink.HEADER_SIZE :]
    return netlink.ask(kind, flags, body, what, Operation.ATTACH_TO_QDISC)


def _next_priority(ours: Iterable[Filter]) -> int:
    """The preference after py2bpf's last one."""
    priority = max((each.priority for each in ours), default=PRIORITIES.start - 1) + 1
    if priority not in PRIORITIES:
        raise KernelError(errno.ENOSPC, f"py2bpf's {len(PRIORITIES)} places for filters are taken: clear some of them")
    return priority


def _ensure_qdisc(ifindex: int) -> None:
    message = _message(ifindex, CLSACT_PARENT, CLSACT_HANDLE, kind="clsact")
    try:
        _ask(_RTM_NEWQDISC, netlink.CREATE | netlink.EXCLUSIVE, message, f"adding a clsact qdisc to device {ifindex}")
    except KernelError as error:
        if error.errno != errno.EEXIST:
            raise


def filters(ifindex: int, parent: int) -> list[Filter]:
    """py2bpf's filters on one side of a device. Raises KernelError, and ImportError without pyroute2."""
    what = f"asking for the filters of device {ifindex}"
    answer = _ask(_RTM_GETTFILTER, netlink.DUMP, _message(ifindex, parent, 0), what)
    return _apart(lambda: list(_ours(answer)))


def _ours(found: Iterable[bytes]) -> Iterator[Filter]:
    for whole in found:
        message = _tcmsg(whole)
        priority, name = message["info"] >> 16, message.get_nested("TCA_OPTIONS", "TCA_BPF_NAME") or ""
        if priority not in PRIORITIES or message.get_attr("TCA_KIND") != "bpf" or not message["handle"]:
            continue
        name, _, prog_id = name.partition("#")
        if prog_id.isdecimal():
            yield Filter(priority, message["handle"], name, int(prog_id))


def remove(ifindex: int, parent: int, found: Filter) -> bool:
    """Removes one filter of py2bpf; False if it is gone already. Raises KernelError."""
    message = _message(ifindex, parent, found.handle, found.priority, "bpf")
    try:
        _ask(_RTM_DELTFILTER, 0, message, f"removing a filter from device {ifindex}")
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL, errno.ENODEV):
            return False
        raise
    return True
