"""Traffic control: functions that decide about the packets of a network device. See tc(8), tc-bpf(8).

    def drop_ipv4(skb):
        return skb.protocol == socket.htons(ETH_P_IP)

    filter = py2bpf.tc.IngressFilter(drop_ipv4)
    filter.install('eth0')
    filter.close()
    ...
    py2bpf.tc.clear_ingress_filter('eth0')

An installed program outlives the process. On kernels since 6.6 it is a tcx program, attached to the device by
BPF_PROG_ATTACH. This needs no other package, and no link with a pin in bpffs, which would stay behind when the device
or its namespace goes; other programs keep their places. On older kernels it is a filter on the clsact qdisc, installed
through pyroute2. py2bpf's programs have names that begin with ``py2bpf_``: nothing else is removed.
"""

from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, Final

from .borders import public
from .core.handles import Handle
from .exception import DataTypeError, KernelError
from .given import INT_MAX, checked_int
from .hooks import traffic_control
from .hooks.link import Link
from .hooks.traffic_control import EGRESS, INGRESS, Mechanism, Side, Spot, to_traffic_control
from .kernel.links import Resources
from .kernel.netdev import Device, device, device_name, ifindex, names_here, namespace
from .kernel.program_info import prog_info
from .prog import create_prog
from .uapi.contexts import SK_BUFF
from .uapi.hooks import SPECS
from .uapi.prog_types import ProgType
from .uapi.tc import (
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

_NAME_LENGTH: Final = 100
"""Enough for people. The kernel keeps 15 bytes of a program's name, and 256 of a clsact filter's."""


class _Program(Resources):
    """A compiled and loaded classifier. ``prog`` is the program."""

    _side: Side
    _undecided = TC_ACT_OK

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._name = _program_name(fn)
        self._places: dict[Device, Mechanism] = {}
        self._kept: Handle | None = None
        hook = dataclasses.replace(SPECS[ProgType.SCHED_CLS], default=self._undecided, fallback=self._undecided)
        verdict = self._verdict(fn)
        with ExitStack() as stack:
            prog = create_prog(ProgType.SCHED_CLS, SkBuffContext, verdict, name=self._name, hook=hook)
            self.prog = stack.enter_context(prog)
            self._id = -1 if self.prog.in_vm else prog_info(self.prog.handle).id
            super().__init__(stack.pop_all())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.prog!r}>"

    def _verdict(self, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return fn

    def install(self, dev: str | int | None = None, *, mechanism: Mechanism | None = None) -> Link:
        """Decides about the packets of ``dev`` from now on. The program runs after the device's other tcx programs, and
        before all filters of a clsact qdisc; without tcx it runs after py2bpf's other filters. See docs/hooks.md.

        ``dev`` is a device's name or number; None is the device of the default route. ``mechanism`` forces tcx or the
        clsact qdisc. The program stays until remove() or the module's clear functions, even after close() and the end
        of the process. Gives a link, whose close() removes the program like remove(); dropping the link does nothing.
        Raises KernelError (EEXIST if the program is on the device already), DataTypeError if ``dev`` is no device,
        ClosedError, NotSupported, ImportError if pyroute2 is needed and missing, NotInVm in the embedded VM.
        """
        self.prog.need_kernel("install it on a device")
        prog, place = self.prog.handle, device(dev)
        spot = Spot(place, self._side, mechanism or traffic_control.mechanism(place.number))
        if spot.how == "tcx":
            traffic_control.need_tcx(place.number)
        name = device_name(place.number)
        if traffic_control.is_on(spot, self._id, self._places.get(place)):
            raise KernelError(errno.EEXIST, f"{self._name} is installed on device {name} already: "
                              "remove() it first, or make another object of the function")
        if self._kept is None:
            self._kept = traffic_control.known[self._id] = prog.copy()
        link = Link(self.prog, f"device {name}")
        try:
            to_traffic_control(link, spot, self._name, self._id, self._kept)
            self._places[place] = spot.how
        except BaseException:  # also a signal handler's, right after the system call
            with suppress(KernelError):
                self._take_off(place)
            spot.let_go(self._id)
            raise
        return link

    def remove(self, dev: str | int | None = None) -> bool:
        """Removes this program, and no other, from the device; False if it isn't there. Works after close() too.

        Without ``dev``, removes it from all devices on which this object installed it, if they still exist and are in
        the caller's network namespace; False if it was on none of them. Raises KernelError.
        """
        if dev is not None:
            return self._take_off(device(dev))
        here = namespace()
        return sum([self._take_off(place) for place in list(self._places) if place.namespace == here]) > 0

    @property
    def devices(self) -> list[str]:
        """The devices on which this object installed the program and where it still is: those of the caller's network
        namespace, by their present names."""
        return names_here(self._places, self._is_still_on)

    def _is_still_on(self, place: Device) -> bool:
        """Whether the program is still on a device. A device that is gone has no programs."""
        try:
            return traffic_control.is_on(Spot(place, self._side, self._places[place]), self._id)
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return False

    def _take_off(self, place: Device) -> bool:
        removed = traffic_control.take_off(place.number, self._side, self._id)
        self._places.pop(place, None)
        return removed


class _Filter(_Program):
    """A program made of a yes-or-no function. Matching packets get ``action``; for others the next filter decides."""

    _undecided = TC_ACT_UNSPEC

    def __init__(self, fn: Callable[[Any], Any], action: int = TC_ACT_SHOT) -> None:
        if isinstance(action, bool) or not isinstance(action, int):
            raise DataTypeError(f"action is a result of tc, such as tc.TC_ACT_SHOT, not {action!r}")
        self.action = checked_int(action, -INT_MAX - 1, INT_MAX, "action")
        super().__init__(fn)

    def _verdict(self, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        action, go_on = self.action, TC_ACT_UNSPEC

        def verdict(skb: Any) -> int:
            return action if fn(skb) else go_on

        return verdict


class IngressFilter(_Filter):
    """Arriving packets for which ``fn`` returns a nonzero number get ``action`` (by default they are dropped)."""

    _side = INGRESS


class EgressFilter(_Filter):
    """Leaving packets for which ``fn`` returns a nonzero number get ``action`` (by default they are dropped)."""

    _side = EGRESS


class IngressProgram(_Program):
    """``fn`` returns what happens to each arriving packet: TC_ACT_OK, TC_ACT_SHOT ..."""

    _side = INGRESS


class EgressProgram(_Program):
    """``fn`` returns what happens to each leaving packet: TC_ACT_OK, TC_ACT_SHOT ..."""

    _side = EGRESS


@public
def clear_ingress_filter(dev: str | int | None = None) -> int:
    """Removes all of py2bpf's filters and programs for arriving packets from a device, even another process's.

    Filters of others and the qdisc stay. Returns the number of programs removed. Raises KernelError.
    """
    return traffic_control.remove(ifindex(dev), INGRESS)


@public
def clear_egress_filter(dev: str | int | None = None) -> int:
    """Like clear_ingress_filter, for leaving packets."""
    return traffic_control.remove(ifindex(dev), EGRESS)


def _program_name(fn: Callable[[Any], Any]) -> str:
    own = re.sub(r"\W", "", getattr(fn, "__name__", type(fn).__name__), flags=re.ASCII)
    return (traffic_control.PREFIX + own)[:_NAME_LENGTH]
