"""The commands of bpf(2) that work on whole maps, programs and links, one function each.

Attributes are laid out as ``union bpf_attr`` in include/uapi/linux/bpf.h. A Handle owns each new object. All functions
raise KernelError with the kernel's ``errno``, and ClosedError if a handle is closed, unless their docstrings say
otherwise.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from ..core.failures import checked, is_closed
from ..core.handles import Handle
from ..given import path_bytes
from ..uapi.map_types import MapType
from ..uapi.operations import Operation
from . import bpf_call, map_commands


class Cmd(IntEnum):
    """The members of ``enum bpf_cmd`` that are used here."""

    MAP_CREATE = 0
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_ATTACH = 8
    PROG_DETACH = 9
    PROG_TEST_RUN = 10
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    LINK_CREATE = 28
    LINK_UPDATE = 29
    ITER_CREATE = 33
    LINK_DETACH = 34


_MAP_CREATE: Final = struct.Struct("=7I16s")
_MAP_TYPES: Final = struct.Struct("=4I")
_BTF_LOAD: Final = struct.Struct("=2Q3I")
_OBJ: Final = struct.Struct("=QII")
_ATTACH: Final = struct.Struct("=4I")
_TEST_RUN: Final = struct.Struct("=4I2Q4I2Q4I")
_INFO: Final = struct.Struct("=2IQ")
_QUERY: Final = struct.Struct("=4IQII")
_LINK: Final = struct.Struct("=4I")
_LINK_DETACH: Final = struct.Struct("=I")
_RAW_TRACEPOINT: Final = struct.Struct("=QII")
_ITER: Final = struct.Struct("=2I")


_INNER_FD: Final = 20
_TYPES_FD: Final = 48
"""The bytes of a map's attribute where the descriptors of its pattern and of BTF are."""


def map_create(
    map_type: int, key_size: int, value_size: int, max_entries: int, flags: int = 0, name: str = "",
    inner: Handle | None = None, types: tuple[Handle, int, int] | None = None, what: str = "",
) -> Handle:  # fmt: skip
    """A new map. ``inner`` is the pattern for a map of maps. ``types`` are BTF, and the numbers of the key's and the
    value's type in it. ``what`` is the map's name in errors."""
    attr = _MAP_CREATE.pack(map_type, key_size, value_size, max_entries, flags, 0, 0, object_name(name))
    uses = [(inner, _INNER_FD)] if inner is not None else []
    if types is not None:
        attr += _MAP_TYPES.pack(0, 0, *types[1:])
        uses.append((types[0], _TYPES_FD))
    which = f"the map {name!r}" if name else "a map"
    tried = f"cannot create {which} (type {map_type}, {key_size}-byte keys, {value_size}-byte values, "
    made = Handle(what or which)
    result = bpf_call.charged(lambda: bpf_call.bpf_make(made, Cmd.MAP_CREATE, bytearray(attr), *uses))
    checked(result, tried + f"{max_entries} entries)", None, Operation.MAKE_MAP)
    return made


def synchronize() -> None:
    """Waits until all program runs that began before this call have ended, except those of programs that may sleep.

    The kernel waits so after a change of an array of maps (maybe_wait_bpf_programs() in kernel/bpf/syscall.c).
    """
    with map_create(MapType.ARRAY, 4, 4, 1) as inner, map_create(MapType.ARRAY_OF_MAPS, 4, 4, 1, inner=inner) as outer:
        map_commands.map_update(outer, bytes(4), struct.pack("=I", inner.fd))


def btf_load(blob: bytes) -> Handle | int:
    """Loads BTF into the kernel (BPF_BTF_LOAD). Returns its handle, or -errno."""
    attr = _BTF_LOAD.pack(bpf_call.address(blob), 0, len(blob), 0, 0)
    made = Handle("BTF")
    return bpf_call.charged(lambda: bpf_call.bpf_make(made, Cmd.BTF_LOAD, bytearray(attr))) or made


def object_name(name: str) -> bytes:
    """A name for the kernel: at most 15 characters of [A-Za-z0-9_.]; other characters become underscores."""
    return _UNNAMABLE.sub("_", name)[:15].encode()  # UTF-8, which needs no import of a codec


_UNNAMABLE: Final = re.compile(r"[^A-Za-z0-9_.]")


