"""Owners of descriptors and of objects of the C core: cycles, threads, copies and signals hurt nobody."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from owners import HOOKS, OWNERS, Owner, nothing

from py2bpf import vm
from py2bpf.exception import DataTypeError
from py2bpf.prog import ProgType, compile_prog, create_prog, load_spec
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import Target

HERE = Path(__file__).parent
pytestmark = pytest.mark.kernel

EVERYWHERE = [(kind, where) for kind in OWNERS for where in ("kernel", "vm")] + [(kind, "kernel") for kind in HOOKS]
every_owner = pytest.mark.parametrize(("kind", "where"), EVERYWHERE, ids=["-".join(each) for each in EVERYWHERE])


def run(campaign: str, kind: str, where: str, rounds: int) -> None:
    """In a process of its own, which a fault may end."""
    done = subprocess.run(
        [sys.executable, "rounds.py", campaign, kind, str(rounds)], cwd=HERE, capture_output=True, text=True,
        timeout=60, env={**os.environ, "PY2BPF_BACKEND": where},
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr[-2000:])


@every_owner
def test_in_a_cycle(kind: str, where: str) -> None:
    run("cycles", kind, where, 20)


@every_owner
def test_closed_by_another_thread(kind: str, where: str) -> None:
    run("races", kind, where, 20)


@pytest.mark.threads
@pytest.mark.parametrize("where", ["kernel", "vm"])
def test_all_closed_by_other_threads(where: str) -> None:
    """In one process: under the thread sanitizer one takes seconds to begin, and no fault ends it."""
    run("races", ",".join(kind for kind, place in EVERYWHERE if place == where), where, 10)


@pytest.mark.threads
@pytest.mark.parametrize("where", ["kernel", "vm"])
def test_nothing_is_written_to_a_map_that_took_the_place(where: str) -> None:
    run("foreign", "hash map", where, 300)


@every_owner
def test_interrupted_anywhere(kind: str, where: str) -> None:
    run("interrupted", kind, where, 100)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda how: how.__name__)
@every_owner
def test_no_copies(kind: str, where: Any, how: Any) -> None:
    owner: Owner = {**OWNERS, **HOOKS}[kind]
    with vm.backend(where), owner.make() as made:
        with pytest.raises(DataTypeError, match=r"can't be copied or pickled: "):
            how(made)
        owner.use(made)


def test_a_program_loads_while_a_timer_ticks() -> None:
    """Its verification takes many times as long as from one signal to the next."""
    def busy(skb: Any) -> int:
        total = 0
        for i in range(20_000):
            total += skb.mark ^ i
        return total

    # A plain loop, round by round, as before Linux 5.17.
    walked = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, busy, target=Target(iterators=False, bpf_loop=False))
    ticks = []
    before = signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        with load_spec(walked, ()) as prog:
            assert prog.info.verified_insns > 50_000
        create_prog(ProgType.SOCKET_FILTER, SkBuffContext, nothing).close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ticks
