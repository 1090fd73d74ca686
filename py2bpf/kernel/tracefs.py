"""tracefs: finding it, the formats of events, and probes made by writing ``kprobe_events``.

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

from ..exception import KernelError

MOUNT_POINTS: Final = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_MOUNTS: Final = Path("/proc/self/mounts")
_GROUP: Final = "py2bpf"
_numbers = itertools.count()


def root() -> Path:
    """Where tracefs is mounted. Raises KernelError that says how to mount it."""
    for place in MOUNT_POINTS:
        with contextlib.suppress(PermissionError):
            if (place / "events").is_dir():
                return place
    for line in _MOUNTS.read_text().splitlines():
        _device, place_text, kind = line.split(" ")[:3]
        if kind == "tracefs":
            return Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), place_text))
    advice = f"mount it as root with `mount -t tracefs nodev {MOUNT_POINTS[0]}`, or call py2bpf.util.ensure_resources()"
    raise KernelError(errno.ENOENT, f"tracefs, which describes the kernel's events, is not mounted: {advice}")


class EventField(NamedTuple):
    """A field of an event: its C declaration without the name, and place and size in bytes.

    ``length`` is the number of elements of an array, None for anything else. ``data_loc`` marks a field that holds
    offset (low 16 bits) and length (high 16 bits) of data at the event's end; ``relative`` counts the offset from
    the field's own end.
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
    def is_pointer(self) -> bool:
        return self.ctype.endswith("*")


class EventFormat(NamedTuple):
    """An event's number, and its own fields: those that all events have (common_*) are left out."""

    id: int
    fields: tuple[EventField, ...]


_FIELD: Final = re.compile(
    r"^\tfield:(?P<decl>.*?);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);(\s*signed:(?P<signed>[01]);)?\s*$", re.M
)
_DECLARATION: Final = re.compile(r"^(?P<ctype>.*?)(?P<name>\w+)(?P<array>\[[^]]*\])?$")
_LOCATION: Final = re.compile(r"^__(?P<kind>data|rel)_loc (?P<ctype>.*?)\[\] *(?P<name>\w+)$")
_ID: Final = re.compile(r"^ID: (\d+)$", re.M)


def parse_format(text: str) -> EventFormat:
    """Reads a format file. Raises ValueError, naming the line that makes no sense."""
    number = _ID.search(text)
    if number is None:
        raise ValueError("the format has no line `ID: ...`")
    lines = [line for line in text.splitlines() if line.startswith("\tfield:")]
    fields = [_parse_field(line) for line in lines]
    return EventFormat(int(number[1]), tuple(field for field in fields if not field.name.startswith("common_")))


def _parse_field(line: str) -> EventField:
    found = _FIELD.match(line)
    if found is None:
        raise ValueError(f"the format has a field that can't be read: {line.strip()}")
    place = int(found["offset"]), int(found["size"]), found["signed"] == "1"
    if location := _LOCATION.match(found["decl"]):
        return EventField(location["name"], location["ctype"], *place, None, True, location["kind"] == "rel")
    declaration = _DECLARATION.match(found["decl"].strip())
    if declaration is None:
        raise ValueError(f"the format has a declaration that can't be read: {line.strip()}")
    ctype = re.sub(r"\s+", " ", declaration["ctype"]).strip()
    return EventField(declaration["name"], ctype, *place, _array_length(declaration["array"], ctype, place[1]))


def _array_length(brackets: str | None, ctype: str, size: int) -> int | None:
    """From the declaration; where that names a constant, by the size of one element."""
    if brackets is None:
        return None
    inner = brackets[1:-1].strip()
    return int(inner) if inner.isdecimal() and int(inner) else size // natural_size(ctype, default=1)


_SIZES: Final = {
    **dict.fromkeys(
        ("char", "signed char", "unsigned char", "u8", "s8", "__u8", "__s8", "uint8_t", "bool", "_Bool"), 1
    ),
    **dict.fromkeys(("short", "unsigned short", "u16", "s16", "__u16", "__s16", "__be16", "__le16", "uint16_t"), 2),
    **dict.fromkeys(("umode_t", "sa_family_t"), 2),
    **dict.fromkeys(("int", "unsigned int", "unsigned", "u32", "s32", "__u32", "__s32", "__be32", "__le32"), 4),
    **dict.fromkeys(("pid_t", "uid_t", "gid_t", "dev_t", "key_t", "mqd_t", "clockid_t", "timer_t", "key_serial_t"), 4),
    **dict.fromkeys(("uint32_t", "int32_t", "qid_t", "rwf_t", "gfp_t"), 4),
    **dict.fromkeys(("long", "unsigned long", "size_t", "ssize_t", "loff_t", "off_t", "u64", "s64", "__u64"), 8),
    **dict.fromkeys(("__s64", "__be64", "__le64", "long long", "unsigned long long", "uint64_t", "int64_t"), 8),
}
_UNSIGNED: Final = re.compile(
    r"^(unsigned\b|_*u\d|uint\d|__[bl]e\d|(size|umode|uid|gid|dev|gfp|qid|sa_family)_t$|bool$|_Bool$)"
)


def natural_size(ctype: str, default: int) -> int:
    """The size in bytes of a C type by its name; ``default`` for types that aren't known."""
    return 8 if ctype.endswith("*") else _SIZES.get(ctype.removeprefix("const "), default)


def is_unsigned(ctype: str) -> bool:
    """Whether a C type's name says that it has no sign."""
    return bool(_UNSIGNED.match(ctype.removeprefix("const ")))


def event_format(category: str, event: str) -> EventFormat:
    """The format of an event. Raises KernelError that names the nearest events when there is no such one."""
    events = root() / "events"
    file = events / category / event / "format"
    try:
        return parse_format(file.read_text())
    except FileNotFoundError:
        raise KernelError(errno.ENOENT, _no_event(events, category, event)) from None
    except PermissionError:
        raise KernelError(errno.EACCES, f"{file} can't be read: that needs root") from None


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

    ``target`` is a symbol, perhaps with +offset. Raises OSError as the kernel does: ENOENT for unknown symbols.
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
        """Append, or others' probes are erased; without Python's own append mode, which seeks and fails."""
        fd = os.open(self._root / "kprobe_events", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(fd, line.encode() + b"\n")
        finally:
            os.close(fd)
