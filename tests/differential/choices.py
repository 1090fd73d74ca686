"""Sources of a generator's decisions: hypothesis, which shrinks failures, or a seeded random generator, which is quick.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """All that a generator asks for. Lower numbers and earlier items are the simpler ones."""

    def integer(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely as the others."""

    def weighted(self, options: Sequence[T], weights: Sequence[int]) -> T:
        """One of the options, in proportion to the weights."""


class Drawn:
    """Choices that hypothesis makes."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        number: int = self.draw(st.integers(low, high))
        return number

    def pick(self, options: Sequence[T]) -> T:
        return options[self.draw(st.integers(0, len(options) - 1))]

    def weighted(self, options: Sequence[T], weights: Sequence[int]) -> T:
        point = self.draw(st.integers(0, sum(weights) - 1))
        return next(option for option, end in zip(options, accumulate(weights), strict=True) if point < end)


class Seeded:
    """Choices of a random generator: the same for the same seed, on every Python."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self._random.random() * len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[int]) -> T:
        return self._random.choices(options, cum_weights=_ends(tuple(weights)))[0]


@cache
def _ends(weights: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(accumulate(weights))
