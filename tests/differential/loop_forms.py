"""The forms of loops, which tests force on all their loops."""

from __future__ import annotations

from collections.abc import Callable

from py2bpf.compiler.ir.loop_policy import Form

FORMS: dict[str, Callable[..., Form] | None] = {
    "policy": None,
    "iterator": lambda shape, target: Form.ITERATOR,
    "bpf_loop": lambda shape, target: Form.CALLBACK,
}
"""What ``loop_plan.choose`` becomes; None leaves it as it is."""
