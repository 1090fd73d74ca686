"""Programs over texts, run in the world at hand."""

from __future__ import annotations

from typing import Any

from py2bpf import sim
from py2bpf.prog import create_prog
from py2bpf.testing import packets
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import ProgType

PACKET = packets.ethernet(bytes(range(50)), packets.ETH_P_IP)
CONTEXTS = {"socket_filter": (ProgType.SOCKET_FILTER, SK_BUFF), "xdp": (ProgType.XDP, XDP_MD)}


def answers(fn: Any, packet: bytes = PACKET, hook: str = "socket_filter") -> int:
    """What the program answers, in the simulation as where the backend is, without an error."""
    simulated = sim.run(fn, packet, hook=hook, isolated=True, raise_errors=True)
    kind, context = CONTEXTS[hook]
    with create_prog(kind, context, fn) as prog:
        real = prog.test_run(packet)
        assert prog.errors == {}
    assert simulated.retval == real.retval
    return real.retval