_OBJ_FD: Final = 8


def obj_pin(path: str | os.PathLike[str], object: Handle) -> None:
    """Gives a map, program or link a name in a bpf file system, where it outlives the process.

    Mounts nothing: if ``path`` isn't on a bpf file system, the error says how to mount one.
    """
    attr, _name = _path_attr(path)
    result = bpf_call.bpf(Cmd.OBJ_PIN, attr, (object, _OBJ_FD))
    checked(result, f"cannot pin to {_shown(path)}", object, Operation.PIN)


def obj_get(path: str | os.PathLike[str]) -> Handle:
    """A handle of the object that is pinned at ``path``."""
    attr, _name = _path_attr(path)
    made = Handle(f"what is pinned at {_shown(path)}")
    checked(bpf_call.bpf_make(made, Cmd.OBJ_GET, attr), f"cannot open {made.what}", None, Operation.OPEN_PIN)
    return made


def _path_attr(path: str | os.PathLike[str]) -> tuple[bytearray, bytes]:
    """The attribute, and the name that it points to. Raises DataTypeError or DataRangeError for a wrong path."""
    name = path_bytes(path, "a path to pin at") + b"\0"
    return bytearray(_OBJ.pack(bpf_call.address(name), 0, 0)), name


def _shown(path: str | os.PathLike[str]) -> str:
    return os.fsdecode(path)


class RunResult(NamedTuple):
    """The results of BPF_PROG_TEST_RUN; ``duration`` is the mean time of a run in nanoseconds."""

    retval: int
    duration: int
    data: bytes


def prog_test_run(prog: Handle, data: bytes, ctx: bytes, repeat: int, room: int) -> RunResult | int:
    """BPF_PROG_TEST_RUN, with ``room`` bytes for the resulting packet. Returns the errno if it fails."""
    out = bytearray(room)
    attr = bytearray(_TEST_RUN.pack(
        0, 0, len(data), room, bpf_call.address(data) if data else 0, bpf_call.address(out) if room else 0,
        repeat, 0, len(ctx), 0, bpf_call.address(ctx) if ctx else 0, 0, 0, 0, 0, 0,
    ))  # fmt: skip
    result = bpf_call.bpf(Cmd.PROG_TEST_RUN, attr, (prog, 0))
    if is_closed(result):
        raise prog.closed_error()
    if result < 0:
        return -result
    fields = _TEST_RUN.unpack(attr)
    return RunResult(fields[1], fields[7], bytes(out[: fields[3]]))


def get_info(object: Handle, size: int) -> bytes:
    """struct bpf_map_info, bpf_prog_info or bpf_link_info of an object: its first ``size`` bytes, or fewer if the
    kernel's structure is shorter."""
    info = bytearray(size)
    attr = bytearray(_INFO.pack(0, size, bpf_call.address(info)))
    result = bpf_call.bpf(Cmd.OBJ_GET_INFO_BY_FD, attr, (object, 0))
    checked(result, "cannot read what the kernel knows of the descriptor", object)
    return bytes(info[: _INFO.unpack(attr)[1]])


_PROG_FD: Final = 4


def prog_attach(target: int, prog: Handle, attach_type: int, flags: int = 0) -> None:
    """BPF_PROG_ATTACH: attaches without a link, for example to a cgroup. ``target`` is a descriptor or an interface
    index."""
    attr = bytearray(_ATTACH.pack(target, 0, attach_type, flags))
    checked(bpf_call.bpf(Cmd.PROG_ATTACH, attr, (prog, _PROG_FD)), "cannot attach the program", prog,
                 Operation.ATTACH_TC)


def prog_detach(target: int, prog: Handle, attach_type: int) -> None:
    """BPF_PROG_DETACH."""
    attr = bytearray(_ATTACH.pack(target, 0, attach_type, 0))
    checked(bpf_call.bpf(Cmd.PROG_DETACH, attr, (prog, _PROG_FD)), "cannot detach the program", prog,
                 Operation.ATTACH_TC)


