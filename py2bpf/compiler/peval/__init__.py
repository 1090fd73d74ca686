"""Partial evaluation: what is known when compiling is computed, the rest becomes IR."""

from .evaluator import evaluate

__all__ = ["evaluate"]
