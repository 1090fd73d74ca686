"""Records the contents of mutable objects, to tell later whether they have changed."""

from __future__ import annotations

import array
import collections
import functools
import inspect
import itertools
import types
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_SIMPLE: Final = (int, str, bytes, float, bool, type(None))
_LARGEST: Final = 1 << 20
"""The size in bytes of the largest buffer that is recorded."""
_SAMPLES: Final[tuple[Any, ...]] = (
    iter([]), iter(()), iter({}), iter({}.values()), iter({}.items()), iter(set()), iter(""), iter(b""), iter(range(1)),
    iter(range(1 << 65)), reversed([]), reversed(()), reversed({}), itertools.repeat(0, 0),
)  # fmt: skip
ITERATORS: Final[tuple[type, ...]] = tuple({type(each) for each in _SAMPLES})
"""The types of iterators that tell how many items are left."""


class Kind(NamedTuple):
    """How to read objects of a kind: ``take`` gives the contents, ``same`` compares them with earlier ones."""

    take: Callable[[Any], Any]
    same: Callable[[Any, Any, Any], bool]
    """Takes the object, its contents before, and its contents now."""


def kind_of(obj: Any) -> Kind | None:
    """How to read the contents of a container or the position of an iterator; None for objects that can't change."""
    for cls, kind in _KINDS.items():
        if isinstance(obj, cls):
            return kind
    return _BUFFER if _is_buffer(obj) else None


def _like(one: Any, other: Any) -> bool:
    """Whether a place holds the same object, or an equal number or text."""
    return one is other or (isinstance(one, _SIMPLE) and type(one) is type(other) and bool(one == other))


# containers, read as their built-in base classes store them, without methods of users' classes


def _equal_items(obj: Any, before: Any, now: Any) -> bool:
    return len(before) == len(now) and all(map(_like, before, now))


def _equal(obj: Any, before: Any, now: Any) -> bool:
    return bool(before == now)


def _pairs(obj: Any) -> list[Any]:
    items = (collections.OrderedDict if isinstance(obj, collections.OrderedDict) else dict).items(obj)
    return [part for pair in items for part in pair]


def _position(obj: Any) -> list[Any]:
    """The position of a generator; empty if it has ended."""
    frame = obj.gi_frame
    return [] if frame is None else [obj.gi_running, frame.f_lasti, *frame.f_locals.values()]


def _bytes(obj: Any) -> bytes:
    with memoryview(obj) as view:
        return view.tobytes()


def _is_buffer(obj: Any) -> bool:
    """Whether the object is a writable buffer that is small enough to record."""
    try:
        with memoryview(obj) as view:
            return not view.readonly and view.nbytes <= _LARGEST and view.c_contiguous
    except (TypeError, ValueError, BufferError):
        return False


_KINDS: Final[dict[type, Kind]] = {
    dict: Kind(_pairs, _equal_items),
    list: Kind(lambda obj: list(list.__iter__(obj)), _equal_items),
    set: Kind(lambda obj: frozenset(set.__iter__(obj)), _equal),
    collections.deque: Kind(lambda obj: list(collections.deque.__iter__(obj)), _equal_items),
    bytearray: Kind(bytearray.copy, _equal),
    array.array: Kind(array.array.tobytes, _equal),
    types.GeneratorType: Kind(_position, _equal_items),
    itertools.count: Kind(repr, _equal),
    **dict.fromkeys(ITERATORS, Kind(lambda obj: obj.__length_hint__(), _equal)),
}
_BUFFER: Final = Kind(_bytes, _equal)


# attributes


def attributes(obj: Any) -> dict[str, Any] | None:
    """An object's own attributes, read without methods of its class."""
    try:
        held = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return held if isinstance(held, dict) else None


def slots(obj: Any) -> dict[str, Any]:
    """The contents of an object's slots."""
    found: dict[str, Any] = {}
    cls: Any = type(obj)
    for name, slot in _slots_of(cls):
        try:
            found[name] = slot.__get__(obj)
        except AttributeError:  # it is empty
            continue
    return found


@functools.lru_cache(maxsize=1024)
def _slots_of(cls: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, slot) for each in cls.__mro__ if "__slots__" in vars(each)
        for name, slot in vars(each).items() if isinstance(slot, types.MemberDescriptorType)
    )  # fmt: skip


def _same_attributes(obj: Any, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether all earlier attributes are unchanged, and no new one hides an attribute of the class."""
    kept = all(_is_kept(obj, value, now.get(name)) for name, value in before.items())
    return kept and not any(_is_of_class(obj, name) for name in now.keys() - before.keys())


def _is_of_class(obj: Any, name: str) -> bool:
    found = inspect.getattr_static(type(obj), name, None)
    return found is not None and not hasattr(found, "__get__")


def _is_kept(obj: Any, before: Any, now: Any) -> bool:
    """Whether an attribute is unchanged. One that was missing or None may be filled in, as caches do."""
    return before is None or _like(before, now)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


OWN: Final = Kind(lambda obj: dict(attributes(obj) or {}), _same_attributes)
SLOTS: Final = Kind(slots, _same_attributes)
CELL: Final = Kind(_content, _is_kept)


def variable(name: str) -> Kind:
    """How to read one name of a namespace: the global variables of a function, or a class or module."""
    return Kind(lambda obj: (obj if isinstance(obj, dict) else vars(obj)).get(name), _is_kept)
