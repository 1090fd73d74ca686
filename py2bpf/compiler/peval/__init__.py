"""Partial evaluation: computes everything that is known at compile time, and turns the rest into IR."""

from . import blame, failures, plans
from .decisions import Decisions, Restart
from .evaluator import Evaluator
from .frames import Frame

__all__ = ["Decisions", "Evaluator", "Frame", "Restart", "blame", "failures", "plans"]
