"""NeverTrue: comparisons that can never be true, and those that only look as if."""

from __future__ import annotations

import ctypes
import operator
import warnings
from ctypes import c_char, c_uint32, c_uint64
from typing import Any

import pytest
from case_files import PureMap

from py2bpf import Struct, funcs
from py2bpf.compiler import pipeline
from py2bpf.exception import NeverTrue, TypeMismatch
from py2bpf.spec import ContextSpec, MapSpec
from py2bpf.uapi import contexts
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType

START: Any = PureMap(MapSpec(MapType.HASH, c_uint32, c_uint64, 8))
SEVENS: Any = PureMap(MapSpec(MapType.HASH, c_uint32, c_uint64, 8, default=7))
NAMES: Any = PureMap(MapSpec(MapType.HASH, c_uint32, c_char * 16, 8))
TABLE: Any = PureMap(MapSpec(MapType.ARRAY, c_uint32, c_uint64, 8))
LONG = b"victoria-metrics-prod"


class Event(Struct):
    number: c_uint32
    comm: c_char * 16


def told(fn: Any) -> list[tuple[int, str, str, str]]:
    """The line in the function, what is underlined, the message and the hint of each warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline.compile_function(fn, contexts.SK_BUFF, SPECS[ProgType.SOCKET_FILTER])
    assert all(each.category is NeverTrue for each in caught)
    found = []
    for each in caught:
        head, source, carets, hint = str(each.message).splitlines()
        begin = carets.index("^")
        marked = source[begin : len(carets)]
        found.append((each.lineno - fn.__code__.co_firstlineno, marked, head.split(": ", 1)[1], hint.split(": ", 1)[1]))
    return found


def test_a_popped_number_is_no_none() -> None:
    def program(skb: Any) -> int:
        t0 = START.pop(skb.len)
        if t0 is None:
            return 1
        return 0

    ((line, marked, message, hint),) = told(program)
    assert (line, message) == (2, "this is never None: a missing key is read as 0")
    assert "t0 is None" in marked
    assert hint == "m.pop(key, None) is None where the key is missing"


def test_a_number_read_is_no_none() -> None:
    def program(skb: Any) -> bool:
        seven = SEVENS[skb.len] is None
        none = TABLE[skb.len] == None  # noqa: E711
        there = START[skb.len] is not None
        return seven or none or there

    assert told(program) == [
        (1, "SEVENS[skb.len] is None", "this is never None: a missing key is read as 7",
         "m.get(key) is None where the key is missing"),
        (2, "TABLE[skb.len] == None", "this is never None: a missing key is read as 0",
         "m.get(key) is None where the key is missing"),
        (3, "START[skb.len] is not None", "this is never None: a missing key is read as 0",
         "m.get(key) is None where the key is missing"),
    ]  # fmt: skip


def test_other_numbers_too() -> None:
    def program(skb: Any) -> bool:
        mark = skb.mark
        return mark is None

    assert told(program) == [(2, "mark is None", "this is never None", "leave the test out, it is a number")]


def test_what_may_be_none_may_be_asked() -> None:
    def program(skb: Any) -> int:
        found = 0
        for maybe in (START.get(skb.len), START.pop(skb.len, None), NAMES.get(skb.len)):
            if maybe is None:
                found += 1
        best = None
        for i in range(skb.len & 7):
            if best is None or i * i < best:
                best = i
        last = None
        for i in (1, 2, 3):
            if last is None:
                last = START[i]
        return found + (best is None) + (NAMES[1] == None)  # noqa: E711

    assert told(program) == []


def test_a_function_for_all_is_not_blamed() -> None:
    def limited(value: Any, limit: Any = None) -> Any:
        return value if limit is None or value < limit else limit

    def program(skb: Any) -> Any:
        return limited(START[1], START[2]) + limited(skb.len, skb.mark) + (lambda x: x is None)(START[3])

    assert told(program) == []


def test_constants_are_configuration() -> None:
    limit: Any = 5

    def program(skb: Any) -> int:
        return 1 if limit is None or limit == None else 2  # noqa: E711

    assert told(program) == []


def test_a_text_that_is_too_long() -> None:
    def program(skb: Any) -> bool:
        event = Event()
        funcs.get_current_comm(event.comm)
        return event.comm == b"victoria-metrics-prod"

    hint = "where a longer text is cut to fit, with a NUL at its end, compare with b'victoria-metric'"
    message = "an array of 16 chars never holds the 21 bytes of b'victoria-metrics-prod'"
    assert told(program) == [(3, 'event.comm == b"victoria-metrics-prod"', message, hint)]


@pytest.mark.parametrize("compare", [
    lambda text: text != LONG,
    lambda text: text in (b"init", LONG),
    lambda text: text.startswith(LONG),
    lambda text: text == b"a\0b",
    lambda text: operator.eq(text, LONG),
])  # fmt: skip
def test_other_comparisons_of_texts(compare: Any) -> None:
    def program(skb: Any) -> bool:
        return compare(NAMES.get(skb.len) or Event().comm)

    assert len(told(program)) == 1


def test_texts_that_fit_somewhere() -> None:
    def is_long(text: Any) -> Any:
        return text == LONG

    def program(skb: Any) -> bool:
        wide = (c_char * 32)()
        return is_long(Event().comm) or is_long(wide) or Event().comm == b"x" * 16 or Event().comm == b""

    assert told(program) == []


def test_an_address_is_no_text() -> None:
    class Open(ctypes.Structure):
        _fields_ = (("gap", c_uint64), ("filename", c_uint64), ("flags", ctypes.c_int))

    programs: Any = (
        lambda e: e.filename == b"/etc/passwd",
        lambda e: e.filename in (b"/etc/passwd", b"/etc/group"),
        lambda e: e.filename.startswith(b"/etc"),
        lambda e: Event(1, e.filename).number,
    )
    for fn in programs:
        with pytest.raises(TypeMismatch) as caught:
            pipeline.compile_function(fn, ContextSpec(Open), SPECS[ProgType.TRACEPOINT])
        assert "probe_read_user_str(text, address)" in caught.value.hints[0]
    with pytest.raises(TypeMismatch, match="an integer never equals") as caught:
        pipeline.compile_function(lambda e: e.flags == b"x", ContextSpec(Open), SPECS[ProgType.TRACEPOINT])
    assert "ord('x')" in caught.value.hints[0]
