"""The IR checker finds what a pass broke."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ir_text import parse

from py2bpf.compiler.ir.checker import check
from py2bpf.compiler.ir.types import VOID
from py2bpf.compiler.ir.values import Function
from py2bpf.exception import InternalCompilerError

TEXT = """
b0:
  %0 = ctx ctx*
  %1 = load i64 %0, offset=0, bytes=4, unsigned
  %2 = neg i64 %1
  branch %2, then=b1, else=b2
b1:  ; from b0
  %3 = mul i64 %2, 3
  jump b2
b2:  ; from b0, b1
  %4 = phi i64 7, %3
  return %4
"""


def dropped(fn: Function) -> None:
    del fn.blocks[0].body[2]


def exchanged(fn: Function) -> None:
    body = fn.blocks[0].body
    body[1], body[2] = body[2], body[1]


def twice(fn: Function) -> None:
    fn.blocks[1].body.insert(0, fn.blocks[0].body[1])


def elsewhere(fn: Function) -> None:
    fn.blocks[2].body.insert(0, fn.blocks[1].body.pop(0))
    fn.blocks[2].phis[0].args[1] = fn.blocks[0].body[1]
    fn.blocks[1].body.insert(0, parse(TEXT).blocks[1].body[0])
    fn.blocks[1].body[0].args[0] = fn.blocks[2].body[0]


def without_a_value(fn: Function) -> None:
    fn.blocks[0].body[2].type = VOID


def too_few_arguments(fn: Function) -> None:
    fn.blocks[1].body[0].args.pop()


def unfinished(fn: Function) -> None:
    fn.blocks[1].body.pop()


def of_the_other_way(fn: Function) -> None:
    fn.blocks[2].phis[0].args.reverse()


def of_too_many_ways(fn: Function) -> None:
    fn.blocks[2].phis[0].args.append(fn.blocks[0].body[1])


BROKEN: dict[Callable[[Function], None], str] = {
    dropped: "an argument that stands nowhere",
    exchanged: "used before it is computed",
    twice: "a value stands in two places",
    elsewhere: "used where it may not have been computed",
    without_a_value: "an argument that has no value",
    too_few_arguments: "1 arguments",
    unfinished: "a block without terminator",
    of_the_other_way: "a phi argument that does not reach its predecessor",
    of_too_many_ways: "a phi that does not match the predecessors",
}


def test_takes_what_is_whole() -> None:
    check(parse(TEXT), "the test")


@pytest.mark.parametrize("change", BROKEN, ids=lambda change: change.__name__)
def test_tells_what_is_broken(change: Callable[[Function], None]) -> None:
    fn = parse(TEXT)
    change(fn)
    with pytest.raises(InternalCompilerError, match=BROKEN[change]):
        check(fn, "the test")
