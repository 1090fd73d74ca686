"""The walk over a function that expands its views."""

from __future__ import annotations

from ...analysis.packet_epochs import moves_packet
from ...ir.ops import Op
from ...ir.types import I64, VIEW
from ...ir.values import Block, Function, Value, const, remove_edge, replace_all
from .known_places import ENTIRE, Known, Place, is_null, is_place, strip
from .packet_checks import PacketChecks
from .packet_places import PacketPlaces
from .view_needs import MEMORY, reached_bytes


class Expansion:
    """``new`` has the replacements of removed values, ``at_end`` the facts at the ends of blocks."""

    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.places = PacketPlaces(fn)
        self.checks = PacketChecks(self.places)
        self.new: dict[Value, Value] = {}
        self.at_end: dict[Block, Known] = {}

    def run(self) -> None:
        """Expands every block in order, then the phis, whose arguments may come from later blocks."""
        tree = self.places.tree
        for number, block in enumerate(self.fn.blocks):
            self._block(block, self.fn.blocks[tree.idom[number]] if number else None)
        self.places.fill_offsets()
        for block in self.fn.blocks:
            for phi in block.phis:
                if is_place(phi):
                    phi.args = [self._phi_argument(p, block, a) for p, a in zip(block.preds, phi.args, strict=True)]
        self.places.place_edges()
        replace_all(self.fn, self.new)

    def _block(self, block: Block, dominator: Block | None) -> None:
        known = self.at_end[dominator].copy() if dominator is not None else Known()
        known.epoch = self.places.epochs.entry[block]
        self.at_end[block] = self.places.known = known
        self.places.block = block
        old, block.body = block.body, []
        if len(block.preds) == 1:
            self.checks.assume_edge(known, block.preds[0].end, block)
        for phi in block.phis:
            if is_place(phi):
                self._enter_phi(block, phi)
        for value in old:
            self._value(value)

    def _enter_phi(self, block: Block, phi: Value) -> None:
        self.checks.home[phi] = self.places.epoch
        self.places.known.places[phi, self.places.epoch] = Place(phi, 0)
        if all(pred in self.at_end for pred in block.preds):
            self.places.known.covered[phi] = min(map(self._reach, block.preds, phi.args))
        self.checks.keep(phi, phi)

    def _reach(self, pred: Block, pointer: Value) -> int:
        """How many bytes behind a phi's argument are certainly accessible at the end of ``pred``, if it isn't null."""
        if is_null(pointer):
            return ENTIRE
        base, offset = strip(pointer)
        known = self.at_end[pred]
        place = known.places.get((base, known.epoch))
        if place is None:
            return 0
        if base.op is Op.VIEW and base is pointer and self.checks.home[base] == known.epoch:
            return int(base.attr[0])
        return known.covered.get(place.root, 0) - place.offset - offset

    def _value(self, value: Value) -> None:
        self.places.span = value.span
        if value.op is Op.VIEW:
            self.checks.enter_view(value)
            return
        if value.op is Op.EXTENT:
            end, start = (self.places.edge(name) for name in value.attr)
            self.new[value] = self.places.emit(Op.SUB, [end, start], I64)
            return
        if value.op is Op.PTRADD and is_place(value):
            if value.args[1].op is not Op.CONST:
                self.places.resolve(value)
            return
        if self._is_test(value):
            self.new[value] = self.checks.null_test(value.args[0], value.op is Op.EQ)
            return
        for position, arg in enumerate(value.args):
            if is_place(arg):
                self._pointer(value, position, arg)
            else:
                self._condition(value, position, arg)
        self._finish(value)

    @staticmethod
    def _is_test(value: Value) -> bool:
        return value.op in (Op.EQ, Op.NE) and is_place(value.args[0]) and value.args[1].op is Op.CONST

    def _pointer(self, user: Value, position: int, pointer: Value) -> None:
        if position in MEMORY.get(user.op, ()):
            place = self.checks.followed(pointer, reached_bytes(self.fn, user, position))
            user.args[position] = place.root
            attr = list(user.attr)
            attr[position] += place.offset
            user.attr = tuple(attr)
        elif user.op in (Op.BRANCH, Op.GUARD, Op.SELECT) and position == 0:
            test = self.checks.null_test(pointer, False)
            user.args[position] = test
            self._condition(user, position, test)
        else:
            place = self.checks.followed(pointer, reached_bytes(self.fn, user, position))
            user.args[position] = self.places.address(place)

    def _condition(self, user: Value, position: int, arg: Value) -> None:
        """Updates a user's condition: if the packet has moved since, the number that was kept replaces it."""
        arg = self.new.get(arg, arg)
        user.args[position] = arg
        if arg in self.checks.made and self.checks.made[arg] != self.places.epoch:
            user.args[position] = self.places.emit(Op.NE, [self.checks.flags[arg], const(0)], I64)
        elif user.op in (Op.BRANCH, Op.GUARD) and self.checks.surely(arg):
            user.args[position] = const(int(self.checks.meanings[arg].positive))

    def _finish(self, value: Value) -> None:
        if value.op is Op.BRANCH and value.args[0].op is Op.CONST:
            yes, no = value.attr
            taken, left = (yes, no) if value.args[0].attr else (no, yes)
            if left is not taken:
                remove_edge(self.places.block, left)
            value.op, value.args, value.attr = Op.JUMP, [], (taken,)
        if value.op is Op.GUARD:
            if value.args[0].op is Op.CONST and value.args[0].attr:
                return
            self.checks.assume(self.places.known, value.args[0], True)
        self.places.block.body.append(value)
        if value.op in (Op.AND, Op.OR) and any(arg in self.checks.made for arg in value.args):
            self.checks.remember(value)
        if moves_packet(value):
            self.places.known.epoch = value

    def _phi_argument(self, pred: Block, block: Block, pointer: Value) -> Value:
        """A phi's argument as a pointer, 0 if the view is None."""
        if is_null(pointer):
            return pointer
        self.places.block, self.places.span = pred, pointer.span
        self.places.known = self.at_end[pred]
        end = pred.body.pop()
        base, _ = strip(pointer)
        place = self.places.resolve(pointer)
        known = self.places.known.copy()
        self.checks.assume_edge(known, end, block)
        if base is not pointer or base.op is not Op.VIEW or known.covered.get(place.root, -1) >= (
            place.offset + base.attr[0]
        ):
            result = self.places.address(place)
        else:
            here = self.checks.home[base] == self.places.epoch
            test = self.checks.presence(base) if here else self.checks.flags[base]
            result = self.places.emit(Op.SELECT, [test, self.places.address(place), const(0)], VIEW)
        pred.body.append(end)
        return result
