"""The kernel's formats: trace_printk, trace_vprintk, snprintf."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import Any, Final

from ..given import shown
from . import values
from .errors import SimulationError
from .running import Run

_DIRECTIVE: Final = re.compile(r"%(?P<flags>[-+ 0]*\d*)(?P<size>ll|l|)(?P<letter>[diuxXscp%])")
_WIDTHS: Final = {"": 4, "l": 8, "ll": 8}
_SIGNED: Final = {4: ctypes.c_int32, 8: ctypes.c_int64}
_MAX_LINE: Final = 1023
"""The size of the kernel's buffer without the NUL."""


def formatted(pattern: str, arguments: Iterator[Any]) -> str:
    """The text that the kernel makes from a format."""

    def one(found: re.Match[str]) -> str:
        letter = found["letter"]
        if letter == "%":
            return "%"
        value = next(arguments, None)
        if value is None:
            raise SimulationError(f"the format {pattern!r} has more directives than values are given")
        if letter == "s":
            return f"%{found['flags']}s" % _text(value)
        if letter == "c":
            return f"%{found['flags']}s" % chr(int(values.plain(value)) & 0xFF)
        if letter == "p":
            return f"{int(values.plain(value)) & (1 << 64) - 1:016x}"
        return _integer(found, int(values.plain(value)))

    return _DIRECTIVE.sub(one, pattern)


def _integer(found: re.Match[str], value: int) -> str:
    size = _WIDTHS[found["size"]]
    letter = "d" if found["letter"] in "diu" else found["letter"]
    number = _SIGNED[size](value).value if found["letter"] in "di" else value & (1 << 8 * size) - 1
    flags = found["flags"] if found["letter"] in "di" else found["flags"].replace("+", "").replace(" ", "")
    return f"%{flags}{letter}" % number


def _text(value: Any) -> str:
    data = value if isinstance(value, (bytes, str)) else getattr(value, "value", value)
    if isinstance(data, str):
        return data
    if not isinstance(data, bytes):
        raise SimulationError(f"%s needs a char array, not {shown(value)}")
    return data.decode("utf-8", "backslashreplace")


def trace(run: Run, args: tuple[Any, ...]) -> int:
    """``trace_printk(format, *values)``. An f-string arrives as its text."""
    if not args or not isinstance(args[0], (str, bytes)):
        raise SimulationError('trace_printk() takes a format: trace_printk("n is %d", n)')
    pattern = args[0].decode("ascii", "replace") if isinstance(args[0], bytes) else args[0]
    if len(args) == 1 and not pattern.replace("%%", "").count("%"):
        line = pattern.replace("%%", "%")
    elif len(args) == 1:
        line = pattern
    else:
        line = formatted(pattern, iter(args[1:]))
    run.trace.append(line[:_MAX_LINE])
    return len(run.trace[-1])


def trace_vprintk(run: Run, pattern: bytes, data: bytes) -> int:
    """Prints a format with values from an array of u64."""
    run.trace.append(_of_array(run, pattern, data)[:_MAX_LINE])
    return len(run.trace[-1])


def snprintf(run: Run, out: memoryview, pattern: bytes, data: bytes) -> int:
    """Formats into a buffer. Text that doesn't fit is cut; returns the length of the whole text with NUL."""
    text = _of_array(run, pattern, data).encode()
    if len(out):
        kept = text[: len(out) - 1]
        out[: len(kept) + 1] = kept + b"\0"
    return len(text) + 1


def _of_array(run: Run, pattern: bytes, data: bytes) -> str:
    numbers = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    text = pattern.partition(b"\0")[0].decode("ascii", "replace")
    found = [each["letter"] for each in _DIRECTIVE.finditer(text) if each["letter"] != "%"]
    arguments = [
        (run.environment.memory.read_text(number, 512) or b"(efault)") if letter == "s" else number
        for letter, number in zip(found, numbers, strict=False)
    ]
    return formatted(text, iter(arguments))
