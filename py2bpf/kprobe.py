"""Kernel probes: a function runs whenever a function of the kernel is entered or left.

    @py2bpf.kprobe.probe('sys_close')
    def on_close(pt_regs):
        counts[pt_regs.args[0]] += 1
        return 0

    with on_close():
        ...

The name ``sys_X`` means a system call on every kernel and architecture. ``pt_regs.args``, and the registers in which C
passes arguments, are then the system call's own arguments, even if the kernel wraps system calls.

``args`` and ``ret`` have the width and sign of their C types if the kernel's BTF or the tracepoints of system calls
give the types; otherwise they are whole registers.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from . import ledger
from .borders import public
from .exception import DataTypeError
from .given import shown
from .hooks.events import to_event
from .hooks.link import Link
from .hooks.probes import Unattached
from .hooks.targets import function, is_inside, open_first, present
from .kernel import signatures
from .kernel.signatures import UNKNOWN
from .kernel.symbols import Symbols
from .ledger import Loss
from .prog import Prog, create_prog
from .spec import ContextSpec
from .uapi import contexts
from .uapi.hooks import BY_NAME
from .uapi.prog_types import ProgType
from .uapi.syscalls import candidates, is_wrapper


def __getattr__(name: str) -> ContextSpec:
    """Makes PtRegsContext on first use, so that the module can be imported on a machine whose registers py2bpf doesn't
    know."""
    if name == "PtRegsContext":
        return contexts.pt_regs()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Kprobe(Link):
    """A program attached to a function of the kernel. ``symbol`` is the function that is probed, ``prog`` the
    program."""

    def __init__(self, fn: Callable[[Any], Any], targets: Sequence[str], exit_probe: bool) -> None:
        with ExitStack() as stack:
            event, self.symbol = open_first(targets, exit_probe)
            stack.enter_context(event)
            context = _context(self.symbol, exit_probe, is_inside(targets, self.symbol))
            prog = stack.enter_context(create_prog(ProgType.KPROBE, context, fn))
            super().__init__(prog, f"the function {self.symbol}", stack)
            to_event(self, event.event)
            self._stack = stack.pop_all()
        ledger.register(self)

    def losses(self, where: str) -> Iterator[Loss]:
        """See py2bpf.losses(). Runs that the program itself missed are listed for the program."""
        if not self.closed:
            yield Loss("probe", self.symbol, where, self._attachment.misses(), "hits without room for another return")

    def __repr__(self) -> str:
        return f"<Kprobe at {self.symbol} of {self.prog!r}>"


class Probe(Unattached):
    """A function that is to run at a kernel function. Calling the probe compiles, loads and attaches the function, and
    gives a Kprobe."""

    hook = BY_NAME["kprobe"]

    def __init__(self, fn: Callable[[Any], Any], targets: tuple[str, ...], exit_probe: bool) -> None:
        super().__init__(fn)
        self.targets, self.exit_probe = targets, exit_probe

    @property
    def context(self) -> ContextSpec:
        """The type of the function's argument. For a system call, ``args`` are the call's own arguments."""
        symbol = present(function(self.targets[0]).symbol, Symbols.of_kernel())
        return _context(symbol, self.exit_probe, bool(function(self.targets[0]).offset))

    @property
    def expected_context(self) -> ContextSpec:
        """The same without asking the kernel for its functions: assumes that ``sys_X`` is wrapped."""
        place = function(self.targets[0])
        return _context(candidates(place.symbol, platform.machine())[-1], self.exit_probe, bool(place.offset))

    def __call__(self) -> Kprobe:
        """Raises TranslationError, NotSupported, and KernelError, which suggests names if the function doesn't
        exist."""
        self._need_kernel()
        return Kprobe(self.fn, self.targets, self.exit_probe)

    def load(self) -> Prog:
        return create_prog(ProgType.KPROBE, self.context, self.fn)


@public
def probe(symbol: str | Sequence[str], exit_probe: bool = False) -> Callable[[Callable[[Any], Any]], Probe]:
    """Decorates a function that takes the registers (PtRegsContext) to run when a kernel function is called.

    ``symbol`` is a function's name, perhaps with an offset (``name+0x10``), or a list of names, of which the first one
    that the kernel can probe is used. With ``exit_probe`` the function runs when the kernel's function returns, and
    finds its result in ``pt_regs.ret``. Raises ValueError for a text that can't be a name, DataTypeError for a name
    that is no str.
    """
    targets = _targets(symbol)
    if exit_probe and any(function(target).offset for target in targets):
        raise ValueError("a function has one begin and one return: an exit probe takes no offset")
    for target in targets:
        function(target)
    if not targets:
        raise ValueError("probe() needs the name of at least one function of the kernel")
    return public(lambda fn: Probe(fn, targets, exit_probe))


def _targets(symbol: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(symbol, str):
        return (symbol,)
    if not isinstance(symbol, (list, tuple)) or not all(isinstance(name, str) for name in symbol):
        what = "give the kernel's function: @kprobe.probe('name'), or a list of names"
        raise DataTypeError(f"{what}, not {shown(symbol)}")
    return tuple(symbol)


def _context(symbol: str, exit_probe: bool, inside: bool = False) -> ContextSpec:
    """The registers at a symbol. ``inside`` a function, the types of the arguments are unknown."""
    machine, types = platform.machine(), UNKNOWN if inside else signatures.of_symbol(symbol)
    if exit_probe:
        return contexts.pt_regs(machine, entry=False, result=types.result)
    if is_wrapper(symbol, machine):
        return contexts.syscall_regs(machine, types=types.args)
    return contexts.pt_regs(machine, exit=False, types=types.args)
