"""Mutants of functions: rules over syntax trees. The results often make no sense, and sometimes aren't Python."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

ODD = [
    "0", "1", "-1", "2", "7", "255", "256", "2**31", "2**32", "-2**63", "2**63", "2**64 - 1", "2**64", "10**40",
    "-10**40", "True", "False", "None", "...", "1.5", "float('nan')", "-0.0", "1e308", "2j", "''", "'a'", "'é\\0x'",
    "'a' * 300", "b''", "b'ab'", "b'\\xff' * 70", "()", "(1,)", "(1, 'a', None)", "[]", "[1, 2]", "{}", "{1: 2}",
    "{1, 2}", "range(3)", "range(0)", "range(2**63)", "int", "len", "object()", "slice(1, 2)", "NotImplemented",
    "type", "lambda: 1",
]  # fmt: skip
"""Values that a place may not expect."""

WRAPS = [
    "(lambda: $)()", "(lambda x: x)($)", "(lambda x=$: x)()", "[$ for _ in range(2)][0]", "sum($ for _ in range(3))",
    "max($, 3)", "min($, $)", "abs($)", "int($)", "bool($)", "len($)", "str($)", "f'{$}'", "repr($)", "float($)",
    "-$", "~$", "not $", "($, $)", "($,)[0]", "[$][-1]", "{1: $}[1]", "{$: 1}", "{$}", "$[0]", "$[1:]", "$[$]",
    "$.name", "$.value", "$()", "$($)", "*$,", "($ if $ else 1)", "(1 if $ else $)", "($ and 3)", "($ or $)",
    "($ is None)", "($ == $)", "($ < 3 < $)", "($ in (1, 2))", "(1 in $)", "(walrus := $)", "list($)", "tuple($)",
    "any([$, 0])", "all(($, 1))", "sorted([$, 2])", "hash($)", "id($)", "type($)", "isinstance($, int)",
    "getattr($, 'a', 1)", "range($)", "enumerate($)", "next(iter([$]))", "divmod($, 3)", "pow($, 2)", "round($)",
    "$ ** 2", "$ << 70", "$ // 0", "$ % $", "$ @ $", "[*[$]]", "{**{1: $}}", "$.to_bytes(4)", "print($)", "iter($)",
    "zip([1], [$])", "dict(a=$)", "bytes($)", "ord($)", "chr($)", "(yield $)", "(await $)", "super($)",
    "$ if (y := $) else y", "[x for x in [$, 2] if x]", "[(x, y) for x in [1] for y in [$]]", "{k: k for k in [$]}",
]  # fmt: skip
"""What an expression ($) may lie in."""

BLOCKS = [
    "try:\n $\nexcept Exception:\n pass", "try:\n $\nexcept ZeroDivisionError as e:\n raise",
    "try:\n $\nfinally:\n x = 1", "try:\n $\nexcept* ValueError:\n pass", "with m:\n $", "with open('a') as f:\n $",
    "if True:\n $", "if ctx:\n $", "for i in range(3):\n $", "for i in range(3):\n $\n if i: continue",
    "for i in ctx:\n $", "while True:\n $\n break", "while ctx:\n $", "for i in ():\n $\nelse:\n return 1",
    "def inner():\n $\ninner()", "class C:\n $", "match 1:\n case 1:\n  $",
    "match ctx:\n case (1, x):\n  $\n case _:\n  pass", "async def inner():\n $\ninner()",
    "def inner():\n yield\n $\nlist(inner())", "if not ctx:\n return 1\n$", "for a, b in [(1, 2), (3, 4)]:\n $",
    "for _ in range(2**40):\n $",
]  # fmt: skip
"""What a statement ($) may lie in."""

STATEMENTS = [
    "return", "return 1", "return None", "pass", "assert 0", "assert ctx, 'no'", "raise ValueError('x')", "raise",
    "del x", "x = 1", "x += 1", "import os", "from ctypes import *", "global g\ng = 1", "yield 1", "await x",
    "continue", "break", "x: int = 3", "a, *b = 1, 2, 3", "x = y = z = 2", "x[0] = 1", "x.y = 1", "x[0] += 1",
    "del x[0]", "def f(): return f()", "lambda: 0", "print('a', 1)", "exec('1')", "locals()", "super().x",
    "type X = int", "(a := 1)", "while True: pass", "for x in x: pass", "__import__('os')", "a = [0] * 10**7",
    "a = 'x' * 10**10", "a = 1 << 10**6", "a = 10 ** 10 ** 5", "x = yield from []",
]  # fmt: skip
"""What may stand between statements."""

OPERATORS = [ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift, ast.BitOr,
             ast.BitXor, ast.BitAnd, ast.MatMult]  # fmt: skip
COMPARISONS = [ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn]
UNARY = [ast.Invert, ast.Not, ast.UAdd, ast.USub]


class Site(NamedTuple):
    """Where a node is, so that another can take its place."""

    parent: ast.AST
    name: str
    index: int | None

    @property
    def node(self) -> Any:
        held = getattr(self.parent, self.name)
        return held if self.index is None else held[self.index]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node


def _sites(root: ast.AST) -> Iterator[Site]:
    for parent in ast.walk(root):
        for name, held in ast.iter_fields(parent):
            if isinstance(held, ast.AST):
                yield Site(parent, name, None)
            elif isinstance(held, list):
                yield from (Site(parent, name, i) for i, each in enumerate(held) if isinstance(each, ast.AST))


def is_statement(node: Any) -> bool:
    return isinstance(node, ast.stmt)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class _Filler(ast.NodeTransformer):
    """Puts a node wherever the name ``_hole_`` stands."""

    def __init__(self, node: ast.AST) -> None:
        self.node = node

    def visit_Name(self, name: ast.Name) -> ast.AST:
        return copy.deepcopy(self.node) if name.id == "_hole_" else name

    def visit_Expr(self, statement: ast.Expr) -> ast.AST:
        if isinstance(self.node, ast.stmt) and isinstance(statement.value, ast.Name) and statement.value.id == "_hole_":
            return copy.deepcopy(self.node)
        self.generic_visit(statement)
        return statement


class Mutator:
    """Changes a function (a def, ``tree``) in place. ``files`` are trees to take fragments from."""

    def __init__(self, tree: ast.FunctionDef, files: Sequence[ast.AST], choose: random.Random) -> None:
        self.tree, self.files, self.choose = tree, files, choose
        self.names = sorted({each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
                            | {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)})  # fmt: skip

    def mutate(self) -> None:
        """One change; none where the chosen rule finds nothing to change."""
        rule = self.choose.choices(list(RULES), list(RULES.values()))[0]
        rule(self)

    # Places

    def expression(self, kinds: type[Any] | tuple[type[Any], ...] = ast.expr) -> Site | None:
        """A place whose node is evaluated."""
        sites = [site for site in _sites(ast.Module(self.tree.body, [])) if isinstance(site.node, kinds)
                 and not isinstance(getattr(site.node, "ctx", None), (ast.Store, ast.Del))
                 and not isinstance(site.parent, (ast.JoinedStr, ast.FormattedValue, ast.MatchValue))]  # fmt: skip
        return self.choose.choice(sites) if sites else None

    def body(self) -> list[ast.stmt]:
        """A list of statements."""
        held = [getattr(node, name, None) for node in ast.walk(self.tree) for name in ("body", "orelse", "finalbody")]
        return self.choose.choice([each for each in held if isinstance(each, list) and each and is_statement(each[0])])

    def fragment(self, kind: type[Any]) -> Any:
        """A piece of another function, with names of this one."""
        found = [node for node in ast.walk(self.choose.choice(self.files)) if isinstance(node, kind)]
        if not found:
            return _expression("1") if kind is ast.expr else ast.Pass()
        node = copy.deepcopy(self.choose.choice(found))
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and self.names and self.choose.random() < 0.7:
                each.id = self.choose.choice(self.names)
        return node

    # Rules

    def operator(self) -> None:
        site = self.expression((ast.BinOp, ast.Compare, ast.UnaryOp, ast.BoolOp))
        changes = [node for node in ast.walk(self.tree) if isinstance(node, ast.AugAssign)]
        if changes and self.choose.random() < 0.3:
            self.choose.choice(changes).op = self.choose.choice(OPERATORS)()
        elif site is None:
            return
        elif isinstance(site.node, ast.BinOp):
            site.node.op = self.choose.choice(OPERATORS)()
        elif isinstance(site.node, ast.Compare):
            site.node.ops[self.choose.randrange(len(site.node.ops))] = self.choose.choice(COMPARISONS)()
        elif isinstance(site.node, ast.UnaryOp):
            site.node.op = self.choose.choice(UNARY)()
        else:
            site.node.op = self.choose.choice((ast.And, ast.Or))()

    def name(self) -> None:
        if (site := self.expression(ast.Name)) and self.names:
            site.put(ast.Name(self.choose.choice(self.names), ast.Load()))

    def target(self) -> None:
        names = (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        if stored := [name for name in names if isinstance(name.ctx, ast.Store)]:
            self.choose.choice(stored).id = self.choose.choice(self.names)

    def attribute(self) -> None:
        if site := self.expression(ast.Attribute):
            node = self.fragment(ast.Attribute)
            site.node.attr = node.attr if isinstance(node, ast.Attribute) else "value"

    def literal(self) -> None:
        if site := self.expression(ast.Constant):
            site.put(_expression(self.choose.choice(ODD)))

    def odd(self) -> None:
        if site := self.expression():
            site.put(_expression(self.choose.choice(ODD)))

    def wrap(self) -> None:
        if site := self.expression():
            shape = _expression(f"({self.choose.choice(WRAPS).replace('$', ' _hole_ ')})")
            site.put(_Filler(site.node).visit(shape))

    def swap(self) -> None:
        one, other = self.expression(), self.expression()
        if one and other:
            first, second = copy.deepcopy(one.node), copy.deepcopy(other.node)
            one.put(second)
            other.put(first)

    def replace(self) -> None:
        if site := self.expression():
            site.put(self.fragment(ast.expr))

    def call(self) -> None:
        if not (site := self.expression(ast.Call)):
            return
        arguments, how = site.node.args, self.choose.randrange(5)
        if how == 0 and arguments:
            arguments.pop(self.choose.randrange(len(arguments)))
        elif how == 1:
            arguments.insert(self.choose.randint(0, len(arguments)), _expression(self.choose.choice(ODD)))
        elif how == 2:
            name = self.choose.choice([*self.names, "key", "flags", "default"])
            site.node.keywords.append(ast.keyword(name, _expression(self.choose.choice(ODD))))
        elif how == 3 and arguments:
            arguments[:] = [ast.Starred(ast.Tuple(list(arguments), ast.Load()), ast.Load())]
        else:
            self.choose.shuffle(arguments)

    def drop(self) -> None:
        body = self.body()
        body.pop(self.choose.randrange(len(body)))
        if not body:
            body.append(ast.Pass())

    def duplicate(self) -> None:
        body = self.body()
        body.insert(self.choose.randint(0, len(body)), copy.deepcopy(self.choose.choice(body)))

    def move(self) -> None:
        body, other = self.body(), self.body()
        statement = body[self.choose.randrange(len(body))]
        if not any(held is other for node in ast.walk(statement) for _, held in ast.iter_fields(node)):
            other.insert(self.choose.randint(0, len(other)), copy.deepcopy(statement))
            body.remove(statement)
            if not body:
                body.append(ast.Pass())

    def insert(self) -> None:
        body = self.body()
        at = self.choose.randint(0, len(body))
        try:
            body[at:at] = ast.parse(self.choose.choice(STATEMENTS)).body
        except SyntaxError:
            return  # what only newer Pythons know

    def foreign(self) -> None:
        body = self.body()
        at = self.choose.randrange(len(body))
        body[at : at + self.choose.randint(0, 1)] = [self.fragment(ast.stmt)]

    def enclose(self) -> None:
        body = self.body()
        at = self.choose.randrange(len(body))
        shape = ast.parse(self.choose.choice(BLOCKS).replace("$", "_hole_"))
        body[at : at + 1] = _Filler(body[at]).visit(shape).body


RULES: dict[Callable[[Mutator], None], int] = {
    Mutator.operator: 4, Mutator.name: 4, Mutator.target: 2, Mutator.attribute: 2, Mutator.literal: 4, Mutator.odd: 3,
    Mutator.wrap: 6, Mutator.swap: 2, Mutator.replace: 4, Mutator.call: 4, Mutator.drop: 2, Mutator.duplicate: 1,
    Mutator.move: 2, Mutator.insert: 3, Mutator.foreign: 4, Mutator.enclose: 3,
}  # fmt: skip


def as_def(tree: ast.FunctionDef | ast.Lambda) -> ast.FunctionDef:
    """A function without decorators and annotations; its defaults are the original's."""
    if isinstance(tree, ast.Lambda):
        node = _skeleton("program", copy.deepcopy(tree.args))
        node.body = [ast.Return(copy.deepcopy(tree.body))]
    else:
        node = _skeleton(tree.name, copy.deepcopy(tree.args))
        node.body = copy.deepcopy(tree.body)
    node.args.defaults, node.args.kw_defaults = [], [None] * len(node.args.kwonlyargs)
    for each in ast.walk(node.args):
        if isinstance(each, ast.arg):
            each.annotation = None
    return node


def _skeleton(name: str, args: ast.arguments) -> ast.FunctionDef:
    node = ast.parse(f"def {name}(): pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    node.args = args
    return node
