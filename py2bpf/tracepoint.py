"""Tracepoints: a function runs whenever the kernel passes a place that its authors marked, and gets the place's data.

    @py2bpf.tracepoint.probe('syscalls:sys_enter_openat')
    def on_open(event):
        counts[event.dfd] += 1
        return 0

    with on_open():
        ...

``perf list tracepoint``, or the folders in /sys/kernel/tracing/events, show which tracepoints there are. The file
``format`` in a tracepoint's folder names the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from .borders import public
from .exception import DataTypeError
from .hooks.events import to_event
from .hooks.link import Link
from .hooks.probes import Unattached
from .hooks.targets import tracepoint as split
from .kernel import event_formats
from .kernel.event_context import context
from .kernel.perf_event import open_tracepoint
from .kernel.tracefs import event_format
from .prog import Prog, create_prog
from .spec import ContextSpec
from .uapi.hooks import BY_NAME
from .uapi.prog_types import ProgType


class Tracepoint(Link):
    """A program attached to a tracepoint. ``event`` is its name, ``prog`` the program."""

    def __init__(self, fn: Callable[[Any], Any], event: str, sizes: Mapping[str, int] | None = None) -> None:
        category, name = split(event)
        self.event = f"{category}:{name}"
        form = event_format(category, name)
        with ExitStack() as stack:
            prog = stack.enter_context(create_prog(ProgType.TRACEPOINT, context(form, name, sizes), fn))
            opened = stack.enter_context(open_tracepoint(form.id, self.event))
            super().__init__(prog, f"the tracepoint {self.event}", stack)
            to_event(self, opened)
            self._stack = stack.pop_all()

    def __repr__(self) -> str:
        return f"<Tracepoint at {self.event} of {self.prog!r}>"


class Probe(Unattached):
    """A function that is to run at a tracepoint. Calling the probe compiles, loads and attaches the function, and gives
    a Tracepoint."""

    hook = BY_NAME["tracepoint"]

    def __init__(self, fn: Callable[[Any], Any], event: str, sizes: Mapping[str, int] | None = None) -> None:
        super().__init__(fn)
        self.event = event
        self.sizes = dict(sizes or {})

    @property
    def context(self) -> ContextSpec:
        """The type of the function's argument. Raises KernelError for unknown events, and if only root may read
        them."""
        category, name = split(self.event)
        return context(event_formats.of(category, name), name, self.sizes)

    def __call__(self) -> Tracepoint:
        """Raises TranslationError, and KernelError, which suggests names if the kernel has no such event."""
        self._need_kernel()
        return Tracepoint(self.fn, self.event, self.sizes)

    def load(self) -> Prog:
        return create_prog(ProgType.TRACEPOINT, self.context, self.fn)


@public
def probe(event: str, sizes: Mapping[str, int] | None = None) -> Callable[[Callable[[Any], Any]], Probe]:
    """Decorates a function that takes the event to run at the tracepoint ``category:event``.

    The event's fields are those of its format file. Texts and arrays of variable length (``__data_loc``) are read when
    a program names them: ``event.filename`` is an array of 64 bytes, or of as many characters or items as
    ``sizes={"filename": 128}`` says. Longer data is cut (a text keeps room for its NUL), and zeros follow shorter data.

    Raises ValueError for names of another form, DataTypeError if ``event`` is no str or ``sizes`` no mapping. Wrong
    sizes raise later, when the event's format is known.
    """
    if not isinstance(event, str):
        raise DataTypeError(f"give the event: @tracepoint.probe('category:event'), not {event!r}")
    split(event)
    if sizes is not None and not isinstance(sizes, Mapping):
        raise DataTypeError(f"sizes tells the size of each text and array: {{'filename': 128}}, not {sizes!r}")
    return public(lambda fn: Probe(fn, event, sizes))
