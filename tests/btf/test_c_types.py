"""The meaning of C's types: words, the kernel's typedefs and enumerations, and types known without BTF."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from py2bpf.btf import Btf, c_types
from py2bpf.btf.c_types import Number
from py2bpf.btf.reader import VMLINUX

running = pytest.mark.skipif(not VMLINUX.exists(), reason="needs the kernel's BTF")
POINTER = Number(8, False)

WORDS = [
    ("int", Number(4, True)), ("unsigned", Number(4, False)), ("unsigned int", Number(4, False)),
    ("short", Number(2, True)), ("unsigned short", Number(2, False)), ("long", Number(8, True)),
    ("long unsigned int", Number(8, False)), ("unsigned long long", Number(8, False)),
    ("signed char", Number(1, True)), ("unsigned char", Number(1, False)), ("const int", Number(4, True)),
    ("const char *", POINTER), ("struct page *", POINTER), ("const char *const *", POINTER),
    ("void __user * const", POINTER), ("void*", POINTER),
]  # fmt: skip
TYPEDEFS = [
    ("off_t", Number(8, True)), ("loff_t", Number(8, True)), ("ssize_t", Number(8, True)), ("size_t", Number(8, False)),
    ("__kernel_old_time_t", Number(8, True)), ("pid_t", Number(4, True)), ("key_serial_t", Number(4, True)),
    ("timer_t", Number(4, True)), ("mqd_t", Number(4, True)), ("rwf_t", Number(4, True)), ("qid_t", Number(4, False)),
    ("umode_t", Number(2, False)), ("const clockid_t", Number(4, True)), ("__be16", Number(2, False)),
    ("aio_context_t", Number(8, False)), ("cap_user_header_t", POINTER), ("bool", Number(1, False)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), WORDS + TYPEDEFS)
def test_without_btf(text: str, number: Number) -> None:
    assert c_types.by_text(text, None) == number


@running
@pytest.mark.parametrize(("text", "number"), WORDS + TYPEDEFS)
def test_with_btf(text: str, number: Number) -> None:
    assert c_types.by_text(text, Btf.kernel()) == number


@running
@pytest.mark.parametrize(("text", "number"), [
    ("enum hrtimer_mode", Number(4, False)), ("enum pid_type", Number(4, False)), ("gfp_t", Number(4, False)),
    ("sector_t", Number(8, False)), ("ktime_t", Number(8, True)),
])  # fmt: skip
def test_what_only_btf_knows(text: str, number: Number) -> None:
    assert c_types.by_text(text, Btf.kernel()) == number
    assert c_types.by_text("enum nonesuch", Btf.kernel()) is None


@pytest.mark.parametrize("text", ["struct in6_addr", "nonesuch_t", "union x", "", "char"])
def test_no_number(text: str) -> None:
    """Of ``char`` only the kernel's BTF tells the sign."""
    assert c_types.by_text(text, None) is None


@running
@pytest.mark.parametrize("text", ["struct in6_addr", "nonesuch_t", "cpumask_t"])
def test_no_number_with_btf(text: str) -> None:
    assert c_types.by_text(text, Btf.kernel()) is None


@pytest.mark.parametrize(("number", "ctype"), [
    (Number(1, True), ctypes.c_int8), (Number(2, False), ctypes.c_uint16), (Number(4, True), ctypes.c_int32),
    (Number(8, False), ctypes.c_uint64), (Number(16, False), None),
])  # fmt: skip
def test_as_ctypes(number: Number, ctype: Any) -> None:
    assert number.ctype is ctype
