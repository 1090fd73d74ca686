"""BPF_PROG_LOAD: its arguments, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from .._ffi import ffi, lib
from ..core.encoding import fault_of
from ..core.entries import Buffer
from ..core.failures import is_closed
from ..core.handles import Handle
from .bpf_call import charged

_FUNC_INFO: Final = 8
_LINE_INFO: Final = 16


class LoadResult(NamedTuple):
    """``result`` is 0 or -errno, ``log`` the verifier's log of a refused program."""

    result: int
    log: str
    truncated: bool


class Described(NamedTuple):
    """BTF, and arrays of ``struct bpf_func_info`` and ``struct bpf_line_info`` that refer to it."""

    btf: Handle
    func_info: bytes
    line_info: bytes


class Code(NamedTuple):
    """Encoded slots, and the maps and kernel functions that the numbers in the slots mean."""

    slots: Buffer
    maps: Sequence[Handle] = ()
    kfuncs: tuple[int, ...] = ()


class BtfTarget(NamedTuple):
    """The BTF type that a program is made for: a function of the kernel, an iterator's objects, or another program's
    function. ``number`` is the type's number in the BTF of ``owner``, a module's BTF or a program; without ``owner``,
    in the BTF of vmlinux."""

    number: int
    owner: Handle | None = None


class Purpose(NamedTuple):
    """The arguments of BPF_PROG_LOAD that say what a program is for."""

    prog_type: int
    attach_type: int = 0
    flags: int = 0
    target: BtfTarget | None = None


def prog_load(
    made: Handle, purpose: Purpose, code: Code, license: str, name: str, described: Described | None = None
) -> LoadResult:
    """BPF_PROG_LOAD: one system call for a program that is accepted, which ``made`` then owns. Returns the error, if
    any.

    Raises EncodingError, whose ``index`` is a slot, if a number has no map or function; ClosedError if a map, or the
    target's owner, is closed.
    """
    # The structure only has pointers: these variables keep the bytes alive.
    slots = ffi.from_buffer(code.slots)
    terms, title = ffi.new("char[]", license.encode()), ffi.new("char[]", name.encode())
    maps, kfuncs = ffi.new("struct p2b_handle *[]", [map.cell for map in code.maps]), ffi.new("uint32_t[]", code.kfuncs)
    load = ffi.new("struct p2b_load *", {
        "prog_type": purpose.prog_type, "expected_attach_type": purpose.attach_type, "slots": slots,
        "n_slots": len(code.slots) // 8, "maps": maps, "n_maps": len(code.maps), "kfuncs": kfuncs,
        "n_kfuncs": len(code.kfuncs), "prog_flags": purpose.flags, "license": terms, "name": title,
    })  # fmt: skip
    if purpose.target is not None:
        load.attach_btf_id, owner = purpose.target.number, purpose.target.owner
        load.attach_btf = ffi.NULL if owner is None else owner.cell
    if described is not None:
        func_info, line_info = ffi.from_buffer(described.func_info), ffi.from_buffer(described.line_info)
        load.btf, load.func_info, load.line_info = described.btf.cell, func_info, line_info
        load.n_func_info, load.n_line_info = len(func_info) // _FUNC_INFO, len(line_info) // _LINE_INFO
    log, fault = ffi.new("struct p2b_log *"), ffi.new("struct p2b_fault *")
    try:
        result = charged(lambda: _load(load, log, fault, made))
        if fault.what:
            raise fault_of(result, fault)
        if is_closed(result):
            owner = (purpose.target and purpose.target.owner) or made
            raise next((each for each in (*code.maps, owner) if each.closed), made).closed_error()
        text = ffi.buffer(log.text, log.length)[:].decode(errors="replace") if log.text else ""
        return LoadResult(result, text, bool(log.truncated))
    finally:
        lib.p2b_log_free(log)


def _load(load: Any, log: Any, fault: Any, made: Handle) -> int:
    lib.p2b_log_free(log)
    result: int = lib.p2b_prog_make(load, log, fault, made.cell)
    return result
