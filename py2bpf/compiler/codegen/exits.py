"""Where guards go when they fail: labels of the code that counts an error, and numbers for the places of errors."""

from __future__ import annotations

from typing import Final

from ...exception import Span
from ...spec import ErrorSite
from ..ir.values import Value

Sites = dict[ErrorSite, tuple[int, Span | None]]
"""The number and the place of each error of the whole program, in the order of the numbers."""

EXIT_LABEL: Final = 0
"""The local label of the code that returns the hook's safe value."""
COUNT_LABEL: Final = -1
"""The local label of the code that counts an error at the address in r1, and returns the safe value."""


def error_label(number: int) -> int:
    """The local label of the code that counts error number ``number``."""
    return -2 - number


class Exits:
    """How one function ends early. ``raised`` are the numbers of the errors that this function raises, ``sites`` those
    of all functions so far; ``used``: whether anything leads to an exit."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.raised: set[int] = set()
        self.used = False

    def label(self, value: Value) -> int:
        """The label for what a guard or an exit raises."""
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
