"""Statements about values of every kind, and calls of all that programs may meet with arguments of any number and kind:
each compiles, or the error is the compiler's own and at a line of the program.

CPython computes what is constant, so most of the values are known at run time only.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import itertools
import linecache
import math
import operator
import types
import warnings
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py2bpf import Global, funcs
from py2bpf.compiler import pipeline
from py2bpf.datastructures import ArrayMap, HashMap, RingBuffer
from py2bpf.exception import TranslationError
from py2bpf.intrinsics import Helper, Pseudo
from py2bpf.spec import SpinLock
from py2bpf.uapi import contexts
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType
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
"""Names of PROLOGUE, and what has the methods that are tried of them."""
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
    counted = a[1]
    signed = h.get(n)
    mixed = entry and entry.n
    drawn = (v for v in many)
    numbers = range(n)
    both = n if skb.mark else None
    flag = n > 3
    less = n - 5
    fn = lambda v: v + n
    view = skb.packet(Event, 14)
    no_keys = {}
    no_items = []
    items = iter(few)
    error = ValueError(n)
    chars = (ctypes.c_char * 8)()
    words = (ctypes.c_uint32 * 4)()
"""
"""What each program begins with."""
OPERANDS = (
    "n", "many", "few", "table", "pair", "event", "text", "row", "number", "entry", "funny", "counted", "signed",
    "mixed", "drawn", "numbers", "both", "flag", "less", "fn", "view", "no_keys", "no_items", "items", "error",
    "chars", "words", "m", "a", "h", "ring", "locked", "total", "skb", "None", "True", "5", "-1", "2**63", "2**70",
    "1.5", "b'ab'", "'ab'", "(1,2)", "[1,2]", "{1:2}", "{1,2}", "range(5)", "int", "plain", "Event", "event.n",
    "event.text", "event.row", "slice(n)", "...", "skb.cb", "Pair(1,n)", "event.row[:]", "text[1:]",
)  # fmt: skip
_OPERATORS = "+ - * // % ** << >> & | ^ @ / == != < <= > >= is in and or"
STATEMENTS = (
    *(f"x = {{0}} {each} {{1}}" for each in _OPERATORS.split()),
    "x = {0} is not {1}", "x = {0} not in {1}", "x = {0}[{1}]", "{0}[{1}] = n", "{0}[{1}] += 1", "del {0}[{1}]",
    "x = [{0}, {1}] == [{1}, {0}]", "x = {0} if {1} else n", "x = {0}; x += {1}", "event.n = {0} if n else {1}",
    "x = max({0}, {1})", "x = ({0}, {1}) in few", "for x in {0}: y = {1}", "x = {0}\n    if n: x = {1}\n    y = x",
    "x = {0}\n    if n: x = {1}\n    y = not x", "x = {0}\n    for i in range(n): x = {1}\n    y = x",
    "x = {0}\n    while n: n -= 1; x = {1}", "x = f'{{{0}}} {{{1}!r}}'", "x = {0}({1})", "x = {0}[{1}:n]",
    "x = {0}[n:{1}]", "h[{0}] = {1}", "m[{0}] = {1}", "a[1] += {0}; a[2] = {1}", "ring.output({0}, {1})",
    "event.text = {0}; event.row = {1}", "x = lambda: {0}; y = x() == {1}", "x = [v for v in {0} if {1}]",
    "x, y = {0}, {1}; x, y = y, x; x = x == y", "x, y = {0}", "match {0}:\n        case {1}: pass",
    "match {0}:\n        case (x, y): n = x", "return {0} if {1} else 3", "with {0} as x: y = {1}",
    "x = sum({0}, {1})", "x = {0}.value + {1}", "assert {0}, {1}", "x = {{{0}: {1}}}; y = x.get(n)",
    "x = ({0}).n = {1}", "x = funcs.mem_eq({0}, {1})", "x = funcs.memcpy({0}, {1})", "x = funcs.addrof({0})",
    "x = isinstance({0}, {1})", "x = sorted([{0}, {1}])", "x = any([{0}, {1}])", "x = abs({0}) + int({1})",
    "raise {0}", "x = ~{0}; y = -{1}", "x = [*{0}, *{1}]", "x = {{**{0}, 1: {1}}}", "global x; x = {0}",
    "x: int = {0}; x @= {1}", "x = {0} < {1} < n", "x = (y := {0}) or {1}",
)  # fmt: skip
"""Of two operands."""
ARGUMENTS = (
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


@contextmanager
def captured() -> Iterator[dict[str, Any]]:
    """The objects that the programs capture."""
    with (
        backend("vm"), HashMap(ctypes.c_uint32, Event, 4) as m, ArrayMap(ctypes.c_uint64, 4) as a,
        HashMap(ctypes.c_uint32, ctypes.c_int64, 4) as h, RingBuffer(Event, 4096) as ring,
        HashMap(ctypes.c_uint32, Locked, 4) as locked, Global(ctypes.c_uint64) as total,
    ):  # fmt: skip
        yield {
            "m": m, "a": a, "h": h, "ring": ring, "locked": locked, "total": total, "Pair": Pair, "Event": Event,
            "plain": plain, "funcs": funcs,
            **{module.__name__: module for module in (ctypes, operator, math, itertools, functools)},
        }  # fmt: skip


def function(statement: str, names: dict[str, Any]) -> tuple[types.FunctionType, str] | None:
    """The program that ends with the statement, and its text; None if the text isn't Python."""
    text = f"def program(skb):{PROLOGUE}    {statement}\n    return n\n"
    made = dict(names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(text, f"<{statement}>", "exec"), made)
    except SyntaxError:
        return None
    return made["program"], text


def is_compiled(statement: str, names: dict[str, Any]) -> bool | None:
    """Whether the program compiles; None if it isn't Python. Raises AssertionError for a refusal without a line of the
    program, and lets other exceptions of the compiler through.
    """
    made = function(statement, names)
    if made is None:
        return None
    program, text = made
    file = program.__code__.co_filename
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.compile_function(program, contexts.SK_BUFF, SPECS[ProgType.SCHED_CLS])
    except TranslationError as error:
        assert error.span is not None and error.span.filename == file, f"{file}: {error}"
        return False
    finally:
        del linecache.cache[file]
    return True
