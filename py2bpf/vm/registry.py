"""Numbers for programs, like the kernel's ids: user space stores them in a program array, and reads them from it."""

from __future__ import annotations

import weakref
from typing import Any, Final

from ..backend import apart
from ..exception import ClosedError, DataTypeError
from ..given import shown
from .vm_program import VmProgram

_programs: Final[weakref.WeakValueDictionary[int, Any]] = weakref.WeakValueDictionary()


def program_of(number: int) -> Any:
    """The program with that number. Raises ClosedError if the program is gone."""
    program = _programs.get(number)
    if program is None:
        raise ClosedError(f"the VM's program number {number} is closed")
    return program


def number_of(value: Any, what: str) -> int:
    """The number of a program of the VM, given as a Prog or a VmProgram. ``what`` is the array that shall hold it.
    Raises DataTypeError, and NotInVm for a program of the kernel."""
    program = getattr(value, "_loaded", value)
    if not hasattr(program, "spec"):
        advice = ", whose .prog is one" if hasattr(value, "prog") else ""
        raise DataTypeError(f"value of {what}: a program of the VM, not {shown(value)}{advice}")
    if isinstance(program, VmProgram):
        number: int = program.info().id
        _programs[number] = program
        return number
    raise apart(f"{what} lives in the embedded VM, and {shown(value)} in the kernel", "both")
