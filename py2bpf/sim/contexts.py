"""The arguments of simulated programs: packets, registers, events."""

from __future__ import annotations

import ctypes
import difflib
import operator
import platform
from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from ..borders import all_errors, mark, public, shorten
from ..given import shown
from ..spec import ContextSpec, Field, HookSpec, Located
from ..uapi import contexts
from ..uapi.hooks import BY_NAME, BY_TYPE, SPECS, Hook, Setup, row_of
from ..uapi.prog_types import ProgType
from ..worlds import CURRENT
from . import events, values, views
from .errors import SimulationError, UnknownField
from .packet import FIRST_BUFFER, SKB_MAX, Packet

_HALF: Final = 0xFFFF
_U64: Final = (1 << 64) - 1
_STORED: Final[dict[str, Callable[[int, int], int]]] = {
    "tc_index": lambda before, given: given & _HALF,
    "tc_classid": lambda before, given: given & _HALF,
    "queue_mapping": lambda before, given: before if given & _U64 >= _HALF else given,
}
"""What is stored of a run-time number in fields that are narrower in sk_buff than in __sk_buff, see
bpf_convert_ctx_access()."""
_REACH: Final = 0xFFFF
"""How far into a packet programs see."""
_LOOPBACK: Final = 1
"""The device of test runs."""


class Context:
    """A program's argument, laid out by a ContextSpec. Fields truncate like the kernel's.

    ``struct`` is the ctypes structure itself, ``pointed`` are the structures to which its pointers lead, and ``tail``
    has the texts and arrays of an event, which follow the structure. ``bytes(context)`` is the structure and the tail.
    """

    @public
    def __init__(self, spec: ContextSpec, packet: Packet | None = None, hook: HookSpec | None = None) -> None:
        self.__dict__.update(_spec=spec, struct=spec.struct(), pointed={}, tail=bytearray(), _packet=packet, _hook=hook)
        for extra in spec.fields.values():
            for each in extra if isinstance(extra, tuple) else (extra,):
                if isinstance(each, Field) and each.through_pointer is not None:
                    self.pointed.setdefault(each.through_pointer, spec.struct())

    @mark
    def __getattr__(self, name: str) -> Any:
        try:
            extra = self._spec.fields.get(name)
            if isinstance(extra, tuple):
                return tuple(self._read(each) for each in extra)
            if isinstance(extra, Located):
                return events.read(bytes(self), self.struct, extra)
            if extra is not None:
                return self._read(extra)
            try:
                return getattr(self.struct, name)
            except AttributeError:
                raise self._unknown(name) from None
        except Exception as error:
            shorten(error)
            raise

    @all_errors
    def __setattr__(self, name: str, value: Any) -> None:
        if self._hook is not None and getattr(CURRENT.get(), "context", None) is self:
            value = self._stored(name, value)
        extra = self._spec.fields.get(name)
        if isinstance(extra, tuple):
            for each, number in zip(extra, value, strict=False):
                self._write(each, number)
        elif isinstance(extra, Located):
            events.write(self.tail, self.struct, extra, value)
        elif extra is not None:
            self._write(extra, value)
        elif name not in _names(self.struct):
            raise self._unknown(name)
        elif isinstance(value, (tuple, list)):
            getattr(self.struct, name)[: len(value)] = value
        else:
            setattr(self.struct, name, value)

    def __bytes__(self) -> bytes:
        return bytes(self.struct) + bytes(self.tail)

    def __repr__(self) -> str:
        packet = f", a packet of {len(self._packet)} bytes" if self._packet is not None else ""
        return f"<simulated {self._spec.struct.__name__}{packet}>"

    @public
    def packet(self, ctype: Any, offset: int = 0) -> Any:
        """An object of a ctypes type that lives in the packet at an offset, or the number there; None past the end."""
        if self._packet is None or (self._hook is not None and not self._hook.packet_access):
            raise SimulationError("ctx.packet() is for xdp and tc programs; socket filters copy with "
                                  "funcs.packet_copy(skb, offset, object)")  # fmt: skip
        offset = int.__pos__(operator.index(offset))  # a plain int, whatever its class
        if offset < 0 or offset + ctypes.sizeof(ctype) > min(self._packet.direct, _REACH):
            return None
        if values.is_number(ctype):
            return values.view(ctype, self._packet.memory, self._packet.start + offset).value
        return views.make(ctype, self._packet, offset)

    def _stored(self, name: str, value: Any) -> Any:
        """The value that is stored if the program assigns ``value`` to a field of a packet's context. Raises
        SimulationError for fields that the kernel doesn't let the program write."""
        row = row_of(self._hook)
        allowed = row.packet.fields if row is not None and row.packet is not None else ()
        if name not in allowed and name in _names(self.struct):
            they = f"write {', '.join(allowed)}" if allowed else "write none of the fields"
            raise SimulationError(f"the kernel refuses {self._hook.name} programs that write {name!r}: they {they}")
        if name not in _STORED:
            return value
        before = getattr(self.struct, name)
        setattr(self.struct, name, value)  # raises for values that are no integers
        return _STORED[name](before, value if isinstance(value, int) else getattr(self.struct, name))

    def _read(self, place: Field) -> Any:
        *path, last = place.path.split(".")
        value = getattr(reduce(getattr, path, self._holder(place)), last)
        return value if place.ctype is None else place.ctype(value).value

    def _write(self, place: Field, value: Any) -> None:
        *path, last = place.path.split(".")
        setattr(reduce(getattr, path, self._holder(place)), last, value)

    def _holder(self, place: Field) -> Any:
        return self.struct if place.through_pointer is None else self.pointed[place.through_pointer]

    def _unknown(self, name: str) -> Exception:
        if name.startswith("__"):
            return AttributeError(name)
        known = [*self._spec.fields, *_names(self.struct)]
        near = difflib.get_close_matches(name, known) or known
        return UnknownField(f"the context ({self._spec.struct.__name__}) has no field {name!r}; "
                            f"there are {', '.join(near)}")  # fmt: skip


