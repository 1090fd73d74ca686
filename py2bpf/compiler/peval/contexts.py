"""Fields of the program's context: the members of its structure, and fields that a ContextSpec adds."""

from __future__ import annotations

from typing import Final

from ...exception import TypeMismatch
from ...spec import Field, Located
from ..ir.ops import Op as IrOp
from ..ir.values import const
from . import arith, hints, kernel_memory, located, memory, packets, scalars
from .layout import members
from .machine import Machine
from .naming import short, type_name
from .values import Abstract, Const, Context, ContextFields, Ref


def attribute(ev: Machine, context: Context, name: str) -> Abstract:
    """``context.name``."""
    extra = context.spec.fields.get(name)
    found = packets.attribute(ev, context, name)
    if found is not None:
        return found
    if isinstance(extra, tuple):
        return ContextFields(context, name)
    if isinstance(extra, Located):
        return located.read(ev, context, extra)
    if extra is not None:
        return _context_field(ev, context, extra)
    if name not in members(context.spec.struct) and name not in context.spec.fields:
        if name == "packet":
            raise TypeMismatch(0, f"the context ({type_name(context.spec.struct)}) has no packet",
                               hints=("programs of XDP, traffic control, sockets and cgroups have one",))  # fmt: skip
        known = [each for each in (*members(context.spec.struct), *context.spec.fields) if not each.startswith("_")]
        near = _EVENT_HEADER.get(name) or hints.near(name, known, f"it has {', '.join(known)}")
        raise TypeMismatch(0, f"the context ({type_name(context.spec.struct)}) has no field {name!r}", hints=near)
    return memory.load_member(ev.b, Ref(context.base, 0, context.spec.struct), name)


_EVENT_HEADER: Final = {
    "common_pid": ("the thread is py2bpf.funcs.get_current_pid_tgid() & 0xffffffff; programs can't see this",),
    **dict.fromkeys(("common_type", "common_flags", "common_preempt_count"),
                    ("the kernel hides the event's header from programs; its own fields come behind it",)),
}  # fmt: skip
"""Fields that every tracepoint's format file names, but no program may read."""


def _context_field(ev: Machine, context: Context, field: Field) -> Abstract:
    """The value of a field: all of it, or the number in the field's C type."""
    whole = _whole_field(ev, context, field)
    return whole if field.ctype is None else scalars.narrowed(ev.b, arith.to_ir(ev.b, whole), field.ctype)


def _whole_field(ev: Machine, context: Context, field: Field) -> Abstract:
    struct = context.spec.struct
    whole = Ref(context.base, 0, struct)
    if field.through_pointer is None:
        *outer, last = field.path.split(".")
        for name in outer:
            member = memory.member(whole.ctype, name)
            whole = Ref(whole.base, whole.offset + member.offset, member.ctype)
        return memory.load_member(ev.b, whole, last)
    inner = arith.to_ir(ev.b, memory.load_member(ev.b, whole, field.through_pointer))
    member = memory.member(struct, field.path)
    address = arith.as_u64(ev.b, ev.b.emit(IrOp.ADD, [inner, const(member.offset)], inner.type))
    return kernel_memory.read(ev, address, member.ctype)


def item(ev: Machine, fields: ContextFields, key: Abstract) -> Abstract:
    """``context.group[key]``."""
    table = fields.context.spec.fields[fields.name]
    assert isinstance(table, tuple)
    if not isinstance(key, Const) or not isinstance(key.obj, int):
        raise TypeMismatch(
            0, f"the index of .{fields.name}[] must be a constant", hints=("a loop over constants gives some",)
        )
    if not 0 <= key.obj < len(table):
        raise TypeMismatch(
            0,
            f".{fields.name}[{short(key.obj)}] does not exist",
            hints=(f"there are .{fields.name}[0] to [{len(table) - 1}]",),
        )
    return _context_field(ev, fields.context, table[key.obj])
