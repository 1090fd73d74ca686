"""Uses of spin locks that the kernel's verifier would refuse are refused while compiling, on the user's line."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from locked_values import Flow, Narrow

from py2bpf import funcs
from py2bpf.datastructures import (
    SpinLock,
)
from py2bpf.exception import LimitExceeded, TranslationError, TypeMismatch, UnsupportedSyntax
from py2bpf.prog import compile_prog
from py2bpf.spec import MapSpec
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")


class Spec:
    """A map for programs that are only compiled."""

    def __init__(self, value_type: Any = Flow) -> None:
        self.map_spec = MapSpec(MapType.HASH, ctypes.c_uint32, value_type, 8)


M, PLAIN, BYTES = Spec(), Spec(ctypes.c_uint32), Spec(Narrow)


def helper_inside(skb: Any) -> Any:
    with M.lock(1):
        return funcs.ktime_get_ns()


def map_inside(skb: Any) -> Any:
    with M.lock(1) as flow:
        if flow:
            PLAIN[3] = 4
    return 0


def called(skb: Any) -> Any:
    return funcs.get_prandom_u32()


def helper_in_a_callee(skb: Any) -> Any:
    with M.lock(1):
        return called(skb)


def nested(skb: Any) -> Any:
    with M.lock(1), M.lock(2):
        return 0


def reading_the_lock(skb: Any) -> Any:
    with M.lock(1) as flow:
        return flow.lock.val


def writing_the_lock(skb: Any) -> Any:
    flow = Flow()
    flow.lock = SpinLock()
    return 0


def copying(skb: Any) -> Any:
    flow = M[1]
    if flow:
        M[2] = flow
    return 0


def no_lock(skb: Any) -> Any:
    with PLAIN.lock(1):
        return 0


def no_map(skb: Any) -> Any:
    with skb:
        return 0


def endless(skb: Any) -> Any:
    n = PLAIN[1]
    with M.lock(1) as flow:
        if flow:
            for i in range(n):
                flow.size = flow.size + i
    return 0


def not_entered(skb: Any) -> Any:
    flow = M.lock(1)
    return flow.packets


def narrow_in_another_entry(skb: Any) -> Any:
    other = BYTES[1]
    if other:
        with M.lock(1):
            other.level += 1
    return 0


def after_a_lock_in_a_loop(skb: Any) -> Any:
    for i in range(3):
        with M.lock(i) as flow:
            if not flow:
                return 5
            flow.size ^= i
    return flow.colour


@pytest.mark.parametrize(
    ("fn", "error", "says", "line"),
    [
        (helper_inside, UnsupportedSyntax, r"forbids calls of helpers while a spin lock is held.*ktime_get_ns\(\)", 2),
        (map_inside, UnsupportedSyntax, r"this needs map_update_elem\(\)", 3),
        (helper_in_a_callee, UnsupportedSyntax, r"this needs get_prandom_u32\(\)", None),
        (nested, UnsupportedSyntax, "a spin lock is held already", 1),
        (reading_the_lock, TypeMismatch, "the spin lock 'lock' can't be read or written", 2),
        (writing_the_lock, TypeMismatch, "the spin lock 'lock' can't be read or written", 2),
        (copying, TypeMismatch, "a Flow in a map can't be used as a whole", 3),
        (no_lock, TypeMismatch, "the values of this map have no spin lock", 1),
        (no_map, UnsupportedSyntax, "with takes a map's lock in a compiled function, but this is the program's", 1),
        (endless, LimitExceeded, "a loop under a spin lock has to be short", 4),
        (not_entered, TypeMismatch, "a lock that is not taken yet has no attribute 'packets'", 2),
        (narrow_in_another_entry, TypeMismatch, r"\+= on a shared c_byte can't be made atomic", 4),
        (after_a_lock_in_a_loop, TypeMismatch, "Flow has no field 'colour'", 6),
    ],
)
def test_refused(fn: Any, error: type[TranslationError], says: str, line: int | None) -> None:
    with pytest.raises(error, match=says) as caught:
        compile_prog(ProgType.SCHED_CLS, SK_BUFF, fn)
    assert caught.value.hints and caught.value.span is not None and caught.value.span.column is not None
    if line is not None:
        assert caught.value.line == fn.__code__.co_firstlineno + line


@pytest.mark.parametrize(
    ("prog_type", "says"),
    [
        (ProgType.SOCKET_FILTER, "doesn't let socket filters use a map whose values have a spin lock"),
        (ProgType.TRACEPOINT, "doesn't let tracing programs use"),
        (ProgType.KPROBE, "doesn't let tracing programs use"),
    ],
)
def test_hooks_without_locks(prog_type: ProgType, says: str) -> None:
    def prog(ctx: Any) -> Any:
        return 1 if 3 in M else 0

    with pytest.raises(UnsupportedSyntax, match=says):
        compile_prog(prog_type, SK_BUFF, prog)
