"""The campaigns of `make torture`, a row each. A new one is a row here, and the function that it names.

That function sets all up, once in each process, and gives another: a round, which is made from a seed alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]
SHARED = ("ownership", "differential", "compiler", "vm", "btf", "")
"""Folders of tests that campaigns take things from."""


class Outcome(NamedTuple):
    """A round's outcome, which is counted; ``fault`` has all details if the outcome must be rare, or never happen."""

    kind: str
    fault: str = ""


Round = Callable[[int], Outcome]


@dataclass(frozen=True)
class Campaign:
    """``text`` says what a round does, ``setup`` is module:function. ``tolerated`` are kinds of outcomes that may make
    up a share of all rounds. ``root``: it needs the kernel's BPF."""

    text: str
    setup: str
    root: bool = True
    tolerated: Mapping[str, float] = field(default_factory=dict)

    def begin(self) -> Round:
        """In the process that plays the rounds."""
        sys.path[:0] = [str(TESTS / folder) for folder in SHARED]
        module, _, function = self.setup.partition(":")
        made: Round = getattr(importlib.import_module(module), function)()
        return made


def campaign_of(name: str) -> Campaign:
    """The campaign of the table, or any other as module:function."""
    return CAMPAIGNS.get(name) or Campaign("", name)


KEPT_APART = 500
"""A descriptor from here on is none of those that rounds close by chance."""
REJECTED = "rejected by the verifier"

CAMPAIGNS = {
    "functions": Campaign(
        "a mutant of a real function is compiled and loaded", "mutated_functions:begin",
        tolerated={REJECTED: 0.001},
    ),
    "shapes": Campaign("a statement about values of any kind, or a call with any arguments, is compiled",
                       "shaped_programs:begin", root=False),
    "failures": Campaign("a system call in the life of an owner fails", "failing_calls:begin"),
    "cycles": Campaign("an owner in a reference cycle is used while it is collected", "owner_rounds:cycles"),
    "shutdown": Campaign("a process ends while owners are in use", "owner_rounds:shutdown"),
    "races": Campaign("an owner is closed while threads use it", "owner_rounds:races"),
    "foreign": Campaign("a thread writes to a map that is closed, another map takes its place", "owner_rounds:foreign"),
    "signals": Campaign("handlers raise while an owner is made, used, closed", "owner_rounds:interrupted"),
    "records": Campaign("reads of a queue are interrupted, waits cancelled", "owner_rounds:records", root=False),
    "captures": Campaign("a damaged pcap or pcapng file is read", "hostile_files:captures", root=False),
    "btf": Campaign("damaged BTF is read", "hostile_files:btf", root=False),
    "formats": Campaign("a damaged description of a tracepoint is read", "hostile_files:formats", root=False),
    "programs": Campaign("a random or damaged program runs in the embedded VM", "hostile_programs:begin", root=False),
}  # fmt: skip
