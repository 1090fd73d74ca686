"""The C types of arguments and results: of functions by BTF, of system calls by their tracepoints."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import pytest

from py2bpf.btf import c_types
from py2bpf.btf.reader import VMLINUX
from py2bpf.kernel import signatures

pytestmark = [
    pytest.mark.skipif(not VMLINUX.exists(), reason="needs the kernel's BTF"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86-64"),
]


def test_functions_and_calls() -> None:
    read = signatures.of_symbol("vfs_read")
    assert read == ((ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64), ctypes.c_int64)
    assert signatures.of_symbol("udp_sendmsg").result is ctypes.c_int32
    assert signatures.of_symbol("nonesuch") == signatures.UNKNOWN


@pytest.mark.kernel
@pytest.mark.usefixtures("tracefs")
@pytest.mark.parametrize(("call", "args"), [
    ("openat", (ctypes.c_int32, ctypes.c_uint64, ctypes.c_int32, ctypes.c_uint16)),
    ("lseek", (ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint32)),
    ("brk", (ctypes.c_uint64,)),
])  # fmt: skip
def test_a_system_calls_own_arguments(call: str, args: tuple[Any, ...]) -> None:
    found = signatures.of_symbol(f"__x64_sys_{call}")
    assert (found.args, found.result) == (args, ctypes.c_int64)
    assert signatures.of_symbol(f"sys_{call}").args == args


def test_without_btf_functions_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_types, "kernel_btf", lambda: None)
    assert signatures.of_symbol("vfs_read") == signatures.UNKNOWN


@pytest.mark.kernel
@pytest.mark.usefixtures("tracefs")
def test_without_btf_system_calls_are_known_by_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_types, "kernel_btf", lambda: None)
    assert signatures.of_symbol("__x64_sys_lseek").args == (ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint32)


def test_what_comes_behind_a_structure_is_unknown() -> None:
    """kuid_t is a structure that C passes by value."""
    found = signatures.of_symbol("from_kuid")  # (struct user_namespace *, kuid_t)
    assert found == ((ctypes.c_uint64,), ctypes.c_uint32)
