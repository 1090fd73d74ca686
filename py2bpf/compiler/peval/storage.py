"""Contents of captured containers that Python's own code reads directly, even if the class overrides ``__iter__``.

===========================================  ======================================================================
``x[i]``, ``n in x``, ``==``, ``<``, ``+``   what is stored, unless the class defines that very operation
``for``, ``*x``, unpacking, list(), zip()    ``__iter__``
``len(x)``, a ``match`` of sequences         ``__len__``
``reversed(x)``                              ``__reversed__``; ``__len__`` and ``__getitem__`` of a tuple or bytes
``{**x}``                                    what is stored, but ``keys()`` and ``[]`` where ``__iter__`` is overridden
===========================================  ======================================================================
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any, Final

_BUILT_IN: Final = (list, tuple, dict, set, frozenset, str, bytes, bytearray, collections.deque)
_WRAPPERS: Final = (collections.UserList, collections.UserDict)
"""Classes of Python's library that hold another container in ``data``."""


def items(obj: Any) -> Iterator[Any] | None:
    """The items that a container stores, for a dict its keys; None for objects of other types."""
    while isinstance(obj, _WRAPPERS):
        obj = obj.data
    base: Any = next((cls for cls in _BUILT_IN if isinstance(obj, cls)), None)
    return None if base is None else base.__iter__(obj)


def mapped(mapping: Any) -> dict[Any, Any]:
    """The items that a mapping stores."""
    while isinstance(mapping, collections.UserDict):
        mapping = mapping.data
    return dict(dict.items(mapping)) if isinstance(mapping, dict) else dict(mapping.items())


def is_sequence(obj: Any) -> bool:
    """Whether the object matches a sequence pattern."""
    match obj:
        case [*_]:
            return True
    return False


def merged(mapping: Any) -> dict[Any, Any]:
    """The items that ``{**mapping}`` and ``f(**mapping)`` copy."""
    return {**mapping}
