"""Refuses uses of a record after its end, and operations that are forbidden while a program holds one."""

from __future__ import annotations

from typing import NoReturn

from ....exception import UnsupportedSyntax
from ...ir.ops import INFO, Op
from ...ir.values import Value
from .record_flow import ENDS, Known, Status, held_records, is_root, root_of


def check_use(known: Known, value: Value) -> None:
    """Refuses uses of a record after its end, and what no program may do while it holds one."""
    held = held_records(known)
    if held and (value.op is Op.PACKET or (value.op is Op.CALL and value.attr.name == "tail_call")):
        _refuse_while_held(value, held[0][0])
    if INFO[value.op].compare or value.op in (Op.PTRADD, Op.BRANCH, Op.GUARD, Op.PHI):
        return
    for arg in value.args:
        record = root_of(arg)
        if is_root(record) and known.get(record) is Status.GONE:
            _refuse_use(value, record)


def _refuse_use(value: Value, record: Value) -> NoReturn:
    again = value.op is Op.CALL and value.attr.name in ENDS
    what = "given back again" if again else "used"
    error = UnsupportedSyntax(
        value.span.line if value.span else 0,
        f"a record of a ring buffer is {what} after it was submitted, discarded or passed on, on at least one path "
        "to this line",
        span=value.span, hints=("submit it last, and once: in the branch that filled it",),
    )  # fmt: skip
    raise _noted(error, record)


def _refuse_while_held(value: Value, record: Value) -> NoReturn:
    packet = value.op is Op.PACKET
    name = "load_skb_*" if packet else "tail_call"
    hint = "do it before reserve() or after submit()"
    error = UnsupportedSyntax(
        value.span.line if value.span else 0,
        f"{name}() may end the program, which the kernel forbids while it holds a record of a ring buffer",
        span=value.span, hints=(f"{hint}; packet_copy() reads the packet at any time" if packet else hint,),
    )  # fmt: skip
    raise _noted(error, record)


def _noted(error: UnsupportedSyntax, record: Value) -> UnsupportedSyntax:
    if record.op is Op.CALL and record.span is not None:
        error.notes = ((record.span, "it is reserved here"),)
    return error
