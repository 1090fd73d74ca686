"""Errors of evaluation as a whole, and places for errors that name none."""

from __future__ import annotations

from ...exception import LimitExceeded, Span, TranslationError
from . import blame
from .frames import Frame


def endless_growth() -> LimitExceeded:
    """The error for more blocks, or more objects, than an attempt may have."""
    return LimitExceeded(0, "the program grows without limit while its loops are unrolled",
                         hints=("a loop runs at run time if its body needs no constant",))  # fmt: skip


def too_deep() -> LimitExceeded:
    """The error for values and calls that are nested too deep for the compiler's own recursion."""
    return LimitExceeded(
        0, "values or calls are nested too deep here",
        hints=("a list or dict that holds itself has no end: let it hold a copy",
               "write large expressions as several statements"),
    )  # fmt: skip


def locate(error: TranslationError, span: Span | None, frame: Frame | None) -> None:
    """Gives an error without a place the current place, and the calls that led there."""
    if error.span is None and span is not None:
        error.span = span
        error.line = span.line
    if not error.notes and frame is not None:
        notes = [note for each in frame.callers() if (note := _note(each)) is not None]
        error.notes = tuple(dict.fromkeys(notes))  # recursion comes from one place again and again


def _note(frame: Frame) -> tuple[Span, str] | None:
    """The note that a user's function was called here; None for calls that notes leave out."""
    comprehension = frame.fn.name.startswith("<") and frame.fn.name != "<lambda>"
    if frame.parent is None or frame.site is None or frame.shown is not None or comprehension:
        return None
    return frame.site, frame.fn.name + blame.CALLED
