"""Programs in the traffic control of a device: tcx, or a filter on the clsact qdisc, with the pins that they need.

py2bpf's programs have names that begin with ``py2bpf_``; remove() without an id removes no others.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from ..core.handles import Handle
from ..exception import KernelError, NotSupported
from ..kernel import clsact, kept
from ..kernel.links import prog_by_id, tcx_attach, tcx_detach, tcx_query
from ..kernel.netdev import Device, namespace
from ..kernel.program_info import prog_info
from ..uapi.prog_types import AttachType
from ..uapi.tc import CLSACT_EGRESS, CLSACT_INGRESS
from .attachments import Attachment
from .link import Link

Mechanism = Literal["tcx", "clsact"]

PREFIX: Final = "py2bpf_"

known: Final[weakref.WeakValueDictionary[int, Handle]] = weakref.WeakValueDictionary()
"""The programs that this process has installed, by their ids: removing these needs no privilege to open a program by
its id."""


class Side(NamedTuple):
    """The ingress or the egress side of a device, in the terms of both mechanisms."""

    tcx: AttachType
    parent: int


INGRESS: Final = Side(AttachType.TCX_INGRESS, CLSACT_INGRESS)
EGRESS: Final = Side(AttachType.TCX_EGRESS, CLSACT_EGRESS)


class Spot(NamedTuple):
    """A side of a device, and the mechanism that attaches a program there."""

    place: Device
    side: Side
    how: Mechanism

    def put(self, prog: Handle, name: str, prog_id: int, arrays: Sequence[Handle]) -> None:
        """Installs a program, after pinning its program arrays: the kernel empties an unpinned one when this process
        ends, and every tail call would then let the packet pass. Raises KernelError."""
        if arrays:
            kept.sweep()
            kept.keep(self._pins, prog_id, arrays)
        if self.how == "tcx":
            tcx_attach(self.place.number, self.side.tcx, prog)
        else:
            clsact.add(self.place.number, self.side.parent, prog, name, prog_id)

    def let_go(self, prog_id: int) -> None:
        """Removes the pins of a program that isn't installed here."""
        kept.let_go(self._pins, prog_id)

    @property
    def _pins(self) -> str:
        return pins(self.place.number, self.side, self.how)


class InstalledLink(Attachment):
    """A program in traffic control: stays until it is removed, or the device goes."""

    def __init__(self, spot: Spot, prog_id: int, prog: Handle) -> None:
        """``prog`` stays open as long as this object lives, since removing the program needs its descriptor."""
        self._spot, self._prog_id, self._prog = spot, prog_id, prog

    def end(self) -> None:
        place = self._spot.place
        place.check_here("remove")
        take_off(place.number, self._spot.side, self._prog_id)

    def is_gone(self) -> bool:
        if namespace() != self._spot.place.namespace:
            return False
        try:
            return not is_on(self._spot, self._prog_id)
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return True


def mechanism(index: int) -> Mechanism:
    """The default mechanism for a device: tcx if the kernel has it."""
    return "clsact" if tcx_query(index, AttachType.TCX_INGRESS) is None else "tcx"


def need_tcx(index: int) -> None:
    """Raises NotSupported if the kernel lacks tcx."""
    if mechanism(index) != "tcx":
        raise NotSupported(errno.EOPNOTSUPP, "tcx programs", "6.6")


def is_on(spot: Spot, prog_id: int, before: Mechanism | None = None) -> bool:
    """Whether a program is installed by tcx, by the mechanism of the spot, or by the mechanism ``before``. Raises
    KernelError: ENODEV if the device is gone."""
    index, side = spot.place.number, spot.side
    if any(entry.prog_id == prog_id for entry in tcx_query(index, side.tcx) or ()):
        return True
    if "clsact" not in (spot.how, before):
        return False  # nothing to load pyroute2 for
    return any(found.prog_id == prog_id for found in clsact.filters(index, side.parent))


def take_off(index: int, side: Side, prog_id: int) -> bool:
    """Removes one program. False if it isn't there, or if the device is gone, and the program with it."""
    try:
        return remove(index, side, prog_id) > 0
    except KernelError as error:
        if error.errno != errno.ENODEV:
            raise
        return False


def remove(index: int, side: Side, only: int | None = None) -> int:
    """Removes the program with the id ``only``, or all of py2bpf's, and returns how many it removed. Looks at both
    mechanisms, since an older process, or ``mechanism=``, may have used the other one."""
    return _remove_tcx(index, side, only) + _remove_clsact(index, side, only)


def _remove_tcx(index: int, side: Side, only: int | None) -> int:
    removed = 0
    for entry in tcx_query(index, side.tcx) or ():
        if entry.link_id or only not in (None, entry.prog_id):
            continue
        own = known.get(entry.prog_id)
        program = prog_by_id(entry.prog_id) if own is None else own.copy()
        if program is not None:
            with program:
                ours = only is not None or prog_info(program).name.startswith(PREFIX)
                if ours and tcx_detach(index, side.tcx, program):
                    kept.let_go(pins(index, side, "tcx"), entry.prog_id)
                    removed += 1
    return removed


def _remove_clsact(index: int, side: Side, only: int | None) -> int:
    try:
        found = clsact.filters(index, side.parent)
    except ImportError:
        if tcx_query(index, side.tcx) is None:
            raise
        return 0  # without pyroute2 and with tcx nothing of ours can have been installed this way
    removed = 0
    for each in found:
        ours = each.name.startswith(PREFIX) if only is None else each.prog_id == only
        if ours and clsact.remove(index, side.parent, each):
            kept.let_go(pins(index, side, "clsact"), each.prog_id)
            removed += 1
    return removed


def pins(index: int, side: Side, how: Mechanism) -> str:
    """The name of the place for kept.py."""
    return f"{namespace():x}-{index}-{side.parent & 0xFFFF:x}-{how}"


def to_traffic_control(link: Link, spot: Spot, name: str, prog_id: int, kept: Handle) -> None:
    """Attaches a program to one side of a device. ``kept`` is a handle of the program that stays open while the program
    may be attached."""
    spot.put(link.prog.handle, name, prog_id, link.prog.arrays)
    link.kept_by(InstalledLink(spot, prog_id, kept))
