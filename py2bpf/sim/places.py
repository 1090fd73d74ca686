"""Finds the memory of the arguments that a program passes to a helper.

In ``funcs.get_current_comm(event.comm)``, Python passes a copy of the field, since ctypes turns char arrays into bytes.
But the helper must fill the field itself, so the field is found by the source text of the call.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import linecache
import sys
from types import CodeType, FrameType
from typing import Any, Final

from ..fields import declared
from ..worlds import CURRENT
from .errors import SimulationError

_HERE: Final = __name__.rpartition(".")[0]
_OURS: Final = (_HERE, "py2bpf.borders", "py2bpf.intrinsics", "py2bpf.worlds")


def caller() -> FrameType:
    """The frame of the program's running function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name not in _OURS and not name.startswith(f"{_HERE}."):
            return frame
        frame = frame.f_back
    raise SimulationError("a helper was called without a program around it")


def argument(index: int) -> Any:
    """The ctypes object for argument number ``index`` of the program's running call: a char array or number in a
    struct or array. None if the argument is something else, or if the call's source text isn't known. Raises
    SimulationError for a bit field.
    """
    frame = caller()
    node = _argument(frame, index)
    return None if node is None else _place(node, frame)


def variable(index: int) -> str | None:
    """The name of the variable that is argument number ``index`` of the program's running call; None for others."""
    node = _argument(caller(), index)
    return node.id if isinstance(node, ast.Name) else None


def _argument(frame: FrameType, index: int) -> ast.expr | None:
    arguments = _arguments(frame.f_code, frame.f_lasti)
    return None if arguments is None or index >= len(arguments) else arguments[index]


@functools.lru_cache(maxsize=4096)
def _arguments(code: CodeType, at: int) -> tuple[ast.expr, ...] | None:
    """The argument expressions of the call at a byte offset of the bytecode."""
    line, end_line, column, end_column = list(code.co_positions())[at // 2]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(line, end_line + 1)]
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    try:
        found = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(found, ast.Call) or any(isinstance(each, ast.Starred) for each in found.args):
        return None
    return tuple(found.args)


def _place(node: ast.expr, frame: FrameType) -> Any:
    if not isinstance(node, (ast.Attribute, ast.Subscript)) or not _is_plain(node):
        return None
    owner = eval(compile(ast.Expression(node.value), "<place>", "eval"), frame.f_globals, frame.f_locals)
    if isinstance(node, ast.Attribute):
        return field(owner, node.attr)
    index = eval(compile(ast.Expression(node.slice), "<place>", "eval"), frame.f_globals, frame.f_locals)
    return item(owner, index)


def _is_plain(node: ast.expr) -> bool:
    """Whether evaluating an expression again changes nothing, since it has no calls and no assignments."""
    allowed = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator,
               ast.unaryop, ast.expr_context)  # fmt: skip
    return all(isinstance(each, allowed) for each in ast.walk(node))


def field(owner: Any, name: str) -> Any:
    """The object within a struct or union that is the field, even if ctypes would copy the field; or the value of a
    Global, which lives in its map."""
    spec, around = getattr(owner, "map_spec", None), CURRENT.get()
    if name == "value" and isinstance(owner, ctypes._SimpleCData):
        return owner
    if name == "value" and spec is not None and spec.is_global and around is not None:
        return around.view(owner).reference(bytes(4))
    if not isinstance(owner, (ctypes.Structure, ctypes.Union)):
        return None
    found = [field for field in declared(type(owner)) if field.name == name]
    if not found:
        return None
    kind, _, ctype, bits = found[-1]
    if bits:
        raise SimulationError(f"the bit field {name!r} has no address: give a variable's, and assign that")
    return _within(owner, ctype, getattr(kind, name).offset)


def item(owner: Any, index: int) -> Any:
    """The object within an array that is the item."""
    if not isinstance(owner, ctypes.Array) or not isinstance(index, int):
        return None
    size = ctypes.sizeof(owner._type_)
    if not -len(owner) <= index < len(owner):
        raise IndexError("invalid index")
    return _within(owner, owner._type_, index % len(owner) * size)


def _within(owner: Any, ctype: Any, offset: int) -> Any:
    inner = ctype.from_address(ctypes.addressof(owner) + offset)
    inner._py2bpf_owner = owner  # keeps the memory alive
    return inner
