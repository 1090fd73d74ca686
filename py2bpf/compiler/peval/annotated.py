"""Finds parameters whose annotations say that they are pointers of the kernel."""

from __future__ import annotations

import inspect
import types
from typing import Any

from ...btf.shapes import KernelType, KernelTypes


def kernel_types(fn: types.FunctionType) -> dict[str, KernelType]:
    """The parameters that are annotated with kernel types."""
    try:
        notes = fn.__annotations__
    except (AttributeError, NameError):  # evaluated here since 3.14; some names exist for type checkers only
        return {}
    return {name: found for name, note in notes.items() if (found := _noted(fn, note)) is not None}


def _noted(fn: types.FunctionType, note: Any) -> KernelType | None:
    """The kernel type that an annotation is, or that an annotation in string form names."""
    if isinstance(note, str):
        base, *path = note.split(".")
        captured = inspect.getclosurevars(fn).nonlocals if base in fn.__code__.co_freevars else fn.__globals__
        note = captured.get(base)
        for name in path:
            note = note.named(name) if isinstance(note, KernelTypes) else getattr(note, name, None) if isinstance(
                note, types.ModuleType) else None
    return note if isinstance(note, KernelType) else None
