"""The mutants that no test can or should notice: tests/mutants/explained.toml, one entry each.

    [[mutant]]
    file = "py2bpf/compiler/analysis/value_ranges.py"
    function = "_masked"
    before = "if low < high:"           # the changed line, or lines in one, without indentation
    after = "if low <= high:"
    why = "..."                         # what makes it no fault
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mutant import Mutant

TABLE: Final = Path(__file__).with_name("explained.toml")
FIELDS: Final = {"file", "function", "before", "after", "why"}

Key = tuple[str, str, str, str]


def explained(path: Path = TABLE) -> dict[Key, str]:
    """Each mutant's reason. Raises ValueError for an entry that isn't complete, or comes twice."""
    found: dict[Key, str] = {}
    for entry in tomllib.loads(path.read_text()).get("mutant", []):
        if set(entry) != FIELDS or not all(entry[name] for name in FIELDS - {"function"}):
            raise ValueError(f"{path.name}: an entry has {', '.join(sorted(FIELDS))}; this one: {entry}")
        key = (entry["file"], entry["function"], entry["before"], entry["after"])
        if key in found:
            raise ValueError(f"{path.name}: twice: {key}")
        found[key] = entry["why"]
    return found


def outdated(table: Iterable[Key], mutants: Iterable[Mutant]) -> list[Key]:
    """Entries that match no mutant any more, because their lines changed."""
    return sorted(set(table) - {mutant.key for mutant in mutants})
