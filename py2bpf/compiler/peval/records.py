"""Tells reserved records of ring buffers, and objects inside them, from other objects."""

from __future__ import annotations

from typing import Final

from ..ir.types import Region
from .values import Ref

CARRIED: Final = "a record of a ring buffer can't be kept from one iteration of a loop to the next"


def is_record(ref: Ref) -> bool:
    """Whether the object lies in a record of a ring buffer that is not submitted yet."""
    return ref.ptr.region is Region.RECORD


def is_whole(ref: Ref) -> bool:
    """Whether the object is a whole record, not a part of one."""
    spec = ref.ptr.spec
    return is_record(ref) and ref.offset == 0 and spec is not None and ref.ctype is spec.data_type


def why_apart(refs: list[Ref]) -> str:
    """Why objects, some of them in a ring buffer, can't be joined; empty if they can."""
    if not any(is_record(ref) for ref in refs):
        return ""
    if not all(is_whole(ref) for ref in refs):
        return "it is in a record of a ring buffer on one path, and elsewhere on another"
    if any(ref.ptr.spec is not refs[0].ptr.spec for ref in refs):
        return "it is a record of one ring buffer on one path, and of another one on another"
    return ""
