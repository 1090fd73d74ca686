"""Turns packet loads into helper calls in functions with an iterator, or with callbacks. BPF_LD_ABS and BPF_LD_IND may
end the program at once, so the verifier refuses them while there is an iterator to destroy. They are harmful outside of
the iterator's loop too: the verifier can't backtrack beyond them for a value that it needs precisely, so it marks all
registers as precise, even dead ones, and in the iterator's loop Linux 6.18 gives up ("verifier bug: backtracking call
unexpected regs"). In a callback they would end only the callback.

b1: %3 = packet %0, %1 (2, 0)         b1: %4 = alloca 2
    jump b2                     ->        %5 = call skb_load_bytes %0, %1, %4, 2
                                          branch eq %5, 0, b3, b4
                                      b3: %6 = load %4
                                          %3 = bswap %6
                                          jump b2
                                      b4: return 0
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.values import Function
from .shared.packet_calls import rewrite


def run(fn: Function) -> None:
    """Rewrites all loads of a function that has an iterator, or of a program with callbacks."""
    if _has_callbacks(fn) or any(value.op is Op.ITER_NEXT for block in fn.blocks for value in block.body):
        rewrite(fn)


def _has_callbacks(fn: Function) -> bool:
    """Whether helpers call functions of the program, since the kernel allows no packet loads beside functions."""
    return any(function.callback for function in fn.subprograms)
