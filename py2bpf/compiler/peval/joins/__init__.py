"""The families of values that can be joined where paths meet and at loop headers: one module for each."""

from typing import Final

from .fields import Fields
from .join import Header, Join, Meeting
from .kernel import KernelObjects
from .numbers import Numbers
from .objects import Objects
from .options import Options
from .sequences import Sequences
from .texts import Texts

JOINS: Final[tuple[Join, ...]] = (
    Numbers(), Texts(), Objects(), KernelObjects(), Options(), Sequences(), Fields(),
)  # fmt: skip
"""In the order in which they are asked: integers that are never None come before optional integers."""

__all__ = ["JOINS", "Header", "Join", "Meeting"]
