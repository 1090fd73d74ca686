"""Comparisons with the packet's end, from the program or needed by accesses, and their meanings."""

from __future__ import annotations

from ...analysis.packet_epochs import Epoch
from ...ir.ops import INFO, NEGATED, Op, Raise
from ...ir.types import I64, PACKET_REACH, PLACE, VOID
from ...ir.values import Block, Value, const
from .known_places import Known, Meaning, Place, strip
from .packet_places import PacketPlaces


class PacketChecks:
    """``home``: the epoch in which a view or phi was made. ``flags``: its presence, or a condition on it, kept as a
    number. ``meanings``: of comparisons. ``made``: the epoch in which a condition on pointers was computed."""

    def __init__(self, places: PacketPlaces) -> None:
        self.places = places
        self.home: dict[Value, Epoch] = {}
        self.flags: dict[Value, Value] = {}
        self.meanings: dict[Value, Meaning] = {}
        self.made: dict[Value, Epoch] = {}

    def covers(self, place: Place, size: int) -> Value:
        """Whether ``size`` bytes are in the packet, as a condition from which the verifier learns."""
        extent = place.offset + size
        pointer = self.places.emit(Op.PTRADD, [place.root, const(extent)], PLACE) if extent else place.root
        test = self.places.emit(Op.ULE, [pointer, self.places.edge("data_end")], I64)
        self.meanings[test] = Meaning(place.root, extent, True)
        return test

    def presence(self, view: Value) -> Value:
        """Whether the packet has the view's bytes now."""
        size, _, within = view.attr
        test = self.covers(self.places.resolve(view), size)
        if not within:
            near = self.places.emit(Op.ULE, [view.args[1], const(PACKET_REACH - size)], I64)
            test = self.places.emit(Op.AND, [near, test], I64)
        return test

    def null_test(self, pointer: Value, wants_null: bool) -> Value:
        """``pointer == 0`` or ``pointer != 0``, as of the time when the pointer was made."""
        if pointer.op is not Op.VIEW or self.home[pointer] != self.places.epoch:
            is_phi_here = pointer.op is Op.PHI and not self.places.epochs.moving
            number = pointer if is_phi_here else self.flags[pointer]
            return self.places.emit(Op.EQ if wants_null else Op.NE, [number, const(0)], I64)
        test = self.presence(pointer)
        if wants_null:
            self._negate(test)
        self.remember(test)
        return test

    def _negate(self, test: Value) -> None:
        for part in test.args if test.op is Op.AND else [test]:
            part.op = NEGATED[part.op]
            meaning = self.meanings.get(part)
            if meaning is not None:
                self.meanings[part] = meaning._replace(positive=False)
        if test.op is Op.AND:
            test.op = Op.OR

    def followed(self, pointer: Value, size: int) -> Place:
        """The place of an access through the pointer, with a check before it unless the verifier knows enough."""
        base, offset = strip(pointer)
        place = self.places.resolve(base)
        if self.places.known.covered.get(place.root, -1) < place.offset + offset + size:
            self._check(base, place, offset + size)
        return Place(place.root, place.offset + offset)

    def _check(self, base: Value, place: Place, size: int) -> None:
        """Adds a check. It can fail only for a view that was lost when the packet moved. Others can't fail, but the
        verifier doesn't know: array items at run-time indices, views joined from several paths."""
        if base.op is Op.VIEW:
            test = self.presence(base)
        else:
            test = self.covers(place, max(size, self.places.need.get(base, 0)))
        lost = base in self.home and self.home[base] != self.places.epoch
        self.places.emit(Op.GUARD, [test], VOID, Raise("AttributeError" if lost else ""))
        self.assume(self.places.known, test, True)

    def assume(self, known: Known, condition: Value, holds: bool) -> None:
        """Notes the facts that follow if a condition holds, or doesn't."""
        meaning = self.meanings.get(condition)
        if meaning is not None:
            if meaning.positive == holds:
                known.covered[meaning.root] = max(known.covered.get(meaning.root, 0), meaning.extent)
        elif condition.op is (Op.AND if holds else Op.OR) and all(INFO[a.op].compare or a.op in (Op.AND, Op.OR)
                                                                   for a in condition.args):  # fmt: skip
            for arg in condition.args:
                self.assume(known, arg, holds)

    def assume_edge(self, known: Known, end: Value, block: Block) -> None:
        """Notes the facts that follow from the branch that leads to a block."""
        if end.op is Op.BRANCH and end.attr[0] is not end.attr[1]:
            self.assume(known, end.args[0], block is end.attr[0])

    def keep(self, key: Value, condition: Value) -> None:
        """Makes a condition a number if the packet may move, since the number outlives the pointers."""
        if self.places.epochs.moving:
            self.places.span = key.span
            self.flags[key] = self.places.emit(Op.SELECT, [condition, const(1), const(0)], I64)

    def remember(self, condition: Value) -> None:
        """Notes when a condition on pointers was computed."""
        self.made[condition] = self.places.epoch
        self.keep(condition, condition)

    def enter_view(self, view: Value) -> None:
        """Notes that a view is made here."""
        self.home[view] = self.places.epoch
        self.places.resolve(view)
        if self.places.epochs.moving:
            self.keep(view, self.presence(view))

    def surely(self, condition: Value) -> bool:
        """Whether a comparison is certainly true, by the known facts."""
        meaning = self.meanings.get(condition)
        return meaning is not None and self.places.known.covered.get(meaning.root, -1) >= meaning.extent
