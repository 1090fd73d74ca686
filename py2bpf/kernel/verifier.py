"""Reads verifier logs: which instruction was refused, and why.

There are two formats. Up to Linux 7.2 the log ends with the refused instruction, ``6: (79) r0 = *(u64 *)(r0 +0)``, the
complaint on lines of its own, and statistics. Linux 7.3 adds a report with the sections Reason, At, Causal path and
Suggestion, for most complaints. Complaints about control flow come before any instruction and name its number.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Verdict(NamedTuple):
    """``insn`` is the slot of the refused instruction; ``reason`` is "" for a log without a complaint."""

    reason: str
    insn: int | None
    suggestion: str = ""


_REPORT: Final = "Verification failed: "
_SECTION: Final = re.compile(r"^(Reason|At|Causal path|Suggestion):\s*$")
_INSN: Final = re.compile(r"\binsn (\d+)\b")
_OPERATION: Final = re.compile(r"(\d+): \([0-9a-f]{2}\) ")
_GLUED: Final = re.compile(r"\d+: \([0-9a-f]{2}\) .*?\bgoto pc[+-]\d+ +(?P<complaint>\S.*)")
"""If the verifier gives up at a jump, the complaint follows the jump on the same line."""

_ROUNDS: Final = re.compile(
    r"program is too large\. Processed|infinite loop detected|sequence of \d+ jumps is too complex|back-edge from insn"
)
"""Complaints about the length of a run: the program takes too many steps, or never ends."""

_RESULT: Final = re.compile(r"[Aa]t program exit the register R0 has .* should have been in")
_TYPE_INFORMATION: Final = re.compile(r"func[_ ]info|line[_ ]info|linfo|\bBTF\b")

_BOUND_HINT: Final = (
    "give the loop a bound that the verifier can see: range() of a constant, or a limit made by min() or & with a mask"
)
_SHORTEN_HINT: Final = "make it smaller: unroll less, branch less, or go on in another program by a tail call"

_NOISE: Final = re.compile(
    r"""\s*$
    | \s*\d+:\ | from\ \d+\ to\ \d+ | ;\ | \s+R\d+ | \s*R\d+(_\w+)?= | \s*frame\d+:\ | (cur|old)\ state:
    | (caller|callee|returning\ from\ callee|to\ caller\ at\ \d+)\b.*: | last_idx\ | regs=\S+\ stack= | parent\ didn't
    | mark_precise: | propagating\  | func\#\d+\ @ | (processed|verification\ time|stack\ depth|insns\ total)\b
    | live\ regs | max_states
    """,
    re.VERBOSE,
)
"""Lines that are no complaints: states, source lines, backtracking, statistics."""


def parse(log: str) -> Verdict:
    """The verdict in the log of a refused program."""
    head, report, rest = log.partition("\n" + _REPORT)
    lines = head.splitlines()
    reason, insn = _complaint(lines)
    if not report:
        return Verdict(reason, insn)
    sections = _sections(rest)
    place = _INSN.search("\n".join(sections.get("At", ())))
    return Verdict(
        _paragraph(sections.get("Reason", ())) or reason,
        int(place[1]) if place else insn,
        _paragraph(sections.get("Suggestion", ())),
    )


def blames_btf(log: str) -> bool:
    """Whether a log blames the program's type information, not the program."""
    verdict = parse(log)
    return verdict.insn is None and _TYPE_INFORMATION.search(verdict.reason) is not None


def hint(reason: str, loops: bool) -> str:
    """What to do about a program that was too long for the verifier, or "" for other complaints.

    ``reason`` is "" if the kernel gave none; ``loops`` says whether the program has backward jumps.
    """
    if reason and not _ROUNDS.search(reason):
        return ""
    return _BOUND_HINT if loops else _SHORTEN_HINT


def about_result(reason: str, results: tuple[int, int] | None) -> str:
    """What to do about a result whose bounds the verifier doesn't know, or "" for other complaints."""
    if results is None or not _RESULT.search(reason):
        return ""
    low, high = results
    return f"the kernel must see that the result is {low} to {high}: return constants, a comparison, or number & {high}"


def _complaint(lines: list[str]) -> tuple[str, int | None]:
    """The complaint after the last instruction, and the instruction's number."""
    complaint: list[str] = []
    last = None
    for line in reversed(lines):
        operation = _OPERATION.match(line)
        if operation:
            last = int(operation[1])
            glued = _GLUED.match(line)
            if glued and not _NOISE.match(glued["complaint"]):
                complaint.insert(0, glued["complaint"].strip())
            break
        if not _NOISE.match(line):
            complaint.insert(0, line.strip())
    # Harmless remarks on the arguments of subprograms may come before such a complaint.
    begin = next((i for i, line in enumerate(complaint) if _ROUNDS.search(line)), 0)
    reason = "; ".join(complaint[begin:])
    named = _INSN.search(reason)
    return reason, int(named[1]) if named else last


def _sections(text: str) -> dict[str, list[str]]:
    """The report's sections, up to the statistics, which are not indented."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        heading = _SECTION.match(line)
        if heading:
            current = found.setdefault(heading[1], [])
        elif line.startswith(" "):
            current.append(line)
        elif line:
            current = []
    return found


def _paragraph(lines: list[str] | tuple[()]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())
