"""Every instruction knows the exact piece of source that it comes from."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from types import CodeType

import bytecode_samples
import pytest
from bytecode_samples import SAMPLES

from py2bpf.compiler.bytecode import Instr, Op, decode
from py2bpf.exception import Span

Extent = tuple[int, int, int, int]
LINES = inspect.getsource(bytecode_samples).splitlines()


def text(span: Span) -> str:
    """The source of a span; the samples are ASCII, so that bytes are characters."""
    assert span.column is not None and span.end_line is not None and span.end_column is not None
    lines = LINES[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column]
    lines[0] = lines[0][span.column :]
    return "\n".join(lines)


def extents() -> set[Extent]:
    """Where the nodes of the samples' syntax tree are."""
    tree = ast.parse(inspect.getsource(bytecode_samples))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.expr, ast.stmt, ast.pattern, ast.match_case, ast.keyword, ast.arg)) and hasattr(
            node, "lineno"
        ):
            found.add((node.lineno, node.col_offset, node.end_lineno, node.end_col_offset))
        if isinstance(node, ast.DictComp):  # the pair has no node
            found.add((node.key.lineno, node.key.col_offset, node.value.end_lineno, node.value.end_col_offset))
    return found


def instructions(code: CodeType) -> list[Instr]:
    found = [instr for block in decode(code).blocks for instr in block.instrs]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += instructions(constant)
    return found


EXTENTS = extents()


@pytest.mark.parametrize("function", [function for function, _ in SAMPLES], ids=lambda function: function.__qualname__)
def test_spans_are_those_of_the_syntax_tree(function):
    for instr in instructions(function.__code__):
        span = instr.span
        if span.column is None and span.function.endswith("<genexpr>"):
            continue  # how a generator begins: CPython places that nowhere
        assert (span.line, span.column, span.end_line, span.end_column) in EXTENTS or known_oddity(instr), (
            instr,
            text(span),
        )
        check(instr, text(span))


def known_oddity(instr: Instr) -> bool:
    """Instructions that CPython itself places on no node."""
    source = text(instr.span)
    if source == "":
        return instr.op is Op.JUMP  # to a loop that starts the function
    return source.startswith(("def ", "'", '"', "{", "("))


def check(instr: Instr, source: str) -> None:
    """The text of the commonest operations, as far as one instruction of CPython stands for one of ours."""
    if instr.op in (Op.LOAD_GLOBAL, Op.LOAD_DEREF) and instr.arg not in ("__class__", "super"):
        assert source == instr.arg
    elif instr.op is Op.LOAD_FAST and sys.version_info < (3, 13) and not instr.arg.startswith("."):
        assert instr.arg in source or source == "super()"
    elif instr.op in (Op.STORE_ATTR, Op.AUG_ATTR, Op.LOAD_METHOD, Op.DELETE_ATTR):
        assert source.replace("\n", "").split("(")[0].rstrip(")").endswith(instr.arg) or "." + instr.arg in source
    elif instr.op is Op.AUG_SUBSCR:
        assert source.endswith("]")
    elif instr.op is Op.BINARY and not source.startswith(("f'", 'f"', '"')):
        assert isinstance(expression(source), ast.BinOp)
    elif instr.op is Op.INPLACE:
        assert f" {instr.arg}= " in source
    elif instr.op is Op.COMPARE and isinstance(expression(source), ast.Compare):
        assert instr.arg in source


def expression(source: str) -> ast.expr | None:
    try:
        return ast.parse(textwrap.dedent(source), mode="eval").body
    except SyntaxError:
        return None


def test_columns():
    code = compile("def f(a, b):\n    return a.first + g(b[0], key=-a)\n", "user.py", "exec").co_consts[0]
    found = {(i.op, i.arg): (i.span.line, i.span.column, i.span.end_column) for i in instructions(code)}
    assert found[Op.LOAD_ATTR, "first"] == (2, 11, 18)
    assert found[Op.LOAD_GLOBAL, "g"] == (2, 21, 22)
    assert found[Op.LOAD_SUBSCR, None] == (2, 23, 27)
    assert found[Op.UNARY, "-"] == (2, 33, 35)
    assert found[Op.CALL, (1, ("key",))] == (2, 21, 36)
    assert found[Op.BINARY, "+"] == (2, 11, 36)
    assert found[Op.RETURN, None] == (2, 4, 36)


def test_code_without_positions():
    """`python -X no_debug_ranges` and generated code have lines only, or nothing."""
    code = compile("def f(a):\n    return -a\n", "user.py", "exec").co_consts[0]
    bare = code.replace(co_linetable=b"")
    spans = [instr.span for instr in instructions(bare)]
    assert {(span.line, span.column) for span in spans} == {(1, None)}
