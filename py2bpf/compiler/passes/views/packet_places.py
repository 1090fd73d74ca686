"""The places of pointers into the packet, as sums that the verifier follows; computed again when the packet moves."""

from __future__ import annotations

from ...analysis.packet_epochs import Epoch, Epochs, meeting_place, still_loops
from ...ir.dominators import dominators
from ...ir.ops import Op
from ...ir.types import CTX, I64, PACKET_REACH, PLACE, U64, Type
from ...ir.values import Block, Function, Value, const
from .known_places import ENTIRE, Known, Place, is_null, strip
from .view_needs import needs


class PacketPlaces:
    """``block`` is where operations are emitted, ``span`` their place in the source, ``known`` the facts there.
    ``need`` tells how many bytes behind each pointer are accessed."""

    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.epochs = Epochs(fn)
        self.tree = dominators(fn)
        self.context = next(v for v in fn.blocks[0].body if v.type == CTX)
        self.need = needs(fn)
        self.block = fn.blocks[0]
        self.span = self.context.span
        self.known = Known()
        self.edges: dict[tuple[Epoch, str], Value] = {}  # data, data_end by epoch
        self.wanted: dict[Value, set[Block]] = {}
        self.offsets: dict[Value, Value] = {}
        self.pending: list[tuple[Value, Value, Block]] = []

    @property
    def epoch(self) -> Epoch:
        """The epoch of the current place."""
        return self.known.epoch

    def emit(self, op: Op, args: list[Value], type: Type, attr: object = None) -> Value:
        """Adds an operation to the block."""
        value = Value(op, args, type, attr, self.span)
        self.block.body.append(value)
        return value

    def edge(self, name: str) -> Value:
        """The context's pointer to the packet's start or end, as it is now."""
        value = self.edges.get((self.epoch, name))
        if value is None:
            value = Value(Op.LOAD, [self.context], PLACE, (self.fn.edges[name], 4, False), self.span)
            self.edges[self.epoch, name] = value
        self.wanted.setdefault(value, set()).add(self.block)
        return value

    def resolve(self, pointer: Value) -> Place:
        """The current place of a pointer; the root is the same for the same pointer as long as the packet stays."""
        base, offset = strip(pointer)
        key = base, self.epoch
        place = self.known.places.get(key)
        if place is None:
            place = self.known.places[key] = self._root(base)
        return Place(place.root, place.offset + offset)

    def _root(self, base: Value) -> Place:
        if base.op is Op.VIEW:
            size, start, within = base.attr
            if len(base.args) == 1:
                return Place(self.edge("data"), start)
            return self._at(base.args[1], start, size, within)
        if base.op is Op.PTRADD:
            outer = self.resolve(base.args[0])
            return Place(self.emit(Op.PTRADD, [outer.root, base.args[1]], PLACE), outer.offset)
        return self._at(self._offset_phi(base), 0, self.need.get(base, 0), False)

    def _at(self, offset: Value, start: int, size: int, within: bool) -> Place:
        """A place behind the packet's start, within the verifier's reach."""
        if not within:
            limit = const(PACKET_REACH - size)
            near = self.emit(Op.ULE, [offset, limit], I64)
            offset = self.emit(Op.SELECT, [near, offset, limit], U64)
        return Place(self.emit(Op.PTRADD, [self.edge("data"), offset], PLACE), start)

    def address(self, place: Place) -> Value:
        """A place as a pointer."""
        return self.emit(Op.PTRADD, [place.root, const(place.offset)], PLACE) if place.offset else place.root

    def _offset_phi(self, phi: Value) -> Value:
        """The offset of a phi's pointer from the packet's start, as a phi of numbers, which stay valid when the packet
        moves. Its arguments are filled in after the walk."""
        offset = self.offsets.get(phi)
        if offset is None:
            home = next(block for block in self.fn.blocks if phi in block.phis)
            offset = self.offsets[phi] = Value(Op.PHI, [], U64, None, phi.span)
            home.phis.append(offset)
            self.pending.append((offset, phi, home))
        return offset

    def fill_offsets(self) -> None:
        """Gives the phis of offsets their arguments."""
        while self.pending:
            offset, phi, home = self.pending.pop()
            offset.args = [self._offset(pred, arg) for pred, arg in zip(home.preds, phi.args, strict=True)]

    def _offset(self, pred: Block, pointer: Value) -> Value:
        if is_null(pointer):
            return const(ENTIRE)
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

    def place_edges(self) -> None:
        """Loads the packet's edges once an epoch, before the first use."""
        for (epoch, _name), value in self.edges.items():
            loops = still_loops(self.fn, self.epochs, epoch)
            home = meeting_place(self.tree, self.fn, self.wanted[value], loops)
            at = next((i for i, user in enumerate(home.body) if value in user.args), len(home.body) - 1)
            home.body.insert(at, value)
