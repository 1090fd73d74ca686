"""ctx.packet(): what programs do with packets of all lengths in the kernel, and the same functions in CPython."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import FunctionType
from unittest.mock import patch

import packet_programs as programs
import pytest

from py2bpf.compiler.peval import subprograms
from py2bpf.prog import Prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone"),  # many use views that nobody tested
]

CONTEXTS = {ProgType.XDP: XDP_MD, ProgType.SCHED_CLS: SK_BUFF, ProgType.CGROUP_SKB: SK_BUFF}


def packets(seed: int) -> Iterator[bytes]:
    """Of every length, half of them with headers that lead on."""
    random_ = random.Random(seed)
    for length in range(14, 201):
        yield headers(random_)[:length].ljust(length, random_.choice((b"\0", b"\1", b"\7", b"\xff")))
        yield random_.randbytes(length)
        yield bytes(random_.choice((0, 0, 1, 2, 3, 5)) for _ in range(length))


def headers(random_: random.Random) -> bytes:
    count = random_.choice((0, 0, 1, 4))
    tags = [random_.choice((b"\x81\0", b"\x88\xa8")) + random_.randbytes(2) for _ in range(count)]
    words = random_.choice((5, 5, 6, 15, 4))
    ip = bytes((0x40 | words,)) + random_.randbytes(7) + bytes((random_.randrange(5),)) + random_.randbytes(60)
    return random_.randbytes(12) + b"".join(tags) + b"\x08\0" + ip


def expected(fn: FunctionType, packet: bytes, safe: int) -> tuple[int, bytes]:
    sim = programs.Sim(packet)
    try:
        with patch.object(programs, "funcs", programs.SimFuncs):
            result = fn(sim)
    except (AttributeError, IndexError, TypeError):  # of None: a missing number in arithmetic is a TypeError
        result = safe
    return result & 0xFFFFFFFF, sim.bytes


def takes(kind: ProgType, packet: bytes, shortest: int) -> bool:
    """The kernel refuses to run sk_buff programs on cut-off IP headers."""
    least = {b"\x08\0": 34, b"\x86\xdd": 54}.get(packet[12:14], 0)
    return len(packet) >= (shortest if kind is ProgType.XDP else max(shortest, least))


def check(kind: ProgType, prog: Prog, fn: FunctionType, shortest: int = 14) -> None:
    safe, ran = SPECS[kind].fallback, 0
    for packet in filter(lambda packet: takes(kind, packet, shortest), packets(len(fn.__name__))):
        ran += 1
        run = prog.test_run(packet)
        assert (run.retval, run.data) == expected(fn, packet, safe), packet.hex()
    assert ran > 300


@pytest.mark.parametrize("fn", [*programs.READING, *programs.WRITING], ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("kind", [ProgType.XDP, ProgType.SCHED_CLS], ids=lambda kind: kind.name)
def test_as_in_python(kind: ProgType, fn: FunctionType) -> None:
    with create_prog(kind, CONTEXTS[kind], fn) as prog:
        check(kind, prog, fn)


@pytest.mark.parametrize("fn", programs.MOVING, ids=lambda fn: fn.__name__)
def test_views_follow_the_packet(fn: FunctionType) -> None:
    with create_prog(ProgType.XDP, XDP_MD, fn) as prog:
        check(ProgType.XDP, prog, fn, shortest=90)  # so that what is cut off loses no view


def test_views_follow_the_packet_through_subprograms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprograms, "SUBPROGRAM_INSTRUCTIONS", 1)
    for fn, kept in ((programs.moved_in_subprograms, 60), (programs.read_in_subprograms, 14)):
        with create_prog(ProgType.XDP, XDP_MD, fn) as prog:
            assert len(prog.spec.functions) == 1
            check(ProgType.XDP, prog, fn, shortest=kept)


def test_a_view_that_is_lost_when_the_packet_moves_ends_the_program() -> None:
    with create_prog(ProgType.XDP, XDP_MD, programs.moved_lost) as prog:
        assert prog.test_run(bytes(60)).retval == SPECS[ProgType.XDP].fallback
        assert prog.test_run(bytes(16)).retval == 100  # nothing is cut
