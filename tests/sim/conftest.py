"""Programs, run by CPython in the simulated kernel and by the real one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from py2bpf import sim
from py2bpf.exception import PossiblyNone
from py2bpf.prog import create_prog
from py2bpf.testing import packets
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import ProgType

CONTEXTS = {ProgType.SOCKET_FILTER: SK_BUFF, ProgType.SCHED_CLS: SK_BUFF, ProgType.XDP: XDP_MD}
PACKET = packets.ethernet(bytes(50), packets.ETH_P_IP)


@pytest.fixture
def both() -> Callable[..., Any]:
    """Runs a function in both worlds, and compares what they answer; the maps are the simulation's afterwards.

    The simulation runs first and apart, then the kernel, then what each left in the maps is compared.
    """

    def run(fn: Any, packet: bytes = PACKET, hook: Any = "socket_filter", maps: tuple[Any, ...] = ()) -> Any:
        runner = sim.Runner(fn, hook=hook, isolated=True)
        simulated = runner(packet)
        kind = ProgType(runner.hook.prog_type)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossiblyNone)
            made = create_prog(kind, CONTEXTS[kind], fn)
        with made as prog:
            real = prog.test_run(packet)
            assert simulated.errors == prog.errors
        assert (simulated.retval, simulated.data) == (real.retval, real.data)
        for each in maps:
            left = simulated.items(each)
            assert sorted(map(content, left)) == sorted(map(content, each.items()))
        return simulated

    return run


def content(value: Any) -> Any:
    """Something that can be compared: structs are by their bytes."""
    if isinstance(value, tuple):
        return tuple(map(content, value))
    return value if isinstance(value, (int, str, bytes, list)) else bytes(value)
