"""The kinds of abstract values, a family in each module. A new family is a module here and one line in ``KINDS``."""

from __future__ import annotations

from typing import Final

from ..kind import Kinds
from . import (
    absent,
    constants,
    contexts,
    dicts,
    functions,
    integers,
    iterators,
    kernel,
    maps,
    objects,
    pending,
    sequences,
    texts,
)

KINDS: Final[Kinds] = {
    **absent.KINDS,
    **constants.KINDS,
    **contexts.KINDS,
    **dicts.KINDS,
    **functions.KINDS,
    **integers.KINDS,
    **iterators.KINDS,
    **kernel.KINDS,
    **maps.KINDS,
    **objects.KINDS,
    **pending.KINDS,
    **sequences.KINDS,
    **texts.KINDS,
}
