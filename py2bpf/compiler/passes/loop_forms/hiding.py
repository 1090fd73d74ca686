"""Hides numbers that a loop carries from turn to turn, which the verifier would follow without end."""

from __future__ import annotations

from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import Int
from ...ir.values import Value


def hide_carried(loop: Loop, unseen: Value) -> None:
    """Adds ``unseen``, which is 0, to each number that the loop begins with or goes on with."""
    header = loop.header
    for phi in header.phis:
        for edge, pred in enumerate(header.preds):
            if isinstance(phi.type, Int) and phi.args[edge] is not phi:
                hidden = Value(Op.HIDE, [phi.args[edge], unseen], phi.type, None, header.end.span)
                pred.body.insert(len(pred.body) - 1, hidden)
                phi.args[edge] = hidden
