"""Traffic control: functions that decide about the packets of a network device. See tc(8), tc-bpf(8).

    def drop_ipv4(skb):
        return skb.protocol == socket.htons(ETH_P_IP)

    filter = py2bpf.tc.IngressFilter(drop_ipv4)
    filter.install('eth0')
    filter.close()
    ...
    py2bpf.tc.clear_ingress_filter('eth0')

What is installed outlives the process. On kernels since 6.6 it is a tcx program, attached to the device by
BPF_PROG_ATTACH: that needs no file in bpffs that would keep a link alive (and would stay behind when the device
or its namespace goes), nor another package, and other programs keep their places. Older kernels get a filter on the
clsact qdisc, through pyroute2. Ours are known by their names, which begin with ``py2bpf_``: nothing else is removed.
"""

from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, Literal, NamedTuple

from .exception import KernelError, NotSupported
from .kernel import clsact
from .kernel.links import Resources, prog_by_id, prog_info, tcx_attach, tcx_detach, tcx_query
from .kernel.netdev import device_name, ifindex
from .prog import create_prog
from .uapi.contexts import SK_BUFF
from .uapi.prog_types import HOOKS, AttachType, ProgType
from .uapi.tc import (
    CLSACT_EGRESS,
    CLSACT_INGRESS,
    TC_ACT_OK,
    TC_ACT_PIPE,
    TC_ACT_QUEUED,
    TC_ACT_RECLASSIFY,
    TC_ACT_REDIRECT,
    TC_ACT_REPEAT,
    TC_ACT_SHOT,
    TC_ACT_STOLEN,
    TC_ACT_TRAP,
    TC_ACT_UNSPEC,
)

__all__ = [
    "TC_ACT_OK",
    "TC_ACT_PIPE",
    "TC_ACT_QUEUED",
    "TC_ACT_RECLASSIFY",
    "TC_ACT_REDIRECT",
    "TC_ACT_REPEAT",
    "TC_ACT_SHOT",
    "TC_ACT_STOLEN",
    "TC_ACT_TRAP",
    "TC_ACT_UNSPEC",
    "EgressFilter",
    "EgressProgram",
    "IngressFilter",
    "IngressProgram",
    "SkBuffContext",
    "clear_egress_filter",
    "clear_ingress_filter",
]

SkBuffContext: Final = SK_BUFF
"""The type of a filter's argument, see struct __sk_buff."""

Mechanism = Literal["tcx", "clsact"]

_PREFIX: Final = "py2bpf_"
_NAME_LENGTH: Final = 100
"""Enough for people; of a program's name the kernel keeps 15 bytes, of a clsact filter's 256."""


class _Side(NamedTuple):
    """Arriving or leaving packets, in the terms of both mechanisms."""

    tcx: AttachType
    parent: int


_INGRESS: Final = _Side(AttachType.TCX_INGRESS, CLSACT_INGRESS)
_EGRESS: Final = _Side(AttachType.TCX_EGRESS, CLSACT_EGRESS)