def prog_query(target: int, attach_type: int, flags: int = 0, cap: int = 64) -> list[int]:
    """The ids of the programs attached to a target (descriptor or interface index), in their order."""
    ids = bytearray(4 * cap)
    attr = bytearray(_QUERY.pack(target, attach_type, flags, 0, bpf_call.address(ids), cap, 0))
    result = bpf_call.bpf(Cmd.PROG_QUERY, attr)
    count = _QUERY.unpack(attr)[5]
    if result == -errno.ENOSPC and count > cap:
        return prog_query(target, attach_type, flags, count)
    checked(result, "cannot list the attached programs", None, Operation.ATTACH_TC)
    return list(struct.unpack_from(f"={count}I", ids))


def link_create(
    prog: Handle, target: Handle | int, attach_type: int, flags: int = 0, extra: bytes = b"", what: str = "the link"
) -> Handle:
    """BPF_LINK_CREATE: the program is attached until the link is closed.

    ``target`` is a handle (cgroup, perf event) or an interface index, depending on ``attach_type``. ``extra`` is the
    rest of the attribute: a perf event's cookie, or the anchor and revision of tcx.
    """
    number, uses = (target, [(prog, 0)]) if isinstance(target, int) else (0, [(prog, 0), (target, _PROG_FD)])
    made = Handle(what)
    attr = bytearray(_LINK.pack(0, number, attach_type, flags) + extra)
    result = bpf_call.bpf_make(made, Cmd.LINK_CREATE, attr, *uses)
    closed = next((each for each, _ in uses if each.closed), None)
    operation = Operation.ATTACH_XDP if isinstance(target, int) else Operation.ATTACH_EVENT
    checked(result, f"cannot create {what}", closed, operation)
    return made


class LinkFlag(IntFlag):
    """Flags of BPF_LINK_UPDATE."""

    REPLACE = 4


def link_update(link: Handle, prog: Handle, old: Handle | None = None) -> None:
    """BPF_LINK_UPDATE: ``prog`` replaces the link's program, without an event in between that neither program sees.

    With ``old``, only if that is the link's program now. Raises KernelError: EINVAL for a program of another type, and
    for links that can't be updated (perf events); EPERM if the link has another program than ``old``; ENOLINK if the
    place is gone.
    """
    uses = [(link, 0), (prog, _NEW_PROG_FD)]
    if old is not None:
        uses.append((old, _OLD_PROG_FD))
    attr = bytearray(_LINK.pack(0, 0, LinkFlag.REPLACE if old is not None else 0, 0))
    closed = next((each for each, _ in uses if each.closed), None)
    result = bpf_call.bpf(Cmd.LINK_UPDATE, attr, *uses)
    checked(result, f"cannot replace the program of {link.what}", closed, Operation.USE_LINK)


_NEW_PROG_FD: Final = 4
_OLD_PROG_FD: Final = 12


def link_detach(link: Handle) -> None:
    """BPF_LINK_DETACH: the link stays, but its program no longer runs. Raises KernelError."""
    result = bpf_call.bpf(Cmd.LINK_DETACH, bytearray(_LINK_DETACH.pack(0)), (link, 0))
    checked(result, f"cannot detach {link.what}", link, Operation.USE_LINK)


def raw_tracepoint_open(prog: Handle, name: str, what: str = "") -> Handle:
    """BPF_RAW_TRACEPOINT_OPEN: a link by which the program runs at the tracepoint ``name`` (``sys_enter``). For a
    program that was loaded for a BTF target, ``name`` is "", and the target gives the place."""
    text = name.encode() + b"\0"
    attr = bytearray(_RAW_TRACEPOINT.pack(bpf_call.address(text) if name else 0, 0, 0))
    made = Handle(what or f"a link to the raw tracepoint {name}")
    result = bpf_call.bpf_make(made, Cmd.RAW_TRACEPOINT_OPEN, attr, (prog, _RAW_PROG_FD))
    checked(result, f"cannot create {made.what}", prog, Operation.ATTACH_EVENT)
    return made


_RAW_PROG_FD: Final = 8


def iter_create(link: Handle) -> Handle:
    """BPF_ITER_CREATE: a descriptor; reading it runs the program of an iterator's link over all objects."""
    made = Handle(f"what {link.what} goes over")
    result = bpf_call.bpf_make(made, Cmd.ITER_CREATE, bytearray(_ITER.pack(0, 0)), (link, 0))
    checked(result, f"cannot read by {link.what}", link, Operation.USE_LINK)
    return made