def _names(struct: Any) -> set[str]:
    """The fields of a structure, including those of anonymous members."""
    return {name for name in dir(type(struct)) if not name.startswith("_")}


def packet_context(data: bytes | bytearray, hook: HookSpec, fields: dict[str, Any] | None = None) -> Context:
    """A packet's context as in a test run of the kernel; ``fields`` replaces some fields.

    ``data`` begins with the Ethernet header. A socket filter sees only what follows this header.
    """
    row = row_of(hook)
    if row is None or row.packet is None:
        raise SimulationError(f"a {hook.name} program gets no packet; give the context that it gets: "
                              "sim.registers(...) or sim.context(...)")  # fmt: skip
    made = _SETUPS[row.setup](data, hook, row.packet.begin)
    refresh(made)
    _fill(made, fields or {})
    return made


def _xdp_packet(data: bytes | bytearray, hook: HookSpec, begin: int) -> Context:
    made = Context(contexts.XDP_MD, Packet(data, begin, room=FIRST_BUFFER), hook)
    made.struct.ingress_ifindex = _LOOPBACK
    return made


def _skb_packet(data: bytes | bytearray, hook: HookSpec, begin: int) -> Context:
    packet = Packet(data, begin, room=max(len(data), SKB_MAX))
    made = Context(contexts.SK_BUFF, packet, hook)
    skb = made.struct
    skb.protocol, skb.pkt_type, skb.ifindex = packet.protocol, packet.pkt_type, _LOOPBACK
    return made


_SETUPS: Final = {Setup.XDP: _xdp_packet, Setup.SKB: _skb_packet}


def refresh(context: Context) -> None:
    """Updates the context after its packet's length has changed."""
    packet = context._packet
    if isinstance(context.struct, contexts.SkBuff):
        context.struct.len = len(packet)
    context.struct.data_end = packet.direct


@public
def context(of: Any, /, **fields: Any) -> Context:
    """A context with the given fields; all others are zero. ``of`` is a probe (made by @kprobe.probe or
    @tracepoint.probe), a ContextSpec, or any ctypes Structure with the kernel's layout.

    Raises KernelError if a tracepoint's fields aren't known, since only root can read tracefs: give a Structure with
    the fields that the program reads instead. Raises SimulationError for unknown fields.
    """
    made = Context(spec_of(of))
    _fill(made, fields)
    return made


@public
def registers(
    args: tuple[int, ...] = (), ret: int | None = None, *, syscall: bool = False, machine: str | None = None,
    **fields: int,
) -> Context:  # fmt: skip
    """The registers for a kprobe's function: at a call with these arguments, or at a return with the result ``ret``.

    With ``syscall``, the arguments are those of a system call. ``machine`` selects another architecture
    (``"aarch64"``). ``fields`` are further registers by name. Raises SimulationError for unknown fields, NotSupported
    for unknown architectures.
    """
    machine = machine or platform.machine()
    if syscall:
        spec = contexts.syscall_regs(machine)
    else:
        spec = contexts.pt_regs(machine, entry=ret is None, exit=ret is not None)
    made = Context(spec)
    if ret is not None:
        made.ret = ret
    elif args:
        made.args = args
    _fill(made, fields)
    return made


def _fill(made: Context, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(made, name, value)


def spec_of(of: Any) -> ContextSpec:
    """The ContextSpec of a probe or a structure; a ContextSpec unchanged. Raises SimulationError for other objects."""
    if isinstance(of, ContextSpec):
        return of
    if isinstance(of, type) and issubclass(of, ctypes.Structure):
        return ContextSpec(of)
    found = getattr(of, "expected_context", None)
    if isinstance(found, ContextSpec):
        return found
    raise SimulationError(f"{shown(of)} tells no context: give a probe, a ContextSpec or a ctypes Structure")


def retyped(given: Context, spec: ContextSpec) -> Context:
    """Registers that the user made, with the C types of the arguments and result that the kprobe knows."""
    if given._spec.struct is not spec.struct or given._spec.fields.keys() != spec.fields.keys():
        return given
    made = Context(spec)
    made.__dict__.update(struct=given.struct, pointed=given.pointed, tail=given.tail)
    return made


def wrapped(given: ctypes.Structure) -> Context:
    """A context around the user's own structure, which keeps what the program writes."""
    made = Context(ContextSpec(type(given)))
    made.__dict__["struct"] = given
    return made


def hook_of(hook: Any, fn: Any) -> HookSpec:
    """The HookSpec for a name, a program type or a probe; for a plain function, that of socket filters."""
    if isinstance(hook, HookSpec):
        return hook
    if hook is None:
        row = getattr(fn, "hook", None)
        return row.spec if isinstance(row, Hook) else SPECS[ProgType.SOCKET_FILTER]
    if isinstance(hook, str):
        found = BY_NAME.get(hook.lower())
    else:
        found = next((row for row in BY_TYPE.values() if isinstance(hook, int) and row.prog_type == hook), None)
    if found is None:
        known = sorted(BY_NAME, key=lambda name: BY_NAME[name].alias != name)
        raise SimulationError(f"there is no hook {shown(hook)}; there are {', '.join(known)}")
    return found.spec
