"""Collects all messages of TranslationErrors from py2bpf's source; their variable parts become …"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import py2bpf

SOURCE = Path(py2bpf.__file__).parent
ERRORS = ("UnsupportedSyntax", "TypeMismatch", "LimitExceeded")
HOLE = "…"
NO_NUMBER = f", but this is {HOLE}"
"""How the message of arith.to_ir() goes on after what its callers give it."""


@dataclass(frozen=True)
class Message:
    """One call that creates an error: ``hints`` is its argument, None if it is missing."""

    place: str
    kind: str
    text: str
    hints: ast.expr | None


def messages() -> list[Message]:
    """Raises ValueError for a message that can't be read off, and for errors of the base class (warnings' aside)."""
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text())
        for scope, call in _calls(tree):
            place = f"{file.relative_to(SOURCE.parent)}:{call.lineno}"
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name == "to_ir":
                asked = _asked(call, _assigned(scope))
                found += [Message(place, "TypeMismatch", text + NO_NUMBER, call) for text in asked]
            if name == "TranslationError" and file.name != "warn.py":
                raise ValueError(f"{place}: raise one of {', '.join(ERRORS)}")
            if name not in ERRORS:
                continue
            hints = next((keyword.value for keyword in call.keywords if keyword.arg == "hints"), None)
            names = {**_assigned(tree), **_assigned(scope)}
            try:
                texts = _texts(call.args[1], names)
            except (IndexError, KeyError, TypeError) as error:
                raise ValueError(f"{place}: the message must be a literal or f-string, or a name for one") from error
            found += [Message(place, name, text, hints) for text in texts if text != HOLE + NO_NUMBER]
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Every call with the innermost function around it."""
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        scope, node = waiting.pop()
        if isinstance(node, ast.Call):
            yield scope, node
        inner = node if isinstance(node, ast.FunctionDef) else scope
        waiting += [(inner, child) for child in ast.iter_child_nodes(node)]


def _asked(call: ast.Call, names: dict[str, ast.expr]) -> list[str]:
    """What a call of ``to_ir(builder, value, what)`` says, or leaves to the default."""
    return _texts(call.args[2], names) if len(call.args) > 2 else ["an integer is needed here"]


def _assigned(scope: ast.AST) -> dict[str, ast.expr]:
    """The values of names that the scope assigns once."""
    body = scope.body if isinstance(scope, (ast.Module, ast.FunctionDef)) else []
    single = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    return {node.targets[0].id: node.value for node in single if isinstance(node.targets[0], ast.Name)}


def _texts(node: ast.expr, names: dict[str, ast.expr]) -> list[str]:
    """The forms of a message: both sides of a conditional expression."""
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.JoinedStr(values=parts):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in parts)
            return [_tidy(text)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [_tidy(a + b) for a in _texts(left, names) for b in _texts(right, names)]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_texts(body, names), *_texts(orelse, names)]
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            return [_tidy(re.sub(r"\{\w*\}", HOLE, text)) for text in _texts(template, names)]
        case ast.Name(id=name):
            return _texts(names[name], {})
    raise TypeError(ast.dump(node))


def _tidy(text: str) -> str:
    return re.sub(f"{HOLE}+", HOLE, text)


def documented(text: str) -> list[tuple[str, str]]:
    """(message, what to write instead) of all rows of a page's tables."""
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.M)
    return [(message[1:-1].replace("\\|", "|"), instead) for message, instead in rows if message.startswith("`")]
