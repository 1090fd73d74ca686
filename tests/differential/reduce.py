"""Reduces a program that shows a fault: removes statements as long as the same fault shows."""

from __future__ import annotations

import ast
import time
import warnings
from collections.abc import Callable, Iterator

Interesting = Callable[[str], bool]
_SECONDS = 15.0


def reduced(source: str, interesting: Interesting, seconds: float = _SECONDS) -> str:
    """The smallest source found in the given time for which ``interesting`` is true."""
    end = time.monotonic() + seconds
    best, tried = source, {source}
    progress = True
    while progress:
        progress = False
        for candidate in _candidates(best):
            if candidate in tried:
                continue
            if time.monotonic() > end:
                return best
            tried.add(candidate)
            if _compiles(candidate) and interesting(candidate):
                best, progress = candidate, True
                break
    return best


def _compiles(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        try:
            compile(source, "<candidate>", "exec")
        except SyntaxError:
            return False
    return True


def _candidates(source: str) -> Iterator[str]:
    """All sources with one statement less or a compound statement replaced by one of its bodies, larger ones first."""
    places = _places(ast.parse(source))
    order = sorted(range(len(places)), key=lambda i: -_size(places[i]))
    for index in order:
        for body in (None, "body", "orelse"):
            tree = ast.parse(source)
            if _edit(tree, index, body):
                yield ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    for index in range(_expressions(ast.parse(source))):
        for operand in range(2):
            tree = ast.parse(source)
            if _simplify(tree, index, operand):
                yield ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _size(place: tuple[ast.AST, list[ast.stmt], int]) -> int:
    statement = place[1][place[2]]
    return (statement.end_lineno or 0) - statement.lineno


def _lists(tree: ast.AST) -> Iterator[tuple[ast.AST, list[ast.stmt]]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                yield node, statements


def _places(tree: ast.AST) -> list[tuple[ast.AST, list[ast.stmt], int]]:
    return [(node, statements, i) for node, statements in _lists(tree) for i in range(len(statements))]


def _count(source: str) -> int:
    return len(_places(ast.parse(source)))


def _edit(tree: ast.AST, index: int, body: str | None) -> bool:
    owner, statements, at = _places(tree)[index]
    statement = statements[at]
    if id(statement) in _in_loop_tests(tree):
        return False
    if body is None:
        if isinstance(statement, ast.Pass):
            return False
        if isinstance(statement, ast.FunctionDef) and statement.name == "program":
            return False
        statements[at : at + 1] = [] if len(statements) > 1 or not isinstance(owner, ast.Module) else [ast.Pass()]
        if not statements and getattr(owner, "body", None) is statements:
            statements.append(ast.Pass())
        return True
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return False
    inner = getattr(statement, body, None)
    if not isinstance(inner, list) or not inner:
        return False
    if isinstance(statement, (ast.While, ast.For)) and body == "body":
        if any(isinstance(node, (ast.Break, ast.Continue)) for node in ast.walk(statement)):
            return False
    statements[at : at + 1] = inner
    return True


def steps(statement: ast.stmt) -> bool:
    """Whether it may be what ends a while loop: an endless one must not reach the kernel."""
    if isinstance(statement, ast.AugAssign):
        return isinstance(statement.target, ast.Name)
    return isinstance(statement, ast.If) and any(isinstance(n, (ast.Break, ast.AugAssign)) for n in ast.walk(statement))


def _parts(node: ast.AST) -> list[ast.expr]:
    """The operands that may stand for the whole expression."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.BoolOp):
        return list(node.values)
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name):
        return [node.args[0]]
    return []


def _in_loop_tests(tree: ast.AST) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            found |= {id(inner) for inner in ast.walk(node.test)}
            for statement in node.body:
                if steps(statement):
                    found |= {id(inner) for inner in ast.walk(statement)}
        if isinstance(node, ast.For):
            found |= {id(inner) for inner in ast.walk(node.iter)}
    return found


def _targets(tree: ast.AST) -> list[tuple[ast.AST, str, int | None]]:
    """Where expressions that have parts stand: owner, attribute, index in a list."""
    protected = _in_loop_tests(tree)
    found: list[tuple[ast.AST, str, int | None]] = []
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and _parts(value) and id(value) not in protected:
                found.append((node, name, None))
            elif isinstance(value, list):
                found += [
                    (node, name, i)
                    for i, item in enumerate(value)
                    if isinstance(item, ast.expr) and _parts(item) and id(item) not in protected
                ]
    return found


def _expressions(tree: ast.AST) -> int:
    return len(_targets(tree))


def _simplify(tree: ast.AST, index: int, operand: int) -> bool:
    node, name, at = _targets(tree)[index]
    value = getattr(node, name)
    parts = _parts(value if at is None else value[at])
    if operand >= len(parts):
        return False
    if at is None:
        setattr(node, name, parts[operand])
    else:
        value[at] = parts[operand]
    return True
