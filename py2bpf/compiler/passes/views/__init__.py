"""Takes views of packets apart, into what the verifier accepts: pointers, and comparisons with the packet's end.

    %1 = view packet*? %0, #20, #14          %1 = load packet* %0, #0, #4, unsigned      (data)
    guard ne %1, 0                     ->    %2 = load packet* %0, #4, #4, unsigned      (data_end)
    %2 = load i64 %1, #8, #1                 guard ule (ptradd %1, 34), %2
                                             %3 = load i64 %1, #22, #1

Every access is dominated by a comparison that covers it: the one that the program makes (``if ip is None``), or one
that is inserted. Where a helper may have moved the packet, a view that is still used is looked up again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ....uapi.helpers import Arg
from ...analysis.packet_epochs import Epoch, Epochs, meeting_place, moves_packet, still_loops
from ...ir.dominators import dominators
from ...ir.ops import INFO, NEGATED, Op, Raise
from ...ir.types import CTX, I64, PACKET_REACH, PLACE, U64, VIEW, VOID, Ptr, Region, Type
from ...ir.values import Block, Function, Value, const, prune, remove_edge, replace_all

_MEMORY: Final = {Op.LOAD: (0,), Op.STORE: (0,), Op.ZERO: (0,), Op.COPY: (0, 1)}
_ENTIRE: Final = 1 << 20
"""More than any packet: how far a null pointer may be used, which no path does."""


def run(fn: Function) -> bool:
    """Expands all views; says whether there are any."""
    if not any(value.op in (Op.VIEW, Op.EXTENT) for block in fn.blocks for value in block.body):
        return False
    _Expansion(fn).run()
    prune(fn)
    return True


class _Place(NamedTuple):
    """A pointer as the verifier tracks it: all constant offsets from one root share what it knows."""

    root: Value
    offset: int


class _Meaning(NamedTuple):
    """What a comparison says: ``root`` can be followed for ``extent`` bytes (where it is 0, if not ``positive``)."""

    root: Value
    extent: int
    positive: bool


class _Known:
    """What holds at one place of the function."""

    def __init__(self) -> None:
        self.covered: dict[Value, int] = {}
        self.places: dict[tuple[Value, Epoch], _Place] = {}
        self.epoch: Epoch = None

    def copy(self) -> _Known:
        other = _Known()
        other.covered, other.places, other.epoch = self.covered.copy(), self.places.copy(), self.epoch
        return other


def _is_place(value: Value) -> bool:
    return isinstance(value.type, Ptr) and value.type.region is Region.PACKET


def _is_null(value: Value) -> bool:
    return value.op is Op.CONST


class _Expansion:
    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.epochs = Epochs(fn)
        self.tree = dominators(fn)
        self.edges: dict[tuple[Epoch, str], Value] = {}  # data, data_end by epoch
        self.wanted: dict[Value, set[Block]] = {}
        self.context = next(v for v in fn.blocks[0].body if v.type == CTX)
        self.home: dict[Value, Epoch] = {}  # of views and phis: the epoch that they come from
        self.flags: dict[Value, Value] = {}  # a view's presence, or a condition on it, kept as a number
        self.meanings: dict[Value, _Meaning] = {}
        self.made: dict[Value, Epoch] = {}  # conditions on pointers: when they can be computed
        self.offsets: dict[Value, Value] = {}
        self.pending: list[tuple[Value, Value, Block]] = []
        self.new: dict[Value, Value] = {}
        self.at_end: dict[Block, _Known] = {}
        self.need = self._needs()

    def run(self) -> None:
        for number, block in enumerate(self.fn.blocks):
            self._block(block, self.fn.blocks[self.tree.idom[number]] if number else None)
        self._fill_offsets()
        for block in self.fn.blocks:
            for phi in block.phis:
                if _is_place(phi):
                    phi.args = [self._phi_argument(p, block, a) for p, a in zip(block.preds, phi.args, strict=True)]
        self._place_edges()
        replace_all(self.fn, self.new)

    # how far pointers are followed

    def _needs(self) -> dict[Value, int]:
        """For each pointer that isn't another one plus a constant: the end of the farthest access through it."""
        need: dict[Value, int] = {}
        for block in self.fn.blocks:
            for value in block.values():
                for position, arg in enumerate(value.args):
                    if _is_place(arg):
                        base, offset = _strip(arg)
                        need[base] = max(need.get(base, 0), offset + self._bytes(value, position))
        return need

    def _bytes(self, user: Value, position: int) -> int:
        if user.op is Op.LOAD or user.op is Op.STORE or user.op is Op.ZERO:
            return int(user.attr[0] + user.attr[1])
        if user.op is Op.COPY:
            return int(user.attr[position] + user.attr[2])
        if user.op is Op.CALL:
            return self._argument_bytes(user, position)
        return 0

    def _argument_bytes(self, call: Value, position: int) -> int:
        kinds = call.attr.args
        if kinds[position] in (Arg.KEY, Arg.VALUE):
            number = next(arg.attr for arg in call.args if arg.op is Op.MAP)
            spec = self.fn.maps[number]
            size: int = spec.key_size if kinds[position] is Arg.KEY else spec.value_size
            return size
        if position + 1 < len(call.args) and call.args[position + 1].op is Op.CONST:
            return int(call.args[position + 1].attr)
        return 0

    # the walk

    def _block(self, block: Block, dominator: Block | None) -> None:
        known = self.at_end[dominator].copy() if dominator is not None else _Known()
        known.epoch = self.epochs.entry[block]
        self.at_end[block] = self.known = known
        self.block = block
        old, block.body = block.body, []
        if len(block.preds) == 1:
            self._assume_edge(known, block.preds[0].end, block)
        for phi in block.phis:
            if _is_place(phi):
                self._enter_phi(block, phi)
        for value in old:
            self._value(value)

    def _enter_phi(self, block: Block, phi: Value) -> None:
        self.home[phi] = self.known.epoch
        self.known.places[phi, self.known.epoch] = _Place(phi, 0)
        if all(pred in self.at_end for pred in block.preds):
            self.known.covered[phi] = min(map(self._reach, block.preds, phi.args))
        self._keep(phi, phi)

    def _reach(self, pred: Block, pointer: Value) -> int:
        """How far a phi's argument can surely be followed at the end of ``pred``, if it isn't null."""
        if _is_null(pointer):
            return _ENTIRE
        base, offset = _strip(pointer)
        known = self.at_end[pred]
        place = known.places.get((base, known.epoch))
        if place is None:
            return 0
        if base.op is Op.VIEW and base is pointer and self.home[base] == known.epoch:
            return int(base.attr[0])
        return known.covered.get(place.root, 0) - place.offset - offset

    def emit(self, op: Op, args: list[Value], type: Type, attr: object = None) -> Value:
        value = Value(op, args, type, attr, self.span)
        self.block.body.append(value)
        return value

    def _value(self, value: Value) -> None:
        self.span = value.span
        if value.op is Op.VIEW:
            self._enter_view(value)
            return
        if value.op is Op.EXTENT:
            end, start = (self._edge(name) for name in value.attr)
            self.new[value] = self.emit(Op.SUB, [end, start], I64)
            return
        if value.op is Op.PTRADD and _is_place(value):
            if value.args[1].op is not Op.CONST:
                self._resolve(value)
            return
        if self._is_test(value):
            self.new[value] = self._null_test(value.args[0], value.op is Op.EQ)
            return
        for position, arg in enumerate(value.args):
            if _is_place(arg):
                self._pointer(value, position, arg)
            else:
                self._condition(value, position, arg)
        self._finish(value)

    @staticmethod
    def _is_test(value: Value) -> bool:
        return value.op in (Op.EQ, Op.NE) and _is_place(value.args[0]) and value.args[1].op is Op.CONST

    def _finish(self, value: Value) -> None:
        if value.op is Op.BRANCH and value.args[0].op is Op.CONST:
            yes, no = value.attr
            taken, left = (yes, no) if value.args[0].attr else (no, yes)
            if left is not taken:
                remove_edge(self.block, left)
            value.op, value.args, value.attr = Op.JUMP, [], (taken,)
        if value.op is Op.GUARD:
            if value.args[0].op is Op.CONST and value.args[0].attr:
                return
            self._assume(self.known, value.args[0], True)
        self.block.body.append(value)
        if value.op in (Op.AND, Op.OR) and any(arg in self.made for arg in value.args):
            self._remember(value)
        if moves_packet(value):
            self.known.epoch = value

    def _condition(self, user: Value, position: int, arg: Value) -> None:
        """Conditions are computed where they are used: after the packet moved they must be numbers by then."""
        arg = self.new.get(arg, arg)
        user.args[position] = arg
        if arg in self.made and self.made[arg] != self.known.epoch:
            user.args[position] = self.emit(Op.NE, [self.flags[arg], const(0)], I64)
        elif user.op in (Op.BRANCH, Op.GUARD) and self._surely(arg):
            user.args[position] = const(int(self.meanings[arg].positive))

    def _surely(self, condition: Value) -> bool:
        meaning = self.meanings.get(condition)
        return meaning is not None and self.known.covered.get(meaning.root, -1) >= meaning.extent

    def _pointer(self, user: Value, position: int, pointer: Value) -> None:
        if position in _MEMORY.get(user.op, ()):
            place = self._followed(pointer, self._bytes(user, position))
            user.args[position] = place.root
            attr = list(user.attr)
            attr[position] += place.offset
            user.attr = tuple(attr)
        elif user.op in (Op.BRANCH, Op.GUARD, Op.SELECT) and position == 0:
            test = self._null_test(pointer, False)
            user.args[position] = test
            self._condition(user, position, test)
        else:
            user.args[position] = self._address(self._followed(pointer, self._bytes(user, position)))

    # pointers

    def _edge(self, name: str) -> Value:
        """The context's pointer to the packet's start or end, as it is now."""
        value = self.edges.get((self.known.epoch, name))
        if value is None:
            value = Value(Op.LOAD, [self.context], PLACE, (self.fn.edges[name], 4, False), self.span)
            self.edges[self.known.epoch, name] = value
        self.wanted.setdefault(value, set()).add(self.block)
        return value

    def _enter_view(self, view: Value) -> None:
        self.home[view] = self.known.epoch
        self._resolve(view)
        if self.epochs.moving:
            self._keep(view, self._presence(view))

    def _keep(self, key: Value, condition: Value) -> None:
        if self.epochs.moving:
            self.span = key.span
            self.flags[key] = self.emit(Op.SELECT, [condition, const(1), const(0)], I64)

    def _remember(self, condition: Value) -> None:
        self.made[condition] = self.known.epoch
        self._keep(condition, condition)

    def _resolve(self, pointer: Value) -> _Place:
        """Where a pointer points now; the same root for the same pointer as long as the packet stays."""
        base, offset = _strip(pointer)
        key = base, self.known.epoch
        place = self.known.places.get(key)
        if place is None:
            place = self.known.places[key] = self._root(base)
        return _Place(place.root, place.offset + offset)

    def _root(self, base: Value) -> _Place:
        if base.op is Op.VIEW:
            size, start, within = base.attr
            if len(base.args) == 1:
                return _Place(self._edge("data"), start)
            return self._at(base.args[1], start, size, within)
        if base.op is Op.PTRADD:
            outer = self._resolve(base.args[0])
            return _Place(self.emit(Op.PTRADD, [outer.root, base.args[1]], PLACE), outer.offset)
        return self._at(self._offset_phi(base), 0, self.need.get(base, 0), False)

    def _at(self, offset: Value, start: int, size: int, within: bool) -> _Place:
        if not within:
            limit = const(PACKET_REACH - size)
            near = self.emit(Op.ULE, [offset, limit], I64)
            offset = self.emit(Op.SELECT, [near, offset, limit], U64)
        return _Place(self.emit(Op.PTRADD, [self._edge("data"), offset], PLACE), start)

    def _address(self, place: _Place) -> Value:
        return self.emit(Op.PTRADD, [place.root, const(place.offset)], PLACE) if place.offset else place.root

    def _offset_phi(self, phi: Value) -> Value:
        """How far from the packet's start a phi's pointer was made: a number, which survives moving the packet. Its
        arguments are filled in when the walk is over."""
        offset = self.offsets.get(phi)
        if offset is None:
            home = next(block for block in self.fn.blocks if phi in block.phis)
            offset = self.offsets[phi] = Value(Op.PHI, [], U64, None, phi.span)
            home.phis.append(offset)
            self.pending.append((offset, phi, home))
        return offset

    def _fill_offsets(self) -> None:
        while self.pending:
            offset, phi, home = self.pending.pop()
            offset.args = [self._offset(pred, arg) for pred, arg in zip(home.preds, phi.args, strict=True)]

    def _offset(self, pred: Block, pointer: Value) -> Value:
        if _is_null(pointer):
            return const(_ENTIRE)
        if pointer.op is Op.PHI:
            return self._offset_phi(pointer)
        if pointer.op is Op.VIEW:
            parts = pointer.args[1:], const(pointer.attr[1])
        else:
            parts = [self._offset(pred, pointer.args[0])], pointer.args[1]
        if not parts[0]:
            return parts[1]
        value = Value(Op.ADD, [parts[0][0], parts[1]], U64, None, pointer.span)
        pred.body.insert(len(pred.body) - 1, value)
        return value

    # comparisons with the packet's end

    def _covers(self, place: _Place, size: int) -> Value:
        """Whether ``size`` bytes are in the packet, as a condition that the verifier learns from."""
        extent = place.offset + size
        pointer = self.emit(Op.PTRADD, [place.root, const(extent)], PLACE) if extent else place.root
        test = self.emit(Op.ULE, [pointer, self._edge("data_end")], I64)
        self.meanings[test] = _Meaning(place.root, extent, True)
        return test

    def _presence(self, view: Value) -> Value:
        """Whether the packet has the view's bytes now."""
        size, _, within = view.attr
        test = self._covers(self._resolve(view), size)
        if not within:
            near = self.emit(Op.ULE, [view.args[1], const(PACKET_REACH - size)], I64)
            test = self.emit(Op.AND, [near, test], I64)
        return test

    def _null_test(self, pointer: Value, wants_null: bool) -> Value:
        """``pointer == 0`` or ``pointer != 0``, which is what it was when the pointer was made."""
        if pointer.op is not Op.VIEW or self.home[pointer] != self.known.epoch:
            is_phi_here = pointer.op is Op.PHI and not self.epochs.moving
            number = pointer if is_phi_here else self.flags[pointer]
            return self.emit(Op.EQ if wants_null else Op.NE, [number, const(0)], I64)
        test = self._presence(pointer)
        if wants_null:
            self._negate(test)
        self._remember(test)
        return test

    def _negate(self, test: Value) -> None:
        for part in test.args if test.op is Op.AND else [test]:
            part.op = NEGATED[part.op]
            meaning = self.meanings.get(part)
            if meaning is not None:
                self.meanings[part] = meaning._replace(positive=False)
        if test.op is Op.AND:
            test.op = Op.OR

    def _followed(self, pointer: Value, size: int) -> _Place:
        """Where the pointer points, with a check before it unless the verifier knows enough."""
        base, offset = _strip(pointer)
        place = self._resolve(base)
        if self.known.covered.get(place.root, -1) < place.offset + offset + size:
            self._check(base, place, offset + size)
        return _Place(place.root, place.offset + offset)

    def _check(self, base: Value, place: _Place, size: int) -> None:
        """Only a view that was lost when the packet moved can fail here; others can't, but the verifier doesn't
        know: array items at run-time indices, views that paths brought together."""
        if base.op is Op.VIEW:
            test = self._presence(base)
        else:
            test = self._covers(place, max(size, self.need.get(base, 0)))
        lost = base in self.home and self.home[base] != self.known.epoch
        self.emit(Op.GUARD, [test], VOID, Raise("AttributeError" if lost else ""))
        self._assume(self.known, test, True)

    # what branches say

    def _assume_edge(self, known: _Known, end: Value, block: Block) -> None:
        if end.op is Op.BRANCH and end.attr[0] is not end.attr[1]:
            self._assume(known, end.args[0], block is end.attr[0])

    def _assume(self, known: _Known, condition: Value, holds: bool) -> None:
        meaning = self.meanings.get(condition)
        if meaning is not None:
            if meaning.positive == holds:
                known.covered[meaning.root] = max(known.covered.get(meaning.root, 0), meaning.extent)
        elif condition.op is (Op.AND if holds else Op.OR) and all(INFO[a.op].compare or a.op in (Op.AND, Op.OR)
                                                                   for a in condition.args):  # fmt: skip
            for arg in condition.args:
                self._assume(known, arg, holds)

    # phis, and the edges of the packet

    def _phi_argument(self, pred: Block, block: Block, pointer: Value) -> Value:
        """A phi's argument as a pointer, 0 where the view is none."""
        if _is_null(pointer):
            return pointer
        self.block, self.span = pred, pointer.span
        self.known = self.at_end[pred]
        end = pred.body.pop()
        base, _ = _strip(pointer)
        place = self._resolve(pointer)
        known = self.known.copy()
        self._assume_edge(known, end, block)
        if base is not pointer or base.op is not Op.VIEW or known.covered.get(place.root, -1) >= (
            place.offset + base.attr[0]
        ):
            result = self._address(place)
        else:
            here = self.home[base] == self.known.epoch
            test = self._presence(base) if here else self.flags[base]
            result = self.emit(Op.SELECT, [test, self._address(place), const(0)], VIEW)
        pred.body.append(end)
        return result

    def _place_edges(self) -> None:
        """Loads the packet's edges once an epoch, before the first use."""
        for (epoch, _name), value in self.edges.items():
            loops = still_loops(self.fn, self.epochs, epoch)
            home = meeting_place(self.tree, self.fn, self.wanted[value], loops)
            at = next((i for i, user in enumerate(home.body) if value in user.args), len(home.body) - 1)
            home.body.insert(at, value)


def _strip(pointer: Value) -> tuple[Value, int]:
    """A pointer as another one and a constant."""
    offset = 0
    while pointer.op is Op.PTRADD and pointer.args[1].op is Op.CONST:
        offset += pointer.args[1].attr
        pointer = pointer.args[0]
    return pointer, offset
