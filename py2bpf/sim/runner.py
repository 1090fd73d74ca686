"""Runs functions in the simulated kernel."""

from __future__ import annotations

import ctypes
import functools
import operator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from ..borders import Public, is_librarys, of_a_signal, public
from ..exception import DataTypeError, Py2BpfError
from ..given import shown
from ..spec import ContextSpec, ErrorSite, HookSpec
from ..uapi.contexts import OF_REGISTERS
from ..worlds import CURRENT
from . import contexts, searches, world
from .contexts import Context
from .environment import Environment
from .errors import ProgramEnd, SimulationError
from .map_views import MapView
from .running import Event

_U32: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class SimRun:
    """The result of a simulated run.

    ``retval`` and ``data`` are those of prog.test_run(): the result as an unsigned 32-bit number, and the packet
    afterwards. ``exception`` is the exception that ended the program, if any, and ``errors`` counts it by its place,
    like ``prog.errors``. ``events`` are the records that the program wrote, ``trace`` the lines of trace_printk().
    """

    retval: int
    data: bytes = b""
    errors: dict[ErrorSite, int] = field(default_factory=dict)
    exception: Exception | None = None
    events: tuple[Event, ...] = ()
    trace: tuple[str, ...] = ()
    views: tuple[MapView, ...] = field(default=(), repr=False)

    @public
    def items(self, map: Any) -> list[tuple[Any, Any]]:
        """The pairs (key, value) that the run left in a map. For an isolated run, no other object has them."""
        return world.items(self.views, map)


class Runner(Public):
    """Runs one function many times: ``runner(packet)`` is ``run(fn, packet, ...)`` with the Runner's other arguments.

    See run() for the arguments.
    """

    def __init__(
        self, fn: Any, *, hook: Any = None, isolated: bool = False, raise_errors: bool = False,
        environment: Environment | None = None,
    ) -> None:  # fmt: skip
        searches.teach()
        self.hook: HookSpec = contexts.hook_of(hook, fn)
        self._probe = fn if hasattr(fn, "fn") else None
        self.fn = getattr(fn, "fn", fn)
        if not callable(self.fn):
            raise DataTypeError(f"give the function that would be compiled, not {shown(fn)}")
        self.isolated, self.raise_errors = isolated, raise_errors
        self.environment = environment or Environment()

    def __call__(self, given: Any = None) -> SimRun:
        context = self._context(given)
        around = world.Simulation(self.hook, context, self.environment, self.isolated)
        token = CURRENT.set(around)
        problem: Exception | None = None
        try:
            value = self._result(self.fn(context))
        except ProgramEnd as end:
            value = end.value
        except BaseException as error:
            if self.raise_errors or not is_programs_own(error):
                raise
            assert isinstance(error, Exception)
            value, problem = self.hook.fallback, error
        finally:
            CURRENT.reset(token)
            around.end()
        packet = context._packet
        return SimRun(
            value & _U32,
            b"" if packet is None else packet.linked(),
            {} if problem is None else {site(problem): 1},
            problem,
            tuple(around.events),
            tuple(around.trace),
            tuple(around.views.values()),
        )

    @functools.cached_property
    def _spec(self) -> ContextSpec:
        """The type of a probe's argument, which may have to be looked up in the kernel."""
        return contexts.spec_of(self._probe)

    def _context(self, given: Any) -> Context:
        if isinstance(given, (bytes, bytearray)):
            return contexts.packet_context(given, self.hook)
        if isinstance(given, Context):
            is_probes = self._probe is not None and isinstance(given.struct, OF_REGISTERS.structs)
            return contexts.retyped(given, self._spec) if is_probes else given
        if isinstance(given, ctypes.Structure):
            return contexts.wrapped(given)
        if self._probe is not None and (given is None or isinstance(given, dict)):
            return contexts.context(self._spec, **(given or {}))
        raise DataTypeError("give a packet (bytes, from its Ethernet header on) or a context "
                            f"(sim.registers(...), sim.context(...)), not {shown(given)}")  # fmt: skip

    def _result(self, value: Any) -> int:
        if value is None:
            return self.hook.default
        if isinstance(value, ctypes._SimpleCData):
            value = value.value
        try:
            return operator.index(value)
        except TypeError:
            raise SimulationError(f"the program returned {shown(value)}: programs return integers or None") from None


def is_programs_own(error: BaseException) -> bool:
    """Whether the program raised the error. A compiled program then ends with its hook's fallback result."""
    return isinstance(error, Exception) and not isinstance(error, Py2BpfError) and not of_a_signal(error)


def site(error: Exception) -> ErrorSite:
    """The line of the program where the error was raised."""
    at: TracebackType | None = error.__traceback__
    filename, line = "<unknown>", 0
    while at is not None:
        if not is_librarys(at.tb_frame.f_code.co_filename):
            filename, line = at.tb_frame.f_code.co_filename, at.tb_lineno
        at = at.tb_next
    return ErrorSite(filename, line, type(error).__name__)


@public
def run(
    fn: Any, given: Any = None, *, hook: Any = None, isolated: bool = False, raise_errors: bool = False,
    environment: Environment | None = None,
) -> SimRun:  # fmt: skip
    """Runs a function in CPython as the kernel would run the compiled function.

    ``fn`` is a plain function, or a function decorated by @kprobe.probe or @tracepoint.probe. ``given`` is a packet
    that begins with its Ethernet header, a context (registers(), context(), any ctypes Structure), or a dict with the
    fields of a probe's context. ``hook`` selects the program type: ``"socket_filter"`` (the default for a plain
    function), ``"tc"``, ``"xdp"``, a ProgType or a HookSpec. A probe knows its own.

    Maps change as the program changes them. With ``isolated`` they stay as they are, and only the result's items() has
    what the program wrote. An exception of the program is counted, and gives the hook's fallback result. With
    ``raise_errors`` it is raised, for pdb. ``environment`` gives the running process, the time, and foreign memory.

    Raises SimulationError for operations that can't be simulated, DataTypeError for values that programs can't store.
    """
    runner = Runner(fn, hook=hook, isolated=isolated, raise_errors=raise_errors, environment=environment)
    return runner(given)
