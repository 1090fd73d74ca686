"""tracefs: its mount point, the formats of events, and probes made by writing to ``kprobe_events``.

Formats follow Documentation/trace/events.rst, probe definitions Documentation/trace/kprobetrace.rst.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import itertools
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from ..core.failures import failure
from ..exception import KernelError
from ..uapi.operations import Operation
from . import mounts

MOUNT_POINTS: Final = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_GROUP: Final = "py2bpf"
_numbers = itertools.count()


def root() -> Path:
    """Where tracefs is mounted. Raises KernelError, which says how to mount it."""
    for place in MOUNT_POINTS:
        with contextlib.suppress(PermissionError):
            if (place / "events").is_dir():
                return place
    for mounted in mounts.mounts():
        if mounted.kind == "tracefs":
            return mounted.place
    advice = f"mount it as root with `mount -t tracefs nodev {MOUNT_POINTS[0]}`, or call py2bpf.util.ensure_resources()"
    raise KernelError(errno.ENOENT, f"tracefs, which describes the kernel's events, is not mounted: {advice}")


def is_readable() -> bool:
    """Whether this process may list the events."""
    try:
        return os.access(root() / "events", os.R_OK | os.X_OK)
    except KernelError:
        return False


def may_exist(path: Path) -> bool:
    """Whether a file exists; also True if this process may not find out."""
    try:
        return path.exists()
    except PermissionError:
        return True


class EventField(NamedTuple):
    """A field of an event: its name, its C type, and its offset and size in bytes.

    ``length`` is the number of elements of an array, 0 if the declaration names a constant, None for other fields.
    ``data_loc`` marks a field with the offset (low 16 bits) and length (high 16 bits) of data at the event's end;
    ``relative`` means that the offset counts from the field's own end.
    """

    name: str
    ctype: str
    offset: int
    size: int
    signed: bool
    length: int | None = None
    data_loc: bool = False
    relative: bool = False

    @property
    def location(self) -> str:
        """The kernel's name of the number with the data's offset and length."""
        return f"__{'rel' if self.relative else 'data'}_loc_{self.name}"


class EventFormat(NamedTuple):
    """An event's number, and its own fields, without those that all events have (common_*)."""

    id: int
    fields: tuple[EventField, ...]


_FIELD: Final = re.compile(
    r"^\tfield:(?P<decl>.*?);\s*offset:(?P<offset>\d{1,9});\s*size:(?P<size>\d{1,9});"
    r"(\s*signed:(?P<signed>[01]);)?\s*$", re.M
)
_DECLARATION: Final = re.compile(r"^(?P<ctype>.*?)(?P<name>\w+)(?P<array>\[[^]]*\])?$")
_LOCATION: Final = re.compile(r"^__(?P<kind>data|rel)_loc (?P<ctype>.*?)(\[\])? *(?P<name>\w+)$")
_ID: Final = re.compile(r"^ID: (\d{1,9})$", re.M)
_LARGEST: Final = 1 << 16
"""Bytes of the largest event, which is a page; pages have at most this size."""


def parse_format(text: str) -> EventFormat:
    """Parses the text of a format file. Raises KernelError, which quotes the malformed line."""
    number = _ID.search(text)
    if number is None:
        raise _nonsense("no line `ID: ...`")
    lines = [line for line in text.splitlines() if line.startswith("\tfield:")]
    fields = [_parse_field(line) for line in lines]
    return EventFormat(int(number[1]), tuple(field for field in fields if not field.name.startswith("common_")))


def _parse_field(line: str) -> EventField:
    found = _FIELD.match(line)
    if found is None:
        raise _nonsense(f"a field that can't be read: {line.strip()}")
    place = int(found["offset"]), int(found["size"]), found["signed"] == "1"
    if sum(place[:2]) > _LARGEST:
        raise _nonsense(f"a field behind the end of the largest event: {line.strip()}")
    if location := _LOCATION.match(found["decl"]):
        return EventField(location["name"], location["ctype"], *place, None, True, location["kind"] == "rel")
    declaration = _DECLARATION.match(found["decl"].strip())
    if declaration is None:
        raise _nonsense(f"a declaration that can't be read: {line.strip()}")
    ctype = re.sub(r"\s+", " ", declaration["ctype"]).strip()
    return EventField(declaration["name"], ctype, *place, _array_length(declaration["array"]))


def _nonsense(what: str) -> KernelError:
    return KernelError(errno.EBADMSG, f"the format has {what}")


def _array_length(brackets: str | None) -> int | None:
    """An array's length in a declaration; 0 if that names a constant, None for fields that are no arrays."""
    if brackets is None:
        return None
    inner = brackets[1:-1].strip()
    return int(inner) if inner.isdecimal() else 0


def event_format(category: str, event: str) -> EventFormat:
    """The format of an event. Raises KernelError, which names the nearest events if there is no such event."""
    events = root() / "events"
    file = events / category / event / "format"
    try:
        return parse_format(file.read_text())
    except FileNotFoundError:
        raise KernelError(errno.ENOENT, _no_event(events, category, event)) from None
    except PermissionError:
        raise failure(errno.EACCES, f"cannot read {file}", Operation.READ_TRACEFS) from None


def read_format(category: str, event: str) -> EventFormat | None:
    """The format of an event; None if there is no such event, or this process may not read the format."""
    try:
        return parse_format((root() / "events" / category / event / "format").read_text())
    except (KernelError, OSError):
        return None


def _no_event(events: Path, category: str, event: str) -> str:
    wanted = f"{category}:{event}"
    known = [f"{entry.parent.parent.name}:{entry.parent.name}" for entry in events.glob("*/*/format")]
    same = [name for name in known if name.partition(":")[2] == event]
    near = same or difflib.get_close_matches(wanted, known, 5)
    if not near and (events / category).is_dir():
        near = sorted(name for name in known if name.startswith(f"{category}:"))[:5]
    hint = f"the nearest are {', '.join(near)}" if near else f"{events} lists those there are"
    return f"this kernel has no event {wanted}; {hint}"


class ProbeEvent:
    """A kprobe made through tracefs, for kernels without the kprobe perf PMU (before Linux 4.17).

    ``target`` is a symbol, perhaps with +offset. Raises OSError with the kernel's errno: ENOENT for unknown symbols.
    """

    def __init__(self, target: str, is_return: bool) -> None:
        self._root = root()
        self.name = f"p_{os.getpid()}_{next(_numbers)}"
        self._command(f"{'r' if is_return else 'p'}:{_GROUP}/{self.name} {target}")
        self._made = True
        try:
            self.id = int((self._root / "events" / _GROUP / self.name / "id").read_text())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Removes the probe; nothing may be attached to it any more."""
        if self._made:
            self._made = False
            self._command(f"-:{_GROUP}/{self.name}")

    def _command(self, line: str) -> None:
        """Appends a command, since writing without O_APPEND erases other probes. Python's own append mode would seek,
        which fails."""
        with open(self._root / "kprobe_events", "wb", buffering=0, opener=_append) as commands:
            commands.write(line.encode() + b"\n")


def _append(path: str, _flags: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
