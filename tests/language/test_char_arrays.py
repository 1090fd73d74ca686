"""Char arrays: compared, cut, stored and of sizes that run time gives, the same in the kernel and in CPython."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_programs import load, run

from py2bpf import funcs, sim, vm
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import Prog
from py2bpf.uapi.prog_types import KEEP_PACKET

pytestmark = pytest.mark.kernel


class Task(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint8),
        ("comm", ctypes.c_char * 9),
        ("letter", ctypes.c_char),
        ("name", ctypes.c_char * 4),
    )


def chars(t: Any) -> Any:
    bits = [
        t.comm == b"sshd",
        t.comm != b"sshd",
        t.comm == b"",
        t.comm == b"abcdefghi",
        t.comm == b"abcdefghij",
        t.comm == b"ssh\0d",
        t.comm.startswith(b"ss"),
        t.comm.startswith(b""),
        t.comm.startswith(b"abcdefghijk"),
        t.comm[:2] == b"ss",
        t.comm[:3] == b"ss",
        b"sshd" == t.comm,
        t.comm in (b"bash", b"sshd", b"zsh"),
        t.name == b"wxyz",
        t.name[1:3] == b"xy",
        t.letter == b"a",
        t.letter == b"\0",
        t.letter == b"ab",
        t.letter != b"a",
    ]
    result = 0
    for i, bit in enumerate(bits):
        if bit:
            result += 1 << i
    if t.comm:
        result += 1 << 24
    if not t.name:
        result += 1 << 25
    if t.letter:
        result += 1 << 26
    return result + (ord(t.letter) == 97) * (1 << 27)


TEXTS = [b"", b"s", b"ss", b"ssh", b"sshd", b"sshdx", b"abcdefghi", b"zsh", b"bash", b"\xff\xfe"]


@pytest.mark.filterwarnings("ignore::py2bpf.exception.NeverTrue")  # of texts that are too long
@pytest.mark.parametrize("name", [b"", b"wxyz", b"wxy", b"axyb"])
@pytest.mark.parametrize("letter", [b"\0", b"a", b"\xe9"])
def test_char_arrays(name: bytes, letter: bytes) -> None:
    with ArrayMap(Task, 1) as tasks:

        def in_map(skb: Any) -> Any:
            task = tasks[0]
            if task is None:
                return 1
            return chars(task)

        def on_stack(skb: Any) -> Any:
            task = tasks[0]
            if task is None:
                return 1
            mine = Task()
            mine.comm = task.comm
            mine.letter = task.letter
            mine.name = task.name
            return chars(mine)

        with load(in_map) as first, load(on_stack) as second:
            for text in TEXTS:
                tasks[0] = Task(1, text, letter, name)
                wanted = chars(Task(1, text, letter, name))
                assert (run(first), run(second), text) == (wanted, wanted, text)


def test_storing_constant_bytes() -> None:
    """Shorter ones get one NUL, and what is behind it stays, as in CPython."""

    def body(t: Any) -> Any:
        t.comm = b"abcdefghi"
        t.comm = b"xyz"
        t.name = b"wxyz"
        t.letter = b"q"
        t.name = b""

    with ArrayMap(Task, 1) as tasks:

        def prog(skb: Any) -> Any:
            task = Task()
            body(task)
            tasks[0] = task
            return 0

        wanted = Task()
        body(wanted)
        with load(prog) as loaded:
            assert run(loaded) == 0
        assert (tasks[0].comm, tasks[0].letter, tasks[0].name) == (wanted.comm, wanted.letter, wanted.name)


# two char arrays
class Names(ctypes.Structure):
    _fields_ = (("first", ctypes.c_char * 6), ("second", ctypes.c_char * 9))


NAMES = HashMap(ctypes.c_uint32, Names, 1)


def same_names(ctx: Any) -> int:
    found = NAMES[0]
    if found is None:
        return 0
    return 1 if found.first == found.second else 2 if found.second != found.first else 3


@pytest.fixture(scope="module")
def comparing() -> Any:
    with load(same_names) as prog:
        yield prog


@settings(max_examples=150)
@given(first=st.binary(max_size=6), second=st.one_of(st.none(), st.binary(max_size=9)))
def test_two_char_arrays(comparing: Prog, first: bytes, second: bytes | None) -> None:
    names = Names(first, first + b"\0x" if second is None else second)
    NAMES[0] = names
    assert run(comparing) == (1 if names.first == names.second else 2)


# a size that run time gives
def load_some(skb: Any) -> int:
    buffer = (ctypes.c_uint8 * 8)()
    n = funcs.load_skb_byte(skb, 0)
    if funcs.skb_load_bytes(skb, 1, buffer, n) < 0:
        return 100
    return buffer[0] + buffer[7]


@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_sizes_of_run_time_are_checked(backend: vm.Name) -> None:
    """0 is no size, as a constant 0 is none: a ValueError, in every world."""
    with vm.backend(backend), load(load_some) as prog:
        for size in (0, 1, 7, 8, 9, 255):
            packet = bytes(14) + bytes([size]) + bytes(range(1, 50))
            simulated = sim.run(load_some, packet)
            assert prog.test_run(packet).retval == simulated.retval, size
            assert simulated.retval == {1: 1, 7: 1, 8: 9}.get(size, KEEP_PACKET)
        assert [(site.error, count) for site, count in prog.errors.items()] == [("ValueError", 3)]
