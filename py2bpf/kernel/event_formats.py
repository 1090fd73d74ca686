"""The fields of events: from tracefs, or without the privilege to read tracefs, from a table and the kernel's BTF.

The table has the arguments of system calls. For other events the kernel's BTF, which everybody may read, has the
structure ``trace_event_raw_<class>``, but doesn't tell the class of an event if its name differs from the event's.
"""

from __future__ import annotations

import errno
import platform
from collections.abc import Iterator

from ..btf.c_types import by_number, kernel_btf
from ..btf.reader import Btf
from ..btf.types import Array, Member, Scalar
from ..exception import KernelError
from ..uapi.syscall_args import OF_X86, SYSCALL_ARGS
from ..uapi.tracepoints import CLASS_OF, NOT_TEXT
from . import tracefs
from .tracefs import EventField, EventFormat

_NO_NUMBER = 0
"""The event's number if it is unknown: only attaching needs the number."""
_WORD = 8
_SYSCALL_NR = EventField("__syscall_nr", "int", 8, 4, True)
_ARGUMENTS = 16
_STRUCT = "trace_event_raw_"
_LOCATIONS = {"__data_loc_": False, "__rel_loc_": True}
"""The prefixes of fields that point to others, and whether their offsets count from the field's own end."""
_OWN = frozenset({"ent", "__data"})
"""Members of every such structure: the common part of all events, and the data after the fields."""


def of(category: str, event: str) -> EventFormat:
    """The format of an event. Raises KernelError if there is no such event, or if its format can't be known."""
    try:
        return tracefs.event_format(category, event)
    except KernelError as error:
        if error.errno != errno.EACCES and tracefs.is_readable():
            raise
        found = known(category, event)
        if found is None:
            raise KernelError(error.errno or 0, f"{error.strerror}. {_advice(category, event)}") from None
        return found


def readable(category: str, event: str) -> EventFormat | None:
    """Like of(), but gives None instead of an error."""
    return tracefs.read_format(category, event) or known(category, event)


def known(category: str, event: str) -> EventFormat | None:
    """The format of an event as far as it is known without tracefs."""
    if category == "syscalls":
        return _of_call(event)
    btf = kernel_btf()
    return None if btf is None else _in_btf(event, btf)


def _advice(category: str, event: str) -> str:
    if category == "syscalls":
        return "Without it py2bpf knows the system calls of Linux 6.18, and that is none of them"
    return (
        f"Without it py2bpf takes fields from the kernel's BTF, which has no struct {_STRUCT}{event}: events that "
        "share their fields have them in one struct of another name, and which one only tracefs tells"
    )


def _of_call(event: str) -> EventFormat | None:
    prefix, call = event[: len("sys_enter_")], event[len("sys_enter_") :]
    if event.startswith("sys_exit_") and _is_known(event.removeprefix("sys_exit_")):
        return EventFormat(_NO_NUMBER, (_SYSCALL_NR, EventField("ret", "long", _ARGUMENTS, _WORD, True)))
    if prefix != "sys_enter_" or not _is_known(call):
        return None
    return EventFormat(_NO_NUMBER, (_SYSCALL_NR, *_arguments(SYSCALL_ARGS[call])))


def _is_known(call: str) -> bool:
    return call in SYSCALL_ARGS and (call not in OF_X86 or platform.machine() == "x86_64")


def _arguments(declarations: str) -> Iterator[EventField]:
    for number, each in enumerate(filter(None, declarations.split(", "))):
        ctype, _, name = each.rpartition(" ")
        pointers = len(name) - len(name.lstrip("*"))
        yield EventField(name[pointers:], ctype + "*" * pointers, _ARGUMENTS + _WORD * number, _WORD, False)


def _in_btf(event: str, btf: Btf) -> EventFormat | None:
    for name in (event, CLASS_OF.get(event)):
        try:
            members = list(btf.members(btf.struct(f"{_STRUCT}{name}")))
        except LookupError:
            continue
        return EventFormat(_NO_NUMBER, tuple(_field(event, each, btf) for each in members if each.name not in _OWN))
    return None


def _field(event: str, member: Member, btf: Btf) -> EventField:
    place = member.bit_offset // 8, btf.size(member.type)
    for prefix, relative in _LOCATIONS.items():
        if member.name.startswith(prefix):
            name = member.name.removeprefix(prefix)
            return EventField(name, NOT_TEXT.get((event, name), "char"), *place, False, None, True, relative)
    found = btf.type(btf.resolve(member.type))
    if isinstance(found, Array):
        return EventField(member.name, *_number(found.element, btf, place), length=found.length)
    return EventField(member.name, *_number(member.type, btf, place))


def _number(type: int, btf: Btf, place: tuple[int, int]) -> tuple[str, int, int, bool]:
    """A number's C type, offset, size, and whether it is signed."""
    found = btf.type(btf.resolve(type))
    number = by_number(type, btf)
    if number is None:
        return "struct", *place, False
    if isinstance(found, Scalar) and found.name == "char":
        return "char", *place, number.signed
    return f"{'s' if number.signed else 'u'}{8 * number.size}", *place, number.signed
