"""Simulation: CPython runs the function that would be compiled, in a simulated kernel.

    run = sim.run(count, packets.tcp(dport=443), hook="xdp")
    assert run.retval == XDP_PASS and ports[443] == 1

The function runs unchanged: step through it in pdb, print, measure its coverage. Its maps behave as in programs, and
Python answers the helpers of ``py2bpf.funcs``. An exception ends the function with its hook's fallback result, and is
counted. A simulation needs privileges only for its maps; inside ``py2bpf.vm.backend()`` maps need none.
"""

from __future__ import annotations

from .contexts import Context, context, registers
from .environment import Environment, Memory
from .errors import SimulationError
from .runner import Runner, SimRun, run
from .running import Event

__all__ = [
    "Context",
    "Environment",
    "Event",
    "Memory",
    "Runner",
    "SimRun",
    "SimulationError",
    "context",
    "registers",
    "run",
]
