"""Changes of Python source. Each rule looks at a kind of node, and gives changes: the place, and its new text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

from mutant import Mutant

Change = tuple[int, int, str]

OPERATORS: Final[dict[type[ast.AST], tuple[str, tuple[str, ...]]]] = {
    ast.Lt: ("<", ("<=", ">")), ast.LtE: ("<=", ("<",)), ast.Gt: (">", (">=", "<")), ast.GtE: (">=", (">",)),
    ast.Eq: ("==", ("!=",)), ast.NotEq: ("!=", ("==",)), ast.Is: ("is", ("is not",)), ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)), ast.NotIn: (r"not\s+in", ("in",)), ast.And: ("and", ("or",)), ast.Or: ("or", ("and",)),
    ast.Add: (r"\+", ("-",)), ast.Sub: ("-", ("+",)), ast.Mult: (r"\*", ("+",)), ast.FloorDiv: ("//", ("%",)),
    ast.Div: ("/", ("*",)), ast.Mod: ("%", ("//",)),
    ast.LShift: ("<<", (">>",)), ast.RShift: (">>", ("<<",)), ast.BitAnd: ("&", ("|",)),
    ast.BitOr: (r"\|", ("&",)), ast.BitXor: (r"\^", ("&",)), ast.Pow: (r"\*\*", ("*",)),
}  # fmt: skip
"""An operator's pattern, and what it's swapped for."""

NAMES: Final = {
    "min": "max", "max": "min", "any": "all", "all": "any",
    # the IR's operations and BPF's: a neighbour, or the same of the other sign
    "ADD": "SUB", "SUB": "ADD", "MUL": "ADD", "AND": "OR", "OR": "AND", "XOR": "OR",
    "FLOORDIV": "MOD", "MOD": "FLOORDIV",
    "LSHIFT": "RSHIFT", "RSHIFT": "LSHIFT", "LT": "LE", "LE": "LT", "GT": "GE", "GE": "GT", "EQ": "NE", "NE": "EQ",
    "UDIV": "UMOD", "UMOD": "UDIV", "SHL": "LSHR", "LSHR": "ASHR", "ASHR": "LSHR", "ULT": "ULE", "ULE": "ULT",
    "UGT": "SGT", "UGE": "SGE", "SLT": "ULT", "SLE": "SLT", "SGT": "SGE", "SGE": "UGE", "LSH": "RSH", "RSH": "ARSH",
    "ARSH": "RSH", "JEQ": "JNE", "JNE": "JEQ", "JGT": "JGE", "JGE": "JSGE", "JLT": "JSLT", "JLE": "JLT", "JSGT": "JGT",
    "JSGE": "JSGT", "JSLT": "JSLE", "JSLE": "JLE", "I64": "U64", "U64": "I64",
    # C's widths and signs
    "c_uint8": "c_uint16", "c_uint16": "c_uint8", "c_uint32": "c_uint64", "c_uint64": "c_uint32", "c_int8": "c_uint8",
    "c_int16": "c_uint16", "c_int32": "c_uint32", "c_int64": "c_uint64",
}  # fmt: skip

WIDTHS: Final = {1: 2, 2: 1, 4: 8, 8: 4, 16: 32, 32: 64, 64: 32}
"""Numbers that are mostly bytes or bits; every other grows by one."""

LEAVES: Final = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class _Finder(ast.NodeVisitor):
    """Walks a module and asks the rules, skipping what is no code: annotations, texts, imports for types."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file = file
        self.source = source
        self.line_starts = [0, *(match.end() for match in re.finditer(b"\n", source))]
        self.scope: list[str] = []
        self.found: list[Mutant] = []

    def at(self, line: int, column: int) -> int:
        return self.line_starts[line - 1] + column

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.at(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.at(node.end_lineno, node.end_col_offset)

    def visit(self, node: ast.AST) -> None:
        for rule in RULES.get(type(node), ()):
            for start, end, new in rule(self, node):
                line = self.source.count(b"\n", 0, start) + 1
                self.found.append(Mutant(self.file, ".".join(self.scope), line, start, end, new, self.source))
        super().visit(node)

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        outside = node.decorator_list + (node.args.defaults if isinstance(node, ast.FunctionDef) else node.bases)
        for part in outside:
            self.visit(part)
        self.scope.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.scope.pop()

    visit_FunctionDef = visit_ClassDef = _definition  # type: ignore[assignment]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """The line 0 of our errors says that whoever evaluates the program puts the place in."""
        if isinstance(node.exc, ast.Call) and node.exc.args and ast.unparse(node.exc.args[0]) == "0":
            node.exc.args.pop(0)
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python 3.11 doesn't know where its parts stand."""


def _between(finder: _Finder, operator: ast.AST, left: ast.expr, right: ast.expr) -> Iterator[Change]:
    pattern, others = OPERATORS[type(operator)]
    begin = finder.end(left)
    match = re.search(pattern.encode(), finder.source[begin : finder.start(right)])
    if match:  # else the gap has a comment, say
        for new in others:
            yield begin + match.start(), begin + match.end(), new


def compared(finder: _Finder, node: ast.Compare) -> Iterator[Change]:
    for operator, (left, right) in zip(node.ops, pairwise([node.left, *node.comparators]), strict=True):
        yield from _between(finder, operator, left, right)


def calculated(finder: _Finder, node: ast.BinOp) -> Iterator[Change]:
    if not _is_text(node.left):  # its % formats
        yield from _between(finder, node.op, node.left, node.right)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def combined(finder: _Finder, node: ast.BoolOp) -> Iterator[Change]:
    for left, right in pairwise(node.values):
        yield from _between(finder, node.op, left, right)


def assigned(finder: _Finder, node: ast.AugAssign) -> Iterator[Change]:
    yield from _between(finder, node.op, node.target, node.value)


def negated(finder: _Finder, node: ast.UnaryOp) -> Iterator[Change]:
    if isinstance(node.op, ast.Not):
        yield finder.start(node), finder.start(node) + len("not"), ""
    elif isinstance(node.op, ast.USub):
        yield finder.start(node), finder.start(node) + len("-"), ""


def constant(finder: _Finder, node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield finder.start(node), finder.end(node), str(not node.value)
    elif isinstance(node.value, int):
        yield finder.start(node), finder.end(node), str(WIDTHS.get(node.value, node.value + 1))


def named(finder: _Finder, node: ast.Name) -> Iterator[Change]:
    if isinstance(node.ctx, ast.Load) and node.id in NAMES:
        yield finder.start(node), finder.end(node), NAMES[node.id]


def member(finder: _Finder, node: ast.Attribute) -> Iterator[Change]:
    if isinstance(node.ctx, ast.Load) and node.attr in NAMES:
        yield finder.end(node) - len(node.attr), finder.end(node), NAMES[node.attr]


def guarded(finder: _Finder, node: ast.If) -> Iterator[Change]:
    """Never goes in; and where the body doesn't leave, always."""
    if ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield finder.start(node.test), finder.end(node.test), "False"
    if not isinstance(node.body[-1], LEAVES):
        yield finder.start(node.test), finder.end(node.test), "True"


def chosen(finder: _Finder, node: ast.IfExp) -> Iterator[Change]:
    yield finder.start(node.test), finder.end(node.test), "True"
    yield finder.start(node.test), finder.end(node.test), "False"


def filtered(finder: _Finder, node: ast.comprehension) -> Iterator[Change]:
    for test in node.ifs:
        yield finder.start(test), finder.end(test), "True"


def ranged(finder: _Finder, node: ast.Call) -> Iterator[Change]:
    """range() to one less; its constants are numbers that change by themselves."""
    if isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        end = node.args[min(1, len(node.args) - 1)]
        if not isinstance(end, ast.Constant) and not isinstance(end, ast.Starred):
            yield finder.end(end), finder.end(end), " - 1"


def sliced(finder: _Finder, node: ast.Slice) -> Iterator[Change]:
    for bound in (node.lower, node.upper):
        if bound is not None and not isinstance(bound, ast.Constant):
            yield finder.end(bound), finder.end(bound), " + 1"


def dropped(finder: _Finder, node: ast.Expr) -> Iterator[Change]:
    """A statement that is done for its effect."""
    if isinstance(node.value, (ast.Call, ast.YieldFrom)):
        yield finder.start(node), finder.end(node), "None"


def unset(finder: _Finder, node: ast.Assign) -> Iterator[Change]:
    """An assignment that others see."""
    if isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
        yield finder.start(node), finder.end(node), "None"


RULES: Final[dict[type[ast.AST], tuple[Callable[..., Iterable[Change]], ...]]] = {
    ast.Compare: (compared,), ast.BinOp: (calculated,), ast.BoolOp: (combined,), ast.AugAssign: (assigned,),
    ast.UnaryOp: (negated,), ast.Constant: (constant,), ast.Name: (named,), ast.Attribute: (member,),
    ast.If: (guarded,), ast.IfExp: (chosen,), ast.comprehension: (filtered,), ast.Call: (ranged,),
    ast.Slice: (sliced,), ast.Expr: (dropped,), ast.Assign: (unset,),
}  # fmt: skip


def mutants(file: str, source: bytes) -> list[Mutant]:
    """All changes of a Python file, in the order of the tree."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return finder.found
