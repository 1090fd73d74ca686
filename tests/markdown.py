"""Finds the code blocks of the documentation and runs them.

A Python block is a program of its own. A comment line before it changes that:

    <!-- test: prelude -->              what it defines is there in all blocks that follow in the file
    <!-- test: raises TypeMismatch -->  it ends with this error; a text block behind it is the error's text
    <!-- test: prints -->               a text block behind it is its output
    <!-- test: kprobe -->               it needs kernel probes; a loop that doesn't end is interrupted
"""

from __future__ import annotations

import ast
import linecache
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FILENAME = "example.py"
"""What errors call the file that a block is in."""

_FENCE = re.compile(r"^```(\w*)$")
_DIRECTIVE = re.compile(r"^<!-- test: (.+) -->$")


@dataclass
class Block:
    """A Python block, ``expected`` being the text block behind it."""

    file: Path
    line: int
    source: str
    directives: tuple[str, ...]
    expected: str | None = None
    preludes: tuple[Block, ...] = field(default=(), repr=False)

    @property
    def is_kprobe(self) -> bool:
        return "kprobe" in self.directives

    @property
    def error(self) -> str | None:
        """The name of the exception that it raises."""
        return next((text.split()[1] for text in self.directives if text.startswith("raises ")), None)

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"

    def compiled(self) -> CodeType:
        """The code, with its source where error messages look for it."""
        linecache.cache[FILENAME] = (len(self.source), None, self.source.splitlines(keepends=True), FILENAME)
        return compile(self.source, FILENAME, "exec")

    def without_withs(self) -> CodeType:
        """The definitions alone: with statements at the top are left out."""
        self.compiled()
        tree = ast.parse(self.source, FILENAME)
        tree.body = [node for node in tree.body if not isinstance(node, ast.With)]
        return compile(tree, FILENAME, "exec")

    def namespace(self) -> dict[str, Any]:
        """What the file's preludes define."""
        names: dict[str, Any] = {"__name__": "__main__"}
        for prelude in self.preludes:
            exec(prelude.compiled(), names)
        return names


def blocks(file: Path) -> list[Block]:
    """The Python blocks of a Markdown file. Raises ValueError for directives that make no sense."""
    found: list[Block] = []
    preludes: list[Block] = []
    directives: tuple[str, ...] = ()
    lines = iter(enumerate(file.read_text().splitlines(), 1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if directive := _DIRECTIVE.match(line):
            directives += (directive[1],)
            continue
        if fence:
            source = "".join(f"{text}\n" for text in _until_fence(lines))
            if fence[1] == "python":
                found.append(Block(file, number + 1, source, directives, preludes=tuple(preludes)))
                if "prelude" in directives:
                    preludes.append(found[-1])
            elif fence[1] == "text" and found:
                found[-1].expected = source
            elif fence[1] not in ("text", "sh"):
                raise ValueError(f"{file}:{number}: a block of code has to name its language")
        if line:
            if directives and not fence:
                raise ValueError(f"{file}:{number}: a test directive stands directly before its block")
            directives = ()
    return found


def _until_fence(lines: Any) -> list[str]:
    found = []
    for _number, line in lines:
        if line == "```":
            return found
        found.append(line)
    raise ValueError("a code block has no end")


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def links(text: str) -> list[str]:
    """What the text's links lead to, within the repository."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """The anchors of the text's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
