"""Spin locks in map values: refuses what the kernel forbids, for example in process_spin_lock() of
kernel/bpf/verifier.c."""

from __future__ import annotations

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import MapSpec, lock_offset
from ...uapi.hooks import Trait, row_of
from ..ir.ops import Op
from ..ir.types import Region
from .builder import Builder
from .naming import type_name
from .state import State
from .values import Ref, Unlock


def check_hook(b: Builder, spec: MapSpec) -> None:
    """Refuses a map with locks in programs of types that the kernel doesn't allow to use locks."""
    row = row_of(b.fn.hook)
    if spec.lock_offset is not None and row is not None and Trait.LOCKS not in row.traits:
        raise UnsupportedSyntax(
            0, f"the kernel doesn't let {row.programs} use a map whose values have a spin lock",
            hints=("update single fields with += and the like, which are atomic, or use a per-CPU map",),
        )  # fmt: skip


def check_whole(ref: Ref) -> None:
    """Refuses to copy, compare or hand out a whole entry, since programs may not access the bytes of its lock."""
    if ref.ptr.region is Region.VALUE and lock_offset(ref.ctype) is not None:
        raise TypeMismatch(
            0, f"a {type_name(ref.ctype)} in a map can't be used as a whole: nothing may touch its spin lock",
            hints=("read and write its fields one by one",),
        )  # fmt: skip


def protects(b: Builder, ref: Ref) -> bool:
    """Whether an object lies in the entry whose lock is held, so that other users of the lock can't change it."""
    base = ref.base
    while base.op is Op.PTRADD:
        base = base.args[0]
    return b.held is not None and base is b.held


def held(state: State) -> Unlock | None:
    """The with statement's entry on the stack, if the stack belongs to code inside one; else None."""
    return next((slot for slot in state.stack if isinstance(slot, Unlock)), None)