class _Program(Resources):
    """A compiled and loaded classifier. ``prog`` is the program."""

    _side: _Side
    _undecided = TC_ACT_OK

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._name = _program_name(fn)
        self._places: dict[int, Mechanism] = {}
        hook = dataclasses.replace(HOOKS[ProgType.SCHED_CLS], neutral=self._undecided, safe=self._undecided)
        verdict = self._verdict(fn)
        with ExitStack() as stack:
            prog = create_prog(ProgType.SCHED_CLS, SkBuffContext, verdict, name=self._name, hook=hook)
            self.prog = stack.enter_context(prog)
            self._id = -1 if self.prog.in_vm else prog_info(self.prog.fd).id
            super().__init__(stack.pop_all())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.prog!r}>"

    def _verdict(self, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return fn

    def install(self, dev: str | int | None = None, *, mechanism: Mechanism | None = None) -> None:
        """Decides about the packets of ``dev`` from now on, behind what is installed there already.

        ``dev`` is a device's name or number, None the default route's. ``mechanism`` forces tcx or the clsact qdisc.
        It stays until remove() or the module's clear functions, also after close() and the end of the process.
        Raises KernelError (EEXIST when it is installed there already), DataTypeError for what names no device,
        ClosedError, NotSupported, ImportError without pyroute2 where that is needed, NotInVm in the embedded VM.
        """
        self.prog.need_kernel("install it on a device")
        fd, index = self.prog.fd, ifindex(dev)
        how = mechanism or _mechanism(index)
        if how == "tcx":
            _need_tcx(index)
        if self._is_on(index, how):
            raise KernelError(errno.EEXIST, f"{self._name} is installed on device {device_name(index)} already: "
                              "remove() it first, or make another object of the function")
        if how == "tcx":
            tcx_attach(index, self._side.tcx, fd)
        else:
            clsact.add(index, self._side.parent, fd, self._name, self._id)
        self._places[index] = how

    def _is_on(self, index: int, how: Mechanism) -> bool:
        if any(entry.prog_id == self._id for entry in tcx_query(index, self._side.tcx) or ()):
            return True
        if "clsact" not in (how, self._places.get(index)):
            return False  # nothing to load pyroute2 for
        return any(found.prog_id == self._id for found in clsact.filters(index, self._side.parent))

    def remove(self, dev: str | int | None = None) -> bool:
        """Takes this program, and no other, off the device; False when it isn't there. Works after close() too.

        Without ``dev``: off every device that this object was installed on (of the caller's network namespace, as far
        as they still exist); False when it is on none of them. Raises KernelError.
        """
        if dev is not None:
            return self._take_off(ifindex(dev))
        return sum([self._take_off(index) for index in list(self._places)]) > 0

    def _take_off(self, index: int) -> bool:
        try:
            removed = _remove(index, self._side, lambda number, _name: number == self._id) > 0
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return False  # the device went, and the program with it
        if removed:
            self._places.pop(index, None)
        return removed


class _Filter(_Program):
    """A program made of a yes-or-no function: ``action`` for packets that match, others go on to further filters."""

    _undecided = TC_ACT_UNSPEC

    def __init__(self, fn: Callable[[Any], Any], action: int = TC_ACT_SHOT) -> None:
        self.action = int(action)
        super().__init__(fn)

    def _verdict(self, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        action, go_on = self.action, TC_ACT_UNSPEC

        def verdict(skb: Any) -> int:
            return action if fn(skb) else go_on

        return verdict


class IngressFilter(_Filter):
    """Arriving packets that ``fn`` returns nonzero for meet ``action`` (by default they are dropped)."""

    _side = _INGRESS


class EgressFilter(_Filter):
    """Leaving packets that ``fn`` returns nonzero for meet ``action`` (by default they are dropped)."""

    _side = _EGRESS


class IngressProgram(_Program):
    """``fn`` returns what shall become of each arriving packet: TC_ACT_OK, TC_ACT_SHOT ..."""

    _side = _INGRESS


class EgressProgram(_Program):
    """``fn`` returns what shall become of each leaving packet: TC_ACT_OK, TC_ACT_SHOT ..."""

    _side = _EGRESS


def clear_ingress_filter(dev: str | int | None = None) -> int:
    """Removes all of py2bpf's filters and programs for arriving packets from a device, whoever installed them.

    Nobody else's are touched, nor the qdisc. Returns how many there were. Raises KernelError.
    """
    return _remove(ifindex(dev), _INGRESS, lambda _number, name: name.startswith(_PREFIX))


def clear_egress_filter(dev: str | int | None = None) -> int:
    """As clear_ingress_filter, for leaving packets."""
    return _remove(ifindex(dev), _EGRESS, lambda _number, name: name.startswith(_PREFIX))


def _program_name(fn: Callable[[Any], Any]) -> str:
    own = re.sub(r"\W", "", getattr(fn, "__name__", type(fn).__name__), flags=re.ASCII)
    return (_PREFIX + own)[:_NAME_LENGTH]


def _mechanism(index: int) -> Mechanism:
    return "clsact" if tcx_query(index, AttachType.TCX_INGRESS) is None else "tcx"


def _need_tcx(index: int) -> None:
    if _mechanism(index) != "tcx":
        raise NotSupported(errno.EOPNOTSUPP, "tcx programs", "6.6")


def _remove(index: int, side: _Side, wanted: Callable[[int, str], bool]) -> int:
    """Removes by both mechanisms: an older process, or mechanism=, may have used the other."""
    return _remove_tcx(index, side, wanted) + _remove_clsact(index, side, wanted)


def _remove_tcx(index: int, side: _Side, wanted: Callable[[int, str], bool]) -> int:
    removed = 0
    for entry in tcx_query(index, side.tcx) or ():
        program = prog_by_id(entry.prog_id) if not entry.link_id else None
        if program is not None:
            with program:
                removed += wanted(entry.prog_id, prog_info(program.fd).name) and tcx_detach(index, side.tcx, program.fd)
    return removed


def _remove_clsact(index: int, side: _Side, wanted: Callable[[int, str], bool]) -> int:
    try:
        found = clsact.filters(index, side.parent)
    except ImportError:
        if tcx_query(index, side.tcx) is None:
            raise
        return 0  # without pyroute2 and with tcx nothing of ours can have been installed this way
    return sum(clsact.remove(index, side.parent, each) for each in found if wanted(each.prog_id, each.name))
