"""Moves errors to the user's lines: an error in Python's library, or in code without source (from dataclasses or
exec()), is shown at the user's call that led there."""

from __future__ import annotations

import linecache

from ...exception import Span, TranslationError, UnsupportedSyntax
from .classes import LIBRARY

CALLED = "() is called here"
"""The end of a call's note, after the function's name."""


def on_the_user(error: TranslationError) -> TranslationError:
    """The error itself, or one that points at the call from the user's code into Python's library."""
    if error.span is None:
        return error
    if _in_library(error.span):
        return _at_the_library(error, error.span)
    if not _has_source(error.span):
        _move_to_source(error, error.span)
    return error


def _at_the_library(error: TranslationError, place: Span) -> TranslationError:
    entry = next((at for at, (span, _) in enumerate(error.notes) if not _in_library(span)), None)
    if entry is None:
        return error
    span, text = error.notes[entry]
    return UnsupportedSyntax(
        span.line,
        f"{text.removesuffix(CALLED)}() of Python's library can't work on run-time values: {error.msg}",
        span=span,
        hints=("call it on constants, outside of the function or in it, or write what it does with the numbers",),
        notes=((place, "this line of the library is in the way"), *error.notes[entry + 1 :]),
    )


def _move_to_source(error: TranslationError, place: Span) -> None:
    """Points at the innermost call that can be shown; leaves the error alone if there is none."""
    entry = next((at for at, (span, _) in enumerate(error.notes) if _has_source(span)), None)
    if entry is None:
        return
    span, text = error.notes[entry]
    inside = f"{text.removesuffix(CALLED)}() leads to this line, which has no source to show"
    error.span, error.line = span, span.line
    error.notes = ((place, inside), *error.notes[entry + 1 :])


def _in_library(span: Span) -> bool:
    return span.filename.startswith((LIBRARY, "<frozen")) and "site-packages" not in span.filename


def _has_source(span: Span) -> bool:
    return bool(linecache.getline(span.filename, span.line))
