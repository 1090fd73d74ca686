"""Methods of run-time values: of maps, integers, char arrays, lists and dicts."""

from __future__ import annotations

from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from . import arith, choice, contents, hints, host, indices, iteration, iterators, maps, nevers, sequences
from .machine import Machine
from .state import State
from .values import FALSE, NONE, Abstract, Const, DictRef, DictView, ListRef, Map, Method, Ref, Run

Args = tuple[Abstract, ...]

_INT: Final = {"bit_length": (0, 0), "bit_count": (0, 0), "conjugate": (0, 0)}
_COUNTS: Final[dict[type[Abstract], tuple[str, dict[str, tuple[int, int]]]]] = {
    Run: ("int", _INT),
    ListRef: ("list", {"append": (1, 1), "extend": (1, 1), "pop": (0, 1)}),
    DictRef: ("dict", {"get": (1, 2), "keys": (0, 0), "values": (0, 0), "items": (0, 0)}),
}
"""What Python's own objects are called, and how few and how many arguments their methods take."""
INT_METHODS: Final = frozenset(_INT)
CHARS_METHODS: Final = frozenset({"startswith"})


def call(ev: Machine, state: State, method: Method, args: Args) -> Abstract:
    owner = method.owner
    if isinstance(owner, Map):
        return maps.call_method(ev.b, owner, method.name, args)
    _check_count(owner, method.name, len(args))
    if isinstance(owner, Run):
        return _int_method(ev, owner, method.name)
    if isinstance(owner, Ref):
        return _chars_method(ev, owner, args)
    if isinstance(owner, ListRef):
        return _list_method(ev, state, owner, method.name, args)
    if isinstance(owner, DictRef):
        return _dict_method(ev, state, owner, method.name, args)
    raise TypeMismatch(0, f"{owner.describe()} has no method {method.name}()",
                       hints=("maps, integers, char arrays, lists and dicts have some",))  # fmt: skip


def _check_count(owner: Abstract, name: str, given: int) -> None:
    kind, counts = _COUNTS.get(type(owner), ("", {}))
    fewest, most = counts.get(name, (0, given))
    if not fewest <= given <= most:
        raise TypeMismatch(0, f".{name}() takes {hints.arguments(fewest, most)}, but {given} are given",
                           hints=(f"help({kind}.{name}) shows them",))  # fmt: skip


def _int_method(ev: Machine, owner: Run, name: str) -> Abstract:
    if name == "conjugate":
        return owner
    compute = arith.bit_length if name == "bit_length" else arith.popcount
    return arith.from_ir(compute(ev.b, owner.ir))


def _chars_method(ev: Machine, owner: Ref, args: Args) -> Abstract:
    if len(args) != 1 or not isinstance(args[0], Const) or not isinstance(args[0].obj, bytes):
        raise TypeMismatch(0, "startswith() of a char array takes constant bytes", hints=("write b'...'",))
    prefix = args[0].obj
    if not nevers.text_test(ev, owner, prefix):
        return FALSE
    return arith.from_bool(contents.equal_bytes(ev.b, owner, prefix))


def extend(ev: Machine, state: State, target: Abstract, iterable: Abstract) -> None:
    """``target.extend(iterable)`` on a list made in the program."""
    items = iteration.known_items(ev.b, state, iterable)
    if not isinstance(target, ListRef) or items is None:
        raise TypeMismatch(
            0, f"can't extend {target.describe()} by {iterable.describe()}", hints=("the length must be known",)
        )
    before = iterators.heap_object(state, target)
    sequences.check_count(len(before) + len(items))
    state.heap[target.ident] = before + items


def _list_method(ev: Machine, state: State, owner: ListRef, name: str, args: Args) -> Abstract:
    items = iterators.heap_object(state, owner)
    if name == "append":
        state.heap[owner.ident] = (*items, args[0])
        return NONE
    if name == "extend":
        extend(ev, state, owner, args[0])
        return NONE
    args = tuple(indices.number(ev.b, arg) for arg in args) if name == "pop" else args
    if name == "pop" and items and (not args or (isinstance(args[0], Const) and isinstance(args[0].obj, int))):
        remaining, at = list(items), args[0].obj if args and isinstance(args[0], Const) else -1
        if not -len(items) <= at < len(items):
            ev.b.exit("IndexError")
        popped = iterators.arrived(ev.b, remaining.pop(at))
        state.heap[owner.ident] = tuple(remaining)
        return popped
    raise UnsupportedSyntax(0, f"list.{name}() is not supported in compiled functions",
                            hints=("append, extend and pop are",))  # fmt: skip


def _dict_method(ev: Machine, state: State, owner: DictRef, name: str, args: Args) -> Abstract:
    items = iterators.heap_object(state, owner)
    if name == "get":
        if not isinstance(args[0], Const):
            return choice.get(ev.b, items, *args)
        found: Abstract = items.get(host.key(ev.b, args[0]), args[1] if len(args) > 1 else NONE)
        return found
    if name in ("keys", "values", "items"):
        return DictView(owner, name)
    raise UnsupportedSyntax(
        0,
        f"dict.{name}() is not supported in compiled functions",
        hints=("get, keys, values and items are, and d[key] = value with constant keys",),
    )
