"""Random whole programs: sizes, helper functions, structs, the statements of templates and constructs."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from choices import Choices
from constructs import CALLS, STATEMENT, TABLES
from hooks import ROWS
from shared import ON_STACK, STRUCTS
from templates import MAX_TRIPS, Language, Row, Scope, Writer

_CHANGE_BY_CALL = re.compile(r"(?P<indent> *)(?P<target>[A-Z]\w*[.[].*? [-+&|^]=) (?P<value>.*\bfn\d+\(.*)")
_RETURN = re.compile(r"^(.*\breturn )(.+)$")
"""Programs of cgroups answer 0 or 1, which the verifier wants to see: a mask may be left out as needless."""
_SIZES = [2, 4, 6, 9, 13]
_SIZE_WEIGHTS = [4, 6, 4, 2, 1]
_SIGNATURES = [  # parameters, the names that they give, calls
    ("p, q", ["p", "q"], ["@($i, $i)"]),
    ("p, q=3", ["p", "q"], ["@($i)", "@($i, $i)", "@($i, q=$i)"]),
    ("p, *, q=-2", ["p", "q"], ["@($i)", "@($i, q=$i)"]),
    ("p, /, q=1, o=7", ["p", "q", "o"], ["@($i, $k)", "@($i, o=$i)"]),
    ("q, p=(1 << 40)", ["p", "q"], ["@($i)", "@(p=$i, q=$i)"]),
]


@dataclass(frozen=True)
class Program:
    """A generated program and the constructs that it has. It may call what constructs.PRELUDE defines."""

    source: str
    hook: str
    used: Counter[str]
    long: bool = False
    """Whether a run takes many thousand instructions."""


def program(choices: Choices) -> Program:
    """A random program."""
    hook = choices.weighted(list(ROWS), [row.weight for row in ROWS.values()])
    writer = Writer(choices, LANGUAGE, hook)
    writer.scope.functions = list(CALLS)
    for _ in range(choices.weighted([0, 1, 2], [6, 3, 1])):
        function(writer, 0, [])
    begin = len(writer.lines)
    writer.write(0, "def program(ctx):")
    _begin(writer)
    for _ in range(choices.weighted(_SIZES, _SIZE_WEIGHTS)):
        writer.statement(1, choices.weighted([1, 2, 3], [2, 4, 2]))
    for i, name in enumerate(("x", "y", "z", "u")):
        writer.write(1, f"OUT[{i}] = {name}")
    if choices.integer(0, 2):
        writer.write(1, writer.fill("OUT[4] = $f", 0))
    writer.write(1, writer.fill("return $n", 2))
    if hook == "cgroup_skb":
        writer.lines[begin:] = [_RETURN.sub(r"\g<1>1 if (\2) & 1 else 0", line) for line in writer.lines[begin:]]
    lines = [apart for line in writer.lines for apart in _called_apart(line)]
    return Program("\n".join(lines) + "\n", hook, writer.used, writer.long)


def _called_apart(line: str) -> list[str]:
    """``m[k] += fn1()`` in two steps: where fn1 changes m[k] BPF and Python differ, as the documentation tells."""
    found = _CHANGE_BY_CALL.match(line)
    if found is None:
        return [line]
    return [f"{found['indent']}change = {found['value']}", f"{found['indent']}{found['target']} change"]


def _begin(writer: Writer) -> None:
    """Loads the sample; gives each variable of the program its first value."""
    writer.write(1, "sample = IN[0]")
    for name in "abcdef":
        writer.write(1, f"{name} = sample.{name}")
    scope = writer.scope
    scope.constant, scope.unsigned = list("acdef"), ["b"]
    for name in "xyz":
        writer.write(1, f"{name} = {writer.choices.pick('acdef')}")
    writer.write(1, "u = b")
    scope.signed, scope.unsigned = list("xyz"), ["u", "b"]
    writer.write(1, writer.fill("r = Rec($[|i8=a, u32=c|u64=b, i16=f])", 0))
    scope.structs, scope.texts = [("r", STRUCTS["Rec"], False)], ["r.name"]
    for i in range(writer.choices.weighted([0, 1, 2], [3, 3, 1])):
        kind = writer.choices.pick(ON_STACK)
        writer.used[f"struct: {kind}"] += 1
        writer.write(1, f"big{i} = {kind}()")
        scope.structs.append((f"big{i}", STRUCTS[kind], False))
        if kind in ("Rec", "Traffic"):
            scope.texts.append(f"big{i}.name")


def function(writer: Writer, depth: int, captured: list[str]) -> None:
    """A function of the program's own, which can be called from there on. ``captured``: outer names that it reads."""
    name = writer.fresh("fn")
    parameters, names, calls = writer.choices.pick(_SIGNATURES)
    writer.write(depth, f"def {name}({parameters}):")
    outer, trips, inside = writer.scope, writer.trips, writer.in_function
    loops = writer.loops
    writer.apart = depth == 0
    writer.scope = Scope([*names], [], captured, [], (), list(CALLS), ["r.name"] if depth else [])
    writer.write(depth + 1, f"v = {writer.choices.pick(names + captured)}")
    writer.write(depth + 1, f"t = U[{names[0]} & 3]")
    writer.scope.signed.append("v")
    writer.scope.unsigned.append("t")
    writer.trips, writer.in_function, writer.loops = MAX_TRIPS // 6, True, 0
    for _ in range(writer.choices.integer(1, 3)):
        writer.statement(depth + 1, 1)
    writer.write(depth + 1, writer.fill("return $i", 2))
    writer.scope, writer.trips, writer.in_function, writer.loops = outer, trips, inside, loops
    writer.apart = False
    writer.scope.functions = [*writer.scope.functions, *([call.replace("@", name) for call in calls] * 3)]


def _closure(writer: Writer, depth: int) -> None:
    """A nested function; with luck it is called by the statement behind it already."""
    own = ("v", "t")  # which the nested function has itself
    function(writer, depth, [name for name in writer.scope.signed + writer.scope.constant if name not in own])
    writer.write(depth, writer.fill(f"$x = {writer.scope.functions[-1]}", 1))


def _nonlocal(writer: Writer, depth: int) -> None:
    """A nested function that changes a variable of the program."""
    name, variable = writer.fresh("fn"), writer.choices.pick("xyz")
    writer.write(depth, f"def {name}(p):")
    writer.write(depth + 1, f"nonlocal {variable}")
    writer.write(depth + 1, f"{variable} = ({variable} & 0xffff) {writer.choices.pick(['+', '^'])} p")
    writer.write(depth + 1, f"return {variable} // 2")
    writer.write(depth, writer.fill(f"$x = {name}($i)", 1))


_FUNCTIONS = {
    "closure": Row(2, makes=_closure),
    "nonlocal": Row(1, makes=_nonlocal),
}
LANGUAGE = Language({**TABLES, "statement": {**STATEMENT, **_FUNCTIONS}})
