"""A program array in the kernel, which also holds the program arrays that its programs use: see reached.py."""

from __future__ import annotations

import errno
import sys
from typing import Any

from ..core.handles import Reach
from ..exception import ClosedError, DataTypeError, KernelError
from ..given import shown
from ..spec import MapSpec
from .kernel_map import KernelMap


class KernelProgArray(KernelMap):
    """User space stores the descriptors of programs, and reads their ids."""

    def __init__(self, spec: MapSpec, key_size: int, value_size: int) -> None:
        super().__init__(spec, key_size, value_size)
        self.handle.reach = Reach(spec.max_entries)

    def _explained(self, error: KernelError, extent: str = "") -> KernelError:
        kind = self._kind.title
        if error.errno == errno.EBADF:
            return KernelError(errno.EBADF, f"cannot put that into the {kind}: no descriptor of a program")
        if error.errno == errno.EINVAL:
            return KernelError(errno.EINVAL, f"cannot put that into the {kind}: it takes descriptors of programs, "
                                             "all of the same type")
        return super()._explained(error, extent)

    def program_value(self, value: Any) -> int:
        """The descriptor of a program, given as an object or a number, that is about to be stored. From now on this
        array holds the program arrays that the program uses. Raises DataTypeError, ClosedError."""
        self._hold(value)
        kind = self._kind.title
        if isinstance(value, bool) or not isinstance(value, int):
            value = getattr(value, "fd", value)
        if isinstance(value, bool) or not isinstance(value, int):
            advice = ", whose .prog is one" if hasattr(value, "prog") else ""
            raise DataTypeError(f"a {kind} takes a program or its file descriptor, not {shown(value)}{advice}")
        if value < 0:
            raise ClosedError(f"a {kind} takes programs: that is closed, or none (descriptor {shown(value)})")
        return value

    def _hold(self, program: Any) -> None:
        arrays, reach = getattr(program, "arrays", ()), self.handle.reach
        if not arrays or reach is None:
            return
        from . import kept
        from .program_info import prog_info

        reach.hold(prog_info(program.handle).id, arrays, self._programs)
        for place in list(reach.places):
            kept.keep(*place, reach.arrays)

    def _programs(self) -> set[int]:
        """The ids of the programs in this array."""
        found = (self.lookup(index.to_bytes(4, sys.byteorder)) for index in range(self._spec.max_entries))
        return {int.from_bytes(each, sys.byteorder) for each in found if each is not None}
