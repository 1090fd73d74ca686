"""Finds try and with statements in CPython's exception table, which also protects the compiler's own clean-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType


def entries(table: bytes) -> Iterator[tuple[int, int]]:
    """Decode ``co_exceptiontable`` into (first protected code unit, handler's code unit).

    The format is CPython's Objects/exception_handling_notes.txt: big-endian 6-bit groups, bit 6 = more follow.
    """
    numbers = _numbers(table)
    for start in numbers:
        next(numbers)  # length
        handler = next(numbers)
        next(numbers)  # stack depth and "push lasti"
        yield start, handler


def _numbers(table: bytes) -> Iterator[int]:
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            yield value
            value = 0


def try_statements(code: CodeType, ops: bytes, names: Sequence[str]) -> dict[int, tuple[str, int]]:
    """First code unit of each range that a try statement protects -> (the statement's name, a unit on its line).

    ``ops`` are the opcodes, one for each code unit, ``names`` their names. Clean-up ranges (of inlined
    comprehensions and generators) have handlers without PUSH_EXC_INFO; handlers themselves lie in clean-up
    ranges. A with statement is left to the opcode that enters it.
    """
    first: dict[int, int] = {}
    found: dict[int, tuple[str, int]] = {}
    for start, handler in entries(code.co_exceptiontable):
        text = _statement(ops, handler, names)
        if text:
            where = first.setdefault(handler, start)
            found[start] = (text, where - 1 if where and names[ops[where - 1]] == "NOP" else where)
    return found


def _statement(ops: bytes, handler: int, names: Sequence[str]) -> str:
    """The statement whose handler starts at ``handler``, '' when it is none or a with."""
    if names[ops[handler]] != "PUSH_EXC_INFO":
        return ""
    for unit in range(handler + 1, len(ops)):
        name = names[ops[unit]]
        if name == "WITH_EXCEPT_START":
            return ""
        if name == "CHECK_EG_MATCH":
            return "try/except*"
        if name == "CHECK_EXC_MATCH" or (name == "POP_TOP" and unit == handler + 1):
            return "try/except"
        if name in ("RERAISE", "PUSH_EXC_INFO", "POP_EXCEPT"):
            break
    return "try/finally"
