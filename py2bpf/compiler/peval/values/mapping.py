"""Dicts made in the program, and their views."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Abstract


@dataclass(slots=True, eq=False)
class DictRef(Abstract):
    """A dict made in the program. Its keys are constants, and its items are in the state's heap."""

    words = "a dict"
    instead = ("name one of its items",)

    one_object = True

    ident: int


@dataclass(slots=True, eq=False)
class DictView(Abstract):
    """The result of keys(), values() or items() (``kind``) of a dict made in the program. It shows later changes of the
    dict, as in Python."""

    words = "a view of a dict"
    by_fields = True

    owner: DictRef
    kind: str
