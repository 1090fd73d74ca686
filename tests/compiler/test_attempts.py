"""What is tried after an attempt to compile a function failed, in which order, and how PY2BPF_VERBOSE reports it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from py2bpf import funcs, vm
from py2bpf.compiler.attempts import Attempts, Evaluation
from py2bpf.compiler.ir.loop_policy import CALLS_PATIENCE, MAX_ATTEMPTS, MAX_BLOCKS
from py2bpf.compiler.peval import Restart, subprograms
from py2bpf.datastructures import HashMap
from py2bpf.exception import (
    InternalCompilerError,
    LimitExceeded,
    Py2BpfError,
    TranslationError,
    UnsupportedSyntax,
    VerifierError,
)
from py2bpf.prog import ProgType, compile_prog, easier
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import Target


def at_once(skb: Any) -> int:
    return skb.len + 1


def becomes_unsigned(skb: Any) -> int:
    total = 0
    for _ in range(skb.len):
        total = funcs.ktime_get_ns()
    return total & 1


def is_a_bool_on_entry(skb: Any) -> int:
    flag = skb.len > 3
    for _ in range(skb.len):
        flag = skb.mark
    return flag


def needs_its_variable(skb: Any) -> int:
    total = 0
    for i in range(60):
        total += len("x" * i) if skb.len > i else 0
    return total


def endless(skb: Any) -> int:
    n = skb.len
    while n:
        n -= 1
    return n


def returns_on_its_way_out(skb: Any) -> int:
    for numbers in ((1, 2), (3, 4, 5)):
        if skb.len == numbers[0]:
            return len(numbers)
    return 0


def needs_how_often(skb: Any) -> int:
    total = i = 0
    while i < 300:
        total += skb.len > i
        i += 1
    return total + len("x" * i)


def changing(skb: Any) -> int:
    total = 0
    for _ in range(skb.len):
        total = funcs.ktime_get_ns()
    return total


def calls_what_changes(skb: Any) -> int:
    total = i = 0
    while i < 300:
        total ^= changing(skb) & 1
        i += 1
    return total


BY_TEST = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="jumps back to its test since Python 3.14, and is a loop at the first attempt"
)
"""A while whose copied test, at the end of the body, suggests that unrolling may come to an end."""
LINE = endless.__code__.co_firstlineno + 2


def told(fn: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why it is compiled again, line by line."""
    monkeypatch.setenv("PY2BPF_VERBOSE", "1")
    compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
    begin = f"== {fn.__name__} again: "
    return [line.removeprefix(begin) for line in capsys.readouterr().err.splitlines() if line.startswith(begin)]


@pytest.mark.parametrize(
    ("fn", "reasons"),
    [
        (at_once, []),
        (becomes_unsigned, ["a loop gets another header: total changes its type in it"]),
        (is_a_bool_on_entry, ["a loop gets another header: flag is a bool on some paths only"]),
        (needs_its_variable, ["a loop is unrolled, as its body fails at run time"]),
        (returns_on_its_way_out, ["the ways out of a loop are parts of it"]),
        pytest.param(
            needs_how_often,
            [f"the while at line {needs_how_often.__code__.co_firstlineno + 2} is tried as a loop: it is long",
             "long loops are unrolled, as what follows them fails"],
            marks=BY_TEST,
        ),
        pytest.param(
            endless, [f"the while at line {LINE} is a loop: only run time knows when it ends"], marks=BY_TEST,
        ),
    ],
)
def test_each_further_attempt_is_a_line(
    fn: Callable[..., int], reasons: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(fn, capsys, monkeypatch) == reasons


@BY_TEST
def test_a_while_that_begins_again_in_each_iteration_is_no_longer_unrolled(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = told(calls_what_changes, capsys, monkeypatch)
    assert CALLS_PATIENCE < len(reasons) < CALLS_PATIENCE + 5


def test_a_program_whose_frames_are_too_large_together_gets_no_subprograms(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprograms, "SUBPROGRAM_INSTRUCTIONS", 1)
    big = ctypes.c_uint64 * 40
    with vm.backend(), HashMap(ctypes.c_uint32, big, 4) as table:

        def keep(n: int) -> int:
            row = big()
            row[n & 7] = n
            table[n & 1] = row
            return row[n & 3]

        def takes_much_stack(skb: Any) -> int:
            mine = big()
            mine[skb.len & 7] = 5
            table[2] = mine  # from here on its place is free
            return keep(skb.len) + keep(skb.len + 1)

        often = "keep() is called often enough to be a subprogram"
        assert told(takes_much_stack, capsys, monkeypatch) == [often, "without subprograms, for less stack"]


def test_nothing_is_told_without_being_asked(capsys: pytest.CaptureFixture[str]) -> None:
    compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, needs_its_variable)
    assert capsys.readouterr().err == ""


# the verifier gives up


def refused(gave_up: bool) -> VerifierError:
    return VerifierError(7, "too large", "", gave_up=gave_up)


def test_the_verifier_is_given_plainer_programs_until_there_are_none() -> None:
    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, endless)
    assert spec.kfuncs
    target = easier(spec, refused(True), Target())
    assert target == Target(iterators=False)
    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, endless, target=target)
    target = easier(spec, refused(True), target)
    assert target == Target(iterators=False, branches=False)
    assert easier(spec, refused(True), target) is None


def test_what_the_verifier_found_wrong_is_told_at_once() -> None:
    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, endless)
    assert easier(spec, refused(False), Target()) is None


# the budget


class Attempt:
    """An evaluation that took so many blocks, without a current instruction."""

    frame = None
    b = SimpleNamespace(span=None)

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    def located(self, error: TranslationError) -> TranslationError:
        return error


def restarts(blocks: int) -> int:
    """How often an evaluation may begin again whose attempts take so many blocks."""
    evaluation = Evaluation(Attempts("f", Target()))
    for count in range(10 * MAX_ATTEMPTS):
        try:
            evaluation.again(Attempt(blocks), Restart("a decision"))  # type: ignore[arg-type]
        except Py2BpfError as error:
            assert isinstance(error, LimitExceeded if blocks else InternalCompilerError)
            return count
    raise AssertionError


def test_attempts_and_their_blocks_are_bounded() -> None:
    assert restarts(0) == MAX_ATTEMPTS - 1
    assert restarts(MAX_BLOCKS // 3) == 3
    assert restarts(MAX_BLOCKS // 3 + 1) == 2


def test_the_first_error_is_told_where_nothing_helps() -> None:
    first = UnsupportedSyntax(0, "first")
    with pytest.raises(UnsupportedSyntax) as caught:
        Evaluation(Attempts("f", Target())).again(Attempt(1), first)  # type: ignore[arg-type]
    assert caught.value is first
