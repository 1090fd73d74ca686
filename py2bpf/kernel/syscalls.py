"""The commands of bpf(2) that work on whole maps, programs and links, one function each.

Attributes are laid out as ``union bpf_attr`` in include/uapi/linux/bpf.h. Descriptors come back close-on-exec;
the caller closes them. Everything raises KernelError, whose ``errno`` is the kernel's.
"""

from __future__ import annotations

import errno
import os
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from ..uapi.map_types import MapType
from . import core


class Cmd(IntEnum):
    """enum bpf_cmd, what is used here."""

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


def map_create(
    map_type: int, key_size: int, value_size: int, max_entries: int, flags: int = 0, name: str = "", inner: int = 0,
    types: tuple[int, int, int] | None = None,
) -> int:  # fmt: skip
    """A new map's descriptor. ``inner`` is the pattern's descriptor for a map of maps; ``types`` are a descriptor of
    BTF and the numbers of the key's and value's types in it."""
    attr = _MAP_CREATE.pack(map_type, key_size, value_size, max_entries, flags, inner, 0, object_name(name))
    if types is not None:
        attr += _MAP_TYPES.pack(0, *types)
    which = f"the map {name!r}" if name else "a map"
    what = f"cannot create {which} (type {map_type}, {key_size}-byte keys, {value_size}-byte values, "
    return core.checked(
        core.charged(lambda: core.bpf(Cmd.MAP_CREATE, bytearray(attr))), what + f"{max_entries} entries)"
    )


def synchronize() -> None:
    """Waits until every run of a program that began before has ended; programs that may sleep don't count.

    The kernel promises it to whoever changes an array of maps (maybe_wait_bpf_programs() in kernel/bpf/syscall.c).
    """
    inner = map_create(MapType.ARRAY, 4, 4, 1)
    try:
        outer = map_create(MapType.ARRAY_OF_MAPS, 4, 4, 1, inner=inner)
        try:
            core.map_update(outer, bytes(4), struct.pack("=I", inner))
        finally:
            os.close(outer)
    finally:
        os.close(inner)


def btf_load(blob: bytes) -> int:
    """A descriptor of BTF that the kernel has taken (BPF_BTF_LOAD), or -errno."""
    attr = _BTF_LOAD.pack(core.address(blob), 0, len(blob), 0, 0)
    return core.charged(lambda: core.bpf(Cmd.BTF_LOAD, bytearray(attr)))


def object_name(name: str) -> bytes:
    """A name as the kernel takes it: at most 15 characters of [A-Za-z0-9_.], others become underscores."""
    return b"".join(b"%c" % c if chr(c).isalnum() or c in b"_." else b"_" for c in name.encode("ascii", "replace")[:15])


def obj_pin(path: str | os.PathLike[str], fd: int) -> None:
    """Gives a map, program or link a name in a bpf file system, where it outlives the process.

    Nothing is mounted here: where ``path`` isn't on a bpf file system the error says how to mount one.
    """
    _obj(Cmd.OBJ_PIN, path, fd, "cannot pin to")


def obj_get(path: str | os.PathLike[str]) -> int:
    """The descriptor of what is pinned at path."""
    return _obj(Cmd.OBJ_GET, path, 0, "cannot open what is pinned at")


def _obj(cmd: int, path: str | os.PathLike[str], fd: int, what: str) -> int:
    name = os.fsencode(path) + b"\0"
    result = core.bpf(cmd, bytearray(_OBJ.pack(core.address(name), fd, 0)))
    if result < 0:
        advice = _PIN_ADVICE.get(-result, "")
        raise core.failure(-result, f"{what} {os.fspath(path)}{advice}")
    return result


_PIN_ADVICE: Final = {
    errno.EINVAL: ": the path has to be on a bpf file system (mount -t bpf bpf /sys/fs/bpf)",
    errno.EPERM: ": the path has to be on a bpf file system (mount -t bpf bpf /sys/fs/bpf) where you may write",
    errno.EEXIST: ": something is pinned there already",
    errno.ENOENT: ": no such path",
}


class RunResult(NamedTuple):
    """What BPF_PROG_TEST_RUN gave: ``duration`` is nanoseconds per run, the mean."""

    retval: int
    duration: int
    data: bytes


def prog_test_run(fd: int, data: bytes, ctx: bytes, repeat: int, room: int) -> RunResult | int:
    """BPF_PROG_TEST_RUN with ``room`` bytes for the packet that comes back. Gives the errno when it fails."""
    out = bytearray(room)
    attr = bytearray(_TEST_RUN.pack(
        fd, 0, len(data), room, core.address(data) if data else 0, core.address(out) if room else 0,
        repeat, 0, len(ctx), 0, core.address(ctx) if ctx else 0, 0, 0, 0, 0, 0,
    ))  # fmt: skip
    result = core.bpf(Cmd.PROG_TEST_RUN, attr)
    if result < 0:
        return -result
    fields = _TEST_RUN.unpack(attr)
    return RunResult(fields[1], fields[7], bytes(out[: fields[3]]))


def get_info(fd: int, size: int) -> bytes:
    """struct bpf_map_info, bpf_prog_info or bpf_link_info of a descriptor: the first size bytes, or as many as the
    kernel has."""
    info = bytearray(size)
    attr = bytearray(_INFO.pack(fd, size, core.address(info)))
    core.checked(core.bpf(Cmd.OBJ_GET_INFO_BY_FD, attr), "cannot read what the kernel knows of the descriptor")
    return bytes(info[: _INFO.unpack(attr)[1]])


def prog_attach(target_fd: int, prog_fd: int, attach_type: int, flags: int = 0) -> None:
    """BPF_PROG_ATTACH: to a cgroup, say, without a link."""
    attr = bytearray(_ATTACH.pack(target_fd, prog_fd, attach_type, flags))
    core.checked(core.bpf(Cmd.PROG_ATTACH, attr), "cannot attach the program")


def prog_detach(target_fd: int, prog_fd: int, attach_type: int) -> None:
    """BPF_PROG_DETACH."""
    attr = bytearray(_ATTACH.pack(target_fd, prog_fd, attach_type, 0))
    core.checked(core.bpf(Cmd.PROG_DETACH, attr), "cannot detach the program")


def prog_query(target: int, attach_type: int, flags: int = 0, cap: int = 64) -> list[int]:
    """The ids of the programs attached to a target (descriptor or interface index), in their order."""
    ids = bytearray(4 * cap)
    attr = bytearray(_QUERY.pack(target, attach_type, flags, 0, core.address(ids), cap, 0))
    result = core.bpf(Cmd.PROG_QUERY, attr)
    count = _QUERY.unpack(attr)[5]
    if result == -errno.ENOSPC and count > cap:
        return prog_query(target, attach_type, flags, count)
    core.checked(result, "cannot list the attached programs")
    return list(struct.unpack_from(f"={count}I", ids))


def link_create(
    prog_fd: int, target: int, attach_type: int, flags: int = 0, extra: bytes = b"", what: str = "the link"
) -> int:
    """BPF_LINK_CREATE: attached until the descriptor is closed.

    ``target`` is a descriptor (cgroup, perf event) or an interface index, as ``attach_type`` wants; ``extra`` is what
    follows in the attribute: a perf event's cookie, tcx' anchor and revision.
    """
    attr = bytearray(_LINK.pack(prog_fd, target, attach_type, flags) + extra)
    return core.checked(core.bpf(Cmd.LINK_CREATE, attr), f"cannot create {what}")
