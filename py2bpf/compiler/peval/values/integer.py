"""Integers that only run time knows."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.values import Value
from .base import Abstract


@dataclass(slots=True, eq=False)
class Run(Abstract):
    """An integer (i64 or u64) that the program computes. ``boolean``: whether in Python it is a bool, and so 0 or 1;
    None where that depends on the path that the program took."""

    words = "an integer known at run time only"

    ir: Value
    boolean: bool | None = False


@dataclass(slots=True, eq=False)
class Option(Abstract):
    """An integer or None: ``value`` where ``present`` is not 0. ``boolean``: as a Run's, where it isn't None."""

    words = "an integer or None"

    present: Value
    value: Value
    boolean: bool | None = False


@dataclass(slots=True, eq=False)
class NumberClass(Abstract):
    """``number.__class__`` of an integer of run time: int or bool, which nobody knows."""

    words = "the class of an integer known at run time only"
