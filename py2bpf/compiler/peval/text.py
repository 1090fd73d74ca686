"""Strings with run-time parts, which exist only as formats of trace_printk.

The kernel's directives are those of bpf_trace_printk: at most three values, integers as %d %u %x with l or ll,
and %s for a string in memory (since Linux 5.13 two strings, before that one).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.helpers import HELPERS
from ..ir.ops import Op
from ..ir.types import I64
from ..ir.values import Block, Value, const
from . import arith, contents, giants, host, kind, objects
from .layout import is_chars
from .machine import Machine
from .naming import short
from .values import Abstract, Const, Ref, Text

MAX_VALUES: Final = 3
_DIRECTIVE: Final = re.compile(r"%(%|[-+ 0]*\d*(?:(?:l|ll)?[diuxX]|[sc]|p[a-zA-Z0-9]*)|)")
CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {"": lambda obj: obj, "s": str, "r": repr, "a": ascii}
"""The conversions after the ! of an f-string."""
_SPEC: Final = re.compile(r"([<>]?)(#?)(0?)(\d*)([dxX]?)")


def print_values(ev: Machine, args: tuple[Abstract, ...]) -> Abstract:
    """``print(...)``: the values with spaces between them, to the trace pipe."""
    parts: list[Any] = []
    for i, arg in enumerate(args):
        parts += [" "] if i else []
        parts += arg.parts if isinstance(arg, Text) else [(arg, "", "")]
    trace(ev, tuple(parts))
    return Const(None)


def trace(ev: Machine, parts: tuple[Any, ...]) -> Abstract:
    """trace_printk of an f-string's parts."""
    for i, part in enumerate(parts):
        if not isinstance(part, str) and (choice := kind.of(part[0]).shown_as(ev, *part)) is not None:
            condition, *shown = choice
            return _either(ev, condition, [(*parts[:i], text, *parts[i + 1 :]) for text in shown])
    pattern = ""
    values: list[Value] = []
    for part in parts:
        if isinstance(part, str):
            pattern += part.replace("%", "%%")
        else:
            directive, value = kind.of(part[0]).directive(ev, *part)
            pattern += directive
            values += [value] if value is not None else []
    return printk(ev, pattern, values)


def _either(ev: Machine, condition: Value, texts: list[tuple[Any, ...]]) -> Abstract:
    """Prints one of two texts, depending on the condition."""
    b = ev.b
    ways, done, results, known = (Block(), Block()), Block(), [], b.checked
    b.branch(condition, *ways)
    for way, parts, checked in zip(ways, texts, (known | {condition}, known), strict=True):
        b.start(way)
        b.checked = checked.copy()
        results.append(arith.to_ir(b, trace(ev, parts)))
        b.jump(done)
    b.start(done)
    return arith.from_ir(b.phi(done, results, I64))


def shown(ev: Machine, obj: Any, conversion: str, spec: str) -> str:
    """A constant as Python formats it."""
    giants.check_width(spec)
    text: str = host.run(ev.b, "formatting", lambda: format(CONVERSIONS[conversion](obj), spec))
    return text


def integer_directive(ir: Value, spec: str) -> tuple[str, Value]:
    """The directive that prints a number by an f-string's format specification, and the number."""
    match = _SPEC.fullmatch(spec)
    if match is None or (match[2] and (match[5] not in ("x", "X") or (match[4] and not match[3]))) or (
        match[1] and (match[2] or match[3])
    ):
        raise UnsupportedSyntax(
            0,
            f"the kernel can't format an integer with {spec!r}",
            hints=("d, x and X with a width, as in {n:08x} and {n:<5}, work",),
        )
    side, prefix, zeros, width, letter = match.groups()
    if side == "<":
        zeros = "-" if width else ""
    if prefix:  # the kernel has no # flag, so the prefix of the digits becomes text
        prefix, width = f"0{letter}", str(max(int(width) - 2, 1)) if width else ""
    if letter not in ("x", "X"):
        letter = "d" if arith.int_type(ir).signed else "u"
    return f"{prefix}%{zeros}{width}ll{letter}", ir


def printk(ev: Machine, pattern: str, values: list[Value]) -> Abstract:
    """The helper call itself."""
    if len(values) > MAX_VALUES:
        raise UnsupportedSyntax(
            0,
            f"the kernel prints at most {MAX_VALUES} values at once, but there are {len(values)}",
            hints=("print in several lines, or send a record through a queue",),
        )
    if "\0" in pattern or not pattern.isascii():
        raise TypeMismatch(
            0, f"the kernel prints ASCII only, but the text is {short(pattern)}", hints=("leave other characters out",)
        )
    place, size = contents.text_for_c(ev.b, pattern)
    args = [place, const(size), *values]
    return arith.from_ir(ev.b.emit(Op.CALL, args, I64, HELPERS["trace_printk"]))


def call_trace_printk(ev: Machine, args: tuple[Abstract, ...]) -> Abstract:
    """``trace_printk(format, *values)`` with the kernel's directives, or with an f-string."""
    if not args:
        raise TypeMismatch(0, "trace_printk() needs a format", hints=('write trace_printk("n is %d", n)',))
    pattern, rest = args[0], args[1:]
    if isinstance(pattern, Text):
        if rest:
            raise TypeMismatch(
                0, "trace_printk() of an f-string takes no further values", hints=("put them into the f-string",)
            )
        return trace(ev, pattern.parts)
    if isinstance(pattern, Const) and isinstance(pattern.obj, bytes):
        pattern = Const(pattern.obj.decode("ascii", "replace"))
    if not isinstance(pattern, Const) or not isinstance(pattern.obj, str):
        raise TypeMismatch(
            0,
            f"the format must be a constant string, but this is {pattern.describe()}",
            hints=('write trace_printk("%d", n)',),
        )
    directives = [found for found in _DIRECTIVE.findall(pattern.obj) if found != "%"]
    if "" in directives:
        at = next(found.start() for found in _DIRECTIVE.finditer(pattern.obj) if not found[1])
        raise UnsupportedSyntax(
            0,
            f"the kernel's trace_printk does not know the directive {pattern.obj[at : at + 4]!r}",
            hints=("it knows %d %u %x with l or ll, %s, %c, %p and %%, with a width",),
        )
    if len(directives) != len(rest):
        raise TypeMismatch(
            0,
            f"the format has {len(directives)} directives, but {len(rest)} values are given",
            hints=("each of %d, %u, %x, %s ... takes one value; %% prints a %",),
        )
    values = [_argument(ev, found, value) for found, value in zip(directives, rest, strict=True)]
    return printk(ev, pattern.obj, values)


def _argument(ev: Machine, directive: str, value: Abstract) -> Value:
    if directive.endswith("s"):
        if isinstance(value, Ref) and is_chars(value.ctype):
            ev.b.guard_not_null(value.base, "TypeError")
            return objects.address_of(ev.b, value)
        if isinstance(value, Const) and isinstance(value.obj, (str, bytes)):
            return contents.text_for_c(ev.b, value.obj)[0]
        raise TypeMismatch(
            0, f"%s needs a char array, but this is {value.describe()}",
            hints=("integers are printed by %d, %u and %x",),
        )
    return arith.to_ir(ev.b, value, f"%{directive} needs an integer")
