"""Tracepoints: a function runs whenever the kernel passes one of the places that it marks, with the place's data.

    @py2bpf.tracepoint.probe('syscalls:sys_enter_openat')
    def on_open(event):
        counts[event.dfd] += 1
        return 0

    with on_open():
        ...

``perf list tracepoint``, or the folders in /sys/kernel/tracing/events, show which there are; each has a file ``format``
that names the fields.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from .exception import DataTypeError
from .kernel.perf_event import Attachment, open_tracepoint
from .kernel.tracefs import EventField, EventFormat, event_format, is_unsigned, natural_size
from .probes import Attached, Unattached
from .prog import Prog, create_prog
from .spec import ContextSpec
from .uapi.prog_types import ProgType

_NAME: Final = re.compile(r"^(?P<category>[\w-]+)[:/](?P<event>[\w-]+)$")
_POINTER: Final = 8
"""Where an event's own fields begin: before them programs find a pointer they may not read."""

_SIGNED: Final = {1: ctypes.c_int8, 2: ctypes.c_int16, 4: ctypes.c_int32, 8: ctypes.c_int64}
_UNSIGNED: Final = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}


class Tracepoint(Attached):
    """A program attached to a tracepoint. ``event`` is its name, ``prog`` the program."""

    def __init__(self, fn: Callable[[Any], Any], event: str) -> None:
        category, name = _split(event)
        self.event = f"{category}:{name}"
        form = event_format(category, name)
        with ExitStack() as stack:
            self.prog = stack.enter_context(create_prog(ProgType.TRACEPOINT, context(form, name), fn))
            opened = stack.enter_context(open_tracepoint(form.id, self.event))
            stack.enter_context(Attachment(opened.fd, self.prog.fd))
            super().__init__(stack.pop_all())

    def __repr__(self) -> str:
        return f"<Tracepoint at {self.event} of {self.prog!r}>"


class Probe(Unattached):
    """A function that is to run at a tracepoint; calling it compiles, loads and attaches, and gives a Tracepoint."""

    def __init__(self, fn: Callable[[Any], Any], event: str) -> None:
        super().__init__(fn)
        self.event = event

    @property
    def context(self) -> ContextSpec:
        """The type of the function's argument. Raises KernelError for unknown events."""
        category, name = _split(self.event)
        return context(event_format(category, name), name)

    def __call__(self) -> Tracepoint:
        """Raises TranslationError, and KernelError: with the nearest names when the kernel has no such event."""
        self._need_kernel()
        return Tracepoint(self.fn, self.event)

    def load(self) -> Prog:
        return create_prog(ProgType.TRACEPOINT, self.context, self.fn)


def probe(event: str) -> Callable[[Callable[[Any], Any]], Probe]:
    """Decorates a function to run at the tracepoint ``category:event``; it takes the event.

    The event's fields are those of its format file. Strings of variable length (``__data_loc``) are the number that
    the kernel has there: their offset from the event's begin in the low 16 bits, their length in the high ones.
    Raises ValueError for names of another form, DataTypeError for what is no name.
    """
    if not isinstance(event, str):
        raise DataTypeError(f"give the event: @tracepoint.probe('category:event'), not {event!r}")
    _split(event)
    return lambda fn: Probe(fn, event)


def _split(event: str) -> tuple[str, str]:
    found = _NAME.match(event)
    if found is None:
        raise ValueError(f"{event!r} is no tracepoint: give category:event, as in sched:sched_switch")
    return found["category"], found["event"]


def context(form: EventFormat, name: str) -> ContextSpec:
    """The type of the programs' argument: an event's fields where the kernel has them, gaps between."""
    members: list[tuple[str, Any]] = []
    end = 0
    for field in sorted(form.fields, key=lambda field: field.offset):
        ctype = _ctype(field)
        # A system call's int has 8 bytes, of which the first ones count (on big-endian machines the last ones).
        offset = field.offset + (0 if sys.byteorder == "little" else field.size - ctypes.sizeof(ctype))
        if offset < max(end, _POINTER):
            continue
        if offset > end:
            members.append((f"_gap{end}", ctypes.c_uint8 * (offset - end)))
        members.append((field.name, ctype))
        end = offset + ctypes.sizeof(ctype)
    return ContextSpec(_structure(name, members, end))


def _structure(name: str, members: list[tuple[str, Any]], size: int) -> type[ctypes.Structure]:
    """Packed only where an event has fields at odd places, which C's own alignment wouldn't give."""
    loose = type(name, (ctypes.Structure,), {"_fields_": members})
    if all(getattr(loose, member).offset == at for member, at in _offsets(members)):
        return loose
    return type(name, (ctypes.Structure,), {"_pack_": 1, "_layout_": "ms", "_fields_": members})


def _offsets(members: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    sizes = [ctypes.sizeof(ctype) for _name, ctype in members]
    return [(name, sum(sizes[:number])) for number, (name, _ctype) in enumerate(members)]


def _ctype(field: EventField) -> Any:
    if field.data_loc:
        return ctypes.c_uint32
    if field.length is not None:
        return _array(field, field.length)
    size = min(field.size, natural_size(field.ctype, field.size)) if field.ctype != "bool" else field.size
    signed = field.signed or (size < field.size and not is_unsigned(field.ctype))
    scalar = (_SIGNED if signed else _UNSIGNED).get(size)
    return scalar or ctypes.c_uint8 * field.size


def _array(field: EventField, length: int) -> Any:
    """char arrays are text; elements of sizes that no number has (structures) come as bytes."""
    if field.ctype.removeprefix("const ") == "char":
        return ctypes.c_char * field.size
    scalar = (_SIGNED if field.signed else _UNSIGNED).get(field.size // length if length else 0)
    return scalar * length if scalar else ctypes.c_uint8 * field.size
