"""The forms that a loop can get, to be forced on all loops of a test."""

from __future__ import annotations

from collections.abc import Callable

from py2bpf.compiler.ir.loop_policy import Form

FORMS: dict[str, Callable[..., Form] | None] = {
    "policy": None,
    "iterator": lambda shape, target: Form.ITERATOR,
    "bpf_loop": lambda shape, target: Form.CALLBACK,
}
"""What ``loop_plan.choose`` becomes; None leaves it as it is."""
