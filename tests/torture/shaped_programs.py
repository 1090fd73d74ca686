"""Programs of a statement or a call that is drawn (any_shapes.py): compiled, or refused at a line."""

from __future__ import annotations

import contextlib
import random
import traceback

from any_shapes import ARGUMENTS, OPERANDS, STATEMENTS, callables, captured, is_compiled
from campaigns import Outcome, Round

_open = contextlib.ExitStack()
"""The maps that the programs capture, until the process ends."""


def begin() -> Round:
    names = _open.enter_context(captured())
    called = list(callables())
    assert is_compiled("pass", names)

    def round(seed: int) -> Outcome:
        choose = random.Random(seed)
        if choose.random() < 0.5:
            statement = f"x = {choose.choice(called)}({choose.choice(ARGUMENTS)})"
        else:
            statement = choose.choice(STATEMENTS).format(choose.choice(OPERANDS), choose.choice(OPERANDS))
        try:
            made = is_compiled(statement, names)
        except BaseException:  # noqa: BLE001 - that is the question
            return Outcome("errors of another kind", f"{statement}\n{traceback.format_exc()}")
        return Outcome("no Python" if made is None else "compiled" if made else "refused")

    return round
