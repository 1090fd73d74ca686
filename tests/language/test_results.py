"""Results whose bounds the kernel wants to see: a cgroup program gives 0 or 1. Python, the VM and the kernel agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from for_targets import compile_for

from py2bpf import sim
from py2bpf.exception import VerifierError
from py2bpf.prog import ProgType, create_prog
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF

PACKETS = [bytes(14 + size) for size in (20, 21, 490, 1000)]


def narrowed(ctx: Any) -> Any:
    rest = ctx.len % 1000
    if rest < 2:
        return rest
    large = ctx.len // 900
    return large if large < 2 else 0


def in_a_loop(ctx: Any) -> Any:
    last = 0
    for i in range(ctx.len):
        if i == 600:
            return i // 7 % 2
        last = i // 3 & 1
    return last


def on_some_ways(ctx: Any) -> Any:
    rest = ctx.len % 3
    if rest == 2:
        rest = 0
    return 1 - rest if ctx.len & 1 else rest


def toggled(ctx: Any) -> Any:
    found = True
    for _ in range(ctx.len):
        found = not found
    return found


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "a quotient": lambda ctx: (ctx.len & 1023) // 1000,
    "a quotient that is masked": lambda ctx: ((ctx.len & 1023) // 1000) & 1,
    "a quotient of nothing": lambda ctx: ((ctx.len & 511) // 1000) & 1,
    "both of divmod": lambda ctx: divmod(ctx.len & 1023, 1000)[0],
    "a sum of bools": lambda ctx: sum(number > 300 for number in (ctx.len, ctx.len * 2)) // 2,
    "min and max": lambda ctx: max(0, min(1, ctx.len // 7 - 100)),
    "a choice": lambda ctx: (ctx.len & 1023) // 1000 if ctx.mark == 0 else 1,
    "narrowed": narrowed,
    "on some ways": on_some_ways,
    "in a loop": in_a_loop,
    "toggled": toggled,
}


def agree(fn: Callable[[Any], Any]) -> None:
    with create_prog(ProgType.CGROUP_SKB, SK_BUFF, fn) as made:
        for packet in PACKETS:
            assert made.test_run(packet).retval == sim.run(fn, packet, hook="cgroup_skb").retval


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_kernel_sees_the_bound(name: str, backend: str) -> None:
    agree(PROGRAMS[name])


@pytest.mark.parametrize("name", ["in a loop", "toggled"])
def test_it_sees_the_bound_of_what_callbacks_found(name: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_for(monkeypatch, Target().without("iterators"))
    agree(PROGRAMS[name])


@pytest.mark.kernel
def test_a_result_without_bounds_is_explained() -> None:
    with pytest.raises(VerifierError, match="the result is 0 to 1: return constants, a comparison, or number & 1"):
        create_prog(ProgType.CGROUP_SKB, SK_BUFF, lambda ctx: ctx.len)
