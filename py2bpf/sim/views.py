"""Views of packets: objects at an offset from the packet's start, even after the start has moved.

When a packet's front moves, its bytes move within the buffer, so that its start and all views keep their addresses.
Each use of a view only has to check that the packet is still long enough.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Final

from .. import padding
from ..fields import is_field
from . import texts, values

if TYPE_CHECKING:
    from .packet import Packet

_AGGREGATES: Final = (ctypes.Structure, ctypes.Union, ctypes.Array)
_SLOTS: Final = ("_py2bpf_packet", "_py2bpf_end")


class View:
    """A mixin of ctypes objects in packets. Using a view that is beyond the packet's end raises AttributeError, where
    the compiled program would end. If the packet becomes long enough again, the view can be used again.
    """

    __slots__ = ()
    _py2bpf_packet: Packet
    _py2bpf_end: int
    _py2bpf_plain: Any
    """The type of the viewed object."""

    def __getattribute__(self, name: str) -> Any:
        get = super().__getattribute__
        kind = get("__class__")
        if name not in _guarded(kind):
            found = get(name)
            of_class = isinstance(found, types.MethodType) and found.__self__ is kind  # it makes no views
            return getattr(kind._py2bpf_plain, name) if of_class else found
        used(self)
        return _part(self, get(name))

    def __setattr__(self, name: str, value: Any) -> None:
        kind: Any = type(self)
        if name in _guarded(kind):
            used(self)
        super().__setattr__(name, value)
        if isinstance(value, bytes):
            _end_text(self, name, value)

    def __eq__(self, other: object) -> bool:
        """Compares like the type itself, whose __eq__ may need objects of exactly that type."""
        if self._py2bpf_plain.__eq__ is object.__eq__:
            return self is other
        return bool(_plain(self) == _plain(other))

    def __hash__(self) -> int:
        return super().__hash__()


def _plain(value: Any) -> Any:
    return value._py2bpf_plain.from_buffer(used(value)) if isinstance(value, View) else value


class _Items(View):
    """A view that is an array."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        used(self)
        return _part(self, super().__getitem__(index))  # type: ignore[misc]  # the array's, behind the mixin

    def __setitem__(self, index: Any, value: Any) -> None:
        used(self)
        super().__setitem__(index, value)  # type: ignore[misc]  # the array's, behind the mixin


def make(ctype: Any, packet: Packet, offset: int) -> Any:
    """A view of the type at an offset from the packet's start. The packet must be long enough."""
    at = packet.start + offset
    return _set(_kind(values.view_type(ctype)).from_buffer(packet.memory, at), packet, at + ctypes.sizeof(ctype))


def used(value: Any) -> Any:
    """The value; for a map's text, its array. Every use of an object's bytes goes through this function. Raises
    AttributeError for a view beyond the packet's end."""
    if isinstance(value, texts.Text):
        return value.array
    if isinstance(value, View) and value._py2bpf_end > value._py2bpf_packet.start + value._py2bpf_packet.direct:
        raise AttributeError("the packet no longer reaches this view: it became shorter after ctx.packet() gave it")
    return value


def _end_text(view: Any, name: str, value: bytes) -> None:
    """Fills the rest of a char array with zeros after a text was assigned."""
    kind = view._py2bpf_plain
    field = inspect.getattr_static(kind, name, None)
    if is_field(field):
        padding.end_text(view, field.offset, field.size, value)
    elif issubclass(kind, ctypes.Array) and name == "value":
        padding.end_text(view, 0, ctypes.sizeof(kind), value)


def _part(owner: View, value: Any) -> Any:
    """A part of a view, as ctypes gives it. An object within a view is a view that needs the same length of packet."""
    if not isinstance(value, _AGGREGATES):
        return value
    return _set(_kind(type(value)).from_buffer(value), owner._py2bpf_packet, owner._py2bpf_end)


def _set(view: Any, packet: Packet, end: int) -> Any:
    view._py2bpf_packet, view._py2bpf_end = packet, end
    return view


@functools.lru_cache(maxsize=1024)
def _kind(ctype: Any) -> Any:
    """The class of views of a type: a subclass, so that isinstance() and the type's own methods work."""
    names = {"__module__": ctype.__module__, "__qualname__": ctype.__qualname__}
    space: dict[str, Any] = {**names, "__slots__": _SLOTS, "_py2bpf_plain": ctype}
    if not issubclass(ctype, ctypes.Array):
        return type(ctype)(ctype.__name__, (View, ctype), space)
    return type(ctype)(ctype.__name__, (_Items, ctype), {**space, "_type_": ctype._type_, "_length_": ctype._length_})


@functools.lru_cache(maxsize=1024)
def _guarded(kind: Any) -> frozenset[str]:
    """The attributes that are read from the packet."""
    fields = {name for name in dir(kind) if is_field(inspect.getattr_static(kind, name))}
    return frozenset(fields if issubclass(kind, (ctypes.Structure, ctypes.Union)) else {"value", "raw"})
