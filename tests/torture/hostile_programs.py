"""Random and damaged programs in the embedded VM: refused, faults, or results, within their budget of instructions.

tests/core/check_vm_fuzz.c does the same from C; here the compiler makes the programs, over real maps and queues.
"""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import case_files
import namespaces
from campaigns import TESTS, Outcome, Round

from py2bpf import vm
from py2bpf.core.handles import Handle
from py2bpf.exception import Py2BpfError
from py2bpf.prog import create_prog
from py2bpf.vm import program_calls
from py2bpf.vm.machine import machine

SLOT = 8
REPEATED = 25
"""Programs of a round."""
FEWEST, EVERY = 20, 4
"""One case in so many gives programs, since making them takes time."""
SLACK = 8192
"""Instructions that a run may take beyond its budget: those of the helper call that it ended with."""
TELLING = (0, 1, -1, 2, 4, 8, 14, 16, 31, 32, 63, 64, 255, 256, 511, 512, 4096, 65535, 2**31 - 1, -(2**31))


class Good(NamedTuple):
    """A program that the VM accepts."""

    slots: bytes
    prog_type: int
    maps: Sequence[Handle]
    kfuncs: Sequence[str]


def begin() -> Round:
    """Everything is made in the VM, without privileges."""
    namespaces.leave_ours()
    with vm.backend("vm"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = list(_good(sorted((TESTS / "cases").rglob("*.case"))[::EVERY]))
    assert len(kept) >= FEWEST, f"only {len(kept)} programs to begin with"
    goods = [good for good, _held in kept]
    codes = sorted({slot[0] for good in goods for slot in _split(good.slots)})

    def play(seed: int) -> Outcome:
        assert kept  # the maps live as long as the rounds
        ran = 0
        for number in range(REPEATED):
            choose = random.Random(f"{seed} {number}")
            good = choose.choice(goods)
            slots = _random(choose, codes) if choose.random() < 0.2 else _damaged(good, goods, choose)
            beyond, runs = _tried(good, slots, choose)
            ran += runs
            if beyond:
                return Outcome("beyond the budget", f"{beyond}\n{good.prog_type} {slots.hex()}")
        return Outcome("some ran" if ran else "none ran")

    return play


def _good(paths: Sequence[Path]) -> Iterator[tuple[Good, Any]]:
    """Programs, and what holds their maps."""
    made: list[Good] = []
    create = program_calls.prog_create

    def note(machine: Any, slots: Any, prog_type: int, maps: Any, kfuncs: Any, what: str) -> Any:
        made.append(Good(bytes(slots), prog_type, maps, kfuncs))
        return create(machine, slots, prog_type, maps, kfuncs, what)

    for path in paths:
        case = case_files.parse(path)
        with contextlib.suppress(Py2BpfError), mock.patch.object(program_calls, "prog_create", note):
            names = case_files.namespace(case, case_files.live_maps())
            prog = create_prog(case.prog_type, case_files.context_of(case.prog_type), names["prog"])
            yield made[-1], (names, prog)


def _tried(good: Good, slots: bytes, choose: random.Random) -> tuple[str, int]:
    """Makes a program and runs it; reports runs that exceed their budget, and counts those that reach their end."""
    made = program_calls.prog_create(
        machine().handle, slots, good.prog_type, good.maps, good.kfuncs, "a hostile program")
    if isinstance(made, program_calls.Fault):
        return "", 0
    budget, repeat = choose.choice((1, 100, 3000, 50_000)), choose.choice((1, 1, 3))
    packet = choose.randbytes(choose.choice((0, 14, 60, 64, 1500, 9000)))
    context = choose.choice((b"", bytes(4096), choose.randbytes(192)))
    try:
        result = program_calls.prog_run(made, packet, context, repeat, budget)
    finally:
        made.close()
    if not isinstance(result, program_calls.RunResult):
        return "", 0
    most = repeat * (budget + len(slots) // SLOT + SLACK)
    return (f"{result.insns} instructions, {most} at most" if result.insns > most else ""), 1


# How programs are damaged


def _split(slots: bytes) -> list[bytearray]:
    return [bytearray(slots[at : at + SLOT]) for at in range(0, len(slots), SLOT)]


def _random(choose: random.Random, codes: Sequence[int]) -> bytes:
    """Instructions of the kinds that there are, over random registers, and an end."""
    slots = [bytes([choose.choice(codes), choose.randrange(11) | choose.randrange(11) << 4])
             + choose.choice((0, 1, 2, -1, -8, choose.randrange(-512, 512))).to_bytes(2, "little", signed=True)
             + choose.choice((*TELLING, choose.randrange(200))).to_bytes(4, "little", signed=True)
             for _ in range(choose.randint(1, 60))]  # fmt: skip
    return b"\xb7" + bytes(7) + b"".join(slots) + b"\x95" + bytes(7)


def _damaged(good: Good, goods: Sequence[Good], choose: random.Random) -> bytes:
    slots = _split(good.slots)
    for _ in range(choose.choice((1, 1, 2, 4, 10))):
        if slots:
            choose.choice(DAMAGES)(slots, goods, choose)
    return b"".join(slots)


Slots = list[bytearray]


def _byte(slots: Slots, _goods: Sequence[Good], choose: random.Random) -> None:
    choose.choice(slots)[choose.randrange(SLOT)] = choose.randrange(256)


def _register(slots: Slots, _goods: Sequence[Good], choose: random.Random) -> None:
    choose.choice(slots)[1] = choose.randrange(11) | choose.randrange(11) << 4


def _offset(slots: Slots, _goods: Sequence[Good], choose: random.Random) -> None:
    number = choose.choice((0, 1, -1, 8, -8, -512, 32767, -32768, choose.randrange(-len(slots), len(slots) + 1)))
    choose.choice(slots)[2:4] = max(-32768, min(number, 32767)).to_bytes(2, "little", signed=True)


def _number(slots: Slots, _goods: Sequence[Good], choose: random.Random) -> None:
    number = choose.choice((*TELLING, choose.randrange(220)))
    choose.choice(slots)[4:8] = number.to_bytes(4, "little", signed=True)


def _swap(slots: Slots, _goods: Sequence[Good], choose: random.Random) -> None:
    one, other = choose.randrange(len(slots)), choose.randrange(len(slots))
    slots[one], slots[other] = slots[other], slots[one]


def _drop(slots: Slots, _goods: Sequence[Good], choose: random.Random) -> None:
    del slots[choose.randrange(len(slots))]


def _splice(slots: Slots, goods: Sequence[Good], choose: random.Random) -> None:
    others = _split(choose.choice(goods).slots)
    begin, at = choose.randrange(len(others)), choose.randrange(len(slots))
    slots[at:at] = others[begin : begin + choose.randint(1, 8)]


DAMAGES: Sequence[Callable[[Slots, Sequence[Good], random.Random], None]] = (
    _byte, _register, _offset, _number, _number, _swap, _drop, _splice
)  # fmt: skip
