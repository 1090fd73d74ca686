# ruff: noqa: RUF005
"""Captured containers whose class overrides operations, one by one: C code of the built-in types calls some methods of
a subclass, and bypasses others to read the stored items.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import pytest

from py2bpf import vm
from py2bpf.exception import InternalCompilerError, TranslationError
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

PACKET = bytes(14 + 50)
BASES: dict[type, Any] = {
    list: [1, 50], tuple: (1, 50), dict: {1: 2, 50: 3}, set: {1, 50}, frozenset: {1, 50}, bytes: b"\x01\x32",
    collections.deque: [1, 50], collections.OrderedDict: {1: 2, 50: 3}, collections.Counter: {1: 2, 50: 3},
    collections.UserList: [1, 50], collections.UserDict: {1: 2, 50: 3},
}  # fmt: skip


def _item(self: Any, key: Any) -> int:
    if isinstance(key, int) and key > 60:
        raise IndexError
    return 33


METHODS: dict[str, Callable[..., Any]] = {
    "nothing": lambda self: None,
    "__iter__": lambda self: iter((7, 8, 50)),
    "__len__": lambda self: 4,
    "__getitem__": _item,
    "__contains__": lambda self, item: item == 51,
    "__reversed__": lambda self: iter((4, 5)),
    "__eq__": lambda self, other: True,
    "keys": lambda self: (1, 2),
    "items": lambda self: ((1, 10), (2, 20)),
    "values": lambda self: (5, 6),
    "get": lambda self, key, default=None: 99,
    "__missing__": lambda self, key: 44,
}


def _matched(x: Any, n: Any) -> Any:
    match x:
        case [a]:
            return a * n
        case [a, b]:
            return a * n + b
        case [a, b, _, d]:
            return a * n + b + d
    return 99


def _starred(x: Any, n: Any) -> Any:
    match x:
        case [a, *_, d]:
            return a * n + d
    return 99


def _unpacked(x: Any, n: Any) -> Any:
    first, *rest = x
    return first * n + len(rest)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "len": lambda x, n: len(x) + n,
    "truth": lambda x, n: n if x else 2,
    "in": lambda x, n: (n in x) + 1,
    "in, next": lambda x, n: (n + 1 in x) + 1,
    "not in": lambda x, n: (n - 49 not in x) + 1,
    "constant in": lambda x, n: (50 in x) + n,
    "for": lambda x, n: sum([item * n for item in x]),
    "item": lambda x, n: x[1] + n,
    "item of run time": lambda x, n: x[n - 49],
    "item from behind": lambda x, n: x[-1] + n,
    "item of a key": lambda x, n: x[n],
    "no item of a key": lambda x, n: x[n + 1],
    "slice": lambda x, n: x[0:1][0] + n,
    "== of a tuple": lambda x, n: (x == (1, n)) + 1,
    "== of a tuple, reflected": lambda x, n: ((1, n) == x) + 1,
    "!= of a tuple": lambda x, n: (x != (1, n)) + 1,
    "== of a list": lambda x, n: (x == [1, n]) + 1,
    "< of a tuple": lambda x, n: (x < (2, n)) + 1,
    "reversed": lambda x, n: sum([item * n for item in reversed(x)]),
    "list": lambda x, n: sum(list(x)) + n,
    "tuple": lambda x, n: len(tuple(x)) + n,
    "sorted": lambda x, n: sorted(x)[0] + n,
    "starred": lambda x, n: sum([*x, n]),
    "arguments": lambda x, n: (lambda *args: len(args) * n)(*x),
    "unpacked": _unpacked,
    "zip": lambda x, n: sum([a * b for a, b in zip(x, (n, n, n, n), strict=False)]),
    "enumerate": lambda x, n: sum([a * n + b for a, b in enumerate(x)]),
    "keys": lambda x, n: sum([key * n for key in x.keys()]),
    "values": lambda x, n: sum([key * n for key in x.values()]),
    "items": lambda x, n: sum([key * n + value for key, value in x.items()]),
    "get": lambda x, n: x.get(n, 5),
    "get of a constant": lambda x, n: x.get(1, 5) + n,
    "a dict of its items": lambda x, n: len({**x}) * n + {**x}.get(1, 7),
    "a dict of its items, one by one": lambda x, n: sum([k * n + v for k, v in {**x, 3: n}.items()]),
    "a match": _matched,
    "a match with a star": _starred,
    "+": lambda x, n: len(x + (1, n)) + n,
    "+ of a list": lambda x, n: len(x + [1, n]) + n,
    "+, reflected": lambda x, n: len((1, n) + x) + n,
}  # fmt: skip


def subclass(base: Any, name: str) -> Any:
    own = {"__module__": __name__} | ({} if name == "nothing" else {name: METHODS[name]})
    cls = type(f"{base.__name__}_{name.strip('_')}", (base,), own)
    return cls(BASES[base])


def outcome(fn: Callable[[Any, Any], Any], obj: Any) -> int | None:
    """What CPython gives, None where that is no number."""
    try:
        found = fn(obj, 50)
    except Exception:  # noqa: BLE001 - whatever it is
        return None
    return found if isinstance(found, int) else None


def compiled(fn: Callable[[Any, Any], Any], obj: Any) -> int | str:
    try:
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: fn(obj, skb.len)) as prog:
            return prog.test_run(PACKET).retval
    except InternalCompilerError as error:
        return str(error)
    except TranslationError:
        return "refused"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_a_container_means_what_it_means_in_python(base: Any, name: str) -> None:
    wrong, agreed = [], 0
    for operation, fn in OPERATIONS.items():
        wanted = outcome(fn, subclass(base, name))
        if wanted is None:
            continue
        with vm.backend():
            found = compiled(fn, subclass(base, name))
        agreed += found == wanted
        if found not in (wanted, "refused"):
            wrong.append((operation, found, wanted))
    assert not wrong and agreed >= 6


class Both(dict[int, int]):
    def __iter__(self) -> Any:
        return iter((7, 8, 9))

    def keys(self) -> Any:
        return (1, 2)

    def __len__(self) -> int:
        return super().__len__() + 1


def test_a_dict_that_names_keys_that_it_lacks() -> None:
    both = Both({1: 2})
    for operation in ("len", "in", "for", "keys", "get"):
        with vm.backend():
            assert compiled(OPERATIONS[operation], both) == outcome(OPERATIONS[operation], both), operation


NUMBERS, MIXED = [1, 50], {"a": 1, 50: 2}
BESIDE: dict[str, Callable[[Any, Any], Any]] = {
    "a captured list before one of the program": lambda x, n: sum(NUMBERS + [n, 2]),
    "a captured list behind one of the program": lambda x, n: sum([n, 2] + NUMBERS),
    "== of a captured list": lambda x, n: (NUMBERS == [1, n]) + 2 * ([n, 1] == NUMBERS) + 4 * (NUMBERS != [n]),
    "in a dict of numbers and texts": lambda x, n: (n in MIXED) + 2 * (n + 1 in MIXED) + 4 * (n in {"a", 50}),
    "in the program's dict of both": lambda x, n: (n in {"a": n, 50: 1}) + 2 * (n not in {"a": n}),
}  # fmt: skip


@pytest.mark.parametrize("where", ["vm", pytest.param("kernel", marks=pytest.mark.kernel)])
@pytest.mark.parametrize("name", BESIDE)
def test_captured_containers_beside_what_a_program_makes(name: str, where: Any) -> None:
    with vm.backend(where):
        assert compiled(BESIDE[name], None) == outcome(BESIDE[name], None)
