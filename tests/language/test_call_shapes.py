"""Every callable that programs may meet, called with arguments of any number and kind: the call compiles, or the error
is the compiler's own and at its line. CPython computes what is constant, so the shapes hold a run-time value.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import itertools
import linecache
import math
import operator
import warnings
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import pytest

from py2bpf import Global, funcs
from py2bpf.compiler import pipeline
from py2bpf.datastructures import ArrayMap, HashMap, RingBuffer
from py2bpf.exception import TranslationError
from py2bpf.intrinsics import Helper, Pseudo
from py2bpf.spec import SpinLock
from py2bpf.uapi import contexts
from py2bpf.uapi.prog_types import HOOKS, ProgType
from py2bpf.vm import backend

NOT_CALLED = {"breakpoint", "copyright", "credits", "exit", "help", "input", "license", "quit", "open", "print"}
"""What talks to the user."""

Pair = namedtuple("Pair", "first second")


class Event(ctypes.Structure):
    _fields_ = [("n", ctypes.c_uint32), ("text", ctypes.c_char * 8), ("row", ctypes.c_uint16 * 3)]


class Locked(ctypes.Structure):
    _fields_ = [("lock", SpinLock), ("n", ctypes.c_uint64)]


def plain(a: Any, b: Any = 2, *rest: Any, c: Any = 3) -> Any:
    return a


VALUES = {
    "n": int, "many": list, "few": tuple, "table": dict, "text": bytes, "pair": Pair, "event": Event, "funny": str,
    "number": ctypes.c_uint64, "row": ctypes.Array, "m": HashMap, "a": ArrayMap, "entry": Event, "locked": HashMap,
    "ring": RingBuffer, "total": Global, "skb": None,
}  # fmt: skip
"""The names of PROLOGUE, and what has the methods that are tried of them."""
PROLOGUE = """
    n = skb.len
    many = [n, 2]
    few = (n, 2)
    table = {1: n}
    pair = Pair(n, 2)
    event = Event(n)
    text = event.text
    row = event.row
    number = ctypes.c_uint64(n)
    entry = m.get(n)
    funny = f"{n}"
"""
SHAPES = (
    "", "n", "n, n", "n, 1", "1, n", "n, n, n", "n, 1, 2, n", "n, n, n, n, n, n", "many", "many, n", "table",
    "table, n", "text", "text, n", "text, 4, n", "pair", "event", "event, n", "entry", "entry, n", "row, n",
    "few, many", "m", "m, n", "a, n, n", "ring", "skb", "skb, n", "skb, event", "skb, n, text", "skb, n, text, 4",
    "m, n, event, 0", "None, n", "n, None", "b'x', n", "'x', n", "n, 1.5", "plain, many", "plain, n", "lambda: n",
    "lambda v: v, many", "number, n", "total, n", "funny", "Event, n", "int, n", "*many", "*few", "**table",
    "n, *few", "n, c=n", "n, a=n", "n=n", "key=n", "default=n", "n, size=n", "start=n", "many, key=plain",
    "(v for v in many)", "(v for v in few), n", "range(n)", "range(n), n", "enumerate(many)", "zip(many, few)",
    "iter(few)", "2**70, n", "-1, n", "n, -1", "n, 2**64", "slice(n)", "skb.nothing", "[], n", "{}, n", "(), n",
    "ctypes.sizeof(event), n",
)  # fmt: skip


def callables() -> Iterator[str]:
    for name, obj in vars(builtins).items():
        if callable(obj) and name not in NOT_CALLED and not name.startswith("_"):
            yield name
    for module in (operator, math, itertools, functools):
        for name, obj in vars(module).items():
            if callable(obj) and not name.startswith("_"):
                yield f"{module.__name__}.{name}"
    for name in dir(funcs):
        if isinstance(getattr(funcs, name), (Helper, Pseudo)) or name.startswith("csum_"):
            yield f"funcs.{name}"
    for name, kind in VALUES.items():
        methods = {"packet", "nothing"} if kind is None else {each for each in dir(kind) if not each.startswith("_")}
        if isinstance(kind, type) and issubclass(kind, (HashMap, ArrayMap, RingBuffer)):
            methods |= {"lookup", "update", "delete"}
        for method in sorted(methods):
            yield f"{name}.{method}"
    yield from (
        "plain", "Pair", "Event", "Event.n", "ctypes.c_uint8", "(ctypes.c_char * 8)", "(ctypes.c_uint32 * 2)", "n",
        "many", "skb", "ctypes.sizeof", "ctypes.addressof", "ctypes.byref", "ctypes.cast", "m[n]", "int.from_bytes",
        "(lambda: n)",
    )  # fmt: skip


CALLABLES = list(callables())


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    with (
        backend("vm"), HashMap(ctypes.c_uint32, Event, 4) as m, ArrayMap(ctypes.c_uint64, 4) as a,
        RingBuffer(Event, 4096) as ring, HashMap(ctypes.c_uint32, Locked, 4) as locked,
        Global(ctypes.c_uint64) as total,
    ):  # fmt: skip
        given = (ctypes, operator, math, itertools, functools)
        yield {
            "m": m, "a": a, "ring": ring, "locked": locked, "total": total, "Pair": Pair, "Event": Event,
            "plain": plain, "funcs": funcs, **{module.__name__: module for module in given},
        }  # fmt: skip


def is_compiled(statement: str, names: dict[str, Any]) -> bool:
    """Whether it is compiled; a refusal has to be at a line of the program."""
    text = f"def program(skb):{PROLOGUE}    {statement}\n    return n\n"
    file = f"<{statement}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    made = dict(names)
    exec(compile(text, file, "exec"), made)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.compile_function(made["program"], contexts.SK_BUFF, HOOKS[ProgType.SCHED_CLS])
    except TranslationError as error:
        assert error.span is not None and error.span.filename == file, f"{file}: {error}"
        return False
    finally:
        del linecache.cache[file]
    return True


def test_what_is_before_the_calls_is_compiled(names: dict[str, Any]) -> None:
    assert is_compiled("pass", names)


@pytest.mark.parametrize("callee", CALLABLES)
def test_any_arguments(callee: str, names: dict[str, Any]) -> None:
    for shape in SHAPES:
        is_compiled(f"x = {callee}({shape})", names)
