"""The targets of failing guards: labels of the code that counts errors, and numbers for the places of errors."""

from __future__ import annotations

from typing import Final

from ...exception import Span
from ...spec import ErrorSite
from ..ir.values import Value

Sites = dict[ErrorSite, tuple[int, Span | None]]
"""The number and the place of each error of the whole program, in the order of the numbers."""

EXIT_LABEL: Final = 0
"""The local label of the code that returns the hook's fallback result."""
COUNT_LABEL: Final = -1
"""The local label of the code that counts an error at the address in r1, and returns the fallback result."""


def error_label(number: int) -> int:
    """The local label of the code that counts error number ``number``."""
    return -2 - number


class Exits:
    """The exits of one function. ``raised``: the numbers of the errors that this function raises. ``sites``: the errors
    of all functions so far. ``used``: whether anything jumps to an exit."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.raised: set[int] = set()
        self.used = False

    def label(self, value: Value) -> int:
        """The label for the error of a guard or an exit."""
        self.used = True
        if not value.attr.error:
            return EXIT_LABEL
        span = value.span
        site = ErrorSite(span.filename if span else "", span.line if span else 0, value.attr.error)
        number, _ = self.sites.setdefault(site, (len(self.sites), span))
        self.raised.add(number)
        return error_label(number)

    def raised_here(self) -> list[tuple[int, Span | None]]:
        """The number and the place of each error that this function raises, in the order of the numbers."""
        return [(number, span) for number, span in self.sites.values() if number in self.raised]
