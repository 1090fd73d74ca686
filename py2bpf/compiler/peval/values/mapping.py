"""Dicts made in the program, and their views."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Abstract


@dataclass(slots=True, eq=False)
class DictRef(Abstract):
    """A dict made in the program, keys constant; its items live in the state's heap."""

    words = "a dict"
    instead = ("name one of its items",)

    one_object = True

    ident: int


@dataclass(slots=True, eq=False)
class DictView(Abstract):
    """What keys(), values() and items() (``kind``) of a dict made in the program give: what it holds then."""

    words = "a view of a dict"
    by_fields = True

    owner: DictRef
    kind: str
