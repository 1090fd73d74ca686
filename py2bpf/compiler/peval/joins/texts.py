"""Joins constant bytes, or constant strs: a phi tells which one it is."""

from __future__ import annotations

from .. import constant_texts
from ..values import Abstract, OneOf
from .join import Join, Meeting


class Texts(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        known = constant_texts.known(values)
        if known is None:
            return None
        return OneOf(meeting.phi([constant_texts.number(value, known) for value in values]), known)
