"""The errors of a simulation itself. Errors of the program are counted instead."""

from __future__ import annotations

from ..exception import Py2BpfError


class SimulationError(Py2BpfError):
    """The program does something that can't be simulated, or that no program may do.

    The error is raised through the program, and never counted as an error of the program.
    """


class UnknownField(SimulationError, AttributeError):  # noqa: N818 - named as what it tells
    """The context has no such field. An AttributeError too, for hasattr() and for getattr() with a default."""


class ProgramEnd(BaseException):
    """Ends the program at once with a result, like a load beyond the packet's end. No error, and so no Exception."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value
