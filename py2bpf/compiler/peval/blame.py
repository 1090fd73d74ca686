"""Whose line an error is about: what of Python's library can't be compiled was called by a line of the user's, and so
was code without source, as dataclasses and exec() make it."""

from __future__ import annotations

import linecache

from ...exception import Span, TranslationError, UnsupportedSyntax
from .classes import LIBRARY

CALLED = "() is called here"
"""How the note of a call ends; the function's name stands before it."""


def on_the_user(error: TranslationError) -> TranslationError:
    """The error itself, or one that points at the call by which the user's code enters Python's library."""
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
    """Points at the innermost call that can be shown; the error stays where it is if there is none."""
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
