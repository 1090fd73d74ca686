"""Filters on the clsact qdisc, for kernels without tcx (before Linux 6.6): through pyroute2, an optional package.

Others' filters and the qdisc itself, which others may use, are never removed. See tc-bpf(8).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from ..exception import KernelError
from ..uapi.tc import CLSACT_HANDLE, CLSACT_PARENT
from . import core

PRIORITIES: Final = range(0xB900, 0xBA00)
"""The preferences of our filters, the kernel's order: one each, since among equals it would ask the newest first."""

_ETH_P_ALL: Final = 0x0003


class Filter(NamedTuple):
    """A filter of ours: its preference and handle, its name, the id of its program.

    pyroute2 doesn't tell a filter's program, so the kernel is given ``name#id`` as the filter's name.
    """

    priority: int
    handle: int
    name: str
    prog_id: int


def _route() -> Any:
    try:
        from pyroute2 import IPRoute
    except ImportError:
        raise ImportError(
            "filters on the clsact qdisc, for kernels without tcx, need pyroute2: pip install 'py2bpf[tc]'"
        ) from None
    return IPRoute()


def _netlink_error() -> type[Exception]:
    from pyroute2.netlink.exceptions import NetlinkError

    found: type[Exception] = NetlinkError
    return found


def add(ifindex: int, parent: int, prog_fd: int, name: str, prog_id: int) -> None:
    """Adds a direct-action filter behind those of ours that are there; makes the qdisc where there is none."""
    with _route() as route:
        _ensure_qdisc(route, ifindex)
        priority = _next_priority(_ours(route, ifindex, parent))
        try:
            route.tc(
                "add-filter",
                "bpf",
                ifindex,
                fd=prog_fd,
                name=f"{name}#{prog_id}",
                parent=parent,
                prio=priority,
                protocol=_ETH_P_ALL,
                classid=1,
                direct_action=True,
            )
        except _netlink_error() as error:
            raise _failure(error, f"adding a filter to device {ifindex}") from error


def _next_priority(ours: Iterable[Filter]) -> int:
    """Behind the last of ours."""
    priority = max((each.priority for each in ours), default=PRIORITIES.start - 1) + 1
    if priority not in PRIORITIES:
        raise KernelError(errno.ENOSPC, f"py2bpf's {len(PRIORITIES)} places for filters are taken: clear some of them")
    return priority


def _ensure_qdisc(route: Any, ifindex: int) -> None:
    try:
        route.tc("add", "clsact", ifindex, handle=CLSACT_HANDLE, parent=CLSACT_PARENT)
    except _netlink_error() as error:
        if error.args[0] != errno.EEXIST:
            raise _failure(error, f"adding a clsact qdisc to device {ifindex}") from error


def filters(ifindex: int, parent: int) -> list[Filter]:
    """Our filters at a place of a device."""
    with _route() as route:
        return list(_ours(route, ifindex, parent))


def _ours(route: Any, ifindex: int, parent: int) -> Iterator[Filter]:
    try:
        messages = list(route.get_filters(index=ifindex, parent=parent))
    except _netlink_error() as error:
        raise _failure(error, f"asking for the filters of device {ifindex}") from error
    for message in messages:
        options = message.get_attr("TCA_OPTIONS")
        priority = message["info"] >> 16
        if priority not in PRIORITIES or message.get_attr("TCA_KIND") != "bpf" or not message["handle"]:
            continue
        name, _, prog_id = (options.get_attr("TCA_BPF_NAME") or "").partition("#")
        if prog_id.isdecimal():
            yield Filter(priority, message["handle"], name, int(prog_id))


def remove(ifindex: int, parent: int, found: Filter) -> bool:
    """Removes one filter of ours; False when it is gone already."""
    with _route() as route:
        try:
            route.tc(
                "del-filter",
                "bpf",
                ifindex,
                found.handle,
                parent=parent,
                prio=found.priority,
                protocol=_ETH_P_ALL,
            )
        except _netlink_error() as error:
            if error.args[0] in (errno.ENOENT, errno.EINVAL, errno.ENODEV):
                return False
            raise _failure(error, f"removing a filter from device {ifindex}") from error
    return True


def _failure(error: Exception, what: str) -> KernelError:
    return core.failure(error.args[0], what)
