"""One handler for each canonical operation: together they are the evaluator's instruction set."""

from __future__ import annotations

from typing import Any, Final

from ...bytecode.canonical import Op
from .. import kind, kinds
from . import calls, data, names, operators
from .table import Table

kind.register(kinds.KINDS)

HANDLERS: Final[Table] = {**names.TABLE, **data.TABLE, **operators.TABLE, **calls.TABLE}

QUIET: Final = frozenset((
    Op.LOAD_CONST, Op.LOAD_FAST, Op.STORE_FAST, Op.COPY, Op.SWAP, Op.POP_TOP, Op.PUSH_NULL, Op.BUILD_TUPLE,
))  # fmt: skip
"""Operations that emit nothing and never fail, so that their places in the source need not be noted."""

_HINTS: Final = {
    "try": "errors of helpers are negative results: test them with if",
    "try/except": "a missing key of a map is 0, also in m[key] += 1; m.get(key) is None where it is missing",
    "generator": "write a list comprehension, in brackets: [... for item in items]",
    "async": "programs never wait: write def",
    "yield": "return one value, or send records with a queue's output()",
    "await": "programs never wait",
    "import": "import outside of the function: globals are constants",
    "class": "define the class outside of the function",
    "global": "keep changing values in a map",
    "type": "annotate with types that are made outside of the function",
    "t-string": "write an f-string",
    "interactive": "compile a function",
}


def alternatives(construct: Any) -> tuple[str, ...]:
    """What to write instead of an unsupported construct."""
    return tuple(hint for word, hint in _HINTS.items() if word in str(construct))
