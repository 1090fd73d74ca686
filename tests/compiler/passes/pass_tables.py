"""The tables of the passes: files in tables/, each a pass's cases of IR before and after it.

    == title
    b0:
      ...
    =>
    b0:                 or the word "unchanged"
      ...

``pytest tests/compiler/passes --update-cases`` writes all that follows ``=>``, and the arrow where there is none.
A pass runs with the passes that only follow its changes. ``ir_text.parse`` tells what may stand before the blocks.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ir_text import parse

from py2bpf.compiler.ir.checker import Rules, check
from py2bpf.compiler.ir.printer import to_text
from py2bpf.compiler.ir.values import Function
from py2bpf.compiler.pass_list import PASSES, Pass, run_passes

TABLES = Path(__file__).parent / "tables"
UNCHANGED = "unchanged"
OWNERS = {row.name: row for row in reversed({row.run: row for row in reversed(PASSES)}.values())}
"""The first row of each pass: the others run the same one again."""


class Case(NamedTuple):
    title: str
    before: str
    after: str


def read(name: str) -> list[Case]:
    """A pass's cases."""
    parts = re.split(r"^== (.*)\n", (TABLES / f"{name}.ir").read_text(), flags=re.M)[1:]
    pairs = [text.partition("=>\n") for text in parts[1::2]]
    return [Case(title, old.strip(), new.strip()) for title, (old, _, new) in zip(parts[::2], pairs, strict=True)]


def write(name: str, cases: list[Case]) -> None:
    text = "\n".join(f"== {case.title}\n{case.before}\n=>\n{case.after}\n" for case in cases)
    (TABLES / f"{name}.ir").write_text(text)


class Checked:
    """Watches passes, and checks the IR after each: exact operations may remain until a pass lowers them."""

    def begin(self, row: Pass) -> None:
        pass

    def ran(self, row: Pass, fn: Function) -> None:
        pass

    def done(self, row: Pass, program: Function) -> None:
        for fn in (program, *program.subprograms):
            check(fn, row.name, row.checked if row.name == "lower" else Rules.EXACT)


def body(fn: Function) -> str:
    """The text of a function and of its subprograms, the program's own first line left out."""
    program, *others = [to_text(each).strip() for each in (fn, *fn.subprograms)]
    return "\n".join([program.partition("\n")[2], *others])


def settings(text: str) -> str:
    """The lines before the blocks."""
    return "".join(line + "\n" for line in text.partition("b0:")[0].splitlines())


def after(row: Pass, before: str) -> str:
    """What a pass makes of a text, as tables have it."""
    fn = parse(before)
    if row.name != "prune":  # the evaluator alone leaves blocks that nothing leads to
        check(fn, "the table")
    assert body(fn) == before.removeprefix(settings(before)), "the text isn't as the printer writes it"
    run_passes(fn, Checked(), [row, *(other for other in PASSES if other.after == row.name)])
    found = body(fn)
    return UNCHANGED if found == body(parse(before)) else found
