"""Constant operations that would take CPython minutes or all memory: refused in advance, or computed from a range's
ends."""

from __future__ import annotations

import collections
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from ...exception import LimitExceeded
from .naming import type_name

BITS_MAX: Final = 1 << 20
ITEMS_MAX: Final = 1 << 24

WALKED: Final = 1 << 20
"""The length of the longest range that may become a list or the like."""

_SEQUENCES: Final = (str, bytes, bytearray, list, tuple)
_WIDTH: Final = re.compile(r"\d{8,}")
_OPERATORS: Final = {
    pow: "**", operator.pow: "**", operator.ipow: "**", operator.lshift: "<<", operator.ilshift: "<<",
    operator.mul: "*", operator.imul: "*", operator.mod: "%", operator.imod: "%",
}  # fmt: skip


def check(op: str, left: Any, right: Any) -> None:
    """Checks the operands of a constant operation. Raises LimitExceeded."""
    if op in ("**", "<<", "*"):
        _check_number(op, left, right)
    if op == "*":
        _check_items(left, right)
        _check_items(right, left)
    elif op == "%" and isinstance(left, (str, bytes)):
        check_width(left if isinstance(left, str) else left.decode("utf-8", "replace"))


def check_call(fn: Any, args: Sequence[Any]) -> None:
    """Checks a call on constants that is an operation by another name. Raises LimitExceeded."""
    op = next((op for known, op in _OPERATORS.items() if fn is known), None)
    if op is not None and len(args) == 2:
        check(op, *args)
    elif fn is format and len(args) == 2 and isinstance(args[1], str):
        check_width(args[1])
    elif len(args) == 1 and getattr(fn, "__name__", "") in ("count", "index"):
        check_search(getattr(fn, "__self__", None), args[0])


def check_search(numbers: Any, item: Any) -> None:
    """Checks a search. Python compares each number of a range with an item that is not a plain integer. Raises
    LimitExceeded."""
    if type(numbers) is range and type(item) not in (int, bool) and length(numbers) > WALKED:
        raise LimitExceeded(0, f"a range of more than {WALKED} numbers is searched for a value that is not an integer",
                            hints=("compare with its ends: low <= n < high",))  # fmt: skip


def check_width(spec: str) -> None:
    """Checks a format specification. Raises LimitExceeded."""
    if _WIDTH.search(spec):
        raise LimitExceeded(0, "a text of more than ten million characters is formatted here",
                            hints=("leave the width out",))  # fmt: skip


def _check_number(op: str, left: Any, right: Any) -> None:
    if not isinstance(left, int) or not isinstance(right, int) or right <= 0:
        return
    size = left.bit_length()
    bits = {"**": size * right if size > 1 else 0, "<<": right if left else 0, "*": size + right.bit_length()}[op]
    if bits > BITS_MAX:
        raise LimitExceeded(0, f"the operator {op} makes a number of more than {BITS_MAX} bits here",
                            hints=("numbers of programs have 64 bits",))  # fmt: skip


def _check_items(sequence: Any, times: Any) -> None:
    if isinstance(sequence, _SEQUENCES) and isinstance(times, int) and len(sequence) * times > ITEMS_MAX:
        raise LimitExceeded(0, f"a {type_name(type(sequence))} of more than {ITEMS_MAX} items is made here",
                            hints=("keep large tables in a map",))  # fmt: skip


_WALKERS: Final = (list, tuple, set, frozenset, sorted, bytes, bytearray, collections.deque)
_OF_RANGES: Final[dict[Any, Callable[[range], int]]] = {
    min: lambda numbers: min(numbers[0], numbers[-1]),
    max: lambda numbers: max(numbers[0], numbers[-1]),
    sum: lambda numbers: (numbers[0] + numbers[-1]) * length(numbers) // 2,
    any: lambda numbers: any(numbers[:2]),
    all: lambda numbers: 0 not in numbers,
}


def length(numbers: range) -> int:
    """The length of a range, even if it is too large for len()."""
    return max(0, (numbers[-1] - numbers[0]) // numbers.step + 1) if numbers else 0


def of_range(fn: Any, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    """The result of a function whose only argument is a range, computed without a walk; None for other calls. Raises
    LimitExceeded for a function that would walk too long a range."""
    if len(args) != 1 or kwargs or type(args[0]) is not range or not args[0]:
        return None
    if any(fn is walker for walker in _WALKERS) and length(args[0]) > WALKED:
        raise LimitExceeded(0, f"{fn.__name__}() of a range of more than {WALKED} numbers runs while compiling",
                            hints=("loop over the range itself",))  # fmt: skip
    found = next((compute for known, compute in _OF_RANGES.items() if known is fn), None)
    return None if found is None else found(args[0])
