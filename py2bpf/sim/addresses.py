"""``addrof(number)`` in CPython, where numbers have no address.

For a field or an item, which the text of the call names, it is an object within the structure or array. For a variable,
it is an object that is kept in step with the variable around each call of a helper. For any other number, it is a copy
that can't be written to.
"""

from __future__ import annotations

import ctypes
import sys
from types import FrameType
from typing import Any, Final

from . import places
from .errors import SimulationError

_RUNNER: Final = f"{__name__.rpartition('.')[0]}.runner"
_MISSING: Final = object()
_ADDRESS: Final = "_py2bpf_address"
_MASK: Final = (1 << 64) - 1


class _Number:
    """A mixin of c_int64 and c_uint64: a number that is stored elsewhere."""

    def pull(self) -> None:
        """Copies the number from its place into this object."""

    def push(self) -> None:
        """Copies the number from this object to its place."""

    @property
    def value(self) -> int:
        self.pull()
        return int(super().value)  # type: ignore[misc]  # the ctypes object's, behind the mixin

    @value.setter
    def value(self, number: int) -> None:
        self.pull()
        _set(self, number)
        self.push()


def _set(number: Any, value: int) -> None:
    kind = ctypes.c_int64 if isinstance(number, ctypes.c_int64) else ctypes.c_uint64
    ctypes.memmove(ctypes.addressof(number), bytes(kind(value)), ctypes.sizeof(kind))


class _Variable(_Number):
    """The place of a local or cell variable of a running function."""

    _frame: FrameType
    _name: str

    def pull(self) -> None:
        found = self._frame.f_locals.get(self._name)
        if isinstance(found, int):
            _set(self, found)

    def push(self) -> None:
        number = int.from_bytes(memoryview(self).cast("B"), sys.byteorder)  # type: ignore[arg-type]  # a ctypes object
        if isinstance(self, ctypes.c_int64) and number >> 63:
            number -= 1 << 64
        found = self._frame.f_locals.get(self._name)
        if isinstance(found, int) and found & _MASK != number & _MASK:
            _assign(self._frame, self._name, number)


class _SignedVariable(_Variable, ctypes.c_int64):
    pass


class _UnsignedVariable(_Variable, ctypes.c_uint64):
    pass


class _Copy(_Number):
    """A number that has no place."""

    def push(self) -> None:
        raise lost("an assignment")


class _SignedCopy(_Copy, ctypes.c_int64):
    pass


class _UnsignedCopy(_Copy, ctypes.c_uint64):
    pass


def _assign(frame: FrameType, name: str, value: int) -> None:
    """Changes a variable of a running function. Before Python 3.13 ``f_locals`` is a copy, which is written back."""
    frame.f_locals[name] = value
    if (write_back := getattr(ctypes.pythonapi, "PyFrame_LocalsToFast", None)) is not None:
        write_back(ctypes.py_object(frame), ctypes.c_int(0))


def lost(what: str) -> SimulationError:
    return SimulationError(f"{what} would write to a copy: the value that addrof() was given has no place in memory; "
                           "give it a variable, a field or an item that the call itself names: n = 0, then addrof(n)")


def meant(value: Any) -> Any:
    """Marks a result of addrof(), so that a helper takes the address of the number's place, not the number."""
    setattr(value, _ADDRESS, True)
    return value


def is_meant(value: Any) -> bool:
    return getattr(value, _ADDRESS, False) is True


def check_place(value: Any, what: str, context: Any, in_packet: bool = False) -> None:
    """Raises SimulationError for an object to which the compiler doesn't let ``what`` write. With ``in_packet``,
    objects in the packet are allowed."""
    if isinstance(value, _Copy):
        raise lost(what)
    if _is_within(value, ctypes.addressof(context.struct), ctypes.sizeof(context.struct)):
        raise SimulationError(f"{what} can't write into the context: give it an object of the program's own")
    packet = context._packet
    if packet is not None and not in_packet:
        begin = ctypes.addressof(ctypes.c_char.from_buffer(packet.memory))
        if _is_within(value, begin, len(packet.memory)):
            raise SimulationError(f"{what} can't write into the packet: give it an object of the program's own")


def _is_within(value: Any, begin: int, size: int) -> bool:
    return begin <= ctypes.addressof(value) < begin + size


class Variables:
    """The variables whose address a program has taken. All are updated before and after each call of a helper."""

    def __init__(self) -> None:
        self._known: dict[tuple[FrameType, str], _Variable] = {}

    def pull(self) -> None:
        for each in self._known.values():
            each.pull()

    def push(self) -> None:
        for each in self._known.values():
            each.push()

    def address(self, number: int) -> Any:
        """The result of the running call addrof(...) for a number."""
        name = places.variable(0)
        frame = None if name is None else _owner(places.caller(), name)
        if frame is not None and name is not None:
            return self._variable(frame, name, number)
        found = places.argument(0)
        return (_SignedCopy if number < 1 << 63 else _UnsignedCopy)(number) if found is None else found

    def _variable(self, frame: FrameType, name: str, number: int) -> Any:
        kind: Any = _SignedVariable if number < 1 << 63 else _UnsignedVariable
        known = self._known.get((frame, name))
        if not isinstance(known, kind):
            known = self._known[frame, name] = kind(number)
            known._frame, known._name = frame, name
        return known


def _owner(frame: FrameType, name: str) -> FrameType | None:
    """The running function of the program to which a variable belongs; None for a captured variable."""
    code = frame.f_code
    while name in code.co_freevars:
        above = frame.f_back
        while above is not None and code not in above.f_code.co_consts:
            if above.f_globals.get("__name__") == _RUNNER:
                return None
            above = above.f_back
        if above is None or _is_outside(above):
            return None
        frame, code = above, above.f_code
    return frame if name in (*code.co_varnames, *code.co_cellvars) else None


def _is_outside(frame: FrameType | None) -> bool:
    """Whether a function ran before the program began."""
    while frame is not None:
        if frame.f_globals.get("__name__") == _RUNNER:
            return False
        frame = frame.f_back
    return True
