"""One small change of a source file, and which of all changes a run takes."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """The bytes from ``start`` to ``end`` of ``file`` become ``new``. ``function`` is where they stand, "" outside."""

    file: str
    function: str
    line: int
    start: int
    end: int
    new: str
    source: bytes

    @cached_property
    def text(self) -> bytes:
        """The whole file with the change."""
        return self.source[: self.start] + self.new.encode() + self.source[self.end :]

    @cached_property
    def before(self) -> str:
        """The changed lines as they were, without what indents them."""
        return self._lines(self.source, self.end)

    @cached_property
    def after(self) -> str:
        return self._lines(self.text, self.start + len(self.new.encode()))

    def _lines(self, text: bytes, end: int) -> str:
        first = text.rfind(b"\n", 0, self.start) + 1
        last = text.find(b"\n", end)
        return " ".join(text[first : last if last >= 0 else len(text)].decode().split())

    @cached_property
    def key(self) -> tuple[str, str, str, str]:
        """A name that stays the same as long as the mutant's own lines don't change, even if they move."""
        return self.file, self.function, self.before, self.after

    @cached_property
    def number(self) -> int:
        return int.from_bytes(hashlib.sha256("\0".join(self.key).encode()).digest()[:8], "big")

    @property
    def name(self) -> str:
        """Eight digits to ask for it by."""
        return f"{self.number:016x}"[:8]

    def __str__(self) -> str:
        return f"{self.name} {self.file}:{self.line} in {self.function or 'the file'}\n{self.diff()}"

    def diff(self) -> str:
        old, new = (text.decode().splitlines() for text in (self.source, self.text))
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[3:]
        return "\n".join(f"    {line}" for line in lines)


def sample(mutants: Iterable[Mutant], one_in: int, seed: int) -> Iterator[Mutant]:
    """One in so many. Each mutant is in or out by its own name, so that a change of one function moves no other's."""
    return (mutant for mutant in mutants if mutant.number % one_in == seed % one_in)
