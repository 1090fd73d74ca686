"""Partial evaluation: what is known when compiling is computed, the rest becomes IR."""

from . import blame, failures, plans
from .decisions import Decisions, Restart
from .evaluator import Evaluator
from .frames import Frame

__all__ = ["Decisions", "Evaluator", "Frame", "Restart", "blame", "failures", "plans"]
