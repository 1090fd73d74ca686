"""The passes in the order in which they run: the only list of them, and the only place that calls one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from .ir.checker import Rules
from .ir.values import Function, prune
from .passes import (
    callback_packet_loads,
    clean,
    constant_folding,
    cse,
    dce,
    forgotten_records,
    if_conversion,
    implied_presence,
    iterator_ends,
    jump_threading,
    loop_forms,
    lower,
    packet_loads,
    raise_flags,
    range_steps,
    result_bounds,
    returns,
    stack_init,
    truths,
    views,
)


class Pass(NamedTuple):
    """One pass: ``run`` changes a function, and may tell whether it did. ``letter`` selects the pass in PY2BPF_VERBOSE,
    ``checked`` are the rules that the IR must keep after it.

    ``after`` names an earlier pass: this pass gets only the functions which that pass changed. ``again``: both are
    repeated until the earlier pass changes nothing."""

    name: str
    run: Callable[[Function], bool | None]
    letter: str
    checked: Rules
    after: str = ""
    again: bool = False


EXACT, RAW = Rules.EXACT, Rules.RAW

PASSES: Final = (
    Pass("prune", prune, "p", EXACT),
    Pass("clean", clean.run, "c", EXACT),
    Pass("jump_threading", jump_threading.run, "j", EXACT),
    Pass("implied_presence", implied_presence.run, "i", EXACT),
    Pass("range_steps", range_steps.run, "s", EXACT),
    Pass("result_bounds", result_bounds.run, "b", EXACT),
    Pass("callback_packet_loads", callback_packet_loads.run, "q", EXACT),
    Pass("loop_forms", loop_forms.run, "f", EXACT),
    Pass("packet_loads", packet_loads.run, "k", EXACT),
    Pass("forgotten_records", forgotten_records.run, "r", EXACT),
    Pass("lower", lower.run, "l", RAW),
    Pass("cse", cse.run, "e", RAW),
    Pass("dce", dce.run, "d", RAW),
    Pass("views", views.run, "v", RAW),
    Pass("cse of views", cse.run, "E", RAW, after="views"),
    Pass("dce of views", dce.run, "D", RAW, after="views"),
    Pass("iterator_ends", iterator_ends.run, "n", RAW),
    Pass("raise_flags", raise_flags.run, "x", RAW),
    Pass("returns", returns.run, "t", RAW),
    Pass("clean again", clean.run, "C", RAW),
    Pass("constant_folding", constant_folding.run, "o", RAW),
    Pass("clean of constants", clean.run, "O", RAW, after="constant_folding", again=True),
    Pass("if_conversion", if_conversion.run, "h", RAW),
    Pass("clean of choices", clean.run, "H", RAW, after="if_conversion"),
    Pass("branchless", if_conversion.run_without_branches, "w", RAW),
    Pass("clean of branchless", clean.run, "W", RAW, after="branchless", again=True),
    Pass("truths", truths.run, "u", RAW),
    Pass("stack_init", stack_init.run, "z", RAW),
)

class Watcher(Protocol):
    """Is told what the passes do."""

    def begin(self, row: Pass) -> None:
        """Called when a pass begins."""

    def ran(self, row: Pass, fn: Function) -> None:
        """Called when a pass is done with a function."""

    def done(self, row: Pass, program: Function) -> None:
        """Called when a pass is done with all functions."""


def run_passes(program: Function, watcher: Watcher, rows: Sequence[Pass] = PASSES) -> None:
    """Runs passes over the program and its subprograms. Passes may add subprograms."""
    places = {row.name: place for place, row in enumerate(rows)}
    changed: dict[str, Sequence[Function]] = {}
    place = 0
    while place < len(rows):
        row = rows[place]
        functions = changed[row.after] if row.after else (program, *program.subprograms)
        if functions:
            changed[row.name] = _run(row, functions, watcher)
            watcher.done(row, program)
        place = places[row.after] if functions and row.again else place + 1


def _run(row: Pass, functions: Sequence[Function], watcher: Watcher) -> list[Function]:
    """Runs one pass; gives the functions that the pass changed."""
    watcher.begin(row)
    changed = []
    for fn in functions:
        if row.run(fn):
            changed.append(fn)
        watcher.ran(row, fn)
    return changed
