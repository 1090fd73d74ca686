"""What a simulation itself raises; what the program raises is counted."""

from __future__ import annotations

from ..exception import Py2BpfError


class SimulationError(Py2BpfError):
    """The simulation can't do what the program asks for, or the program asks for what no program may do.

    It is raised through the program and never counted as one of its errors.
    """


class UnknownField(SimulationError, AttributeError):  # noqa: N818 - named as what it tells
    """The context has no such field. An AttributeError too, which hasattr() and getattr() with a default ask for."""


class ProgramEnd(BaseException):
    """Ends the program at once with a result, as a load behind the packet's end does. No error, so no Exception."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value
